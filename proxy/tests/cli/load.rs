// SPDX-License-Identifier: Apache-2.0
//! Ends under load: what was answered is there, what was refused without effect is not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::{Function, Host, try_request, until};

const CALLERS: u32 = 6;

/// What one caller was told.
#[derive(Default)]
struct Told {
    answered: u32,
    /// The connection broke, or the host said that it does not know.
    unknown: Vec<String>,
}

/// Each caller fills a cart of its own until the host is gone.
fn shop(listen: SocketAddr, caller: u32, answered: &AtomicU32) -> Told {
    let mut told = Told::default();
    loop {
        let path = format!("/shop.Cart/caller-{caller}/addItem");
        match try_request(listen, "POST", &path, r#"{"product":"p","qty":1}"#) {
            Ok(answer) if answer.status == 200 => {
                told.answered += 1;
                assert_eq!(answer.body, told.answered.to_string(), "each answer counts one more");
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) if answer.body.contains("\"outcome\":\"none\"") => return told,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => return told,
            Ok(answer) => {
                told.unknown.push(format!("{} {}", answer.status, answer.body));
                return told;
            }
            Err(error) => {
                told.unknown.push(error.to_string());
                return told;
            }
        }
    }
}

/// Runs callers until `end` has ended the host; says what each was told.
fn under_load(host: Host, end: impl FnOnce(Host)) -> BTreeMap<u32, Told> {
    let answered = Arc::new(AtomicU32::new(0));
    let listen = host.listen;
    let callers = (0..CALLERS).map(|caller| {
        let answered = answered.clone();
        (caller, std::thread::spawn(move || shop(listen, caller, &answered)))
    });
    let callers: Vec<_> = callers.collect();
    until("some answers", || (answered.load(Ordering::Relaxed) >= 60).then_some(()));
    end(host);
    callers.into_iter().map(|(caller, thread)| (caller, thread.join().expect("told"))).collect()
}

fn check(host: &Host, told: &BTreeMap<u32, Told>) {
    for (caller, told) in told {
        let kept = host.contents(&format!("caller-{caller}")).matches("\"product\"").count() as u32;
        let most = told.answered + told.unknown.len() as u32;
        assert!((told.answered..=most).contains(&kept), "caller {caller}: {kept} kept, {} answered", told.answered);
    }
}

#[test]
fn a_drain_under_load_cuts_nobody_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display().to_string();
    let function = Function::start();
    let told = under_load(Host::ready(&function.address, &["--data", &path]), |host| {
        host.process.signal("TERM");
        let (status, said) = host.process.ended();
        assert!(status.success(), "{said}");
    });
    let doubts: Vec<&String> = told.values().flat_map(|told| &told.unknown).collect();
    assert!(doubts.is_empty(), "a drained host leaves no doubt: {doubts:?}");
    check(&Host::ready(&function.address, &["--data", &path]), &told);
}

#[test]
fn a_kill_under_load_loses_nothing_that_was_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display().to_string();
    let function = Function::start();
    let told = under_load(Host::ready(&function.address, &["--data", &path]), |host| host.process.kill());
    check(&Host::ready(&function.address, &["--data", &path]), &told);
}
