//! HTTP/1.1 by hand: cases need exact bytes, odd targets and broken requests, which client libraries repair.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// What came back.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// All values of a field, joined as HTTP joins them.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> =
            self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

/// Sends `METHOD target` with these fields and body to `host:port`.
pub(crate) fn send(address: &str, line: &str, headers: &[(String, String)], body: &str) -> Result<Response> {
    let (method, target) = line.split_once(' ').with_context(|| format!("not `METHOD target`: {line}"))?;
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let has = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    let carries_body = !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH");
    if carries_body && !has("content-length") && !has("transfer-encoding") {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    exchange(address, &[head.as_bytes(), body.as_bytes()].concat(), method)
}

/// Sends these lines as they stand, with CRLF ends.
pub(crate) fn send_raw(address: &str, text: &str) -> Result<Response> {
    let bytes = text.replace('\n', "\r\n") + "\r\n\r\n";
    exchange(address, bytes.as_bytes(), "RAW")
}

fn exchange(address: &str, request: &[u8], method: &str) -> Result<Response> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.set_write_timeout(Some(Duration::from_secs(30)))?;
    // A server that refuses a long request may answer and close before it has read everything: its answer counts.
    let mut reader = stream.try_clone()?;
    let written = std::thread::scope(|scope| {
        let writing = scope.spawn(|| stream.write_all(request));
        let mut bytes = Vec::new();
        let read = reader.read_to_end(&mut bytes);
        let written = writing.join().map_err(|_| anyhow::anyhow!("writing panicked"));
        if bytes.is_empty() {
            read.context("reading the answer")?;
            written?.context("writing the request")?;
            bail!("the server closed the connection without an answer");
        }
        Ok(bytes)
    })?;
    parse(&written, method)
}

fn parse(bytes: &[u8], method: &str) -> Result<Response> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").context("no end of the header block")?;
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line.split(' ').nth(1).and_then(|s| s.parse().ok());
    let status = status.with_context(|| format!("not a status line: {status_line}"))?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let body = &bytes[end + 4..];
    let chunked = headers.iter().any(|(n, v)| n == "transfer-encoding" && v.eq_ignore_ascii_case("chunked"));
    let body = if chunked && method != "HEAD" { dechunk(body)? } else { body.to_vec() };
    Ok(Response { status, headers, body })
}

fn dechunk(mut bytes: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|w| w == b"\r\n").context("truncated chunk")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end])?.trim(), 16)?;
        bytes = &bytes[end + 2..];
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(bytes.get(..size).context("truncated chunk")?);
        bytes = bytes.get(size + 2..).context("truncated chunk")?;
    }
}
