//! Prints what the catalog knows about a database, one line per fact.
//!
//! `cargo run -p ferrobase-catalog --example describe -- <url> <schema>[,<schema>] [<extra schema>,...]`
//! For people who wonder why an embedding exists or not, and for comparing two servers or two versions of this crate.

#[path = "../tests/describe.rs"]
mod describe;

use std::time::Instant;

use ferrobase_catalog::{Scope, load};
use ferrobase_pg::{ConnectOptions, Session};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("the first argument is a database URL")?;
    let list = |text: Option<String>| -> Vec<String> {
        text.unwrap_or_default().split(',').filter(|s| !s.is_empty()).map(str::to_owned).collect()
    };
    let mut scope = Scope::exposing(list(arguments.next()));
    scope.extra_search_path = list(arguments.next());
    let mut session = Session::connect(&ConnectOptions::parse(&url)?).await?;
    let started = Instant::now();
    let catalog = load(&mut session, &scope).await?;
    eprintln!("loaded in {:?}", started.elapsed());
    for line in describe::catalog(&catalog) {
        println!("{line}");
    }
    Ok(())
}
