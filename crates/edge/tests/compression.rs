//! Compressed answers: which, how small, and which never.

use std::collections::BTreeMap;

use crate::harness::{Server, Setup, start};

/// Bytes on the wire and the encoding, straight from the socket.
async fn fetch(server: &Server, path: &str, accept: &str) -> (usize, String, String) {
    let request =
        format!("GET /rest/v1{path} HTTP/1.0\r\nhost: x\r\naccept-encoding: {accept}\r\nconnection: close\r\n\r\n");
    let mut stream = server.connect().await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let field = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap_or_default().to_owned()
    };
    (bytes.len() - end - 4, field("content-encoding"), head)
}

fn at_level(level: u8) -> Setup {
    let mut setup = Setup::default();
    setup.server.compression_level = level;
    setup
}

#[tokio::test]
async fn lists_are_compressed_in_the_encoding_that_the_caller_takes() {
    let server = start().await;
    let (plain, encoding, _) = fetch(&server, "/rows?200000", "identity").await;
    assert_eq!(encoding, "");
    for name in ["gzip", "br", "zstd"] {
        let (size, encoding, head) = fetch(&server, "/rows?200000", name).await;
        assert_eq!(encoding, name);
        assert!(size * 3 < plain, "{name}: {size} of {plain}");
        // Rows, not bytes: the range must survive and must not prevent compression.
        assert!(head.contains("content-range: 0-4999/*"), "{head}");
        assert!(head.to_ascii_lowercase().contains("accept-encoding"), "{head}");
    }
    let read = reqwest::Client::new().get(server.url("/rows?200000")).send().await.unwrap();
    let list: Vec<serde_json::Value> = read.json().await.unwrap();
    assert_eq!(list.len(), 5000);
}

#[tokio::test]
async fn a_higher_level_is_smaller() {
    let mut sizes: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for level in [1, 6, 9] {
        let server = at_level(level).start().await;
        for name in ["gzip", "br", "zstd"] {
            sizes.entry(name).or_default().push(fetch(&server, "/rows?400000", name).await.0);
        }
    }
    for (name, sizes) in sizes {
        // The last steps gain little and may lose a few bytes on a list as regular as this one.
        assert!(sizes[1] < sizes[0] && sizes[2] * 100 <= sizes[1] * 101, "{name}: {sizes:?}");
    }
}

#[tokio::test]
async fn small_answers_event_streams_and_servers_without_it_stay_plain() {
    let server = start().await;
    assert_eq!(fetch(&server, "/hello", "gzip").await.1, "");
    assert_eq!(fetch(&server, "/rows?400", "gzip").await.1, "");
    assert_eq!(fetch(&server, "/events", "gzip, br, zstd").await.1, "");
    // A caller that accepts nothing gets the answer, not a 406 after the work is done.
    let (_, encoding, head) = fetch(&server, "/rows?200000", "identity;q=0, *;q=0").await;
    assert!(encoding.is_empty() && head.starts_with("HTTP/1.0 200"), "{head}");

    let mut off = Setup::default();
    off.server.enable_compression = false;
    let server = off.start().await;
    let (_, encoding, head) = fetch(&server, "/rows?200000", "gzip").await;
    assert!(encoding.is_empty() && head.contains("content-length"), "{head}");
}
