// SPDX-License-Identifier: Apache-2.0
//! A general linearizability checker (after Wing and Gong, with Lowe's memory of configurations) for windows of at most
//! 200 operations of one entity. It knows only what clients saw, so it does not share the other checks' assumptions.

use std::collections::BTreeSet;

use adjoin_entity::spec::EntityKind;
use adjoin_model::Sequence;

use super::Case;
use crate::history::{Ending, History, Operation, OperationId, Writes};
use crate::words::{Fact, NOBODY, State, child};

/// Most operations of a window.
const WINDOW: usize = 200;
/// A window whose search goes on for too long is looked at again in part: what holds for a history holds for every
/// beginning of it.
const SIZES: [usize; 3] = [WINDOW, 100, 50];
/// Configurations looked at before a window is given up.
const PATIENCE: usize = 20_000;

/// What an operation does to an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Append { token: u64, parts: u16 },
    Set { token: u64 },
    Delete,
    Read,
}

/// What a client saw of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Result {
    pub(crate) sequence: Option<Sequence>,
    pub(crate) state: Option<State>,
}

/// One operation of a window: without an end it may have had its effect at any time after it began, or never.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interval {
    pub(crate) began: u64,
    pub(crate) ended: Option<u64>,
    pub(crate) step: Step,
    pub(crate) result: Result,
}

/// What the checker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Linearizable,
    Not,
    GaveUp,
}

type Model = (Sequence, State);

fn apply(step: Step, (sequence, state): Model) -> Model {
    match step {
        Step::Append { token, parts } => {
            let fold = |state: State, part| state.fold(Fact { token, part, parts });
            (sequence + u64::from(parts), (0..parts).fold(state, fold))
        }
        Step::Set { token } => (sequence + 1, State::of_value(token)),
        Step::Delete => (sequence + 1, State::default()),
        Step::Read => (sequence, state),
    }
}

fn fits(result: Result, (sequence, state): Model) -> bool {
    result.sequence.is_none_or(|said| said == sequence) && result.state.is_none_or(|said| said == state)
}

/// Which operations are placed already.
type Placed = [u64; WINDOW.div_ceil(64)];

fn is_placed(placed: &Placed, index: usize) -> bool {
    placed[index / 64] >> (index % 64) & 1 == 1
}

/// Looks for an order of the operations that keeps real time and explains every result.
///
/// Three things keep the search small, and none of them loses an order. A read that fits is placed at once: it changes
/// nothing. A write that fits, and was told its sequence, must come now: sequences only rise. When neither is there,
/// something nobody was told of must have happened, which is where the search branches.
pub(crate) fn linearizable(operations: &[Interval]) -> Verdict {
    let mut looked_at: BTreeSet<(Placed, Model)> = BTreeSet::new();
    let mut stack: Vec<(Placed, Model)> = vec![(Placed::default(), (0, State::default()))];
    while let Some((placed, model)) = stack.pop() {
        if looked_at.len() > PATIENCE {
            return Verdict::GaveUp;
        }
        if !looked_at.insert((placed, model)) {
            continue;
        }
        let open = || operations.iter().enumerate().filter(|(index, _)| !is_placed(&placed, *index));
        let Some(first_end) = open().filter_map(|(_, operation)| operation.ended).min() else {
            return Verdict::Linearizable;
        };
        if open().any(|(_, operation)| operation.is_too_late(model.0)) {
            continue;
        }
        let may_be_next = || open().filter(|(_, operation)| operation.began < first_end);
        let fitting = |reads: bool| {
            may_be_next().find(|(_, operation)| {
                let fits = fits(operation.result, apply(operation.step, model));
                operation.ended.is_some() && (operation.step == Step::Read) == reads && fits
            })
        };
        let place = |(index, operation): (usize, &Interval)| {
            let mut more = placed;
            more[index / 64] |= 1 << (index % 64);
            (more, apply(operation.step, model))
        };
        match fitting(true).or_else(|| fitting(false)) {
            Some(next) => stack.push(place(next)),
            None => stack.extend(may_be_next().filter(|(_, operation)| operation.ended.is_none()).map(place)),
        }
    }
    Verdict::Not
}

impl Interval {
    /// Its answer says that it happened before this sequence.
    fn is_too_late(&self, sequence: Sequence) -> bool {
        let (after, _) = apply(self.step, (sequence, State::default()));
        self.ended.is_some() && self.result.sequence.is_some_and(|said| said < after)
    }
}

impl Case<'_> {
    /// Checks the first window of every entity; says how many were decided and given up.
    pub(super) fn check_windows(&mut self) -> (u64, u64) {
        let (mut decided, mut undecided) = (0, 0);
        for subject in 0..self.context.plan.subjects.len() {
            if self.context.plan.subjects[subject].kind == EntityKind::Action {
                continue;
            }
            let verdicts = SIZES.into_iter().map(|size| linearizable(&window(self.history, subject, size)));
            let verdict = { verdicts }.find(|verdict| *verdict != Verdict::GaveUp);
            match verdict {
                Some(Verdict::Linearizable) => decided += 1,
                Some(Verdict::GaveUp) | None => undecided += 1,
                Some(Verdict::Not) => {
                    let entity = self.name(subject);
                    self.found.push(format!("the first {WINDOW} operations of {entity} have no order"));
                }
            }
        }
        (decided, undecided)
    }
}

/// The first operations of an entity, as a prefix in time: what ends after the cut has not ended.
fn window(history: &History, subject: usize, size: usize) -> Vec<Interval> {
    let mut all: Vec<Interval> = Vec::new();
    for (id, operation) in history.operations.iter().enumerate() {
        all.extend(own(history, id, operation).filter(|_| operation.subject == subject));
        all.extend(called(history, operation, subject));
    }
    all.sort_by_key(|interval| interval.began);
    let cut = all.get(size).map_or(u64::MAX, |interval| interval.began);
    all.truncate(size);
    for interval in &mut all {
        interval.ended = interval.ended.filter(|ended| *ended < cut);
    }
    all.retain(|interval| interval.ended.is_some() || interval.step != Step::Read);
    all
}

/// What an operation does to the entity it asks.
fn own(history: &History, id: OperationId, operation: &Operation) -> Option<Interval> {
    let step = match operation.action.writes() {
        Writes::Facts(_) if operation.action == crate::history::Action::Set => Step::Set { token: operation.token },
        Writes::Facts(parts) => Step::Append { token: operation.token, parts },
        Writes::Delete => Step::Delete,
        Writes::Nothing if operation.action.reads() => Step::Read,
        Writes::Nothing => return None,
    };
    let forwarded = operation.action.forwarded_to().is_some();
    interval(history, id, step, !forwarded)
}

/// What an operation does to others: a forward's answer is that of the entity it went to.
fn called<'a>(history: &'a History, operation: &'a Operation, subject: usize) -> impl Iterator<Item = Interval> + 'a {
    let children = operation.action.children().into_iter().zip(0..);
    let its = children.filter(move |(target, _)| *target != NOBODY && usize::from(*target) == subject);
    its.filter_map(move |(_, index)| {
        let step = Step::Append { token: child(operation.token, index), parts: 1 };
        let id = history.attempts[*operation.attempts.first()?].operation;
        interval(history, id, step, index == 0 && operation.action.forwarded_to().is_some())
    })
}

/// When an operation was first asked and when it was first known to have had its effect. `answered`: its answer is
/// about this step.
fn interval(history: &History, id: OperationId, step: Step, answered: bool) -> Option<Interval> {
    let operation = &history.operations[id];
    let attempts = || operation.attempts.iter().map(|attempt| &history.attempts[*attempt]);
    let began = attempts().next()?.sent;
    let nothing = Result { sequence: None, state: None };
    let reply = attempts().find_map(|attempt| match &attempt.ending {
        Ending::Reply { state, sequence, .. } => {
            Some((attempt.done, Result { sequence: Some(*sequence), state: *state }))
        }
        Ending::Failed { shown: Some(state), .. } if step == Step::Read => {
            Some((attempt.done, Result { sequence: None, state: Some(*state) }))
        }
        _ => None,
    });
    match reply.filter(|_| answered) {
        Some((ended, result)) => Some(Interval { began, ended, step, result }),
        None => {
            let none = answered && attempts().all(|attempt| crate::world::promises_nothing_written(&attempt.ending));
            (!none).then_some(Interval { began, ended: None, step, result: nothing })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(token: u64, began: u64, ended: Option<u64>, sequence: Sequence) -> Interval {
        let result = Result { sequence: Some(sequence), state: None };
        Interval { began, ended, step: Step::Append { token, parts: 1 }, result }
    }

    fn read(began: u64, ended: u64, sequence: Sequence, tokens: &[u64]) -> Interval {
        let fold = |state: State, token: &u64| state.fold(Fact { token: *token, part: 0, parts: 1 });
        let state = Some(tokens.iter().fold(State::default(), fold));
        let result = Result { sequence: Some(sequence), state };
        Interval { began, ended: Some(ended), step: Step::Read, result }
    }

    #[test]
    fn an_order_that_real_time_allows_is_found() {
        let history = [append(1, 1, Some(5), 2), append(2, 2, Some(4), 1), read(6, 7, 2, &[2, 1])];
        assert_eq!(linearizable(&history), Verdict::Linearizable);
    }

    #[test]
    fn a_stale_read_has_no_order() {
        let history = [append(1, 1, Some(2), 1), append(2, 3, Some(4), 2), read(5, 6, 1, &[1])];
        assert_eq!(linearizable(&history), Verdict::Not);
    }

    #[test]
    fn an_unknown_outcome_may_be_seen_late_or_never() {
        let unknown = append(9, 1, None, 0);
        let never = [unknown, append(1, 2, Some(3), 1), read(4, 5, 1, &[1])];
        assert_eq!(linearizable(&never), Verdict::Linearizable);
        let late = [unknown, append(1, 2, Some(3), 1), read(4, 5, 1, &[1]), read(6, 7, 2, &[1, 9])];
        assert_eq!(linearizable(&late), Verdict::Linearizable);
        let gone = [unknown, read(2, 3, 1, &[9]), read(4, 5, 0, &[])];
        assert_eq!(linearizable(&gone), Verdict::Not, "what was seen stays");
    }
}
