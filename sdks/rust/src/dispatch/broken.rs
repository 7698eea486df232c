// SPDX-License-Identifier: Apache-2.0
//! Where the dispatcher of a broken SDK ([`Mutant`]) does otherwise, or sees and says what a broken host would. Without
//! the feature all of it is compiled away.

use std::cell::RefCell;
use std::collections::HashMap;

use adjoin_entity::frame::{AnswerFrame, CommandFrame, HandlerResult, HostFrame};
use adjoin_model::{CommandId, EntityId, Epoch, Payload, Sequence};

use super::Task;
use crate::cx::State;
use crate::mutant::{Mutant, is};
use crate::typed::Type;

/// A batch of the host, its commands in the order that the SDK takes them.
pub(super) fn batch(mut frames: Vec<HostFrame>) -> Vec<HostFrame> {
    if is(Mutant::CommandsReversed) {
        reverse_commands(&mut frames);
    }
    for frame in &mut frames {
        match frame {
            HostFrame::Activate { epoch, .. } if is(Mutant::EpochStuck) || is(Mutant::EpochHidden) => *epoch = Epoch(1),
            HostFrame::Replay { events, .. } if is(Mutant::ReplayShort) && events.len() > 1 => {
                // The last one keeps its number, so that the host hears what it expects.
                events.remove(0);
            }
            HostFrame::Command(frame) if is(Mutant::IdsRepeat) => frame.id = CommandId(1),
            _ => {}
        }
    }
    frames
}

fn reverse_commands(frames: &mut [HostFrame]) {
    let is_command = |frame: &HostFrame| matches!(frame, HostFrame::Command(_));
    let places: Vec<usize> = (0..frames.len()).filter(|place| is_command(&frames[*place])).collect();
    for (first, last) in places.iter().zip(places.iter().rev()).take(places.len() / 2) {
        frames.swap(*first, *last);
    }
}

/// Events that come behind a state, as a host would send them that lost count: without the first.
pub(super) fn behind(events: &[(Sequence, Payload)], has_state: bool) -> &[(Sequence, Payload)] {
    if is(Mutant::SnapshotMisplaced) && has_state { events.get(1..).unwrap_or_default() } else { events }
}

/// A command as its handler sees it; none is refused.
pub(super) fn command(mut frame: CommandFrame) -> Option<CommandFrame> {
    if is(Mutant::AttemptHidden) {
        (frame.attempt, frame.id) = (1, CommandId(u128::from(frame.call)));
    }
    (!is(Mutant::RedeliveryRefused) || frame.attempt == 1).then_some(frame)
}

/// A handler that waits.
pub(super) fn task(task: Task) -> Task {
    if is(Mutant::WaitBlocks) {
        let frame = futures::executor::block_on(task);
        return Box::pin(std::future::ready(frame));
    }
    task
}

/// What a handler that ended well did.
pub(super) fn answer<S: 'static>(of: &Type<S>, answer: &mut AnswerFrame, state: &mut Option<State<S>>) {
    let effects = &mut answer.effects;
    if is(Mutant::EmitLater)
        && let Some(state) = state.as_mut().and_then(State::own)
    {
        for event in &effects.events {
            // What was just written can be read.
            let _ = of.fold(state, 0, event);
        }
    }
    if is(Mutant::EventsLost) {
        effects.events.clear();
    }
    if is(Mutant::EventsDoubled) {
        effects.events.extend_from_within(..);
    }
    if is(Mutant::EffectsLost) {
        effects.side_effects.clear();
    }
    if is(Mutant::EffectsDoubled) {
        effects.side_effects.extend_from_within(..);
    }
    if is(Mutant::RefusalsLost) && matches!(answer.result, HandlerResult::Failed(_)) {
        answer.result = HandlerResult::Reply(None);
    }
    if is(Mutant::CodesLost)
        && let HandlerResult::Failed(error) = &mut answer.result
    {
        error.code = None;
    }
    if is(Mutant::SnapshotEmpty) && effects.snapshot.is_some() {
        effects.snapshot = of.save((of.initial)().get()).ok();
    }
}

type Asked = (EntityId, String, Vec<u8>);

thread_local! {
    static ANSWERED: RefCell<HashMap<Asked, HandlerResult>> = RefCell::default();
}

/// The answer to a query.
pub(super) fn query(entity: &EntityId, name: &str, data: &[u8], answer: &mut AnswerFrame) {
    if is(Mutant::QueriesStale) || is(Mutant::QueriesCached) {
        let asked = (entity.clone(), name.to_owned(), data.to_vec());
        let first = ANSWERED.with_borrow_mut(|known| known.entry(asked).or_insert(answer.result.clone()).clone());
        answer.result = first;
    }
}
