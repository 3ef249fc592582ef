//! Which of the accepted types the answer has, and what makes it.
//!
//! Second stage, asked by the planner once it knows the relation or function. The first accepted type that something
//! makes is taken: handlers of the database before the built-in ones, because they may replace them.
//! Pure. Nothing fits: 406 with the list of what was asked for (PGRST107).

use ferrobase_catalog::{Catalog, MediaHandler, QualifiedName};
use ferrobase_query::plan::{Body, CsvForm, Explain, JsonForm};

use crate::error::Error;
use crate::media::{MediaType, PlanOptions};

/// What was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Negotiated {
    /// The type of the answer, as `Content-Type` tells it.
    pub media: MediaType,
    /// What makes the body.
    pub body: Body,
    /// The plan is asked for and not the rows.
    pub explain: Option<Explain>,
}

/// What the choice depends on besides `Accept`.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// Where handlers come from.
    pub catalog: &'a Catalog,
    /// The relation whose rows are shown, or the function.
    pub target: &'a QualifiedName,
    /// Nothing was selected in particular: only then do handlers of the target itself fit, which take whole rows.
    pub whole_rows: bool,
    /// Whether plans may be shown.
    pub plans: bool,
    /// Whether only what PostgREST makes is made: no NDJSON, and CSV in its form.
    pub is_postgrest: bool,
}

/// Chooses.
///
/// # Errors
/// Nothing makes any of these types.
pub fn negotiate(accept: &[MediaType], circumstances: Circumstances<'_>) -> Result<Negotiated, Error> {
    accept
        .iter()
        .find_map(|media| fit(media, circumstances))
        .ok_or_else(|| Error::NotAcceptable(accept.iter().map(ToString::to_string).collect()))
}

fn fit(media: &MediaType, circumstances: Circumstances<'_>) -> Option<Negotiated> {
    if let MediaType::Plan(plan) = media {
        if !circumstances.plans {
            return None;
        }
        let (body, _) = maker(&plan.of, circumstances)?;
        return Some(Negotiated { media: media.clone(), body, explain: Some(explain(plan.json, plan.options)) });
    }
    let (body, media) = maker(media, circumstances)?;
    Some(Negotiated { media, body, explain: None })
}

/// What makes a type, and the type that is answered.
fn maker(media: &MediaType, circumstances: Circumstances<'_>) -> Option<(Body, MediaType)> {
    match media {
        // These have parameters and meanings of their own and cannot be replaced.
        MediaType::Object { stripped } => return Some((json(JsonForm::Object, *stripped), media.clone())),
        MediaType::StrippedArray => return Some((json(JsonForm::List, true), media.clone())),
        MediaType::Plan(_) => return None,
        _ => {}
    }
    handler(media, circumstances).or_else(|| builtin(media, circumstances))
}

fn builtin(media: &MediaType, circumstances: Circumstances<'_>) -> Option<(Body, MediaType)> {
    match media {
        _ if !circumstances.is_postgrest && media.is_ndjson() => Some((Body::Lines, MediaType::ndjson())),
        MediaType::Any | MediaType::Json => Some((json(JsonForm::List, false), MediaType::Json)),
        MediaType::Csv => {
            let form = if circumstances.is_postgrest { CsvForm::Record } else { CsvForm::Standard };
            Some((Body::Csv(form), MediaType::Csv))
        }
        MediaType::GeoJson => Some((Body::GeoJson, MediaType::GeoJson)),
        _ => None,
    }
}

fn handler(media: &MediaType, circumstances: Circumstances<'_>) -> Option<(Body, MediaType)> {
    let Circumstances { catalog, target, whole_rows, .. } = circumstances;
    if catalog.media_handlers.is_empty() {
        return None;
    }
    let name = media.to_string().to_lowercase();
    let own = |name: &str| catalog.media_handler(Some(target), name).filter(|_| whole_rows);
    let found = own("*/*").or_else(|| own(&name)).or_else(|| catalog.media_handler(None, &name))?;
    Some((custom(found), MediaType::parse(&found.content_type)))
}

fn custom(handler: &MediaHandler) -> Body {
    let row_type = handler.target.clone().filter(|_| handler.is_aggregate);
    Body::Custom { function: handler.function.clone(), row_type }
}

fn json(form: JsonForm, strip_nulls: bool) -> Body {
    Body::Json { form, strip_nulls }
}

fn explain(json: bool, options: PlanOptions) -> Explain {
    let PlanOptions { analyze, verbose, settings, buffers, wal } = options;
    Explain { json, analyze, verbose, settings, buffers, wal }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::accept;

    fn catalog() -> Catalog {
        let handler = |name: &str, target: Option<&str>, media: &str, content: &str| MediaHandler {
            function: QualifiedName::new("api", name),
            target: target.map(|target| QualifiedName::new("api", target)),
            media_type: media.to_owned(),
            content_type: content.to_owned(),
            is_aggregate: true,
        };
        Catalog {
            media_handlers: vec![
                handler("twkb_agg", Some("lines"), "application/vnd.twkb", "application/vnd.twkb"),
                handler("any_csv", None, "text/csv", "text/csv"),
                handler("all", Some("files"), "*/*", "application/octet-stream"),
            ],
            ..Catalog::default()
        }
    }

    fn choose(field: &str, target: &str, whole_rows: bool, plans: bool) -> String {
        let catalog = catalog();
        let target = QualifiedName::new("api", target);
        match negotiate(
            &accept(field),
            Circumstances { catalog: &catalog, target: &target, whole_rows, plans, is_postgrest: false },
        ) {
            Err(error) => error.to_string(),
            Ok(Negotiated { media, body, explain }) => {
                let by = match body {
                    Body::Custom { function, row_type } => {
                        format!("{function} of {}", row_type.map_or("any".into(), |name| name.to_string()))
                    }
                    other => format!("{other:?}"),
                };
                format!("{media} by {by}{}", if explain.is_some() { " explained" } else { "" })
            }
        }
    }

    #[test]
    fn the_first_type_that_something_makes() {
        let list = "application/json by Json { form: List, strip_nulls: false }";
        for (field, wanted) in [
            ("*/*", list),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", list),
            ("text/plain, application/json", list),
            ("application/vnd.pgrst.array+json", list),
            ("application/geo+json", "application/geo+json by GeoJson"),
            ("application/x-ndjson; charset=utf-8", "application/x-ndjson by Lines"),
            (
                "application/vnd.pgrst.object+json;nulls=stripped",
                "application/vnd.pgrst.object+json;nulls=stripped by Json { form: Object, strip_nulls: true }",
            ),
            ("text/plain, image/png", "None of these media types are available: text/plain, image/png"),
            (
                "application/vnd.pgrst.plan",
                "None of these media types are available: application/vnd.pgrst.plan+text; for=\"application/json\"",
            ),
        ] {
            assert_eq!(choose(field, "t", true, false), wanted, "{field}");
        }
    }

    #[test]
    fn handlers_of_the_database_come_first() {
        assert_eq!(
            choose("application/vnd.twkb", "lines", true, false),
            "application/vnd.twkb by api.twkb_agg of api.lines"
        );
        assert!(choose("application/vnd.twkb", "lines", false, false).starts_with("None of"));
        assert!(choose("application/vnd.twkb", "t", true, false).starts_with("None of"));
        assert_eq!(choose("text/csv", "t", false, false), "text/csv by api.any_csv of any");
        assert_eq!(choose("image/png", "files", true, false), "application/octet-stream by api.all of api.files");
        assert_eq!(
            choose("application/json", "files", true, false),
            "application/octet-stream by api.all of api.files"
        );
    }

    #[test]
    fn plans_are_shown_where_they_may_be() {
        let asked = "application/vnd.pgrst.plan+json; for=\"text/csv\"; options=analyze";
        assert_eq!(
            choose(asked, "t", true, true),
            "application/vnd.pgrst.plan+json; for=\"text/csv\"; options=analyze by api.any_csv of any explained"
        );
        assert!(choose("application/vnd.pgrst.plan;for=\"image/png\"", "t", true, true).starts_with("None of"));
    }
}
