// SPDX-License-Identifier: Apache-2.0
//! `adjoin eventing`, and events over `kill -9`.

use std::path::Path;

use serde_json::Value;

use crate::support::{Function, Host, ask, offline, rows, until};

const LS: [&str; 4] = ["eventing", "ls", "-o", "jsonl"];
const DEAD: [&str; 5] = ["eventing", "ls", "--dead", "-o", "jsonl"];

fn on(folder: &Path, function: &Function) -> Host {
    let settings = folder.join("settings.toml");
    let retries = "[engine]\neffect_attempts = 2\neffect_retry_ms = 10\n";
    std::fs::write(&settings, retries).expect("settings");
    let (data, settings) = (folder.join("journal").display().to_string(), settings.display().to_string());
    Host::ready(&function.address, &["--data", &data, "--settings", &settings])
}

/// The mails that were sent.
fn mails(folder: &Path) -> Vec<String> {
    let all = std::fs::read_to_string(folder.join("mails")).unwrap_or_default();
    all.lines().map(|line| line.split_once(',').map_or(line, |(first, _)| first).to_owned()).collect()
}

fn mail(cart: &str, product: &str) -> String {
    format!(r#"{cart} {{"product":"{product}""#)
}

/// The only consumer, once it has nothing left to do.
fn idle(host: &Host) -> Value {
    until("a consumer without events", || {
        let all = rows(&ask(host, &LS));
        all.into_iter().find(|row| row["open"] == 0 && row["behind"] == 0)
    })
}

#[test]
fn a_dead_letter_is_listed_retried_and_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("broken"), "").expect("broken");
    let function = Function::listener(folder.path());
    let host = on(folder.path(), &function);
    host.add("ada", "tea");
    host.add("ada", "jam");
    let dead = until("two dead letters", || Some(rows(&ask(&host, &DEAD))).filter(|dead| dead.len() == 2));
    assert_eq!((&dead[0]["entity"], &dead[0]["attempts"]), (&"shop.Cart/ada".into(), &2.into()));
    assert!(dead[0]["error"].as_str().is_some_and(|error| error.contains("no mail today")), "{dead:?}");
    let listed = idle(&host);
    assert_eq!(
        (&listed["log"], &listed["group"], &listed["declared"], &listed["dead"]),
        (&"shop.Cart".into(), &"mail/all".into(), &true.into(), &2.into())
    );
    assert!(ask(&host, &["eventing", "ls"]).1.starts_with("LOG"));
    assert!(ask(&host, &["eventing", "ls", "--dead"]).1.starts_with("LETTER"));
    let (_, first, note) = ask(&host, &["eventing", "ls", "--dead", "--limit", "1", "-o", "jsonl"]);
    assert_eq!((first.lines().count(), note.contains("only the first 1;")), (1, true), "{note}");
    let of = |consumer: &str| rows(&ask(&host, &[&DEAD[..], &["--consumer", consumer]].concat())).len();
    assert_eq!((of("shop.Cart/mail/all"), of("shop.Cart/other")), (2, 0));
    assert_eq!(ask(&host, &["eventing", "ls", "--consumer", "mail"]).0, Some(2));
    let shards = rows(&ask(&host, &["eventing", "ls", "--shards", "-o", "jsonl"]));
    assert!(shards.iter().any(|row| row["dead"].as_array().is_some_and(|dead| dead.len() == 2)), "{shards:?}");

    std::fs::remove_file(folder.path().join("broken")).expect("mended");
    let letter = |row: &Value| row["letter"].as_str().expect("a letter").to_owned();
    let (first, second) = (letter(&dead[0]), letter(&dead[1]));
    assert_eq!(ask(&host, &["eventing", "retry", &first]).0, Some(0));
    until("a mail", || (mails(folder.path()) == [mail("ada", "tea")]).then_some(()));
    until("one letter less", || (rows(&ask(&host, &DEAD)).len() == 1).then_some(()));
    let (code, said, _) = ask(&host, &["eventing", "drop", &second, "-o", "json"]);
    assert_eq!((code, rows(&(code, said, String::new()))[0]["letter"].as_str()), (Some(0), Some(&*second)));
    assert!(rows(&ask(&host, &DEAD)).is_empty());
    assert_eq!(ask(&host, &["eventing", "retry", &second]).0, Some(3));
    assert_eq!(ask(&host, &["eventing", "drop", "nowhere"]).0, Some(2));
    assert_eq!(mails(folder.path()).len(), 1);
}

#[test]
fn events_outlive_kill_9_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = Function::listener(folder.path());
    let host = on(folder.path(), &function);
    for count in 1..=30 {
        host.add("ada", &format!("p{count}"));
    }
    host.process.kill();
    let host = on(folder.path(), &function);
    host.add("ada", "p31");
    let last = mail("ada", "p31");
    until("the last mail", || mails(folder.path()).contains(&last).then_some(()));
    idle(&host);
    let mut sent = mails(folder.path());
    // Those that it had not noted when it was killed came twice.
    let mut seen = std::collections::BTreeSet::new();
    sent.retain(|mail| seen.insert(mail.clone()));
    let expected: Vec<String> = (1..=31).map(|count| mail("ada", &format!("p{count}"))).collect();
    assert_eq!(sent, expected, "each, in order");
    host.process.kill();
    let before = mails(folder.path()).len();
    let host = on(folder.path(), &function);
    idle(&host);
    assert_eq!(mails(folder.path()).len(), before, "all that was noted is not given again");
}

#[test]
fn a_closed_folder_shows_its_consumers_and_lets_letters_be_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("broken"), "").expect("broken");
    let function = Function::listener(folder.path());
    let host = on(folder.path(), &function);
    host.add("ada", "tea");
    let dead = until("a dead letter", || rows(&ask(&host, &DEAD)).pop());
    host.process.kill();
    let data = folder.path().join("journal");
    let listed = rows(&offline(&data, &LS));
    assert_eq!((&listed[0]["dead"], &listed[0]["declared"]), (&1.into(), &Value::Null), "{listed:?}");
    let letter = dead["letter"].as_str().expect("a letter");
    assert_eq!(rows(&offline(&data, &DEAD))[0]["letter"], letter);
    assert_eq!(offline(&data, &["eventing", "retry", letter]).0, Some(2));
    assert_eq!(offline(&data, &["eventing", "drop", letter]).0, Some(0));
    assert!(rows(&offline(&data, &DEAD)).is_empty());
    let records = rows(&offline(&data, &["journal", "cat", "-o", "jsonl"]));
    let noted: Vec<&str> =
        records.iter().filter(|row| row["what"] == "consumed").filter_map(|row| row["name"].as_str()).collect();
    assert!(noted.contains(&"dead") && noted.ends_with(&["dropped"]), "{noted:?}");
    let (code, report, error) = offline(&data, &["journal", "verify"]);
    assert_eq!(code, Some(0), "{report}{error}");
}
