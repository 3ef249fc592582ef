//! The picture from which applications read an address.

use std::fmt::Write as _;

use qrcodegen::{QrCode, QrCodeEcc};

use crate::error::{Error, Result};

/// Modules of white around it, as scanners expect.
const BORDER: i32 = 4;

/// An SVG with one square for each dark module.
pub(super) fn svg(text: &str) -> Result<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).map_err(|_| Error::invalid("The names are too long"))?;
    let side = code.size() + 2 * BORDER;
    let mut path = String::new();
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
            let _ = write!(path, "M{},{}h1v1h-1z", x + BORDER, y + BORDER);
        }
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/><path d=\"{path}\" fill=\"black\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_has_three_finders_and_no_text() {
        let svg = svg("otpauth://totp/a:b?secret=<ABC>").unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>") && !svg.contains("ABC"), "{svg}");
        // The corner of a finder pattern, seven modules wide.
        assert!((4..11).all(|x| svg.contains(&format!("M{x},4h1v1h-1z"))));
        assert!(super::svg(&"x".repeat(5000)).is_err());
    }
}
