// SPDX-License-Identifier: Apache-2.0
//! A function of the shop: `shop.Cart` counts events, `shop.Profile` keeps a value, `shop.Mailer` is an action.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use adjoin_engine::{Engine, Hello, Session};
use adjoin_entity::frame::{
    AnswerFrame, CommandFrame, Effects, FunctionFrame, HandlerResult, HostFrame, SideEffect, Target,
};
use adjoin_entity::spec::{EntityKind, EntityType, EventKey, Handler, Source, Spec, Subscription, Taker};
use adjoin_model::{EntityId, Error, Payload};
use tokio::sync::mpsc;

pub(crate) fn json(text: &str) -> Payload {
    Payload::new("json", text.as_bytes().to_vec())
}

pub(crate) fn text(payload: &Payload) -> String {
    String::from_utf8(payload.data.to_vec()).expect("UTF-8")
}

fn handlers(queries: &[&str], commands: &[&str]) -> Vec<Handler> {
    let one = |name: &&str, query| Handler {
        name: (*name).into(),
        query,
        streamed_in: matches!(*name, "collect" | "echo"),
        streamed_out: matches!(*name, "list" | "echo"),
        input_schema: String::new(),
        output_schema: String::new(),
        summary: String::new(),
    };
    queries.iter().map(|name| one(name, true)).chain(commands.iter().map(|name| one(name, false))).collect()
}

fn entity_type(name: &str, kind: EntityKind, handlers: Vec<Handler>) -> EntityType {
    EntityType {
        handlers,
        readable_events: if kind == EntityKind::EventSourced { vec!["Added".into()] } else { vec![] },
        ..EntityType::new(name, kind)
    }
}

pub(crate) fn spec() -> Arc<Spec> {
    let cart = handlers(&["count"], &["add", "refuse", "hang", "mail", "move", "ask", "write"]);
    Arc::new(Spec::new(
        "test",
        vec![
            entity_type("shop.Cart", EntityKind::EventSourced, cart),
            entity_type("shop.Profile", EntityKind::Value, handlers(&["name"], &["rename"])),
            entity_type("shop.Mailer", EntityKind::Action, handlers(&[], &["send", "list", "collect", "echo"])),
        ],
    ))
}

/// The same, with `Mailer.send` for what carts add, and `Profile.rename` too.
pub(crate) fn subscribed() -> Arc<Spec> {
    let subscription = |group: &str, handler: &str| Subscription {
        source: Source::EventLog("shop.Cart".into()),
        group: group.into(),
        events: vec![Taker { event: "Added".into(), handler: handler.into() }],
        rest: None,
        key: EventKey::Subject,
    };
    let mut spec = (*spec()).clone();
    spec.types[1].subscriptions.push(subscription("names", "rename"));
    spec.types[2].subscriptions.push(subscription("mail", "send"));
    Arc::new(spec)
}

#[derive(Default)]
struct Activation {
    /// What it began with.
    sequence: u64,
    count: u64,
    value: Option<Payload>,
}

/// What the function lets others see and do.
#[derive(Default)]
pub(crate) struct Probe {
    /// Commands that reached it.
    pub(crate) commands: AtomicUsize,
    /// Calls that it was told to give up.
    pub(crate) cancelled: AtomicUsize,
    /// Activations that it was told to end.
    pub(crate) deactivated: AtomicUsize,
    /// It takes commands without answering.
    pub(crate) holds: AtomicBool,
    /// Mails that were sent.
    pub(crate) mails: AtomicUsize,
    /// Events that were sent as mails: of which entity, and their ids.
    pub(crate) events: Mutex<Vec<(String, String)>>,
    /// It sends no mail.
    pub(crate) refuses: AtomicBool,
}

struct Function {
    session: Session,
    probe: Arc<Probe>,
    activations: HashMap<u64, Activation>,
    /// By call: what was collected of a client's stream, and whether it is echoed.
    streams: HashMap<u64, (Vec<String>, bool)>,
}

/// Connects a function without subscriptions; it runs until the task is aborted (its process dies) or the engine ends.
pub(crate) fn connect(engine: &Engine, probe: &Arc<Probe>) -> tokio::task::JoinHandle<()> {
    connect_with(engine, probe, spec())
}

pub(crate) fn connect_with(engine: &Engine, probe: &Arc<Probe>, spec: Arc<Spec>) -> tokio::task::JoinHandle<()> {
    connect_as(engine, probe, spec, Hello::default())
}

pub(crate) fn connect_as(
    engine: &Engine,
    probe: &Arc<Probe>,
    spec: Arc<Spec>,
    hello: Hello,
) -> tokio::task::JoinHandle<()> {
    let (sink, mut frames) = mpsc::unbounded_channel();
    let session = engine.session_up(spec, hello, sink).expect("a session");
    let probe = probe.clone();
    tokio::spawn(async move {
        let mut function = Function { session, probe, activations: HashMap::new(), streams: HashMap::new() };
        while let Some(batch) = frames.recv().await {
            let answers: Vec<FunctionFrame> = batch.into_iter().flat_map(|frame| function.take(frame)).collect();
            if !answers.is_empty() && function.session.deliver(answers).await.is_err() {
                return;
            }
        }
    })
}

impl Function {
    fn take(&mut self, frame: HostFrame) -> Vec<FunctionFrame> {
        match frame {
            HostFrame::Activate { activation, sequence, state, .. } => {
                let count = if state.is_none() { sequence } else { 0 };
                self.activations.insert(activation, Activation { sequence, count, value: state });
                vec![]
            }
            HostFrame::Replay { activation, events, .. } => {
                let state = self.activations.get_mut(&activation).expect("an activation");
                state.count = events.last().map_or(state.count, |(sequence, _)| *sequence);
                vec![FunctionFrame::Replayed { activation, sequence: state.count.max(state.sequence) }]
            }
            HostFrame::Command(command) => self.command(command),
            HostFrame::StreamInput { call, payload } => self.stream_input(call, &payload),
            HostFrame::StreamInputEnd { call } => self.stream_input_end(call),
            HostFrame::StreamCredit { .. } => vec![],
            HostFrame::Cancel { .. } => {
                self.probe.cancelled.fetch_add(1, Ordering::SeqCst);
                vec![]
            }
            HostFrame::CallAnswer { .. } => unreachable!("it calls nobody"),
            HostFrame::Deactivate { activation } => {
                self.probe.deactivated.fetch_add(1, Ordering::SeqCst);
                self.activations.remove(&activation);
                vec![]
            }
        }
    }

    fn command(&mut self, command: CommandFrame) -> Vec<FunctionFrame> {
        self.probe.commands.fetch_add(1, Ordering::SeqCst);
        if &*command.name == "hang" || self.probe.holds.load(Ordering::SeqCst) {
            return vec![];
        }
        if command.activation == 0 {
            return self.action(&command);
        }
        let state = self.activations.get_mut(&command.activation).expect("an activation");
        let body = text(&command.payload);
        let mut effects = Effects::default();
        let result = match &*command.name {
            "add" => {
                state.count += 1;
                effects.events.push(Payload::new("Added", command.payload.data.clone()));
                reply(&state.count.to_string())
            }
            "count" => reply(&state.count.to_string()),
            "rename" => {
                state.value = Some(command.payload.clone());
                effects.value = Some(command.payload.clone());
                HandlerResult::Reply(None)
            }
            "name" => HandlerResult::Reply(state.value.clone()),
            "mail" => {
                let target = target("shop.Mailer", "all", "send", &body);
                effects.side_effects.push(SideEffect { target, synchronous: true, durable: false });
                reply("mailed")
            }
            // The body names a cart, which is to add one; durably, with an event of its own. After a `later:` nothing
            // that follows is answered.
            "ask" => {
                let body = match body.strip_prefix("later:") {
                    Some(key) => {
                        self.probe.holds.store(true, Ordering::SeqCst);
                        key
                    }
                    None => &body,
                };
                state.count += 1;
                effects.events.push(Payload::new("Added", command.payload.data.clone()));
                let target = target("shop.Cart", body, "add", "asked");
                effects.side_effects.push(SideEffect { target, synchronous: false, durable: true });
                reply("asked")
            }
            // The body names a command of the mailer, which is to be called durably.
            "write" => {
                let target = target("shop.Mailer", "all", &body, "");
                effects.side_effects.push(SideEffect { target, synchronous: false, durable: true });
                reply("written")
            }
            "move" => HandlerResult::Forward(target("shop.Cart", &body, "add", "moved")),
            "refuse" => HandlerResult::Failed(Error::rejected("no")),
            other => HandlerResult::Failed(Error::internal(format!("no handler {other}"))),
        };
        vec![answer(&command, result, effects)]
    }

    fn action(&mut self, command: &CommandFrame) -> Vec<FunctionFrame> {
        let call = command.call;
        match &*command.name {
            "send" if self.probe.refuses.load(Ordering::SeqCst) => {
                vec![answer(command, HandlerResult::Failed(Error::rejected("no mail today")), Effects::default())]
            }
            "send" => {
                let entry = |name: &str| {
                    let found = command.metadata.iter().find(|(entry, _)| entry == name);
                    found.map(|(_, value)| value.clone())
                };
                if let (Some(subject), Some(id)) = (entry("ce-subject"), entry("ce-id")) {
                    self.probe.events.lock().expect("a lock").push((subject, id));
                }
                self.probe.mails.fetch_add(1, Ordering::SeqCst);
                vec![answer(command, reply("sent"), Effects::default())]
            }
            "list" => {
                let count: u32 = text(&command.payload).parse().expect("a number");
                let one = |n: u32| FunctionFrame::StreamElement {
                    call,
                    payload: json(&n.to_string()),
                    effects: vec![],
                    metadata: Vec::new(),
                };
                (0..count).map(one).chain([FunctionFrame::StreamEnd { call, error: None }]).collect()
            }
            name => {
                self.streams.insert(call, (Vec::new(), name == "echo"));
                vec![]
            }
        }
    }

    fn stream_input(&mut self, call: u64, payload: &Payload) -> Vec<FunctionFrame> {
        let (collected, echoes) = self.streams.get_mut(&call).expect("a stream");
        collected.push(text(payload));
        let credit = FunctionFrame::StreamInputCredit { call, elements: 1 };
        if *echoes {
            return vec![
                FunctionFrame::StreamElement { call, payload: payload.clone(), effects: vec![], metadata: Vec::new() },
                credit,
            ];
        }
        vec![credit]
    }

    fn stream_input_end(&mut self, call: u64) -> Vec<FunctionFrame> {
        let (collected, echoes) = self.streams.remove(&call).expect("a stream");
        if echoes {
            return vec![FunctionFrame::StreamEnd { call, error: None }];
        }
        let result = reply(&collected.join(","));
        let answer = AnswerFrame {
            activation: 0,
            call,
            result,
            effects: Effects::default(),
            activation_ended: false,
            metadata: Vec::new(),
        };
        vec![FunctionFrame::Answer(answer)]
    }
}

fn reply(text: &str) -> HandlerResult {
    HandlerResult::Reply(Some(json(text)))
}

fn target(entity_type: &str, key: &str, command: &str, body: &str) -> Target {
    let entity = EntityId::new(entity_type, key).expect("an id");
    Target { entity, command: command.into(), payload: json(body), metadata: vec![] }
}

fn answer(command: &CommandFrame, result: HandlerResult, effects: Effects) -> FunctionFrame {
    FunctionFrame::Answer(AnswerFrame {
        activation: command.activation,
        call: command.call,
        result,
        effects,
        activation_ended: false,
        metadata: Vec::new(),
    })
}
