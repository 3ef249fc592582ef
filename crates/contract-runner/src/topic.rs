//! Topic files: parsing and variables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

/// Values for `${NAME}` in requests and answers.
pub type Variables = BTreeMap<String, String>;

/// Header fields in order.
pub type Fields = Vec<(String, String)>;

/// One file of cases.
#[derive(Debug)]
pub struct Topic {
    /// Where it was read.
    pub path: PathBuf,
    /// SQL files (`fixture: path`, relative to the topic) that make its database.
    pub fixtures: Vec<PathBuf>,
    /// Settings the server needs (`server: NAME=value`), as environment variables.
    pub server: Vec<(String, String)>,
    /// Its cases in order.
    pub cases: Vec<Case>,
}

/// A promise with a name.
#[derive(Debug)]
pub struct Case {
    /// What is promised.
    pub name: String,
    /// Line of the name.
    pub line: usize,
    /// Requests and answers in order; the first failure ends the case.
    pub exchanges: Vec<Exchange>,
}

/// One request and its answer.
#[derive(Debug)]
pub struct Exchange {
    /// `METHOD target`, or `RAW` for bytes that are sent as they stand.
    pub request_line: String,
    /// Request fields.
    pub headers: Fields,
    /// Request body.
    pub body: String,
    /// What must come back.
    pub answer: Answer,
}

/// A promised answer.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Fields and what they must be: a value, `~ part` for a part of it, or `absent`.
    pub headers: Fields,
    /// The body: `None` when nothing is said of it. JSON is compared as a value, other text as it stands; lines that
    /// start with `~ ` are parts that must be in it.
    pub body: Option<String>,
}

impl Topic {
    /// Reads a topic file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Self::parse(path, &text).with_context(|| path.display().to_string())
    }

    /// All topics below a folder, in order of their paths.
    pub fn read_all(folder: &Path) -> Result<Vec<Self>> {
        let mut topics = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "case") {
                    topics.push(Self::read(&path)?);
                }
            }
        }
        topics.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(topics)
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        let mut topic = Self { path: path.to_owned(), fixtures: Vec::new(), server: Vec::new(), cases: Vec::new() };
        let mut block: Option<Block> = None;
        for (number, line) in text.lines().enumerate() {
            let number = number + 1;
            if let Some(name) = line.strip_prefix("=== ") {
                topic.finish(block.take())?;
                topic.cases.push(Case { name: name.to_owned(), line: number, exchanges: Vec::new() });
            } else if line.starts_with(">>> ") || line.starts_with("<<< ") {
                ensure!(!topic.cases.is_empty(), "line {number}: a request outside a case");
                topic.finish(block.take())?;
                block = Some(Block { line: number, first: line.to_owned(), rest: Vec::new() });
            } else if let Some(block) = &mut block {
                block.rest.push(line.to_owned());
            } else if !line.starts_with('#') && !line.trim().is_empty() {
                topic.setting(number, line)?;
            }
        }
        topic.finish(block)?;
        Ok(topic)
    }

    fn setting(&mut self, number: usize, line: &str) -> Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        match line.split_once(": ") {
            Some(("fixture", file)) => self.fixtures.push(folder.join(file.trim())),
            Some(("server", setting)) => {
                let (name, value) = setting.split_once('=').with_context(|| format!("line {number}: NAME=value"))?;
                self.server.push((name.to_owned(), value.to_owned()));
            }
            _ => bail!("line {number}: expected `fixture:`, `server:`, `===` or a comment"),
        }
        Ok(())
    }

    fn finish(&mut self, block: Option<Block>) -> Result<()> {
        let (Some(block), Some(case)) = (block, self.cases.last_mut()) else { return Ok(()) };
        let line = block.line;
        let place = || format!("line {line}");
        let (headers, body) = block.split().with_context(place)?;
        let first = block.first[4..].trim();
        if block.first.starts_with(">>>") {
            let answer = Answer { status: 0, headers: Vec::new(), body: None };
            let body = body.unwrap_or_default();
            case.exchanges.push(Exchange { request_line: first.to_owned(), headers, body, answer });
        } else {
            let exchange = case.exchanges.last_mut().with_context(|| format!("line {line}: no request before it"))?;
            ensure!(exchange.answer.status == 0, "line {line}: a second answer");
            exchange.answer = Answer { status: first.parse().with_context(place)?, headers, body };
        }
        Ok(())
    }
}

/// A request or an answer, unparsed.
struct Block {
    line: usize,
    first: String,
    rest: Vec<String>,
}

impl Block {
    /// Fields up to the first empty line, then the body without trailing empty lines.
    fn split(&self) -> Result<(Fields, Option<String>)> {
        let raw = self.first == ">>> RAW";
        let end = if raw { 0 } else { self.rest.iter().position(String::is_empty).unwrap_or(self.rest.len()) };
        let headers = self.rest[..end]
            .iter()
            .map(|line| {
                let (name, value) = line.split_once(':').with_context(|| format!("not a field: {line}"))?;
                Ok((name.trim().to_owned(), value.trim().to_owned()))
            })
            .collect::<Result<_>>()?;
        let body: Vec<&str> = self.rest.iter().skip(end + usize::from(!raw)).map(String::as_str).collect();
        let body = body.join("\n");
        let body = body.trim_end_matches('\n');
        Ok((headers, (!body.is_empty()).then(|| body.to_owned())))
    }
}

/// Replaces `${NAME}` by its value and `${repeat:COUNT:TEXT}` by repetitions.
pub(crate) fn expand(text: &str, variables: &Variables) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').context("`${` without `}`")?;
        out.push_str(before);
        match name.strip_prefix("repeat:").and_then(|r| r.split_once(':')) {
            Some((count, unit)) => out.push_str(&unit.repeat(count.parse()?)),
            None => out.push_str(variables.get(name).with_context(|| format!("no value for ${{{name}}}"))?),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_has_fixtures_cases_and_exchanges() {
        let text = "# books\nfixture: fixtures/books.sql\n\n=== reads\n>>> GET /books\nPrefer: count=exact\n\n<<< 200\n\
                    content-range: 0-1/2\n\n[1,\n2]\n\n=== writes\n>>> POST /books\n\n{}\n<<< 201\n";
        let topic = Topic::parse(Path::new("contract/rest/books.case"), text).unwrap();
        assert_eq!(topic.fixtures, [Path::new("contract/rest/fixtures/books.sql")]);
        assert_eq!(topic.cases.len(), 2);
        let read = &topic.cases[0].exchanges[0];
        assert_eq!(read.headers, [("Prefer".to_owned(), "count=exact".to_owned())]);
        assert_eq!(read.answer.body.as_deref(), Some("[1,\n2]"));
        let write = &topic.cases[1].exchanges[0];
        assert_eq!((write.body.as_str(), write.answer.status, &write.answer.body), ("{}", 201, &None));
    }

    #[test]
    fn variables_are_replaced_and_missing_ones_are_errors() {
        let variables = Variables::from([("A".to_owned(), "x".to_owned())]);
        assert_eq!(expand("${A}-${repeat:3:ab}", &variables).unwrap(), "x-ababab");
        assert!(expand("${B}", &variables).is_err());
    }
}
