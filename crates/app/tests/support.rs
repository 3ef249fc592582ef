//! A running application on a database of the test's own, and the keys and tokens that callers use.

use std::path::{Path, PathBuf};

use ferrobase_contract_runner::Variables;
use ferrobase_testkit::app::AppBuilder;
use ferrobase_testkit::{App, TestDatabase, database_from, token};
use serde_json::json;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_ferrobase");

/// Two users, whose ids the cases know.
pub(crate) const ANN: &str = "00000000-0000-4000-8000-00000000000a";
pub(crate) const BOB: &str = "00000000-0000-4000-8000-00000000000b";

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A database in which Ferrobase's own schemas are installed.
pub(crate) async fn installed() -> TestDatabase {
    database_from("installed_4", async |url| {
        let app = App::serve(BINARY, &url).start().await.unwrap();
        drop(app);
    })
    .await
}

/// An installed database with these SQL files applied.
pub(crate) async fn database_with(fixtures: &[PathBuf]) -> TestDatabase {
    let database = installed().await;
    for fixture in fixtures {
        database.script(&std::fs::read_to_string(fixture).unwrap()).await;
    }
    database
}

/// The library of contract/rest/fixtures.
pub(crate) async fn library() -> TestDatabase {
    database_with(&[root().join("contract/rest/fixtures/library.sql")]).await
}

/// `ferrobase serve` on it, not started yet.
pub(crate) fn serve(database: &TestDatabase) -> AppBuilder {
    App::serve(BINARY, database.url())
}

/// Keys and tokens by the names that contract cases and client tests use.
pub(crate) fn credentials() -> Variables {
    let foreign = jsonwebtoken::EncodingKey::from_secret(b"the secret of some other server, as long as ours is");
    let claims = json!({ "role": "authenticated", "sub": ANN, "exp": token::now() + 3600 });
    let foreign = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &foreign).unwrap();
    // {"alg":"none","typ":"JWT"} . {"role":"service_role"} . no signature
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.";
    let key = |role: &str| {
        token::with_claims(
            &json!({ "iss": "ferrobase", "role": role, "iat": token::now(), "exp": token::now() + 86_400 }),
        )
    };
    let expired = json!({ "role": "authenticated", "sub": ANN, "exp": token::now() - 3600 });
    [
        ("ANON_KEY", key("anon")),
        ("SERVICE_KEY", key("service_role")),
        ("TOKEN_ANN", token::of_user(ANN)),
        ("TOKEN_BOB", token::of_user(BOB)),
        ("TOKEN_EXPIRED", token::with_claims(&expired)),
        ("TOKEN_FOREIGN", foreign),
        ("TOKEN_NONE", none.to_owned()),
        ("TOKEN_POSTGRES", token::of_role("postgres")),
        ("TOKEN_AUTHENTICATOR", token::of_role("authenticator")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
