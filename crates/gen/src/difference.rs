//! What changed between two versions of a file, for a person to read.

/// Lines that show around a change.
const AROUND: usize = 3;
/// Lines of a summary; a schema that changed altogether needs no more to say so.
const MOST: usize = 200;
/// Changed lines up to which the smallest difference is looked for: the work grows with their square.
const EXACT: usize = 1000;

/// A line and whether it went (`-`), came (`+`) or stayed (a space).
type Line<'t> = (char, &'t str);

/// The changed parts of a file, with the lines that went and came; `None` when nothing changed.
pub fn difference(old: &str, new: &str) -> Option<String> {
    if old == new {
        return None;
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    if old == new {
        return Some("only the ends of lines differ\n".to_owned());
    }
    let before = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old[before..].iter().rev().zip(new[before..].iter().rev());
    let after = rest.take_while(|(a, b)| a == b).count();
    let mut lines = stayed(&old[..before]);
    lines.extend(compare(&old[before..old.len() - after], &new[before..new.len() - after]));
    lines.extend(stayed(&old[old.len() - after..]));
    Some(shown(&lines))
}

fn stayed<'t>(lines: &[&'t str]) -> Vec<Line<'t>> {
    lines.iter().map(|line| (' ', *line)).collect()
}

/// The smallest difference (Myers, "An O(ND) Difference Algorithm", 1986); beyond `EXACT` everything is replaced.
fn compare<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Line<'t>> {
    let Some(rounds) = search(old, new) else {
        let gone = old.iter().map(|line| ('-', *line));
        return gone.chain(new.iter().map(|line| ('+', *line))).collect();
    };
    let mut lines = Vec::new();
    let (mut x, mut y) = (old.len() as isize, new.len() as isize);
    for (changes, reach) in rounds.iter().enumerate().rev() {
        let (from_x, from_y) = reach.step(x - y, changes as isize);
        while x > from_x && y > from_y {
            (x, y) = (x - 1, y - 1);
            lines.push((' ', old[x as usize]));
        }
        match changes {
            0 => {}
            _ if x == from_x => {
                y -= 1;
                lines.push(('+', new[y as usize]));
            }
            _ => {
                x -= 1;
                lines.push(('-', old[x as usize]));
            }
        }
    }
    lines.reverse();
    lines
}

/// How far into the old lines each diagonal (old minus new line) came.
#[derive(Clone)]
struct Reach(Vec<isize>);

impl Reach {
    fn at(&self, diagonal: isize) -> isize {
        self.0[(diagonal + EXACT as isize + 1) as usize]
    }

    /// Where the way onto a diagonal with one more change comes from, as lines of both.
    fn step(&self, diagonal: isize, changes: isize) -> (isize, isize) {
        let from = if self.comes(diagonal, changes) { diagonal + 1 } else { diagonal - 1 };
        (self.at(from), self.at(from) - from)
    }

    /// Whether that change is a line that comes, and not one that goes.
    fn comes(&self, diagonal: isize, changes: isize) -> bool {
        diagonal == -changes || (diagonal != changes && self.at(diagonal - 1) < self.at(diagonal + 1))
    }
}

/// What was reached before each round; every round allows one change more.
fn search(old: &[&str], new: &[&str]) -> Option<Vec<Reach>> {
    let (ends_x, ends_y) = (old.len() as isize, new.len() as isize);
    let mut reach = Reach(vec![0; 2 * EXACT + 3]);
    let mut rounds = Vec::new();
    for changes in 0..=EXACT as isize {
        rounds.push(reach.clone());
        for diagonal in (-changes..=changes).step_by(2) {
            let comes = reach.comes(diagonal, changes);
            let mut x = if comes { reach.at(diagonal + 1) } else { reach.at(diagonal - 1) + 1 };
            while x < ends_x && x - diagonal < ends_y && old[x as usize] == new[(x - diagonal) as usize] {
                x += 1;
            }
            reach.0[(diagonal + EXACT as isize + 1) as usize] = x;
            if x >= ends_x && x - diagonal >= ends_y {
                return Some(rounds);
            }
        }
    }
    None
}

fn shown(lines: &[Line<'_>]) -> String {
    let changed: Vec<usize> = (0..lines.len()).filter(|number| lines[*number].0 != ' ').collect();
    let is_near = |number: usize| {
        let next = changed.partition_point(|change| *change < number);
        let near = |change: &usize| change.abs_diff(number) <= AROUND;
        changed.get(next).is_some_and(near) || next.checked_sub(1).is_some_and(|last| near(&changed[last]))
    };
    let mut out = String::new();
    let (mut last, mut old_line, mut count) = (None, 0, 0);
    for (number, (mark, line)) in lines.iter().enumerate() {
        old_line += usize::from(*mark != '+');
        if !is_near(number) {
            continue;
        }
        if count == MOST {
            let left = changed.iter().filter(|change| **change >= number).count();
            out.push_str(&format!("... and {left} more changed lines\n"));
            break;
        }
        if last.is_none_or(|last: usize| last + 1 != number) {
            out.push_str(&format!("@@ line {} @@\n", old_line.max(1)));
        }
        out.push_str(format!("{mark}{line}").trim_end());
        out.push('\n');
        last = Some(number);
        count += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_with_what_stands_around_them() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\n";
        let new = "a\nb\nc\nd\nE\nf\ng\nh\ni\nj\nk\nl\nm\n";
        let expected = "@@ line 2 @@\n b\n c\n d\n-e\n+E\n f\n g\n h\n@@ line 10 @@\n j\n k\n l\n+m\n";
        assert_eq!(difference(old, new).unwrap(), expected);
        assert_eq!(difference(old, old), None);
        assert_eq!(difference("a\r\n", "a\n").unwrap(), "only the ends of lines differ\n");
    }

    #[test]
    fn a_long_list_of_changes_is_cut_and_counted() {
        for lines in [2 * MOST, 2 * EXACT] {
            let new: String = (0..lines).map(|number| format!("{number}\n")).collect();
            let told = difference("x\n", &new).unwrap();
            assert_eq!(told.lines().count(), MOST + 2);
            let left = lines + 1 - MOST;
            assert!(told.ends_with(&format!("... and {left} more changed lines\n")), "{told}");
        }
    }
}
