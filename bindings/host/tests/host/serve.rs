// SPDX-License-Identifier: Apache-2.0
//! A function that a proxy dials: here the proxy is an engine in this process.

use std::sync::Arc;

use adjoin_engine::{Engine, Settings, SystemClock};
use adjoin_function::{Address, DialSettings, Supervised, supervise};
use adjoin_model::{Kind, Limits};
use adjoin_storage::MemoryStore;
use tokio::runtime::Runtime;

use crate::foreign::{Foreign, PATIENCE, answer, cart, settings, text};

/// A proxy's half: engine, and the function that it keeps connected.
struct Proxy {
    runtime: Runtime,
    engine: Engine,
    function: Option<Supervised>,
}

impl Proxy {
    fn new(address: &str) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let address: Address = address.parse().expect("an address");
        let (engine, function) = runtime.block_on(async {
            let store = Arc::new(MemoryStore::new(16, 1).expect("a store"));
            let engine = Engine::start(store, Settings::default(), Arc::new(SystemClock)).await.expect("an engine");
            let function = supervise(address, DialSettings::default(), Limits::default(), engine.clone());
            (engine, function)
        });
        Self { runtime, engine, function: Some(function) }
    }

    fn ask(&self, key: &str, name: &str) -> adjoin_engine::PendingReply {
        self.engine.call(cart(key, name))
    }

    fn reply(&self, pending: adjoin_engine::PendingReply) -> adjoin_model::Result<String> {
        let reply = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, pending).await });
        reply.expect("a reply in time").map(|reply| text(reply.payload))
    }

    fn call(&self, key: &str, name: &str) -> adjoin_model::Result<String> {
        self.reply(self.ask(key, name))
    }
}

fn served() -> (Foreign, String) {
    let foreign = Foreign::open(&settings("serve", r#","address":"127.0.0.1:0","running":64"#));
    let address = foreign.wait("an address", |seen| seen.address.clone());
    (foreign, address)
}

#[test]
fn a_proxy_runs_its_commands_here() {
    let (mut foreign, address) = served();
    let proxy = Proxy::new(&address);
    for n in 1..=20 {
        assert_eq!(proxy.call("ada", "add").expect("a reply"), n.to_string());
    }
    assert_eq!(proxy.call("ada", "refuse").expect_err("refused").kind, Kind::Rejected);
    let error = foreign.call("ada", "add").expect_err("no host of its own");
    assert!(error.kind == Kind::Invalid && error.message.contains("connect"), "{error}");
    foreign.close();
}

#[test]
fn a_late_answer_of_an_old_session_names_nothing_in_the_next() {
    let (mut foreign, address) = served();
    foreign.hold(true);
    let mut first = Proxy::new(&address);
    let lost = first.ask("ada", "add");
    let old = foreign.held(1).remove(0);
    first.runtime.block_on(first.function.take().expect("a function").stop());
    drop(lost);
    foreign.wait("the end of the session", |seen| (seen.ended == 1).then_some(()));
    let second = Proxy::new(&address);
    let pending = second.ask("ada", "add");
    let new = foreign.held(2).remove(1);
    assert_ne!((old.activation, old.call), (new.activation, new.call));
    foreign.say(answer(&old, 99, 1));
    foreign.say(answer(&new, 7, 1));
    assert_eq!(second.reply(pending).expect("a reply"), "7");
    foreign.close();
}

#[test]
fn a_close_ends_the_session_in_order() {
    let (mut foreign, address) = served();
    let proxy = Proxy::new(&address);
    assert_eq!(proxy.call("ada", "add").expect("a reply"), "1");
    foreign.close();
    let (mut again, _) = (Foreign::open(&settings("serve", &format!(r#","address":"{address}""#))), ());
    assert_eq!(proxy.call("ada", "add").expect("a reply"), "2");
    again.close();
}

#[test]
fn a_handler_calls_another_entity_through_its_host() {
    let (mut foreign, address) = served();
    foreign.hold(true);
    let (proxy, other) = (Proxy::new(&address), Proxy::new(&address));
    let pending = proxy.ask("ada", "add");
    let command = foreign.held(1).remove(0);
    foreign.hold(false);
    let mut within = cart("bob", "add");
    within.chain = vec!["shop.Cart/ada".into()];
    assert_eq!(foreign.result(foreign.send_within(&command, within)).expect("a reply"), ("1".into(), 1));
    let mut cycle = cart("ada", "add");
    cycle.chain = vec!["shop.Cart/ada".into()];
    assert_eq!(foreign.result(foreign.send_within(&command, cycle)).expect_err("a cycle").kind, Kind::Rejected);
    foreign.say(answer(&command, 7, 1));
    assert_eq!(proxy.reply(pending).expect("a reply"), "7");
    assert_eq!(other.call("bob", "add").expect("a reply"), "1", "the other host has entities of its own");
    foreign.close();
}

#[test]
fn hosts_are_served_side_by_side() {
    let (mut foreign, address) = served();
    let (first, second) = (Proxy::new(&address), Proxy::new(&address));
    for n in 1..=5 {
        assert_eq!(first.call("ada", "add").expect("a reply"), n.to_string());
        assert_eq!(second.call("ada", "add").expect("a reply"), n.to_string());
    }
    drop(second);
    foreign.wait("the end of one", |seen| (seen.ended == 1).then_some(()));
    assert_eq!(first.call("ada", "add").expect("a reply"), "6");
    foreign.close();
}

#[test]
fn calls_of_a_session_that_ends_are_answered() {
    let (mut foreign, address) = served();
    foreign.hold(true);
    let mut proxy = Proxy::new(&address);
    let lost = proxy.ask("ada", "add");
    let command = foreign.held(1).remove(0);
    let asked = foreign.send_within(&command, cart("bob", "hang"));
    foreign.held(2);
    proxy.runtime.block_on(proxy.function.take().expect("a function").stop());
    drop(lost);
    assert_eq!(foreign.result(asked).expect_err("gone").kind, Kind::Unavailable);
    let late = foreign.send_within(&command, cart("bob", "add"));
    assert_eq!(foreign.result(late).expect_err("gone").kind, Kind::Unavailable);
    foreign.close();
}
