// SPDX-License-Identifier: Apache-2.0
//! Ends the user's process when this one is killed: a second process of the same program waits for the end of a pipe
//! whose other end only this one has, and then kills the group. Nothing is asked of the user's program.

use std::io::Read;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use crate::failure::{Exit, Failure, Outcome};

/// The program that runs, also when its file has been replaced meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// The process that watches over a group. It is ended with this, and then does nothing: whoever drops it has ended the
/// group, whose number may be somebody else's by then.
pub(crate) struct Guard {
    // Killed before its pipe closes.
    _process: Child,
}

impl Guard {
    /// Begins to watch.
    ///
    /// # Errors
    /// Failed when the process cannot be started.
    pub(crate) fn start(group: i32) -> Outcome<Self> {
        let process = Command::new(THIS_PROGRAM)
            .arg("guard")
            .arg(group.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Signals to this one's group are not for it: it has to outlive this one.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure::new(Exit::Failed, format!("the function cannot be watched over: {error}")))?;
        Ok(Self { _process: process })
    }
}

/// Waits for the end of standard input, then kills the group.
pub(crate) fn watch(group: i32) {
    let mut input = std::io::stdin().lock();
    let mut byte = [0];
    // Nothing is ever written; a failure to read is an end too.
    while input.read(&mut byte).is_ok_and(|read| read > 0) {}
    if let Some(group) = Pid::from_raw(group) {
        // A group that is gone already is what was wanted.
        let _ = kill_process_group(group, Signal::KILL);
    }
}
