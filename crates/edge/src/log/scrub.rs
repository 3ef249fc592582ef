//! Takes credentials out of a query string before it is logged.
//!
//! Invariant: the value of a parameter whose decoded name is on the list never appears, however the name is written
//! (upper case, percent signs, plus signs). Names stay, so that a reader sees that a token was there.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Longest query that is logged; the rest is cut.
const LONGEST: usize = 2048;

/// Parameters that carry a credential somewhere: our own, OAuth's, signed URLs'.
const SECRETS: [&str; 24] = [
    "apikey",
    "api_key",
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "provider_token",
    "provider_refresh_token",
    "token_hash",
    "confirmation_token",
    "recovery_token",
    "invite_token",
    "jwt",
    "authorization",
    "code",
    "code_verifier",
    "password",
    "passwd",
    "secret",
    "client_secret",
    "signature",
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-security-token",
];

/// The query with the values of credential parameters replaced by `***` and at most 2 kB long.
pub fn scrub_query(query: &str) -> Cow<'_, str> {
    let secret = query.split('&').any(is_secret);
    if !secret && query.len() <= LONGEST {
        return Cow::Borrowed(query);
    }
    let mut clean = String::with_capacity(query.len().min(LONGEST) + 8);
    for (index, pair) in query.split('&').enumerate() {
        if clean.len() + pair.len() > LONGEST && !is_secret(pair) {
            clean.push_str("...");
            break;
        }
        if index > 0 {
            clean.push('&');
        }
        match pair.split_once('=') {
            Some((name, _)) if is_secret(pair) => {
                clean.extend(name.chars().take(64));
                clean.push_str("=***");
            }
            _ => clean.push_str(pair),
        }
    }
    Cow::Owned(clean)
}

fn is_secret(pair: &str) -> bool {
    let Some((name, _)) = pair.split_once('=') else { return false };
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if plain {
        return names_secret(name);
    }
    let name = name.replace('+', " ");
    // Decoded twice: some proxies and frameworks encode once more.
    let once = percent_decode_str(&name).decode_utf8_lossy();
    let twice = percent_decode_str(&once).decode_utf8_lossy();
    names_secret(once.trim()) || names_secret(twice.trim())
}

fn names_secret(name: &str) -> bool {
    SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_28_credentials_never_survive() {
        for query in [
            "apikey=canary",
            "a=1&apikey=canary&b=2",
            "APIKEY=canary",
            "%61pikey=canary",
            "%2561pikey=canary",
            "access%5Ftoken=canary&x",
            "token=canary=canary",
            "code=canary&state=1",
            "+token=canary",
            "X-Amz-Signature=canary",
        ] {
            let clean = scrub_query(query);
            assert!(!clean.contains("canary"), "{query} -> {clean}");
            assert!(clean.contains("=***"), "{clean}");
        }
        assert_eq!(scrub_query("a=1&apikey=canary&b=2"), "a=1&apikey=***&b=2");
    }

    #[test]
    fn other_queries_stay_and_long_ones_are_cut() {
        assert_eq!(scrub_query("select=*&id=eq.1&tokens=eq.2"), "select=*&id=eq.1&tokens=eq.2");
        assert_eq!(scrub_query(""), "");
        let long = format!("id=in.({})&token=canary", "1,".repeat(20_000));
        let clean = scrub_query(&long);
        assert!(clean.len() < LONGEST + 100 && !clean.contains("canary"), "{}", clean.len());
    }
}
