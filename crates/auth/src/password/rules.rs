//! Which passwords are good enough.

use super::LONGEST;
use crate::config::PasswordSection;
use crate::error::{Error, Result, Weakness};

/// Checks a new password.
///
/// # Errors
/// What it lacks.
pub fn check(password: &str, section: &PasswordSection) -> Result<()> {
    if password.len() > LONGEST {
        return Err(Error::invalid(format!("Password cannot be longer than {LONGEST} characters")));
    }
    let mut messages = Vec::new();
    let mut reasons = Vec::new();
    if password.chars().count() < section.min_length as usize {
        messages.push(format!("Password should be at least {} characters.", section.min_length));
        reasons.push(Weakness::Length);
    }
    let lacks = |set: &String| !set.is_empty() && !password.chars().any(|c| set.contains(c));
    if section.required_characters.iter().any(lacks) {
        let sets = section.required_characters.join(", ");
        messages.push(format!("Password should contain at least one character of each: {sets}."));
        reasons.push(Weakness::Characters);
    }
    if reasons.is_empty() {
        return Ok(());
    }
    Err(Error::WeakPassword { message: messages.join(" "), reasons })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(password: &str, section: &PasswordSection) -> Vec<Weakness> {
        match check(password, section) {
            Ok(()) => Vec::new(),
            Err(Error::WeakPassword { reasons, .. }) => reasons,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn length_and_sets_of_characters() {
        let section = PasswordSection {
            min_length: 8,
            required_characters: vec!["abcdefgh".to_owned(), "0123456789".to_owned()],
            ..PasswordSection::default()
        };
        assert_eq!(reasons("abcd1234", &section), []);
        assert_eq!(reasons("zzzz1234", &section), [Weakness::Characters]);
        assert_eq!(reasons("a1", &section), [Weakness::Length]);
        assert_eq!(reasons("", &section), [Weakness::Length, Weakness::Characters]);
        let error = check("short", &PasswordSection::default()).unwrap_err();
        assert_eq!(error.to_string(), "Password should be at least 6 characters.");
        assert!(matches!(check(&"x".repeat(73), &section), Err(Error::Refused { .. })));
    }
}
