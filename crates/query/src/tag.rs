//! The tag of a representation: what `ETag` says and `If-Match` compares.
//!
//! 128 bits of SHA-256 over the media type, a line feed and the body as it is sent. Computed here for an answer that
//! has left PostgreSQL, and in SQL for rows that a statement is about to change; both give the same text for the same
//! bytes, which a test holds them to.
//! Invariant: nothing but what the caller may read goes into a tag.

use sha2::{Digest, Sha256};

use crate::sql::Sql;

/// Hexadecimal digits of a tag.
const DIGITS: usize = 32;

/// The tag of a body.
pub fn of(media: &str, body: &[u8]) -> String {
    let hash = Sha256::new().chain_update(media.as_bytes()).chain_update(b"\n").chain_update(body).finalize();
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    hash.iter().take(DIGITS / 2).flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The tag of what an expression gives as text.
pub(crate) fn sql(media: &str, body: Sql) -> Sql {
    let mut out = Sql::of("left(encode(sha256(convert_to(");
    out.text(media).push("::text || E'\\n' || (").append(body).push(")::text, 'UTF8')), 'hex'), 32)");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_of_type_and_bytes() {
        let tag = of("application/json", b"{}");
        assert_eq!(tag.len(), DIGITS);
        assert_ne!(tag, of("application/json", b"{} "));
        assert_ne!(tag, of("text/csv", b"{}"));
        assert!(sql("", Sql::new()).build().text.ends_with(&format!("{DIGITS})")));
    }
}
