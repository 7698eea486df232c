// SPDX-License-Identifier: Apache-2.0
//! `adjoin-sim`: runs many seeds, or one with its trace, or every mutant, and says what was found.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use adjoin_sim::{Fault, Mutant, Options, Sink, Summary, run, seeds};
use clap::Parser;

/// Whole hosts in one thread from one seed: faults, checker, mutants.
#[derive(Parser)]
#[command(name = "adjoin-sim", version)]
struct Arguments {
    /// How many seeds to run; for each mutant with --mutants.
    #[arg(long, value_name = "N", default_value_t = 300)]
    seeds: u64,
    /// The first seed.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    first: u64,
    /// Run this seed only, twice, and say everything that was found; both runs must leave the same trace.
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
    /// Threads, each with a seed of its own; 0 takes as many as there are cores.
    #[arg(long, value_name = "N", default_value_t = 0)]
    jobs: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match work(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Nobody reads any more (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn work(arguments: &Arguments) -> io::Result<bool> {
    let mutant = match arguments.mutant.as_deref().map(|name| Mutant::from_name(name).ok_or(name)) {
        Some(Err(name)) => return Err(io::Error::other(format!("there is no mutant {name:?}; --mutants lists them"))),
        Some(Ok(mutant)) => Some(mutant),
        None => None,
    };
    match arguments.seed {
        Some(seed) => one(seed, mutant, arguments.trace),
        None if arguments.mutants => table(arguments),
        None => many(arguments, mutant),
    }
}

fn threads(arguments: &Arguments) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    if arguments.jobs == 0 { cores() } else { arguments.jobs }
}

/// One seed, twice: both runs must leave the same trace. The first one's is printed if asked for.
fn one(seed: u64, mutant: Option<Mutant>, trace: bool) -> io::Result<bool> {
    let sink: Option<Sink> = trace.then(|| Box::new(BufWriter::new(io::stdout())) as Sink);
    let outcome = run(seed, Options { mutant, trace: sink });
    let again = run(seed, Options { mutant, trace: None }).trace;
    let mut out = io::stdout().lock();
    for violation in &outcome.violations {
        writeln!(out, "seed {seed}: {violation}")?;
    }
    let same = again == outcome.trace;
    if !same {
        writeln!(out, "seed {seed}: its second run left another trace, {again:016x}: something is not of the seed")?;
    }
    let seconds = outcome.simulated_us as f64 / 1e6;
    writeln!(
        out,
        "seed {seed}: {seconds:.0} simulated seconds, {} events, {} calls, {} faults, {} records, \
         trace {:016x} {}, {} violations",
        outcome.events,
        outcome.calls,
        outcome.faults.total(),
        outcome.records,
        outcome.trace,
        if same { "twice" } else { "once" },
        outcome.violations.len()
    )?;
    Ok(outcome.violations.is_empty() && same)
}

/// Many seeds, and sums over them.
fn many(arguments: &Arguments, mutant: Option<Mutant>) -> io::Result<bool> {
    let began = Instant::now();
    let step = (arguments.seeds / 10).max(1);
    let told = AtomicUsize::new(0);
    let sum = seeds(arguments.first, arguments.seeds, threads(arguments), mutant, |sum| {
        // At once, so that nobody has to wait for the end of a long run to look at it.
        if told.swap(sum.violations.len(), Ordering::Relaxed) < sum.violations.len() && sum.violations.len() <= 20 {
            eprintln!("a rule is broken; so far by the seeds {:?}", sum.violations.keys());
        }
        if sum.seeds % step == 0 {
            let found = sum.violations.len();
            eprintln!("{} of {} seeds, {found} with violations, {:.0?}", sum.seeds, arguments.seeds, began.elapsed());
        }
        true
    });
    let mut out = io::stdout().lock();
    for (seed, violation) in sum.violations.iter().take(20) {
        writeln!(out, "seed {seed}: {violation}")?;
    }
    faults(&mut out, &sum)?;
    let missing = sum.faults.missing();
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|fault| fault.name()).collect();
        writeln!(out, "faults that never happened: {}", names.join(", "))?;
    }
    writeln!(
        out,
        "{} seeds, {:.1} simulated hours, {} events, {} calls ({} answered well), {} records, \
         {} dead letters ({} heard after all, {} dropped), {} stuck effects tried again, {} faults, \
         {} windows linearizable ({} given up), {} violations, {:.0?}",
        sum.seeds,
        sum.hours(),
        sum.events,
        sum.calls,
        sum.answered,
        sum.records,
        sum.letters.dead,
        sum.letters.ran,
        sum.letters.dropped,
        sum.unstuck,
        sum.faults.total(),
        sum.windows,
        sum.undecided,
        sum.violations.len(),
        began.elapsed()
    )?;
    Ok(sum.violations.is_empty() && missing.is_empty())
}

fn faults(out: &mut impl Write, sum: &Summary) -> io::Result<()> {
    for fault in Fault::ALL {
        writeln!(out, "{:>10}  {}", sum.faults.of(fault), fault.name())?;
    }
    Ok(())
}

/// Every mutant: how many seeds catch it, and what the first one says.
fn table(arguments: &Arguments) -> io::Result<bool> {
    // A mutant may well panic, which is one way of being caught.
    std::panic::set_hook(Box::new(|_| {}));
    let mut out = io::stdout().lock();
    let mut missed = Vec::new();
    for mutant in Mutant::all() {
        let sum = seeds(arguments.first, arguments.seeds, threads(arguments), Some(mutant), |_| true);
        let caught = sum.violations.len();
        writeln!(out, "{:<52} caught by {caught} of {} seeds", mutant.name(), sum.seeds)?;
        match sum.violations.first_key_value() {
            Some((seed, first)) => {
                let said: String = first.chars().take(160).collect();
                writeln!(out, "    seed {seed}: {said}")?;
            }
            None => missed.push(mutant.name()),
        }
        out.flush()?;
    }
    let all = Mutant::all().len();
    writeln!(
        out,
        "{} of {all} mutants caught{}{}",
        all - missed.len(),
        if missed.is_empty() { "" } else { "; missed: " },
        missed.join(", ")
    )?;
    Ok(missed.is_empty())
}
