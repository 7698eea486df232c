// SPDX-License-Identifier: Apache-2.0
//! Row 12: a set of 10 000 short strings by itself: adding, merging a delta, merging what is known, and bytes; the same
//! where it can be asked of the crates `crdts` and `yrs`, in the same rounds.

use std::hint::black_box;

use adjoin_crdt::{Causal, Limits, OrSet, ReplicaId};
use crdts::{CmRDT, CvRDT, Orswot};
use rustix::time::{ClockId, clock_gettime};
use yrs::updates::decoder::Decode;
use yrs::{Doc, Map, ReadTxn, StateVector, Transact, Update};

use crate::report::{Target, median};
use crate::{Arguments, Outcome};

/// Elements of the set that the targets speak of; other sizes are printed beside.
const ELEMENTS: usize = 10_000;
const SIZES: [usize; 5] = [10, 1_000, ELEMENTS, 100_000, 1_000_000];
/// Deltas of one element, merged one after the other.
const DELTAS: usize = 2_000;
const ADD_NS: f64 = 350.0;
const DELTA_NS: f64 = 2_000.0;
const EQUAL_NS: f64 = 50.0;
const SIZE: f64 = 1.3;

const HERE: ReplicaId = ReplicaId(0x7b1d_90c2_5a7e_4411);
const THERE: ReplicaId = ReplicaId(0x22f0_6e13_9d04_b8ac);

/// What one round measured, in nanoseconds an element or delta.
struct Round {
    add: f64,
    delta: f64,
    equal: f64,
    /// Bytes of the encoded set, over those of its elements.
    size: f64,
}

/// The same of a peer, as far as it can.
struct Peer {
    add: f64,
    /// One element arrives: `crdts` knows only whole states.
    one: f64,
    equal: f64,
}

pub(super) fn run(arguments: &Arguments) -> Outcome<Vec<Target>> {
    let (mut adjoin, mut crdts, mut yrs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..arguments.rounds() * TAKES {
        adjoin.push(round(ELEMENTS)?);
        crdts.push(crdts_round(ELEMENTS));
        yrs.push(yrs_round(ELEMENTS)?);
    }
    for size in SIZES.into_iter().filter(|size| *size != ELEMENTS) {
        let rounds: Vec<Round> = (0..arguments.rounds()).map(|_| round(size)).collect::<Outcome<_>>()?;
        say("adjoin", size, &typical(&rounds));
    }
    let ours = typical(&adjoin);
    say("adjoin", ELEMENTS, &ours);
    let (crdts, yrs) = (middle("crdts 7", &crdts), middle("yrs", &yrs));
    let beside = |what: fn(&Peer) -> f64| format!("crdts {:.0}, yrs {:.0} in this run", what(&crdts), what(&yrs));
    Ok(vec![
        Target::less(12, "orset-add", ours.add, ADD_NS, "ns").note(beside(|peer| peer.add)),
        Target::less(12, "orset-merge-delta", ours.delta, DELTA_NS, "ns").note(beside(|peer| peer.one)),
        Target::less(12, "orset-merge-equal-per-element", ours.equal, EQUAL_NS, "ns").note(beside(|peer| peer.equal)),
        Target::less(12, "orset-encoded-over-raw", ours.size, SIZE, "×").note("elements of 12 bytes"),
    ])
}

/// The medians of rounds.
fn typical(rounds: &[Round]) -> Round {
    let of = |pick: fn(&Round) -> f64| median(rounds.iter().map(pick));
    Round { add: of(|it| it.add), delta: of(|it| it.delta), equal: of(|it| it.equal), size: of(|it| it.size) }
}

fn say(name: &str, size: usize, round: &Round) {
    println!(
        "{name:<8} {size:>8} elements: add {:>6.0} ns, delta {:>6.0} ns, equal {:>6.1} ns/element, {:.3}× raw bytes",
        round.add, round.delta, round.equal, round.size
    );
}

fn middle(name: &str, rounds: &[Peer]) -> Peer {
    let of = |pick: fn(&Peer) -> f64| median(rounds.iter().map(pick));
    let peer = Peer { add: of(|it| it.add), one: of(|it| it.one), equal: of(|it| it.equal) };
    println!(
        "{name:<8} {ELEMENTS:>8} elements: add {:>6.0} ns, one element {:>9.0} ns, equal {:>6.1} ns/element",
        peer.add, peer.one, peer.equal
    );
    peer
}

/// Different strings of twelve bytes, not in their order.
fn elements(from: usize, count: usize) -> Vec<String> {
    // An odd factor visits every number below a power of two once.
    (from..from + count).map(|at| format!("user-{:07}", at.wrapping_mul(0x9e_3779) % (1 << 23))).collect()
}

/// Times that a round measures each: what takes a few milliseconds is easily interrupted.
const TAKES: usize = 7;

/// Nanoseconds of this thread's processor time that `work` took, for each of `count`: nothing here waits, and what else
/// runs on the machine must not count.
fn each<T>(count: usize, work: impl FnOnce() -> T) -> (f64, T) {
    let began = processor_time_ns();
    let outcome = black_box(work());
    ((processor_time_ns() - began) as f64 / count as f64, outcome)
}

fn processor_time_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

fn round(size: usize) -> Outcome<Round> {
    let (names, more) = (elements(0, size), elements(size, DELTAS));
    let (add, mut here) = each(size, || {
        names.iter().try_fold(Causal::<OrSet>::new(), |mut set, name| {
            black_box(set.add(HERE, name.as_bytes())?);
            Ok::<_, adjoin_crdt::Error>(set)
        })
    });
    let here = here.as_mut().map_err(|error| *error)?;
    let bytes = here.encode();
    let raw: usize = names.iter().map(String::len).sum();
    // Another replica has the same set, and nothing in common with this one's memory.
    let mut there = Causal::<OrSet>::decode(&bytes, &Limits::default())?;
    let (equal, changed) = each(size, || here.merge(&there));
    if changed {
        return Err("what was decoded is not what was encoded".into());
    }
    let deltas: Vec<_> = more.iter().map(|name| there.add(THERE, name.as_bytes())).collect::<Result<_, _>>()?;
    let (delta, taken) = each(DELTAS, || deltas.iter().filter(|delta| here.merge(delta)).count());
    if taken != DELTAS || **here != *there {
        return Err("not every delta arrived".into());
    }
    Ok(Round { add, delta, equal, size: bytes.len() as f64 / raw as f64 })
}

fn crdts_round(size: usize) -> Peer {
    let names = elements(0, size);
    let (add, mut here) = each(size, || {
        let mut set = Orswot::<String, u64>::new();
        for name in &names {
            let seen = set.read_ctx().derive_add_ctx(HERE.0);
            set.apply(set.add(name.clone(), seen));
        }
        set
    });
    let mut there = here.clone();
    let (equal, ()) = each(size, || here.merge(there.clone()));
    for name in elements(size, 1) {
        let seen = there.read_ctx().derive_add_ctx(THERE.0);
        there.apply(there.add(name, seen));
    }
    let (one, ()) = each(1, || here.merge(there));
    Peer { add, one, equal }
}

fn yrs_round(size: usize) -> Outcome<Peer> {
    let (names, more) = (elements(0, size), elements(size, DELTAS));
    let (here, there) = (Doc::with_client_id(1), Doc::with_client_id(2));
    let (set, other) = (here.get_or_insert_map("set"), there.get_or_insert_map("set"));
    let (add, ()) = each(size, || {
        for name in &names {
            set.insert(&mut here.transact_mut(), name.as_str(), true);
        }
    });
    let whole = here.transact().encode_state_as_update_v1(&StateVector::default());
    there.transact_mut().apply_update(Update::decode_v1(&whole)?)?;
    // It has no merge without bytes.
    let (equal, outcome) =
        each(size, || -> Outcome<()> { Ok(there.transact_mut().apply_update(Update::decode_v1(&whole)?)?) });
    outcome?;
    let deltas: Vec<Vec<u8>> = more
        .iter()
        .map(|name| {
            let mut turn = there.transact_mut();
            other.insert(&mut turn, name.as_str(), true);
            turn.encode_update_v1()
        })
        .collect();
    let (one, outcome) = each(DELTAS, || {
        deltas
            .iter()
            .try_for_each(|delta| -> Outcome<()> { Ok(here.transact_mut().apply_update(Update::decode_v1(delta)?)?) })
    });
    outcome?;
    Ok(Peer { add, one, equal })
}
