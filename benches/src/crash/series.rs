// SPDX-License-Identifier: Apache-2.0
//! Rounds on one folder: each opens what the last one left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::load::{Callers, Told};
use super::{Count, LIAR, cut};
use crate::process::{Server, free_port};
use crate::{Arguments, Outcome};

/// A host must have its function back, and answer, within this.
const BACK_WITHIN: Duration = Duration::from_secs(30);

/// Where the host runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    InProcess,
    Sidecar,
    /// In-process, with a store that writes without waiting for the disk.
    Unsynced,
}

/// What all rounds share.
pub(super) struct Proof<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) shim: PathBuf,
    pub(super) random: u64,
}

/// One folder, what was promised about it, and what was found broken before.
pub(super) struct Series {
    pub(super) home: Home,
    data: PathBuf,
    log: PathBuf,
    rounds: u32,
    told: Told,
    lost: BTreeSet<String>,
    doubled: BTreeSet<String>,
    found: usize,
}

impl Series {
    pub(super) fn new(home: Home, folder: &Path, rounds: u32) -> Outcome<Self> {
        std::fs::create_dir_all(folder)?;
        let (data, log) = (folder.join("journal"), folder.join("synced.log"));
        let (told, lost, doubled) = (Told::default(), BTreeSet::new(), BTreeSet::new());
        Ok(Self { home, data, log, rounds, told, lost, doubled, found: 0 })
    }

    /// One life of a host: started, loaded, killed, its folder cut if so asked, and compared. What was lost or doubled
    /// counts where it is first seen.
    pub(super) fn round(
        &mut self,
        proof: &mut Proof<'_>,
        round: u32,
        files_cut: bool,
        function: bool,
    ) -> Outcome<Count> {
        let told = self.crash(proof, round, function)?;
        let bytes_cut = if files_cut { cut::cut(&self.data, &self.log)? } else { 0 };
        let (acknowledged, unknown) = (told.acknowledged.len(), told.unknown.len());
        self.told.acknowledged.extend(told.acknowledged);
        self.told.unknown.extend(told.unknown);
        let function_kills = u32::from(function);
        let seen = self.compare(proof)?;
        let count = Count { rounds: 1, host_kills: 1, function_kills, acknowledged, unknown, bytes_cut, ..seen };
        println!(
            "{:?} round {round} of {}: killed {}{}: {acknowledged} acknowledged, {} lost, {} doubled, {unknown} in \
             flight, {bytes_cut} bytes cut",
            self.home,
            self.rounds,
            if function { "function and host" } else { "host" },
            if files_cut { ", files cut" } else { "" },
            count.lost,
            count.doubled
        );
        Ok(count)
    }

    /// Starts, loads and kills. The callers go on while the function is away, and are calling when the host dies.
    fn crash(&self, proof: &mut Proof<'_>, round: u32, kill_function: bool) -> Outcome<Told> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut function = if self.home == Home::Sidecar { Some(proof.shop(&address)?) } else { None };
        let host = self.host(proof, &address)?;
        let [first, away, last] = [proof.moment(200, 900), proof.moment(0, 150), proof.moment(0, 500)];
        let callers = Callers::start(host.address, round);
        callers.go_on(first)?;
        if kill_function {
            drop(function.take());
            callers.go_on(away)?;
            function = Some(proof.shop(&address)?);
            callers.answered_again(BACK_WITHIN)?;
            callers.go_on(last)?;
        }
        drop(host);
        let told = callers.told();
        drop(function);
        told
    }

    fn host(&self, proof: &Proof<'_>, function: &str) -> Outcome<Server> {
        let mut command = match self.home {
            Home::InProcess => proof.command("shop", &["open"])?,
            Home::Unsynced => proof.command(LIAR, &[])?,
            Home::Sidecar => {
                let words =
                    ["serve", "--function", function, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"];
                proof.command("adjoin", &words)?
            }
        };
        command.arg(&self.data);
        if self.home == Home::InProcess {
            command.args(["--http", "127.0.0.1:0"]);
        }
        Server::start(proof.shimmed(&mut command, &self.log))
    }

    /// Looks for every product in the journal of the closed folder; counts what was not known before.
    fn compare(&mut self, proof: &Proof<'_>) -> Outcome<Count> {
        let mut cat = proof.command("adjoin", &["journal", "cat", "-o", "jsonl", "--data"])?;
        cat.arg(&self.data);
        // What the opening syncs is synced too.
        let output = proof.shimmed(&mut cat, &self.log).output()?;
        if !output.status.success() {
            return Err(format!("the journal does not open: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            products(&serde_json::from_str(line)?, &mut |product| *seen.entry(product.to_owned()).or_default() += 1);
        }
        let missing = self.told.acknowledged.iter().filter(|product| !seen.contains_key(*product));
        let lost = missing.filter(|product| self.lost.insert((*product).clone())).count();
        let twice = seen.iter().filter(|(_, times)| **times > 1);
        let doubled = twice.filter(|(product, _)| self.doubled.insert((*product).clone())).count();
        let found = self.told.unknown.iter().filter(|product| seen.contains_key(*product)).count();
        let unknown_found = found.saturating_sub(std::mem::replace(&mut self.found, found));
        Ok(Count { lost, doubled, unknown_found, ..Count::default() })
    }
}

impl Proof<'_> {
    fn command(&self, program: &str, words: &[&str]) -> Outcome<Command> {
        let mut command = Command::new(self.arguments.program(program)?);
        command.args(words);
        Ok(command)
    }

    /// The function, at an address.
    fn shop(&self, address: &str) -> Outcome<Server> {
        Server::start(&mut self.command("shop", &["serve", address])?)
    }

    fn shimmed<'c>(&self, command: &'c mut Command, log: &Path) -> &'c mut Command {
        // That the function goes is no news here.
        command.env("LD_PRELOAD", &self.shim).env("SHIM_SYNC_LOG", log).env("ADJOIN_LOG", "error")
    }

    /// Splitmix64: moments that differ and can be had again, in milliseconds.
    fn moment(&mut self, from: u64, to: u64) -> Duration {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        Duration::from_millis(from + (mixed ^ (mixed >> 27)) % (to - from))
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
