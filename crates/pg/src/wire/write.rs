//! Appends frontend messages to a buffer: `[u8 type, i32 length including itself, body]`.
//!
//! Hand-written because this is the hot path: every request goes through `bind` several times and a message costs
//! one bounds check and a copy. All parameters are in text format, and
//! results too where nothing else is asked for.
//! Invariant: text that the protocol ends with NUL never contains one; callers check with [`is_sendable`] first.

/// Whether a text may travel as a C string.
pub(crate) fn is_sendable(text: &str) -> bool {
    // `contains` on a byte is a vectorised search.
    !text.as_bytes().contains(&0)
}

fn message(out: &mut Vec<u8>, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    untagged(out, body);
}

fn untagged(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    // A batch larger than 1 GB is refused before it is sent (`session/exchange.rs`), so this never saturates.
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn c_string(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

fn count(out: &mut Vec<u8>, n: usize) {
    out.extend_from_slice(&u16::try_from(n).unwrap_or(u16::MAX).to_be_bytes());
}

/// StartupMessage.
pub(crate) fn startup<'a>(out: &mut Vec<u8>, parameters: impl Iterator<Item = (&'a str, &'a str)>) {
    untagged(out, |out| {
        out.extend_from_slice(&0x0003_0000_u32.to_be_bytes());
        for (name, value) in parameters {
            c_string(out, name);
            c_string(out, value);
        }
        out.push(0);
    });
}

/// SSLRequest.
pub(crate) fn ssl_request(out: &mut Vec<u8>) {
    untagged(out, |out| out.extend_from_slice(&80_877_103_u32.to_be_bytes()));
}

/// CancelRequest.
pub(crate) fn cancel_request(out: &mut Vec<u8>, pid: i32, secret: &[u8]) {
    untagged(out, |out| {
        out.extend_from_slice(&80_877_102_u32.to_be_bytes());
        out.extend_from_slice(&pid.to_be_bytes());
        out.extend_from_slice(secret);
    });
}

/// PasswordMessage.
pub(crate) fn password(out: &mut Vec<u8>, password: &str) {
    message(out, b'p', |out| c_string(out, password));
}

/// SASLInitialResponse.
pub(crate) fn sasl_initial(out: &mut Vec<u8>, mechanism: &str, data: &[u8]) {
    message(out, b'p', |out| {
        c_string(out, mechanism);
        out.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(data);
    });
}

/// SASLResponse.
pub(crate) fn sasl_response(out: &mut Vec<u8>, data: &[u8]) {
    message(out, b'p', |out| out.extend_from_slice(data));
}

/// Query: the simple protocol.
pub(crate) fn query(out: &mut Vec<u8>, sql: &str) {
    message(out, b'Q', |out| c_string(out, sql));
}

/// Parse. An empty name is the unnamed statement.
pub(crate) fn parse(out: &mut Vec<u8>, name: &str, sql: &str, types: &[u32]) {
    message(out, b'P', |out| {
        c_string(out, name);
        c_string(out, sql);
        count(out, types.len());
        for oid in types {
            out.extend_from_slice(&oid.to_be_bytes());
        }
    });
}

/// Bind of the unnamed portal, whose results come as text. `parameters` gives exactly `how_many` values.
pub(crate) fn bind<'a>(
    out: &mut Vec<u8>,
    statement: &str,
    how_many: usize,
    parameters: impl Iterator<Item = Option<&'a [u8]>>,
) {
    bind_for(out, statement, &[], how_many, parameters);
}

/// The same, with results in these formats: whether each column comes in binary format, none for text.
pub(crate) fn bind_for<'a>(
    out: &mut Vec<u8>,
    statement: &str,
    binary: &[bool],
    how_many: usize,
    parameters: impl Iterator<Item = Option<&'a [u8]>>,
) {
    message(out, b'B', |out| {
        out.push(0);
        c_string(out, statement);
        count(out, 0);
        count(out, how_many);
        for value in parameters {
            match value {
                None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
                Some(value) => {
                    out.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
                    out.extend_from_slice(value);
                }
            }
        }
        count(out, binary.len());
        for binary in binary {
            count(out, usize::from(*binary));
        }
    });
}

/// Describe of the unnamed portal.
pub(crate) fn describe_portal(out: &mut Vec<u8>) {
    out.extend_from_slice(b"D\x00\x00\x00\x06P\x00");
}

/// Execute of the unnamed portal, all rows.
pub(crate) fn execute(out: &mut Vec<u8>) {
    out.extend_from_slice(b"E\x00\x00\x00\x09\x00\x00\x00\x00\x00");
}

/// Close of a prepared statement.
pub(crate) fn close_statement(out: &mut Vec<u8>, name: &str) {
    message(out, b'C', |out| {
        out.push(b'S');
        c_string(out, name);
    });
}

/// Sync.
pub(crate) fn sync(out: &mut Vec<u8>) {
    out.extend_from_slice(b"S\x00\x00\x00\x04");
}

/// Terminate.
pub(crate) const TERMINATE: &[u8] = b"X\x00\x00\x00\x04";

/// CopyData.
pub(crate) fn copy_data(out: &mut Vec<u8>, data: &[u8]) {
    message(out, b'd', |out| out.extend_from_slice(data));
}

/// CopyDone.
pub(crate) fn copy_done(out: &mut Vec<u8>) {
    out.extend_from_slice(b"c\x00\x00\x00\x04");
}

/// CopyFail.
pub(crate) fn copy_fail(out: &mut Vec<u8>, reason: &str) {
    message(out, b'f', |out| c_string(out, reason));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_layout_of_the_manual() {
        let mut out = Vec::new();
        parse(&mut out, "s", "select $1", &[25]);
        assert_eq!(out, b"P\x00\x00\x00\x16s\0select $1\0\x00\x01\x00\x00\x00\x19");
        out.clear();
        bind(&mut out, "s", 2, [Some(&b"ab"[..]), None].into_iter());
        assert_eq!(out, b"B\x00\x00\x00\x17\0s\0\x00\x00\x00\x02\x00\x00\x00\x02ab\xff\xff\xff\xff\x00\x00");
        out.clear();
        bind_for(&mut out, "", &[false, true], 0, std::iter::empty());
        assert_eq!(out, b"B\x00\x00\x00\x10\0\0\x00\x00\x00\x00\x00\x02\x00\x00\x00\x01");
        out.clear();
        startup(&mut out, [("user", "u")].into_iter());
        assert_eq!(out, b"\x00\x00\x00\x10\x00\x03\x00\x00user\0u\0\0");
        out.clear();
        cancel_request(&mut out, 1, &[0, 0, 0, 2]);
        assert_eq!(out.len(), 16);
        assert!(is_sendable("select 1") && !is_sendable("a\0b"));
    }
}
