// SPDX-License-Identifier: Apache-2.0
//! Small cases, all of them: every sequence of a few writes, merges and late deltas among two and three replicas. What
//! a replica reads is compared with what the definition of its type says about the writes it has seen: no dots there,
//! only which write had seen which.
#![allow(clippy::unwrap_used, reason = "a test")]

mod kit;
mod spec;

use adjoin_crdt::Crdt;
use kit::id;
use spec::{Event, History, Subject};

/// Replicas that merge whole states, and which writes each has seen.
#[derive(Clone)]
struct World<S: Subject> {
    states: Vec<Crdt>,
    known: Vec<u64>,
    history: History<S::Op>,
    deltas: Vec<Crdt>,
}

impl<S: Subject> World<S> {
    fn new(replicas: usize) -> Self {
        let states = vec![Crdt::new(S::KIND); replicas];
        Self { states, known: vec![0; replicas], history: Vec::new(), deltas: Vec::new() }
    }

    fn write(&mut self, at: usize, op: S::Op) {
        self.deltas.push(S::write(&mut self.states[at], id(at), op));
        let event = 1 << self.history.len();
        self.history.push(Event { at, op, seen: self.known[at] });
        self.known[at] |= event;
    }

    fn sync(&mut self, from: usize, to: usize) {
        let state = self.states[from].clone();
        self.states[to].merge(&state).unwrap();
        self.known[to] |= self.known[from];
    }

    fn all(&self) -> u64 {
        (1 << self.history.len()) - 1
    }
}

/// Every sequence of writes and merges of this length; gives how many there were.
fn merges<S: Subject>(world: &World<S>, ops: &[S::Op], length: usize) -> usize {
    for (at, state) in world.states.iter().enumerate() {
        assert_eq!(S::read(state), S::expect(&world.history, world.known[at]), "replica {at} of {:?}", world.history);
    }
    if length == 0 {
        return 1;
    }
    let count = world.states.len();
    let mut walked = 0;
    for at in 0..count {
        for op in ops {
            let mut next = world.clone();
            next.write(at, *op);
            walked += merges(&next, ops, length - 1);
        }
        for from in (0..count).filter(|from| *from != at) {
            let mut next = world.clone();
            next.sync(from, at);
            walked += merges(&next, ops, length - 1);
        }
    }
    walked
}

/// Every sequence of writes and of deltas that arrive, in any order, twice, or not before the end; in the end all that
/// were late come, the last one first. Gives how many there were.
fn deltas<S: Subject>(world: &World<S>, ops: &[S::Op], length: usize) -> usize {
    if length == 0 {
        let mut states = world.states.clone();
        for state in &mut states {
            for delta in world.deltas.iter().rev() {
                state.merge(delta).unwrap();
            }
            assert_eq!(*state, world.states.iter().fold(state.clone(), |all, state| kit::merged(&all, state)));
        }
        assert!(states.windows(2).all(|pair| pair[0] == pair[1] && pair[0].encode() == pair[1].encode()));
        return 1;
    }
    let mut walked = 0;
    for at in 0..world.states.len() {
        for op in ops {
            let mut next = world.clone();
            next.write(at, *op);
            walked += deltas(&next, ops, length - 1);
        }
        for delta in &world.deltas {
            let mut next = world.clone();
            next.states[at].merge(delta).unwrap();
            walked += deltas(&next, ops, length - 1);
        }
    }
    walked
}

/// One after the other, each write seen by all: then nothing is concurrent, and deltas alone must say the same.
fn in_turn<S: Subject>(world: &World<S>, ops: &[S::Op], length: usize) {
    assert_eq!(S::read(&world.states[0]), S::expect(&world.history, world.all()));
    if length == 0 {
        return;
    }
    for at in 0..world.states.len() {
        for op in ops {
            let mut next = world.clone();
            next.write(at, *op);
            let delta = next.deltas.last().cloned().unwrap();
            for state in &mut next.states {
                state.merge(&delta).unwrap();
            }
            let all = next.all();
            next.known.fill(all);
            in_turn(&next, ops, length - 1);
        }
    }
}

fn every_case<S: Subject>() {
    let ops = S::ops();
    // Three replicas get the first two writes, so that there is time for five steps.
    let walked = merges(&World::<S>::new(2), &ops, 5) + merges(&World::<S>::new(3), &ops[..ops.len().min(2)], 5);
    let late = deltas(&World::<S>::new(2), &ops, 4);
    in_turn(&World::<S>::new(2), &ops, 4);
    assert!(walked > 3_000 && late > 200, "{walked} and {late}");
}

macro_rules! subjects {
    ($($name:ident: $subject:ident),*) => {$(
        #[test]
        fn $name() {
            every_case::<spec::$subject>();
        }
    )*};
}

subjects! {
    a_growing_counter_is_the_sum_of_what_was_seen: Growing,
    a_counter_is_the_sum_of_what_was_seen: Counting,
    a_growing_set_has_what_was_added: Gathering,
    a_removal_takes_the_additions_that_it_has_seen: Adding,
    a_flag_is_on_once_it_was_enabled: Raising,
    an_enabling_survives_a_disabling_that_has_not_seen_it: Enabling,
    the_greatest_write_wins: Stamping,
    the_first_write_wins_backwards: Reversing,
    a_register_keeps_what_was_written_at_the_same_time: Writing,
    a_ballot_is_what_its_member_said_last: Voting,
    a_map_removes_what_it_has_seen: Mapping
}
