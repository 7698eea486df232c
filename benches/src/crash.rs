// SPDX-License-Identifier: Apache-2.0
//! The crash proof: load, `kill -9` at a random moment, every file cut back to what was synced, and every acknowledged
//! event looked for in the journal, which is read by another path than the one under test.

mod cut;
mod load;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::{Server, free_port};
use crate::{Arguments, Outcome};

/// Rounds when none are given.
const ROUNDS: usize = 100;

/// What a run has seen.
#[derive(Default)]
struct Count {
    acknowledged: usize,
    lost: usize,
    doubled: usize,
}

/// Where the host runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Home {
    InProcess,
    Sidecar,
}

struct Proof<'a> {
    arguments: &'a Arguments,
    shim: PathBuf,
    random: u64,
}

/// Runs every round with an honest build, then a few with one that does not sync, which must lose something.
pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    let work = tempfile::tempdir()?;
    let mut proof = Proof { arguments, shim: cut::build(arguments, work.path())?, random: arguments.seed };
    let rounds = u32::try_from(arguments.rounds.unwrap_or(ROUNDS))?;
    let mut total = Count::default();
    for (home, share) in [(Home::InProcess, rounds.div_ceil(2)), (Home::Sidecar, rounds / 2)] {
        let folder = work.path().join(format!("{home:?}"));
        total.add(&proof.rounds(home, &folder, share, false)?);
    }
    let liar = proof.rounds(Home::InProcess, &work.path().join("liar"), 3, true)?;
    println!("a build that does not sync lost {} of {} acknowledged", liar.lost, liar.acknowledged);
    println!(
        "{{\"bench\":\"crash\",\"rounds\":{rounds},\"acknowledged\":{},\"lost\":{},\"doubled\":{},\"lost_without_sync\":{}}}",
        total.acknowledged, total.lost, total.doubled, liar.lost
    );
    if total.acknowledged == 0 || total.lost + total.doubled > 0 {
        return Err("acknowledged events are lost or doubled, or none was acknowledged".into());
    }
    if liar.lost == 0 {
        return Err("a build that does not sync lost nothing: the proof proves nothing".into());
    }
    Ok(())
}

impl Count {
    fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.doubled += other.doubled;
    }
}

impl Proof<'_> {
    fn rounds(&mut self, home: Home, folder: &Path, rounds: u32, lie: bool) -> Outcome<Count> {
        let (data, log) = (folder.join("journal"), folder.join("synced.log"));
        std::fs::create_dir_all(folder)?;
        let mut acknowledged: Vec<String> = Vec::new();
        let mut count = Count::default();
        for round in 1..=rounds {
            let fresh = self.crash(home, &data, &log, lie, round)?;
            acknowledged.extend(fresh);
            let cut = cut::cut(&data, &log)?;
            count = self.compare(&data, &log, &acknowledged, lie)?;
            println!(
                "{home:?} round {round} of {rounds}: {} acknowledged, {} lost, {} doubled, {cut} bytes cut",
                count.acknowledged, count.lost, count.doubled
            );
            if lie && count.lost > 0 {
                break;
            }
        }
        Ok(count)
    }

    /// One life of a host: started, loaded, killed. Returns what it acknowledged.
    fn crash(&mut self, home: Home, data: &Path, log: &Path, lie: bool, round: u32) -> Outcome<Vec<String>> {
        let (function, host) = self.start(home, data, log, lie)?;
        let time = Duration::from_millis(300 + self.next() % 900);
        // Every third kill hits the function: the host goes on, redelivers, and is killed by the next round's end.
        let victim = if function.is_some() && round.is_multiple_of(3) { function } else { None };
        let acknowledged = load::run(host.address, round, time, || {
            if let Some(function) = victim {
                drop(function);
            }
        })?;
        drop(host);
        Ok(acknowledged)
    }

    fn start(&self, home: Home, data: &Path, log: &Path, lie: bool) -> Outcome<(Option<Server>, Server)> {
        let shop = self.arguments.program("shop")?;
        if home == Home::InProcess {
            let mut command = Command::new(shop);
            command.arg("open").arg(data).args(["--http", "127.0.0.1:0"]);
            return Ok((None, Server::start(self.shimmed(&mut command, log, lie))?));
        }
        let address = format!("127.0.0.1:{}", free_port()?);
        let function = Server::start(Command::new(shop).args(["serve", &address]))?;
        let mut command = Command::new(self.arguments.program("adjoin")?);
        command.args(["serve", "--function", &address, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"]);
        command.arg(data);
        Ok((Some(function), Server::start(self.shimmed(&mut command, log, lie))?))
    }

    fn shimmed<'c>(&self, command: &'c mut Command, log: &Path, lie: bool) -> &'c mut Command {
        command.env("LD_PRELOAD", &self.shim).env("ADJOIN_SYNC_LOG", log);
        if lie { command.env("ADJOIN_SYNC_LIE", "1") } else { command }
    }

    /// Looks for every acknowledged product in the journal of the closed folder.
    fn compare(&self, data: &Path, log: &Path, acknowledged: &[String], lie: bool) -> Outcome<Count> {
        let mut cat = Command::new(self.arguments.program("adjoin")?);
        cat.args(["journal", "cat", "-o", "jsonl", "--data"]).arg(data);
        // Opening recovers the folder, and what that syncs is synced too.
        let output = self.shimmed(&mut cat, log, false).output()?;
        if !output.status.success() {
            if lie {
                // Cut to nothing, the folder may not even open: everything is lost.
                return Ok(Count { acknowledged: acknowledged.len(), lost: acknowledged.len(), doubled: 0 });
            }
            return Err(format!("the journal does not open: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            products(&serde_json::from_str(line)?, &mut |product| *seen.entry(product.to_owned()).or_default() += 1);
        }
        Ok(Count {
            acknowledged: acknowledged.len(),
            lost: acknowledged.iter().filter(|product| !seen.contains_key(*product)).count(),
            doubled: seen.values().filter(|times| **times > 1).count(),
        })
    }

    /// Splitmix64: moments that differ and can be had again.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^ (mixed >> 27)
    }
}

/// Every product named anywhere in a record.
fn products(value: &serde_json::Value, say: &mut impl FnMut(&str)) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, inner) in fields {
                match inner {
                    serde_json::Value::String(product) if name == "product" => say(product),
                    _ => products(inner, say),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| products(item, say)),
        _ => {}
    }
}
