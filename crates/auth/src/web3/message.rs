//! Reads the text that a wallet shows and signs (EIP-4361; Solana's has the same form).
//!
//! Each line at most once, in any order (wallets and clients differ), and no others: a text that can be read in two ways is
//! refused.

use jiff::Timestamp;

/// What a text says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Message {
    pub(super) domain: String,
    pub(super) address: String,
    pub(super) statement: Option<String>,
    pub(super) uri: String,
    pub(super) chain_id: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) issued_at: Option<Timestamp>,
    pub(super) expiration: Option<Timestamp>,
    pub(super) not_before: Option<Timestamp>,
}

/// Reads a text of the chain's kind (`Ethereum`, `Solana`).
pub(super) fn read(text: &str, chain: &str) -> Result<Message, &'static str> {
    if text.contains('\r') || text.chars().any(|c| c.is_control() && c != '\n') {
        return Err("message has control characters");
    }
    let mut lines = text.split('\n').peekable();
    let opening = format!(" wants you to sign in with your {chain} account:");
    let domain = lines.next().and_then(|line| line.strip_suffix(opening.as_str()));
    let domain = domain.filter(|domain| is_domain(domain)).ok_or("message does not begin as it must")?;
    let address = lines.next().filter(|line| !line.is_empty()).ok_or("message names no address")?;
    let mut message = Message { domain: domain.to_owned(), address: address.to_owned(), ..Message::default() };
    if lines.next_if_eq(&"").is_some() {
        if let Some(statement) = lines.next_if(|line| !line.is_empty() && field(line).is_none()) {
            message.statement = Some(statement.to_owned());
            lines.next_if_eq(&"").ok_or("an empty line is missing after the statement")?;
        } else {
            lines.next_if_eq(&"");
        }
    }
    fields(&mut message, lines)?;
    if message.uri.is_empty() {
        return Err("message names no URI");
    }
    Ok(message)
}

/// Names of fields.
const FIELDS: [&str; 9] =
    ["URI", "Version", "Chain ID", "Nonce", "Issued At", "Expiration Time", "Not Before", "Request ID", "Resources"];

fn field(line: &str) -> Option<(usize, &str)> {
    // supabase-js leaves the colon out.
    let (name, value) = if line == "Resources" { (line, "") } else { line.split_once(':')? };
    let place = FIELDS.iter().position(|field| *field == name)?;
    Some((place, value.strip_prefix(' ').unwrap_or(value)))
}

fn fields<'a>(message: &mut Message, mut lines: impl Iterator<Item = &'a str>) -> Result<(), &'static str> {
    let time = |value: &str| value.parse::<Timestamp>().map_err(|_| "message has a time that is none");
    let mut seen = [false; FIELDS.len()];
    let mut has_version = false;
    while let Some(line) = lines.next() {
        let (place, value) = field(line).ok_or("message has a line that does not belong there")?;
        if std::mem::replace(&mut seen[place], true) {
            return Err("message has a field twice");
        }
        match FIELDS[place] {
            "URI" => message.uri = value.to_owned(),
            "Version" if value == "1" => has_version = true,
            "Version" => return Err("message has another version"),
            "Chain ID" => message.chain_id = Some(value.to_owned()),
            "Nonce" => message.nonce = Some(value.to_owned()),
            "Issued At" => message.issued_at = Some(time(value)?),
            "Expiration Time" => message.expiration = Some(time(value)?),
            "Not Before" => message.not_before = Some(time(value)?),
            "Resources" => {
                return if lines.all(|line| line.starts_with("- ")) {
                    version(has_version)
                } else {
                    Err("a resource is no item")
                };
            }
            _ => {}
        }
    }
    version(has_version)
}

fn version(has_version: bool) -> Result<(), &'static str> {
    if has_version { Ok(()) } else { Err("message has no version") }
}

/// A host, with a port perhaps.
fn is_domain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:[]_".contains(&byte))
}

/// Host and port of an address that a wallet may be used on: https, or this machine.
pub(super) fn host_of(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next().filter(|host| is_domain(host))?;
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_here = ["localhost", "127.0.0.1", "[::1]"].contains(&name);
    (scheme == "https" || (scheme == "http" && is_here)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "app.example.com wants you to sign in with your Ethereum account:
0xabc

Welcome: please sign.

URI: https://app.example.com/login
Version: 1
Chain ID: 1
Nonce: 32891756
Issued At: 2026-09-30T16:25:24Z
Expiration Time: 2026-09-30T17:25:24.000Z
Resources:
- https://example.com/a";

    #[test]
    fn a_text_is_read() {
        let message = read(TEXT, "Ethereum").unwrap();
        assert_eq!((message.domain.as_str(), message.address.as_str()), ("app.example.com", "0xabc"));
        assert_eq!(message.statement.as_deref(), Some("Welcome: please sign."));
        assert_eq!((message.chain_id.as_deref(), message.nonce.as_deref()), (Some("1"), Some("32891756")));
        assert_eq!(message.issued_at.map(|at| at.as_second()), Some(1_790_785_524));
        let bare = TEXT.replace("\nWelcome: please sign.\n", "");
        assert_eq!(read(&bare, "Ethereum").unwrap().statement, None);
    }

    #[test]
    fn fields_come_in_any_order() {
        let text = "localhost:3000 wants you to sign in with your Solana account:
abc

Version: 1
URI: http://localhost:3000/login
Issued At: 2026-09-30T16:25:24Z
Not Before: 2026-09-30T16:25:00Z
Expiration Time: 2026-09-30T17:25:24Z
Chain ID: solana:mainnet
Nonce: 32891756
Resources
- https://example.com/a";
        let message = read(text, "Solana").unwrap();
        assert_eq!((message.statement, message.uri.as_str()), (None, "http://localhost:3000/login"));
        assert_eq!((message.chain_id.as_deref(), message.nonce.as_deref()), (Some("solana:mainnet"), Some("32891756")));
        assert!(message.not_before < message.issued_at && message.issued_at < message.expiration);
    }

    #[test]
    fn a_text_with_two_meanings_is_refused() {
        for (from, to) in [
            ("Ethereum", "Solana"),
            ("Version: 1", "Version: 2"),
            ("Version: 1\n", ""),
            ("URI: https://app.example.com/login\n", ""),
            ("Chain ID: 1", "URI: https://evil.example"),
            ("Nonce: 32891756", "Nonce: 1\nNonce: 2"),
            ("Nonce: 32891756", "Anything: else"),
            ("Issued At: 2026-09-30T16:25:24Z", "Issued At: yesterday"),
            ("app.example.com wants", "app.example.com/x@evil wants"),
            ("- https://example.com/a", "Issued At: 2030-01-01T00:00:00Z"),
            ("\n\nURI", "\nURI"),
            ("Welcome", "Wel\u{202e}\u{7}come"),
            ("0xabc", ""),
        ] {
            assert!(read(&TEXT.replacen(from, to, 1), "Ethereum").is_err(), "{to:?}");
        }
    }

    #[test]
    fn wallets_are_for_https_and_this_machine() {
        assert_eq!(host_of("https://app.example.com:8443/x"), Some("app.example.com:8443"));
        assert_eq!(host_of("http://localhost:3000"), Some("localhost:3000"));
        for bad in ["http://app.example.com", "https://a@b", "ftp://a", "app.example.com", "https://"] {
            assert_eq!(host_of(bad), None, "{bad}");
        }
    }
}
