// SPDX-License-Identifier: Apache-2.0
//! `adjoin call`.

use crate::support::{Function, Host, Process, adjoin, run, text};

fn call(host: &Host, rest: &[&str]) -> (Option<i32>, String, String) {
    let mut command = adjoin();
    command.args(["call", "--address", &host.address()]).args(rest);
    let output = command.stdin(std::process::Stdio::null()).output().expect("run");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn commands_queries_and_refusals() {
    let function = Function::start();
    let host = Host::ready(&function.address, &["--memory"]);
    let book = r#"{"product":"p1","qty":2}"#;
    assert_eq!(call(&host, &["shop.Cart/ada", "addItem", book]), (Some(0), "1\n".into(), String::new()));
    let (code, out, _) = call(&host, &["shop.Cart/ada", "contents"]);
    assert_eq!((code, out.trim()), (Some(0), r#"[{"product":"p1","qty":2}]"#));

    let (code, out, said) = call(&host, &["shop.Cart/ada", "addItem", r#"{"product":"p1","qty":0}"#]);
    assert_eq!((code, out.as_str()), (Some(4), ""), "refused by user code");
    assert!(said.contains("qty must be positive"), "{said}");
    let (code, _, said) = call(&host, &["shop.Cart/ada", "addItem", "{"]);
    assert_eq!(code, Some(2), "no JSON: {said}");
    let (code, _, said) = call(&host, &["shop.Cart/ada", "fly"]);
    assert_eq!(code, Some(3), "no such command: {said}");
}

#[test]
fn an_idempotency_key_makes_a_second_call_harmless() {
    let function = Function::start();
    let host = Host::ready(&function.address, &["--memory"]);
    let add = ["shop.Cart/ada", "addItem", r#"{"product":"p1","qty":2}"#, "--idempotency-key", "k1"];
    assert_eq!(call(&host, &add).1, "1\n");
    assert_eq!(call(&host, &add).1, "1\n");
    let (code, ..) =
        call(&host, &["shop.Cart/ada", "addItem", r#"{"product":"p2","qty":2}"#, "--idempotency-key", "k1"]);
    assert_eq!(code, Some(4), "the same key with another body");
    let (code, ..) = call(&host, &["shop.Cart/ada", "addItem", r#"{"product":"p2","qty":2}"#, "--if-match", "7"]);
    assert_eq!(code, Some(4), "another sequence");
}

#[test]
fn a_body_can_come_from_standard_input() {
    let function = Function::start();
    let host = Host::ready(&function.address, &["--memory"]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("item.json");
    std::fs::write(&file, r#"{"product":"p1","qty":2}"#).expect("written");
    let mut command = adjoin();
    command.args(["call", "--address", &host.address(), "shop.Cart/a/b ü", "addItem", "-"]);
    let output = command.stdin(std::fs::File::open(&file).expect("opened")).output().expect("run");
    assert_eq!(text(&output.stdout), "1\n", "{}", text(&output.stderr));
}

#[test]
fn a_watch_prints_every_change() {
    let function = Function::start();
    let host = Host::ready(&function.address, &["--memory"]);
    let mut command = adjoin();
    command.args(["call", "--address", &host.address(), "shop.Cart/ada", "contents", "--watch"]);
    let mut watch = Process::start(&mut command);
    watch.line("[]");
    host.add("ada", "p1");
    watch.line(r#"[{"product":"p1","qty":1}]"#);
    host.process.signal("TERM");
    let (status, said) = watch.ended();
    assert_eq!(status.code(), Some(5), "{said}");
}

#[test]
fn the_same_port_speaks_grpc() {
    let function = Function::start();
    let host = Host::ready(&function.address, &["--memory"]);
    let add = ["shop.Cart/ada", "addItem", r#"{"product":"p1","qty":2}"#, "--grpc"];
    assert_eq!(call(&host, &add), (Some(0), "1\n".into(), String::new()));
    assert_eq!(call(&host, &["shop.Cart/ada", "contents", "--grpc"]).1.trim(), host.contents("ada"));
    let (code, _, said) = call(&host, &["shop.Cart/ada", "addItem", r#"{"product":"p1","qty":0}"#, "--grpc"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("qty must be positive"), "{said}");
    let mut command = adjoin();
    command.args(["call", "--address", &host.address(), "shop.Cart/ada", "contents", "--watch", "--grpc"]);
    let mut watch = Process::start(&mut command);
    watch.line("p1");
    host.add("ada", "p2");
    watch.line("p2");
}

#[test]
fn nothing_there_is_worth_another_try() {
    let output = run(&["call", "--address", "http://127.0.0.1:1", "shop.Cart/ada", "contents"]);
    assert_eq!(output.status.code(), Some(5));
    assert!(text(&output.stderr).contains("adjoin dev"));
}

#[test]
fn a_timeout_says_that_the_outcome_is_unknown() {
    let function = Function::start();
    let host = Host::ready(&function.address, &["--memory"]);
    let (code, _, said) = call(&host, &["shop.Cart/ada", "slow", "\"/no/such/file\"", "--timeout", "200ms"]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("unknown"), "{said}");
}
