// SPDX-License-Identifier: Apache-2.0
//! Child processes: found ready by a line, ended by their id.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::case::How;

const READY_WITHIN: Duration = Duration::from_secs(60);
const ENDED_WITHIN: Duration = Duration::from_secs(30);

/// A program and its arguments.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// What it is given before anything else: an interpreter's script.
    pub arguments: Vec<OsString>,
}

/// Where a process is started.
pub(crate) struct Place<'a> {
    /// The folder for what it logs.
    pub(crate) logs: &'a Path,
    /// Which broken variant it is to be.
    pub(crate) broken: Option<&'a str>,
}

/// A process that this one started. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    shown: String,
    log: PathBuf,
}

impl Launch {
    /// A program without arguments.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), arguments: Vec::new() }
    }

    /// Starts it.
    pub(crate) fn start<I>(&self, words: I, place: &Place<'_>) -> Result<Process, String>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(words.into_iter().map(Into::into)).env("ADJOIN_LOG", "warn");
        command.envs(place.broken.map(|broken| ("ADJOIN_CONFORMANCE_BROKEN", broken)));
        Process::start(&mut command, &place.logs.join("log.txt"))
    }
}

impl Process {
    /// Starts a program whose errors go to the end of a log.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self, String> {
        let shown = format!("{:?}", command.as_std());
        let file = std::fs::File::options().create(true).append(true).open(log);
        let file = file.map_err(|error| format!("{}: {error}", log.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| format!("{shown} did not start: {error}"))?;
        let output = child.stdout.take().ok_or("no output")?;
        Ok(Self { child, lines: BufReader::new(output).lines(), shown, log: log.to_owned() })
    }

    /// Waits for a line that holds `marker` and gives what stands behind it, up to a space or a comma.
    ///
    /// # Errors
    /// If it ends or takes too long, with the last lines of its log.
    pub async fn says(&mut self, marker: &str) -> Result<String, String> {
        let found = async {
            while let Some(line) = self.lines.next_line().await.map_err(|error| error.to_string())? {
                if let Some((_, rest)) = line.split_once(marker) {
                    let end = rest.find(|c: char| c.is_whitespace() || c == ',').unwrap_or(rest.len());
                    return Ok(rest[..end].to_owned());
                }
            }
            Err(format!("it ended without saying {marker:?}"))
        };
        let found = tokio::time::timeout(READY_WITHIN, found).await;
        let found = found.unwrap_or_else(|_| Err(format!("it did not say {marker:?} in {READY_WITHIN:?}")));
        found.map_err(|said| format!("{}: {said}; its log ends: {}", self.shown, tail(&self.log)))
    }

    /// Ends it.
    ///
    /// # Errors
    /// If it has ended before, or does not end in time.
    pub async fn end(mut self, how: How) -> Result<(), String> {
        match how {
            How::Killed => self.child.start_kill().map_err(|error| format!("{}: {error}", self.shown))?,
            How::Told => self.tell(Signal::TERM)?,
        }
        self.ended().await
    }

    fn tell(&self, signal: Signal) -> Result<(), String> {
        let id = self.child.id().and_then(|id| Pid::from_raw(id as i32));
        let id = id.ok_or_else(|| format!("{} has ended by itself", self.shown))?;
        kill_process(id, signal).map_err(|error| format!("{}: {error}", self.shown))
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) -> Result<(), String> {
        let ended = tokio::time::timeout(ENDED_WITHIN, self.child.wait()).await;
        match ended {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("{}: {error}", self.shown)),
            Err(_) => Err(format!("{} was to end and did not in {ENDED_WITHIN:?}", self.shown)),
        }
    }
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join(" | ")
}

/// A port of the loopback that was free a moment ago.
///
/// # Errors
/// If there is none.
pub fn free_port() -> Result<u16, String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
}
