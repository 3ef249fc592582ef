//! Where log lines end: one buffer, one writing thread, one stream or file.
//!
//! A line costs the caller a short lock and a copy. The thread swaps the buffer for an empty one and writes it in one
//! call, at once after a silence, else every few milliseconds: waking it for each line cost more than the line. When the reader of our output is stuck the buffer grows to its bound, then lines are dropped and counted: a log
//! must never stop the server.
//! Invariant: lines are written whole and in the order of their arrival.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use nix::unistd::{AccessFlags, access};

/// Bytes that may wait for the writing thread.
const BOUND: usize = 8 * 1024 * 1024;
/// Between two writes, unless somebody is in a hurry.
const REST: Duration = Duration::from_millis(5);
/// How long `flush` and the end of the process wait for a stuck reader.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is written to.
pub enum Target {
    /// Standard output of the process.
    Stdout,
    /// Standard error of the process.
    Stderr,
    /// Anything else, for tests and embedding.
    Writer(Box<dyn Write + Send>),
}

/// A destination of log lines, shared by everything that logs.
pub struct Sink {
    shared: Arc<Shared>,
    path: Option<PathBuf>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    written: Condvar,
}

#[derive(Default)]
struct State {
    pending: Vec<u8>,
    /// Bytes ever accepted and ever handed to the target: `flush` waits for one to reach the other.
    accepted: u64,
    finished: u64,
    dropped: u64,
    replace: Option<(File, mpsc::Sender<()>)>,
    closing: bool,
    /// Somebody waits for what is pending.
    hurried: bool,
    /// The thread waits to be woken for the next line.
    asleep: bool,
}

impl State {
    fn is_urgent(&self) -> bool {
        self.hurried || self.closing || self.replace.is_some()
    }
}

impl Sink {
    /// A sink that writes to this target.
    pub fn new(target: Target) -> Self {
        let writer: Box<dyn Write + Send> = match target {
            Target::Stdout => Box::new(io::stdout()),
            Target::Stderr => Box::new(io::stderr()),
            Target::Writer(writer) => writer,
        };
        Self::start(writer, None)
    }

    /// A sink that appends to a file; the file is made when it is missing.
    pub fn file(path: PathBuf) -> io::Result<Self> {
        let file = open(&path)?;
        Ok(Self::start(Box::new(file), Some(path)))
    }

    fn start(writer: Box<dyn Write + Send>, path: Option<PathBuf>) -> Self {
        let shared =
            Arc::new(Shared { state: Mutex::new(State::default()), wake: Condvar::new(), written: Condvar::new() });
        let for_thread = Arc::clone(&shared);
        let spawned = std::thread::Builder::new().name("log".to_owned()).spawn(move || for_thread.write_loop(writer));
        if let Err(error) = spawned {
            // No thread, no log: say so once on the one stream that is left.
            eprintln!("cannot start the log writer: {error}");
        }
        Self { shared, path }
    }

    /// Takes one line, which ends in a line feed.
    pub fn line(&self, line: &[u8]) {
        let mut state = self.shared.lock();
        if state.pending.len() + line.len() > BOUND {
            state.dropped += 1;
            return;
        }
        state.pending.extend_from_slice(line);
        state.accepted += line.len() as u64;
        let was_asleep = std::mem::take(&mut state.asleep);
        drop(state);
        if was_asleep {
            self.shared.wake.notify_one();
        }
    }

    /// Waits until what was accepted before is written, two seconds at most.
    pub fn flush(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.lock();
        let goal = state.accepted;
        while state.finished < goal {
            if !std::mem::replace(&mut state.hurried, true) {
                self.shared.wake.notify_one();
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return };
            let (guard, _) = self.shared.written.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
            state = guard;
        }
    }

    /// Opens the file again and writes to the new one from then on. Without a file there is nothing to do.
    pub fn reopen(&self) -> Result<(), (PathBuf, io::Error)> {
        let Some(path) = &self.path else { return Ok(()) };
        let file = open(path).map_err(|error| (path.clone(), error))?;
        let (taken, wait) = mpsc::channel();
        self.shared.lock().replace = Some((file, taken));
        self.shared.wake.notify_one();
        // Whoever rotates logs may compress the old file right after this returns.
        let _ = wait.recv_timeout(PATIENCE);
        Ok(())
    }

    /// Lines that were thrown away.
    pub fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.flush();
        self.shared.lock().closing = true;
        self.shared.wake.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_loop(&self, mut writer: Box<dyn Write + Send>) {
        let mut batch = Vec::new();
        loop {
            let (replace, closing) = self.next_batch(&mut batch);
            let outcome = writer.write_all(&batch).and_then(|()| writer.flush());
            {
                let mut state = self.lock();
                state.finished += batch.len() as u64;
                if outcome.is_err() {
                    state.dropped += batch.iter().filter(|byte| **byte == b'\n').count() as u64;
                }
            }
            self.written.notify_all();
            batch.clear();
            // One burst must not keep its memory for ever.
            batch.shrink_to(64 * 1024);
            if let Some((file, taken)) = replace {
                writer = Box::new(file);
                let _ = taken.send(());
            }
            if closing {
                return;
            }
        }
    }

    /// Waits for lines, a new file or the end.
    fn next_batch(&self, batch: &mut Vec<u8>) -> (Option<(File, mpsc::Sender<()>)>, bool) {
        let rest = self.wake.wait_timeout_while(self.lock(), REST, |state| !state.is_urgent());
        let (mut state, _) = rest.unwrap_or_else(PoisonError::into_inner);
        state.asleep = true;
        let is_idle = |state: &mut State| state.pending.is_empty() && !state.is_urgent();
        let mut state = self.wake.wait_while(state, is_idle).unwrap_or_else(PoisonError::into_inner);
        state.asleep = false;
        state.hurried = false;
        std::mem::swap(batch, &mut state.pending);
        (state.replace.take(), state.closing)
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Whether [`Sink::file`] could open it; a file that is not there is not made.
pub(super) fn check(path: &Path) -> io::Result<()> {
    match OpenOptions::new().append(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            access(folder, AccessFlags::W_OK | AccessFlags::X_OK).map_err(io::Error::from)
        }
        opened => opened.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_opened_is_known_before_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ferrobase.log");
        check(&path).unwrap();
        assert!(!path.exists());
        std::fs::write(&path, "kept\n").unwrap();
        check(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept\n");
        for bad in [dir.path().to_owned(), dir.path().join("no/ferrobase.log"), path.join("below")] {
            assert!(check(&bad).is_err() && open(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn lines_arrive_whole_in_order_and_across_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ferrobase.log");
        let rotated = dir.path().join("ferrobase.log.1");
        let sink = Sink::file(path.clone()).unwrap();
        for number in 0..1000 {
            sink.line(format!("{number}\n").as_bytes());
        }
        std::fs::rename(&path, &rotated).unwrap();
        sink.line(b"still the old file\n");
        sink.reopen().unwrap();
        sink.line(b"the new file\n");
        sink.flush();
        let old = std::fs::read_to_string(&rotated).unwrap();
        let expected: String = (0..1000).map(|n| format!("{n}\n")).collect::<String>() + "still the old file\n";
        assert_eq!(old, expected);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "the new file\n");
        assert_eq!(sink.dropped(), 0);
    }

    #[test]
    fn a_stuck_reader_costs_lines_and_never_the_caller() {
        struct Stuck(mpsc::Receiver<()>);
        impl Write for Stuck {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _ = self.0.recv();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (release, stuck) = mpsc::channel();
        let sink = Sink::new(Target::Writer(Box::new(Stuck(stuck))));
        let line = vec![b'x'; 64 * 1024];
        let started = Instant::now();
        for _ in 0..400 {
            sink.line(&line);
        }
        assert!(started.elapsed() < Duration::from_secs(1));
        assert!(sink.dropped() >= 400 - 2 * (BOUND / line.len()) as u64, "{}", sink.dropped());
        drop(release);
    }

    #[test]
    fn a_failed_reopen_keeps_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("logs");
        std::fs::create_dir(&logs).unwrap();
        let sink = Sink::file(logs.join("a.log")).unwrap();
        std::fs::rename(&logs, dir.path().join("moved")).unwrap();
        assert!(sink.reopen().is_err());
        sink.line(b"kept\n");
        sink.flush();
        assert_eq!(std::fs::read_to_string(dir.path().join("moved/a.log")).unwrap(), "kept\n");
    }
}
