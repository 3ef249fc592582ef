//! Numbers of variables that a double would change.
//!
//! JSON has numbers of any length, and what reads it here has doubles. Where a type of the database stands behind a variable
//! (`BigInt`, `BigFloat`, `JSON` ...), such a number goes on as the string that was sent, which those types take anyway: no
//! digit is lost. `Int`, `Float` and `ID` are what GraphQL says they are.

use std::collections::HashMap;

use apollo_compiler::ast::Type;
use apollo_compiler::executable::Operation;
use apollo_compiler::response::{JsonMap, JsonValue};
use apollo_compiler::schema::{ExtendedType, Schema};
use serde_json::value::RawValue;

/// Whether a text has a number that may not be exact: many digits in a row, or an exponent.
pub(crate) fn may_lose(json: &str) -> bool {
    let mut digits = 0_u32;
    json.bytes().any(|byte| {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'.' if digits > 0 => {}
            b'e' | b'E' if digits > 0 => return true,
            _ => digits = 0,
        }
        digits > 15
    })
}

/// Puts the text in the place of every number that lost digits; `raw` are the variables as they were sent.
pub(crate) fn keep(schema: &Schema, operation: &Operation, raw: &RawValue, given: &mut JsonMap) {
    let Ok(sent) = serde_json::from_str::<HashMap<String, &RawValue>>(raw.get()) else { return };
    for variable in &operation.variables {
        let name = variable.name.as_str();
        if let (Some(sent), Some(value)) = (sent.get(name), given.get_mut(name)) {
            keep_value(schema, &variable.ty, sent, value);
        }
    }
}

fn keep_value(schema: &Schema, ty: &Type, sent: &RawValue, value: &mut JsonValue) {
    if !may_lose(sent.get()) {
        return;
    }
    if ty.is_list()
        && let JsonValue::Array(items) = value
    {
        let sent: Vec<&RawValue> = serde_json::from_str(sent.get()).unwrap_or_default();
        for (sent, item) in sent.into_iter().zip(items) {
            keep_value(schema, ty.item_type(), sent, item);
        }
        return;
    }
    match (schema.types.get(ty.inner_named_type()), &mut *value) {
        (Some(ExtendedType::InputObject(input)), JsonValue::Object(fields)) => {
            let sent: HashMap<String, &RawValue> = serde_json::from_str(sent.get()).unwrap_or_default();
            for (name, field) in &input.fields {
                if let (Some(sent), Some(value)) = (sent.get(name.as_str()), fields.get_mut(name.as_str())) {
                    keep_value(schema, &field.ty, sent, value);
                }
            }
        }
        (Some(ExtendedType::Scalar(scalar)), _) if !scalar.is_built_in() && loses(sent.get()) => {
            *value = JsonValue::from(sent.get());
        }
        _ => {}
    }
}

/// Whether a JSON text has a number that is another one as a double.
fn loses(json: &str) -> bool {
    let bytes = json.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'"' => {
                while bytes.get(at).is_some_and(|byte| *byte != b'"') {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                at += bytes[at..].iter().take_while(|byte| is_part(byte)).count();
                if !is_exact(&json[start..at]) {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

fn is_exact(number: &str) -> bool {
    let read = serde_json::from_str::<serde_json::Number>(number);
    read.is_ok_and(|read| decimal(&read.to_string()) == decimal(number))
}

/// A number as its digits, without zeros at their ends, and the power of ten of the last one.
fn decimal(number: &str) -> Option<(bool, String, i64)> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (is_negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let moved = (digits.len() - significant.len()) as i64 - fraction.len() as i64;
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Some((false, String::new(), 0));
    }
    Some((is_negative, significant.to_owned(), exponent.parse::<i64>().ok()?.checked_add(moved)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_that_change_are_kept_as_text() {
        for exact in ["0", "-0", "1.50", "1e5", "0.1", "9007199254740993", "18446744073709551615", "120e-1", "1E+2"] {
            assert!(is_exact(exact), "{exact}");
        }
        for inexact in ["98765432109876543210987", "0.12345678901234567890123", "1e-400", "-18446744073709551617"] {
            assert!(!is_exact(inexact) && may_lose(inexact), "{inexact}");
        }
        assert!(loses(r#"{"a": [true, -98765432109876543210987]}"#));
        assert!(!loses(r#"{"a\"1": "98765432109876543210987", "b": 1.0}"#));
    }
}
