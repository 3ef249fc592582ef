//! What we must remember about a cluster: `cluster.json` beside its data, 0600.
//!
//! Invariant: the file is replaced as a whole, and losing it loses no data (the password is set anew then).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::files;

/// Remembered between runs.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct State {
    /// The project the cluster belongs to; tells a moved project from a copied one.
    pub(crate) project: PathBuf,
    /// The superuser's name.
    pub(crate) superuser: String,
    /// The superuser's password, letters and digits.
    pub(crate) password: String,
    /// The port of the last run.
    pub(crate) port: Option<u16>,
}

impl State {
    /// Of a new cluster: superuser `postgres` with a random password.
    pub(crate) fn fresh(project: &Path) -> Self {
        Self { project: project.to_owned(), superuser: "postgres".into(), password: files::random_text(32), port: None }
    }

    /// `None` when there is no such file.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Error> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", path, error)),
        };
        // The message of a JSON error quotes no values, so no password gets into it.
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|e| Error::BadState { path: path.to_owned(), reason: e.to_string() })
    }

    /// Replaces the file.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(self).expect("a struct of texts and numbers always serialises");
        files::write_atomically(path, &text, 0o600)
    }
}
