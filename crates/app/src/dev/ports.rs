//! The ports of `dev`: those that were set, else the next free ones; held until the server binds them.
//!
//! Taken before the slow steps, so that a port in use is told at once and two projects that start side by side do not
//! choose the same ones while their databases are made.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;

use anyhow::{Context as _, Result, bail};
use ferrobase_base::config::Host;
use ferrobase_edge::config::ServerSection;

/// Ports that are tried when none is set, from the usual one on.
const API: RangeInclusive<u16> = 8000..=8099;
const ADMIN: RangeInclusive<u16> = 9090..=9189;

/// Two ports that are ours.
#[derive(Debug)]
pub(crate) struct Ports {
    api: Held,
    admin: Held,
}

#[derive(Debug)]
struct Held {
    port: u16,
    /// `None` when only the server's own attempt can tell what is wrong with the address.
    _listener: Option<TcpListener>,
}

impl Ports {
    /// Takes the ports of this configuration, in which 0 stands for one that was not set.
    pub(crate) fn take(server: &ServerSection) -> Result<Self> {
        let api = match server.port {
            0 => next_free(API, server.admin_port)?,
            port => named(&server.host, port, "server.port", "--port")?,
        };
        let admin = match server.admin_port {
            0 => next_free(ADMIN, api.port)?,
            port => named(&server.admin_host, port, "server.admin_port", "--admin-port")?,
        };
        Ok(Self { api, admin })
    }

    /// The settings that say so.
    pub(crate) fn settings(&self) -> [(&'static str, String); 2] {
        [("server.port", self.api.port.to_string()), ("server.admin_port", self.admin.port.to_string())]
    }
}

/// The first port of the range that nobody listens on.
fn next_free(mut range: RangeInclusive<u16>, other: u16) -> Result<Held> {
    let (first, last) = (*range.start(), *range.end());
    let free = range.find_map(|port| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok().filter(|_| port != other)?;
        Some(Held { port, _listener: Some(listener) })
    });
    free.with_context(|| format!("no free port from {first} to {last}"))
}

/// A port that somebody chose.
fn named(host: &Host, port: u16, key: &str, flag: &str) -> Result<Held> {
    match TcpListener::bind((&**host, port)) {
        Ok(listener) => Ok(Held { port, _listener: Some(listener) }),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => bail!(
            "port {port} ({key}) is in use by another program\n  stop that program, choose another port with {flag}, or \
             remove {key}: then the next free port is taken"
        ),
        Err(_) => Ok(Held { port, _listener: None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(port: u16, admin_port: u16) -> ServerSection {
        ServerSection { port, admin_port, host: Host::from_static("127.0.0.1"), ..ServerSection::default() }
    }

    #[test]
    fn what_is_taken_is_not_given_twice() {
        let (one, other) = (Ports::take(&section(0, 0)).unwrap(), Ports::take(&section(0, 0)).unwrap());
        assert_ne!(one.api.port, other.api.port);
        assert_ne!(one.admin.port, other.admin.port);
        let error = Ports::take(&section(one.api.port, 0)).unwrap_err().to_string();
        assert!(error.contains("server.port") && error.contains("--port"), "{error}");
    }

    #[test]
    fn a_port_in_the_other_range_is_left_to_who_chose_it() {
        let chosen = Ports::take(&section(0, 0)).unwrap().admin.port;
        let ports = Ports::take(&section(chosen, 0)).unwrap();
        assert_eq!(ports.api.port, chosen);
        assert_ne!(ports.admin.port, chosen);
    }
}
