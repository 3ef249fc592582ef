//! `--ready`: asks the admin port of a running server, for health checks in containers that have no curl.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::server::is_any_address;
use super::settings::Listen;
use crate::cli::terminal;

/// Longest wait for the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Prints what the server says; a failure exits with 1.
pub(super) async fn ask(admin: Listen) -> Result<ExitCode> {
    let refuse = |reason: String| {
        terminal::note(&format!("ERROR: {reason}"));
        Ok(ExitCode::FAILURE)
    };
    let Some(port) = admin.port else {
        return refuse("Admin server is not running. Please check admin-server-port config.".to_owned());
    };
    if is_any_address(&admin.host) {
        let host = &admin.host;
        return refuse(format!(
            "`--ready` needs to know where to ask, and server-host is \"{host}\". Set admin-server-host to \"localhost\"."
        ));
    }
    let host = if admin.host.contains(':') { format!("[{}]", admin.host) } else { admin.host.clone() };
    let url = format!("http://{host}:{port}/ready");
    match tokio::time::timeout(PATIENCE, status(&host, port)).await {
        Ok(Ok(200..=299)) => {
            terminal::print(&format!("OK: {url}\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(Ok(_)) => refuse(url),
        Ok(Err(_)) | Err(_) => refuse(format!("connection refused to {url}")),
    }
}

/// The status of the answer; one line of HTTP needs no client library.
async fn status(host: &str, port: u16) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    let request = format!("GET /ready HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(1024).read_to_end(&mut answer).await?;
    let line = String::from_utf8_lossy(&answer);
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| std::io::Error::other("not an answer"))
}
