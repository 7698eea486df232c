// SPDX-License-Identifier: Apache-2.0
//! A user function for these tests: the shop, and handlers that show what reaches a handler.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use adjoin_engine::{Engine, Hello, Session};
use adjoin_entity::frame::{AnswerFrame, CommandFrame, Effects, FunctionFrame, HandlerResult, HostFrame};
use adjoin_entity::spec::{EntityKind, EntityType, Handler, Spec};
use adjoin_model::{Code, EntityId, Error, Kind, Metadata, Outcome, Payload};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

const ITEM: &str = r##"{"$ref":"#/$defs/Item","x-adjoin-params":["item"],"$defs":{"Item":{"type":"object","title":"Item",
    "properties":{"product":{"type":"string"},"name":{"type":"string"},"qty":{"type":"integer","default":1}},
    "required":["product","name"]}}}"##;
const ITEMS: &str = r##"{"type":"array","items":{"$ref":"#/$defs/Item"},"$defs":{"Item":{"type":"object","title":"Item",
    "properties":{"product":{"type":"string"},"name":{"type":"string"},"qty":{"type":"integer","default":1}},
    "required":["product","name"]}}}"##;
const FIND: &str = r#"{"type":"object","x-adjoin-params":["name","least"],"properties":{"name":{"type":"string"},
    "least":{"type":"integer"}},"required":["name"]}"#;

fn handler(name: &str, query: bool, input: &str, output: &str) -> Handler {
    Handler {
        name: name.into(),
        query,
        streamed_in: false,
        streamed_out: false,
        input_schema: input.into(),
        output_schema: output.into(),
        summary: format!("{name} of the shop"),
    }
}

fn entity_type(name: &str, kind: EntityKind, handlers: Vec<Handler>) -> EntityType {
    let events: &[&str] =
        if kind == EntityKind::EventSourced { &["ItemAdded", "ItemRemoved", "CheckedOut"] } else { &[] };
    EntityType {
        handlers,
        readable_events: events.iter().map(|&name| name.into()).collect(),
        summary: format!("{name} for tests"),
        ..EntityType::new(name, kind)
    }
}

/// What the function declares.
pub(crate) fn spec() -> Spec {
    let none = r#"{"x-adjoin-params":[]}"#;
    let text = |name| format!(r#"{{"type":"string","x-adjoin-params":["{name}"]}}"#);
    let cart = vec![
        handler("addItem", false, ITEM, r#"{"type":"integer"}"#),
        handler("removeItem", false, &text("product"), r#"{"type":"null"}"#),
        handler("checkOut", false, none, r#"{"type":"integer"}"#),
        handler("fail", false, &text("kind"), ""),
        handler("hang", false, none, ""),
        handler("inspect", false, "", ""),
        handler("contents", true, none, ITEMS),
        handler("find", true, FIND, ITEMS),
        handler("echo", true, "", ""),
    ];
    let mailer = vec![
        handler("welcome", false, &text("email"), r#"{"type":"null"}"#),
        Handler {
            streamed_out: true,
            ..handler("digest", false, r#"{"type":"integer","x-adjoin-params":["days"]}"#, r#"{"type":"string"}"#)
        },
        Handler {
            streamed_in: true,
            ..handler("total", false, r#"{"type":"integer","x-adjoin-params":["n"]}"#, r#"{"type":"integer"}"#)
        },
        Handler {
            streamed_in: true,
            streamed_out: true,
            ..handler("doubled", false, r#"{"type":"integer","x-adjoin-params":["n"]}"#, r#"{"type":"integer"}"#)
        },
        Handler {
            streamed_in: true,
            ..handler("weighed", false, r#"{"type":"number","x-adjoin-params":["kilos"]}"#, r#"{"type":"integer"}"#)
        },
    ];
    let types = vec![
        entity_type("shop.Cart", EntityKind::EventSourced, cart),
        entity_type("shop.Mailer", EntityKind::Action, mailer),
    ];
    Spec::new("tests 0.1.0", types)
}

/// A running function.
pub(crate) struct Function {
    pub(crate) task: tokio::task::JoinHandle<()>,
}

impl Drop for Function {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects the shop to an engine.
pub(crate) fn connect(engine: &Engine) -> Function {
    connect_as(engine, spec())
}

/// Connects a function with another spec and the shop's handlers.
pub(crate) fn connect_as(engine: &Engine, spec: Spec) -> Function {
    let (sink, frames) = mpsc::unbounded_channel();
    let session = engine.session_up(Arc::new(spec), Hello::default(), sink).expect("a sound spec");
    Function { task: tokio::spawn(run(session, frames)) }
}

async fn run(session: Session, mut frames: mpsc::UnboundedReceiver<Vec<HostFrame>>) {
    let mut shop = Shop::default();
    while let Some(batch) = frames.recv().await {
        let answers = batch.into_iter().flat_map(|frame| shop.frame(frame)).collect();
        if session.deliver_now(answers).is_err() {
            return;
        }
    }
}

#[derive(Default)]
struct Shop {
    carts: HashMap<u64, (EntityId, BTreeMap<String, Value>)>,
    /// Calls with an input stream: the sum so far, and whether each element is answered.
    inputs: HashMap<u64, (i64, bool)>,
    /// What became of streams of clients: `b`egun, `e`nd, `c`ancel.
    ends: String,
}

impl Shop {
    fn frame(&mut self, frame: HostFrame) -> Vec<FunctionFrame> {
        match frame {
            HostFrame::Activate { activation, entity, .. } => {
                self.carts.insert(activation, (entity, BTreeMap::new()));
                vec![]
            }
            HostFrame::Replay { activation, events, .. } => {
                let mut sequence = 0;
                for (at, event) in events {
                    self.apply(activation, &event);
                    sequence = at;
                }
                vec![FunctionFrame::Replayed { activation, sequence }]
            }
            HostFrame::Command(command) => self.command(command),
            HostFrame::StreamInput { call, payload } => self.input(call, &payload),
            HostFrame::StreamInputEnd { call } => self.input_end(call),
            HostFrame::Cancel { call } => {
                self.ends.extend(self.inputs.remove(&call).map(|_| 'c'));
                vec![]
            }
            HostFrame::StreamCredit { .. } | HostFrame::CallAnswer { .. } => vec![],
            HostFrame::Deactivate { activation } => {
                self.carts.remove(&activation);
                vec![]
            }
        }
    }

    fn apply(&mut self, activation: u64, event: &Payload) {
        let Some((_, items)) = self.carts.get_mut(&activation) else { return };
        let value: Value = serde_json::from_slice(&event.data).expect("an event");
        match &*event.type_name {
            "ItemAdded" => {
                items.insert(value["item"]["product"].as_str().unwrap_or("").into(), value["item"].clone());
            }
            "ItemRemoved" => {
                items.remove(value["product"].as_str().unwrap_or(""));
            }
            _ => items.clear(),
        }
    }

    fn command(&mut self, command: CommandFrame) -> Vec<FunctionFrame> {
        let call = command.call;
        let body: Value = serde_json::from_slice(&command.payload.data).unwrap_or(Value::Null);
        match &*command.name {
            "hang" => return vec![],
            "digest" => return digest(call, &body),
            "total" | "doubled" | "weighed" => {
                self.ends.push('b');
                self.inputs.insert(call, (0, &*command.name == "doubled"));
                return vec![FunctionFrame::StreamInputCredit { call, elements: 16 }];
            }
            _ => {}
        }
        let handled = self.handle(&command, &body);
        let (result, events) = match handled {
            Ok((reply, events)) => (HandlerResult::Reply(reply.map(payload)), events),
            Err(error) => (HandlerResult::Failed(error), vec![]),
        };
        for event in &events {
            self.apply(command.activation, event);
        }
        let effects = Effects { events, ..Effects::default() };
        let activation = command.activation;
        vec![FunctionFrame::Answer(AnswerFrame {
            activation,
            call,
            result,
            effects,
            activation_ended: false,
            metadata: told(&command),
        })]
    }

    fn handle(&self, command: &CommandFrame, body: &Value) -> Result<(Option<Value>, Vec<Payload>), Error> {
        let empty = BTreeMap::new();
        let items = self.carts.get(&command.activation).map_or(&empty, |(_, items)| items);
        let event = |name: &str, value: Value| vec![Payload::new(name, value.to_string())];
        Ok(match &*command.name {
            "addItem" => {
                if body.get("qty").is_some_and(|qty| qty.as_i64().unwrap_or(0) < 1) {
                    return Err(Error::rejected("qty must be positive"));
                }
                let new = usize::from(!items.contains_key(body["product"].as_str().unwrap_or("")));
                (Some(json!(items.len() + new)), event("ItemAdded", json!({ "item": body })))
            }
            "removeItem" => {
                let product = body.as_str().unwrap_or("");
                if !items.contains_key(product) {
                    return Err(Error::rejected(format!("no {product} here")).with_code(Code::NotFound));
                }
                (None, event("ItemRemoved", json!({ "product": product })))
            }
            "checkOut" => (Some(json!(items.len())), event("CheckedOut", json!({}))),
            "contents" => (Some(items.values().cloned().collect()), vec![]),
            "find" => (Some(find(items, body)), vec![]),
            "echo" if body == "ends" => (Some(json!(self.ends)), vec![]),
            "echo" => (Some(body.clone()), vec![]),
            "inspect" => (Some(inspect(command)), vec![]),
            "welcome" => (None, vec![]),
            "fail" => return Err(failure(body.as_str().unwrap_or(""))),
            other => return Err(Error::internal(format!("no handler {other}"))),
        })
    }

    fn input(&mut self, call: u64, element: &Payload) -> Vec<FunctionFrame> {
        let Some((sum, each)) = self.inputs.get_mut(&call) else { return vec![] };
        let number = serde_json::from_slice::<i64>(&element.data).unwrap_or(0);
        *sum += number;
        let mut frames = vec![FunctionFrame::StreamInputCredit { call, elements: 1 }];
        if *each {
            let payload = payload(json!(number * 2));
            frames.push(FunctionFrame::StreamElement { call, payload, effects: vec![], metadata: Vec::new() });
        }
        frames
    }

    fn input_end(&mut self, call: u64) -> Vec<FunctionFrame> {
        let Some((sum, each)) = self.inputs.remove(&call) else { return vec![] };
        self.ends.push('e');
        if each {
            return vec![FunctionFrame::StreamEnd { call, error: None }];
        }
        let result = HandlerResult::Reply(Some(payload(json!(sum))));
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

fn digest(call: u64, body: &Value) -> Vec<FunctionFrame> {
    let days = body.as_i64().unwrap_or(0);
    let element = |day: i64| {
        let payload = payload(json!(format!("day {day}")));
        let metadata = vec![("x-day".into(), day.to_string())];
        FunctionFrame::StreamElement { call, payload, effects: vec![], metadata }
    };
    let error = (days < 0).then(|| Error::rejected("days must not be negative"));
    (0..days).map(element).chain([FunctionFrame::StreamEnd { call, error }]).collect()
}

fn find(items: &BTreeMap<String, Value>, body: &Value) -> Value {
    let least = body["least"].as_i64().unwrap_or(0);
    items
        .values()
        .filter(|item| item["name"] == body["name"] && item["qty"].as_i64().unwrap_or(1) >= least)
        .cloned()
        .collect()
}

fn inspect(command: &CommandFrame) -> Value {
    let metadata: BTreeMap<_, _> = command.metadata.iter().cloned().collect();
    json!({
        "metadata": metadata, "caller": &*command.caller, "remainingMs": command.remaining_ms,
        "body": String::from_utf8_lossy(&command.payload.data), "type": &*command.payload.type_name,
    })
}

/// `Kind`, or `Kind/outcome`.
fn failure(said: &str) -> Error {
    let (kind, outcome) = said.split_once('/').unwrap_or((said, "none"));
    let kind = Kind::from_name(kind).unwrap_or(Kind::Internal);
    let outcome = if outcome == "unknown" { Outcome::Unknown } else { Outcome::None };
    Error::new(kind, outcome, format!("as asked: {said}")).at("asked", said)
}

fn payload(value: Value) -> Payload {
    Payload::new("json", Bytes::from(value.to_string()))
}

/// What is said beside a reply to a call that asks for it.
fn told(command: &CommandFrame) -> Metadata {
    let asked = command.metadata.iter().filter(|(name, _)| name == "x-adjoin-tell");
    asked.map(|(_, value)| ("x-told".into(), value.clone())).collect()
}
