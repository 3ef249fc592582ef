//! The other form of a connection string: `host=a,b port=5432 user=u password='it\'s'`.
//!
//! Values end at white space or are quoted with `'`; a backslash takes the next character as it is.

use super::ConnectOptionsError as Error;
use super::parameter::Draft;

/// Reads a list of `keyword=value` pairs.
pub(super) fn read(text: &str, draft: &mut Draft) -> Result<(), Error> {
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, tail) = rest.split_once('=').ok_or(Error::Pair("a keyword has no ="))?;
        let name = name.trim_end();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(Error::Pair("a keyword has no ="));
        }
        let (value, tail) = take_value(tail.trim_start())?;
        draft.set(name, value)?;
        rest = tail.trim_start();
    }
    Ok(())
}

fn take_value(text: &str) -> Result<(String, &str), Error> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut characters = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => match characters.next() {
                Some((_, escaped)) => value.push(escaped),
                None => return Err(Error::Pair("it ends with a backslash")),
            },
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            c if !quoted && c.is_whitespace() => return Ok((value, &text[at..])),
            c => value.push(c),
        }
    }
    if quoted { Err(Error::Pair("a quote is not closed")) } else { Ok((value, "")) }
}
