// SPDX-License-Identifier: Apache-2.0
//! What a durable command spends its processor time on: `perf` samples a host under load, and every sample is booked to
//! one part. It says what holds a missed target back.

mod sample;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use self::sample::Shares;
use crate::counter::TEXT;
use crate::load::{self, Load, Plan};
use crate::process::{Server, free_port};
use crate::{Arguments, Outcome};

const CALLERS: usize = 50;
const KEYS: usize = 1000;
/// Samples a second of processor time.
const FREQUENCY: &str = "999";

/// Profiles the host of rows 1 and 5, in-process in Rust, then the proxy of row 8.
pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    let found = Command::new("perf").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        return Err("`perf` is missing: on Debian, apt-get install linux-perf".into());
    }
    let folder = tempfile::tempdir()?;
    let shop = super::row::shop(arguments, &folder.path().join("shop"))?;
    let posts = |path: &str, body: &str| {
        (0..KEYS).map(|key| load::post(&path.replace("KEY", &format!("k{key}")), body)).collect::<Vec<_>>()
    };
    let requests = posts("/shop.Cart/KEY/addItem", super::row::CART_BODY);
    one(arguments, "in-process, Rust handler (rows 1 and 5)", &shop, requests, folder.path())?;
    drop(shop);
    let address = format!("127.0.0.1:{}", free_port()?);
    let _function = Server::start(Command::new(std::env::current_exe()?).args(["--serve-function", &address]))?;
    let proxy = super::row::sidecar::proxy(arguments, &address, &folder.path().join("proxy"))?;
    let requests = posts("/bench.Counter/KEY/count", &format!("{TEXT:?}"));
    one(arguments, "the proxy alone, without its function (row 8)", &proxy, requests, folder.path())
}

fn one(arguments: &Arguments, named: &str, server: &Server, requests: Vec<Vec<u8>>, folder: &Path) -> Outcome<()> {
    let plan = Plan {
        address: server.address,
        requests: Arc::new(requests),
        framing: load::http,
        callers: CALLERS,
        warm_up: Duration::ZERO,
        duration: arguments.duration(),
    };
    load::run(&Plan { duration: Duration::from_secs(1), ..plan.clone() })?;
    let samples = folder.join("perf.data");
    let recorder = record(server.id(), &samples)?;
    let (before, load) = (server.cpu(), load::run(&plan));
    let cpu_us = |load: &Load| (server.cpu() - before) * 1e6 / load.requests.max(1) as f64;
    let load = load.map(|load| (cpu_us(&load), load));
    end(recorder)?;
    let (cpu_us, load) = load?;
    println!("== {named}: {:.0} durable commands/s, {cpu_us:.1} µs of processor time each", load.per_second);
    print(&Shares::read(&samples)?, cpu_us);
    Ok(())
}

/// Samples a process, with the stack of every sample, until it is told to end.
fn record(id: u32, into: &Path) -> Outcome<Child> {
    let mut perf = Command::new("perf");
    // The clock of the system: virtual machines seldom have the counters of a processor.
    perf.args(["record", "--quiet", "-e", "cpu-clock", "-F", FREQUENCY, "-g", "-p", &id.to_string(), "-o"]).arg(into);
    Ok(perf.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

fn end(mut recorder: Child) -> Outcome<()> {
    crate::process::run(Command::new("kill").args(["-INT", &recorder.id().to_string()]))?;
    recorder.wait()?;
    Ok(())
}

fn print(shares: &Shares, cpu_us: f64) {
    let total = shares.total().max(1) as f64;
    println!("{:<44} {:>7} {:>8}", "part", "share", "µs");
    for (part, samples) in shares.parts() {
        let share = samples as f64 / total;
        println!("{part:<44} {:>6.1}% {:>8.1}", share * 100.0, share * cpu_us);
    }
    println!("{:<44} {:>7}", "most sampled functions", "share");
    for (function, samples) in shares.functions().take(15) {
        let short: String = function.chars().take(90).collect();
        println!("  {:>5.1}%  {short}", samples as f64 / total * 100.0);
    }
    println!("{} samples", shares.total());
}
