//! Lays out TypeScript types in lines of 80 columns, as prettier does without semicolons: who formats the file again
//! changes nothing.

const WIDTH: usize = 80;

/// A type as it is written.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    /// Is never broken.
    Word(String),
    Union(Vec<Text>),
    List(Box<Text>),
    /// `open`: one member a line, even where it would fit in one.
    Object {
        members: Vec<(String, Text)>,
        open: bool,
    },
    Tuple(Vec<Text>),
    Both(Vec<Text>),
}

impl Text {
    pub(crate) fn word(text: impl Into<String>) -> Self {
        Self::Word(text.into())
    }

    pub(crate) fn or_null(self) -> Self {
        match self {
            Self::Word(word) if word == "unknown" => Self::Word(word),
            Self::Union(mut members) => {
                members.push(Self::word("null"));
                Self::Union(members)
            }
            other => Self::Union(vec![other, Self::word("null")]),
        }
    }

    /// One member a line; none at all is written as a type that has no keys.
    pub(crate) fn section(members: Vec<(String, Text)>) -> Self {
        if members.is_empty() {
            return Self::Object { members: vec![("[_ in never]".to_owned(), Self::word("never"))], open: true };
        }
        Self::open(members)
    }

    pub(crate) fn open(members: Vec<(String, Text)>) -> Self {
        Self::Object { members, open: true }
    }

    fn opened(&self) -> Self {
        match self {
            Self::Object { members, .. } => Self::open(members.clone()),
            other => other.clone(),
        }
    }

    /// In one line; `None` where something in it needs several.
    fn flat(&self) -> Option<String> {
        let all = |parts: &[Self]| parts.iter().map(Self::flat).collect::<Option<Vec<_>>>();
        Some(match self {
            Self::Word(word) => word.clone(),
            Self::Union(parts) => all(parts)?.join(" | "),
            Self::Both(parts) => all(parts)?.join(" & "),
            Self::List(element) if matches!(**element, Self::Union(_)) => format!("({})[]", element.flat()?),
            Self::List(element) => format!("{}[]", element.flat()?),
            Self::Tuple(parts) => format!("[{}]", all(parts)?.join(", ")),
            Self::Object { members, .. } if members.is_empty() => "{}".to_owned(),
            Self::Object { open: true, .. } => return None,
            Self::Object { members, .. } => {
                let members = members.iter().map(|(key, value)| Some(format!("{key}: {}", value.flat()?)));
                format!("{{ {} }}", members.collect::<Option<Vec<_>>>()?.join("; "))
            }
        })
    }

    /// Appends the type to `out`, whose last line is indented by `indent`.
    pub(crate) fn write(&self, out: &mut String, indent: usize) {
        let column = out[out.rfind('\n').map_or(0, |newline| newline + 1)..].chars().count();
        if let Some(flat) = self.flat()
            && column + flat.chars().count() <= WIDTH
        {
            out.push_str(&flat);
            return;
        }
        match self {
            Self::Word(word) => out.push_str(word),
            Self::Union(parts) => write_union(out, parts, indent),
            Self::Both(parts) => write_all(out, &parts.iter().map(Self::opened).collect::<Vec<_>>(), " & ", indent),
            Self::List(element) => write_list(out, element, indent),
            Self::Tuple(parts) => {
                out.push('[');
                for part in parts {
                    line(out, indent + 2);
                    part.write(out, indent + 2);
                    out.push(',');
                }
                line(out, indent);
                out.push(']');
            }
            Self::Object { members, .. } => {
                out.push('{');
                for (key, value) in members {
                    line(out, indent + 2);
                    out.push_str(&format!("{key}: "));
                    value.write(out, indent + 2);
                }
                line(out, indent);
                out.push('}');
            }
        }
    }
}

fn write_all(out: &mut String, parts: &[Text], between: &str, indent: usize) {
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            out.push_str(between);
        }
        part.write(out, indent);
    }
}

fn write_union(out: &mut String, parts: &[Text], indent: usize) {
    // An object or null stays at the key.
    let is_object = |part: &Text| matches!(part, Text::Object { .. });
    if let [object, Text::Word(null)] = parts
        && is_object(object)
        && null == "null"
    {
        return write_all(out, parts, " | ", indent);
    }
    trim_space(out);
    for part in parts {
        line(out, indent + 2);
        out.push_str("| ");
        part.write(out, indent + 4);
    }
}

fn write_list(out: &mut String, element: &Text, indent: usize) {
    let Text::Union(parts) = element else {
        element.write(out, indent);
        out.push_str("[]");
        return;
    };
    out.push('(');
    write_union(out, parts, indent);
    line(out, indent);
    out.push_str(")[]");
}

fn trim_space(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
}

fn line(out: &mut String, indent: usize) {
    trim_space(out);
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
}

/// A string literal, in the quotes that need fewer escapes.
pub(crate) fn string(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let (double, single) = (text.matches('"').count(), text.matches('\'').count());
    if double <= single {
        return quoted;
    }
    let inner = quoted[1..quoted.len() - 1].replace("\\\"", "\"").replace('\'', "\\'");
    format!("'{inner}'")
}

/// The key of a member, quoted where it is no identifier.
pub(crate) fn key(name: &str) -> String {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '$';
    let is_plain = name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit());
    if is_plain { name.to_owned() } else { string(name) }
}
