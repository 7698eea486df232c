// SPDX-License-Identifier: Apache-2.0
//! A server that a command starts: found ready by a line, ended by its id.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const READY_WITHIN: Duration = Duration::from_secs(30);

/// A child process that says in a line where it can be reached. It is killed with this value.
pub struct Server {
    child: Child,
    /// `http://127.0.0.1:1234`, or whatever its ready line names.
    pub address: String,
}

impl Server {
    /// Starts it and waits for a line with an address after `marker`.
    ///
    /// # Errors
    /// That it did not start, ended, or said nothing in 30 s.
    pub fn start(command: &mut Command, marker: &str) -> Result<Self, String> {
        let shown = format!("`{}`", command.get_program().display());
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("{shown} did not start: {error}"))?;
        let lines = lines(&mut child);
        match address(&lines, marker) {
            Some(address) => Ok(Self { child, address }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                Err(format!("{shown} said no address ({marker}…) within {} s", READY_WITHIN.as_secs()))
            }
        }
    }

    /// Ends it as a power failure would: no handler runs.
    pub fn kill(mut self) -> u32 {
        let id = self.child.id();
        let _ = self.child.kill();
        let _ = self.child.wait();
        id
    }

    /// Waits until it ends by itself or is ended from outside.
    pub fn wait(mut self) {
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Its lines, read to the end so that it never blocks on a full pipe.
fn lines(child: &mut Child) -> Receiver<String> {
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

fn address(lines: &Receiver<String>, marker: &str) -> Option<String> {
    loop {
        let line = lines.recv_timeout(READY_WITHIN).ok()?;
        if let Some(start) = line.find(marker) {
            let rest = &line[start..];
            let end = rest.find(|c: char| c.is_whitespace() || ",;)\"".contains(c)).unwrap_or(rest.len());
            return Some(rest[..end].trim_end_matches('/').to_owned());
        }
    }
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
        assert_eq!(address(&hear, "http://").as_deref(), Some("http://127.0.0.1:4321"));
        drop(say);
        assert_eq!(address(&hear, "http://"), None);
    }
}
