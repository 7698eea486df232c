// SPDX-License-Identifier: Apache-2.0
//! `adjoin entity` and `adjoin journal`, by the admin API.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Function, Host, Process, adjoin, ask, post, run, text, until};

fn shop() -> (Function, Host) {
    let function = Function::start();
    let host = Host::ready(&function.address, &["--memory"]);
    host.add("ada", "p1");
    host.add("ada", "p2");
    host.add("bob", "p1");
    post(host.listen, "/shop.Profile/ada/changeEmail", "\"ada@example.org\"");
    (function, host)
}

#[test]
fn types_and_entities_are_listed() {
    let (_function, host) = shop();
    assert_eq!(ask(&host, &["entity", "ls"]).1, "TYPE\nshop.Cart\nshop.Profile\n");
    let (_, out, _) = ask(&host, &["entity", "ls", "shop.Cart", "-o", "jsonl"]);
    let rows: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0]["key"], &rows[0]["sequence"]), (&"ada".into(), &2.into()));
    assert_eq!(
        ask(&host, &["entity", "ls", "shop.Cart", "--after", "ada", "--limit", "1", "-o", "json"]).1.lines().count(),
        2
    );
}

#[test]
fn an_entity_is_shown_as_the_function_has_it() {
    let (_function, host) = shop();
    let (_, out, _) = ask(&host, &["entity", "get", "shop.Cart/ada", "-o", "json"]);
    let view: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(view["sequence"], 2);
    assert_eq!(view["state_from"], "the function");
    assert_eq!(view["state"]["items"][1]["product"], "p2");
    let (code, ..) = ask(&host, &["entity", "get", "shop.Cart/nobody"]);
    assert_eq!(code, Some(3));
}

#[test]
fn a_history_is_every_record_in_order() {
    let (_function, host) = shop();
    let (_, out, _) = ask(&host, &["entity", "history", "shop.Cart/ada", "-o", "jsonl"]);
    let sequences: Vec<u64> = out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|row| row["sequence"].as_u64().expect("a number"))
        .collect();
    assert_eq!(sequences, [1, 2]);
    assert!(out.contains("ItemAdded") && !out.contains("bob"), "{out}");
    assert_eq!(ask(&host, &["entity", "history", "shop.Cart/nobody"]).0, Some(3));
}

#[test]
fn a_deletion_wants_a_word_and_stays_in_the_history() {
    let (_function, host) = shop();
    let (code, _, said) = ask(&host, &["entity", "delete", "shop.Cart/ada"]);
    assert_eq!(code, Some(2), "no terminal to ask: {said}");
    assert!(ask(&host, &["entity", "delete", "shop.Cart/ada", "--yes"]).1.contains("sequence 3"));
    assert_eq!(host.contents("ada"), "[]");
    assert!(ask(&host, &["entity", "history", "shop.Cart/ada"]).1.contains("delete"));
    assert!(!ask(&host, &["entity", "ls", "shop.Cart"]).1.contains("ada"));
    assert!(ask(&host, &["entity", "ls", "shop.Cart", "--deleted"]).1.contains("deleted"));
}

#[test]
fn a_purge_is_for_deleted_entities_whose_windows_have_passed() {
    let (_function, host) = shop();
    let purge = |words: &[&str]| ask(&host, &[&["entity", "purge", "shop.Cart"], words].concat());
    assert_eq!(purge(&["ada"]).0, Some(2), "no terminal to ask");
    let (code, _, said) = purge(&["ada", "--yes"]);
    assert!(code == Some(4) && said.contains("is not deleted"), "{said}");
    assert!(host.contents("ada").contains("p2"), "nothing was done");
    assert_eq!(purge(&["nobody", "--yes"]).0, Some(3));

    ask(&host, &["entity", "delete", "shop.Cart/ada", "--yes"]);
    let (code, out, said) = purge(&["ada", "--yes"]);
    assert_eq!((code, out.as_str()), (Some(0), "shop.Cart/ada is purged; it ended at sequence 3\n"), "{said}");
    assert!(!ask(&host, &["entity", "ls", "shop.Cart", "--deleted"]).1.contains("ada"));
    assert_eq!(ask(&host, &["entity", "history", "shop.Cart/ada"]).0, Some(3));
    assert!(host.contents("bob").contains("p1"), "only the one");
    assert_eq!(host.add("ada", "p9").body, "1");
    let (_, history, _) = ask(&host, &["entity", "history", "shop.Cart/ada", "-o", "jsonl"]);
    assert!(history.lines().count() == 1 && history.contains("\"sequence\":1"), "it begins again at 1: {history}");

    let item = r#"{"product":"p2","qty":1}"#;
    let words = ["call", "shop.Cart/bob", "addItem", item, "--idempotency-key", "once", "--address", &host.address()];
    assert!(run(&words).status.success());
    ask(&host, &["entity", "delete", "shop.Cart/bob", "--yes"]);
    let (code, _, said) = purge(&["bob", "--yes"]);
    assert!(code == Some(4) && said.contains("idempotency keys"), "{said}");
    assert_eq!(purge(&["bob", "--force", "--yes", "-o", "json"]).1, "{\"sequence\":3}\n");
}

#[test]
fn a_forced_purge_deletes_and_ends_the_activation() {
    let (_function, host) = shop();
    let (code, out, said) = ask(&host, &["entity", "purge", "shop.Cart/ada", "--force", "--yes"]);
    assert!(code == Some(0) && out.contains("sequence 3"), "{out}{said}");
    assert_eq!(ask(&host, &["entity", "passivate", "shop.Cart/ada"]).0, Some(3), "it is not active any more");
    assert_eq!(host.contents("ada"), "[]");
    assert_eq!(host.add("ada", "p1").body, "1");
}

/// Sets its flag when it goes.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Whatever comes between the steps of a purge: what is acknowledged afterwards is there, in a sequence from 1.
#[test]
fn purges_among_commands_leave_a_whole_entity() {
    let (_function, host) = shop();
    let (ended, listen) = (AtomicBool::new(false), host.listen);
    let purged = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !ended.load(Ordering::SeqCst) {
                    // Refused when its activation was of an entity that is gone, which it says.
                    let answer = post(listen, "/shop.Cart/ada/addItem", r#"{"product":"p1","qty":1}"#);
                    assert!(answer.status == 200 || answer.body.contains("\"outcome\":\"none\""), "{}", answer.body);
                }
            });
        }
        // However this ends: the callers end with it.
        let _callers = Ended(&ended);
        let mut purged = 0;
        until("purges that meet no command", || {
            let (code, _, said) = ask(&host, &["entity", "purge", "shop.Cart/ada", "--force", "--yes"]);
            assert!(matches!(code, Some(0 | 3 | 4 | 5)), "{code:?}: {said}");
            purged += usize::from(code == Some(0));
            (purged == 5).then_some(())
        });
        purged
    });
    until("a command that is taken", || (host.add("ada", "p2").status == 200).then_some(()));
    assert!(host.contents("ada").contains("p2"), "after {purged} purges");
    let (_, history, _) = ask(&host, &["entity", "history", "shop.Cart/ada", "-o", "jsonl"]);
    let sequences: Vec<u64> = history
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|row| row["sequence"].as_u64().expect("a number"))
        .collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_watched_entity_is_not_purged() {
    let (_function, host) = shop();
    ask(&host, &["entity", "delete", "shop.Cart/ada", "--yes"]);
    let mut watch = adjoin();
    let words = ["call", "shop.Cart/ada", "contents", "--watch", "--address", &host.address()];
    let mut watch = Process::start(watch.args(words));
    watch.line("[]");
    let (code, _, said) = ask(&host, &["entity", "purge", "shop.Cart/ada", "--yes"]);
    assert!(code == Some(5) && said.contains("watched"), "{said}");
    assert!(ask(&host, &["entity", "history", "shop.Cart/ada"]).1.contains("delete"), "nothing was done");
}

#[test]
fn an_idle_entity_is_passivated_by_type_and_key() {
    let (_function, host) = shop();
    let active = || {
        let status: serde_json::Value =
            serde_json::from_str(&crate::support::get(host.admin, "/admin/status").body).expect("JSON");
        status["loops"]
            .as_array()
            .expect("loops")
            .iter()
            .map(|one| one["entities"].as_u64().expect("a number"))
            .sum::<u64>()
    };
    let before = active();
    let (code, out, said) = ask(&host, &["entity", "passivate", "shop.Cart", "ada"]);
    assert_eq!((code, out.contains("sequence 2")), (Some(0), true), "{out}{said}");
    assert_eq!(active(), before - 1);
    assert_eq!(ask(&host, &["entity", "passivate", "shop.Cart/ada"]).0, Some(3), "it is not active any more");
    assert!(host.contents("ada").contains("p2"), "it comes back whole");
    assert_eq!(ask(&host, &["entity", "passivate", "shop.Cart/bob", "-o", "json"]).1, "{\"sequence\":1}\n");
}

#[test]
fn a_journal_is_tailed_and_followed() {
    let (_function, host) = shop();
    assert_eq!(ask(&host, &["journal", "tail", "-n", "2", "-o", "jsonl"]).1.lines().count(), 2);
    assert_eq!(ask(&host, &["journal", "cat", "-o", "jsonl"]).1.lines().count(), 4);
    let (_, carts, _) = ask(&host, &["journal", "cat", "--type", "shop.Profile", "-o", "jsonl"]);
    assert!(carts.contains("ada@example.org") && carts.lines().count() == 1, "{carts}");

    let mut command = adjoin();
    let mut tail = Process::start(command.args(["journal", "tail", "--follow", "-n", "1", "--admin", &host.admin()]));
    tail.line("shop.");
    host.add("carol", "p9");
    tail.line("shop.Cart/carol");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let (_function, host) = shop();
    let mut command = std::process::Command::new("sh");
    let line = format!(
        "{} journal cat --admin {} | true; exit ${{PIPESTATUS:-0}}",
        env!("CARGO_BIN_EXE_adjoin"),
        host.admin()
    );
    let output = command.args(["-c", &line]).output().expect("run");
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn pages_of_other_origins_are_kept_out() {
    use std::io::{Read, Write};
    let (_function, host) = shop();
    for head in ["host: evil.example", "host: 127.0.0.1\r\norigin: https://evil.example"] {
        let mut stream = std::net::TcpStream::connect(host.admin).expect("connected");
        write!(stream, "DELETE /admin/entities/shop.Cart/ada HTTP/1.1\r\nconnection: close\r\n{head}\r\n\r\n")
            .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    }
    assert!(host.contents("ada").contains("p1"));
}
