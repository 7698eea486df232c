// SPDX-License-Identifier: Apache-2.0
//! What each type means: which value follows from a set of writes, of which each had seen others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use adjoin_crdt::{
    Clock, Crdt, EwFlag, Flag, GCounter, GSet, Kind, LwwRegister, MvRegister, OrMap, OrSet, PnCounter, ReplicaId,
    Store, Vote,
};

use crate::kit::id;

/// A write, where it was made, and the writes that had been seen there: a bit each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<O> {
    pub(crate) at: usize,
    pub(crate) op: O,
    pub(crate) seen: u64,
}

pub(crate) type History<O> = Vec<Event<O>>;

pub(crate) trait Subject: Clone {
    type Op: Copy + Debug;
    type Reading: PartialEq + Debug;
    const KIND: Kind;

    fn ops() -> Vec<Self::Op>;
    fn write(state: &mut Crdt, replica: ReplicaId, op: Self::Op) -> Crdt;
    fn read(state: &Crdt) -> Self::Reading;
    fn expect(history: &History<Self::Op>, known: u64) -> Self::Reading;
}

/// The known events, with their numbers.
fn known<O: Copy>(history: &History<O>, known: u64) -> impl Iterator<Item = (usize, Event<O>)> + '_ {
    history.iter().copied().enumerate().filter(move |(number, _)| known >> number & 1 == 1)
}

fn saw<O>(event: &Event<O>, number: usize) -> bool {
    event.seen >> number & 1 == 1
}

/// The known events that `counts` picks and that no known event that `ends` picks had seen.
fn standing<'a, O: Copy>(
    history: &'a History<O>,
    seen: u64,
    counts: impl Fn(O) -> bool + 'a,
    ends: impl Fn(O) -> bool + 'a,
) -> impl Iterator<Item = (usize, Event<O>)> + 'a {
    let ended = move |number| known(history, seen).any(|(_, end)| ends(end.op) && saw(&end, number));
    known(history, seen).filter(move |(number, event)| counts(event.op) && !ended(*number))
}

fn edit<S: Store>(
    state: &mut Crdt,
    replica: ReplicaId,
    write: impl FnOnce(&mut adjoin_crdt::Edit<'_, S>) -> Result<(), adjoin_crdt::Error>,
) -> Crdt {
    let (outcome, delta) = state.edit::<S, _>(replica, write).unwrap();
    outcome.unwrap();
    delta
}

#[derive(Clone)]
pub(crate) struct Growing;

impl Subject for Growing {
    type Op = u64;
    type Reading = u64;
    const KIND: Kind = Kind::GCounter;

    fn ops() -> Vec<u64> {
        vec![1, 10]
    }

    fn write(state: &mut Crdt, replica: ReplicaId, by: u64) -> Crdt {
        edit::<GCounter>(state, replica, |counter| counter.increment(by))
    }

    fn read(state: &Crdt) -> u64 {
        state.get::<GCounter>().unwrap().value()
    }

    fn expect(history: &History<u64>, seen: u64) -> u64 {
        known(history, seen).map(|(_, event)| event.op).sum()
    }
}

#[derive(Clone)]
pub(crate) struct Counting;

impl Subject for Counting {
    type Op = i64;
    type Reading = i64;
    const KIND: Kind = Kind::PnCounter;

    fn ops() -> Vec<i64> {
        vec![3, -5]
    }

    fn write(state: &mut Crdt, replica: ReplicaId, by: i64) -> Crdt {
        edit::<PnCounter>(state, replica, |counter| counter.change(by))
    }

    fn read(state: &Crdt) -> i64 {
        state.get::<PnCounter>().unwrap().value()
    }

    fn expect(history: &History<i64>, seen: u64) -> i64 {
        known(history, seen).map(|(_, event)| event.op).sum()
    }
}

#[derive(Clone)]
pub(crate) struct Gathering;

impl Subject for Gathering {
    type Op = u8;
    type Reading = BTreeSet<u8>;
    const KIND: Kind = Kind::GSet;

    fn ops() -> Vec<u8> {
        b"ab".to_vec()
    }

    fn write(state: &mut Crdt, replica: ReplicaId, element: u8) -> Crdt {
        edit::<GSet>(state, replica, |set| set.add(&[element]))
    }

    fn read(state: &Crdt) -> BTreeSet<u8> {
        state.get::<GSet>().unwrap().iter().map(|element| element[0]).collect()
    }

    fn expect(history: &History<u8>, seen: u64) -> BTreeSet<u8> {
        known(history, seen).map(|(_, event)| event.op).collect()
    }
}

#[derive(Clone)]
pub(crate) struct Adding;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SetOp {
    Add(u8),
    Remove(u8),
    Clear,
}

impl Subject for Adding {
    type Op = SetOp;
    type Reading = BTreeSet<u8>;
    const KIND: Kind = Kind::OrSet;

    fn ops() -> Vec<SetOp> {
        vec![SetOp::Add(b'a'), SetOp::Remove(b'a'), SetOp::Add(b'b'), SetOp::Clear]
    }

    fn write(state: &mut Crdt, replica: ReplicaId, op: SetOp) -> Crdt {
        edit::<OrSet>(state, replica, |set| {
            match op {
                SetOp::Add(element) => set.add(&[element])?,
                SetOp::Remove(element) => _ = set.remove(&[element]),
                SetOp::Clear => set.clear(),
            }
            Ok(())
        })
    }

    fn read(state: &Crdt) -> BTreeSet<u8> {
        let set = state.get::<OrSet>().unwrap();
        let elements: BTreeSet<u8> = set.iter().map(|element| element[0]).collect();
        assert_eq!(elements.len(), set.len());
        elements
    }

    fn expect(history: &History<SetOp>, seen: u64) -> BTreeSet<u8> {
        let is_in = |element: &u8| {
            let ends = |op| op == SetOp::Remove(*element) || op == SetOp::Clear;
            standing(history, seen, |op| op == SetOp::Add(*element), ends).next().is_some()
        };
        [b'a', b'b'].into_iter().filter(is_in).collect()
    }
}

#[derive(Clone)]
pub(crate) struct Raising;

impl Subject for Raising {
    type Op = ();
    type Reading = bool;
    const KIND: Kind = Kind::Flag;

    fn ops() -> Vec<()> {
        vec![(), ()]
    }

    fn write(state: &mut Crdt, replica: ReplicaId, (): ()) -> Crdt {
        edit::<Flag>(state, replica, |flag| flag.enable())
    }

    fn read(state: &Crdt) -> bool {
        state.get::<Flag>().unwrap().is_on()
    }

    fn expect(_: &History<()>, seen: u64) -> bool {
        seen != 0
    }
}

#[derive(Clone)]
pub(crate) struct Enabling;

impl Subject for Enabling {
    type Op = bool;
    type Reading = bool;
    const KIND: Kind = Kind::EwFlag;

    fn ops() -> Vec<bool> {
        vec![true, false]
    }

    fn write(state: &mut Crdt, replica: ReplicaId, on: bool) -> Crdt {
        edit::<EwFlag>(state, replica, |flag| {
            if on {
                return flag.enable();
            }
            flag.disable();
            Ok(())
        })
    }

    fn read(state: &Crdt) -> bool {
        state.get::<EwFlag>().unwrap().is_on()
    }

    fn expect(history: &History<bool>, seen: u64) -> bool {
        standing(history, seen, |on| on, |on| !on).next().is_some()
    }
}

/// The greatest write by (timestamp, replica, value), each with the timestamp that its clock gives over what was seen.
fn greatest(history: &History<(Clock, u8)>, seen: u64) -> Option<(i64, ReplicaId, u8)> {
    let stamp = |event: &Event<(Clock, u8)>| {
        let (clock, value) = event.op;
        (clock.timestamp(greatest(history, event.seen).map(|(at, ..)| at)), id(event.at), value)
    };
    known(history, seen).map(|(_, event)| stamp(&event)).max()
}

fn set(state: &mut Crdt, replica: ReplicaId, (clock, value): (Clock, u8)) -> Crdt {
    edit::<LwwRegister>(state, replica, |register| register.set(&[value], clock).map(drop))
}

fn value(state: &Crdt) -> Option<u8> {
    state.get::<LwwRegister>().unwrap().value().map(|value| value[0])
}

#[derive(Clone)]
pub(crate) struct Stamping;

impl Subject for Stamping {
    type Op = (Clock, u8);
    type Reading = Option<u8>;
    const KIND: Kind = Kind::LwwRegister;

    fn ops() -> Vec<(Clock, u8)> {
        let clocks = [Clock::Default { now_ms: 5 }, Clock::Custom(5), Clock::CustomAutoIncrement(4), Clock::Custom(5)];
        clocks.into_iter().zip(*b"pqra").collect()
    }

    fn write(state: &mut Crdt, replica: ReplicaId, op: (Clock, u8)) -> Crdt {
        set(state, replica, op)
    }

    fn read(state: &Crdt) -> Option<u8> {
        value(state)
    }

    fn expect(history: &History<(Clock, u8)>, seen: u64) -> Option<u8> {
        greatest(history, seen).map(|(.., value)| value)
    }
}

#[derive(Clone)]
pub(crate) struct Reversing;

impl Subject for Reversing {
    type Op = (Clock, u8);
    type Reading = Option<u8>;
    const KIND: Kind = Kind::LwwRegister;

    fn ops() -> Vec<(Clock, u8)> {
        vec![(Clock::Reverse { now_ms: 5 }, b'p'), (Clock::Reverse { now_ms: 7 }, b'q')]
    }

    fn write(state: &mut Crdt, replica: ReplicaId, op: (Clock, u8)) -> Crdt {
        set(state, replica, op)
    }

    fn read(state: &Crdt) -> Option<u8> {
        value(state)
    }

    fn expect(history: &History<(Clock, u8)>, seen: u64) -> Option<u8> {
        greatest(history, seen).map(|(.., value)| value)
    }
}

#[derive(Clone)]
pub(crate) struct Writing;

impl Subject for Writing {
    type Op = u8;
    type Reading = BTreeSet<u8>;
    const KIND: Kind = Kind::MvRegister;

    fn ops() -> Vec<u8> {
        b"pq".to_vec()
    }

    fn write(state: &mut Crdt, replica: ReplicaId, value: u8) -> Crdt {
        edit::<MvRegister>(state, replica, |register| register.set(&[value]))
    }

    fn read(state: &Crdt) -> BTreeSet<u8> {
        state.get::<MvRegister>().unwrap().values().map(|value| value[0]).collect()
    }

    fn expect(history: &History<u8>, seen: u64) -> BTreeSet<u8> {
        standing(history, seen, |_| true, |_| true).map(|(_, event)| event.op).collect()
    }
}

#[derive(Clone)]
pub(crate) struct Voting;

impl Subject for Voting {
    type Op = (u64, bool);
    type Reading = Vec<bool>;
    const KIND: Kind = Kind::Vote;

    fn ops() -> Vec<(u64, bool)> {
        vec![(1, true), (1, false), (2, true)]
    }

    fn write(state: &mut Crdt, replica: ReplicaId, (epoch, yes): (u64, bool)) -> Crdt {
        edit::<Vote>(state, replica, |vote| vote.set(epoch, yes))
    }

    fn read(state: &Crdt) -> Vec<bool> {
        let vote = state.get::<Vote>().unwrap();
        let said = (0..3).map(|at| vote.is_yes(id(at), 1)).collect::<Vec<_>>();
        let tally = vote.tally((0..3).map(|at| (id(at), 1)));
        assert_eq!((tally.votes_for, tally.voters), (said.iter().filter(|yes| **yes).count(), 3));
        said
    }

    fn expect(history: &History<(u64, bool)>, seen: u64) -> Vec<bool> {
        let last = |at| known(history, seen).filter(|(_, event)| event.at == at).last();
        (0..3).map(|at| last(at).is_some_and(|(_, event)| event.op == (1, true))).collect()
    }
}

#[derive(Clone)]
pub(crate) struct Mapping;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum MapOp {
    Increment,
    Remove(u8),
    Add,
    Take,
}

impl Subject for Mapping {
    type Op = MapOp;
    type Reading = BTreeMap<u8, u64>;
    const KIND: Kind = Kind::OrMap;

    fn ops() -> Vec<MapOp> {
        vec![MapOp::Increment, MapOp::Remove(b'n'), MapOp::Add, MapOp::Remove(b's'), MapOp::Take]
    }

    fn write(state: &mut Crdt, replica: ReplicaId, op: MapOp) -> Crdt {
        edit::<OrMap>(state, replica, |map| match op {
            MapOp::Increment => map.update::<GCounter, _>(b"n", |counter| counter.increment(1)),
            MapOp::Remove(key) => {
                map.remove(&[key]);
                Ok(())
            }
            MapOp::Add => map.update::<OrSet, _>(b"s", |set| set.add(b"x")),
            MapOp::Take if map.contains(b"s") => map.update::<OrSet, _>(b"s", |set| {
                set.remove(b"x");
                Ok(())
            }),
            MapOp::Take => Ok(()),
        })
    }

    fn read(state: &Crdt) -> BTreeMap<u8, u64> {
        let map = state.get::<OrMap>().unwrap();
        let count = map.get_as::<GCounter>(b"n").map(|counter| (b'n', counter.value()));
        let elements = map.get_as::<OrSet>(b"s").map(|set| (b's', set.len() as u64));
        assert_eq!(map.len(), count.iter().len() + elements.iter().len());
        count.into_iter().chain(elements).collect()
    }

    fn expect(history: &History<MapOp>, seen: u64) -> BTreeMap<u8, u64> {
        let removes = |key| move |op| op == MapOp::Remove(key);
        let updates = |event: &Event<MapOp>| match event.op {
            MapOp::Add => true,
            // Taking from a set changes something, and so keeps its key, only where the element was seen.
            MapOp::Take => has_element(history, event.seen),
            _ => false,
        };
        let counted = standing(history, seen, |op| op == MapOp::Increment, removes(b'n')).next();
        let sum = (0..3).map(|at| share(history, seen, at)).sum();
        let key = standing(history, seen, |_| true, removes(b's')).find(|(_, event)| updates(event));
        let elements = u64::from(has_element(history, seen));
        counted.map(|_| (b'n', sum)).into_iter().chain(key.map(|_| (b's', elements))).collect()
    }
}

fn has_element(history: &History<MapOp>, seen: u64) -> bool {
    let ends = |op| op == MapOp::Remove(b's') || op == MapOp::Take;
    standing(history, seen, |op| op == MapOp::Add, ends).next().is_some()
}

/// What a replica counted, as far as it stands: its sum begins again where it had seen its last one removed.
fn share(history: &History<MapOp>, seen: u64, at: usize) -> u64 {
    let last = known(history, seen).filter(|(_, event)| event.at == at && event.op == MapOp::Increment).last();
    let Some((number, event)) = last else { return 0 };
    let removed = known(history, seen).any(|(_, end)| end.op == MapOp::Remove(b'n') && saw(&end, number));
    if removed { 0 } else { 1 + share(history, event.seen, at) }
}
