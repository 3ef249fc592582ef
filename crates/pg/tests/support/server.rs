//! A private PostgreSQL with its own pg_hba.conf and, if wanted, TLS: for logins that the shared server does not offer.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};

/// A running server; stopped when dropped.
pub struct Server {
    folder: tempfile::TempDir,
    bin: PathBuf,
    pub port: u16,
}

/// Certificates in PEM files under the server's folder.
pub struct Certificates {
    /// The authority of server and client.
    pub authority: PathBuf,
    /// Another authority.
    pub stranger: PathBuf,
    /// A client certificate for `cert_user`.
    pub client: PathBuf,
    pub client_key: PathBuf,
    /// The server's own certificate.
    pub server: PathBuf,
}

/// One role for each way of logging in. Everybody's password is `geheim`.
const HBA: &str = "
    local     all postgres                 trust
    local     all scram_user               scram-sha-256
    hostssl   all cert_user   127.0.0.1/32 cert
    hostssl   all clear_user  127.0.0.1/32 password
    hostnossl all clear_user  127.0.0.1/32 password
    hostssl   all tls_user    127.0.0.1/32 scram-sha-256
    hostnossl all plain_user  127.0.0.1/32 scram-sha-256
    host      all md5_user    127.0.0.1/32 md5
    host      all scram_user  127.0.0.1/32 scram-sha-256
";

const ROLES: &str = "
    create role scram_user login password 'geheim';
    create role cert_user login;
    create role clear_user login password 'geheim';
    create role tls_user login password 'geheim';
    create role plain_user login password 'geheim';
    set password_encryption = md5;
    create role md5_user login password 'geheim';
";

impl Server {
    /// Starts one. With `tls`, certificates for `localhost` come along.
    pub async fn start(tls: bool) -> (Self, Certificates) {
        let bin = ferrobase_testkit::cluster::find_binaries().unwrap();
        // Short, because a socket's path has at most 107 bytes.
        let folder = tempfile::Builder::new().prefix("fbpg").tempdir_in("/tmp").unwrap();
        give_to_server_user(folder.path());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { folder, bin, port };
        let data = server.data();
        let initdb = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "-D"];
        server.run("initdb", |c| c.args(initdb).arg(&data));
        let certificates = make_certificates(&data);
        let mut settings = format!(
            "port={port}\nlisten_addresses='127.0.0.1'\nunix_socket_directories='{}'\nfsync=off\nmax_connections=30\n",
            server.socket_folder().display()
        );
        if tls {
            settings.push_str("ssl=on\nssl_cert_file='server.pem'\nssl_key_file='server.key'\nssl_ca_file='ca.pem'\n");
        }
        let conf = data.join("postgresql.conf");
        let existing = fs::read_to_string(&conf).unwrap();
        fs::write(&conf, existing + &settings).unwrap();
        let hba = if tls { HBA.to_owned() } else { HBA.replace("hostssl ", "#") };
        fs::write(data.join("pg_hba.conf"), hba).unwrap();
        server.run("pg_ctl", |c| c.args(["start", "-w", "-s", "-l"]).arg(data.join("log")).arg("-D").arg(&data));
        let options = format!("host={} port={port} user=postgres dbname=postgres", server.socket_folder().display());
        let options = ferrobase_pg::ConnectOptions::parse(&options).unwrap();
        ferrobase_pg::Session::connect(&options).await.unwrap().script(ROLES).await.unwrap();
        (server, certificates)
    }

    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// `postgresql://user:geheim@localhost:port/postgres?rest`, at 127.0.0.1 whatever localhost resolves to.
    pub fn url(&self, user: &str, rest: &str) -> String {
        format!("postgresql://{user}:geheim@localhost:{}/postgres?hostaddr=127.0.0.1&{rest}", self.port)
    }

    /// Stops and starts it; `how` is a shutdown mode of `pg_ctl`.
    pub async fn restart(&self, how: &str) {
        let (data, how) = (self.data(), how.to_owned());
        // The callers of a test go on asking meanwhile.
        tokio::task::block_in_place(|| {
            self.run("pg_ctl", |c| c.args(["stop", "-w", "-s", "-m", &how, "-D"]).arg(&data));
            std::thread::sleep(std::time::Duration::from_millis(500));
            self.run("pg_ctl", |c| c.args(["start", "-w", "-s", "-l"]).arg(data.join("log")).arg("-D").arg(&data));
        });
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn run(&self, program: &str, arguments: impl FnOnce(&mut Command) -> &mut Command) {
        let mut command = Command::new(self.bin.join(program));
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(user) = server_user() {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        assert!(arguments(&mut command).status().unwrap().success(), "{command:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.data();
        self.run("pg_ctl", |c| c.args(["stop", "-s", "-m", "immediate", "-D"]).arg(&data));
    }
}

/// PostgreSQL refuses to run as root.
fn server_user() -> Option<nix::unistd::User> {
    nix::unistd::geteuid().is_root().then(|| nix::unistd::User::from_name("postgres").unwrap().unwrap())
}

fn give_to_server_user(path: &Path) {
    if let Some(user) = server_user() {
        nix::unistd::chown(path, Some(user.uid), Some(user.gid)).unwrap();
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn make_certificates(data: &Path) -> Certificates {
    let write = |name: &str, pem: String| {
        let path = data.join(name);
        fs::write(&path, pem).unwrap();
        give_to_server_user(&path);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let authority = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let mut params = named(name, vec![]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        (certificate.pem(), Issuer::new(params, key))
    };
    let (authority_pem, issuer) = authority("our authority");
    let (stranger_pem, _) = authority("a stranger");
    let server_key = KeyPair::generate().unwrap();
    let server = named("server", vec!["localhost".to_owned()]).signed_by(&server_key, &issuer).unwrap();
    let client_key = KeyPair::generate().unwrap();
    let client = named("cert_user", vec![]).signed_by(&client_key, &issuer).unwrap();
    write("server.key", server_key.serialize_pem());
    Certificates {
        authority: write("ca.pem", authority_pem),
        stranger: write("stranger.pem", stranger_pem),
        client: write("client.pem", client.pem()),
        client_key: write("client.key", client_key.serialize_pem()),
        server: write("server.pem", server.pem()),
    }
}

fn named(name: &str, hosts: Vec<String>) -> CertificateParams {
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
