// SPDX-License-Identifier: Apache-2.0
//! Writes to a state of any type, and replicas between which deltas are lost, doubled and late.
#![allow(dead_code, reason = "every test file uses its part")]

use adjoin_crdt::{
    Clock, Crdt, Edit, Error, EwFlag, Flag, GCounter, GSet, Kind, LwwRegister, MvRegister, OrMap, OrSet, PnCounter,
    ReplicaId, Store, Vote,
};
use proptest::prelude::*;

/// One write; what the numbers mean depends on the type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    /// Which kind of write.
    pub(crate) which: u8,
    /// On which element, value or key.
    pub(crate) item: u8,
    /// By how much, or when.
    pub(crate) by: i8,
    /// What goes into a nested state.
    pub(crate) inner: [u8; 4],
}

pub(crate) fn ops() -> impl Strategy<Value = Op> {
    (any::<u8>(), 0..4_u8, any::<i8>(), any::<[u8; 4]>()).prop_map(|(which, item, by, inner)| Op {
        which,
        item,
        by,
        inner,
    })
}

/// Types that can stand under a key.
const NESTED: [Kind; 10] = Kind::ALL;

/// A type that a test writes to.
pub(crate) trait Written: Store {
    fn apply(edit: &mut Edit<'_, Self>, op: Op) -> Result<(), Error>;
}

fn item(op: Op) -> [u8; 1] {
    [b'a' + op.item]
}

/// More elements than a list is kept of.
fn many(op: Op) -> Vec<[u8; 2]> {
    (0..12).map(|at| [b'A' + op.item, b'0' + at]).collect()
}

impl Written for GCounter {
    fn apply(edit: &mut Edit<'_, Self>, op: Op) -> Result<(), Error> {
        edit.increment(u64::from(op.by.unsigned_abs()))
    }
}

impl Written for PnCounter {
    fn apply(edit: &mut Edit<'_, Self>, op: Op) -> Result<(), Error> {
        edit.change(i64::from(op.by))
    }
}

impl Written for GSet {
    fn apply(edit: &mut Edit<'_, Self>, op: Op) -> Result<(), Error> {
        match op.which % 4 {
            0 => many(op).iter().try_for_each(|element| edit.add(element)),
            _ => edit.add(&item(op)),
        }
    }
}

impl Written for OrSet {
    fn apply(edit: &mut Edit<'_, Self>, op: Op) -> Result<(), Error> {
        match op.which % 8 {
            0 => edit.clear(),
            1 | 2 => _ = edit.remove(&item(op)),
            3 => many(op).iter().try_for_each(|element| edit.add(element))?,
            4 => {
                edit.add(&item(op))?;
                edit.remove(b"b");
                edit.add(b"c")?;
            }
            _ => edit.add(&item(op))?,
        }
        Ok(())
    }
}

impl Written for LwwRegister {
    fn apply(edit: &mut Edit<'_, Self>, op: Op) -> Result<(), Error> {
        let at = i64::from(op.by % 4);
        let clock = match op.which % 4 {
            0 => Clock::Default { now_ms: at },
            1 => Clock::Reverse { now_ms: at },
            2 => Clock::Custom(at),
            _ => Clock::CustomAutoIncrement(at),
        };
        edit.set(&item(op), clock).map(drop)
    }
}

impl Written for MvRegister {
    fn apply(edit: &mut Edit<'_, Self>, op: Op) -> Result<(), Error> {
        edit.set(&item(op))
    }
}

impl Written for Flag {
    fn apply(edit: &mut Edit<'_, Self>, _: Op) -> Result<(), Error> {
        edit.enable()
    }
}

impl Written for EwFlag {
    fn apply(edit: &mut Edit<'_, Self>, op: Op) -> Result<(), Error> {
        match op.which % 2 {
            0 => edit.enable(),
            _ => {
                edit.disable();
                Ok(())
            }
        }
    }
}

impl Written for Vote {
    fn apply(edit: &mut Edit<'_, Self>, op: Op) -> Result<(), Error> {
        match op.which % 8 {
            0 => edit.retain(|member| member.0 % 4 != u64::from(op.item)),
            _ => edit.set(u64::from(op.item), op.by > 0)?,
        }
        Ok(())
    }
}

impl Written for OrMap {
    fn apply(edit: &mut Edit<'_, Self>, op: Op) -> Result<(), Error> {
        match op.which % 16 {
            0 => edit.clear(),
            1..=4 => _ = edit.remove(&item(op)),
            // Two keys have a type of their own; under the others types may clash.
            _ => {
                let kind = if op.item < 2 { op.item + 3 } else { op.inner[3] } % NESTED.len() as u8;
                let outcome = under(edit, op, NESTED[usize::from(kind)]);
                if !matches!(outcome, Err(Error::Clash { .. } | Error::TooDeep)) {
                    outcome?;
                }
            }
        }
        Ok(())
    }
}

fn under(edit: &mut Edit<'_, OrMap>, op: Op, kind: Kind) -> Result<(), Error> {
    let [which, item, by, deeper] = op.inner;
    let inner = Op { which, item: item % 4, by: by as i8, inner: [deeper, which, item, by / 2] };
    match kind {
        Kind::GCounter => at::<GCounter>(edit, op, inner),
        Kind::PnCounter => at::<PnCounter>(edit, op, inner),
        Kind::GSet => at::<GSet>(edit, op, inner),
        Kind::OrSet => at::<OrSet>(edit, op, inner),
        Kind::LwwRegister => at::<LwwRegister>(edit, op, inner),
        Kind::Flag => at::<Flag>(edit, op, inner),
        Kind::OrMap => at::<OrMap>(edit, op, inner),
        Kind::Vote => at::<Vote>(edit, op, inner),
        Kind::EwFlag => at::<EwFlag>(edit, op, inner),
        Kind::MvRegister => at::<MvRegister>(edit, op, inner),
    }
}

fn at<S: Written>(edit: &mut Edit<'_, OrMap>, op: Op, inner: Op) -> Result<(), Error> {
    // Some updates only make the key.
    edit.update::<S, _>(&item(op), |edit| if op.by == 0 { Ok(()) } else { S::apply(edit, inner) })
}

/// Writes to a state of any type; gives the delta.
pub(crate) fn write(state: &mut Crdt, replica: ReplicaId, op: Op) -> Crdt {
    match state.kind() {
        Kind::GCounter => typed::<GCounter>(state, replica, op),
        Kind::PnCounter => typed::<PnCounter>(state, replica, op),
        Kind::GSet => typed::<GSet>(state, replica, op),
        Kind::OrSet => typed::<OrSet>(state, replica, op),
        Kind::LwwRegister => typed::<LwwRegister>(state, replica, op),
        Kind::Flag => typed::<Flag>(state, replica, op),
        Kind::OrMap => typed::<OrMap>(state, replica, op),
        Kind::Vote => typed::<Vote>(state, replica, op),
        Kind::EwFlag => typed::<EwFlag>(state, replica, op),
        Kind::MvRegister => typed::<MvRegister>(state, replica, op),
    }
}

fn typed<S: Written>(state: &mut Crdt, replica: ReplicaId, op: Op) -> Crdt {
    let (outcome, delta) = state.edit::<S, _>(replica, |edit| S::apply(edit, op)).unwrap();
    outcome.unwrap();
    delta
}

/// What happens next; places are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// A replica writes.
    Write(u8, Op),
    /// A delta of the past arrives at a replica: for the first time, again, or too late.
    Deliver(u16, u8),
    /// A replica takes the whole state of another.
    Sync(u8, u8),
    /// A replica takes what it lacks of another.
    Since(u8, u8),
}

pub(crate) fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<u8>(), ops()).prop_map(|(at, op)| Step::Write(at, op)),
        3 => (any::<u16>(), any::<u8>()).prop_map(|(delta, to)| Step::Deliver(delta, to)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(from, to)| Step::Sync(from, to)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(from, to)| Step::Since(from, to)),
    ]
}

/// Replicas of one state and every delta that they made.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) replicas: Vec<Crdt>,
    pub(crate) deltas: Vec<Crdt>,
}

impl World {
    pub(crate) fn new(kind: Kind, replicas: usize) -> Self {
        Self { replicas: vec![Crdt::new(kind); replicas], deltas: Vec::new() }
    }

    /// The world after these steps.
    pub(crate) fn after(kind: Kind, steps: &[Step]) -> Self {
        let mut world = Self::new(kind, 3);
        steps.iter().for_each(|step| world.step(*step));
        world
    }

    pub(crate) fn step(&mut self, step: Step) {
        let count = self.replicas.len();
        match step {
            Step::Write(at, op) => {
                let at = usize::from(at) % count;
                let delta = write(&mut self.replicas[at], id(at), op);
                self.deltas.push(delta);
            }
            Step::Deliver(delta, to) if !self.deltas.is_empty() => {
                let delta = &self.deltas[usize::from(delta) % self.deltas.len()];
                self.replicas[usize::from(to) % count].merge(delta).unwrap();
            }
            Step::Deliver(..) => {}
            Step::Sync(from, to) => {
                let from = self.replicas[usize::from(from) % count].clone();
                self.replicas[usize::from(to) % count].merge(&from).unwrap();
            }
            Step::Since(from, to) => {
                let to = usize::from(to) % count;
                let delta = self.replicas[usize::from(from) % count].delta_since(self.replicas[to].context());
                self.replicas[to].merge(&delta).unwrap();
            }
        }
    }

    /// Every state and delta.
    pub(crate) fn states(&self) -> Vec<Crdt> {
        self.replicas.iter().chain(&self.deltas).cloned().collect()
    }
}

/// The id of a replica of a world: not in the order of their places, and far apart.
pub(crate) fn id(at: usize) -> ReplicaId {
    ReplicaId([0x9000_0000_0000_0001, 7, 0x0123_4567_89ab_cdef, 11][at % 4])
}

/// One state merged with another.
pub(crate) fn merged(left: &Crdt, right: &Crdt) -> Crdt {
    let mut state = left.clone();
    state.merge(right).unwrap();
    state
}
