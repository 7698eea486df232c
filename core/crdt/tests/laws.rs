// SPDX-License-Identifier: Apache-2.0
//! The laws of merging, for every type: on states and deltas as they arise among replicas that write at the same time,
//! with deltas lost, doubled and late. Maps are nested up to the depth that chance makes.

#![allow(clippy::unwrap_used, reason = "a test")]

mod kit;

use adjoin_crdt::{Context, Crdt, Kind, Limits};
use kit::{Step, World, merged, ops, steps, write};
use proptest::prelude::*;

fn associates(kind: Kind, script: &[Step], picks: [u16; 3]) {
    let states = World::after(kind, script).states();
    let [a, b, c] = picks.map(|pick| &states[usize::from(pick) % states.len()]);
    assert_eq!(merged(&merged(a, b), c), merged(a, &merged(b, c)));
}

fn commutes(kind: Kind, script: &[Step], picks: [u16; 3]) {
    let states = World::after(kind, script).states();
    let [a, b, _] = picks.map(|pick| &states[usize::from(pick) % states.len()]);
    let (left, right) = (merged(a, b), merged(b, a));
    assert_eq!(left, right);
    assert_eq!(left.encode(), right.encode(), "equal states encode equally");
}

fn repeats_idly(kind: Kind, script: &[Step], picks: [u16; 3]) {
    let states = World::after(kind, script).states();
    let [a, b, _] = picks.map(|pick| &states[usize::from(pick) % states.len()]);
    let once = merged(a, b);
    for again in [a, b, &once] {
        let mut state = once.clone();
        assert!(!state.merge(again).unwrap(), "nothing of it is new");
        assert_eq!(state, once);
    }
}

fn says_whether_it_changed(kind: Kind, script: &[Step], picks: [u16; 3]) {
    let states = World::after(kind, script).states();
    let [a, b, _] = picks.map(|pick| &states[usize::from(pick) % states.len()]);
    let mut state = a.clone();
    assert_eq!(state.merge(b).unwrap(), state != *a);
}

fn delta_is_what_was_written(kind: Kind, script: &[Step], op: kit::Op) {
    let world = World::after(kind, script);
    for (at, before) in world.replicas.iter().enumerate() {
        let mut after = before.clone();
        let delta = write(&mut after, kit::id(at), op);
        assert_eq!(merged(before, &delta), after, "the state before and the delta are the state after");
        assert_eq!(delta.is_idle(), *before == after);
    }
}

fn since_is_complete(kind: Kind, script: &[Step], picks: [u16; 3]) {
    let states = World::after(kind, script).states();
    let [a, b, _] = picks.map(|pick| &states[usize::from(pick) % states.len()]);
    let since = a.delta_since(b.context());
    assert_eq!(merged(b, &since), merged(b, a));
    assert_eq!(a.delta_since(&Context::new()), *a);
    let bytes = since.encode();
    assert_eq!(Crdt::decode(&bytes, &Limits::default()), Ok(since));
}

fn converges(kind: Kind, script: &[Step]) {
    let world = World::after(kind, script);
    let mut replicas = world.replicas.clone();
    // Two rounds by what each lacks: everything reaches everyone.
    for _ in 0..2 {
        for from in 0..replicas.len() {
            for to in 0..replicas.len() {
                let delta = replicas[from].delta_since(replicas[to].context());
                replicas[to].merge(&delta).unwrap();
            }
        }
    }
    // And once from every delta, in the reverse order.
    let all = world.deltas.iter().rev().fold(Crdt::new(kind), |state, delta| merged(&state, delta));
    for replica in &replicas {
        assert_eq!(*replica, all);
        assert_eq!(replica.encode(), all.encode());
    }
}

fn bytes_are_the_state(kind: Kind, script: &[Step]) {
    let world = World::after(kind, script);
    for state in world.states() {
        let bytes = state.encode();
        assert_eq!(state.size_bytes(), bytes.len());
        let read = Crdt::decode(&bytes, &Limits::default()).unwrap();
        assert_eq!(read, state);
        assert_eq!(read.encode(), bytes);
        // What was read behaves the same: its ways in were made anew, those of the state grew.
        for other in &world.replicas {
            assert_eq!(merged(&read, other), merged(&state, other));
            assert_eq!(merged(other, &read), merged(other, &state));
            assert_eq!(read.delta_since(other.context()), state.delta_since(other.context()));
        }
    }
}

macro_rules! laws {
    ($($module:ident: $kind:ident),*) => {$(
        mod $module {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

                #[test]
                fn merging_is_associative(script in prop::collection::vec(steps(), 1..30), picks in any::<[u16; 3]>()) {
                    associates(Kind::$kind, &script, picks);
                }

                #[test]
                fn merging_is_commutative(script in prop::collection::vec(steps(), 1..30), picks in any::<[u16; 3]>()) {
                    commutes(Kind::$kind, &script, picks);
                }

                #[test]
                fn merging_is_idempotent(script in prop::collection::vec(steps(), 1..30), picks in any::<[u16; 3]>()) {
                    repeats_idly(Kind::$kind, &script, picks);
                }

                #[test]
                fn merging_says_whether_it_changed(
                    script in prop::collection::vec(steps(), 1..30),
                    picks in any::<[u16; 3]>(),
                ) {
                    says_whether_it_changed(Kind::$kind, &script, picks);
                }

                #[test]
                fn a_delta_is_what_was_written(script in prop::collection::vec(steps(), 1..30), op in ops()) {
                    delta_is_what_was_written(Kind::$kind, &script, op);
                }

                #[test]
                fn delta_since_is_complete(script in prop::collection::vec(steps(), 1..30), picks in any::<[u16; 3]>()) {
                    since_is_complete(Kind::$kind, &script, picks);
                }

                #[test]
                fn replicas_converge(script in prop::collection::vec(steps(), 1..40)) {
                    converges(Kind::$kind, &script);
                }

                #[test]
                fn bytes_give_the_state_back(script in prop::collection::vec(steps(), 1..30)) {
                    bytes_are_the_state(Kind::$kind, &script);
                }
            }
        }
    )*};
}

laws! {
    g_counter: GCounter,
    pn_counter: PnCounter,
    g_set: GSet,
    or_set: OrSet,
    lww_register: LwwRegister,
    flag: Flag,
    or_map: OrMap,
    vote: Vote,
    ew_flag: EwFlag,
    mv_register: MvRegister
}
