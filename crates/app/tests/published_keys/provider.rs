//! A real OpenID provider (npm's `oidc-provider`, tests/clients/javascript/provider.mjs) in a process of its own.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::caller::client;
use crate::clients::node;
use crate::support;

/// A running provider; ends with the value.
pub(super) struct Provider {
    port: u16,
    _process: Child,
}

impl Provider {
    pub(super) async fn start() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut process = Command::new(node())
            .args(["provider.mjs", &port.to_string()])
            .current_dir(support::root().join("tests/clients/javascript"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let listening = async {
            while let Ok(Some(line)) = said.next_line().await {
                if line.contains("listening") {
                    return;
                }
            }
            panic!("the provider ended: run `scripts/install-tools test`");
        };
        tokio::time::timeout(Duration::from_secs(30), listening).await.expect("the provider listens");
        // It writes notices there, and must not meet a closed pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
        Self { port, _process: process }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A token for the application itself.
    pub(super) async fn token(&self) -> String {
        let asked = client()
            .post(self.url("/token"))
            .basic_auth("app", Some("the secret of the app"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        let answer: serde_json::Value = asked.send().await.unwrap().json().await.unwrap();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }
}
