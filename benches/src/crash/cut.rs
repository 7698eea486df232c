// SPDX-License-Identifier: Apache-2.0
//! What a power failure would leave: every file at its length when it was last synced.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

use crate::process::run;
use crate::{Arguments, Outcome};

/// Files that hold no data: nobody promises that they survive.
const NO_DATA: [&str; 3] = ["LOG", "LOCK", "IDENTITY"];

/// Compiles the shim that logs syncs.
pub(super) fn build(arguments: &Arguments, work: &Path) -> Outcome<PathBuf> {
    let source = arguments.checkout.join("benches/shim/sync_log.c");
    let shim = work.join("sync_log.so");
    run(Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&shim)
        .arg(source))
    .map_err(|error| format!("a C compiler is needed (apt-get install gcc): {error}"))?;
    Ok(shim)
}

/// Cuts every file below `folder` back to its last synced length; says how many bytes went.
pub(super) fn cut(folder: &Path, log: &Path) -> Outcome<u64> {
    cut_to(folder, &synced(log)?)
}

/// Device, inode and moment of birth: an inode alone is given again to a later file.
type Identity = [u64; 3];

/// Every file's length at its last sync.
fn synced(log: &Path) -> Outcome<HashMap<Identity, u64>> {
    let mut synced = HashMap::new();
    if log.exists() {
        for line in BufReader::new(File::open(log)?).lines() {
            let numbers = line?.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
            if let [device, inode, birth, length] = numbers[..] {
                synced.insert([device, inode, birth], length);
            }
        }
    }
    Ok(synced)
}

fn identity(about: &fs::Metadata) -> Identity {
    let birth = about.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    [about.dev(), about.ino(), birth.map_or(0, |since| since.as_nanos() as u64)]
}

fn cut_to(folder: &Path, synced: &HashMap<Identity, u64>) -> Outcome<u64> {
    let mut gone = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            gone += cut_to(&path, synced)?;
        } else if !NO_DATA.iter().any(|prefix| name.starts_with(prefix)) {
            let about = fs::metadata(&path)?;
            let length = synced.get(&identity(&about)).copied().unwrap_or(0);
            if about.len() > length {
                gone += about.len() - length;
                OpenOptions::new().write(true).open(&path)?.set_len(length)?;
            }
        }
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn files_go_back_to_their_last_synced_length() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("data");
        for name in ["synced", "never", "LOG"] {
            fs::write(data.join(name), b"0123456789").expect("written");
        }
        let about = |name: &str| identity(&fs::metadata(data.join(name)).expect("there"));
        let mut log = String::new();
        for length in [2, 6] {
            let [device, inode, birth] = about("synced");
            writeln!(log, "{device} {inode} {birth} {length}").expect("a line");
        }
        // The file that had this inode before was synced: that is no promise about this one.
        let [device, inode, birth] = about("never");
        writeln!(log, "{device} {inode} {} 10", birth - 1).expect("a line");
        fs::write(folder.path().join("log"), log).expect("the log");
        assert_eq!(cut(&data, &folder.path().join("log")).expect("cut"), 14);
        let length = |name: &str| fs::metadata(data.join(name)).expect("there").len();
        assert_eq!((length("synced"), length("never"), length("LOG")), (6, 0, 10));
    }
}
