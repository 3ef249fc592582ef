//! `Link`: the pages before and behind this one (RFC 8288).
//!
//! Last stage. The targets are query strings alone, relative to the address that was asked: whatever proxies did to the
//! path before us, they lead back to it.

use ferrobase_query::{PageKeys, RowKey};

use crate::cursor::{CursorKey, Position};
use crate::error::Error;
use crate::parse::CURSOR;
use crate::plan::Pages;

/// The value of `Link` for a page; none when there is no other page.
pub(crate) fn link(
    canonical: &str,
    pages: &Pages,
    keys: &PageKeys,
    cursor_key: &CursorKey,
) -> Result<Option<String>, Error> {
    if !pages.unique && keys.far.is_some() && keys.far == keys.beyond {
        return Err(Error::PageTie);
    }
    let seal = |backward: bool, values: &RowKey| {
        cursor_key.seal(&pages.order, &Position { backward, values: values.clone() }).ok_or(Error::PageKey)
    };
    // Where the page was begun there is more if it began inside the list; at its other end if a row was left over.
    let back = match (pages.inside, &keys.near) {
        (false, _) => None,
        (true, Some(near)) => Some(seal(!pages.backward, near)?),
        // Nothing behind the position: everything is on its other side.
        (true, None) => Some(if pages.backward { "first" } else { "last" }.to_owned()),
    };
    let on = match (&keys.beyond, &keys.far) {
        (Some(_), Some(far)) => Some(seal(pages.backward, far)?),
        _ => None,
    };
    let (next, previous) = if pages.backward { (back, on) } else { (on, back) };
    let others = without_cursor(canonical);
    let links: Vec<String> = [(next, "next"), (previous, "prev")]
        .into_iter()
        .filter_map(|(cursor, rel)| Some(format!("<?{others}{CURSOR}={}>; rel=\"{rel}\"", cursor?)))
        .collect();
    Ok((!links.is_empty()).then(|| links.join(", ")))
}

/// The other parameters, each with `&` behind it. A filter on a column of the cursor's name stays: it has a dot.
fn without_cursor(canonical: &str) -> String {
    let is_cursor =
        |pair: &&str| pair.split_once('=').is_some_and(|(key, value)| key == CURSOR && !value.contains('.'));
    let others = canonical.split('&').filter(|pair| !pair.is_empty() && !is_cursor(pair));
    others.map(|pair| format!("{pair}&")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(backward: bool, inside: bool) -> Pages {
        Pages { order: "id".to_owned(), backward, inside, unique: true }
    }

    fn keys(near: Option<&str>, far: Option<&str>, beyond: Option<&str>) -> PageKeys {
        let key = |value: Option<&str>| value.map(|value| vec![Some(value.to_owned())]);
        PageKeys { near: key(near), far: key(far), beyond: key(beyond) }
    }

    /// The links with their cursors opened: `next>5`.
    fn told(pages: &Pages, keys: &PageKeys) -> String {
        let key = CursorKey::derived_from(None);
        let Some(link) = link("cursor=eq.1&cursor=old&order=id", pages, keys, &key).expect("links") else {
            return String::new();
        };
        let one = |link: &str| {
            let (target, rel) = link.split_once(">; rel=").expect("a link");
            let cursor = target.strip_prefix("<?cursor=eq.1&order=id&cursor=").expect("the other parameters");
            let rel = rel.trim_matches('"');
            match key.open("id", cursor) {
                Some(Position { backward, values }) => {
                    format!("{rel}{}{}", if backward { '<' } else { '>' }, values[0].as_deref().expect("a value"))
                }
                None => format!("{rel}={cursor}"),
            }
        };
        link.split(", ").map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn links_lead_on_and_back() {
        for (backward, inside, keys, wanted) in [
            (false, false, keys(Some("1"), None, None), ""),
            (false, false, keys(Some("1"), Some("2"), None), ""),
            (false, false, keys(Some("1"), Some("2"), Some("3")), "next>2"),
            (false, true, keys(Some("3"), Some("4"), Some("5")), "next>4 prev<3"),
            (false, true, keys(Some("5"), None, None), "prev<5"),
            (false, true, keys(None, None, None), "prev=last"),
            (true, false, keys(Some("9"), Some("8"), Some("7")), "prev<8"),
            (true, true, keys(Some("4"), Some("3"), Some("2")), "next>4 prev<3"),
            (true, true, keys(Some("2"), Some("1"), None), "next>2"),
            (true, true, keys(None, None, None), "next=first"),
        ] {
            assert_eq!(told(&pages(backward, inside), &keys), wanted);
        }
    }

    #[test]
    fn rows_that_look_alike_end_a_view() {
        let unsure = Pages { unique: false, ..pages(false, false) };
        let key = CursorKey::derived_from(None);
        let alike = keys(Some("1"), Some("2"), Some("2"));
        assert!(matches!(link("", &unsure, &alike, &key), Err(Error::PageTie)));
        assert!(link("", &unsure, &keys(Some("1"), Some("2"), Some("3")), &key).is_ok());
        let long = keys(Some("1"), Some(&"x".repeat(5_000)), Some("3"));
        assert!(matches!(link("", &unsure, &long, &key), Err(Error::PageKey)));
    }
}
