// SPDX-License-Identifier: Apache-2.0
//! Help, completions, exit codes of wrong use.

use crate::support::{adjoin, run, text};

#[test]
fn every_command_has_help_with_examples() {
    for command in ["dev", "serve", "call", "entity", "journal", "schema", "conformance", "doctor"] {
        let output = run(&[command, "--help"]);
        assert!(output.status.success());
        assert!(text(&output.stdout).contains("Examples:"), "{command}");
    }
}

#[test]
fn wrong_use_is_2_and_nothing_there_is_5() {
    assert_eq!(run(&["fly"]).status.code(), Some(2));
    assert_eq!(run(&["call", "shop.Cart", "x"]).status.code(), Some(2));
    assert_eq!(run(&["entity", "ls", "--admin", "127.0.0.1:1"]).status.code(), Some(5));
    assert_eq!(run(&["entity", "ls", "--data", "no-such-folder"]).status.code(), Some(3));
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&run(&["completions", shell]).stdout);
        assert!(script.contains("serve") && script.contains("journal"), "{shell}");
    }
}

#[test]
fn there_is_no_colour_where_nobody_sees_it() {
    let output = adjoin().args(["call", "shop.Cart/a", "x", "--address", "127.0.0.1:1"]).output().expect("run");
    assert!(!output.stderr.contains(&0x1b), "{}", text(&output.stderr));
}

#[test]
fn doctor_finds_what_keeps_a_host_from_serving() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let listen = taken.local_addr().expect("an address").to_string();
    let output =
        run(&["doctor", "--listen", &listen, "--admin", "127.0.0.1:0", "--function", "127.0.0.1:1", "-o", "jsonl"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(said.lines().any(|line| line.contains("clients' port") && line.contains("bad")), "{said}");
    assert!(said.lines().any(|line| line.contains("function") && line.contains("doubtful")), "{said}");
}

#[test]
fn conformance_lists_its_rules_and_wants_a_function() {
    let listed = text(&run(&["conformance", "list"]).stdout);
    assert!(listed.starts_with("| rule |") && listed.lines().count() > 10, "{listed}");
    assert_eq!(run(&["conformance", "run"]).status.code(), Some(2));
    let nobody =
        run(&["conformance", "run", "--function", "127.0.0.1:1", "--store", "memory", "--case", "no-such-case"]);
    assert_eq!(nobody.status.code(), Some(1), "no case was asked");
}
