// SPDX-License-Identifier: Apache-2.0
//! What a function says beside a reply.

use adjoin_entity::ShardInput;
use adjoin_entity::frame::{Effects, HandlerResult, METADATA_BYTES, METADATA_ENTRIES};
use adjoin_model::{EntityId, Error, Kind, Metadata, Outcome};

use crate::host::{Host, event, id, refused, reply, target};

fn said() -> Metadata {
    vec![("x-one".into(), "1".into()), ("x-one".into(), "2".into())]
}

fn writes() -> Effects {
    Effects { events: vec![event("A")], ..Effects::default() }
}

#[test]
fn metadata_leaves_with_its_reply_once_that_is_durable() {
    let mut host = Host::new();
    let call = host.call("ada", "add");
    let command = host.command();
    host.answer_with(&command, reply("1"), writes(), said());
    assert!(!host.replied(call));
    host.durable();
    assert_eq!(host.reply(call).expect("well").metadata, said());
}

#[test]
fn metadata_of_queries_and_actions_leaves_too() {
    let mut host = Host::new();
    let call = host.call("ada", "read");
    let query = host.command();
    assert!(query.query);
    host.answer_with(&query, reply("1"), Effects::default(), said());
    assert_eq!(host.reply(call).expect("well").metadata, said());
    let call = host.new_call(EntityId::new("shop.Mailer", "any").expect("an id"), "send");
    let call = host.send(call);
    let command = host.command();
    host.answer_with(&command, reply("1"), Effects::default(), said());
    assert_eq!(host.reply(call).expect("well").metadata, said());
}

#[test]
fn metadata_beside_a_failure_or_a_forward_is_not_read() {
    let mut host = Host::new();
    let call = host.call("ada", "add");
    let command = host.command();
    host.answer_with(&command, refused(), Effects::default(), said());
    assert_eq!(host.error(call), (Kind::Rejected, Outcome::None));
    host.call("ada", "add");
    let command = host.command();
    host.answer_with(&command, HandlerResult::Forward(target(id("bob"), "add")), Effects::default(), said());
    assert!(matches!(&host.forwards[..], [forward] if forward.metadata.is_empty()));
}

#[test]
fn a_record_does_not_keep_metadata_but_a_running_twin_gets_it() {
    let mut host = Host::new();
    let send = |host: &mut Host| {
        let mut call = host.new_call(id("ada"), "add");
        call.idempotency_key = Some("k".into());
        host.send(call)
    };
    let (first, twin) = (send(&mut host), send(&mut host));
    let command = host.command();
    host.answer_with(&command, reply("1"), writes(), said());
    host.durable();
    let late = send(&mut host);
    let (first, twin, late) = (host.reply(first), host.reply(twin), host.reply(late));
    let metadata = |reply: Result<adjoin_entity::Reply, Error>| reply.expect("well").metadata;
    assert_eq!((metadata(first), metadata(twin), metadata(late)), (said(), said(), vec![]));
}

#[test]
fn a_command_that_is_run_again_forgets_what_it_said() {
    let mut host = Host::new();
    host.call("ada", "add");
    let second = host.call("ada", "add");
    host.run(&["A"]);
    let command = host.command();
    host.answer_with(&command, reply("1"), writes(), said());
    let lost = host.write();
    host.store_says(lost.shard, ShardInput::Refused(Error::unavailable("full")));
    host.run(&["A"]);
    host.durable();
    assert_eq!(host.reply(second).expect("well").metadata, []);
}

#[test]
fn metadata_past_a_bound_fails_the_command_and_nothing_is_written() {
    let many: Metadata = (0..=METADATA_ENTRIES).map(|n| (format!("x-{n}"), String::new())).collect();
    let long = vec![("x".to_owned(), "v".repeat(METADATA_BYTES))];
    for metadata in [many, long] {
        let mut host = Host::new();
        let call = host.call("ada", "add");
        let command = host.command();
        host.answer_with(&command, reply("1"), writes(), metadata.clone());
        assert_eq!(host.error(call), (Kind::Exhausted, Outcome::None));
        assert!(host.writes.is_empty());
        assert_eq!(host.deactivated(), 1, "the function has what the journal has not");
        let call = host.new_call(EntityId::new("shop.Mailer", "any").expect("an id"), "send");
        let call = host.send(call);
        let command = host.command();
        host.answer_with(&command, reply("1"), Effects::default(), metadata);
        assert_eq!(host.error(call), (Kind::Exhausted, Outcome::Unknown));
    }
}
