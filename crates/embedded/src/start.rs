//! The stages of a start in order, and the two operations on a database that may not be running: locate and reset.
//!
//! place (folders) -> lock -> binaries -> init -> orphan -> launch -> watch. Each stage is a module of its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ferrobase_base::Secret;
use tokio::time::sleep;

use crate::account::Account;
use crate::binaries::{Binaries, Search};
use crate::error::Error;
use crate::init;
use crate::journal::Journal;
use crate::options::{Options, Progress};
use crate::orphan;
use crate::place::{self, Place};
use crate::port::Ports;
use crate::postmaster::{Failure, Launch, Postmaster};
use crate::state::State;
use crate::supervisor::{self, Running};

/// A server that finds old shared memory in use is tried this often, once a second.
const IN_USE_ATTEMPTS: u32 = 10;
/// How often a port may be lost to somebody else between our look and the server's.
const PORT_ATTEMPTS: u32 = 10;

/// How to reach a private PostgreSQL. `Debug` hides the password.
#[derive(Clone, Debug)]
pub struct Access {
    /// TCP port on 127.0.0.1.
    pub port: u16,
    /// Folder of the unix socket.
    pub socket_dir: PathBuf,
    /// PGDATA.
    pub data_dir: PathBuf,
    /// The superuser.
    pub superuser: String,
    /// The superuser's password.
    pub password: Secret,
}

impl Access {
    /// URL of the superuser over the unix socket, database `postgres`. A secret.
    pub fn url(&self) -> String {
        self.url_for("postgres")
    }

    /// URL of the superuser over the unix socket. Only the account that runs the server and root may use the socket.
    pub fn url_for(&self, database: &str) -> String {
        let socket_dir = percent_encode(&self.socket_dir.to_string_lossy());
        let (user, password, port) = (&self.superuser, self.password.expose(), self.port);
        format!("postgresql://{user}:{password}@/{}?host={socket_dir}&port={port}", percent_encode(database))
    }

    /// URL of the superuser over TCP, for programs that know no sockets. A secret.
    pub fn tcp_url_for(&self, database: &str) -> String {
        let (user, password, port) = (&self.superuser, self.password.expose(), self.port);
        format!("postgresql://{user}:{password}@127.0.0.1:{port}/{}", percent_encode(database))
    }
}

/// The private PostgreSQL of a project.
#[derive(Clone, Copy, Debug)]
pub struct Embedded;

impl Embedded {
    /// Starts it, making it first if there is none. Must be called inside a tokio runtime, which then also watches it.
    pub async fn start(options: Options) -> Result<Running, Error> {
        let place = Place::find(&options, Account::obtain().await?)?;
        place.prepare()?;
        if let Some(surprise) = &place.surprise {
            options.report(surprise);
        }
        let lock = place.lock().await?;
        let state = State::read(&place.state())?;
        let binaries = choose_binaries(&place, &options).await?;
        let (state, created) = match (init::data_major(&place.data())?, state) {
            (None, _) => (Some(init::create(&place, &binaries, &options).await?), true),
            (Some(_), state) => (state, false),
        };
        let run_dir = place.prepare_run_dir()?;
        let unused = Unused(Some(run_dir.clone()));
        let mut ports = Ports::new(options.port, state.as_ref().and_then(|s| s.port), place.number());
        let mut launch = Launch {
            binaries,
            account: place.account.clone(),
            data: place.data(),
            run_dir,
            port: 0,
            journal: Journal::new(place.log()),
            options,
        };
        let adopted = orphan::adopt_or_stop(&launch, state.is_some()).await?;
        let mut state = match state {
            Some(state) => state,
            None => init::reset_password(&place, &launch.binaries, &launch.options).await?,
        };
        let server = match adopted {
            Some((server, port)) => {
                launch.port = port;
                server
            }
            None => start_on_a_port(&mut launch, &mut ports).await?,
        };
        state.port = Some(launch.port);
        state.project.clone_from(&place.project);
        state.write(&place.state())?;
        launch.options.report(&Progress::Ready { port: launch.port });
        let access = access(&state, launch.port, &launch.run_dir, &launch.data);
        let version = launch.binaries.version.clone();
        unused.keep();
        let (health, stop, task) = supervisor::watch(server, launch, lock);
        Ok(Running { access, version, created, health, stop, task })
    }

    /// How to reach the database of a project if it is running now, whoever runs it. Makes nothing.
    pub fn locate(options: &Options) -> Result<Option<Access>, Error> {
        let Some(account) = Account::existing()? else { return Ok(None) };
        let place = Place::find(options, account)?;
        let Some(state) = State::read(&place.state())? else { return Ok(None) };
        let data = place.data();
        let running = orphan::find(&data, place.account.uid)?;
        Ok(running.and_then(|(_, file)| Some(access(&state, file.port?, &file.socket_dir?, &data))))
    }

    /// Deletes the database of a project: data, password, log. Refused while a process of ours runs it. What was another
    /// folder's when it last ran is only let go of: that folder may be the original, and away.
    pub async fn reset(options: &Options) -> Result<(), Error> {
        let place = Place::find(options, Account::obtain().await?)?;
        if !place.home.exists() {
            return Ok(());
        }
        if let Some(Progress::Followed { home, project }) = &place.surprise {
            options.report(&Progress::Spared { home: home.clone(), project: project.clone() });
            return remove(&place::pointer_of(&place.project)).await;
        }
        place.prepare()?;
        let _lock = place.lock().await?;
        let (data, uid) = (place.data(), place.account.uid);
        if let Some((process, _)) = orphan::find(&data, uid)? {
            orphan::stop(process, &data, uid, options).await?;
        }
        orphan::end_leftovers(&data, uid, options).await?;
        // State last: a reset that is interrupted can then be repeated, and data never outlives its password.
        let run_dir = place.prepare_run_dir()?;
        for path in [data, place.log(), place.log().with_extension("log.1"), run_dir, place.state()] {
            remove(&path).await?;
        }
        Ok(())
    }
}

/// The socket folder of a start that may fail, and then leaves nothing in a folder that all projects share.
struct Unused(Option<PathBuf>);

impl Unused {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Unused {
    fn drop(&mut self) {
        if let Some(dir) = &self.0 {
            // Not empty while a server that was ordered to stop still uses it; then the next start cleans it.
            let _ = fs::remove_dir(dir);
        }
    }
}

/// Those that can run existing data, else the best ones here.
async fn choose_binaries(place: &Place, options: &Options) -> Result<Binaries, Error> {
    options.report(&Progress::Searching);
    let search = Search::run(options.bin_dir.as_deref(), &place.account).await?;
    let data = place.data();
    let binaries = match init::data_major(&data)? {
        Some(major) => search.pick_for_data(&data, major, options.version)?,
        None => search.pick(options.version)?,
    };
    if !binaries.version.is_supported() {
        options.report(&Progress::BestEffort { major: binaries.version.major });
    }
    Ok(binaries)
}

/// Starts the server, moving on to another port or waiting for old processes where that can help.
async fn start_on_a_port(launch: &mut Launch, ports: &mut Ports) -> Result<Postmaster, Error> {
    let (mut lost_ports, mut in_use) = (0, 0);
    launch.port = ports.next_free()?;
    loop {
        orphan::remove_stale_sockets(&launch.run_dir);
        launch.options.report(&Progress::Starting { port: launch.port });
        match launch.start().await {
            Ok(server) => return Ok(server),
            Err(Failure::Fatal(error)) => return Err(error),
            Err(Failure::PortTaken) if ports.may_move() && lost_ports < PORT_ATTEMPTS => {
                lost_ports += 1;
                launch.port = ports.next_free()?;
            }
            Err(Failure::PortTaken) => return Err(Error::PortTaken { port: launch.port }),
            Err(Failure::StillInUse) if in_use < IN_USE_ATTEMPTS => {
                in_use += 1;
                orphan::end_leftovers(&launch.data, launch.account.uid, &launch.options).await?;
                sleep(Duration::from_secs(1)).await;
            }
            Err(Failure::StillInUse) => {
                return Err(Error::StillInUse { data: launch.data.clone(), pids: Vec::new() });
            }
        }
    }
}

fn access(state: &State, port: u16, socket_dir: &Path, data: &Path) -> Access {
    Access {
        port,
        socket_dir: socket_dir.to_owned(),
        data_dir: data.to_owned(),
        superuser: state.superuser.clone(),
        password: Secret::new(state.password.clone()),
    }
}

/// Removes a file or a whole folder; a big one takes a while, so not on a thread of the runtime.
async fn remove(path: &Path) -> Result<(), Error> {
    let owned = path.to_owned();
    let removed = tokio::task::spawn_blocking(move || match fs::symlink_metadata(&owned) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(&owned),
        Ok(_) => fs::remove_file(&owned),
        Err(error) => Err(error),
    })
    .await
    .unwrap_or_else(|error| Err(io::Error::other(error)));
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path, error)),
        _ => Ok(()),
    }
}

/// Escapes all but unreserved characters and `/` (RFC 3986).
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
