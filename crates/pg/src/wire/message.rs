//! Decodes backend messages from their bodies.
//!
//! A [`Message`] borrows the channel's read buffer, or owns its bytes when it was too large for it. Bodies come from a
//! server that may be an impostor or out of step, so every decoder answers `None` instead of trusting a length.

use std::sync::Arc;

use bytes::Bytes;

use crate::batch::Column;

/// Message types by name, as the manual calls them.
pub(crate) mod tag {
    pub(crate) const AUTHENTICATION: u8 = b'R';
    pub(crate) const BACKEND_KEY_DATA: u8 = b'K';
    pub(crate) const BIND_COMPLETE: u8 = b'2';
    pub(crate) const CLOSE_COMPLETE: u8 = b'3';
    pub(crate) const COMMAND_COMPLETE: u8 = b'C';
    pub(crate) const COPY_DATA: u8 = b'd';
    pub(crate) const COPY_DONE: u8 = b'c';
    pub(crate) const COPY_IN_RESPONSE: u8 = b'G';
    pub(crate) const COPY_OUT_RESPONSE: u8 = b'H';
    pub(crate) const DATA_ROW: u8 = b'D';
    pub(crate) const EMPTY_QUERY: u8 = b'I';
    pub(crate) const ERROR: u8 = b'E';
    pub(crate) const NEGOTIATE_VERSION: u8 = b'v';
    pub(crate) const NO_DATA: u8 = b'n';
    pub(crate) const NOTICE: u8 = b'N';
    pub(crate) const NOTIFICATION: u8 = b'A';
    pub(crate) const PARAMETER_STATUS: u8 = b'S';
    pub(crate) const PARSE_COMPLETE: u8 = b'1';
    pub(crate) const READY_FOR_QUERY: u8 = b'Z';
    pub(crate) const ROW_DESCRIPTION: u8 = b'T';
}

/// One message.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) tag: u8,
    pub(crate) body: Body<'a>,
}

/// Where the bytes of a message are.
#[derive(Debug)]
pub(crate) enum Body<'a> {
    /// In the read buffer, until the next read.
    Shared(&'a [u8]),
    /// In a buffer of its own.
    Owned(Bytes),
}

impl Body<'_> {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Shared(slice) => slice,
            Self::Owned(bytes) => bytes,
        }
    }
}

fn take_c_str<'a>(body: &mut &'a [u8]) -> Option<&'a str> {
    let end = body.iter().position(|b| *b == 0)?;
    let text = std::str::from_utf8(&body[..end]).ok()?;
    *body = &body[end + 1..];
    Some(text)
}

fn take_array<const N: usize>(body: &mut &[u8]) -> Option<[u8; N]> {
    let (array, rest) = body.split_first_chunk::<N>()?;
    *body = rest;
    Some(*array)
}

/// ParameterStatus: name and value.
pub(crate) fn parameter_status(mut body: &[u8]) -> Option<(&str, &str)> {
    Some((take_c_str(&mut body)?, take_c_str(&mut body)?))
}

/// NotificationResponse: sender's process, channel and payload.
pub(crate) fn notification(mut body: &[u8]) -> Option<(i32, &str, &str)> {
    let pid = i32::from_be_bytes(take_array(&mut body)?);
    Some((pid, take_c_str(&mut body)?, take_c_str(&mut body)?))
}

/// BackendKeyData: process and secret.
pub(crate) fn backend_key(mut body: &[u8]) -> Option<(i32, &[u8])> {
    let pid = i32::from_be_bytes(take_array(&mut body)?);
    (4..=256).contains(&body.len()).then_some((pid, body))
}

/// CommandComplete: the tag.
pub(crate) fn command_tag(mut body: &[u8]) -> Option<&str> {
    take_c_str(&mut body)
}

/// RowDescription: names and types of the columns.
pub(crate) fn columns(mut body: &[u8]) -> Option<Arc<[Column]>> {
    let count = u16::from_be_bytes(take_array(&mut body)?);
    let mut columns = Vec::with_capacity(usize::from(count).min(body.len() / 19));
    for _ in 0..count {
        let name = take_c_str(&mut body)?.to_owned();
        // Table, column number; then the type; then its size, modifier and format.
        let _: [u8; 6] = take_array(&mut body)?;
        let type_oid = u32::from_be_bytes(take_array(&mut body)?);
        let _: [u8; 8] = take_array(&mut body)?;
        columns.push(Column { name, type_oid });
    }
    body.is_empty().then(|| columns.into())
}

/// The number of rows that a command tag names last (`SELECT 20`, `INSERT 0 1`); 0 for tags without one.
pub(crate) fn tag_rows(tag: &str) -> u64 {
    tag.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_decoded_and_cuts_refused() {
        let body = b"\x00\x01id\0\x00\x00\x00\x01\x00\x02\x00\x00\x00\x17\x00\x04\xff\xff\xff\xff\x00\x00";
        assert_eq!(columns(body).unwrap()[..], [Column { name: "id".into(), type_oid: 23 }]);
        for cut in 0..body.len() {
            assert!(columns(&body[..cut]).is_none(), "cut at {cut}");
        }
        assert!(columns(b"\xff\xffid").is_none());
        assert_eq!(parameter_status(b"TimeZone\0UTC\0"), Some(("TimeZone", "UTC")));
        assert_eq!(parameter_status(b"TimeZone\0UTC"), None);
        assert_eq!(notification(b"\x00\x00\x00\x07c\0p\0"), Some((7, "c", "p")));
        assert_eq!(backend_key(b"\x00\x00\x00\x07abc"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(body in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
            let _ = (parameter_status(&body), notification(&body), backend_key(&body), command_tag(&body));
            let _ = (columns(&body), crate::db_error::DbError::decode(&body));
            if let Some(row) = crate::row::Row::of(&body) {
                proptest::prop_assert_eq!(row.values().count(), row.len());
                for (index, value) in row.values().enumerate() {
                    proptest::prop_assert_eq!(row.value(index), value);
                }
            }
        }
    }

    #[test]
    fn tags_name_rows() {
        assert_eq!((tag_rows("INSERT 0 3"), tag_rows("SELECT 20"), tag_rows("BEGIN")), (3, 20, 0));
    }
}
