//! TLS of outbound calls: rustls with the ring provider and the system's certificate authorities.
//!
//! The authorities are read at the first https call of a client (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others than
//! the system's), so a reload of the configuration, which makes a new client, reads them again.

use std::sync::{Arc, OnceLock};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::Error;

/// Whose certificates are good.
#[derive(Clone, Debug, Default)]
pub enum Authorities {
    /// Those that the system trusts.
    #[default]
    System,
    /// These only.
    Only(Vec<CertificateDer<'static>>),
}

/// The TLS side of a client.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    authorities: Authorities,
    config: OnceLock<Arc<ClientConfig>>,
}

impl Tls {
    pub(crate) fn trusting(authorities: Authorities) -> Self {
        Self { authorities, config: OnceLock::new() }
    }

    /// Performs the handshake; the certificate must be for the URL's host, whatever address was connected.
    pub(crate) async fn handshake(&self, host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, Error> {
        let failed = |source| Error::Tls { host: host.to_owned(), source };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::Url { reason: "its host is no name" })?;
        let connector = TlsConnector::from(self.config().await?);
        connector.connect(name, stream).await.map_err(failed)
    }

    async fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let authorities = self.authorities.clone();
        // Some systems keep hundreds of files.
        let roots = tokio::task::spawn_blocking(move || roots(authorities)).await.map_err(|_| Error::NoAuthorities)?;
        if roots.is_empty() {
            return Err(Error::NoAuthorities);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| Error::NoAuthorities)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::clone(self.config.get_or_init(|| Arc::new(config))))
    }
}

fn roots(authorities: Authorities) -> RootCertStore {
    let certificates = match authorities {
        Authorities::System => rustls_native_certs::load_native_certs().certs,
        Authorities::Only(certificates) => certificates,
    };
    let mut roots = RootCertStore::empty();
    // Stores of real systems hold certificates that nobody can parse; they are not ours to complain about.
    roots.add_parsable_certificates(certificates);
    roots
}
