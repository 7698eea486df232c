// SPDX-License-Identifier: Apache-2.0
//! Rows 1, 2, 3 and 5: durable commands over HTTP with the handler in-process, against the stateless service on
//! PostgreSQL and against Redis, on 1 000 keys and on one.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::load::{self, Load, Plan};
use crate::peer::postgres::Postgres;
use crate::peer::redis::{self, Redis};
use crate::process::Server;
use crate::report::{Target, median};
use crate::{Arguments, Outcome};

const CALLERS: usize = 50;
const KEYS: usize = 1000;
const CART: &str = "/shop.Cart/KEY/addItem";
/// Makes an event of about 100 bytes.
const BODY: &str = r#"{"name":"A book about state that stays where its code is","product":"p1","qty":1}"#;

/// One side of a comparison in every round.
struct Side<'a> {
    name: &'a str,
    plan: Plan,
    cpu: &'a dyn Fn() -> f64,
    rounds: Vec<(Load, f64)>,
}

impl Side<'_> {
    fn measure(&mut self) -> Outcome<()> {
        let before = (self.cpu)();
        let load = load::run(&self.plan)?;
        // The warm-up's share of the processor is the same on every side.
        let cpu_us = ((self.cpu)() - before) * 1e6 / load.requests.max(1) as f64;
        println!(
            "{:<34} {:>9.0}/s  p50 {:>7.2} ms  p99 {:>7.2} ms  cpu {cpu_us:>6.0} µs",
            self.name, load.per_second, load.p50_ms, load.p99_ms
        );
        self.rounds.push((load, cpu_us));
        Ok(())
    }

    fn rate(&self) -> f64 {
        median(self.rounds.iter().map(|(load, _)| load.per_second))
    }

    fn p99(&self) -> f64 {
        median(self.rounds.iter().map(|(load, _)| load.p99_ms))
    }

    fn cpu_us(&self) -> f64 {
        median(self.rounds.iter().map(|(_, cpu)| *cpu))
    }
}

fn plan(arguments: &Arguments, server: std::net::SocketAddr, requests: Vec<Vec<u8>>) -> Plan {
    Plan {
        address: server,
        requests: Arc::new(requests),
        framing: load::http,
        callers: CALLERS,
        warm_up: Duration::from_secs(1),
        duration: arguments.duration(),
    }
}

/// The load of row 1 on a shop.
pub(crate) fn durable(arguments: &Arguments, shop: &Server) -> Plan {
    plan(arguments, shop.address, load::posts(KEYS, CART, BODY))
}

pub(crate) fn shop(arguments: &Arguments, folder: &std::path::Path) -> Outcome<Server> {
    let mut command = Command::new(arguments.program("shop")?);
    Server::start(command.arg("open").arg(folder).args(["--http", "127.0.0.1:0"]))
}

pub(super) fn python_shop(arguments: &Arguments, folder: &std::path::Path) -> Outcome<Server> {
    let python = arguments.python.as_ref().ok_or("row 3 needs --python: use `cargo xtask bench`")?;
    let shop = arguments.checkout.join("examples/shop/python/shop.py");
    Server::start(Command::new(python).arg(shop).arg("open").arg(folder).args(["--http", "127.0.0.1:0"]))
}

pub(super) fn run(arguments: &Arguments) -> Outcome<Vec<Target>> {
    let mut targets = Vec::new();
    for (keys, named) in [(KEYS, "1000-keys"), (1, "hot-key")] {
        targets.extend(compare(arguments, keys, named)?);
    }
    Ok(targets)
}

fn compare(arguments: &Arguments, keys: usize, named: &str) -> Outcome<Vec<Target>> {
    let folders = (tempfile::tempdir()?, tempfile::tempdir()?);
    let rust = shop(arguments, folders.0.path())?;
    let python = python_shop(arguments, folders.1.path())?;
    let postgres = Postgres::start()?;
    let service = Server::start(Command::new(std::env::current_exe()?).arg("--peer-service").arg(postgres.database()))?;
    let redis = Redis::start()?;
    let service_cpu = || service.cpu() + postgres.cpu();
    let increments = Plan {
        requests: Arc::new(redis::increments(keys)),
        framing: load::redis,
        ..plan(arguments, redis.address, Vec::new())
    };
    let side = |name, plan, cpu| Side { name, plan, cpu, rounds: Vec::new() };
    let (rust_cpu, python_cpu, redis_cpu) = (|| rust.cpu(), || python.cpu(), || redis.cpu());
    let mut sides = [
        side("adjoin in-process, Rust", plan(arguments, rust.address, load::posts(keys, CART, BODY)), &rust_cpu),
        side("adjoin in-process, Python", plan(arguments, python.address, load::posts(keys, CART, BODY)), &python_cpu),
        side(
            "stateless + PostgreSQL, FOR UPDATE",
            plan(arguments, service.address, load::posts(keys, "/locked/KEY", BODY)),
            &service_cpu,
        ),
        side(
            "stateless + PostgreSQL, 1 statement",
            plan(arguments, service.address, load::posts(keys, "/one/KEY", BODY)),
            &service_cpu,
        ),
        side("Redis INCR, fsync always", increments, &redis_cpu),
    ];
    for round in 1..=arguments.rounds() {
        println!("-- {named}, round {round} of {}", arguments.rounds());
        for side in &mut sides {
            side.measure()?;
        }
    }
    Ok(judge(&sides, keys, named))
}

fn judge(sides: &[Side<'_>; 5], keys: usize, named: &str) -> Vec<Target> {
    let [rust, python, locked, one, redis] = sides;
    let (row, factor, python_factor) = if keys > 1 { (1, 5.0, 2.5) } else { (2, 20.0, 10.0) };
    let beside = format!(
        "cpu a command: Rust {:.0} µs, Python {:.0} µs, FOR UPDATE {:.0} µs, one statement {:.0} µs ({:.0}/s)",
        rust.cpu_us(),
        python.cpu_us(),
        locked.cpu_us(),
        one.cpu_us(),
        one.rate()
    );
    let mut targets = vec![
        Target::more(row, &format!("rust-{named}"), rust.rate(), locked.rate(), "/s", factor).note(beside),
        Target::less(row, &format!("rust-{named}-p99"), rust.p99(), locked.p99(), "ms"),
        Target::more(3, &format!("python-{named}"), python.rate(), locked.rate(), "/s", python_factor),
    ];
    if keys > 1 {
        targets.push(Target::more(5, "rust-redis", rust.rate(), redis.rate(), "/s", 1.5));
        targets.push(Target::more(5, "python-redis", python.rate(), redis.rate(), "/s", 1.0));
    }
    targets
}
