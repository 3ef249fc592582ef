//! Connection URLs: `postgresql://user:password@host:port,host2/database?parameter=value`.
//!
//! Reads the part after `://` as libpq does: several hosts, `[IPv6]`, percent-encoding everywhere, a Unix socket
//! folder as an encoded host (`%2Frun`) or as `?host=/run`. Values go to `parameter.rs`.
//! Invariant: errors name a place, never text of the URL, since an unencoded `/`, `#` or `?` moves parts of a password
//! into the host, the database or the query.

use percent_encoding::percent_decode_str;

use super::ConnectOptionsError as Error;
use super::parameter::Draft;

/// Reads what follows `postgresql://`.
pub(super) fn read(text: &str, draft: &mut Draft) -> Result<(), Error> {
    let (before_query, query) = match text.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (text, None),
    };
    let (authority, database) = match before_query.split_once('/') {
        Some((authority, database)) => (authority, Some(database)),
        None => (before_query, None),
    };
    let hosts = match authority.rsplit_once('@') {
        Some((login, hosts)) => {
            read_login(login, draft)?;
            hosts
        }
        None => authority,
    };
    read_hosts(hosts, draft)?;
    if let Some(database) = database.filter(|d| !d.is_empty()) {
        draft.set("dbname", decode(database, "database name")?)?;
    }
    query.map_or(Ok(()), |query| read_query(query, draft))
}

fn read_login(login: &str, draft: &mut Draft) -> Result<(), Error> {
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (login, None),
    };
    if !user.is_empty() {
        draft.set("user", decode(user, "user name")?)?;
    }
    match password {
        Some(password) => draft.set("password", decode(password, "password")?),
        None => Ok(()),
    }
}

fn read_hosts(hosts: &str, draft: &mut Draft) -> Result<(), Error> {
    if hosts.is_empty() {
        return Ok(());
    }
    for (index, item) in hosts.split(',').enumerate() {
        let place = index + 1;
        let (host, port) = match item.strip_prefix('[') {
            Some(rest) => {
                let (address, tail) = rest.split_once(']').ok_or(Error::Bracket(place))?;
                match tail.strip_prefix(':') {
                    Some(port) => (address, port),
                    None if tail.is_empty() => (address, ""),
                    None => return Err(Error::Port(place)),
                }
            }
            None => item.split_once(':').unwrap_or((item, "")),
        };
        draft.hosts.push(decode(host, "host")?);
        draft.ports.push(port.to_owned());
    }
    // The same port may be given once for all hosts; a URL without any port has none to check.
    if draft.ports.iter().all(String::is_empty) {
        draft.ports.clear();
    }
    Ok(())
}

fn read_query(query: &str, draft: &mut Draft) -> Result<(), Error> {
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(Error::Pair("a parameter after ? has no value"));
        };
        let value = decode(value, "parameter")?;
        draft.set(name, value).map_err(|error| match error {
            // An unencoded ? in a password puts its rest here.
            Error::Unknown(_) if query.contains('@') => Error::Unknown(None),
            other => other,
        })?;
    }
    Ok(())
}

fn decode(text: &str, what: &'static str) -> Result<String, Error> {
    let bytes = text.as_bytes();
    let broken = bytes.iter().enumerate().any(|(i, b)| {
        *b == b'%' && !bytes.get(i + 1..i + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if broken {
        return Err(Error::Encoding(what));
    }
    percent_decode_str(text).decode_utf8().map(|text| text.into_owned()).map_err(|_| Error::Encoding(what))
}
