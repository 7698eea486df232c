// SPDX-License-Identifier: Apache-2.0
//! Child processes: found ready by a line, ended by their id.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

const READY_WITHIN: Duration = Duration::from_secs(60);
const ENDED_WITHIN: Duration = Duration::from_secs(30);

/// A process that this one started. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
}

impl Process {
    /// Starts a program and waits for a line with `marker`; gives what stands behind it, up to a space or a comma.
    ///
    /// # Errors
    /// If it does not start or does not get ready, with the last lines of its log.
    pub(crate) async fn start(program: &mut Command, log: &Path, marker: &str) -> Result<(Self, String), String> {
        let shown = format!("{program:?}");
        let file = std::fs::File::options().create(true).append(true).open(log);
        let file = file.map_err(|error| format!("{}: {error}", log.display()))?;
        program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).kill_on_drop(true);
        let mut child = program.spawn().map_err(|error| format!("{shown} did not start: {error}"))?;
        let output = child.stdout.take().ok_or("no output")?;
        let mut process = Self { child, lines: BufReader::new(output).lines(), log: log.to_owned() };
        let said = process.says(marker).await.map_err(|said| format!("{shown}: {said}"))?;
        Ok((process, said))
    }

    async fn says(&mut self, marker: &str) -> Result<String, String> {
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
        found.map_err(|said| format!("{said}; its log ends: {}", tail(&self.log)))
    }

    /// Ends it with SIGTERM, or with SIGKILL if it is not told.
    ///
    /// # Errors
    /// If it has ended before, or does not end in time.
    pub(crate) async fn end(mut self, told: bool) -> Result<(), String> {
        let id = self.child.id().and_then(|id| Pid::from_raw(id as i32)).ok_or("it has ended by itself")?;
        let signal = if told { Signal::TERM } else { Signal::KILL };
        kill_process(id, signal).map_err(|error| error.to_string())?;
        match tokio::time::timeout(ENDED_WITHIN, self.child.wait()).await {
            Ok(ended) => ended.map(drop).map_err(|error| error.to_string()),
            Err(_) => Err(format!("told to end, it did not in {ENDED_WITHIN:?}; its log ends: {}", tail(&self.log))),
        }
    }
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join(" | ")
}

/// An address of the loopback that was free a moment ago.
///
/// # Errors
/// If there is none.
pub(crate) fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    listener.map_err(|error| format!("no free port: {error}"))
}
