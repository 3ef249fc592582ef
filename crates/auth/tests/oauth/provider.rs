//! npm's `oidc-provider` in a process of its own (tests/clients/javascript/sign-in.mjs).

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::EXTERNAL;

/// Where the device's own sign-in comes back; nobody listens there.
pub const DEVICE: &str = "http://localhost:7000/done";

/// A provider that runs until it is dropped.
pub struct Provider {
    process: Child,
    port: u16,
}

impl Provider {
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").expect("it works").local_addr().expect("it works").port();
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients/javascript");
        let mut process = Command::new(ferrobase_testkit::node().expect("Node"))
            .args(["sign-in.mjs", &port.to_string(), &format!("{EXTERNAL}/callback"), DEVICE])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it works");
        let mut said = BufReader::new(process.stdout.take().expect("it works")).lines().map_while(Result::ok);
        assert!(said.any(|line| line == "listening"), "oidc-provider did not start: run `scripts/install-tools test`");
        // It writes notices there, and must not meet a closed pipe.
        std::thread::spawn(move || said.for_each(drop));
        Self { process, port }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
