//! Builds a catalog from the rows of one snapshot.
//!
//! Second half of a load: read -> **assemble**. Pure and synchronous: the same rows and scope give the same catalog,
//! in the same order. The stages: access (schemas, roles) -> relations with columns -> keys -> views (which keys they
//! show, what they read) -> relationships -> functions -> the rest.
//! Invariant: every step is linear in its rows, through hash maps by oid; only views and junctions multiply.

use crate::acl::AclReader;
use crate::cells::Cells;
use crate::error::LoadError;
use crate::keys::Keys;
use crate::model::{Catalog, MediaHandler, QualifiedName, Representation};
use crate::pace::Pace;
use crate::relations::Relations;
use crate::scope::Scope;
use crate::snapshot::Snapshot;
use crate::views::Views;
use crate::{declared, functions, relationships, roles, row_keys, sql};

/// Builds the catalog.
pub(crate) fn assemble(snapshot: &Snapshot, scope: &Scope, pace: &Pace) -> Result<Catalog, LoadError> {
    let mut acls = AclReader::default();
    let mut catalog = Catalog {
        server_version: snapshot.server_version,
        schemas: roles::schemas(&snapshot.schemas, &mut acls)?,
        roles: roles::roles(snapshot)?,
        ..Catalog::default()
    };
    catalog.missing_schemas = scope.schemas.iter().filter(|s| !catalog.schemas.contains_key(*s)).cloned().collect();

    let declared = declared::read(snapshot)?;
    catalog.types = declared.types;
    catalog.type_comments = declared.comments;
    let mut relations = Relations::read(snapshot, scope, &declared.enum_labels, &mut acls, pace)?;
    let keys = Keys::read(snapshot, pace)?;
    relations.set_keys(&keys, pace);
    let views = Views::read(snapshot, &relations, pace)?;
    views.describe(&mut relations, &keys, pace);
    row_keys::describe(snapshot, &mut relations, &keys, declared.bases, pace)?;
    let computed = functions::computed(snapshot, scope, &mut relations, &mut acls, pace)?;
    catalog.relationships = relationships::build(&relations, &keys, &views, computed.relationships, pace);
    catalog.row_functions = computed.functions;
    catalog.functions = functions::read(snapshot, &relations, &mut acls, pace)?;
    catalog.relations = relations.into_exposed(pace);
    keys.discard(pace);

    for row in &snapshot.extensions.rows {
        let mut cells = Cells::new(sql::EXTENSIONS.name, row);
        catalog.extensions.insert(cells.string()?, cells.string()?);
    }
    for row in &snapshot.representations.rows {
        let representation = representation(&mut Cells::new(sql::REPRESENTATIONS.name, row))?;
        let key = (representation.source_type.clone(), representation.target_type.clone());
        catalog.representations.insert(key, representation);
    }
    for row in &snapshot.media_handlers.rows {
        catalog.media_handlers.push(media_handler(&mut Cells::new(sql::MEDIA_HANDLERS.name, row))?);
    }
    for row in &snapshot.timezones.rows {
        catalog.timezones.insert(Cells::new(sql::TIMEZONES.name, row).string()?);
    }
    Ok(catalog)
}

fn representation(cells: &mut Cells<'_>) -> Result<Representation, LoadError> {
    Ok(Representation { source_type: cells.string()?, target_type: cells.string()?, function: cells.string()? })
}

fn media_handler(cells: &mut Cells<'_>) -> Result<MediaHandler, LoadError> {
    let function = QualifiedName::new(cells.text()?, cells.text()?);
    let target = QualifiedName::new(cells.text()?, cells.text()?);
    let any = target.schema == "pg_catalog" && target.name == "anyelement";
    Ok(MediaHandler {
        function,
        target: (!any).then_some(target),
        media_type: cells.string()?,
        content_type: cells.string()?,
        is_aggregate: cells.flag()?,
    })
}
