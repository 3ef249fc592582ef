//! TLS for a connection: rustls with the ring provider, set up by `sslmode`.
//!
//! Files are read once per [`ConnectOptions`] (clones share the result), so new certificates take effect when the
//! configuration is loaded again. Which certificates are good is decided in `verify.rs`.

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::verify::{Check, Verifier};
use crate::error::Error;
use crate::options::{ConnectOptions, Host, RootCert, Ssl, SslMode};

/// The TLS configuration of some options, made at first use.
#[derive(Clone, Default)]
pub(crate) struct TlsCache(Arc<OnceLock<Arc<ClientConfig>>>);

impl std::fmt::Debug for TlsCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.get().is_some() { "loaded" } else { "not loaded" })
    }
}

/// The configuration for these options.
pub(crate) fn client_config(options: &ConnectOptions) -> Result<Arc<ClientConfig>, Error> {
    if let Some(config) = options.tls_cache.0.get() {
        return Ok(config.clone());
    }
    let config = Arc::new(build(&options.ssl)?);
    Ok(options.tls_cache.0.get_or_init(|| config).clone())
}

impl ConnectOptions {
    /// Reads the certificates and the key that a connection with TLS would need. Sockets of this machine need none.
    ///
    /// # Errors
    /// A file that cannot be read or is none of its kind.
    pub fn check_certificates(&self) -> Result<(), Error> {
        let has_tcp = self.hosts().iter().any(|host| matches!(host, Host::Tcp { .. }));
        if self.ssl.mode == SslMode::Disable || !has_tcp { Ok(()) } else { client_config(self).map(drop) }
    }
}

/// What is checked for a mode; as in libpq a root certificate that was given is used by `require` as well, and the
/// system's public authorities are only worth something together with the name.
fn check(ssl: &Ssl) -> Check {
    match (ssl.mode, &ssl.root_cert) {
        (SslMode::Disable | SslMode::Allow | SslMode::Prefer, _) | (SslMode::Require, RootCert::Unset) => {
            Check::Nothing
        }
        (SslMode::Require | SslMode::VerifyCa, RootCert::File(_)) | (SslMode::VerifyCa, RootCert::Unset) => {
            Check::Authority
        }
        (SslMode::Require | SslMode::VerifyCa, RootCert::System) | (SslMode::VerifyFull, _) => Check::AuthorityAndName,
    }
}

fn build(ssl: &Ssl) -> Result<ClientConfig, Error> {
    let check = check(ssl);
    let authorities = match (&ssl.root_cert, check) {
        (_, Check::Nothing) => Vec::new(),
        (RootCert::File(path), _) => read_certificates(path, "sslrootcert")?,
        (RootCert::System | RootCert::Unset, _) => rustls_native_certs::load_native_certs().certs,
    };
    if authorities.is_empty() && check != Check::Nothing {
        return Err(Error::tls("no certificate authority is known; set sslrootcert"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(check, authorities, provider.signature_verification_algorithms);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::tls_caused("no usable protocol version", e))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match (&ssl.cert, &ssl.key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(cert), Some(key)) => builder
            .with_client_auth_cert(read_certificates(cert, "sslcert")?, read_key(key)?)
            .map_err(|e| Error::tls_caused("sslcert and sslkey do not make a client certificate", e)),
        _ => Err(Error::tls("sslcert and sslkey belong together; one of them is missing")),
    }
}

fn read_certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let failed = |e| Error::tls_caused(format!("{what} {} cannot be read as PEM certificates", path.display()), e);
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    if certificates.is_empty() {
        return Err(Error::tls(format!("{what} {} contains no certificate", path.display())));
    }
    Ok(certificates)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_file(path).map_err(|e| {
        Error::tls_caused(format!("sslkey {} cannot be read as an unencrypted PEM private key", path.display()), e)
    })
}

/// Performs the handshake on a socket whose server agreed to it.
pub(crate) async fn handshake(
    stream: TcpStream,
    host: &str,
    address: IpAddr,
    options: &ConnectOptions,
) -> Result<TlsStream<TcpStream>, Error> {
    let config = client_config(options)?;
    // A name that no certificate could carry fails `verify-full` in the check, as it must; other modes do not care.
    let name = ServerName::try_from(host.to_owned()).unwrap_or(ServerName::IpAddress(address.into()));
    TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(|e| Error::tls_caused(format!("handshake with {host} failed: {e}"), e))
}
