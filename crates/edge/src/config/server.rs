//! `server`: where we listen, what a request may cost, who may call from a browser.
//!
//! Consumed by the listeners, the limits and CORS. Defaults suit a public API behind a load balancer.
//! Invariant: any origin together with credentials is refused (every site could act as the user).

use std::path::PathBuf;
use std::time::Duration;

use ferrobase_base::config::{ByteSize, Cidr, Host, HttpToken, HttpUrl, Origin, Report};
use ferrobase_base::section;

section! {
    /// Listeners, limits, CORS and TLS.
    pub struct ServerSection {
        /// Address of the API; `dev` uses 127.0.0.1.
        host: Host = Host::from_static("0.0.0.0");
        /// Port of the API; 0 takes a free one.
        port: u16 = 8000;
        /// Address of health, metrics and debug.
        admin_host: Host = Host::from_static("127.0.0.1");
        /// Port of health, metrics and debug; 0 takes a free one.
        admin_port: u16 = 9090;
        /// How clients reach the API, when a proxy stands in front; used in links.
        public_url: Option<HttpUrl> = None;
        /// Compresses answers for clients that accept it.
        enable_compression: bool = true;
        /// How hard; higher is smaller and costs more time.
        compression_level: u8 = 6, in 1..=9;
        /// Longest time for one request, from its first byte to the last of the answer.
        request_timeout: Duration = Duration::from_secs(30), in Duration::from_millis(100)..=Duration::from_secs(3600);
        /// Largest request body; rooms that stream set their own.
        body_limit: ByteSize = ByteSize::mib(8), in ByteSize(0)..=ByteSize::mib(1 << 20);
        /// Longest time for an answer that is streamed, or a body that is.
        stream_timeout: Duration = Duration::from_secs(3600), in Duration::from_secs(1)..=Duration::from_secs(86_400);
        /// Largest body that is streamed (NDJSON; CSV over `body_limit`).
        stream_body_limit: ByteSize = ByteSize::mib(4096), in ByteSize(0)..=ByteSize::mib(1 << 20);
        /// Largest block of request fields.
        header_limit: ByteSize = ByteSize::kib(32), in ByteSize::kib(8)..=ByteSize::mib(1);
        /// Longest path and query.
        url_limit: ByteSize = ByteSize::kib(16), in ByteSize::kib(1)..=ByteSize::mib(1);
        /// Longest wait for open requests when the server stops.
        drain_timeout: Duration = Duration::from_secs(30), in Duration::ZERO..=Duration::from_secs(3600);
        /// Networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
        trusted_proxies: Vec<Cidr> = Vec::new();
        /// TLS of the API's listener.
        tls: TlsSection = TlsSection::default();
        /// Calls from browsers on other origins.
        cors: CorsSection = CorsSection::default();
    }
}

section! {
    /// TLS of the API's listener; the files are read again on reload.
    pub struct TlsSection {
        /// Certificate chain, PEM.
        cert: Option<PathBuf> = None;
        /// Its key, PEM.
        key: Option<PathBuf> = None;
    }
}

section! {
    /// Calls from browsers on other origins.
    pub struct CorsSection {
        /// Origins that may call; `*` is any.
        allowed_origins: Vec<Origin> = vec![Origin::from_static("*")];
        /// Methods that they may use.
        allowed_methods: Vec<HttpToken> = tokens(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
        /// Request fields that they may send; `*` is any.
        allowed_headers: Vec<HttpToken> = tokens(&["*"]);
        /// Response fields that their scripts may read.
        expose_headers: Vec<HttpToken> = tokens(EXPOSED);
        /// How long a browser may remember the answer to a preflight.
        max_age: Duration = Duration::from_secs(3600), in Duration::ZERO..=Duration::from_secs(86_400);
        /// Lets browsers send cookies; needs listed origins.
        allow_credentials: bool = false;
    }
}

const EXPOSED: &[&str] = &[
    "Content-Encoding",
    "Content-Location",
    "Content-Range",
    "Content-Type",
    "Date",
    "ETag",
    "Link",
    "Location",
    "Preference-Applied",
    "Range-Unit",
    "Retry-After",
    "Server-Timing",
    "Transfer-Encoding",
    "X-Max-Embedded-Rows",
    "X-Max-Rows",
    "X-Missing-Indexes",
    "X-Missing-Rows",
    "X-Request-Id",
    "X-Supabase-Api-Version",
    "X-Total-Count",
];

fn tokens(names: &[&'static str]) -> Vec<HttpToken> {
    names.iter().map(|name| HttpToken::from_static(name)).collect()
}

impl TlsSection {
    /// Both files, when TLS is on.
    pub fn files(&self) -> Option<(&PathBuf, &PathBuf)> {
        self.cert.as_ref().zip(self.key.as_ref())
    }
}

impl CorsSection {
    /// Whether any origin may call.
    pub fn allows_any_origin(&self) -> bool {
        self.allowed_origins.iter().any(Origin::is_any)
    }
}

impl ServerSection {
    /// What only shows when keys are compared.
    pub fn check(&self, report: &mut Report<'_>) {
        if self.port != 0 && self.port == self.admin_port && overlap(&self.host, &self.admin_host) {
            report.refuse(
                "admin_port",
                format!("is the same as port ({}); health and metrics need their own", self.port),
            );
        }
        if self.tls.cert.is_some() != self.tls.key.is_some() {
            report.refuse("tls", "cert and key belong together; one is missing");
        }
        if self.cors.allow_credentials && self.cors.allows_any_origin() {
            report.refuse(
                "cors.allow_credentials",
                "`*` in allowed_origins together with credentials would let every site act as the user; list the origins",
            );
        }
        for method in self.cors.allowed_methods.iter().filter(|method| method.chars().any(|c| c.is_ascii_lowercase())) {
            report.refuse("cors.allowed_methods", format!("`{method}`: methods are written in capitals"));
        }
        if self.trusted_proxies.iter().any(|network| network.is_everything()) {
            report.warn("trusted_proxies", "trusts everybody: any caller can choose the address that limits see");
        }
        if self.admin_host.address().is_none_or(|address| !address.is_loopback()) && &*self.admin_host != "localhost" {
            report.warn("admin_host", "metrics and debug pages are reachable from other machines, without a password");
        }
    }
}

/// Whether two listeners on one port would meet: the same host, or one that stands for all.
fn overlap(a: &Host, b: &Host) -> bool {
    let all = |host: &Host| host.address().is_some_and(|address| address.is_unspecified());
    a == b || all(a) || all(b)
}
