// SPDX-License-Identifier: Apache-2.0
//! Dead letters: events that a consumer could not be given, and what operators do with them.

use adjoin_entity::{Input, Settings, ShardInput};
use adjoin_model::{Consumed, DeadLetter, Ended, Error, Kind, Position, Progress, Unfinished};

use crate::eventing::*;
use crate::host::*;

/// A host in which the event of `ada` at 1 is a dead letter.
fn with_a_letter() -> Host {
    let mut host = with_spec(mailing(), quick());
    emits(&mut host, "ada", &["A"]);
    for wait in [100, 200] {
        fails(&mut host);
        host.later_ms(wait);
        host.carry();
    }
    fails(&mut host);
    assert!(matches!(noted(&mut host), (1, Consumed::Dead { attempts: 3, .. })));
    assert_eq!(noted(&mut host), (2, Consumed::Passed), "past the record that it is dead, too");
    host
}

fn operator(host: &mut Host, input: impl FnOnce(u64) -> Input) -> u64 {
    let call = host.new_call(id("ada"), "add").id;
    host.step(vec![input(call)]);
    host.carry();
    call
}

fn retry(host: &mut Host, event: Position) -> u64 {
    operator(host, |call| Input::RetryLetter { call, shard: shard("ada"), consumer: mail(), event })
}

fn drop_letter(host: &mut Host, event: Position) -> u64 {
    operator(host, |call| Input::DropLetter { call, shard: shard("ada"), consumer: mail(), event })
}

#[test]
fn an_event_that_fails_too_often_is_a_dead_letter_and_those_behind_it_go_on() {
    let mut host = with_spec(mailing(), quick());
    emits(&mut host, "ada", &["A", "A"]);
    for wait in [100, 200, 400] {
        fails(&mut host);
        host.later_ms(wait);
        host.carry();
    }
    assert!(host.commands.is_empty(), "not before it is durable that it is one");
    let (event, what) = noted(&mut host);
    let Consumed::Dead { attempts: 3, error } = what else { panic!("{what:?}") };
    assert_eq!((event, error.contains("no")), (1, true));
    assert_eq!(host.commands.len(), 1);
    assert_eq!(dead(&host, "ada"), [1]);
    assert_eq!(noted(&mut host), (1, Consumed::Passed));
}

#[test]
fn a_dead_letter_whose_position_was_not_noted_is_not_given_again() {
    let mut first = with_spec(mailing(), Settings { effect_attempts: 1, ..settings() });
    emits(&mut first, "ada", &["A", "A"]);
    fails(&mut first);
    assert!(matches!(noted(&mut first), (1, Consumed::Dead { .. })));
    let mut second = Host::without_function(settings());
    second.journal = first.journal.clone();
    second.restart_at(shard("ada"), second.journal[&shard("ada")].len() as u64);
    let letter = DeadLetter { entity: id("ada"), attempts: 1, error: "no".into(), at: second.now.wall };
    let progress = Progress { passed: 0, dead: [(1, letter)].into(), ..Progress::default() };
    let left = Unfinished { consumers: vec![(mail(), progress)], ..Unfinished::default() };
    second.machine.resume(shard("ada"), left);
    second.up_with(1, mailing(), 1000);
    second.carry();
    let id = second.command().metadata.iter().find(|(name, _)| name == "ce-id").map(|(_, id)| id.clone());
    assert_eq!(id, Some(format!("{}-2", shard("ada"))));
}

#[test]
fn a_dead_letter_that_is_retried_runs_and_ends() {
    let mut host = with_a_letter();
    let call = retry(&mut host, 1);
    assert!(host.reply(call).is_ok());
    let command = host.command();
    well(&mut host, &command);
    assert_eq!(dead(&host, "ada"), [1], "until that is durable");
    assert_eq!(noted(&mut host), (1, Consumed::Settled(Ended::Ran)));
    assert!(dead(&host, "ada").is_empty() && host.writes.is_empty());
}

#[test]
fn a_dead_letter_that_fails_again_stays_one() {
    let mut host = with_a_letter();
    retry(&mut host, 1);
    let call = drop_letter(&mut host, 1);
    assert_eq!(host.error(call).0, Kind::Conflict, "it is being tried");
    fails(&mut host);
    assert!(matches!(noted(&mut host), (1, Consumed::Dead { attempts: 4, .. })));
    assert_eq!(dead(&host, "ada"), [1]);
    assert_eq!(status(&host, "ada").open, 0);
    let totals = host.machine.consumer_totals();
    let counts: Vec<_> = totals.iter().map(|one| (one.counts.dead, one.counts.failed, one.letters)).collect();
    assert_eq!(counts, [(1, 4, 1)], "it is the same letter");
}

#[test]
fn a_dead_letter_that_is_dropped_has_ended_once_that_is_durable() {
    let mut host = with_a_letter();
    let call = drop_letter(&mut host, 1);
    assert!(!host.replied(call));
    assert_eq!(noted(&mut host), (1, Consumed::Settled(Ended::Dropped)));
    assert!(host.reply(call).is_ok() && dead(&host, "ada").is_empty());
    let call = drop_letter(&mut host, 1);
    assert_eq!(host.error(call).0, Kind::NotFound);
    let call = retry(&mut host, 1);
    assert_eq!(host.error(call).0, Kind::NotFound);
}

#[test]
fn too_many_dead_letters_stop_their_consumer_until_one_has_ended() {
    let mut settings = quick();
    settings.effect_attempts = 1;
    settings.limits.dead_letters = 1;
    let mut host = with_spec(mailing(), settings);
    emits(&mut host, "ada", &["A"]);
    fails(&mut host);
    host.settle();
    emits(&mut host, "ada", &["A"]);
    host.settle();
    host.carry();
    assert!(host.commands.is_empty());
    drop_letter(&mut host, 1);
    host.settle();
    host.carry();
    assert_eq!(host.commands.len(), 1);
}

#[test]
fn a_dead_letter_that_is_to_be_retried_is_not_dropped_meanwhile() {
    let mut host = with_a_letter();
    let (retried, dropped) = (host.new_call(id("ada"), "add").id, host.new_call(id("ada"), "add").id);
    let (shard, event) = (shard("ada"), 1);
    host.step(vec![
        Input::RetryLetter { call: retried, shard, consumer: mail(), event },
        Input::DropLetter { call: dropped, shard, consumer: mail(), event },
    ]);
    host.carry();
    assert!(host.reply(retried).is_ok());
    assert_eq!(host.error(dropped).0, Kind::Conflict, "its journal is being read");
    let command = host.command();
    well(&mut host, &command);
    assert_eq!(noted(&mut host), (1, Consumed::Settled(Ended::Ran)));
    assert!(dead(&host, "ada").is_empty() && host.writes.is_empty());
    assert_eq!(status(&host, "ada").open, 0);
}

#[test]
fn a_dead_letter_that_is_being_dropped_is_neither_retried_nor_dropped_again() {
    let mut host = with_a_letter();
    let first = drop_letter(&mut host, 1);
    for second in [retry(&mut host, 1), drop_letter(&mut host, 1)] {
        assert_eq!(host.error(second).0, Kind::Conflict, "its end is being written");
    }
    assert_eq!(noted(&mut host), (1, Consumed::Settled(Ended::Dropped)));
    assert!(host.reply(first).is_ok() && host.commands.is_empty() && host.writes.is_empty());
    assert_eq!((dead(&host, "ada"), status(&host, "ada").open), (vec![], 0));
}

#[test]
fn a_drop_that_was_not_written_can_be_asked_for_again() {
    let mut host = with_a_letter();
    let lost = drop_letter(&mut host, 1);
    let batch = host.write();
    host.store_says(batch.shard, ShardInput::Refused(Error::unavailable("full")));
    assert_eq!(host.error(lost).0, Kind::Unavailable);
    assert_eq!(dead(&host, "ada"), [1]);
    let again = drop_letter(&mut host, 1);
    assert_eq!(noted(&mut host), (1, Consumed::Settled(Ended::Dropped)));
    assert!(host.reply(again).is_ok());
}

#[test]
fn a_dead_letter_whose_function_went_before_it_was_retried_may_be_dropped() {
    let mut host = with_a_letter();
    let call = host.new_call(id("ada"), "add").id;
    let retry = Input::RetryLetter { call, shard: shard("ada"), consumer: mail(), event: 1 };
    host.step(vec![retry, Input::SessionDown { session: 1, orderly: false }]);
    assert!(host.reply(call).is_ok());
    let dropped = drop_letter(&mut host, 1);
    assert_eq!(noted(&mut host), (1, Consumed::Settled(Ended::Dropped)));
    assert!(host.reply(dropped).is_ok());
    host.up_with(2, mailing(), 1000);
    host.carry();
    assert!(host.commands.is_empty() && host.writes.is_empty());
}

#[test]
fn an_event_that_ends_its_process_each_time_is_a_dead_letter() {
    let mut host = with_spec(mailing(), quick());
    emits(&mut host, "ada", &["A"]);
    for session in [1, 2, 3] {
        host.command();
        assert!(host.writes.is_empty());
        host.down(session);
        host.carry();
        host.up_with(session + 1, mailing(), 1000);
        host.carry();
    }
    assert!(matches!(noted(&mut host), (1, Consumed::Dead { attempts: 3, .. })));
    assert!(host.commands.is_empty());
}

#[test]
fn what_failed_for_want_of_a_function_has_not_counted() {
    let names = || subscribed(vec![("shop.Profile", subscription("names", "A", "add"))]);
    let mut host = with_spec(names(), Settings { effect_attempts: 2, ..settings() });
    emits(&mut host, "ada", &["A"]);
    host.command();
    host.down(1);
    host.later_ms(settings().function_wait_ms);
    host.carry();
    assert_eq!(status(&host, "ada").error.map(|error| error.kind), Some(Kind::Unavailable));
    host.up_with(2, names(), 1000);
    host.carry();
    fails(&mut host);
    assert!(host.writes.is_empty(), "this is the first failure that counts");
    host.later_ms(100);
    host.carry();
    fails(&mut host);
    let dead = matches!(noted(&mut host), (1, Consumed::Dead { attempts: 3, .. }));
    assert!(dead, "two failures, and one attempt that went down with its process");
}

#[test]
fn a_function_that_connects_does_not_cut_short_what_a_failure_rests() {
    let mut host = with_spec(mailing(), quick());
    emits(&mut host, "ada", &["A"]);
    fails(&mut host);
    host.up_with(2, mailing(), 1000);
    host.carry();
    assert!(host.commands.is_empty());
    host.later_ms(100);
    host.carry();
    assert_eq!(host.commands.len(), 1);
}

/// A host in which the event of `ada` at 1 is with the function, and that of her neighbour at 2 a dead letter.
fn with_a_letter_ahead() -> Host {
    let mut host = with_spec(mailing(), Settings { effect_attempts: 1, ..settings() });
    emits(&mut host, "ada", &["A"]);
    emits(&mut host, &neighbour(), &["A"]);
    let letter = host.commands.remove(1);
    badly(&mut host, &letter);
    assert!(matches!(noted(&mut host), (2, Consumed::Dead { .. })));
    assert_eq!(dead(&host, "ada"), [2]);
    host
}

#[test]
fn a_dead_letter_that_ends_ahead_of_the_position_is_not_given_again_by_the_next_host() {
    let mut first = with_a_letter_ahead();
    let call = drop_letter(&mut first, 2);
    assert_eq!(noted(&mut first), (2, Consumed::Ahead(Ended::Dropped)));
    assert!(first.reply(call).is_ok());
    let mut second = Host::without_function(settings());
    second.journal = first.journal.clone();
    second.restart_at(shard("ada"), second.journal[&shard("ada")].len() as u64);
    let progress = Progress { ahead: [(2, Ended::Dropped)].into(), ..Progress::default() };
    let left = Unfinished { consumers: vec![(mail(), progress)], ..Unfinished::default() };
    second.machine.resume(shard("ada"), left);
    second.up_with(1, mailing(), 1000);
    second.carry();
    let command = second.command();
    assert!(second.commands.is_empty(), "nor is it a dead letter any more");
    well(&mut second, &command);
    assert!(matches!(noted(&mut second), (_, Consumed::Passed)));
    assert_eq!(noted(&mut second), (2, Consumed::Settled(Ended::Dropped)), "the position is past it: it is forgotten");
}

#[test]
fn dead_letters_that_ended_ahead_do_not_keep_the_next_host_from_reading() {
    let mut first = with_a_letter_ahead();
    drop_letter(&mut first, 2);
    noted(&mut first);
    let mut settings = settings();
    settings.limits.dead_letters = 1;
    let mut second = Host::without_function(settings.clone());
    second.journal = first.journal.clone();
    second.restart_with(settings, shard("ada"), second.journal[&shard("ada")].len() as u64);
    let progress = Progress { ahead: [(2, Ended::Dropped)].into(), ..Progress::default() };
    let left = Unfinished { consumers: vec![(mail(), progress)], ..Unfinished::default() };
    second.machine.resume(shard("ada"), left);
    second.up_with(1, mailing(), 1000);
    second.carry();
    assert_eq!(second.commands.len(), 1, "only so does the position come past them");
}

#[test]
fn a_dead_letter_that_ends_ahead_of_the_position_is_forgotten_with_it() {
    let mut host = with_a_letter_ahead();
    drop_letter(&mut host, 2);
    noted(&mut host);
    let command = host.command();
    well(&mut host, &command);
    assert_eq!(noted(&mut host), (4, Consumed::Passed));
    assert_eq!(noted(&mut host), (2, Consumed::Settled(Ended::Dropped)));
    assert!(host.writes.is_empty() && host.commands.is_empty());
}

#[test]
fn a_store_that_refuses_what_is_forgotten_is_not_asked_again_at_once() {
    let mut host = with_a_letter_ahead();
    drop_letter(&mut host, 2);
    noted(&mut host);
    let command = host.command();
    well(&mut host, &command);
    assert_eq!(noted(&mut host), (4, Consumed::Passed));
    let call = drop_letter(&mut host, 2);
    assert_eq!(host.error(call).0, Kind::NotFound, "it has ended, though that is still known");
    let batch = host.write();
    host.store_says(batch.shard, ShardInput::Refused(Error::unavailable("full")));
    host.carry();
    assert!(host.writes.is_empty());
    host.later_ms(800);
    host.carry();
    assert_eq!(noted(&mut host), (2, Consumed::Settled(Ended::Dropped)));
}

#[test]
fn many_dead_letters_that_ended_ahead_are_forgotten_in_batches_of_any_size() {
    let mut settings = Settings { effect_attempts: 1, ..settings() };
    settings.limits.batch_bytes = 400;
    let mut host = with_spec(mailing(), settings);
    emits(&mut host, "ada", &["A"]);
    let held = host.command();
    for _ in 0..8 {
        emits(&mut host, &neighbour(), &["A"]);
        fails(&mut host);
        let event = noted(&mut host).0;
        drop_letter(&mut host, event);
        assert_eq!(noted(&mut host), (event, Consumed::Ahead(Ended::Dropped)));
    }
    well(&mut host, &held);
    assert!(matches!(noted(&mut host), (25, Consumed::Passed)));
    let mut forgotten = 0;
    while !host.writes.is_empty() {
        forgotten += host.durable().records.len();
        host.carry();
    }
    assert_eq!((forgotten, status(&host, "ada").position), (8, 34), "their records are passed like others");
}
