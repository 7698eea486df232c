// SPDX-License-Identifier: Apache-2.0
//! `adjoin schema`.

use std::path::Path;

use crate::function::command_line;
use crate::support::{Function, adjoin, free_port, text, until};

fn schema(folder: &Path, words: &[&str], function: &str) -> (Option<i32>, String, String) {
    let mut command = adjoin();
    command.current_dir(folder).arg("schema").args(words).args(["--function", function]);
    let output = command.output().expect("run");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_lock_file_is_written_checked_and_exported() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = Function::start();
    let address = function.address.clone();
    until("a function that listens", || std::net::TcpStream::connect(&address).ok());
    assert_eq!(schema(folder.path(), &["check"], &address).0, Some(3), "there is none yet");
    let (code, out, said) = schema(folder.path(), &["lock"], &address);
    assert_eq!(code, Some(0), "{said}");
    assert!(out.contains("qty") && out.contains("adjoin.lock.json is written"), "{out}");
    assert_eq!(schema(folder.path(), &["check"], &address).0, Some(0));
    assert!(schema(folder.path(), &["lock"], &address).1.contains("is current"));

    let mut serve = adjoin();
    let printed = serve.current_dir(folder.path()).args(["serve", "--print-settings"]).output().expect("run").stdout;
    assert!(text(&printed).contains("adjoin.lock.json"), "a host takes the lock file that it finds");

    let file = folder.path().join("adjoin.lock.json");
    let locked = std::fs::read_to_string(&file).expect("read");
    std::fs::write(&file, locked.replace("\"qty\"", "\"amount\"")).expect("written");
    let (code, _, said) = schema(folder.path(), &["check"], &address);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("qty"), "{said}");

    let (code, out, said) = schema(folder.path(), &["export", "--into", "proto"], &address);
    assert_eq!(code, Some(0), "{said}");
    let proto = std::fs::read_to_string(folder.path().join(out.lines().next().expect("a file"))).expect("read");
    assert!(proto.contains("rpc AddItem"), "{proto}");
}

#[test]
fn the_function_can_be_started_for_the_question() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = adjoin();
    command.current_dir(folder.path()).args(["schema", "lock", "--function", &address, "--"]).args(command_line());
    let output = command.output().expect("run");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(folder.path().join("adjoin.lock.json").exists());
    assert!(std::net::TcpStream::connect(&address).is_err(), "it is ended again");
}
