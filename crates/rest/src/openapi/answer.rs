//! The answer to a request for a description.
//!
//! The caller enters a transaction first, as for any other request: whoever the database or the pre-request function
//! refuses is told nothing. Then the catalog has the rest.

use std::sync::Arc;
use std::time::Instant;

use axum::response::Response;
use ferrobase_base::{Kind, PublicError};
use ferrobase_catalog::Catalog;
use ferrobase_request::Stage;
use http::{HeaderValue, header};

use super::cache::Key;
use super::{About, Dialect, Format, Listing, View};
use crate::config::OpenApiMode;
use crate::error::Error;
use crate::execute;
use crate::flow::Flow;
use crate::media::MediaType;
use crate::render::body_of;
use crate::request::RestRequest;
use crate::summary;

impl Flow<'_> {
    /// Describes what the caller may know of the request's schema.
    pub(crate) async fn describe(
        &self,
        request: &RestRequest,
        catalog: Arc<Catalog>,
        format: Format,
    ) -> Result<Response, PublicError> {
        let media = self.journal().measure(Stage::Plan, || media(&request.accept, format))?;
        self.journal().runs(summary::DESCRIPTION, || summary::DESCRIPTION.to_owned());
        execute::enter(self.target, &self.caller.0, self.settings, request).await?;
        let began = Instant::now();
        let key = Key {
            target: Arc::clone(&self.target.id),
            generation: catalog.generation,
            role: self.caller.0.identity.role().to_owned(),
            schema: request.schema.clone(),
            format,
        };
        let make = self.maker(key.clone(), catalog);
        let failed = || PublicError::new(Kind::Internal, "FB106", "The description could not be made");
        let body = self.documents.get(key, self.settings, make).await.ok_or_else(failed)?;
        let mut response = Response::new(body_of(request, body));
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("Accept, Prefer, Range"));
        headers.insert(header::CONTENT_TYPE, media);
        if let Some(Ok(profile)) = request.negotiated.then(|| HeaderValue::try_from(&request.schema)) {
            headers.insert("content-profile", profile);
        }
        self.journal().since(Stage::Render, began);
        Ok(response)
    }

    /// What makes the document, away from this request.
    fn maker(&self, key: Key, catalog: Arc<Catalog>) -> impl FnOnce() -> bytes::Bytes + Send + 'static {
        let (target, settings) = (Arc::clone(self.target), Arc::clone(self.settings));
        let dialect = if self.is_postgrest() { Dialect::Postgrest } else { Dialect::Ferrobase };
        let listing = match (settings.openapi, dialect) {
            (OpenApiMode::IgnorePrivileges, _) => Listing::Everything,
            (_, Dialect::Postgrest) => Listing::Reachable,
            (_, Dialect::Ferrobase) => Listing::Granted,
        };
        move || {
            let visible = |relation: &_| target.exposure.visibility(&catalog, relation, &key.role).is_visible();
            let view = View {
                catalog: &catalog,
                schema: &key.schema,
                extra_search_path: &settings.extra_search_path,
                role: &key.role,
                listing,
                visible: &visible,
            };
            let about = About {
                dialect,
                address: &settings.address,
                security: settings.openapi_security,
                anonymous: settings.anonymous,
                schemas: &settings.rules.schemas,
                schema: &key.schema,
            };
            super::write(key.format, &view, &about)
        }
    }
}

/// The type of the answer. PostgREST's document always has its own; ours is JSON unless that is asked for.
fn media(accept: &[MediaType], format: Format) -> Result<HeaderValue, Error> {
    let fits = |media: &&MediaType| matches!(media, MediaType::OpenApi | MediaType::Json | MediaType::Any);
    let Some(asked) = accept.iter().find(fits) else {
        return Err(Error::NotAcceptable(accept.iter().map(ToString::to_string).collect()));
    };
    let own = "application/openapi+json; charset=utf-8";
    Ok(HeaderValue::from_static(match (format, asked) {
        (Format::V31, MediaType::Json | MediaType::Any) => "application/json; charset=utf-8",
        _ => own,
    }))
}
