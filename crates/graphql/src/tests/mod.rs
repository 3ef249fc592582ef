//! Properties of the pure stages: whatever comes, an answer or a refusal; and no word of a request is ever SQL.

mod canary;
mod fixture;
mod total;

use std::sync::LazyLock;

use ferrobase_request::exposure::Exposure;

use crate::config::GraphqlSection;
use crate::{Settings, View};

/// What a role that may do everything sees of the small catalog.
static VIEW: LazyLock<View> = LazyLock::new(|| {
    let section = GraphqlSection { max_aliases: 1000, max_depth: 64, introspection: Some(true), ..Default::default() };
    let settings = Settings::new(&section, Vec::new(), true);
    View::new(&fixture::catalog(), &Exposure::open(vec!["api".to_owned()]), &settings, "all", "api")
});
