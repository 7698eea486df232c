// SPDX-License-Identifier: Apache-2.0
//! `adjoin effects`, and durable effects over `kill -9`.

use serde_json::Value;

use crate::support::{Function, Host, ask, offline, on, post, rows, until};

/// Effects that have not ended.
fn listed(host: &Host) -> Vec<Value> {
    rows(&ask(host, &["effects", "ls", "-o", "jsonl"]))
}

fn place(row: &Value) -> String {
    format!("{}:{}", row["shard"], row["position"])
}

/// `ada` gives `bob` something, and keeps one.
fn gift(host: &Host, product: &str, qty: u32) {
    let body = format!(r#"{{"to":"bob","item":{{"product":"{product}","qty":{qty}}}}}"#);
    let answer = post(host.listen, "/shop.Cart/ada/gift", &body);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// The effect of a command that fails, once it has failed.
fn failing(host: &Host) -> Value {
    gift(host, "too much", 99);
    until("a failure", || listed(host).into_iter().find(|row| row["attempts"].as_u64() > Some(0)))
}

#[test]
fn a_failing_effect_is_listed_tried_again_and_dropped() {
    let function = Function::start();
    let host = Host::ready(&function.address, &["--memory"]);
    let row = failing(&host);
    assert_eq!(
        (&row["entity_type"], &row["key"], &row["command"]),
        (&"shop.Cart".into(), &"bob".into(), &"burst".into())
    );
    assert!(row["error"].as_str().is_some_and(|error| error.starts_with("Internal")), "{row}");
    assert!(ask(&host, &["effects", "ls"]).1.starts_with("PLACE"));
    assert!(rows(&ask(&host, &["effects", "ls", "--stuck", "-o", "jsonl"])).is_empty());
    let at = place(&row);
    assert_eq!(rows(&ask(&host, &["effects", "ls", "--after", "0:0", "--limit", "1", "-o", "jsonl"])).len(), 1);
    assert!(rows(&ask(&host, &["effects", "ls", "--after", &at, "-o", "jsonl"])).is_empty());
    assert_eq!(ask(&host, &["effects", "ls", "--after", "here"]).0, Some(2));
    let retried = ask(&host, &["effects", "retry", &at, "-o", "json"]);
    assert_eq!((retried.0, &rows(&retried)[0]["place"]), (Some(0), &at.clone().into()));
    until("the drop", || (ask(&host, &["effects", "drop", &at]).0 == Some(0)).then_some(()));
    assert!(listed(&host).is_empty());
    let (code, _, error) = ask(&host, &["effects", "retry", &at]);
    assert_eq!(code, Some(3), "{error}");
    assert_eq!(ask(&host, &["effects", "drop", "nowhere"]).0, Some(2));
}

#[test]
fn effects_outlive_kill_9_and_are_made_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = Function::start();
    let host = on(folder.path(), &function);
    for count in 1..=30 {
        gift(&host, &format!("p{count}"), 1);
    }
    host.process.kill();
    let host = on(folder.path(), &function);
    until("no effect left", || listed(&host).is_empty().then_some(()));
    let items: Vec<Value> = serde_json::from_str(&host.contents("bob")).expect("a list");
    let expected: Vec<Value> = (1..=30).map(|count| format!("p{count}").into()).collect();
    let products: Vec<Value> = items.into_iter().map(|item| item["product"].clone()).collect();
    assert_eq!(products, expected, "each once, in order");
}

#[test]
fn a_closed_folder_shows_its_effects_and_lets_them_be_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = Function::start();
    let host = on(folder.path(), &function);
    let at = place(&failing(&host));
    host.process.kill();
    let left = rows(&offline(folder.path(), &["effects", "ls", "-o", "jsonl"]));
    assert_eq!(left.iter().map(place).collect::<Vec<_>>(), std::slice::from_ref(&at));
    assert_eq!(offline(folder.path(), &["effects", "retry", &at]).0, Some(2));
    assert_eq!(offline(folder.path(), &["effects", "drop", &at]).0, Some(0));
    assert!(rows(&offline(folder.path(), &["effects", "ls", "-o", "jsonl"])).is_empty());
    let records = rows(&offline(folder.path(), &["journal", "cat", "-o", "jsonl"]));
    let done = records.iter().find(|row| row["what"] == "done").expect("an end");
    assert_eq!((&done["name"], &done["key"]), (&"dropped".into(), &"bob".into()));
    let (code, report, error) = offline(folder.path(), &["journal", "verify"]);
    assert_eq!(code, Some(0), "{report}{error}");
}
