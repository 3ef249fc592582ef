//! Whether a password is known from leaks, without telling it to anybody: by the first five digits of its hash, the service
//! answers with all hashes that begin so (k-anonymity), padded so that their number tells nothing either.
//!
//! When the service cannot be asked, passwords are taken: a foreign outage must not close sign-up. It is logged.

use sha1::{Digest, Sha1};

use crate::config::PasswordSection;
use crate::error::{Error, Result, Weakness};
use crate::outbound::{Call, Outbound};

const SERVICE: &str = "https://api.pwnedpasswords.com";
/// Digits that are told.
const TOLD: usize = 5;

/// Refuses a password that leaked.
///
/// # Errors
/// That it did.
pub async fn check_leaked(outbound: &dyn Outbound, password: &str, section: &PasswordSection) -> Result<()> {
    if !section.check_leaked {
        return Ok(());
    }
    let hash: String = Sha1::digest(password.as_bytes()).iter().map(|byte| format!("{byte:02X}")).collect();
    let (told, kept) = hash.split_at(TOLD);
    let service = section.leaked_url.as_ref().map_or(SERVICE.to_owned(), ToString::to_string);
    let call = Call { url: format!("{service}/range/{told}"), ..Call::default() }.with("add-padding", "true");
    let listed = match outbound.call(call).await {
        Ok(reply) if reply.status.is_success() => String::from_utf8_lossy(&reply.body).into_owned(),
        Ok(reply) => {
            tracing::warn!(status = reply.status.as_u16(), "leaked passwords could not be looked up");
            return Ok(());
        }
        Err(error) => {
            tracing::warn!(error = ferrobase_base::error::causes(&error), "leaked passwords could not be looked up");
            return Ok(());
        }
    };
    if !is_listed(&listed, kept) {
        return Ok(());
    }
    let message = "Password is known to be weak and easy to guess, please choose a different one.".to_owned();
    Err(Error::WeakPassword { message, reasons: vec![Weakness::Pwned] })
}

/// Padding has a count of zero.
fn is_listed(answer: &str, kept: &str) -> bool {
    let matches = |line: &str| match line.trim().split_once(':') {
        Some((hash, count)) => {
            hash.eq_ignore_ascii_case(kept) && count.trim().parse::<u64>().is_ok_and(|seen| seen > 0)
        }
        None => false,
    };
    answer.lines().any(matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_and_other_hashes_do_not_count() {
        let answer = "0018A45C4D1DEF81644B54AB7F969B88D65:3\r\n00D4F6E8FA6EECAD2A3AA415EEC418D38EC:0\r\n";
        assert!(is_listed(answer, "0018A45C4D1DEF81644B54AB7F969B88D65"));
        assert!(is_listed(answer, "0018a45c4d1def81644b54ab7f969b88d65"));
        assert!(!is_listed(answer, "00D4F6E8FA6EECAD2A3AA415EEC418D38EC"));
        assert!(!is_listed(answer, "018A45C4D1DEF81644B54AB7F969B88D65"));
    }
}
