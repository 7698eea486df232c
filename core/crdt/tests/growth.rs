// SPDX-License-Identifier: Apache-2.0
//! What was removed or overwritten leaves nothing behind. A state's bytes are bounded by those of the same live content
//! written at once by one replica, and 28 bytes for every other replica id that ever wrote (8 for the id, at most 20
//! for the one run of its writes), as long as no write is missing. `retire` and `forget` give those back.
#![allow(clippy::unwrap_used, reason = "a test")]

use adjoin_crdt::{
    Causal, Clock, Context, EwFlag, GCounter, LwwRegister, MvRegister, OrMap, OrSet, PnCounter, ReplicaId, Vote,
};

/// Bytes that the id of a replica and the count of its writes may take.
const REPLICA: usize = 28;
/// Bytes by which counters of dots can be longer than at first, for each live dot.
const DOT: usize = 9;

const CYCLES: u64 = 10_000;
const ONE: ReplicaId = ReplicaId(0x5eed_0000_0000_0001);

/// The id after so many restarts that each took a new one.
fn restarted(times: u64) -> ReplicaId {
    ReplicaId((times + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

#[test]
fn adding_and_removing_leaves_nothing() {
    let mut set = Causal::<OrSet>::new();
    for cycle in 0..CYCLES {
        set.add(ONE, format!("element-{cycle}").as_bytes()).unwrap();
        set.remove(ONE, format!("element-{cycle}").as_bytes());
    }
    assert!(set.is_empty());
    assert!(set.size_bytes() <= Causal::<OrSet>::new().size_bytes() + REPLICA, "{}", set.size_bytes());
    assert_eq!(set.context().runs().len(), 1);
}

#[test]
fn the_same_element_again_and_again_is_one() {
    let mut set = Causal::<OrSet>::new();
    (0..CYCLES).for_each(|_| drop(set.add(ONE, b"the same").unwrap()));
    let mut once = Causal::<OrSet>::new();
    once.add(ONE, b"the same").unwrap();
    assert!(set.size_bytes() <= once.size_bytes() + REPLICA + DOT);
}

#[test]
fn every_type_stays_small() {
    let (mut counter, mut both, mut flag) =
        (Causal::<GCounter>::new(), Causal::<PnCounter>::new(), Causal::<EwFlag>::new());
    let (mut last, mut many, mut vote) =
        (Causal::<LwwRegister>::new(), Causal::<MvRegister>::new(), Causal::<Vote>::new());
    for cycle in 0..CYCLES {
        counter.increment(ONE, 1).unwrap();
        both.change(ONE, if cycle % 2 == 0 { 1 } else { -1 }).unwrap();
        flag.enable(ONE).unwrap();
        flag.disable(ONE);
        last.set(ONE, b"value", Clock::Default { now_ms: cycle as i64 }).unwrap();
        many.set(ONE, b"value").unwrap();
        vote.set(ONE, 1, cycle % 2 == 0).unwrap();
    }
    let sizes = [
        counter.size_bytes(),
        both.size_bytes(),
        flag.size_bytes(),
        last.size_bytes(),
        many.size_bytes(),
        vote.size_bytes(),
    ];
    // Type, version and the number of dots, the replica, one dot, and a value of at most ten bytes.
    assert!(sizes.iter().all(|size| *size <= 4 + REPLICA + 1 + DOT + 10), "{sizes:?}");
}

#[test]
fn maps_leave_nothing_of_removed_keys() {
    let mut map = Causal::<OrMap>::new();
    for cycle in 0..CYCLES / 4 {
        let key = format!("key-{}", cycle % 7);
        map.update::<OrMap>(ONE, key.as_bytes(), |inner| {
            inner.update::<GCounter, _>(b"n", |counter| counter.increment(1))?;
            inner.update::<OrSet, _>(b"s", |set| set.add(b"x"))
        })
        .unwrap();
        map.remove(ONE, key.as_bytes());
    }
    assert!(map.is_empty());
    assert!(map.size_bytes() <= Causal::<OrMap>::new().size_bytes() + REPLICA, "{}", map.size_bytes());
}

#[test]
fn thousand_restarts_cost_their_ids_and_can_be_given_back() {
    let (mut set, mut counter) = (Causal::<OrSet>::new(), Causal::<GCounter>::new());
    let live: Vec<String> = (0..100).map(|at| format!("element-{at:03}")).collect();
    for restart in 0..1000 {
        let id = restarted(restart);
        for name in &live[restart as usize % 100..][..1] {
            set.add(id, name.as_bytes()).unwrap();
            set.remove(id, name.as_bytes());
            set.add(id, name.as_bytes()).unwrap();
        }
        counter.increment(id, 1).unwrap();
    }
    let (mut plain, mut count) = (Causal::<OrSet>::new(), Causal::<GCounter>::new());
    live.iter().for_each(|name| drop(plain.add(restarted(0), name.as_bytes()).unwrap()));
    count.increment(restarted(0), 1000).unwrap();

    let bound = plain.size_bytes() + 1000 * REPLICA + live.len() * DOT;
    assert!(set.size_bytes() <= bound, "{} beyond {bound}", set.size_bytes());
    assert!(counter.size_bytes() <= count.size_bytes() + 1000 * (REPLICA + 2 + DOT));

    // All but the last are gone for good: the last one takes over, and everybody forgets.
    let now = restarted(999);
    let mut there = (set.clone(), counter.clone());
    for id in (0..999).map(restarted) {
        let moved = set.retire(now, id).unwrap();
        assert!(!set.forget(id) || !set.context().replicas().any(|other| other == id));
        there.0.merge(&moved);
        there.1.merge(&counter.retire(now, id).unwrap());
    }
    for id in (0..999).map(restarted) {
        there.0.forget(id);
        assert!(counter.forget(id) && there.1.forget(id));
    }
    assert_eq!((&set, &counter), (&there.0, &there.1));
    assert_eq!((set.len(), counter.value()), (100, 1000));
    assert!(set.size_bytes() <= plain.size_bytes() + REPLICA + live.len() * DOT, "{}", set.size_bytes());
    assert!(counter.size_bytes() <= count.size_bytes() + REPLICA + DOT);
    assert_eq!(set.context().replicas().collect::<Vec<_>>(), [now]);
}

#[test]
fn gaps_cost_as_many_runs_as_there_are() {
    let mut set = Causal::<OrSet>::new();
    let deltas: Vec<_> = (0..CYCLES).map(|_| set.add(ONE, b"x").unwrap()).collect();
    let mut there = Causal::<OrSet>::new();
    // Every hundredth is lost on its way; the next covers it, for each names the dot it replaced.
    for lost in deltas.chunks(100) {
        for delta in &lost[1..] {
            there.merge(delta);
        }
    }
    assert!(there.context().runs().len() <= 101);
    assert_eq!(there.len(), 1);
    there.merge(&set.delta_since(there.context()));
    assert_eq!((there.context().runs().len(), &there), (1, &set));
}

#[test]
fn a_change_of_a_counter_is_a_few_bytes_however_many_are_coalesced() {
    let mut counter = Causal::<GCounter>::new();
    let mut all = Causal::<GCounter>::new();
    for _ in 0..1000 {
        let delta = counter.increment(ONE, 1).unwrap();
        assert!(delta.size_bytes() <= 30, "{}", delta.size_bytes());
        all.merge(&delta);
    }
    assert!(all.size_bytes() <= 30, "{}", all.size_bytes());
    assert_eq!(counter.delta_since(&Context::new()), all);
}
