// SPDX-License-Identifier: Apache-2.0
//! A server that a command starts: found ready by a line, ended by its id.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

const READY_WITHIN: Duration = Duration::from_secs(30);

/// Every server that runs; a signal ends them all.
static RUNNING: Mutex<Vec<Weak<Mutex<Child>>>> = Mutex::new(Vec::new());

/// Whether a signal has ended everything; nothing is started then.
static ENDED: AtomicBool = AtomicBool::new(false);

/// Has SIGINT and SIGTERM end every server, so that none is left behind; hears each signal once that is done.
///
/// # Errors
/// That the system hands over no signals.
pub fn end_all_on_signals() -> Result<Receiver<i32>, String> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|error| format!("signals cannot be taken: {error}"))?;
    let (say, hear) = channel();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            ENDED.store(true, Ordering::SeqCst);
            for child in held(&RUNNING).drain(..).filter_map(|child| child.upgrade()) {
                end(&child);
            }
            let _ = say.send(signal);
        }
    });
    Ok(hear)
}

/// What a lock holds; a thread that panicked leaves nothing half done here.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end(child: &Mutex<Child>) {
    let mut child = held(child);
    let _ = child.kill();
    let _ = child.wait();
}

/// A child process that says in a line where it can be reached. It is killed with this value.
pub struct Server {
    child: Arc<Mutex<Child>>,
    /// Its ready line.
    pub line: String,
    /// `http://127.0.0.1:1234`, or whatever its ready line names.
    pub address: String,
}

impl Server {
    /// Starts it and waits for a line with an address after `marker`.
    ///
    /// # Errors
    /// That it did not start, ended, or said nothing in 30 s, or that a signal has ended everything.
    pub fn start(command: &mut Command, marker: &str) -> Result<Self, String> {
        let shown = format!("`{}`", command.get_program().display());
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("{shown} did not start: {error}"))?;
        let lines = lines(&mut child);
        let mut server = Self { child: Arc::new(Mutex::new(child)), line: String::new(), address: String::new() };
        // Known before the signal is looked at: whichever comes first, one of the two sees the other.
        held(&RUNNING).push(Arc::downgrade(&server.child));
        if ENDED.load(Ordering::SeqCst) {
            return Err("ended by a signal".into());
        }
        (server.line, server.address) = ready(&lines, marker)
            .ok_or_else(|| format!("{shown} said no address ({marker}…) within {} s", READY_WITHIN.as_secs()))?;
        Ok(server)
    }

    /// Ends it as a power failure would: no handler runs.
    pub fn kill(self) -> u32 {
        let id = held(&self.child).id();
        end(&self.child);
        id
    }

    /// Whether it ended by itself or was ended from outside.
    pub fn has_ended(&self) -> bool {
        !matches!(held(&self.child).try_wait(), Ok(None))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&self.child);
    }
}

/// Its lines, read to the end so that it never blocks on a full pipe.
pub fn lines(child: &mut Child) -> Receiver<String> {
    let (say, hear) = channel();
    if let Some(output) = child.stdout.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Nobody listens once it is ready; reading goes on.
                let _ = say.send(line);
            }
        });
    }
    hear
}

/// The line that names an address after `marker`, and that address.
fn ready(lines: &Receiver<String>, marker: &str) -> Option<(String, String)> {
    loop {
        let line = lines.recv_timeout(READY_WITHIN).ok()?;
        if let Some(address) = address(&line, marker).map(str::to_owned) {
            return Some((line, address));
        }
    }
}

/// The address in a line that begins with `marker`.
pub fn address<'a>(line: &'a str, marker: &str) -> Option<&'a str> {
    let rest = &line[line.find(marker)?..];
    let end = rest.find(|c: char| c.is_whitespace() || ",;)\"".contains(c)).unwrap_or(rest.len());
    Some(rest[..end].trim_end_matches('/'))
}

/// A port of the loopback that was free a moment ago.
///
/// # Errors
/// That there is none.
pub fn free_port() -> Result<u16, String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
}

/// A folder that is removed with this value.
pub struct Folder(std::path::PathBuf);

impl Folder {
    /// A fresh folder among the system's temporary ones.
    ///
    /// # Errors
    /// That it could not be made.
    pub fn new(name: &str) -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("adjoin-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_line_gives_the_address() {
        let (say, hear) = channel();
        say.send("starting".to_owned()).expect("sent");
        say.send("ready on http://127.0.0.1:4321, journal in x".to_owned()).expect("sent");
        let found = ready(&hear, "http://").map(|(_, address)| address);
        assert_eq!(found.as_deref(), Some("http://127.0.0.1:4321"));
        drop(say);
        assert_eq!(ready(&hear, "http://"), None);
    }
}
