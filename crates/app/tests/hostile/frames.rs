//! HTTP/2 as no library would send it.

use ferrobase_testkit::App;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{MIB, PATIENCE, connect, pour};

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection of which frames are written, and whose answers are read when somebody wants to.
pub(super) struct Frames(pub(super) TcpStream);

/// What came back.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) heads: usize,
    pub(super) resets: usize,
    /// The code of the last GOAWAY.
    pub(super) goodbye: Option<u32>,
    pub(super) ended: bool,
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A GET of this path, its fields as they are in the static table.
pub(super) fn get(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path.as_bytes());
    block.extend(b"\x01\x01x");
    block
}

impl Frames {
    /// Opens a connection with these settings.
    pub(super) async fn open(app: &App, settings: &[u8]) -> Self {
        let mut stream = connect(app).await;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        stream.write_all(&frame(SETTINGS, 0, 0, settings)).await.unwrap();
        Self(stream)
    }

    /// Reads frames until enough was heard or the connection ends: whoever asks says what comes in the end, and the test fails
    /// when it does not come.
    pub(super) async fn hear(&mut self, is_enough: impl Fn(&Heard) -> bool) -> Heard {
        let mut heard = Heard::default();
        let listening = tokio::time::timeout(PATIENCE, self.listen(&mut heard, is_enough)).await;
        assert!(listening.is_ok(), "not within {PATIENCE:?}: {heard:?}");
        heard
    }

    async fn listen(&mut self, heard: &mut Heard, is_enough: impl Fn(&Heard) -> bool) {
        let mut head = [0; 9];
        while !is_enough(heard) {
            if self.0.read_exact(&mut head).await.is_err() {
                heard.ended = true;
                return;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            if self.0.read_exact(&mut payload).await.is_err() {
                heard.ended = true;
                return;
            }
            match head[3] {
                HEADERS => heard.heads += 1,
                RST_STREAM => heard.resets += 1,
                GOAWAY => heard.goodbye = Some(u32::from_be_bytes([payload[4], payload[5], payload[6], payload[7]])),
                _ => {}
            }
        }
    }
}

impl Heard {
    /// Calm was asked for; whoever goes on sending may lose that word with the connection.
    fn is_refused(&self) -> bool {
        self.goodbye == Some(11) || self.ended
    }
}

/// Two thousand requests at once on each of four connections.
pub(super) async fn many_streams(app: &App) -> String {
    let block = get("/rest/v1/pages?select=id&limit=1");
    let flood: Vec<u8> =
        (0..2000).flat_map(|number| frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, &block)).collect();
    let mut said = Vec::new();
    let mut connections = Vec::new();
    for _ in 0..4 {
        let mut frames = Frames::open(app, &[]).await;
        let _ = frames.0.write_all(&flood).await;
        connections.push(frames);
    }
    for mut frames in connections {
        said.push(frames.hear(Heard::is_refused).await);
    }
    format!("{said:?}")
}

/// Streams that are taken back as soon as they were begun (CVE-2023-44487).
pub(super) async fn rapid_resets(app: &App) -> String {
    let block = get("/rest/v1/pages?select=id&limit=1");
    let mut connections = Vec::new();
    for _ in 0..4 {
        let mut frames = Frames::open(app, &[]).await;
        let mut sent = 0;
        for batch in 0..100 {
            let pairs: Vec<u8> = (0..100)
                .flat_map(|number| {
                    let stream = 2 * (batch * 100 + number) + 1;
                    let mut pair = frame(HEADERS, END_STREAM | END_HEADERS, stream, &block);
                    pair.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
                    pair
                })
                .collect();
            if frames.0.write_all(&pairs).await.is_err() {
                break;
            }
            sent += 100;
        }
        connections.push((sent, frames.hear(Heard::is_refused).await));
    }
    format!("{connections:?}")
}

/// A head that never ends (CVE-2024-27316).
pub(super) async fn endless_continuations(app: &App) -> String {
    let mut most = 0;
    for _ in 0..4 {
        let mut frames = Frames::open(app, &[]).await;
        frames.0.write_all(&frame(HEADERS, END_STREAM, 1, &get("/"))).await.unwrap();
        // Fields of a hundred bytes that go into no table.
        let field = [b"\x00\x01a\x64".as_slice(), &[b'b'; 100]].concat();
        let piece = frame(CONTINUATION, 0, 1, &field.repeat(150));
        most = most.max(pour(&mut frames.0, &piece, 100 * MIB).await);
    }
    assert!(most < 16 * MIB, "a server took {most} bytes of a head");
    format!("at most {} kB of a head were taken", most / 1024)
}

/// One large field in the table of the connection, and heads that are nothing but references to it.
pub(super) async fn compressed_fields(app: &App) -> String {
    let mut frames = Frames::open(app, &[]).await;
    let mut block = get("/rest/v1/pages?select=id&limit=1");
    // Literal field with indexing, its value of 3,900 bytes: 127 + 3,773 in the coding of whole numbers.
    block.extend(b"\x40\x01a\x7f\xbd\x1d");
    block.extend([b'v'; 3900]);
    let first = frame(HEADERS, END_STREAM | END_HEADERS, 1, &block);
    let _ = frames.0.write_all(&first).await;
    let mut bomb = get("/rest/v1/pages?select=id&limit=1");
    // The newest entry of the dynamic table.
    bomb.extend([0xbe; 16_000]);
    for number in 1..200 {
        let bomb = frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, &bomb);
        if frames.0.write_all(&bomb).await.is_err() {
            break;
        }
    }
    let said = frames.hear(Heard::is_refused).await;
    format!("200 times 62 MB of fields in 16 kB: {said:?}")
}

/// Frames that must be answered, and nobody who reads the answers.
pub(super) async fn pings_and_settings(app: &App) -> String {
    let mut most = 0;
    for kind in [PING, SETTINGS] {
        let mut frames = Frames::open(app, &[]).await;
        let one = frame(kind, 0, 0, if kind == PING { &[7; 8] } else { &[0, 3, 0, 0, 0, 100] });
        most = most.max(pour(&mut frames.0, &one.repeat(4096), 64 * MIB).await);
    }
    format!("at most {} kB were taken", most / 1024)
}

/// As many as are allowed at once, nearly.
const STREAMS: usize = 250;

/// Answers for which there is no room: every stream's window is closed.
pub(super) async fn closed_windows(app: &App) -> String {
    let block = get("/rest/v1/pages?id=eq.1");
    let mut connections = Vec::new();
    for _ in 0..4 {
        let mut frames = Frames::open(app, &[0, 4, 0, 0, 0, 0]).await;
        let flood: Vec<u8> =
            (0..STREAMS as u32).flat_map(|n| frame(HEADERS, END_STREAM | END_HEADERS, 2 * n + 1, &block)).collect();
        frames.0.write_all(&flood).await.unwrap();
        connections.push(frames);
    }
    let mut heads = 0;
    for frames in &mut connections {
        heads += frames.hear(|heard| heard.heads == STREAMS).await.heads;
    }
    assert_eq!(heads, 4 * STREAMS, "all of them were made, and kept for whoever does not take them");
    format!("{heads} answers of 64 kB wait")
}
