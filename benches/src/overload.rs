// SPDX-License-Identifier: Apache-2.0
//! The overload proof: ten times the calls that a function can run, for minutes. Memory must stay bounded, refusals must
//! be said, and every acknowledged command must be there afterwards, also after a `kill -9`.

mod load;

use std::process::Command;
use std::time::Duration;

use crate::process::{Server, free_port, resident};
use crate::report::median;
use crate::{Arguments, Outcome};
use load::{Flood, KEYS};

/// Minutes when none are given.
const MINUTES: f64 = 5.0;

/// Offered calls over the calls that the function can run.
const TIMES: f64 = 10.0;

/// How much resident memory may grow from the first quarter of the run to its end: the bounds are reached early.
const GROWTH: f64 = 1.3;

/// Resident memory that says nothing: allocators keep some.
const SLACK: u64 = 64 << 20;

/// Runs the load and judges it.
pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    let time = Duration::from_secs_f64(arguments.minutes.unwrap_or(MINUTES).clamp(0.05, 600.0) * 60.0);
    let folder = tempfile::tempdir()?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let function = Server::start(Command::new(std::env::current_exe()?).args(["--serve-function", &address]))?;
    let proxy = proxy(arguments, &address, folder.path())?;
    // The callers have threads of their own, the more so since this process shares its cores with what it loads.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;

    let capacity = runtime.block_on(load::capacity(proxy.address))?;
    println!(
        "capacity {capacity:.0} commands/s with {KEYS} callers; {:.0}/s are offered for {time:?}",
        capacity * TIMES
    );
    let watched = [("proxy", proxy.id()), ("function", function.id())];
    let mut memory = Memory::default();
    let flood = runtime.block_on(load::flood(proxy.address, capacity * TIMES, time, |at, flood| {
        memory.look(&watched);
        println!("{:>5.0} s  {flood}  {}", at.as_secs_f64(), memory.last());
    }))?;
    let seen = runtime.block_on(load::totals(proxy.address))?;
    drop(proxy);
    let proxy = self::proxy(arguments, &address, folder.path())?;
    let after = runtime.block_on(load::totals(proxy.address))?;
    judge(&flood, capacity, time, &memory, &[seen, after])
}

fn judge(flood: &Flood, capacity: f64, time: Duration, memory: &Memory, totals: &[Vec<u64>; 2]) -> Outcome<()> {
    let (lost, doubled) = totals.iter().map(|totals| flood.compare(totals)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    let (early, late) = memory.quarters();
    println!(
        "accepted: p50 {:.0} ms, p99 {:.0} ms; refused: p50 {:.1} ms",
        flood.accepted.p50, flood.accepted.p99, flood.refused.p50
    );
    println!(
        "{}",
        serde_json::json!({
            "bench": "overload", "minutes": time.as_secs_f64() / 60.0, "capacity": capacity.round(),
            "offered": flood.offered(), "acknowledged": flood.accepted.count, "refused": flood.refused.count,
            "unknown": flood.unknown, "not_offered": flood.held_back, "lost": lost, "doubled": doubled,
            "accepted_p50_ms": flood.accepted.p50, "accepted_p99_ms": flood.accepted.p99,
            "rss_early_mib": early >> 20, "rss_late_mib": late >> 20,
        })
    );
    if lost + doubled > 0 {
        return Err(format!("{lost} acknowledged commands are lost, {doubled} doubled").into());
    }
    if flood.accepted.count == 0 || flood.refused.count < flood.offered() / 2 {
        return Err("most of such a load is to be refused, and some of it accepted".into());
    }
    if late > (early as f64 * GROWTH) as u64 + SLACK {
        return Err(format!("memory grew from {} MiB to {} MiB under load", early >> 20, late >> 20).into());
    }
    println!("overload: nothing acknowledged was lost, memory stayed bounded, refusals were counted");
    Ok(())
}

fn proxy(arguments: &Arguments, function: &str, data: &std::path::Path) -> Outcome<Server> {
    let mut command = Command::new(arguments.program("adjoin")?);
    command.args(["serve", "--function", function, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"]);
    Server::start(command.arg(data))
}

/// Resident memory over time, of all watched processes together.
#[derive(Default)]
struct Memory {
    sums: Vec<u64>,
    shown: String,
}

impl Memory {
    fn look(&mut self, watched: &[(&str, u32)]) {
        let each: Vec<(&str, u64)> = watched.iter().map(|(name, id)| (*name, resident(*id))).collect();
        self.shown = each.iter().map(|(name, bytes)| format!("{name} {} MiB ", bytes >> 20)).collect();
        self.sums.push(each.iter().map(|(_, bytes)| bytes).sum());
    }

    fn last(&self) -> &str {
        self.shown.trim_end()
    }

    /// Medians of the second quarter of the run, when all queues are full, and of the last one.
    fn quarters(&self) -> (u64, u64) {
        let quarter = (self.sums.len() / 4).max(1);
        let of = |from: usize| {
            let part = self.sums.iter().skip(from).take(quarter).map(|bytes| *bytes as f64);
            median(part) as u64
        };
        (of(quarter.min(self.sums.len() - 1)), of(self.sums.len().saturating_sub(quarter)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_seen_between_quarters() {
        let memory = Memory { sums: vec![1, 5, 6, 7, 8, 9, 20, 30], shown: String::new() };
        assert_eq!(memory.quarters(), (7, 30));
    }
}
