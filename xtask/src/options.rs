// SPDX-License-Identifier: Apache-2.0
//! Options of the commands that are programs of their own: known here, so that `--help` and a wrong word need no build.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::setup::Services;

/// What `conformance` takes.
#[derive(Args, Debug, Default)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Conformance {
    /// Only this SDK.
    #[arg(long, value_parser = ["python", "python-contract", "rust"])]
    sdk: Option<String>,
    /// Only this home.
    #[arg(long, value_parser = ["in-process", "sidecar"])]
    home: Option<String>,
    /// Only this store.
    #[arg(long, value_parser = ["memory", "rocksdb"])]
    store: Option<String>,
    /// Only cases whose names hold this.
    #[arg(long)]
    case: Option<String>,
    /// Only cases of this rule or topic.
    #[arg(long)]
    rule: Option<String>,
    /// Writes {"cases":[{"case","sdk","home","store","status"}]} there.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes JUnit's XML there.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Lists the cases and ends.
    #[arg(long)]
    list: bool,
    /// Something else than the cases.
    #[command(subcommand)]
    pub other: Option<Other>,
}

/// What `conformance` asks beside the cases.
#[derive(Debug, Subcommand)]
pub enum Other {
    /// Drives services on unchanged Cloudstate SDKs, by themselves and behind the proxy.
    ///
    /// Needs go for the service in Go, java and mvn for the one in Java.
    Interop(Interop),
    /// Drives curl, grpcurl, grpc-js, grpcio, grpc-go, h2spec and a browser against a contract behind the proxy.
    ///
    /// Needs curl, go, node, npm, python3 and chromium.
    Clients(Clients),
}

/// What `conformance clients` takes.
#[derive(Args, Debug, Default)]
pub struct Clients {
    /// Only scenarios whose names hold this: curl, curl/streams.
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,
    /// Writes what the clients printed into the scenarios, to be read and committed.
    #[arg(long)]
    write: bool,
}

impl Clients {
    /// As the runner takes them.
    pub fn words(&self) -> Vec<OsString> {
        let mut words = Words::default();
        words.option("--only", self.only.as_ref()).flag("--write", self.write);
        words.0
    }
}

/// What `conformance interop` takes.
#[derive(Args, Debug, Default)]
pub struct Interop {
    /// Only this SDK.
    #[arg(long, value_parser = ["go", "java", "python"])]
    sdk: Option<String>,
    /// Only scenarios whose names hold this (with _ between words).
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,
    /// Only the services by themselves, without the proxy.
    #[arg(long)]
    direct: bool,
}

impl Interop {
    /// What has to be built for it.
    pub fn services(&self) -> Services {
        Services { go: true, java: self.asks("java"), clients: false }
    }

    /// Whether the service on adjoin's SDK for Python is asked.
    pub fn python(&self) -> bool {
        self.asks("python")
    }

    fn asks(&self, sdk: &str) -> bool {
        self.sdk.as_deref().is_none_or(|only| only == sdk)
    }

    /// As the runner takes them.
    pub fn words(&self) -> Vec<OsString> {
        let mut words = Words::default();
        words.option("--sdk", self.sdk.as_ref()).option("--only", self.only.as_ref()).flag("--direct", self.direct);
        words.0
    }
}

impl Conformance {
    /// Every case; the report goes to a file.
    pub fn all(json: &Path) -> Self {
        Self { json: Some(json.to_owned()), ..Self::default() }
    }

    /// As the runner takes them.
    pub fn words(&self) -> Vec<OsString> {
        let mut words = Words::default();
        words.option("--sdk", self.sdk.as_ref()).option("--home", self.home.as_ref());
        words.option("--store", self.store.as_ref()).option("--case", self.case.as_ref());
        words.option("--rule", self.rule.as_ref()).flag("--list", self.list);
        words.file("--json", self.json.as_deref()).file("--junit", self.junit.as_deref());
        words.0
    }
}

/// What `sim` takes.
#[derive(Args, Debug)]
pub struct Sim {
    /// How many seeds to run; for each mutant with --mutants. 300 unless told.
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// The first seed. 0 unless told.
    #[arg(long, value_name = "SEED")]
    first: Option<u64>,
    /// Run this seed only, and say everything that was found.
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Print the trace of the seed.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Run every mutant, and say how many seeds catch each.
    #[arg(long)]
    mutants: bool,
    /// Run as this mutant (a name as --mutants prints it).
    #[arg(long, value_name = "NAME")]
    mutant: Option<String>,
    /// Threads, each with a seed of its own; as many as there are cores unless told.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
}

impl Sim {
    /// As the simulator takes them.
    pub fn words(&self) -> Vec<OsString> {
        let mut words = Words::default();
        words.number("--seeds", self.seeds).number("--first", self.first).number("--seed", self.seed);
        words.number("--jobs", self.jobs).option("--mutant", self.mutant.as_ref());
        words.flag("--trace", self.trace).flag("--mutants", self.mutants);
        words.0
    }
}

/// What can be measured: the groups, the rows of the first, and the proofs.
const BENCHES: [&str; 12] =
    ["first", "claim", "raw", "sidecar", "loop", "start", "replay", "contract", "crdt", "crash", "overload", "profile"];

/// What `bench` takes.
#[derive(Args, Debug)]
pub struct Bench {
    /// The group `first` or rows of it, the groups `contract` and `crdt`, one of the proofs crash and overload, or `profile`.
    /// `first` unless told.
    #[arg(value_name = "NAME", value_parser = BENCHES)]
    names: Vec<String>,
    /// Seconds of load for each side and round. 5 unless told.
    #[arg(long)]
    seconds: Option<f64>,
    /// Rounds: of a row 3, whose median is printed; of the crash proof 100.
    #[arg(long)]
    rounds: Option<usize>,
    /// Minutes of the overload proof: 5.
    #[arg(long)]
    minutes: Option<f64>,
    /// Seed of random moments. 1 unless told.
    #[arg(long)]
    seed: Option<u64>,
}

impl Bench {
    /// As the bench takes them.
    pub fn words(&self) -> Vec<OsString> {
        let mut words = Words(self.names.iter().map(OsString::from).collect());
        words.number("--seconds", self.seconds).number("--rounds", self.rounds);
        words.number("--minutes", self.minutes).number("--seed", self.seed);
        words.0
    }
}

/// Words of a command line.
#[derive(Default)]
struct Words(Vec<OsString>);

impl Words {
    fn option(&mut self, name: &str, value: Option<impl Into<OsString>>) -> &mut Self {
        if let Some(value) = value {
            self.0.extend([name.into(), value.into()]);
        }
        self
    }

    fn number(&mut self, name: &str, value: Option<impl ToString>) -> &mut Self {
        self.option(name, value.map(|value| value.to_string()))
    }

    /// Absolute: the program does not run where the words were typed.
    fn file(&mut self, name: &str, value: Option<&Path>) -> &mut Self {
        self.option(name, value.map(|file| std::path::absolute(file).unwrap_or_else(|_| file.to_owned())))
    }

    fn flag(&mut self, name: &str, set: bool) -> &mut Self {
        self.0.extend(set.then(|| name.into()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Of<A: Args> {
        #[command(flatten)]
        options: A,
    }

    fn parsed<A: Args>(line: &str) -> Result<A, clap::Error> {
        Of::try_parse_from(std::iter::once("cargo xtask x").chain(line.split_whitespace())).map(|of: Of<A>| of.options)
    }

    /// What this program hands on for a line.
    fn handed<A: Args>(line: &str, words: fn(&A) -> Vec<OsString>) -> String {
        let options = parsed::<A>(line).unwrap_or_else(|error| panic!("{error}"));
        words(&options).join(" ".as_ref()).into_string().expect("text")
    }

    #[test]
    fn what_is_typed_is_handed_on() {
        let all = "--sdk python --home sidecar --store rocksdb --case a --rule 3 --list --json /j --junit /u";
        assert_eq!(handed(all, Conformance::words), all);
        let all = "--seeds 10 --first 4 --seed 7 --jobs 2 --mutant m --trace --mutants";
        assert_eq!(handed(all, Sim::words), all);
        let all = "raw claim --seconds 0.5 --rounds 4 --minutes 0.2 --seed 9";
        assert_eq!(handed(all, Bench::words), all);
        assert_eq!(handed("", Bench::words), "");
        let all = "--sdk go --only a_value --direct";
        assert_eq!(handed(all, Interop::words), all);
        let all = "--only curl/streams --write";
        assert_eq!(handed(all, Clients::words), all);
    }

    #[test]
    fn a_wrong_word_needs_no_build() {
        assert!(parsed::<Conformance>("--store postgres").is_err());
        assert!(parsed::<Bench>("warp").is_err());
        assert!(parsed::<Sim>("--trace").is_err());
    }

    #[test]
    fn every_row_of_the_benches_is_known() {
        let rows = include_str!("../../benches/src/row.rs").split("const ROWS").nth(1).expect("the table of rows");
        let names: Vec<&str> = rows.split("    (\"").skip(1).filter_map(|row| row.split('"').next()).collect();
        assert!(names.len() > 3 && names.iter().all(|name| BENCHES.contains(name)), "{names:?}");
    }
}
