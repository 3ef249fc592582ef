//! One REST request as a value: what is done to what, with which rows, how the answer should look.
//!
//! First stage: **parse** -> plan -> query -> execute -> render. Gathers path, method, profile, query string, range,
//! preferences, accepted types and body; the order of the steps decides which of several mistakes is told.
//! Pure. Invariant: knows no catalog; every name is the caller's word.
//! Read on: `parse` (the query string), `body`, `plan` (what becomes of it).

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use percent_encoding::percent_decode_str;

use crate::ast::{Query, Window};
use crate::body::{self, BodyError, Payload, Use};
use crate::conditional::Conditions;
use crate::error::Error;
use crate::media::{self, MediaType};
use crate::openapi::{DOCUMENT, Format};
use crate::parse::{self, Dialect, Reading};
use crate::prefer::Preferences;
use crate::{profile, range};

/// What the configuration says about reading requests.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Exposed schemas, the default one first.
    pub schemas: Vec<String>,
    /// Whether a request may choose how its transaction ends.
    pub tx_override: bool,
    /// What is at the root.
    pub root: Root,
    /// Whether `openapi.json` is a description too.
    pub document: bool,
    /// Parameters that are never filters, because other parts of the server read them.
    pub reserved: Vec<String>,
    /// The grammar of query strings.
    pub dialect: Dialect,
}

/// What is at the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// The description of the API.
    Description,
    /// A function that makes one.
    Function {
        /// Its schema, whatever the request's is; none is the request's.
        schema: Option<String>,
        /// Its name.
        name: String,
    },
    /// Nothing.
    Nothing,
}

/// The parts of an HTTP request that are read before its body.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path below the room's own, still encoded.
    pub path: &'a str,
    /// The query string, empty when there is none.
    pub query: &'a str,
    /// The fields.
    pub headers: &'a HeaderMap,
}

/// What is done to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// GET or HEAD of a relation.
    Read {
        /// The relation.
        relation: String,
        /// HEAD.
        head: bool,
    },
    /// POST to a relation.
    Insert {
        /// The relation.
        relation: String,
    },
    /// PATCH of a relation.
    Update {
        /// The relation.
        relation: String,
    },
    /// PUT to a relation: insert or replace one row.
    Put {
        /// The relation.
        relation: String,
    },
    /// DELETE of a relation.
    Delete {
        /// The relation.
        relation: String,
    },
    /// OPTIONS of a relation.
    RelationInfo {
        /// The relation.
        relation: String,
    },
    /// A function call.
    Call {
        /// The function.
        function: String,
        /// How.
        method: CallMethod,
    },
    /// OPTIONS of a function.
    FunctionInfo {
        /// The function.
        function: String,
    },
    /// GET or HEAD of the root or of `openapi.json`.
    Describe {
        /// HEAD.
        head: bool,
        /// In which version of OpenAPI.
        format: Format,
    },
    /// OPTIONS of the root.
    RootInfo,
}

/// How a function is called: GET and HEAD take arguments from the URL and may not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named as in HTTP
pub enum CallMethod {
    Get,
    Head,
    Post,
}

impl Action {
    /// Whether the answer has no body.
    pub fn is_head(&self) -> bool {
        matches!(
            self,
            Self::Read { head: true, .. }
                | Self::Describe { head: true, .. }
                | Self::Call { method: CallMethod::Head, .. }
        )
    }

    /// Whether rows of a relation are written.
    pub fn is_mutation(&self) -> bool {
        matches!(self, Self::Insert { .. } | Self::Update { .. } | Self::Put { .. } | Self::Delete { .. })
    }

    /// The relation, where there is one.
    pub fn relation(&self) -> Option<&str> {
        match self {
            Self::Read { relation, .. }
            | Self::Insert { relation }
            | Self::Update { relation }
            | Self::Put { relation }
            | Self::Delete { relation }
            | Self::RelationInfo { relation } => Some(relation),
            _ => None,
        }
    }

    /// What the body is for, where there is one.
    fn body_use(&self) -> Option<Use> {
        match self {
            Self::Insert { .. } | Self::Update { .. } | Self::Put { .. } => Some(Use::Rows),
            Self::Call { method: CallMethod::Post, .. } => Some(Use::Arguments),
            _ => None,
        }
    }

    /// Whether `columns=` means anything.
    fn takes_columns(&self) -> bool {
        matches!(self, Self::Insert { .. } | Self::Update { .. } | Self::Call { method: CallMethod::Post, .. })
    }
}

/// Everything that a request says.
#[derive(Clone, Debug)]
pub struct RestRequest {
    /// What is done to what.
    pub action: Action,
    /// The schema that names are looked up in.
    pub schema: String,
    /// Whether the answer says which schema it was.
    pub negotiated: bool,
    /// The query string; the root's window is in `window`, not in here.
    pub query: Query,
    /// Rows of the top level: `Range`, `limit` and `offset` together. `max_rows` is not in it.
    pub window: Window,
    /// The body, where it counts.
    pub payload: Option<Payload>,
    /// Columns or parameters that the payload has values for.
    pub columns: BTreeSet<String>,
    /// What is preferred.
    pub prefer: Preferences,
    /// What must be so, or not be so.
    pub conditions: Conditions,
    /// Types that the caller takes, best first.
    pub accept: Vec<MediaType>,
    /// The type of the body.
    pub content_type: MediaType,
    /// A PATCH gives a list of rows: each may change one row, found by its key.
    pub each: bool,
    /// Objects of the body may hold related rows.
    pub nestable: bool,
}

impl RestRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// The first of the caller's mistakes, each with its own code.
    pub fn read(head: Head<'_>, body: &Bytes, rules: &Rules) -> Result<Self, Error> {
        let gives_list = |content_type: &MediaType| {
            *content_type == MediaType::Csv || (*content_type == MediaType::Json && body::begins_list(body))
        };
        Self::read_with(head, rules, gives_list, |action, query, content_type, nestable| {
            let patches = rules.dialect == Dialect::Extended && matches!(action, Action::Update { .. });
            if patches && is_merge_patch(content_type) {
                return Ok(Some(body::read(body, &MediaType::Json, Use::Rows, false)?));
            }
            // A function may take a body as it is; PostgREST makes `[]` of a value that is neither object nor list.
            let calls = matches!(action, Action::Call { method: CallMethod::Post, .. });
            let whole = calls && rules.dialect == Dialect::Extended && *content_type == MediaType::Json;
            match payload(action, query, body, content_type) {
                // Objects may differ in the related rows that they hold; the planner knows which keys those are.
                Err(Error::Body(BodyError::Keys)) if nestable || whole => {
                    Ok(Some(Payload::Ragged { raw: body.clone() }))
                }
                Ok(Some(Payload::Json { array: true, .. })) if whole && !body::begins_list(body) => {
                    Ok(Some(Payload::Ragged { raw: body.clone() }))
                }
                payload => payload,
            }
        })
    }

    /// Reads a request whose rows are streamed: all that is known of them are the keys of the first one.
    ///
    /// # Errors
    /// As [`RestRequest::read`].
    pub fn read_staged(head: Head<'_>, keys: BTreeSet<String>, rules: &Rules) -> Result<Self, Error> {
        Self::read_with(
            head,
            rules,
            |_| false,
            |_, query, _, _| Ok(Some(Payload::Staged { keys, listed: query.columns.is_some() })),
        )
    }

    fn read_with(
        head: Head<'_>,
        rules: &Rules,
        gives_list: impl FnOnce(&MediaType) -> bool,
        payload: impl FnOnce(&Action, &Query, &MediaType, bool) -> Result<Option<Payload>, Error>,
    ) -> Result<Self, Error> {
        let resource = resource(head.path, rules)?;
        let mut profile = profile::choose(head.method, head.headers, &rules.schemas)?;
        if let (true, Root::Function { schema: Some(schema), .. }) = (is_root(head.path), &rules.root) {
            profile.schema.clone_from(schema);
        }
        let action = action(resource, head.method)?;
        let arguments = matches!(
            action,
            Action::Call { method: CallMethod::Get | CallMethod::Head, .. } | Action::FunctionInfo { .. }
        );
        let content_type =
            first_text(head.headers, header::CONTENT_TYPE).map_or(MediaType::Json, |field| MediaType::parse(&field));
        let extended = rules.dialect == Dialect::Extended;
        let each = extended && matches!(action, Action::Update { .. }) && gives_list(&content_type);
        let reading = Reading { arguments, reserved: &rules.reserved, dialect: rules.dialect, keyed: each };
        let mut query = parse::query(head.query, reading)?;
        let window = window(&mut query, &action, head)?;
        let nestable = extended
            && matches!(action, Action::Insert { .. })
            && content_type == MediaType::Json
            && query.columns.is_none();
        let payload = payload(&action, &query, &content_type, nestable)?;
        // PostgREST goes by the header of csv and by the keys of a form, whatever the list says.
        let lists = extended && action.takes_columns();
        let mut columns = columns(payload.as_ref(), &query, lists && !is_merge_patch(&content_type));
        if let (true, Some(listed)) = (lists && is_merge_patch(&content_type), &query.columns) {
            // What a patch does not name stays as it is.
            columns.retain(|column| listed.contains(column));
        }
        let accept = match first_text(head.headers, header::ACCEPT) {
            Some(field) => media::accept(&field),
            None => vec![MediaType::Any],
        };
        let prefer = prefer(head.headers, rules.tx_override);
        Ok(Self {
            action,
            schema: profile.schema,
            negotiated: profile.negotiated,
            query,
            window,
            payload,
            columns,
            prefer,
            conditions: Conditions::read(head.headers),
            accept,
            content_type,
            each,
            nestable,
        })
    }

    /// Decides about what PostgREST does not have: understood here, or as if nothing had been said.
    pub fn extend(&mut self, extensions: bool) {
        if extensions {
            self.prefer.accept_extensions();
        } else {
            self.conditions = Conditions::default();
        }
    }
}

impl RestRequest {
    /// Whether the body is merged into what is there (RFC 7396).
    pub fn is_merge_patch(&self) -> bool {
        is_merge_patch(&self.content_type)
    }
}

fn is_merge_patch(media: &MediaType) -> bool {
    let MediaType::Other(text) = media else { return false };
    let name = text.split(';').next().unwrap_or_default().trim();
    name.eq_ignore_ascii_case("application/merge-patch+json")
}

/// What a path names.
enum Resource {
    Root,
    Document,
    Relation(String),
    Function(String),
}

fn is_root(path: &str) -> bool {
    path.is_empty() || path == "/"
}

fn resource(path: &str, rules: &Rules) -> Result<Resource, Error> {
    if is_root(path) {
        return match &rules.root {
            Root::Description => Ok(Resource::Root),
            Root::Function { name, .. } => Ok(Resource::Function(name.clone())),
            Root::Nothing => Err(Error::RootDisabled),
        };
    }
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/');
    match (segments.next(), segments.next(), segments.next()) {
        // As it stands: a relation of this name is read under `openapi%2Ejson`.
        (Some(DOCUMENT), None, _) if rules.document => Ok(Resource::Document),
        (Some("rpc"), Some(function), None) => Ok(Resource::Function(decode(function)?)),
        (Some(relation), None, _) => Ok(Resource::Relation(decode(relation)?)),
        _ => Err(Error::Path),
    }
}

/// A path segment; one that is not UTF-8 names nothing.
fn decode(segment: &str) -> Result<String, Error> {
    percent_decode_str(segment).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| Error::Path)
}

fn action(resource: Resource, method: &Method) -> Result<Action, Error> {
    let unsupported = || Error::Method(method.to_string());
    Ok(match resource {
        Resource::Function(function) => match *method {
            Method::GET => Action::Call { function, method: CallMethod::Get },
            Method::HEAD => Action::Call { function, method: CallMethod::Head },
            Method::POST => Action::Call { function, method: CallMethod::Post },
            Method::OPTIONS => Action::FunctionInfo { function },
            _ => return Err(Error::RpcMethod(method.to_string())),
        },
        Resource::Relation(relation) => match *method {
            Method::GET => Action::Read { relation, head: false },
            Method::HEAD => Action::Read { relation, head: true },
            Method::POST => Action::Insert { relation },
            Method::PATCH => Action::Update { relation },
            Method::PUT => Action::Put { relation },
            Method::DELETE => Action::Delete { relation },
            Method::OPTIONS => Action::RelationInfo { relation },
            _ => return Err(unsupported()),
        },
        Resource::Root => match *method {
            Method::GET => Action::Describe { head: false, format: Format::Swagger },
            Method::HEAD => Action::Describe { head: true, format: Format::Swagger },
            Method::OPTIONS => Action::RootInfo,
            _ => return Err(unsupported()),
        },
        Resource::Document => match *method {
            Method::GET => Action::Describe { head: false, format: Format::V31 },
            Method::HEAD => Action::Describe { head: true, format: Format::V31 },
            Method::OPTIONS => Action::RootInfo,
            // Nothing is written to a description.
            _ => return action(Resource::Relation(DOCUMENT.to_owned()), method),
        },
    })
}

/// Takes the root's window out of the query and narrows it by `Range`.
fn window(query: &mut Query, action: &Action, head: Head<'_>) -> Result<Window, Error> {
    let root = query.windows.iter().position(|(path, _)| path.is_empty());
    let asked = root.map(|index| query.windows.remove(index).1);
    let by_header = match first_text(head.headers, header::RANGE) {
        Some(field) if *head.method == Method::GET => range::header(&field)?,
        _ => None,
    };
    if matches!(action, Action::Put { .. }) && asked.is_some_and(|window| window != Window::default()) {
        return Err(Error::PutLimit);
    }
    Ok(range::intersect(asked.unwrap_or_default(), by_header.unwrap_or_default())?)
}

fn payload(action: &Action, query: &Query, body: &Bytes, content_type: &MediaType) -> Result<Option<Payload>, Error> {
    let Some(usage) = action.body_use() else { return Ok(None) };
    let listed = action.takes_columns() && query.columns.is_some();
    Ok(Some(body::read(body, content_type, usage, listed)?))
}

/// The columns that are used; `lists` says that `columns=` counts for every type of body.
fn columns(payload: Option<&Payload>, query: &Query, lists: bool) -> BTreeSet<String> {
    match (payload, &query.columns) {
        (Some(Payload::Unscanned { .. } | Payload::Staged { listed: true, .. }), listed) => {
            listed.clone().unwrap_or_default()
        }
        (Some(Payload::Json { .. }), Some(listed)) if lists => listed.clone(),
        (Some(payload), _) => payload.keys(),
        (None, _) => BTreeSet::new(),
    }
}

fn prefer(headers: &HeaderMap, tx_override: bool) -> Preferences {
    let fields: Vec<String> =
        headers.get_all("prefer").iter().map(|field| String::from_utf8_lossy(field.as_bytes()).into_owned()).collect();
    Preferences::parse(fields.iter().map(String::as_str), tx_override)
}

fn first_text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name).map(|field| String::from_utf8_lossy(field.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests;
