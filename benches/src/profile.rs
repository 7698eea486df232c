// SPDX-License-Identifier: Apache-2.0
//! What a durable command spends its processor time on: `perf` samples a host under load, and every sample is booked to
//! one part. It says what holds a missed target back.

mod sample;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use self::sample::Shares;
use crate::load::{self, Plan};
use crate::process::{Server, free_port};
use crate::row::{claim, contract, sidecar};
use crate::{Arguments, Outcome};

/// Samples a second of processor time.
const FREQUENCY: &str = "999";

/// Profiles the host of rows 1 and 5, in-process in Rust, then the proxy of row 8; where the service on the Go SDK is
/// there, the proxy of the group contract instead.
pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    let found = Command::new("perf").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        return Err("`perf` is missing: on Debian, apt-get install linux-perf".into());
    }
    let folder = tempfile::tempdir()?;
    if arguments.cart_service.is_some() {
        let site = contract::Site::start(arguments, &folder.path().join("contract"))?;
        let durable = |time| site.durable(time);
        return one(
            "the proxy of a Cloudstate service, by gRPC (row 8, contract)",
            &site.proxy,
            arguments,
            &durable,
            folder.path(),
        );
    }
    let shop = claim::shop(arguments, &folder.path().join("shop"))?;
    let plan = claim::durable(arguments, &shop);
    one("in-process, Rust handler (rows 1 and 5)", &shop, arguments, &planned(&shop, plan), folder.path())?;
    drop(shop);
    let address = format!("127.0.0.1:{}", free_port()?);
    let _function = Server::start(Command::new(std::env::current_exe()?).args(["--serve-function", &address]))?;
    let proxy = sidecar::proxy(arguments, &address, &folder.path().join("proxy"))?;
    let plan = sidecar::durable(arguments, &proxy);
    one("the proxy alone, without its function (row 8)", &proxy, arguments, &planned(&proxy, plan), folder.path())
}

/// Durable commands a second, and the server's processor time in microseconds for each, of a load of so long.
type Loaded<'a> = dyn Fn(Duration) -> Outcome<(f64, f64)> + 'a;

fn planned(server: &Server, plan: Plan) -> impl Fn(Duration) -> Outcome<(f64, f64)> {
    move |duration| {
        let (load, cpu_us) = load::accounted(server, &Plan { duration, warm_up: Duration::ZERO, ..plan.clone() })?;
        Ok((load.per_second, cpu_us))
    }
}

fn one(named: &str, server: &Server, arguments: &Arguments, load: &Loaded<'_>, folder: &Path) -> Outcome<()> {
    load(Duration::from_secs(1))?;
    let samples = folder.join("perf.data");
    let recorder = record(server.id(), &samples)?;
    let measured = load(arguments.duration());
    end(recorder)?;
    let (per_second, cpu_us) = measured?;
    println!("== {named}: {per_second:.0} durable commands/s, {cpu_us:.1} µs of processor time each");
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
