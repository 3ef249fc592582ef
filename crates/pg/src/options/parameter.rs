//! One connection parameter at a time: names and values as libpq defines them, whichever form they came in.
//!
//! A [`Draft`] collects; [`Draft::finish`] pairs hosts with ports and makes the options. A parameter that libpq knows
//! and we do not obey is refused when ignoring it would weaken the connection, otherwise accepted and ignored.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ferrobase_base::Secret;

use super::host::DEFAULT_PORT;
use super::{
    ChannelBinding, ConnectOptions, ConnectOptionsError as Error, Host, RootCert, SslMode, TargetSessionAttrs,
};

/// Parameters read so far.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) hosts: Vec<String>,
    pub(super) ports: Vec<String>,
    addresses: Vec<String>,
    options: ConnectOptions,
}

impl Draft {
    /// Sets one parameter; an empty value means "not given", as in libpq.
    pub(super) fn set(&mut self, name: &str, value: String) -> Result<(), Error> {
        let o = &mut self.options;
        match name {
            "host" => self.hosts = list(&value),
            "hostaddr" => self.addresses = list(&value),
            "port" => self.ports = list(&value),
            "user" => o.user = Some(value).filter(|v| !v.is_empty()),
            "password" => o.password = Some(value).filter(|v| !v.is_empty()).map(Secret::from),
            "dbname" => o.database = Some(value).filter(|v| !v.is_empty()),
            "application_name" => o.application_name = value,
            "fallback_application_name" if o.application_name.is_empty() => o.application_name = value,
            "options" => o.startup.push(("options".to_owned(), value)),
            "replication" => o.startup.push(("replication".to_owned(), value)),
            "connect_timeout" => {
                // libpq: zero, negative or nothing means no bound. Every wait of ours has one.
                let seconds: i64 = number("connect_timeout", "a number of seconds", &value)?;
                if let Some(seconds) = u64::try_from(seconds).ok().filter(|s| *s > 0) {
                    o.connect_timeout = Duration::from_secs(seconds);
                }
            }
            "sslmode" => o.ssl.mode = ssl_mode(&value)?,
            "sslrootcert" => o.ssl.root_cert = root_cert(value),
            "sslcert" => o.ssl.cert = Some(PathBuf::from(value)).filter(|p| !p.as_os_str().is_empty()),
            "sslkey" => o.ssl.key = Some(PathBuf::from(value)).filter(|p| !p.as_os_str().is_empty()),
            "channel_binding" => o.channel_binding = channel_binding(&value)?,
            "target_session_attrs" => o.target = target(&value)?,
            "load_balance_hosts" => {
                o.load_balance = match value.as_str() {
                    "disable" => false,
                    "random" => true,
                    _ => return Err(Error::Value { name: "load_balance_hosts", expected: "disable or random" }),
                }
            }
            "keepalives" => {
                if value == "0" {
                    o.keepalive_idle = None;
                }
            }
            "keepalives_idle" => {
                let seconds: u64 = number("keepalives_idle", "a number of seconds", &value)?;
                o.keepalive_idle = (seconds > 0).then_some(Duration::from_secs(seconds));
            }
            "tcp_user_timeout" => {
                let milliseconds: u64 = number("tcp_user_timeout", "a number of milliseconds", &value)?;
                o.tcp_user_timeout = (milliseconds > 0).then_some(Duration::from_millis(milliseconds));
            }
            "client_encoding" => {
                if !matches!(value.to_ascii_lowercase().as_str(), "utf8" | "utf-8" | "unicode" | "auto") {
                    return Err(Error::Value { name: "client_encoding", expected: "UTF8" });
                }
            }
            _ => return refuse_or_ignore(name, &value),
        }
        Ok(())
    }

    /// Pairs hosts with their ports and addresses.
    pub(super) fn finish(mut self) -> Result<ConnectOptions, Error> {
        let count = self.hosts.len().max(self.addresses.len());
        if count == 0 {
            if let Some(port) = self.ports.first() {
                self.options.hosts = vec![Host::local(read_port(port, 1)?)];
            }
            return Ok(self.options);
        }
        check_length(count, "ports", self.ports.len())?;
        if !self.hosts.is_empty() && !self.addresses.is_empty() {
            check_length(self.hosts.len(), "addresses", self.addresses.len())?;
        }
        for i in 0..count {
            let port = match self.ports.len() {
                0 => DEFAULT_PORT,
                1 => read_port(&self.ports[0], 1)?,
                _ => read_port(&self.ports[i], i + 1)?,
            };
            let address = self.addresses.get(i).filter(|a| !a.is_empty()).map(|a| read_address(a)).transpose()?;
            let host = self.hosts.get(i).map(String::as_str).unwrap_or_default();
            self.options.hosts.push(Host::from_text(host, address, port));
        }
        Ok(self.options)
    }
}

fn list(value: &str) -> Vec<String> {
    if value.is_empty() { Vec::new() } else { value.split(',').map(|item| item.trim().to_owned()).collect() }
}

fn check_length(hosts: usize, what: &'static str, others: usize) -> Result<(), Error> {
    if others > 1 && others != hosts { Err(Error::ListLength { hosts, what, others }) } else { Ok(()) }
}

fn read_port(text: &str, place: usize) -> Result<u16, Error> {
    if text.is_empty() {
        return Ok(DEFAULT_PORT);
    }
    text.parse().ok().filter(|p| *p > 0).ok_or(Error::Port(place))
}

fn read_address(text: &str) -> Result<IpAddr, Error> {
    text.parse().map_err(|_| Error::Value { name: "hostaddr", expected: "an IP address" })
}

fn number<T: std::str::FromStr>(name: &'static str, expected: &'static str, value: &str) -> Result<T, Error> {
    value.trim().parse().map_err(|_| Error::Value { name, expected })
}

fn ssl_mode(value: &str) -> Result<SslMode, Error> {
    Ok(match value {
        "disable" => SslMode::Disable,
        "allow" => SslMode::Allow,
        "prefer" | "" => SslMode::Prefer,
        "require" => SslMode::Require,
        "verify-ca" => SslMode::VerifyCa,
        "verify-full" => SslMode::VerifyFull,
        _ => {
            return Err(Error::Value {
                name: "sslmode",
                expected: "disable, allow, prefer, require, verify-ca or verify-full",
            });
        }
    })
}

fn root_cert(value: String) -> RootCert {
    match value.as_str() {
        "" => RootCert::Unset,
        "system" => RootCert::System,
        _ => RootCert::File(PathBuf::from(value)),
    }
}

fn channel_binding(value: &str) -> Result<ChannelBinding, Error> {
    Ok(match value {
        "disable" => ChannelBinding::Disable,
        "prefer" | "" => ChannelBinding::Prefer,
        "require" => ChannelBinding::Require,
        _ => return Err(Error::Value { name: "channel_binding", expected: "disable, prefer or require" }),
    })
}

fn target(value: &str) -> Result<TargetSessionAttrs, Error> {
    use TargetSessionAttrs::{Any, PreferStandby, Primary, ReadOnly, ReadWrite, Standby};
    [Any, ReadWrite, ReadOnly, Primary, Standby, PreferStandby].into_iter().find(|t| t.as_str() == value).ok_or(
        Error::Value {
            name: "target_session_attrs",
            expected: "any, read-write, read-only, primary, standby or prefer-standby",
        },
    )
}

/// Parameters that we know by name only.
fn refuse_or_ignore(name: &str, value: &str) -> Result<(), Error> {
    const IGNORED: [&str; 8] = [
        "fallback_application_name",
        "keepalives_interval",
        "keepalives_count",
        "gssencmode",
        "gsslib",
        "krbsrvname",
        "sslcompression",
        "sslsni",
    ];
    const REFUSED: [(&str, &str); 10] = [
        ("sslpassword", "give an sslkey that is not encrypted"),
        ("sslcrl", "revocation lists are not read"),
        ("sslcrldir", "revocation lists are not read"),
        ("sslnegotiation", "only the negotiated start of TLS is"),
        ("ssl_min_protocol_version", "TLS 1.2 and 1.3 are always the versions"),
        ("ssl_max_protocol_version", "TLS 1.2 and 1.3 are always the versions"),
        ("require_auth", "use sslmode and channel_binding"),
        ("requirepeer", "use sslmode=verify-full"),
        ("passfile", "give the password itself"),
        ("service", "give the parameters themselves"),
    ];
    if name == "gssencmode" && value == "require" {
        return Err(Error::Unsupported { name: "gssencmode", reason: "GSSAPI encryption is not built in" });
    }
    if IGNORED.contains(&name) {
        return Ok(());
    }
    if let Some((name, reason)) = REFUSED.into_iter().find(|(known, _)| *known == name) {
        return Err(Error::Unsupported { name, reason });
    }
    let harmless = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    Err(Error::Unknown(harmless.then(|| name.to_owned())))
}
