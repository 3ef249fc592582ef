//! Deals with what an earlier run left behind: a live server, processes of a dead one, a stale lock file.
//!
//! Fifth stage, under our lock: nobody else of ours runs this database. A live server is taken over when it was started
//! exactly as we would start it, and stopped otherwise.
//! Invariant: `postmaster.pid` is removed only when no process of the data folder is left; PostgreSQL itself would refuse
//! to start if the number in it had been given to any other process meanwhile.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep};

use crate::error::Error;
use crate::files;
use crate::options::{Options, Progress};
use crate::pidfile::{PidFile, Status};
use crate::postmaster::{Launch, Postmaster};
use crate::process::{self, Process};
use crate::settings;

const POLL: Duration = Duration::from_millis(50);
/// Backends notice within moments that their postmaster is gone, unless they are deep in a computation.
const PATIENCE: Duration = Duration::from_secs(2);
const AFTER_QUIT: Duration = Duration::from_secs(3);

/// The server that runs on this data folder, if one does.
pub(crate) fn find(data: &Path, uid: u32) -> Result<Option<(Process, PidFile)>, Error> {
    let path = PidFile::path(data);
    let file = PidFile::read(data).map_err(|e| Error::io("read", &path, e))?;
    Ok(file.and_then(|file| Some((Process::of_data(file.pid, data, uid)?, file))))
}

/// Takes over a live server if it is one as `launch` would start it (on any port, unless one was asked for) and gives the
/// port; otherwise stops it. `None`: nothing runs any more.
pub(crate) async fn adopt_or_stop(launch: &Launch, password_known: bool) -> Result<Option<(Postmaster, u16)>, Error> {
    let uid = launch.account.uid;
    let deadline = Instant::now() + launch.options.start_timeout;
    while let Some((process, file)) = find(&launch.data, uid)? {
        match file.status {
            Status::Starting if Instant::now() < deadline => sleep(POLL).await,
            Status::Ready if password_known && is_as_ours(launch, &file) => {
                let port = file.port.unwrap_or(launch.port);
                launch.options.report(&Progress::Adopting { pid: process.pid });
                return Ok(Some((Postmaster::adopt(process), port)));
            }
            _ => {
                stop(process, &launch.data, uid, &launch.options).await?;
                break;
            }
        }
    }
    end_leftovers(&launch.data, uid, &launch.options).await?;
    Ok(None)
}

/// Stops a server that is not our child.
pub(crate) async fn stop(process: Process, data: &Path, uid: u32, options: &Options) -> Result<(), Error> {
    options.report(&Progress::StoppingOrphan { pid: process.pid });
    Postmaster::adopt(process).stop(options, data, uid).await.map(drop)
}

/// Compares the command line that the server recorded with ours: an older version of us, or a person, may have started it
/// with other settings.
fn is_as_ours(launch: &Launch, file: &PidFile) -> bool {
    let Some(port) = file.port else { return false };
    if launch.options.port.is_some_and(|wanted| wanted != port) {
        return false;
    }
    let arguments = settings::arguments(&launch.data, &launch.run_dir, port, launch.options.profile);
    let expected = settings::opts_tail(&arguments);
    let mut recorded = String::new();
    let read = files::open_no_follow(&launch.data.join("postmaster.opts"))
        .and_then(|opts| opts.take(64 * 1024).read_to_string(&mut recorded));
    read.is_ok() && recorded.trim_end().ends_with(&expected)
}

/// Waits for processes of a dead server, then ends them, then removes the lock files that it left.
pub(crate) async fn end_leftovers(data: &Path, uid: u32, options: &Options) -> Result<(), Error> {
    for (signal, patience) in
        [(None, PATIENCE), (Some(Signal::SIGQUIT), AFTER_QUIT), (Some(Signal::SIGKILL), AFTER_QUIT)]
    {
        let left = process::all_of_data(data, uid);
        if left.is_empty() {
            return remove_stale(data, uid);
        }
        options.report(&Progress::WaitingForOldProcesses { pids: left.iter().map(|p| p.pid).collect() });
        if let Some(signal) = signal {
            left.iter().for_each(|process| process.signal(signal));
        }
        let until = Instant::now() + patience;
        while Instant::now() < until && left.iter().any(|p| p.is_alive()) {
            sleep(POLL).await;
        }
    }
    let pids: Vec<i32> = process::all_of_data(data, uid).iter().map(|p| p.pid).collect();
    if pids.is_empty() { remove_stale(data, uid) } else { Err(Error::StillInUse { data: data.to_owned(), pids }) }
}

fn remove_stale(data: &Path, uid: u32) -> Result<(), Error> {
    let path = PidFile::path(data);
    let file = PidFile::read(data).map_err(|e| Error::io("read", &path, e))?;
    if let Some(file) = &file
        && Process::might_be_ours(file.pid, uid)
    {
        return Err(Error::StillInUse { data: data.to_owned(), pids: vec![file.pid] });
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", &path, error)),
        _ => Ok(()),
    }
}

/// Removes sockets and their lock files from our own folder; a lock file whose number was given to another process would
/// stop the server from starting.
pub(crate) fn remove_stale_sockets(run_dir: &Path) {
    let Ok(entries) = fs::read_dir(run_dir) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(".s.PGSQL.") {
            let _ = fs::remove_file(entry.path());
        }
    }
}
