//! Keeps `Vary` one line without repetitions, whoever adds to it.
//!
//! Rooms name what they negotiate (`Accept`, `Prefer`), the edge what it looks at (`Origin`, `Authorization`). Two lines
//! of the same field are legal and some caches read only the first.

use std::cell::RefCell;

use http::header::VARY;
use http::{HeaderMap, HeaderValue};

/// Most lists that a thread remembers.
const REMEMBERED: usize = 16;

/// What was there, what was added, and what became of it.
type Sum = (Option<HeaderValue>, &'static [&'static str], HeaderValue);

thread_local! {
    /// Rooms write a few lists, and the edge adds few: the sums come again at every answer.
    static SUMS: RefCell<Vec<Sum>> = const { RefCell::new(Vec::new()) };
}

/// Adds names that are not there yet. `*` already says everything.
pub(crate) fn add(headers: &mut HeaderMap, names: &'static [&'static str]) {
    let mut lines = headers.get_all(VARY).iter();
    let (present, is_one) = (lines.next(), lines.next().is_none());
    let known = SUMS.with_borrow(|sums| {
        let is_it = |sum: &&Sum| std::ptr::eq(sum.1, names) && sum.0.as_ref() == present;
        sums.iter().find(is_it).filter(|_| is_one).map(|sum| sum.2.clone())
    });
    let value = match known {
        Some(value) => value,
        None => {
            let Ok(value) = HeaderValue::try_from(sum(headers, names)) else { return };
            if is_one {
                SUMS.with_borrow_mut(|sums| {
                    // What callers can vary is no reason to keep more.
                    sums.truncate(REMEMBERED - 1);
                    sums.push((present.cloned(), names, value.clone()));
                });
            }
            value
        }
    };
    headers.insert(VARY, value);
}

fn sum(headers: &HeaderMap, names: &[&str]) -> String {
    let mut list = String::with_capacity(96);
    for line in headers.get_all(VARY).iter().filter_map(|value| value.to_str().ok()) {
        push(&mut list, line);
    }
    if named(&list).any(|name| name == "*") {
        return "*".to_owned();
    }
    for name in names {
        if !named(&list).any(|present| present.eq_ignore_ascii_case(name)) {
            push(&mut list, name);
        }
    }
    list
}

fn push(list: &mut String, names: &str) {
    if !list.is_empty() && !names.is_empty() {
        list.push_str(", ");
    }
    list.push_str(names);
}

fn named(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_merged() {
        // Remembered or not.
        (0..3).for_each(|_| merge());
    }

    fn merge() {
        let mut headers = HeaderMap::new();
        headers.append(VARY, HeaderValue::from_static("accept, Prefer"));
        headers.append(VARY, HeaderValue::from_static("Range"));
        add(&mut headers, &["Accept", "Origin"]);
        assert_eq!(headers[VARY], "accept, Prefer, Range, Origin");
        assert_eq!(headers.get_all(VARY).iter().count(), 1);
        add(&mut headers, &["origin", "Range"]);
        assert_eq!(headers[VARY], "accept, Prefer, Range, Origin");
        headers.insert(VARY, HeaderValue::from_static("*"));
        add(&mut headers, &["Origin"]);
        assert_eq!(headers[VARY], "*");
        headers.remove(VARY);
        add(&mut headers, &["Authorization", "apikey"]);
        assert_eq!(headers[VARY], "Authorization, apikey");
    }
}
