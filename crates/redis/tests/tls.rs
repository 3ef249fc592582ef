//! TLS with an authority of one's own: certificates are checked, of both sides.

use std::fs;
use std::path::Path;

use ferrobase_redis::{Client, Layout, Login, Tls, Trouble};
use ferrobase_testkit::RedisServer;
use ferrobase_testkit::redis::{Certificates, PRIMARY, Watched, cluster_from};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::harness::{address, allowed_of, at, connected, eventually, login, options};

/// An authority, and what it signed.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // With the name that certificates have by default, OpenSSL takes those that it signs for signed by themselves.
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for this name, and its key.
    pub(crate) fn signs(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Files of a server with this name.
    pub(crate) fn server(&self, name: &str, folder: &Path) -> Certificates {
        let (certificate, key) = self.signs(name);
        let write = |file: &str, text: &str| {
            let path = folder.join(file);
            fs::write(&path, text).unwrap();
            path
        };
        Certificates {
            authority: write("ca.pem", &self.pem),
            certificate: write("cert.pem", &certificate),
            key: write("key.pem", &key),
        }
    }
}

fn trusting(pem: &str) -> Tls {
    Tls { authorities: Some(pem.as_bytes().to_owned()), client: None }
}

#[tokio::test]
async fn a_private_authority_a_client_certificate_and_a_password() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let server = RedisServer::builder()
        .tls(authority.server("127.0.0.1", folder.path()))
        .line("requirepass secret-word")
        .login(None, "secret-word");
    // Redis asks clients for a certificate unless it is told otherwise.
    let server = server.start().unwrap();
    let mut options = options(&server);
    options.login = login(None, "secret-word");
    let (cert, key) = authority.signs("a client");
    options.tls = Some(Tls { client: Some((cert.into_bytes(), key.into_bytes())), ..trusting(&authority.pem) });
    let (_client, limits) = connected(options.clone()).await;
    assert_eq!(allowed_of(&limits, "ann", 3, 5).await, 3);
    options.tls = Some(trusting(&authority.pem));
    refused(options).await;
}

#[tokio::test]
async fn certificates_of_others_are_refused() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let named = |name: &str, folder: &Path| {
        RedisServer::builder().tls(authority.server(name, folder)).line("tls-auth-clients no").start().unwrap()
    };
    let server = named("127.0.0.1", folder.path());
    let mut good = options(&server);
    good.tls = Some(trusting(&authority.pem));
    let (_client, limits) = connected(good.clone()).await;
    assert_eq!(allowed_of(&limits, "ann", 3, 5).await, 3);
    // Another authority; the system's; none at all.
    for tls in [Some(trusting(&Authority::new().pem)), Some(Tls::default()), None] {
        let mut options = good.clone();
        options.tls = tls;
        refused(options).await;
    }
    // The right authority, and the name of another host.
    let elsewhere = tempfile::tempdir().unwrap();
    let server = named("redis.example.net", elsewhere.path());
    let mut other = options(&server);
    other.tls = Some(trusting(&authority.pem));
    refused(other).await;
    // A file that holds no certificate does not start at all.
    good.tls = Some(Tls { client: Some((b"no".to_vec(), b"no".to_vec())), ..trusting(&authority.pem) });
    assert_eq!(Client::start(good).unwrap_err().trouble(), Trouble::Ours);
}

#[tokio::test]
async fn sentinels_and_clusters_over_tls() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let base = RedisServer::builder()
        .tls(authority.server("127.0.0.1", folder.path()))
        .line("tls-auth-clients no")
        .line("tls-replication yes");
    let watched = Watched::start_from(&base, Some("data-word"), None).unwrap();
    let nodes = cluster_from(&base.line("tls-cluster yes"), 3).unwrap();
    let sentinels = watched.addresses().iter().map(|text| address(text)).collect();
    let watched = Layout::Sentinel { sentinels, primary: PRIMARY.to_owned(), login: Login::default() };
    let mut with_password = at(watched);
    with_password.login = login(None, "data-word");
    for mut options in [with_password, at(Layout::Cluster(vec![address(&nodes[0].address())]))] {
        options.tls = Some(trusting(&authority.pem));
        let (_client, limits) = connected(options.clone()).await;
        for caller in 0..10 {
            assert_eq!(allowed_of(&limits, &format!("caller {caller}"), 3, 5).await, 3);
        }
        options.tls = Some(trusting(&Authority::new().pem));
        refused(options).await;
    }
}

async fn refused(options: ferrobase_redis::Options) {
    let client = Client::start(options).unwrap();
    eventually("an attempt failed", async || client.numbers().failures > 0).await;
    let numbers = client.numbers();
    assert!(!numbers.available && numbers.connects == 0, "{numbers:?}");
}
