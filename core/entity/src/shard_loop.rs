// SPDX-License-Identifier: Apache-2.0
//! Many entities of many shards, as one pure machine: inputs in, outputs out. No clock, no I/O.
//!
//! Control flow stands here; what each step does stands in the children: `admit` takes calls, `activate` brings an
//! entity to its function, `turn` sends commands and queries, `answer` takes what the function says, `release` lets
//! answers out once they are durable, `sessions` knows the functions, `idle` lets go.

mod action;
mod activate;
mod admit;
mod answer;
mod calls;
mod consume;
mod dedup;
mod effects;
mod entity;
mod idle;
mod job;
mod release;
mod sessions;
mod status;
mod stream;
mod turn;
mod watch;

use adjoin_model::{EntityId, Head, Mono, Now, Position, ShardId};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use self::calls::{Calls, CountMap};
pub use self::consume::{ConsumerCounts, ConsumerPlace, ConsumerStatus, ConsumerTotals};
use self::consume::{Consumers, Writes};
use self::effects::Effects;
pub use self::effects::{EffectCounts, EffectState, EffectStatus};
use self::entity::{Entities, Slot};
use self::job::Job;
use self::sessions::Sessions;
pub use self::status::{Slow, Status};
use crate::call::CallId;
use crate::consumer::Consumer;
use crate::frame::FunctionFrame;
use crate::inbox::Inbox;
use crate::io::{Input, Output, SessionId};
use crate::outbox::Outbox;
use crate::settings::Settings;
use crate::shard::{Shard, State};

/// What is written together in a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    /// One command's records: whose, and which of that entity's groups.
    Entity { slot: Slot, ordinal: u64 },
    /// So many inbox records of one delivery.
    Inbox { from: ShardId, records: usize },
    /// That an inbox record ended; `by` waits for it.
    Done { inbox: Position, by: Option<CallId> },
    /// What became of an event for a consumer; `by` waits for it.
    Consumed { consumer: ConsumerPlace, event: Position, writes: Writes, by: Option<CallId> },
}

/// A shard of the loop, and what waits on it.
struct Owned {
    shard: Shard<Group>,
    /// It stands in the queue of shards that may have a batch to write.
    dirty: bool,
    /// A raise is asked.
    raising: bool,
    /// When a raise that failed is tried again.
    raise_at: Option<Mono>,
    outbox: Outbox,
    inbox: Inbox,
    /// It stands in the queue of shards that may have effects to send or to run.
    stirred: bool,
    consumers: BTreeMap<ConsumerPlace, Consumer>,
    /// It stands in the queue of shards that may have events to read or to give out.
    consuming: bool,
    /// It stands in the queue of those that a bound has stopped.
    held: bool,
}

impl Owned {
    fn new(shard: Shard<Group>) -> Self {
        let (outbox, inbox) = (Outbox::default(), Inbox::default());
        Self {
            shard,
            dirty: false,
            raising: false,
            raise_at: None,
            outbox,
            inbox,
            stirred: false,
            consumers: BTreeMap::new(),
            consuming: false,
            held: false,
        }
    }
}

/// The machine of one loop of a host.
pub struct ShardLoop {
    settings: Settings,
    now: Now,
    entities: Entities,
    /// By shard, divided by the number of loops.
    shards: Vec<Option<Owned>>,
    sessions: Sessions,
    calls: Calls,
    actions: CountMap<action::Action>,
    /// Entities that may have something to send.
    ready: VecDeque<Slot>,
    /// Shards that may have something to write.
    dirty: Vec<ShardId>,
    /// Shards whose raise failed.
    to_raise: Vec<ShardId>,
    effects: Effects,
    consumers: Consumers,
    /// Entities that wait for a place among the activations under way.
    waiting: VecDeque<Slot>,
    activating: usize,
    /// Counts activations, frames and loads: nothing is named twice.
    counter: u64,
    next_idle_check: Mono,
    draining: bool,
    drained: bool,
    dedups_dropped: u64,
    /// Commands that failed because the process died under them.
    deadly: Vec<(EntityId, Arc<str>)>,
    out: Vec<Output>,
    #[cfg(feature = "mutants")]
    pub(crate) mutant: Option<crate::mutant::Mutant>,
}

impl ShardLoop {
    /// A loop that owns these shards, each with the head that its raise returned.
    #[must_use]
    pub fn new(settings: Settings, heads: Vec<(ShardId, Head)>) -> Self {
        let loops = u32::from(settings.loops.max(1));
        let mut shards: Vec<Option<Owned>> = Vec::new();
        shards.resize_with(settings.shards.div_ceil(loops) as usize, || None);
        for (id, head) in heads {
            let shard = Shard::new(id, settings.owner, head, settings.limits.batch_bytes);
            if let Some(place) = shards.get_mut((id.0 / loops) as usize) {
                *place = Some(Owned::new(shard));
            }
        }
        Self {
            now: Now::default(),
            entities: Entities::new(settings.seed),
            shards,
            sessions: Sessions::default(),
            calls: Calls::default(),
            actions: CountMap::default(),
            ready: VecDeque::new(),
            dirty: Vec::new(),
            to_raise: Vec::new(),
            effects: Effects::default(),
            consumers: Consumers::default(),
            waiting: VecDeque::new(),
            activating: 0,
            counter: 0,
            next_idle_check: Mono(0),
            draining: false,
            drained: false,
            dedups_dropped: 0,
            deadly: Vec::new(),
            out: Vec::new(),
            #[cfg(feature = "mutants")]
            mutant: None,
            settings,
        }
    }

    /// Takes every input, in order, at one point in time, and appends what is to be done, in order.
    ///
    /// Call it also without inputs when [`ShardLoop::next_wake`] has come.
    pub fn step(&mut self, now: Now, inputs: &mut Vec<Input>, outputs: &mut Vec<Output>) {
        self.now = now;
        core::mem::swap(&mut self.out, outputs);
        self.wake();
        for input in inputs.drain(..) {
            self.take(input);
        }
        self.begin_activations();
        self.run_ready();
        self.feed_all();
        self.run_effects();
        self.run_consumers();
        self.write_dirty();
        self.finish_drain();
        core::mem::swap(&mut self.out, outputs);
    }

    /// When the loop wants to be stepped at the latest; `None` while nothing waits for time.
    #[must_use]
    pub fn next_wake(&self) -> Option<Mono> {
        let idle = (self.entities.len() > 0).then_some(self.next_idle_check);
        let raise = self.to_raise.iter().filter_map(|id| self.owned(*id)?.raise_at).min();
        [self.calls.next_due(), self.effects.next_due(), self.consumers.next_due(), idle, raise]
            .into_iter()
            .flatten()
            .min()
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Call(call) => self.admit(call),
            Input::Cancel(call) => self.cancel(call),
            Input::Taken { call, elements } => self.taken(call, elements),
            Input::StreamInput { call, payload } => self.stream_input(call, payload),
            Input::StreamInputEnd { call } => self.stream_input_end(call),
            Input::SessionUp { session, spec, running, bytes } => self.session_up(session, &spec, running, bytes),
            Input::SessionDown { session, orderly } => self.session_down(session, orderly),
            Input::Frame { session, frame } => self.frame(session, frame),
            Input::Loaded { load, page } => self.loaded(load, page),
            Input::Shard { shard, input } => self.shard_input(shard, input),
            Input::EffectDone { effect, result, sent } => self.effect_done(effect, result, sent),
            Input::Deliver { from, to, records } => self.deliver(from, to, records),
            Input::Delivered { from, to, up_to } => self.delivered(from, to, up_to),
            Input::RetryEffect { call, shard, inbox } => self.retry_effect(call, shard, inbox),
            Input::DropEffect { call, shard, inbox } => self.drop_effect(call, shard, inbox),
            Input::EventsRead { shard, consumer, from, page } => self.events_read(shard, consumer, from, page),
            Input::RetryLetter { call, shard, consumer, event } => self.retry_letter(call, shard, &consumer, event),
            Input::DropLetter { call, shard, consumer, event } => self.drop_letter(call, shard, &consumer, event),
            Input::Drain => self.drain(),
        }
    }

    /// A frame of a session that has ended is dropped: what it says was about a process that is gone.
    fn frame(&mut self, session: SessionId, frame: FunctionFrame) {
        if !self.sessions.is_live(session) {
            return;
        }
        let Some(frame) = self.behind(session, frame) else { return };
        match frame {
            FunctionFrame::Replayed { activation, sequence } => self.replayed(session, activation, sequence),
            FunctionFrame::ActivationFailed { activation, error, snapshot_unreadable } => {
                self.activation_failed(session, activation, error, snapshot_unreadable);
            }
            FunctionFrame::Answer(answer) if answer.activation == 0 => self.action_answer(session, answer),
            FunctionFrame::Answer(answer) => self.answer(session, answer),
            FunctionFrame::StreamElement { call, payload, effects, metadata } => {
                self.stream_element(session, call, (payload, metadata), effects);
            }
            FunctionFrame::StreamEnd { call, error } => self.stream_end(session, call, error),
            FunctionFrame::StreamInputCredit { call, elements } => self.stream_input_credit(session, call, elements),
            FunctionFrame::Pressure { level } => self.pressure(session, level),
            // The driver makes the calls of handlers: an edge like any other.
            FunctionFrame::Call(_) | FunctionFrame::CancelCall { .. } => {}
        }
    }

    /// What is due by now.
    fn wake(&mut self) {
        while let Some(due) = self.calls.pop_due(self.now.mono) {
            self.due(due);
        }
        self.raise_again();
        self.effects_due();
        self.consumers_due();
        self.check_idle();
    }

    fn run_ready(&mut self) {
        while let Some(slot) = self.ready.pop_front() {
            if let Some(entity) = self.entities.get_mut(slot) {
                entity.ready = false;
                self.turn(slot);
            }
        }
    }

    fn make_ready(&mut self, slot: Slot) {
        if let Some(entity) = self.entities.get_mut(slot).filter(|entity| !entity.ready) {
            entity.ready = true;
            self.ready.push_back(slot);
        }
    }

    fn owned(&self, id: ShardId) -> Option<&Owned> {
        let loops = u32::from(self.settings.loops.max(1));
        self.shards.get((id.0 / loops) as usize)?.as_ref()
    }

    fn owned_mut(&mut self, id: ShardId) -> Option<&mut Owned> {
        let loops = u32::from(self.settings.loops.max(1));
        self.shards.get_mut((id.0 / loops) as usize)?.as_mut()
    }

    fn make_dirty(&mut self, id: ShardId) {
        if let Some(owned) = self.owned_mut(id).filter(|owned| !owned.dirty) {
            owned.dirty = true;
            self.dirty.push(id);
        }
    }

    /// Hands out one batch for every shard that may write: all that its entities asked for since the last one.
    fn write_dirty(&mut self) {
        for id in core::mem::take(&mut self.dirty) {
            let Some(owned) = self.owned_mut(id) else { continue };
            owned.dirty = false;
            if let Some(batch) = owned.shard.next_batch() {
                self.out.push(Output::Write(batch));
            }
        }
    }

    /// Asks again for every raise that failed and whose wait is over.
    fn raise_again(&mut self) {
        let now = self.now.mono;
        for id in core::mem::take(&mut self.to_raise) {
            let Some(owned) = self.owned_mut(id) else { continue };
            if owned.raise_at.is_some_and(|at| at <= now) {
                owned.raise_at = None;
                self.raise(id);
            } else if owned.raise_at.is_some() {
                self.to_raise.push(id);
            }
        }
    }

    fn raise(&mut self, id: ShardId) {
        let Some(owned) = self.owned_mut(id) else { return };
        if owned.shard.state() != State::Raising || owned.raising {
            return;
        }
        owned.raising = true;
        let expected = owned.shard.head();
        self.out.push(Output::Raise { shard: id, expected });
    }

    /// A name for a frame that is never given again, with the loop in its lowest byte.
    fn frame_name(&mut self) -> u64 {
        self.counter += 1;
        self.counter << 8 | u64::from(self.settings.index)
    }

    /// Takes no new calls from outside. Watches would never end by themselves.
    fn drain(&mut self) {
        self.draining = true;
        let error = adjoin_model::Error::unavailable("the host is shutting down").retry_after(1000);
        for slot in self.entities.slots().collect::<Vec<_>>() {
            self.fail_watches(slot, &error);
            self.unwanted(slot);
        }
    }

    /// Says that nothing is under way; again, if a call that another loop has forwarded came in since.
    fn finish_drain(&mut self) {
        let over = self.calls.len() == 0 && self.actions.is_empty() && self.calls.effects.is_empty();
        let over = over && self.effects.runs.is_empty() && self.consumers.runs.is_empty();
        let settled = || self.shards.iter().flatten().all(|owned| owned.shard.is_settled());
        let drained = self.draining && over && settled();
        if drained && !self.drained {
            self.out.push(Output::Drained);
        }
        self.drained = drained;
    }

    /// Ends a job that was not run, or whose effects were not taken.
    fn fail(&mut self, job: Box<Job>, error: adjoin_model::Error) {
        self.tell(job, Err(error));
    }
}
