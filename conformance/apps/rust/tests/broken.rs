// SPDX-License-Identifier: Apache-2.0
//! The cases find broken hosts and broken SDKs out, rule by rule, and an honest one not.
#![expect(clippy::print_stdout, reason = "how many cases are red for each is worth reading")]

use adjoin_conformance::{Choice, Function, Home, Launch, Report, Store, Target, run};

/// Broken machines: the variant's name, the rule whose cases must find it out, and where it shows.
const MACHINES: &[(&str, &str, Home)] = &[
    ("watch-element-sent-again", "1", Home::InProcess),
    ("reply-released-before-durable", "2", Home::InProcess),
    ("no-dedup", "8", Home::InProcess),
    ("dedup-records-not-loaded", "8", Home::InProcess),
    ("duplicate-runs-beside-its-twin", "8", Home::InProcess),
    ("expired-command-said-to-have-no-effect", "9", Home::InProcess),
    ("command-that-expired-in-its-mailbox-runs-all-the-same", "9", Home::InProcess),
    ("answered-command-redelivered", "10", Home::Sidecar),
    ("numbering-restarts-after-a-delete", "13", Home::InProcess),
    ("expected-sequence-checked-beside-running-commands", "conditions", Home::InProcess),
];

/// Rules of one node that a broken host and a broken SDK must both be found out by.
const BOTH: &[&str] = &["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13"];

fn target(home: Home, broken: Option<&str>) -> Target {
    Target {
        sdk: broken.unwrap_or("honest").to_owned(),
        home,
        store: Store::RocksDb,
        contract_first: false,
        function: Function::App(Launch::new(env!("CARGO_BIN_EXE_adjoin-conformance-app"))),
        adjoin: env!("CARGO_BIN_EXE_adjoin-conformance-host").into(),
        broken: broken.map(str::to_owned),
    }
}

async fn ask(home: Home, broken: &str, rule: &str) -> Report {
    let choice = Choice { name: None, rule: Some(rule.to_owned()) };
    run(&target(home, Some(broken)), &choice).await.expect("processes that start")
}

/// Redelivery shows only where the function's process dies alone.
fn home_of(mutant: adjoin::Mutant) -> Home {
    match mutant.name() {
        "attempt-hidden" | "redelivery-refused" => Home::Sidecar,
        _ => Home::InProcess,
    }
}

/// Some variants do harm only in the moment between an answer and its append: a kill has to meet it.
const TRIES: usize = 3;

/// Says so if no case of the rule turns red.
async fn found_out(home: Home, broken: &str, rule: &str) -> Option<String> {
    let mut missed = None;
    for _ in 0..TRIES {
        let report = ask(home, broken, rule).await;
        println!("{broken} (rule {rule}): {} red of {}", report.count("failed"), report.outcomes.len());
        if report.broken_rules().contains(&rule) {
            return None;
        }
        missed = Some(format!("no case of rule {rule} is red for {broken}:\n{}", report.table()));
    }
    missed
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_sdk_is_found_out() {
    let mut missed = Vec::new();
    for mutant in adjoin::Mutant::ALL.into_iter().filter(|mutant| mutant.side() == "sdk") {
        missed.extend(found_out(home_of(mutant), mutant.name(), mutant.rule()).await);
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_host_is_found_out() {
    let mut missed = Vec::new();
    for mutant in adjoin::Mutant::ALL.into_iter().filter(|mutant| mutant.side() == "host") {
        missed.extend(found_out(home_of(mutant), mutant.name(), mutant.rule()).await);
    }
    for (name, rule, home) in MACHINES {
        missed.extend(found_out(*home, name, rule).await);
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn every_rule_has_a_broken_host_and_a_broken_sdk() {
    for rule in BOTH {
        let of = |side: &str| adjoin::Mutant::ALL.into_iter().any(|m| m.side() == side && m.rule() == *rule);
        assert!(of("sdk"), "no broken SDK for rule {rule}");
        assert!(of("host") || MACHINES.iter().any(|(_, broken, _)| broken == rule), "no broken host for rule {rule}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_host_and_sdk_pass_every_case() {
    for home in [Home::InProcess, Home::Sidecar] {
        let report = run(&target(home, None), &Choice::default()).await.expect("processes that start");
        assert!(report.is_good(), "{}", report.table());
    }
}
