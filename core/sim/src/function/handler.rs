// SPDX-License-Identifier: Apache-2.0
//! What the handlers do: deterministic in the command's body and the entity's state.

use adjoin_entity::frame::{AnswerFrame, Effects, FunctionFrame, HandlerResult, SideEffect, Target};
use adjoin_entity::spec::EntityKind;
use adjoin_model::{CommandId, Error, Metadata, Payload};

use super::Seen;
use super::session::{Running, Session};
use crate::agenda::{Event, MS, Time};
use crate::context::Context;
use crate::fault::Fault;
use crate::plan::HEARS;
use crate::random::spread;
use crate::words::{Ask, Fact, NOBODY, State, child};

/// What a handler returned, and the state it left.
struct Ran {
    result: HandlerResult,
    effects: Effects,
    state: State,
}

impl Session {
    pub(super) fn handler_ends(&mut self, context: &mut Context, seen: &mut Seen<'_>, call: u64) {
        let Some(mut running) = self.calls.remove(&call) else { return };
        let activation = running.frame.activation;
        if &*running.frame.name == "poison" {
            return self.dies(context, seen, running.frame.id);
        }
        self.maybe_swap(context, &mut running);
        let answer =
            if activation == 0 { self.run_action(context, seen, &running) } else { self.run(context, &running) };
        let ended = answer.activation_ended;
        if context.befalls(Fault::AnswerTwice) {
            self.send(context, FunctionFrame::Answer(answer.clone()));
        }
        self.send(context, FunctionFrame::Answer(answer));
        if activation == 0 || running.frame.query {
            return;
        }
        if ended {
            self.activations.remove(&activation);
            self.over.insert(activation);
            self.calls.retain(|_, other| other.frame.activation != activation);
            return;
        }
        if let Some(entity) = self.activations.get_mut(&activation) {
            entity.busy = false;
        }
        self.start_next(context, seen, activation);
    }

    /// A handler ends its process. A host gives such a command up after a few times; it may not have blamed it whenever it
    /// had taken the activation back already.
    fn dies(&self, context: &mut Context, seen: &mut Seen<'_>, command: CommandId) {
        context.count(Fault::HandlerKills);
        let kills = seen.kills.entry((self.host, command)).or_default();
        *kills += 1;
        let (kills, most) = (*kills, 2 * context.plan.deaths());
        context.demand(kills <= most, || format!("{command:?} has killed its process {kills} times"));
        context.after(0, Event::ProcessKilled { process: self.process, boot: seen.process.boot });
    }

    /// A function that takes one command for the next answers each under the other's name.
    fn maybe_swap(&mut self, context: &mut Context, running: &mut Running) {
        let Some(activation) = self.activations.get(&running.frame.activation) else { return };
        let next = activation.queue.front().copied().filter(|_| !running.frame.query);
        if let Some(next) = next.and_then(|next| self.calls.get_mut(&next))
            && context.befalls(Fault::AnswersSwapped)
        {
            std::mem::swap(&mut running.frame.call, &mut next.frame.call);
        }
    }

    fn run(&mut self, context: &mut Context, running: &Running) -> AnswerFrame {
        let frame = &running.frame;
        let answer = |result, effects, activation_ended| AnswerFrame {
            activation: frame.activation,
            call: frame.call,
            result,
            effects,
            activation_ended,
            metadata: Vec::new(),
        };
        let entity = self.activations.get(&frame.activation).map(|activation| &activation.entity);
        if entity.is_some_and(|entity| !self.has(entity, &frame.name)) {
            let error = Error::not_found(format!("this version of the function has no {}", frame.name));
            return answer(HandlerResult::Failed(error), Effects::default(), false);
        }
        let Some(activation) = self.activations.get_mut(&frame.activation) else {
            return answer(HandlerResult::Failed(Error::internal("no such activation")), Effects::default(), false);
        };
        let ends = !frame.query && context.befalls(Fault::ActivationEnds);
        if ends && context.random.chance(7000) {
            let error = Error::internal("the state could not be restored");
            return answer(HandlerResult::Failed(error), Effects::default(), true);
        }
        if running.stops || (frame.query && context.befalls(Fault::HandlerFails)) {
            let error = Error::unavailable("it stopped half way");
            return answer(HandlerResult::Failed(error), Effects::default(), false);
        }
        let ask = Ask::read(&frame.payload).unwrap_or_default();
        if &*frame.name == "fail" {
            context.count(Fault::HandlerFails);
        }
        let mut ran = handle(context, activation.kind, &frame.name, ask, activation.state);
        let failed = matches!(ran.result, HandlerResult::Failed(_));
        if frame.want_snapshot && !failed {
            ran.effects.snapshot = Some(ran.state.payload());
        }
        if context.befalls(Fault::ContractBroken) {
            break_contract(context, activation.kind, frame.query, ask, &mut ran);
        }
        activation.state = ran.state;
        answer(ran.result, ran.effects, ends)
    }

    fn run_action(&mut self, context: &mut Context, seen: &mut Seen<'_>, running: &Running) -> AnswerFrame {
        let frame = &running.frame;
        let ask = Ask::read(&frame.payload).unwrap_or_default();
        let mut effects = Effects::default();
        let result = match &*frame.name {
            "route" => forward(context, ask),
            "poke" => {
                effects.side_effects = side_effects(context, ask);
                HandlerResult::Reply(None)
            }
            "gather" => HandlerResult::Reply(Some(running.stream.gathered())),
            HEARS if refuses(context, &frame.payload) => {
                HandlerResult::Failed(Error::rejected("it does not take this event"))
            }
            HEARS if context.befalls(Fault::HandlerFails) => {
                HandlerResult::Failed(Error::rejected("it does not listen"))
            }
            HEARS => {
                hear(context, seen, &frame.metadata);
                HandlerResult::Reply(None)
            }
            _ => HandlerResult::Reply(Some(frame.payload.clone())),
        };
        AnswerFrame { activation: 0, call: frame.call, result, effects, activation_ended: false, metadata: Vec::new() }
    }
}

/// Certain events are refused for as long as a dead letter takes and longer, over and over until faults end.
fn refuses(context: &mut Context, event: &Payload) -> bool {
    const TURN: Time = 20_000 * MS;
    let Some(fact) = Fact::read(event) else { return false };
    let chosen = spread(fact.token);
    let turn = context.now / TURN + (chosen >> 32);
    let refuses = !context.healing
        && context.plan.gives_up_after().is_some()
        && chosen.is_multiple_of(16)
        && turn.is_multiple_of(2);
    if refuses {
        context.count(Fault::EventRefused);
    }
    refuses
}

/// The event that a call is given for.
pub(crate) fn event_of(metadata: &Metadata) -> Option<(u32, u64)> {
    let (shard, position) = metadata.iter().find(|(name, _)| name == "ce-id")?.1.split_once('-')?;
    Some((shard.parse().ok()?, position.parse().ok()?))
}

/// An event is taken; what counts is the first time.
fn hear(context: &mut Context, seen: &mut Seen<'_>, metadata: &Metadata) {
    match event_of(metadata) {
        Some(event) => {
            let place = seen.heard.len();
            seen.heard.entry(event).or_insert(place);
        }
        None => context.violate(|| format!("an event says no id: {metadata:?}")),
    }
}

fn handle(context: &Context, kind: EntityKind, name: &str, ask: Ask, state: State) -> Ran {
    let mut effects = Effects::default();
    let mut after = state;
    let reply = |state: State| HandlerResult::Reply(Some(state.payload()));
    let result = match name {
        "append" => {
            after = append(&mut effects, state, ask);
            reply(after)
        }
        "set" => {
            effects.value = Some(Fact { token: ask.token, part: 0, parts: 1 }.payload(ask.pad));
            after = State::of_value(ask.token);
            reply(after)
        }
        "remove" | "clear" => {
            effects.delete = true;
            after = State::default();
            reply(after)
        }
        "refuse" => HandlerResult::Failed(state.refusal()),
        "fail" => HandlerResult::Failed(Error::internal("it fails on purpose")),
        "pass" => {
            after = append(&mut effects, state, ask);
            let beside = Ask { targets: [NOBODY, ask.targets[1]], synchronous: false, ..ask };
            effects.side_effects = side_effects(context, beside);
            forward(context, ask)
        }
        "spread" => {
            after = append(&mut effects, state, Ask { parts: 1, ..ask });
            effects.side_effects = side_effects(context, ask);
            reply(after)
        }
        "entrust" => {
            after = append(&mut effects, state, Ask { parts: 1, ..ask });
            let durable = |effect| SideEffect { durable: true, ..effect };
            effects.side_effects = side_effects(context, ask).into_iter().map(durable).collect();
            reply(after)
        }
        "look" | "get" | "" => reply(state),
        other => HandlerResult::Failed(Error::not_found(format!("{kind:?} has no {other}"))),
    };
    Ran { result, effects, state: after }
}

/// Adds what nobody may return: events to a query or to a value, to a log a value or an event that it cannot read, and
/// anything to a failure. Were any of it kept, the journal would show a fact that nobody asked for.
fn break_contract(context: &mut Context, kind: EntityKind, query: bool, ask: Ask, ran: &mut Ran) {
    let fact = Fact { token: ask.token, part: 0, parts: 1 }.payload(ask.pad);
    let failed = matches!(ran.result, HandlerResult::Failed(_));
    match kind {
        EntityKind::Value if failed && !query => ran.effects.value = Some(fact),
        EntityKind::EventSourced if !failed && !query => match context.random.chance(5000) {
            true => ran.effects.value = Some(fact),
            false => ran.effects.events.push(Payload { type_name: "Stranger".into(), ..fact }),
        },
        _ => ran.effects.events.push(fact),
    }
}

fn append(effects: &mut Effects, state: State, ask: Ask) -> State {
    let facts = (0..ask.parts).map(|part| Fact { token: ask.token, part, parts: ask.parts });
    facts.fold(state, |state, fact| {
        effects.events.push(fact.payload(ask.pad));
        state.fold(fact)
    })
}

fn forward(context: &Context, ask: Ask) -> HandlerResult {
    let target = calls(context, ask).next();
    target.map_or_else(|| HandlerResult::Failed(Error::invalid("no such target")), HandlerResult::Forward)
}

fn side_effects(context: &Context, ask: Ask) -> Vec<SideEffect> {
    let effect = |target| SideEffect { target, synchronous: ask.synchronous, durable: false };
    calls(context, ask).map(effect).collect()
}

/// The calls that a command makes: an append at each of its targets, under a token of its own.
fn calls(context: &Context, ask: Ask) -> impl Iterator<Item = Target> + '_ {
    let named = ask.targets.into_iter().enumerate().filter(|(_, target)| *target != NOBODY);
    named.filter_map(move |(index, target)| {
        let entity = context.plan.subjects.get(usize::from(target))?.id.clone();
        let token = child(ask.token, index as u64);
        let inner = Ask { token, parts: 1, pad: ask.pad, targets: [NOBODY, NOBODY], synchronous: false };
        Some(Target { entity, command: "append".into(), payload: inner.payload(), metadata: Vec::new() })
    })
}

/// A number as a payload.
pub(super) fn number(number: u64) -> Payload {
    Payload::new("Number", number.to_le_bytes().to_vec())
}
