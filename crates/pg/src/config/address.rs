//! Where a database is: a host or socket folder, or a whole URL.
//!
//! Invariant: a URL with a password is never printed whole, not even by `Debug`.

use std::fmt;
use std::path::PathBuf;

use ferrobase_base::Secret;
use ferrobase_base::config::{Atom, Host, Shown};

/// A host name or address, or the folder of a unix socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DatabaseHost {
    /// Over TCP.
    Tcp(Host),
    /// Through a socket in this folder.
    Socket(PathBuf),
}

impl DatabaseHost {
    /// This machine, over TCP.
    pub fn localhost() -> Self {
        Self::Tcp(Host::from_static("localhost"))
    }
}

impl fmt::Display for DatabaseHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host) => write!(f, "{host}"),
            Self::Socket(folder) => write!(f, "{}", folder.display()),
        }
    }
}

impl Atom for DatabaseHost {
    fn kind() -> String {
        "a host name, an address or a socket folder".to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            text if text.starts_with('/') => Some(Self::Socket(PathBuf::from(text))),
            text => Host::parse(text).map(Self::Tcp),
        }
    }

    fn spell(&self) -> Shown {
        Shown::Text(self.to_string())
    }
}

/// A connection URL: `Debug`, `Display` and `config show` leave the password out.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Secret);

impl DatabaseUrl {
    /// The whole text, password included: only for opening a connection.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The URL with `***` in place of the password; only the scheme when it cannot be told where a password ends.
    pub fn masked(&self) -> String {
        let text = self.0.expose();
        let Some((scheme, rest)) = text.split_once("://") else { return "***".to_owned() };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if path.contains('@') || query.contains('@') || query.to_ascii_lowercase().contains("password") {
            return format!("{scheme}://***");
        }
        let authority = match authority.rsplit_once('@') {
            Some((login, hosts)) => match login.split_once(':') {
                Some((user, _)) => format!("{user}:***@{hosts}"),
                None => authority.to_owned(),
            },
            None => authority.to_owned(),
        };
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        format!("{scheme}://{authority}/{path}{query}")
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Atom for DatabaseUrl {
    const SECRET: bool = true;

    fn kind() -> String {
        "a `postgresql://` URL".to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let known = text.starts_with("postgres://") || text.starts_with("postgresql://");
        (known && !text.chars().any(|c| c.is_control() || c.is_whitespace())).then(|| Self(Secret::new(text)))
    }

    fn spell(&self) -> Shown {
        Shown::Text(self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_28_a_printed_url_has_no_password() {
        let cases = [
            ("postgresql://owner:canary@db:5432/app", "postgresql://owner:***@db:5432/app"),
            ("postgres://owner:can:ary@db/app?sslmode=require", "postgres://owner:***@db/app?sslmode=require"),
            ("postgresql://owner@a:1,b:2/app", "postgresql://owner@a:1,b:2/app"),
            ("postgresql://db/app", "postgresql://db/app"),
            ("postgresql:///app?host=/tmp&user=u", "postgresql:///app?host=/tmp&user=u"),
            ("postgresql://owner:can@ary@db/app", "postgresql://owner:***@db/app"),
            // A password with a slash, a question mark or a hash that nobody encoded: nothing can be told apart.
            ("postgresql://owner:can/canary@db/app", "postgresql://***"),
            ("postgresql://owner:can?canary@db/app", "postgresql://***"),
            ("postgresql://owner:can#canary@db/app", "postgresql://owner:***@db/app"),
            ("postgresql://db/app?PassWord=canary", "postgresql://***"),
            ("postgresql://db/app?user=u&password=canary", "postgresql://***"),
            ("postgresql://db/app?sslpassword=canary", "postgresql://***"),
        ];
        for (text, masked) in cases {
            let url = DatabaseUrl::parse(text).unwrap();
            assert_eq!(url.masked(), masked, "{text}");
            assert!(!format!("{url:?}{url}").contains("canary"), "{text}");
            assert_eq!(url.expose(), text);
        }
    }

    #[test]
    fn hosts_and_socket_folders() {
        assert_eq!(DatabaseHost::parse("/run/postgresql"), Some(DatabaseHost::Socket("/run/postgresql".into())));
        assert_eq!(DatabaseHost::parse("db.example").unwrap().to_string(), "db.example");
        assert_eq!(DatabaseHost::parse("db example"), None);
        for bad in ["mysql://a/b", "db", "", "postgresql://a b/c"] {
            assert!(DatabaseUrl::parse(bad).is_none(), "{bad}");
        }
    }
}
