// SPDX-License-Identifier: Apache-2.0
//! A contract-first function: mailboxes and a mailer, whose payloads are the messages of `protos/post.proto`.

use std::collections::HashMap;
use std::sync::Arc;

use adjoin_engine::{Engine, Hello};
use adjoin_entity::frame::{AnswerFrame, CommandFrame, Effects, FunctionFrame, HandlerResult, HostFrame};
use adjoin_entity::spec::{Answers, EntityKind, EntityType, Handler, Spec};
use adjoin_ingress::{Settings, serve};
use adjoin_model::{Code, Error, Metadata, Payload};
use bytes::Bytes;
use prost::Message;
use prost_reflect::DescriptorPool;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::host::{Host, engine};
use crate::shop::{self, Function};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Sender {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(int32, tag = "2")]
    pub(crate) age: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Letter {
    #[prost(string, tag = "1")]
    pub(crate) r#box: String,
    #[prost(string, tag = "2")]
    pub(crate) text: String,
    #[prost(message, optional, tag = "6")]
    pub(crate) sender: Option<Sender>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Receipt {
    #[prost(int64, tag = "1")]
    pub(crate) letters: i64,
    #[prost(string, tag = "2")]
    pub(crate) last_text: String,
    #[prost(message, optional, tag = "3")]
    pub(crate) sender: Option<Sender>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Contents {
    /// Encoded letters, as they came.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(crate) letters: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Line {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
    #[prost(int32, tag = "2")]
    pub(crate) count: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct HttpBody {
    #[prost(string, tag = "1")]
    pub(crate) content_type: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) data: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Report {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
    #[prost(btree_map = "string, string", tag = "2")]
    pub(crate) metadata: std::collections::BTreeMap<String, String>,
    #[prost(message, optional, tag = "3")]
    pub(crate) file: Option<HttpBody>,
    #[prost(int32, tag = "4")]
    pub(crate) total: i32,
}

/// The encoded set of the `.proto` files here.
pub(crate) fn descriptors() -> Vec<u8> {
    let mut compiler = protox::Compiler::new(["tests/protos", "../contract/tests/protos"]).expect("folders");
    compiler.include_imports(true).open_file("post.proto").expect("sound files");
    compiler.encode_file_descriptor_set()
}

pub(crate) fn pool() -> DescriptorPool {
    DescriptorPool::decode(&descriptors()[..]).expect("sound descriptors")
}

pub(crate) fn spec(answers: Answers) -> Spec {
    let pool = pool();
    let entity_type = |name: &str, kind| {
        let service = pool.get_service_by_name(name).expect("a service");
        let handlers = service.methods().map(|method| Handler {
            name: method.name().into(),
            query: method.name() == "Look",
            streamed_in: method.is_client_streaming(),
            streamed_out: method.is_server_streaming(),
            input_schema: String::new(),
            output_schema: String::new(),
            summary: String::new(),
        });
        let handlers = handlers.collect();
        let (services, reads_any_event) = (vec![name.into()], kind == EntityKind::EventSourced);
        EntityType { handlers, services, reads_any_event, ..EntityType::new(name, kind) }
    };
    let types = vec![entity_type("post.Box", EntityKind::EventSourced), entity_type("post.Mailer", EntityKind::Action)];
    Spec { descriptors: descriptors().into(), answers, ..Spec::new("tests 0.1.0", types) }
}

/// A host with the post.
pub(crate) async fn host(answers: Answers) -> Host {
    host_with(answers, Settings::default()).await
}

pub(crate) async fn host_with(answers: Answers, settings: Settings) -> Host {
    let engine = engine().await;
    let function = Some(connect(&engine, spec(answers)));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    Host { ingress: serve(engine, settings, listener).expect("served"), function }
}

/// A host with the post and the code-first shop.
pub(crate) async fn host_beside_the_shop() -> (Host, Function) {
    host_beside_the_shop_with(Settings::default()).await
}

pub(crate) async fn host_beside_the_shop_with(settings: Settings) -> (Host, Function) {
    let engine = engine().await;
    let shop = shop::connect(&engine);
    let function = Some(connect(&engine, spec(Answers::Adjoin)));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    (Host { ingress: serve(engine, settings, listener).expect("served"), function }, shop)
}

fn connect(engine: &Engine, spec: Spec) -> Function {
    let (sink, mut frames) = mpsc::unbounded_channel::<Vec<HostFrame>>();
    let session = engine.session_up(Arc::new(spec), Hello::default(), sink).expect("a sound spec");
    let task = tokio::spawn(async move {
        let mut post = Post::default();
        while let Some(batch) = frames.recv().await {
            let answers = batch.into_iter().flat_map(|frame| post.frame(frame)).collect();
            if session.deliver_now(answers).is_err() {
                return;
            }
        }
    });
    Function { task }
}

#[derive(Default)]
struct Post {
    boxes: HashMap<u64, Vec<Bytes>>,
    /// Calls with an input stream: the sum so far, and whether each element is answered.
    inputs: HashMap<u64, (i32, bool)>,
    /// What became of streams of clients: `b`egun, `e`nd, `c`ancel.
    ends: String,
}

/// The ingress passes bytes on as they came.
fn read<M: Message + Default>(data: &[u8]) -> Result<M, Error> {
    M::decode(data).map_err(|_| Error::rejected("this is another message"))
}

fn payload(name: &str, message: &impl Message) -> Payload {
    Payload::new(format!("type.googleapis.com/{name}"), message.encode_to_vec())
}

fn reply(name: &str, message: &impl Message) -> HandlerResult {
    HandlerResult::Reply(Some(payload(name, message)))
}

impl Post {
    fn frame(&mut self, frame: HostFrame) -> Vec<FunctionFrame> {
        match frame {
            HostFrame::Activate { activation, .. } => {
                self.boxes.insert(activation, Vec::new());
                vec![]
            }
            HostFrame::Replay { activation, events, .. } => {
                let letters = self.boxes.entry(activation).or_default();
                let sequence = events.last().map_or(0, |(sequence, _)| *sequence);
                letters.extend(events.into_iter().map(|(_, event)| event.data));
                vec![FunctionFrame::Replayed { activation, sequence }]
            }
            HostFrame::Command(command) => self.command(command),
            HostFrame::StreamInput { call, payload } => self.input(call, &payload),
            HostFrame::StreamInputEnd { call } => self.input_end(call),
            HostFrame::CallAnswer { .. } => vec![],
            HostFrame::Cancel { call } => {
                self.ends.extend(self.inputs.remove(&call).map(|_| 'c'));
                vec![]
            }
            HostFrame::StreamCredit { .. } | HostFrame::Deactivate { .. } => vec![],
        }
    }

    fn command(&mut self, command: CommandFrame) -> Vec<FunctionFrame> {
        let call = command.call;
        match &*command.name {
            "Hang" => return vec![],
            "Digest" => return digest(call, &command.payload),
            "Sum" | "Double" => {
                self.ends.push('b');
                self.inputs.insert(call, (0, &*command.name == "Double"));
                return vec![FunctionFrame::StreamInputCredit { call, elements: 16 }];
            }
            _ => {}
        }
        let (result, events) = match self.handle(&command) {
            Ok((result, events)) => (result, events),
            Err(error) => (HandlerResult::Failed(error), vec![]),
        };
        if let Some(letters) = self.boxes.get_mut(&command.activation) {
            letters.extend(events.iter().map(|event| event.data.clone()));
        }
        let effects = Effects { events, ..Effects::default() };
        let (activation, metadata) = (command.activation, told(&command));
        vec![FunctionFrame::Answer(AnswerFrame {
            activation,
            call,
            result,
            effects,
            activation_ended: false,
            metadata,
        })]
    }

    fn handle(&self, command: &CommandFrame) -> Result<(HandlerResult, Vec<Payload>), Error> {
        let data = &command.payload.data[..];
        let line = || read::<Line>(data);
        let none = vec![];
        Ok(match &*command.name {
            "Send" | "Plain" => {
                assert_eq!(&*command.payload.type_name, "type.googleapis.com/post.Letter");
                let letter = read::<Letter>(data)?;
                match letter.text.as_str() {
                    "refuse" => return Err(Error::rejected("no more room")),
                    "ramble" => return Err(Error::rejected("ü".repeat(40_000))),
                    "coded" => return Err(Error::rejected("gone").with_code(Code::AlreadyExists)),
                    _ => {}
                }
                let letters = self.boxes.get(&command.activation).map_or(0, Vec::len) + 1;
                let receipt = Receipt { letters: letters as i64, last_text: letter.text, sender: letter.sender };
                let event = Payload { type_name: "post.Letter".into(), data: command.payload.data.clone() };
                (reply("post.Receipt", &receipt), vec![event])
            }
            "Look" => {
                let letters = self.boxes.get(&command.activation).cloned().unwrap_or_default();
                (reply("post.Contents", &Contents { letters }), none)
            }
            "Echo" | "Count" => {
                let metadata = command.metadata.iter().cloned().collect();
                let said = line()?.text;
                let text = if said == "ends" { self.ends.clone() } else { said };
                (reply("post.Report", &Report { text, metadata, ..Report::default() }), none)
            }
            "Keep" => (reply("post.Report", &read::<Report>(data)?), none),
            "Page" => {
                let text = format!("<h1>{}</h1>", line()?.text);
                (reply("google.api.HttpBody", &HttpBody { content_type: "text/html".into(), data: text.into() }), none)
            }
            "Nothing" => (HandlerResult::Reply(None), none),
            "Wrong" => (reply("post.Line", &line()?), none),
            other => return Err(Error::internal(format!("no handler {other}"))),
        })
    }

    fn input(&mut self, call: u64, element: &Payload) -> Vec<FunctionFrame> {
        let Some((sum, each)) = self.inputs.get_mut(&call) else { return vec![] };
        let line = read::<Line>(&element.data).unwrap_or_default();
        *sum = sum.wrapping_add(line.count);
        let mut frames = vec![FunctionFrame::StreamInputCredit { call, elements: 1 }];
        if *each {
            let payload = payload("post.Line", &Line { count: line.count.wrapping_mul(2), ..line });
            frames.push(FunctionFrame::StreamElement { call, payload, effects: vec![], metadata: Vec::new() });
        }
        frames
    }

    fn input_end(&mut self, call: u64) -> Vec<FunctionFrame> {
        let Some((total, each)) = self.inputs.remove(&call) else { return vec![] };
        self.ends.push('e');
        if each {
            return vec![FunctionFrame::StreamEnd { call, error: None }];
        }
        let result = reply("post.Report", &Report { total, ..Report::default() });
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

/// What is said beside a reply to a text that asks for it; of an action, all that the call brought, as some SDKs do.
fn told(command: &CommandFrame) -> Metadata {
    let text = Line::decode(&command.payload.data[..]).map(|line| line.text).unwrap_or_default();
    let letter = Letter::decode(&command.payload.data[..]).map(|letter| letter.text).unwrap_or_default();
    if text != "tell" && letter != "tell" {
        return vec![];
    }
    let mut said = command.metadata.clone();
    said.extend(TOLD.map(|(name, value)| (name.to_owned(), value.to_owned())));
    said
}

/// Said by the function; the first three are for it to say.
pub(crate) const TOLD: [(&str, &str); 7] = [
    ("x-told", "1"),
    ("x-told", "2"),
    ("raw-bin", "AAE"),
    ("content-type", "text/evil"),
    ("etag", "\"99\""),
    ("grpc-status", "5"),
    ("x-split", "a\r\nb: c"),
];

/// So many lines; a count below 0 fails, after one line below -1.
fn digest(call: u64, input: &Payload) -> Vec<FunctionFrame> {
    let line = match read::<Line>(&input.data) {
        Ok(line) => line,
        Err(error) => return vec![FunctionFrame::StreamEnd { call, error: Some(error) }],
    };
    let lines = if line.count < 0 { i32::from(line.count < -1) } else { line.count };
    let element = |count| {
        let payload = payload("post.Line", &Line { text: format!("day {count}"), count });
        let metadata = vec![("x-day".into(), count.to_string())];
        FunctionFrame::StreamElement { call, payload, effects: vec![], metadata }
    };
    let error = (line.count < 0).then(|| Error::rejected("no such days"));
    (0..lines).map(element).chain([FunctionFrame::StreamEnd { call, error }]).collect()
}
