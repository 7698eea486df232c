// SPDX-License-Identifier: Apache-2.0
//! A note in the folder of a journal that says which host has it, so that a second one can name the first.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

const FILE: &str = "host.json";

/// A note that is removed when the host ends. It only informs: what keeps a second host out is the store's own lock.
pub(crate) struct Note {
    path: PathBuf,
}

/// What the note says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// The host's process.
    pub(crate) pid: i32,
    /// Its admin address.
    pub(crate) admin: SocketAddr,
    /// Where its clients connect.
    pub(crate) listen: SocketAddr,
}

impl Note {
    /// Leaves the note; one that cannot be written costs only a better message.
    pub(crate) fn write(folder: &Path, admin: SocketAddr, listen: SocketAddr) -> Self {
        let path = folder.join(FILE);
        let holder = Holder { pid: std::process::id().cast_signed(), admin, listen };
        let text = serde_json::to_vec(&holder).unwrap_or_default();
        // Written beside and renamed, so that nobody reads half of it.
        let beside = folder.join("host.json.new");
        if let Err(error) = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, &path)) {
            tracing::debug!(%error, "no note of this host in its folder");
        }
        Self { path }
    }

    /// Who has the folder, if a note says so and its process lives.
    pub(crate) fn read(folder: &Path) -> Option<Holder> {
        let text = std::fs::read(folder.join(FILE)).ok()?;
        let holder: Holder = serde_json::from_slice(&text).ok()?;
        Pid::from_raw(holder.pid).filter(|pid| test_kill_process(*pid).is_ok())?;
        Some(holder)
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_there_as_long_as_its_host() {
        let folder = tempfile::tempdir().unwrap();
        let address: SocketAddr = "127.0.0.1:9001".parse().unwrap();
        let note = Note::write(folder.path(), address, address);
        assert_eq!(Note::read(folder.path()).unwrap().admin, address);
        drop(note);
        assert!(Note::read(folder.path()).is_none());
    }

    #[test]
    fn a_note_of_a_process_that_has_gone_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let text = format!(r#"{{"pid":{pid},"admin":"127.0.0.1:1","listen":"127.0.0.1:2"}}"#);
        std::fs::write(folder.path().join(FILE), text).unwrap();
        assert!(Note::read(folder.path()).is_none());
    }
}
