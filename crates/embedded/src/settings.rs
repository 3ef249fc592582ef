//! The server settings that make the cluster private, durable and ready for logical replication.
//!
//! Two kinds: those on the command line, which `ALTER SYSTEM` cannot override, are what our promises rest on; those written
//! into `postgresql.conf` at creation are defaults that the owner may change.

use std::path::Path;

use crate::options::Profile;

/// Written once at the end of `postgresql.conf`.
pub(crate) const DEFAULTS: &str = "
# Defaults of Ferrobase; change them here or with ALTER SYSTEM.
# A consumer that is away keeps at most this much log; a slot further behind is lost instead of filling the disk.
max_slot_wal_keep_size = '2GB'
# One session's temporary files (sorts, hashes); a runaway query ends instead of filling the disk.
temp_file_limit = '4GB'
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
";

/// The arguments of `postgres`.
pub(crate) fn arguments(data: &Path, run_dir: &Path, port: u16, profile: Profile) -> Vec<String> {
    let mut settings = vec![
        "listen_addresses=127.0.0.1".into(),
        format!("port={port}"),
        format!("unix_socket_directories={}", quoted_list_item(&run_dir.to_string_lossy())),
        "unix_socket_permissions=0700".into(),
        "password_encryption=scram-sha-256".into(),
        "wal_level=logical".into(),
        // Messages go to stderr, which is our log file; start-up errors are read from there, in English.
        "logging_collector=off".into(),
        "log_destination=stderr".into(),
        "lc_messages=C".into(),
        "cluster_name=ferrobase".into(),
    ];
    settings.extend(
        match profile {
            Profile::Durable => ["fsync=on", "full_page_writes=on"].as_slice(),
            Profile::Test => ["fsync=off", "full_page_writes=off"].as_slice(),
        }
        .iter()
        .map(|s| (*s).to_owned()),
    );
    let mut arguments = vec!["-D".into(), data.to_string_lossy().into_owned()];
    for setting in settings {
        arguments.extend(["-c".into(), setting]);
    }
    arguments
}

/// `unix_socket_directories` is a comma-separated list; unusual paths need double quotes.
fn quoted_list_item(path: &str) -> String {
    let plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
    if plain { path.to_owned() } else { format!("\"{}\"", path.replace('"', "\"\"")) }
}

/// What `postmaster.opts` holds after a start with these arguments, its program path aside.
pub(crate) fn opts_tail(arguments: &[String]) -> String {
    arguments.iter().map(|a| format!(" \"{a}\"")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_30_fsync_cannot_be_turned_off() {
        let arguments = arguments(Path::new("/d"), Path::new("/r"), 1, Profile::Durable);
        assert!(arguments.contains(&"fsync=on".to_owned()));
        assert!(arguments.contains(&"full_page_writes=on".to_owned()));
    }

    #[test]
    fn odd_folders_are_quoted_in_the_socket_list() {
        assert_eq!(quoted_list_item("/run/a-b_c.d"), "/run/a-b_c.d");
        assert_eq!(quoted_list_item("/a b,c\"d"), "\"/a b,c\"\"d\"");
    }
}
