//! Which known word was probably meant.
//!
//! Pure. Words are alike when they share pieces of three or two letters; among the best of those the edit distance
//! decides. The score is one minus the distance over the length of the longer word.
//! Bound: candidates beyond `MAX_CANDIDATES` are not looked at, so that a misspelt name never costs a large schema.

use std::collections::HashMap;

/// More names than this are not searched.
pub const MAX_CANDIDATES: usize = 2_000;
/// How many words that share pieces are compared letter by letter.
const COMPARED: usize = 50;
/// A word that is at least this alike is worth a hint when it tells only names.
pub const LIKELY: f64 = 0.75;
/// The same where the caller knows the neighbourhood anyway.
pub const POSSIBLE: f64 = 0.33;

/// The candidate most like `word`, if one reaches `least`.
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>, least: f64) -> Option<&'c str> {
    scored(word, candidates, least).map(|(_, name)| name)
}

/// The same, unless the word itself is among the candidates: then nothing was misspelt.
pub fn misspelt<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>, least: f64) -> Option<&'c str> {
    scored(word, candidates, least).filter(|(score, _)| *score < 1.0).map(|(_, name)| name)
}

fn scored<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>, least: f64) -> Option<(f64, &'c str)> {
    let candidates: Vec<&str> = candidates.into_iter().take(MAX_CANDIDATES + 1).collect();
    if candidates.len() > MAX_CANDIDATES || word.is_empty() {
        return None;
    }
    let folded = word.to_lowercase();
    [3, 2].into_iter().find_map(|size| {
        let best = sharing(&folded, &candidates, size);
        best.into_iter()
            .map(|name| (likeness(&folded, &name.to_lowercase()), name))
            .filter(|(score, _)| *score >= least)
            .fold(None, |best: Option<(f64, &str)>, found| match best {
                Some(best) if best.0 >= found.0 => Some(best),
                _ => Some(found),
            })
    })
}

/// The candidates that share pieces of `size` letters with the word, those that share most first.
fn sharing<'c>(word: &str, candidates: &[&'c str], size: usize) -> Vec<&'c str> {
    let own = pieces(word, size);
    let norm = |counts: &HashMap<String, usize>| counts.values().map(|n| (n * n) as f64).sum::<f64>().sqrt();
    let own_norm = norm(&own);
    let mut shared: Vec<(f64, &str)> = Vec::new();
    for name in candidates {
        let other = pieces(&name.to_lowercase(), size);
        let common: usize = own.iter().map(|(piece, n)| n * other.get(piece).copied().unwrap_or(0)).sum();
        if common > 0 {
            shared.push((common as f64 / (own_norm * norm(&other)), name));
        }
    }
    shared.sort_by(|a, b| b.0.total_cmp(&a.0));
    shared.into_iter().take(COMPARED).map(|(_, name)| name).collect()
}

/// How often each piece of `size` letters occurs in the word between two dashes.
fn pieces(word: &str, size: usize) -> HashMap<String, usize> {
    let plain = word.chars().filter(|c| c.is_alphanumeric() || matches!(c, '_' | ',' | ' '));
    let mut letters: Vec<char> = std::iter::once('-').chain(plain).chain(std::iter::once('-')).collect();
    while letters.len() < size {
        letters.push('-');
    }
    let mut counts = HashMap::new();
    for piece in letters.windows(size) {
        *counts.entry(piece.iter().collect()).or_insert(0) += 1;
    }
    counts
}

/// One for the same word, near zero for words without likeness.
fn likeness(a: &str, b: &str) -> f64 {
    let longer = a.chars().count().max(b.chars().count());
    if longer == 0 { 1.0 } else { 1.0 - distance(a, b) as f64 / longer as f64 }
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found() {
        let names = ["films", "directors", "roles", "actors"];
        assert_eq!(closest("film", names, LIKELY), Some("films"));
        assert_eq!(closest("Directr", names, LIKELY), Some("directors"));
        assert_eq!(closest("noclosealternative", names, POSSIBLE), None);
        assert_eq!(closest("", names, POSSIBLE), None);
        assert_eq!(misspelt("role", names, POSSIBLE), Some("roles"));
        assert_eq!(misspelt("actors", names, POSSIBLE), None);
    }

    #[test]
    fn lists_of_parameters_are_words_too() {
        let lists = ["(name, param, val)", "(attr, id)"];
        assert_eq!(closest("(nam, pqaram, vall)", lists, POSSIBLE), Some("(name, param, val)"));
        assert_eq!(closest("(param, val)", lists, POSSIBLE), Some("(name, param, val)"));
        assert_eq!(closest("(attrs, id)", lists, POSSIBLE), Some("(attr, id)"));
        assert_eq!(closest("(id)", lists, POSSIBLE), Some("(attr, id)"));
        assert_eq!(closest("(noclosealternative)", lists, POSSIBLE), None);
    }

    #[test]
    fn large_schemas_are_not_searched() {
        let names: Vec<String> = (0..=MAX_CANDIDATES).map(|i| format!("table{i}")).collect();
        assert_eq!(closest("table1", names.iter().map(String::as_str), LIKELY), None);
    }

    #[test]
    fn distances() {
        for (a, b, wanted) in [("", "abc", 3), ("kitten", "sitting", 3), ("ä", "a", 1), ("same", "same", 0)] {
            assert_eq!(distance(a, b), wanted);
        }
    }
}
