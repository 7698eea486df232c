// SPDX-License-Identifier: Apache-2.0
//! The user's process: started in a process group of its own, its lines passed on with a prefix, ended whole.

use std::io::Write;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child as Process, Command};
use tokio::time::timeout;

use crate::dev::guard::Guard;
use crate::failure::{Exit, Failure, Outcome};

/// The longest line of a function that is passed on whole, in bytes; a longer one is cut there.
const LINE_BYTES: usize = 64 << 10;

/// A running user process and everything that it started in its group.
pub(crate) struct Child {
    process: Process,
    group: Pid,
    guard: Option<Guard>,
}

impl Child {
    /// Starts the user's command. It learns where to listen from `ADJOIN_FUNCTION_LISTEN`, and from `{function}` in
    /// its words.
    ///
    /// # Errors
    /// NotFound when there is no such program, Failed when it cannot be started.
    pub(crate) fn start(command: &[String], listen: &str) -> Outcome<Self> {
        let (program, arguments) = command.split_first().ok_or_else(|| Failure::usage("no command was given"))?;
        let mut process = Command::new(program)
            .args(arguments.iter().map(|word| word.replace("{function}", listen)))
            .env("ADJOIN_FUNCTION_LISTEN", listen)
            // Lines of a Python function appear when they are printed, not when a buffer is full.
            .env("PYTHONUNBUFFERED", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| cannot_start(program, &error))?;
        if let Some(out) = process.stdout.take() {
            tokio::spawn(pass_on(out));
        }
        if let Some(out) = process.stderr.take() {
            tokio::spawn(pass_on(out));
        }
        let group = process
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
            .ok_or_else(|| Failure::new(Exit::Failed, format!("{program} ended before it began")))?;
        Ok(Self { process, group, guard: None })
    }

    /// From now on it ends with this process, even if that is killed.
    ///
    /// # Errors
    /// Failed when nobody can be set to watch; the function has ended then.
    pub(crate) fn guarded(mut self) -> Outcome<Self> {
        self.guard = Some(Guard::start(self.id())?);
        Ok(self)
    }

    /// The process id, which is also that of its group.
    pub(crate) fn id(&self) -> i32 {
        self.group.as_raw_nonzero().get()
    }

    /// Waits until the process itself has ended; what it left in its group is ended then.
    pub(crate) async fn ended(&mut self) -> Outcome<ExitStatus> {
        let status = self.process.wait().await.map_err(|error| {
            Failure::new(Exit::Failed, format!("the function's process cannot be waited for: {error}"))
        })?;
        self.signal(Signal::KILL);
        self.guard = None;
        Ok(status)
    }

    /// Asks the whole group to end, and after `grace` makes it.
    pub(crate) async fn end(mut self, grace: Duration) {
        self.signal(Signal::TERM);
        if timeout(grace, self.process.wait()).await.is_err() {
            tracing::warn!(pid = self.id(), "the function did not end on SIGTERM: killing it");
        }
        self.signal(Signal::KILL);
        // Reaps it; a killed process always ends.
        let _ = self.process.wait().await;
    }

    /// A group that is gone already is what was wanted.
    fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.group, signal);
    }
}

impl Drop for Child {
    /// Whichever way the owner ends, a panic included, nothing of the group is left.
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

fn cannot_start(program: &str, error: &std::io::Error) -> Failure {
    let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failed };
    Failure::new(exit, format!("the command `{program}` cannot be started: {error}"))
        .help("the command stands behind `--`, as in `adjoin dev -- python shop.py`")
}

/// Passes lines on to standard output, each behind the function's prefix.
async fn pass_on(out: impl AsyncRead + Unpin) {
    let mut lines = BufReader::with_capacity(LINE_BYTES, out);
    let mut line = Vec::new();
    while let Ok(more) = read_line(&mut lines, &mut line).await {
        if !line.is_empty() || more {
            show(&line);
        }
        if !more {
            return;
        }
    }
}

/// Reads up to a line's end or [`LINE_BYTES`]; false at the end of the stream.
async fn read_line(lines: &mut BufReader<impl AsyncRead + Unpin>, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    loop {
        let buffer = lines.fill_buf().await?;
        if buffer.is_empty() {
            return Ok(false);
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(buffer.len());
        line.extend_from_slice(&buffer[..taken]);
        lines.consume(end.map_or(taken, |end| end + 1));
        if end.is_some() || line.len() >= LINE_BYTES {
            return Ok(true);
        }
    }
}

fn show(line: &[u8]) {
    let style = anstyle::Style::new().fg_color(Some(anstyle::AnsiColor::Cyan.into()));
    let text = String::from_utf8_lossy(line);
    // A closed terminal must not end the service.
    let _ = writeln!(anstream::stdout().lock(), "{style}function |{style:#} {}", text.trim_end_matches('\r'));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        Child::start(&["sh".into(), "-c".into(), script.into()], "127.0.0.1:1").unwrap()
    }

    fn alive(pid: i32) -> bool {
        Pid::from_raw(pid).is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
    }

    #[tokio::test]
    async fn a_child_that_ends_says_how() {
        assert_eq!(shell("exit 7").ended().await.unwrap().code(), Some(7));
    }

    #[tokio::test]
    async fn a_child_is_told_where_to_listen() {
        let mut child = shell("test {function} = 127.0.0.1:1 && test $ADJOIN_FUNCTION_LISTEN = 127.0.0.1:1");
        assert!(child.ended().await.unwrap().success());
    }

    #[tokio::test]
    async fn a_child_that_ignores_sigterm_is_killed() {
        let child = shell("trap '' TERM; while :; do read x </dev/zero; done");
        let pid = child.id();
        child.end(Duration::from_millis(50)).await;
        assert!(!alive(pid));
    }

    #[tokio::test]
    async fn what_the_child_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! >{}; wait", file.display());
        let child = shell(&script);
        let mut every = tokio::time::interval(Duration::from_millis(5));
        let pid: i32 = timeout(Duration::from_secs(10), async {
            loop {
                every.tick().await;
                if let Some(pid) = std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()) {
                    return pid;
                }
            }
        })
        .await
        .unwrap();
        child.end(Duration::from_secs(5)).await;
        // Its parent is gone, so it is a zombie at most until init reaps it.
        timeout(Duration::from_secs(10), async {
            while alive(pid) && !std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| s.contains(") Z")) {
                every.tick().await;
            }
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn a_missing_program_is_not_found() {
        let failure = Child::start(&["adjoin-no-such-program".into()], "x").map(|_| ()).unwrap_err();
        assert_eq!(failure.exit(), Exit::NotFound);
    }

    #[tokio::test]
    async fn an_endless_line_is_cut() {
        let mut lines = BufReader::with_capacity(16, std::io::Cursor::new(vec![b'x'; LINE_BYTES + 5]));
        let mut line = Vec::new();
        assert!(read_line(&mut lines, &mut line).await.unwrap());
        assert!(line.len() >= LINE_BYTES && line.len() < LINE_BYTES + 16);
        read_line(&mut lines, &mut line).await.unwrap();
        assert!(line.len() <= 5);
    }
}
