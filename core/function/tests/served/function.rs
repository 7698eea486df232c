// SPDX-License-Identifier: Apache-2.0
//! The function: frames in, frames out, as an SDK would with the model services. Some of what it is asked for has a
//! meaning of its own: see [`Act`] and [`Step`] where they are taken.

use std::collections::HashMap;

use adjoin_entity::frame::{
    ActivationId, AnswerFrame, CallFrame, CommandFrame, Effects, FrameCall, FunctionFrame, HandlerResult, HostFrame,
    SideEffect, Target,
};
use adjoin_entity::spec::{EntityKind, EntityType, Handler, Spec};
use adjoin_model::{EntityId, Error, Payload};
use prost::Message;
use prost_types::Any;

use crate::messages::{self as m, Act, Step, ValueAct, any, text};

pub(crate) const MODEL: &str = "event-sourced-tck-model";
pub(crate) const TWO: &str = "event-sourced-tck-model-two";
pub(crate) const VALUE: &str = "value-entity-tck-model";
pub(crate) const ACTION: &str = "actions";

const PERSISTED: &str = "cloudstate.tck.model.Persisted";
const VALUE_PERSISTED: &str = "cloudstate.tck.model.valueentity.Persisted";

/// The descriptors of the model services; `google.protobuf` is left to the server.
pub(crate) fn descriptors() -> Vec<u8> {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance/interop/proto");
    let options = concat!(env!("CARGO_MANIFEST_DIR"), "/../contract/tests/protos");
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/served");
    let mut compiler = protox::Compiler::new([model, options, own]).expect("the folders");
    compiler.include_imports(true);
    let models = ["eventsourced", "valueentity", "action"].map(|name| format!("cloudstate/tck/model/{name}.proto"));
    compiler.open_files(models).expect("the models");
    compiler.open_files(["quiet.proto"]).expect("a sound proto");
    compiler.encode_file_descriptor_set()
}

fn handler(name: &str, streams: (bool, bool)) -> Handler {
    Handler {
        name: name.into(),
        query: false,
        streamed_in: streams.0,
        streamed_out: streams.1,
        input_schema: String::new(),
        output_schema: String::new(),
        summary: String::new(),
    }
}

fn entity_type(name: &str, kind: EntityKind, service: &str, handlers: &[&str]) -> EntityType {
    EntityType {
        services: vec![format!("cloudstate.tck.model.{service}")],
        handlers: handlers.iter().map(|name| handler(name, (false, false))).collect(),
        ..EntityType::new(name, kind)
    }
}

pub(crate) fn spec() -> Spec {
    let event_sourced = EntityType {
        snapshot_every: 5,
        passivate_after_ms: 100,
        readable_events: vec![PERSISTED.into()],
        ..entity_type(MODEL, EntityKind::EventSourced, "EventSourcedTckModel", &["Process"])
    };
    let mut action =
        entity_type(ACTION, EntityKind::Action, "action.ActionTckModel", &["ProcessUnary", "Call", "Hush"]);
    // An action may serve more than one.
    action.services.push("cloudstate.tck.model.action.ActionTwo".into());
    action.services.push("cloudstate.tck.model.Quiet".into());
    action.handlers.extend([
        handler("ProcessStreamedIn", (true, false)),
        handler("ProcessStreamedOut", (false, true)),
        handler("ProcessStreamed", (true, true)),
    ]);
    let types = vec![
        event_sourced,
        entity_type(TWO, EntityKind::EventSourced, "EventSourcedTwo", &["Call"]),
        entity_type(VALUE, EntityKind::Value, "valueentity.ValueEntityTckModel", &["Process"]),
        action,
    ];
    Spec { descriptors: descriptors().into(), ..Spec::new("adjoin-test 9.8.7", types) }
}

/// One session's state.
#[derive(Default)]
pub(crate) struct Model {
    active: HashMap<ActivationId, Active>,
    uploads: HashMap<FrameCall, Upload>,
    /// A command that waits for the answer to its handler's call.
    asking: Option<CommandFrame>,
    /// It ends the session at once.
    pub(crate) gone: bool,
}

struct Active {
    entity: EntityId,
    state: String,
}

struct Upload {
    command: CommandFrame,
    groups: Vec<m::Steps>,
}

impl Model {
    pub(crate) fn take(&mut self, frame: HostFrame) -> Vec<FunctionFrame> {
        match frame {
            HostFrame::Activate { activation, entity, state, .. } => self.activate(activation, entity, state),
            HostFrame::Replay { activation, events, .. } => self.replay(activation, events),
            HostFrame::Deactivate { activation } => {
                self.active.remove(&activation);
                vec![]
            }
            HostFrame::Command(command) if command.activation == 0 => self.act(command),
            HostFrame::Command(command) => self.command(command),
            HostFrame::StreamInput { call, payload } => self.input(call, &payload),
            HostFrame::StreamInputEnd { call } => self.input_end(call),
            HostFrame::CallAnswer { result, .. } => {
                let command = self.asking.take().expect("a handler that called");
                let said = result.expect_err("no proxy of this protocol makes calls").message;
                vec![failed(&command, Error::rejected(said))]
            }
            HostFrame::StreamCredit { .. } | HostFrame::Cancel { .. } => vec![],
        }
    }

    fn activate(&mut self, id: ActivationId, entity: EntityId, state: Option<Payload>) -> Vec<FunctionFrame> {
        let known = if entity.entity_type() == VALUE { VALUE_PERSISTED } else { PERSISTED };
        let state = match state {
            Some(state) if *state.type_name != *known => {
                let error = Error::unavailable(format!("a state of {}", state.type_name));
                return vec![FunctionFrame::ActivationFailed { activation: id, error, snapshot_unreadable: true }];
            }
            Some(state) => m::Text::decode(state.data).expect("a text").text,
            None => String::new(),
        };
        self.active.insert(id, Active { entity, state });
        vec![]
    }

    fn replay(&mut self, id: ActivationId, events: Vec<(u64, Payload)>) -> Vec<FunctionFrame> {
        let Some(active) = self.active.get_mut(&id) else { return vec![] };
        let mut sequence = 0;
        for (at, event) in events {
            if *event.type_name != *PERSISTED {
                self.active.remove(&id);
                let error = Error::unavailable(format!("an event of {}", event.type_name));
                return vec![FunctionFrame::ActivationFailed { activation: id, error, snapshot_unreadable: false }];
            }
            active.state.push_str(&m::Text::decode(event.data).expect("a text").text);
            sequence = at;
        }
        vec![FunctionFrame::Replayed { activation: id, sequence }]
    }

    fn command(&mut self, command: CommandFrame) -> Vec<FunctionFrame> {
        let Some(active) = self.active.get_mut(&command.activation) else { return vec![] };
        if command.name.is_empty() {
            let snapshot = Some(Payload::new(PERSISTED, text(&active.state).encode_to_vec()));
            return vec![answer(&command, HandlerResult::Reply(None), Effects { snapshot, ..Effects::default() })];
        }
        match active.entity.entity_type() {
            MODEL => self.process(command),
            VALUE => vec![value(active, &command)],
            // The second of each kind has nothing to say.
            _ => vec![answer(&command, HandlerResult::Reply(None), Effects::default())],
        }
    }

    /// `emit` of `delete` deletes, `fail` of `bug` is no refusal, of `ended` ends the activation, of `silence` says
    /// nothing, of `gone` ends the session, of `call` calls another entity.
    fn process(&mut self, command: CommandFrame) -> Vec<FunctionFrame> {
        let Some(active) = self.active.get_mut(&command.activation) else { return vec![] };
        let request = m::Request::decode(command.payload.data.clone()).expect("a request");
        let (before, mut effects, mut forward) = (active.state.clone(), Effects::default(), None);
        for act in request.actions.into_iter().filter_map(|action| action.action) {
            match act {
                Act::Emit(value) if value.text == "delete" => effects.delete = true,
                Act::Emit(value) => {
                    active.state.push_str(&value.text);
                    effects.events.push(Payload::new(PERSISTED, value.encode_to_vec()));
                }
                Act::Forward(id) => forward = Some(two(&id.text)),
                Act::Effect(effect) => effects.side_effects.push(side_effect(&effect, two(&effect.id))),
                Act::Fail(said) if said.text == "silence" => return vec![],
                Act::Fail(said) if said.text == "gone" => {
                    self.gone = true;
                    return vec![];
                }
                Act::Fail(said) if said.text == "call" => {
                    let (target, chain) = (two("other"), vec![]);
                    let call = CallFrame { id: 7, target, chain, timeout_ms: 0, idempotency_key: None, if_match: None };
                    self.asking = Some(command);
                    return vec![FunctionFrame::Call(call)];
                }
                Act::Fail(said) => {
                    active.state = before;
                    return vec![refusal(&command, &said.text)];
                }
            }
        }
        effects.snapshot = command.want_snapshot.then(|| Payload::new(PERSISTED, text(&active.state).encode_to_vec()));
        let said = any("Response", &text(&active.state));
        let result = forward.map_or_else(|| HandlerResult::Reply(Some(payload(said))), HandlerResult::Forward);
        vec![answer(&command, result, effects)]
    }

    fn act(&mut self, command: CommandFrame) -> Vec<FunctionFrame> {
        match &*command.name {
            "Call" => vec![answer(&command, HandlerResult::Reply(Some(said(""))), Effects::default())],
            "Hush" => vec![answer(&command, HandlerResult::Reply(None), Effects::default())],
            "ProcessUnary" => {
                let groups = m::Groups::decode(command.payload.data.clone()).expect("groups").groups;
                steps(&command, &groups).into_iter().collect()
            }
            "ProcessStreamedOut" => {
                let groups = m::Groups::decode(command.payload.data.clone()).expect("groups").groups;
                let mut frames: Vec<_> = groups.iter().map(|group| element(&command, group)).collect();
                frames.push(FunctionFrame::StreamEnd { call: command.call, error: None });
                frames
            }
            _ => {
                self.uploads.insert(command.call, Upload { command, groups: vec![] });
                vec![]
            }
        }
    }

    /// A `fail` of `end` ends a stream in both directions.
    fn input(&mut self, call: FrameCall, payload: &Payload) -> Vec<FunctionFrame> {
        let upload = self.uploads.get_mut(&call).expect("a call that streams");
        let groups = m::Groups::decode(payload.data.clone()).expect("groups").groups;
        let mut frames = vec![FunctionFrame::StreamInputCredit { call, elements: 1 }];
        if &*upload.command.name == "ProcessStreamedIn" {
            upload.groups.extend(groups);
            return frames;
        }
        for group in &groups {
            match group.steps.first().and_then(|step| step.step.clone()) {
                Some(Step::Fail(why)) => {
                    let error = Some(Error::rejected(why.text));
                    frames.push(FunctionFrame::StreamEnd { call, error });
                }
                _ => frames.push(element(&upload.command, group)),
            }
        }
        frames
    }

    fn input_end(&mut self, call: FrameCall) -> Vec<FunctionFrame> {
        let Upload { command, groups } = self.uploads.remove(&call).expect("a call that streams");
        match &*command.name {
            "ProcessStreamedIn" => steps(&command, &groups).into_iter().collect(),
            _ => vec![FunctionFrame::StreamEnd { call, error: None }],
        }
    }
}

/// Updates, deletes; a `fail` of `bug` or `ended` as with the other model.
fn value(active: &mut Active, command: &CommandFrame) -> FunctionFrame {
    let request = m::ValueRequest::decode(command.payload.data.clone()).expect("a request");
    let (before, mut effects) = (active.state.clone(), Effects::default());
    for act in request.actions.into_iter().filter_map(|action| action.action) {
        match act {
            ValueAct::Update(value) => {
                active.state.clone_from(&value.text);
                let value = Some(Payload::new(VALUE_PERSISTED, value.encode_to_vec()));
                effects = Effects { value, delete: false, ..effects };
            }
            ValueAct::Delete(()) => {
                active.state.clear();
                effects = Effects { value: None, delete: true, ..effects };
            }
            ValueAct::Effect(effect) => effects.side_effects.push(side_effect(&effect, two(&effect.id))),
            ValueAct::Forward(id) => return answer(command, HandlerResult::Forward(two(&id.text)), effects),
            ValueAct::Fail(said) => {
                active.state = before;
                return refusal(command, &said.text);
            }
        }
    }
    let said = any("valueentity.Response", &text(&active.state));
    answer(command, HandlerResult::Reply(Some(payload(said))), effects)
}

/// All steps, as one answer.
fn steps(command: &CommandFrame, groups: &[m::Steps]) -> Option<FunctionFrame> {
    let (mut result, mut effects) = (HandlerResult::Reply(None), Effects::default());
    for step in groups.iter().flat_map(|group| &group.steps).filter_map(|step| step.step.clone()) {
        match step {
            Step::Reply(reply) => result = HandlerResult::Reply(Some(said(&reply.text))),
            Step::Forward(id) => result = HandlerResult::Forward(other(&id.text)),
            Step::Fail(why) if why.text == "silence" => return None,
            Step::Fail(why) => result = HandlerResult::Failed(Error::rejected(why.text)),
            Step::Effect(effect) => effects.side_effects.push(side_effect(&effect, other(&effect.id))),
        }
    }
    let FunctionFrame::Answer(answer) = answer(command, result, effects) else { return None };
    // What came with the command goes back.
    Some(FunctionFrame::Answer(AnswerFrame { metadata: command.metadata.clone(), ..answer }))
}

fn element(command: &CommandFrame, group: &m::Steps) -> FunctionFrame {
    let (mut payload, mut effects) = (Payload::new("", Vec::new()), Vec::new());
    for step in group.steps.iter().filter_map(|step| step.step.clone()) {
        match step {
            Step::Reply(reply) => payload = said(&reply.text),
            Step::Effect(effect) => effects.push(side_effect(&effect, other(&effect.id))),
            Step::Forward(_) | Step::Fail(_) => {}
        }
    }
    FunctionFrame::StreamElement { call: command.call, payload, effects, metadata: vec![] }
}

fn said(text_: &str) -> Payload {
    payload(any("action.Response", &text(text_)))
}

fn payload(any: Any) -> Payload {
    Payload::new(any.type_url, any.value)
}

/// A call of the second event-sourced entity. Some ids stand for calls that cannot be made.
fn two(id: &str) -> Target {
    let (entity_type, key) = match id {
        "elsewhere" => ("warehouse.Shelf", id),
        "other-key" => (TWO, "a key that the message does not name"),
        _ => (TWO, id),
    };
    let entity = EntityId::new(entity_type, key).expect("an id");
    Target { entity, command: "Call".into(), payload: payload(m::request(id, vec![])), metadata: vec![] }
}

fn other(id: &str) -> Target {
    let entity = EntityId::new(ACTION, "-").expect("an id");
    let body = payload(any("action.OtherRequest", &text(id)));
    let metadata = vec![("x-effect".into(), id.into())];
    Target { entity, command: "Call".into(), payload: body, metadata }
}

fn side_effect(effect: &m::Effect, target: Target) -> SideEffect {
    SideEffect { target, synchronous: effect.synchronous, durable: effect.id == "durable" }
}

fn answer(command: &CommandFrame, result: HandlerResult, effects: Effects) -> FunctionFrame {
    FunctionFrame::Answer(AnswerFrame {
        activation: command.activation,
        call: command.call,
        result,
        effects,
        activation_ended: false,
        metadata: vec![],
    })
}

fn failed(command: &CommandFrame, error: Error) -> FunctionFrame {
    answer(command, HandlerResult::Failed(error), Effects::default())
}

fn refusal(command: &CommandFrame, said: &str) -> FunctionFrame {
    let error = if said == "bug" { Error::internal("a bug") } else { Error::rejected(said) };
    let FunctionFrame::Answer(answer) = failed(command, error) else { unreachable!("an answer") };
    FunctionFrame::Answer(AnswerFrame { activation_ended: said == "ended", ..answer })
}
