//! E-mail addresses and telephone numbers, in the one spelling in which they are stored and compared.
//!
//! Addresses are ASCII: letters that look alike in other scripts would be other accounts for the database and the same one
//! for a person. Line ends and other control characters cannot get in, so an address can be written into a mail's head.

use crate::error::{Error, Result};

const LONGEST: usize = 255;

/// An address in lower case.
///
/// # Errors
/// Text that is no address.
pub fn email(text: &str) -> Result<String> {
    let address = text.to_ascii_lowercase();
    let valid = address.len() <= LONGEST
        && address.split_once('@').is_some_and(|(local, domain)| is_local_part(local) && is_domain(domain));
    if !valid {
        return Err(Error::invalid("Unable to validate email address: invalid format"));
    }
    Ok(address)
}

fn is_local_part(local: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    !local.is_empty()
        && local.len() <= 64
        && local.bytes().all(allowed)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    domain.len() <= 253 && domain.split('.').all(is_label)
}

/// A number as digits: E.164 without its plus.
///
/// # Errors
/// Text that is no such number.
pub fn phone(text: &str) -> Result<String> {
    let digits: String = text.strip_prefix('+').unwrap_or(text).chars().filter(|c| *c != ' ').collect();
    let valid = (2..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    if !valid {
        return Err(Error::invalid("Invalid phone number format (E.164 required)"));
    }
    Ok(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_spelling() {
        assert_eq!(email("Ada.Lovelace+x@Example.COM").unwrap(), "ada.lovelace+x@example.com");
        assert_eq!(email("a@localhost").unwrap(), "a@localhost");
        let long = format!("{}@example.com", "a".repeat(65));
        for bad in [
            "",
            "a",
            "@b.c",
            "a@",
            "a b@c.d",
            " a@b.c",
            "a@b.c ",
            "a@b..c",
            "a@-b.c",
            "a@b@c.d",
            "a\r\nbcc: x@y.z@b.c",
            "a@b.c\n",
            "\u{430}@b.c",
            "a@b\u{0456}.c",
            "K\u{212a}@b.c",
            "a..b@c.d",
            ".a@b.c",
            &long,
        ] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn numbers_are_digits() {
        assert_eq!(phone("+49 151 234 567").unwrap(), "49151234567");
        assert_eq!(phone("1234567890").unwrap(), "1234567890");
        for bad in ["", "+", "++49", "0151", "1", "12a4", "49-151", "1234567890123456", "\u{661}\u{662}\u{663}"] {
            assert!(phone(bad).is_err(), "{bad:?}");
        }
    }
}
