// SPDX-License-Identifier: Apache-2.0
//! A host around one loop for behaviour tests: the store loads and the function folds by themselves; what the function
//! answers and what the store says of writes is each test's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use adjoin_entity::frame::{
    ActivationId, AnswerFrame, CommandFrame, Effects, FunctionFrame, HandlerResult, HostFrame, SideEffect, Target,
};
use adjoin_entity::spec::{EntityKind, EntityType, Handler, Spec};
use adjoin_entity::{
    Call, CallId, EffectId, EventPage, Input, Operation, Outgoing, Output, Reply, SessionId, Settings, ShardInput,
    ShardLoop,
};
use adjoin_model::{
    CommandId, EntityId, EntityPage, Epoch, Error, Head, Kind, LoadRequest, Metadata, Mono, Now, Outcome, Owner,
    Payload, Record, Result, Sequence, ShardBatch, ShardId, Snapshot, Wall,
};

pub(crate) const ME: Owner = Owner(7);

pub(crate) struct Host {
    pub(crate) machine: ShardLoop,
    pub(crate) now: Now,
    next_call: CallId,
    /// What the store gives; entities that are not here were never written.
    pub(crate) pages: BTreeMap<EntityId, EntityPage>,
    pub(crate) hold_loads: bool,
    pub(crate) hold_folds: bool,
    pub(crate) loads: Vec<(u64, EntityId, LoadRequest)>,
    pub(crate) frames: Vec<(SessionId, HostFrame)>,
    pub(crate) commands: Vec<CommandFrame>,
    pub(crate) writes: Vec<ShardBatch>,
    pub(crate) raises: Vec<(ShardId, Head)>,
    pub(crate) replies: Vec<(CallId, Result<Reply>)>,
    pub(crate) elements: Vec<(CallId, Sequence)>,
    pub(crate) ends: Vec<(CallId, Option<Error>)>,
    pub(crate) forwards: Vec<Call>,
    pub(crate) effects: Vec<(Option<EffectId>, Call)>,
    pub(crate) snapshots: Vec<(EntityId, Snapshot)>,
    /// Deliveries that are to be carried: from, to, what.
    pub(crate) deliveries: Vec<(ShardId, ShardId, Vec<Outgoing>)>,
    /// Answers to deliveries that are to be carried.
    pub(crate) delivered: Vec<(ShardId, ShardId, u64)>,
    pub(crate) trimmed: Vec<(ShardId, Vec<u64>)>,
    /// What is durable, by shard: the record of position 1 stands first.
    pub(crate) journal: BTreeMap<ShardId, Vec<Record>>,
    /// Calls that run an inbox record, or an event of a consumer.
    runs: BTreeMap<CallId, EffectId>,
    /// Those that have ended, to be carried.
    ran: Vec<Input>,
    pub(crate) drained: bool,
    folded: BTreeMap<ActivationId, Sequence>,
    sessions: BTreeMap<ActivationId, SessionId>,
}

pub(crate) fn id(key: &str) -> EntityId {
    EntityId::new("shop.Cart", key).expect("a valid id")
}

pub(crate) fn json(text: &str) -> Payload {
    Payload::new("json", text.as_bytes().to_vec())
}

pub(crate) fn event(name: &str) -> Payload {
    Payload::new(name, b"{}".to_vec())
}

fn handler(name: &str, query: bool, streamed_out: bool) -> Handler {
    Handler {
        name: name.into(),
        query,
        streamed_in: false,
        streamed_out,
        input_schema: String::new(),
        output_schema: String::new(),
        summary: String::new(),
    }
}

fn entity_type(name: &str, kind: EntityKind, handlers: Vec<Handler>) -> EntityType {
    let events: &[&str] = if kind == EntityKind::EventSourced { &["A", "B"] } else { &[] };
    EntityType {
        handlers,
        readable_events: events.iter().map(|name| (*name).into()).collect(),
        ..EntityType::new(name, kind)
    }
}

pub(crate) fn spec() -> Spec {
    let both = || vec![handler("add", false, false), handler("read", true, false)];
    Spec::new(
        "test",
        vec![
            entity_type("shop.Cart", EntityKind::EventSourced, both()),
            entity_type("shop.Profile", EntityKind::Value, both()),
            entity_type(
                "shop.Mailer",
                EntityKind::Action,
                vec![handler("send", false, false), handler("list", false, true)],
            ),
        ],
    )
}

pub(crate) fn settings() -> Settings {
    Settings { shards: 16, owner: ME, ..Settings::default() }
}

impl Host {
    /// A host whose function (session 1) is connected.
    pub(crate) fn new() -> Self {
        let mut host = Self::without_function(settings());
        host.up(1);
        host
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let mut host = Self::without_function(settings);
        host.up(1);
        host
    }

    pub(crate) fn without_function(settings: Settings) -> Self {
        let head = Head { epoch: Epoch(3), owner: Some(ME), position: 0 };
        let heads = (0..settings.shards).map(|shard| (ShardId(shard), head)).collect();
        Self {
            machine: ShardLoop::new(settings, heads),
            now: Now { mono: Mono(1_000_000), wall: Wall(1_700_000_000_000) },
            next_call: 0,
            pages: BTreeMap::new(),
            hold_loads: false,
            hold_folds: false,
            loads: Vec::new(),
            frames: Vec::new(),
            commands: Vec::new(),
            writes: Vec::new(),
            raises: Vec::new(),
            replies: Vec::new(),
            elements: Vec::new(),
            ends: Vec::new(),
            forwards: Vec::new(),
            effects: Vec::new(),
            snapshots: Vec::new(),
            deliveries: Vec::new(),
            delivered: Vec::new(),
            trimmed: Vec::new(),
            journal: BTreeMap::new(),
            runs: BTreeMap::new(),
            ran: Vec::new(),
            drained: false,
            folded: BTreeMap::new(),
            sessions: BTreeMap::new(),
        }
    }

    /// A loop anew, that found one shard at this position. Before anything else.
    pub(crate) fn restart_at(&mut self, shard: ShardId, position: u64) {
        self.restart_with(settings(), shard, position);
    }

    /// The same, with other settings.
    pub(crate) fn restart_with(&mut self, settings: Settings, shard: ShardId, position: u64) {
        let head = |position| Head { epoch: Epoch(3), owner: Some(ME), position };
        let at = |other| head(if ShardId(other) == shard { position } else { 0 });
        let heads = (0..settings.shards).map(|other| (ShardId(other), at(other))).collect();
        self.machine = ShardLoop::new(settings, heads);
    }

    pub(crate) fn up(&mut self, session: SessionId) {
        self.up_with(session, spec(), 1000);
    }

    pub(crate) fn up_with(&mut self, session: SessionId, spec: Spec, running: u32) {
        spec.check().expect("a sound spec");
        self.step(vec![Input::SessionUp { session, spec: Arc::new(spec), running, bytes: 1 << 30 }]);
    }

    pub(crate) fn down(&mut self, session: SessionId) {
        self.step(vec![Input::SessionDown { session, orderly: false }]);
    }

    pub(crate) fn step(&mut self, mut inputs: Vec<Input>) {
        loop {
            let mut outputs = Vec::new();
            self.machine.step(self.now, &mut inputs, &mut outputs);
            for output in outputs {
                self.sort(output, &mut inputs);
            }
            if inputs.is_empty() {
                return;
            }
        }
    }

    fn sort(&mut self, output: Output, inputs: &mut Vec<Input>) {
        match output {
            Output::Reply { call, result, sent } => match self.runs.remove(&call) {
                Some(effect) => self.ran.push(Input::EffectDone { effect, result, sent }),
                None => self.replies.push((call, result)),
            },
            Output::Element { call, sequence, .. } => self.elements.push((call, sequence)),
            Output::End { call, error, .. } => self.ends.push((call, error)),
            Output::Forward(call) => self.forwards.push(call),
            Output::Effect { effect, call } => self.effects.push((effect, call)),
            Output::Load { load, entity, request } if self.hold_loads => self.loads.push((load, entity, request)),
            Output::Load { load, entity, .. } => {
                let page = Ok(self.pages.get(&entity).cloned().unwrap_or_default());
                inputs.push(Input::Loaded { load, page });
            }
            Output::Write(batch) => self.writes.push(batch),
            Output::Raise { shard, expected } => self.raises.push((shard, expected)),
            Output::KeepSnapshot { entity, snapshot } => self.snapshots.push((entity, snapshot)),
            Output::Deliver { from, to, records } => self.deliveries.push((from, to, records)),
            Output::Delivered { from, to, up_to } => self.delivered.push((from, to, up_to)),
            Output::Trim { shard, delivered } => self.trimmed.push((shard, delivered)),
            Output::ReadEvents { shard, consumer, from, .. } => {
                let page = Ok(self.events(shard, from));
                inputs.push(Input::EventsRead { shard, consumer, from, page });
            }
            Output::Drained => self.drained = true,
            Output::StreamInputCredit { .. } => {}
            Output::Frame { session, frame } => inputs.extend(self.function_takes(session, frame)),
        }
    }

    fn events(&self, shard: ShardId, from: u64) -> EventPage {
        let all = self.journal.get(&shard).into_iter().flatten().zip(1..);
        let records = all.skip_while(|(_, position)| *position < from);
        EventPage { records: records.map(|(record, position)| (position, Some(record.clone()))).collect() }
    }

    /// The function folds by itself; commands wait for the test's answer.
    fn function_takes(&mut self, session: SessionId, frame: HostFrame) -> Option<Input> {
        self.frames.push((session, frame.clone()));
        match frame {
            HostFrame::Activate { activation, sequence, .. } => {
                self.folded.insert(activation, sequence);
                self.sessions.insert(activation, session);
                None
            }
            HostFrame::Replay { activation, events, .. } => {
                let folded = self.folded.entry(activation).or_default();
                *folded = events.last().map_or(*folded, |(sequence, _)| *sequence);
                let frame = FunctionFrame::Replayed { activation, sequence: *folded };
                (!self.hold_folds).then_some(Input::Frame { session, frame })
            }
            HostFrame::Command(command) => {
                self.commands.push(command);
                None
            }
            _ => None,
        }
    }

    pub(crate) fn new_call(&mut self, entity: EntityId, name: &str) -> Call {
        self.next_call += 1;
        Call {
            id: self.next_call,
            command: CommandId(u128::from(self.next_call)),
            entity,
            name: name.into(),
            payload: json("1"),
            caller: "".into(),
            metadata: Vec::new(),
            chain: Vec::new(),
            hops: 0,
            wrote: false,
            idempotency_key: None,
            if_match: None,
            deadline: None,
            operation: Operation::Run,
            inbox: None,
            sent: None,
        }
    }

    /// Carries deliveries and their answers, and what inboxes and consumers want to run, until nothing is to be carried. What is
    /// written stays for the test.
    pub(crate) fn carry(&mut self) {
        loop {
            let mut inputs = Vec::new();
            let deliver = |(from, to, records)| Input::Deliver { from, to, records };
            inputs.extend(self.deliveries.drain(..).map(deliver));
            let delivered = |(from, to, up_to)| Input::Delivered { from, to, up_to };
            inputs.extend(self.delivered.drain(..).map(delivered));
            let (own, others) = std::mem::take(&mut self.effects).into_iter().partition(|(_, call)| is_run(call));
            self.effects = others;
            let own: Vec<(Option<EffectId>, Call)> = own;
            for (effect, call) in own {
                self.next_call += 1;
                self.runs.insert(self.next_call, effect.expect("the loop waits for it"));
                inputs.push(Input::Call(Call { id: self.next_call, ..call }));
            }
            inputs.append(&mut self.ran);
            if inputs.is_empty() {
                return;
            }
            self.step(inputs);
        }
    }

    /// Carries and writes everything, as long as there is something.
    pub(crate) fn carry_all(&mut self) {
        self.carry();
        while !self.writes.is_empty() {
            self.durable();
            self.carry();
        }
    }

    /// Makes a call as the test changed it; answers its id.
    pub(crate) fn send(&mut self, call: Call) -> CallId {
        let id = call.id;
        self.step(vec![Input::Call(call)]);
        id
    }

    pub(crate) fn call(&mut self, key: &str, name: &str) -> CallId {
        let call = self.new_call(id(key), name);
        self.send(call)
    }

    /// Takes the oldest command that the function has.
    pub(crate) fn command(&mut self) -> CommandFrame {
        assert!(!self.commands.is_empty(), "the function has no command");
        self.commands.remove(0)
    }

    pub(crate) fn answer_frame(&mut self, session: SessionId, frame: FunctionFrame) {
        self.step(vec![Input::Frame { session, frame }]);
    }

    pub(crate) fn answer(&mut self, command: &CommandFrame, result: HandlerResult, effects: Effects) {
        self.answer_with(command, result, effects, Vec::new());
    }

    /// The function answers a command and says this to the client.
    pub(crate) fn answer_with(
        &mut self,
        command: &CommandFrame,
        result: HandlerResult,
        effects: Effects,
        metadata: Metadata,
    ) {
        let sent = |frame: &HostFrame| matches!(frame, HostFrame::Command(sent) if sent.call == command.call);
        let sent = self.frames.iter().rev().find(|(_, frame)| sent(frame)).map(|(session, _)| *session);
        let session = self.sessions.get(&command.activation).copied().or(sent).unwrap_or(1);
        let answer = AnswerFrame {
            activation: command.activation,
            call: command.call,
            result,
            effects,
            activation_ended: false,
            metadata,
        };
        self.answer_frame(session, FunctionFrame::Answer(answer));
    }

    /// The function answers a command with these events.
    pub(crate) fn emit(&mut self, command: &CommandFrame, events: &[&str]) {
        let effects = Effects { events: events.iter().map(|name| event(name)).collect(), ..Effects::default() };
        self.answer(command, reply("1"), effects);
    }

    /// The oldest command is answered with one event.
    pub(crate) fn run(&mut self, events: &[&str]) {
        let command = self.command();
        self.emit(&command, events);
    }

    /// The function reads.
    pub(crate) fn read(&mut self) {
        let command = self.command();
        assert!(command.query, "{} is no query", command.name);
        self.answer(&command, reply("[]"), Effects::default());
    }

    pub(crate) fn write(&mut self) -> ShardBatch {
        assert!(!self.writes.is_empty(), "nothing was written");
        self.writes.remove(0)
    }

    pub(crate) fn store_says(&mut self, shard: ShardId, input: ShardInput) {
        self.step(vec![Input::Shard { shard, input }]);
    }

    /// The oldest write becomes durable.
    pub(crate) fn durable(&mut self) -> ShardBatch {
        let batch = self.write();
        self.journal.entry(batch.shard).or_default().extend(batch.records.iter().cloned());
        self.store_says(batch.shard, ShardInput::Durable);
        batch
    }

    /// Everything that is written becomes durable, as long as something is.
    pub(crate) fn settle(&mut self) {
        while !self.writes.is_empty() {
            self.durable();
        }
    }

    /// The reply to a call, which there must be exactly one of.
    pub(crate) fn reply(&mut self, call: CallId) -> Result<Reply> {
        let found: Vec<usize> = (0..self.replies.len()).filter(|index| self.replies[*index].0 == call).collect();
        assert_eq!(found.len(), 1, "call {call} has {} replies", found.len());
        self.replies.remove(found[0]).1
    }

    pub(crate) fn replied(&self, call: CallId) -> bool {
        self.replies.iter().any(|(id, _)| *id == call)
    }

    pub(crate) fn error(&mut self, call: CallId) -> (Kind, Outcome) {
        let error = self.reply(call).expect_err("an error");
        (error.kind, error.outcome)
    }

    pub(crate) fn later_ms(&mut self, ms: u64) {
        self.now = Now { mono: self.now.mono.plus_ms(ms), wall: self.now.wall.plus_ms(ms) };
        self.step(Vec::new());
    }

    pub(crate) fn deactivated(&self) -> usize {
        self.frames.iter().filter(|(_, frame)| matches!(frame, HostFrame::Deactivate { .. })).count()
    }

    pub(crate) fn activated(&self) -> usize {
        self.frames.iter().filter(|(_, frame)| matches!(frame, HostFrame::Activate { .. })).count()
    }

    pub(crate) fn cancelled(&self) -> usize {
        self.frames.iter().filter(|(_, frame)| matches!(frame, HostFrame::Cancel { .. })).count()
    }
}

/// Whether the loop waits for the call itself.
fn is_run(call: &Call) -> bool {
    call.inbox.is_some() || call.caller.starts_with("consumer ")
}

pub(crate) fn reply(text: &str) -> HandlerResult {
    HandlerResult::Reply(Some(json(text)))
}

pub(crate) fn refused() -> HandlerResult {
    HandlerResult::Failed(Error::rejected("no"))
}

pub(crate) fn target(entity: EntityId, command: &str) -> Target {
    Target { entity, command: command.into(), payload: json("2"), metadata: Vec::new() }
}

pub(crate) fn side_effect(entity: EntityId, command: &str, synchronous: bool) -> SideEffect {
    SideEffect { target: target(entity, command), synchronous, durable: false }
}

/// A page with these events from sequence 1 on.
pub(crate) fn page(events: &[&str]) -> EntityPage {
    let events: Vec<_> = events.iter().zip(1..).map(|(name, sequence)| (sequence, event(name))).collect();
    EntityPage { last: events.len() as u64, events, ..EntityPage::default() }
}
