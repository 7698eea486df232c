// SPDX-License-Identifier: Apache-2.0
//! The attempt that a handler sees of an event: 1, and one more for every time it was sent to a function before.

use adjoin_entity::frame::{CommandFrame, Effects, HandlerResult};
use adjoin_entity::{Input, Settings};
use adjoin_model::{Consumed, DeadLetter, EntityId, Error, Progress, Unfinished};

use crate::eventing::*;
use crate::host::*;

/// `shop.Profile.add` takes `A` of carts.
fn naming() -> Host {
    let names = subscribed(vec![("shop.Profile", subscription("mail", "A", "add"))]);
    with_spec(names, quick())
}

fn rests(host: &mut Host, ms: u64) {
    host.later_ms(ms);
    host.carry();
}

/// The function's process ends, and another one comes.
fn replaced(host: &mut Host, session: u64) {
    let names = subscribed(vec![("shop.Profile", subscription("mail", "A", "add"))]);
    host.down(session);
    host.up_with(session + 1, names, 1000);
    host.carry();
}

#[test]
fn an_event_that_failed_is_given_again_as_the_next_attempt() {
    let mut host = with_spec(mailing(), quick());
    emits(&mut host, "ada", &["A", "A"]);
    let mut seen = Vec::new();
    for wait in [100, 200] {
        let command = host.command();
        seen.push((command.attempt, command.id));
        badly(&mut host, &command);
        rests(&mut host, wait);
    }
    let command = host.command();
    seen.push((command.attempt, command.id));
    well(&mut host, &command);
    assert_eq!(seen, [1, 2, 3].map(|attempt| (attempt, seen[0].1)), "under one id");
    assert_eq!(host.command().attempt, 1, "the next event has attempts of its own");
}

#[test]
fn an_event_whose_process_ended_goes_on_after_the_attempts_of_that_run() {
    let mut host = naming();
    emits(&mut host, "ada", &["A"]);
    assert_eq!(host.command().attempt, 1);
    replaced(&mut host, 1);
    let again = host.command();
    assert_eq!(again.attempt, 2, "its entity sends it again by itself");
    badly(&mut host, &again);
    rests(&mut host, 100);
    assert_eq!(host.command().attempt, 3, "its consumer knows of both");
}

#[test]
fn an_event_that_no_function_was_there_for_is_still_at_its_first_attempt() {
    let mut host = naming();
    emits(&mut host, "ada", &["A"]);
    host.commands.clear();
    replaced(&mut host, 1);
    host.commands.clear();
    host.down(2);
    rests(&mut host, settings().function_wait_ms);
    rests(&mut host, settings().function_wait_ms);
    assert!(host.commands.is_empty());
    replaced(&mut host, 3);
    assert_eq!(host.command().attempt, 3, "what was not sent has not counted");
}

#[test]
fn a_dead_letter_goes_on_after_the_attempts_that_it_had() {
    let mut host = with_spec(mailing(), quick());
    emits(&mut host, "ada", &["A"]);
    for wait in [100, 200, 400] {
        fails(&mut host);
        rests(&mut host, wait);
    }
    assert!(matches!(noted(&mut host), (1, Consumed::Dead { attempts: 3, .. })));
    host.settle();
    assert_eq!(retried(&mut host).attempt, 4);
}

#[test]
fn what_died_with_its_processes_is_a_dead_letter_with_all_its_attempts() {
    let mut host = naming();
    emits(&mut host, "ada", &["A"]);
    replaced(&mut host, 1);
    host.commands.remove(0);
    for wait in [100, 200, 400] {
        fails(&mut host);
        rests(&mut host, wait);
    }
    assert!(matches!(noted(&mut host), (1, Consumed::Dead { attempts: 4, .. })));
}

#[test]
fn a_dead_letter_of_an_earlier_host_goes_on_after_the_attempts_that_it_had() {
    let mut first = with_spec(mailing(), quick());
    emits(&mut first, "ada", &["A"]);
    let mut second = Host::without_function(settings());
    second.journal = first.journal.clone();
    second.restart_at(shard("ada"), 1);
    let letter = DeadLetter { entity: id("ada"), attempts: 7, error: "no".into(), at: second.now.wall };
    let progress = Progress { passed: 1, dead: [(1, letter)].into(), ..Progress::default() };
    let left = Unfinished { consumers: vec![(mail(), progress)], ..Unfinished::default() };
    second.machine.resume(shard("ada"), left);
    second.up_with(1, mailing(), 1000);
    second.carry();
    assert_eq!(retried(&mut second).attempt, 8);
}

#[test]
fn an_event_that_is_forwarded_takes_its_attempts_along() {
    let mut host = with_spec(mailing(), Settings { effect_retry_ms: 100, ..settings() });
    emits(&mut host, "ada", &["A"]);
    fails(&mut host);
    rests(&mut host, 100);
    let command = host.command();
    let profile = EntityId::new("shop.Profile", "ada").expect("an id");
    host.answer(&command, HandlerResult::Forward(target(profile, "add")), Effects::default());
    let call = host.forwards.remove(0);
    assert_eq!(call.command, command.id);
    host.step(vec![Input::Call(call)]);
    let there = host.command();
    assert_eq!((command.attempt, there.attempt), (2, 3));
    host.answer(&there, HandlerResult::Failed(Error::internal("no")), Effects::default());
    host.carry();
    rests(&mut host, 200);
    assert_eq!(host.command().attempt, 4);
}

#[test]
fn an_event_whose_forward_is_refused_was_sent_all_the_same() {
    let mut host = with_spec(mailing(), Settings { effect_retry_ms: 100, ..settings() });
    emits(&mut host, "ada", &["A"]);
    for (attempt, wait) in [(1, 100), (2, 200), (3, 400)] {
        let command = host.command();
        assert_eq!(command.attempt, attempt);
        let nobody = EntityId::new("shop.Nobody", "ada").expect("an id");
        host.answer(&command, HandlerResult::Forward(target(nobody, "add")), Effects::default());
        let call = host.forwards.remove(0);
        host.step(vec![Input::Call(call)]);
        host.carry();
        rests(&mut host, wait);
    }
    assert_eq!(host.command().attempt, 4);
}

fn retried(host: &mut Host) -> CommandFrame {
    let call = host.new_call(id("ada"), "add").id;
    host.step(vec![Input::RetryLetter { call, shard: shard("ada"), consumer: mail(), event: 1 }]);
    host.carry();
    host.command()
}
