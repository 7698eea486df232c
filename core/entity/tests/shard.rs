// SPDX-License-Identifier: Apache-2.0
//! Rule 3: given a shard, when the store answers, expect what may be released. The table in the module's documentation
//! is compared with what the machine does.

use adjoin_entity::{Admission, Settled, Shard, ShardInput, State};
use adjoin_model::{
    Body, CommandId, EntityId, Epoch, Error, Head, Kind, Outcome, Owner, Payload, Record, ShardId, Wall,
};

const ME: Owner = Owner(1);

fn head(epoch: u64, position: u64) -> Head {
    Head { epoch: Epoch(epoch), owner: Some(ME), position }
}

fn shard() -> Shard<&'static str> {
    Shard::new(ShardId(7), ME, head(3, 10), 1000)
}

fn event(sequence: u64, bytes: usize) -> Record {
    Record {
        entity: EntityId::new("shop.Cart", "ada").expect("a valid id"),
        sequence,
        command: CommandId(u128::from(sequence)),
        at: Wall(0),
        body: Body::Event(Payload::new("ItemAdded", vec![0; bytes])),
    }
}

/// A shard with `a` in flight and `b` waiting.
fn flying() -> Shard<&'static str> {
    let mut shard = shard();
    assert_eq!(shard.admit("a", vec![event(1, 1), event(2, 1)]), Admission::Waiting);
    assert_eq!(shard.next_batch().expect("a batch").last(), 12);
    assert_eq!(shard.admit("b", vec![event(3, 1)]), Admission::Waiting);
    shard
}

/// The same after the outcome of `a` was lost.
fn raising() -> Shard<&'static str> {
    let mut shard = flying();
    assert_eq!(shard.step(ShardInput::Unknown), []);
    shard
}

/// The same after another owner took it.
fn closed() -> Shard<&'static str> {
    let mut shard = flying();
    shard.step(ShardInput::Fenced);
    shard
}

/// What became of `a` and `b`, in the words of the table.
fn said(settled: &[Settled<&'static str>]) -> String {
    let one = |settled: &Settled<&'static str>| match settled {
        Settled::Durable(name) => format!("{name} durable"),
        Settled::Lost(name, error) => format!("{name} lost {:?} {:?}", error.kind, error.outcome),
    };
    settled.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_table_in_the_documentation_is_what_the_machine_does() {
    type Row = (fn() -> Shard<&'static str>, &'static str, ShardInput);
    let refused = || ShardInput::Refused(Error::unavailable("disk full"));
    let rows: [Row; 9] = [
        (flying, "written, durable", ShardInput::Durable),
        (flying, "written, refused", refused()),
        (flying, "written, fenced", ShardInput::Fenced),
        (flying, "written, unknown", ShardInput::Unknown),
        (raising, "raised, position after the batch", ShardInput::Raised(head(4, 12))),
        (raising, "raised, position before the batch", ShardInput::Raised(head(4, 10))),
        (raising, "raised, any other position", ShardInput::Raised(head(4, 11))),
        (raising, "raise fenced", ShardInput::Fenced),
        (raising, "raise failed", ShardInput::RaiseFailed),
    ];
    let row = |from: State, on: &str, to: State, settled: &[Settled<&'static str>]| {
        format!("| {from:?} | {on} | {to:?} | {} |", said(settled)).replace("|  |", "| |")
    };
    let mut table = vec!["| state | input | next | settled |".to_owned(), "|---|---|---|---|".to_owned()];
    for (made, on, input) in rows {
        let mut shard = made();
        let from = shard.state();
        let settled = shard.step(input);
        table.push(row(from, on, shard.state(), &settled));
    }
    let every = [ShardInput::Durable, refused(), ShardInput::Fenced, ShardInput::Unknown];
    for input in every.into_iter().chain([ShardInput::Raised(head(9, 12)), ShardInput::RaiseFailed]) {
        let mut shard = closed();
        assert_eq!((shard.step(input), shard.state()), (vec![], State::Closed));
    }
    table.push(row(State::Closed, "any", State::Closed, &[]));
    let documented: Vec<String> = include_str!("../src/shard.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! "))
        .filter(|line| line.starts_with('|'))
        .map(str::to_owned)
        .collect();
    assert_eq!(documented, table);
}

fn lost(settled: &[Settled<&'static str>]) -> Vec<(&'static str, Kind, Outcome)> {
    settled
        .iter()
        .map(|one| match one {
            Settled::Lost(name, error) => (*name, error.kind, error.outcome),
            Settled::Durable(name) => panic!("{name} is durable"),
        })
        .collect()
}

#[test]
fn groups_that_wait_fold_into_one_batch() {
    let mut shard = shard();
    for (index, name) in ["a", "b", "c"].into_iter().enumerate() {
        shard.admit(name, vec![event(index as u64 + 1, 1)]);
    }
    let batch = shard.next_batch().expect("a batch");
    assert_eq!((batch.epoch, batch.first, batch.records.len()), (Epoch(3), 11, 3));
    assert_eq!(shard.step(ShardInput::Durable), ["a", "b", "c"].map(Settled::Durable));
    assert_eq!((shard.head().position, shard.is_settled()), (13, true));
}

#[test]
fn one_batch_is_in_flight_at_a_time() {
    let mut shard = flying();
    assert!(shard.next_batch().is_none());
    assert_eq!(shard.step(ShardInput::Durable), [Settled::Durable("a")]);
    assert_eq!(shard.next_batch().expect("b").first, 13);
}

#[test]
fn a_batch_takes_whole_groups_up_to_its_bytes() {
    let mut shard = shard();
    shard.admit("a", vec![event(1, 500)]);
    shard.admit("b", vec![event(2, 500)]);
    assert_eq!(shard.next_batch().expect("a").records.len(), 1);
    shard.step(ShardInput::Durable);
    assert_eq!(shard.next_batch().expect("b").first, 12);
}

#[test]
fn an_oversized_group_is_refused_before_it_waits() {
    let mut shard = shard();
    let Admission::Refused(error) = shard.admit("a", vec![event(1, 1000)]) else { panic!("taken") };
    assert_eq!((error.kind, error.outcome, shard.is_settled()), (Kind::Exhausted, Outcome::None, true));
}

#[test]
fn a_refused_batch_loses_its_groups_and_no_others() {
    let mut shard = flying();
    let settled = shard.step(ShardInput::Refused(Error::unavailable("disk full")));
    assert_eq!(lost(&settled), [("a", Kind::Unavailable, Outcome::None)]);
    assert_eq!(shard.next_batch().expect("b").first, 11);
}

#[test]
fn an_unknown_outcome_releases_nothing_until_the_epoch_is_raised() {
    let mut shard = flying();
    assert_eq!(shard.step(ShardInput::Unknown), []);
    assert_eq!(shard.state(), State::Raising);
    assert!(shard.next_batch().is_none());
    assert_eq!(shard.step(ShardInput::RaiseFailed), []);
    assert_eq!(shard.step(ShardInput::Durable), [], "a late answer settles nothing");
    assert_eq!(shard.step(ShardInput::Raised(head(4, 12))), [Settled::Durable("a")]);
    let batch = shard.next_batch().expect("b");
    assert_eq!((batch.epoch, batch.first), (Epoch(4), 13));
}

#[test]
fn an_unknown_write_that_is_not_there_after_the_raise_is_lost() {
    let mut shard = flying();
    shard.step(ShardInput::Unknown);
    let settled = shard.step(ShardInput::Raised(head(4, 10)));
    assert_eq!(lost(&settled), [("a", Kind::Unavailable, Outcome::None)]);
    assert_eq!(shard.state(), State::Open);
}

#[test]
fn a_head_that_fits_neither_side_closes_the_shard_as_corrupt() {
    let mut shard = flying();
    shard.step(ShardInput::Unknown);
    let settled = shard.step(ShardInput::Raised(head(4, 5)));
    assert_eq!(lost(&settled), [("a", Kind::Corrupt, Outcome::Unknown), ("b", Kind::Corrupt, Outcome::None)]);
    assert_eq!(shard.state(), State::Closed);
}

#[test]
fn a_fenced_write_was_not_applied_and_closes_the_shard() {
    let mut shard = flying();
    let settled = shard.step(ShardInput::Fenced);
    assert_eq!(lost(&settled), [("a", Kind::Fenced, Outcome::None), ("b", Kind::Fenced, Outcome::None)]);
    assert!(matches!(shard.admit("c", vec![event(4, 1)]), Admission::Refused(_)));
}

#[test]
fn a_fenced_raise_leaves_the_write_unknown() {
    let mut shard = flying();
    shard.step(ShardInput::Unknown);
    let settled = shard.step(ShardInput::Fenced);
    assert_eq!(lost(&settled), [("a", Kind::Fenced, Outcome::Unknown), ("b", Kind::Fenced, Outcome::None)]);
    assert_eq!(shard.step(ShardInput::Raised(head(9, 12))), [], "closed stays closed");
}
