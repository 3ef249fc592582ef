//! TLS: both protocols inside it, certificates replaced while serving, and files that cannot be used.

use std::sync::Arc;
use std::time::Duration;

use ferrobase_edge::listener::{ConnectionLimits, Tls};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::{HELLO, Server, Setup, read_all};

/// A certificate for `localhost` in a folder of its own.
pub(crate) struct Certificate {
    dir: tempfile::TempDir,
    trusted: CertificateDer<'static>,
}

pub(crate) fn certificate() -> Certificate {
    let dir = tempfile::tempdir().unwrap();
    let trusted = write_certificate(dir.path());
    Certificate { dir, trusted }
}

fn write_certificate(dir: &std::path::Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

impl Certificate {
    pub(crate) fn load(&self) -> Arc<Tls> {
        Arc::new(Tls::load(&self.dir.path().join("cert.pem"), &self.dir.path().join("key.pem")).unwrap())
    }

    pub(crate) fn trusted(&self) -> &CertificateDer<'static> {
        &self.trusted
    }
}

/// A connection that speaks TLS, and this protocol inside it.
pub(crate) async fn connect(
    server: &Server,
    trusted: &CertificateDer<'static>,
    alpn: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(server.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn));
    Ok(stream)
}

async fn hello(server: &Server, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut stream = connect(server, trusted, b"http/1.1").await?;
    stream.write_all(HELLO.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    Ok(read_all(&mut stream).await)
}

#[tokio::test]
async fn tls_is_spoken_and_certificates_are_replaced_while_serving() {
    let files = certificate();
    let tls = files.load();
    let limits = ConnectionLimits { head: Duration::from_millis(800), ..ConnectionLimits::default() };
    let server = Setup { tls: Some(Arc::clone(&tls)), limits, ..Setup::default() }.start().await;
    let answer = hello(&server, &files.trusted).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    assert!(connect(&server, &files.trusted, b"h2").await.is_ok());

    // Plain HTTP on a TLS port, and a handshake that never comes, end without an answer.
    assert!(!server.raw(HELLO).await.contains("HTTP/1.1"));
    let mut silent = server.connect().await;
    assert_eq!(read_all(&mut silent).await, "");

    let renewed = write_certificate(files.dir.path());
    tls.reload().unwrap();
    assert!(hello(&server, &files.trusted).await.is_err());
    assert!(hello(&server, &renewed).await.is_ok());

    // A reload that fails says why and changes nothing.
    std::fs::write(files.dir.path().join("key.pem"), "not a key").unwrap();
    assert!(tls.reload().unwrap_err().to_string().contains("key.pem"));
    assert!(hello(&server, &renewed).await.is_ok());
}

#[test]
fn certificates_that_cannot_be_used_are_explained() {
    let (one, other) = (certificate(), certificate());
    let cert = one.dir.path().join("cert.pem");
    let foreign_key = other.dir.path().join("key.pem");
    let message = Tls::load(&cert, &foreign_key).err().unwrap().to_string();
    assert!(message.contains("cannot be used together"), "{message}");
    let missing = Tls::load(&one.dir.path().join("none.pem"), &foreign_key).err().unwrap().to_string();
    assert!(missing.contains("none.pem"), "{missing}");
    let empty = Tls::load(&foreign_key, &foreign_key).err().unwrap().to_string();
    assert!(empty.contains("no certificate"), "{empty}");
}
