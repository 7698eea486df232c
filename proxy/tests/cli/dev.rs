// SPDX-License-Identifier: Apache-2.0
//! `adjoin dev`: the user's process, restarted and ended.

use std::process::Command;

use crate::function::command_line;
use crate::support::{Host, adjoin, get, post, until};

fn dev(folder: &std::path::Path, arguments: &[&str]) -> Host {
    let mut command = adjoin();
    command.current_dir(folder).args(["dev", "--temp", "--function", "127.0.0.1:0"]);
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).args(arguments).arg("--").args(command_line());
    Host::start(&mut command)
}

/// The id in `function | function process 7 at …`.
fn function_of(host: &mut Host) -> u32 {
    let line = host.process.line("function process ");
    let id = line.split("process ").nth(1).and_then(|rest| rest.split(' ').next());
    id.and_then(|id| id.parse().ok()).expect("an id")
}

fn alive(id: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{id}/stat"));
    state.is_ok_and(|state| !state.contains(") Z"))
}

#[test]
fn dev_starts_the_function_and_says_what_to_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut host = dev(folder.path(), &[]);
    host.process.line("shop.Cart: addItem");
    let line = host.process.line("try: curl http://");
    assert!(line.contains("/shop.Cart/ada/addItem --json '{"), "{line}");
    assert_eq!(host.add("ada", "p1").body, "1");
}

#[test]
fn dev_restarts_a_function_that_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut host = dev(folder.path(), &[]);
    let first = function_of(&mut host);
    host.process.line("try: ");
    assert_eq!(host.add("ada", "p1").body, "1");
    // Redelivered after each restart, until the host gives it up as deadly.
    let listen = host.listen;
    let crash = std::thread::spawn(move || post(listen, "/shop.Cart/bob/crash", ""));
    let second = function_of(&mut host);
    assert_ne!(first, second);
    assert_eq!(crash.join().expect("answered").status, 500);
    assert_eq!(host.add("ada", "p2").body, "2", "the state outlives the function");
}

#[test]
fn dev_restarts_the_function_when_a_file_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut host = dev(folder.path(), &["--watch"]);
    let first = function_of(&mut host);
    host.process.line("try: ");
    host.add("ada", "p1");
    std::fs::write(folder.path().join("shop.py"), "print(1)").expect("written");
    host.process.line("shop.py");
    assert_ne!(function_of(&mut host), first);
    until("the end of the first", || (!alive(first)).then_some(()));
    assert!(host.contents("ada").contains("p1"));
}

#[test]
fn dev_leaves_no_process_behind() {
    for signal in ["INT", "TERM"] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut host = dev(folder.path(), &[]);
        let function = function_of(&mut host);
        host.process.line("try: ");
        host.process.signal(signal);
        let (status, said) = host.process.ended();
        assert!(status.success(), "{said}");
        until("the function's end", || (!alive(function)).then_some(()));
    }
}

#[test]
fn dev_that_is_killed_leaves_no_process_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut host = dev(folder.path(), &[]);
    let function = function_of(&mut host);
    host.process.line("try: ");
    assert!(alive(function));
    host.process.kill();
    until("the function's end", || (!alive(function)).then_some(()));
}

#[test]
fn dev_says_at_once_that_a_command_cannot_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = adjoin();
    command.current_dir(folder.path()).args(["dev", "--temp", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let output = command.args(["--function", "127.0.0.1:0", "--", "no-such-program"]).output().expect("run");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn dev_does_not_take_a_stranger_for_the_function() {
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let taken = stranger.local_addr().expect("an address").to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let mut command: Command = adjoin();
    command.current_dir(folder.path()).args(["dev", "--temp", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let output = command.args(["--function", &taken, "--", "true"]).output().expect("run");
    assert_eq!(output.status.code(), Some(5));
}

#[test]
fn dev_without_a_command_waits_for_a_function() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = adjoin();
    command.current_dir(folder.path()).args(["dev", "--temp", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let mut host = Host::start(command.args(["--function", "127.0.0.1:1"]));
    host.process.line("waiting for a function at 127.0.0.1:1");
    assert_eq!(get(host.admin, "/ready").status, 503);
}
