//! How mails are written: subject, HTML and text, with places that a mail fills (`{{ .Token }}`).
//!
//! Everything is read and checked when the configuration is loaded; a place that nothing fills is an error then, not in the
//! first mail. Values are escaped in HTML and are one line in a subject.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::{Code, Mail, MailKind};
use crate::config::MailerSection;

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// There is no such mail.
    #[error(
        "there is no mail {0:?}; there are confirmation, invite, recovery, magic_link, email_change, reauthentication"
    )]
    Kind(String),
    /// The file.
    #[error("{path} cannot be read: {source}")]
    File {
        /// Where.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A place that nothing fills, or that does not end.
    #[error("{{{{{0}}}}} is not something that a mail has")]
    Place(String),
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// Path of a value, without the first dot.
    Value(String),
}

type Template = Vec<Piece>;

/// The three parts of one mail.
#[derive(Clone, Debug, Default)]
struct Parts {
    subject: Template,
    html: Template,
    plain: Template,
}

/// A mail as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// The HTML part.
    pub html: String,
    /// The text part.
    pub plain: String,
}

/// The templates in force.
#[derive(Clone, Debug, Default)]
pub struct Templates(BTreeMap<&'static str, Parts>);

/// Subject, HTML and text of each mail, where the configuration names no others.
const OWN: [(MailKind, &str, &str, &str); 6] = [
    (
        MailKind::Confirmation,
        "Confirm your address",
        include_str!("../../templates/confirmation.html"),
        include_str!("../../templates/confirmation.txt"),
    ),
    (
        MailKind::Invite,
        "You have been invited",
        include_str!("../../templates/invite.html"),
        include_str!("../../templates/invite.txt"),
    ),
    (
        MailKind::Recovery,
        "Set a new password",
        include_str!("../../templates/recovery.html"),
        include_str!("../../templates/recovery.txt"),
    ),
    (
        MailKind::MagicLink,
        "Sign in",
        include_str!("../../templates/magic_link.html"),
        include_str!("../../templates/magic_link.txt"),
    ),
    (
        MailKind::EmailChange,
        "Confirm the change of your address",
        include_str!("../../templates/email_change.html"),
        include_str!("../../templates/email_change.txt"),
    ),
    (
        MailKind::Reauthentication,
        "{{ .Token }} is your code",
        include_str!("../../templates/reauthentication.html"),
        include_str!("../../templates/reauthentication.txt"),
    ),
];

impl Templates {
    /// Ours, with what the configuration puts in their place: a subject, an HTML file, and the text file beside that
    /// (`x.txt` beside `x.html`), if there is one.
    ///
    /// # Errors
    /// A file that cannot be read, a mail that does not exist, a place that nothing fills.
    pub fn load(section: &MailerSection) -> Result<Self, TemplateError> {
        let is_known = |name: &&String| MailKind::ALL.iter().any(|kind| kind.as_str() == name.as_str());
        if let Some(name) = section.subjects.keys().chain(section.templates.keys()).find(|name| !is_known(name)) {
            return Err(TemplateError::Kind(name.clone()));
        }
        let mut templates = BTreeMap::new();
        for (kind, subject, html, plain) in OWN {
            let name = kind.as_str();
            let (mut html, mut plain) = (html.to_owned(), plain.to_owned());
            if let Some(path) = section.templates.get(name) {
                html = read(path)?;
                let beside = Path::new(path).with_extension("txt");
                if beside.as_path() != Path::new(path) && beside.exists() {
                    plain = read(&beside.to_string_lossy())?;
                }
            }
            let subject = parse(section.subjects.get(name).map_or(subject, String::as_str))?;
            templates.insert(name, Parts { subject, html: parse(&html)?, plain: parse(&plain)? });
        }
        Ok(Self(templates))
    }

    /// Writes a mail.
    pub fn render(&self, mail: &Mail, site_url: &str) -> Rendered {
        let values = json!({
            "ConfirmationURL": mail.link,
            "Token": mail.code.digits,
            "TokenHash": mail.code.link,
            "SiteURL": site_url,
            "Email": mail.user["email"],
            "NewEmail": mail.new_email.clone().unwrap_or_default(),
            "Data": mail.user["user_metadata"],
            "RedirectTo": mail.redirect_to,
        });
        let Some(parts) = self.0.get(mail.kind.as_str()) else {
            return Rendered { subject: String::new(), html: String::new(), plain: mail.link.clone() };
        };
        Rendered {
            subject: fill(&parts.subject, &values, one_line),
            html: fill(&parts.html, &values, escape),
            plain: fill(&parts.plain, &values, str::to_owned),
        }
    }
}

/// A mail that nobody gets, to look at.
pub fn example(kind: MailKind, external_url: &str, site_url: &str) -> Mail {
    let code = Code::of("ada@example.com", "123456".to_owned());
    let link = format!("{external_url}/verify?token={}&type={}", code.link, kind.verification_type());
    Mail {
        kind,
        to: "ada@example.com".to_owned(),
        code,
        link,
        redirect_to: site_url.to_owned(),
        new_email: (kind == MailKind::EmailChange).then(|| "ada@new.example.com".to_owned()),
        user: json!({"email": "ada@example.com", "user_metadata": {"name": "Ada"}}),
    }
}

fn read(path: &str) -> Result<String, TemplateError> {
    std::fs::read_to_string(path).map_err(|source| TemplateError::File { path: path.to_owned(), source })
}

fn parse(text: &str) -> Result<Template, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (place, after) = after.split_once("}}").ok_or_else(|| TemplateError::Place(shortened(after)))?;
        let path = place.trim_matches('-').trim();
        let name = path.strip_prefix('.').filter(|name| is_place(name));
        let name = name.ok_or_else(|| TemplateError::Place(shortened(place)))?;
        pieces.extend((!before.is_empty()).then(|| Piece::Text(before.to_owned())));
        pieces.push(Piece::Value(name.to_owned()));
        rest = after;
    }
    pieces.extend((!rest.is_empty()).then(|| Piece::Text(rest.to_owned())));
    Ok(pieces)
}

fn is_place(name: &str) -> bool {
    matches!(name, "ConfirmationURL" | "Token" | "TokenHash" | "SiteURL" | "Email" | "NewEmail" | "RedirectTo" | "Data")
        || name.strip_prefix("Data.").is_some_and(|path| path.split('.').all(|part| !part.is_empty()))
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

fn fill(template: &Template, values: &Value, write: impl Fn(&str) -> String) -> String {
    template
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Value(path) => write(&value(values, path)),
        })
        .collect()
}

fn value(values: &Value, path: &str) -> String {
    match path.split('.').try_fold(values, |value, part| value.get(part)) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Nothing in a value can end the line that it is in, or turn its direction around.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .take(200)
        .collect()
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(name: &str) -> Mail {
        let mut mail = example(MailKind::Confirmation, "http://x.test/auth/v1", "http://app.test");
        mail.user["user_metadata"]["name"] = name.into();
        mail
    }

    fn section(subject: &str) -> MailerSection {
        MailerSection { subjects: [("confirmation".to_owned(), subject.to_owned())].into(), ..MailerSection::default() }
    }

    #[test]
    fn every_mail_of_ours_has_its_code_and_link() {
        let templates = Templates::load(&MailerSection::default()).unwrap();
        for kind in MailKind::ALL {
            let mail = example(kind, "http://x.test/auth/v1", "http://app.test");
            let written = templates.render(&mail, "http://app.test");
            assert!(!written.subject.is_empty(), "{kind:?}");
            for part in [&written.html, &written.plain] {
                assert!(part.contains("123456") && !part.contains("{{"), "{kind:?}: {part}");
                assert_eq!(part.contains(&mail.code.link), kind != MailKind::Reauthentication, "{kind:?}: {part}");
            }
        }
    }

    #[test]
    fn sec_what_people_say_of_themselves_is_no_markup_and_no_field() {
        let templates = Templates::load(&section("Hello {{ .Data.name }}")).unwrap();
        let written = templates.render(&mail("Ada\r\nBcc: all@example.com"), "http://app.test");
        assert_eq!(written.subject, "Hello Ada  Bcc: all@example.com");
        let parts = parse("<p title=\"{{.Data.name}}\">").unwrap();
        let values = json!({"Data": {"name": "\"><script>'&"}});
        assert_eq!(fill(&parts, &values, escape), "<p title=\"&quot;&gt;&lt;script&gt;&#39;&amp;\">");
        // What fills a place is not looked at again.
        let written = templates.render(&mail("{{ .Token }}"), "http://app.test");
        assert_eq!(written.subject, "Hello {{ .Token }}");
    }

    #[test]
    fn what_nothing_fills_is_told_when_it_is_loaded() {
        for bad in ["{{ .Nothing }}", "{{ Token }}", "{{ .Token", "{{ if .Token }}", "{{ .Data. }}"] {
            assert!(matches!(Templates::load(&section(bad)), Err(TemplateError::Place(_))), "{bad}");
        }
        let unknown = MailerSection { templates: [("other".to_owned(), "x".to_owned())].into(), ..Default::default() };
        assert!(matches!(Templates::load(&unknown), Err(TemplateError::Kind(_))));
        let missing = MailerSection {
            templates: [("invite".to_owned(), "/nowhere.html".to_owned())].into(),
            ..Default::default()
        };
        assert!(matches!(Templates::load(&missing), Err(TemplateError::File { .. })));
    }

    #[test]
    fn a_file_and_the_text_beside_it_take_the_place_of_ours() {
        let folder = std::env::temp_dir().join(format!("ferrobase-templates-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("c.html"), "<b>{{- .Token -}}</b>").unwrap();
        std::fs::write(folder.join("c.txt"), "{{ .Token }} for {{ .Data.name }}, {{ .NewEmail }}").unwrap();
        let path = folder.join("c.html").to_string_lossy().into_owned();
        let section = MailerSection { templates: [("confirmation".to_owned(), path)].into(), ..Default::default() };
        let written = Templates::load(&section).unwrap().render(&mail("Ada"), "http://app.test");
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!((written.html.as_str(), written.plain.as_str()), ("<b>123456</b>", "123456 for Ada, "));
        assert_eq!(written.subject, "Confirm your address");
    }
}
