// SPDX-License-Identifier: Apache-2.0
//! A contract-first function whose replies a test says beforehand: the services of `protos/forms.proto`.

use std::collections::HashMap;
use std::sync::Arc;

use adjoin_engine::{Engine, Hello};
use adjoin_entity::frame::{AnswerFrame, CommandFrame, Effects, FunctionFrame, HandlerResult, HostFrame};
use adjoin_entity::spec::{Answers, EntityKind, EntityType, Handler, Spec};
use adjoin_ingress::{Settings, serve};
use adjoin_model::{Metadata, Payload};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::host::{Host, engine};
use crate::shop::Function;

fn descriptors() -> Vec<u8> {
    let mut compiler = protox::Compiler::new(["tests/protos", "../contract/tests/protos"]).expect("folders");
    compiler.include_imports(true).open_file("forms.proto").expect("sound files");
    compiler.encode_file_descriptor_set()
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(&descriptors()[..]).expect("sound descriptors")
}

/// The bytes of a message of this type.
pub(crate) fn encoded(message: &str, json: &Value) -> Vec<u8> {
    let descriptor = pool().get_message_by_name(message).expect("a message");
    DynamicMessage::deserialize(descriptor, json).expect("a message of this type").encode_to_vec()
}

pub(crate) fn spec(answers: Answers) -> Spec {
    let pool = pool();
    let action = |name: &str| {
        let service = pool.get_service_by_name(name).expect("a service");
        let handlers = service.methods().map(|method| Handler {
            name: method.name().into(),
            query: false,
            streamed_in: method.is_client_streaming(),
            streamed_out: method.is_server_streaming(),
            input_schema: String::new(),
            output_schema: String::new(),
            summary: String::new(),
        });
        let handlers = handlers.collect();
        EntityType { handlers, services: vec![name.into()], ..EntityType::new(name, EntityKind::Action) }
    };
    let types = ["forms.Forms", "forms.Zebra", "forms.Ant"].map(action).into();
    Spec { descriptors: descriptors().into(), answers, ..Spec::new("tests 0.1.0", types) }
}

/// What one handler replies: messages, and what it says beside each.
pub(crate) type Replies = HashMap<&'static str, Vec<(Vec<u8>, Metadata)>>;

/// One reply of a handler.
pub(crate) fn reply(handler: &'static str, message: &str, json: &Value) -> Replies {
    HashMap::from([(handler, vec![(encoded(message, json), Metadata::new())])])
}

pub(crate) async fn host(answers: Answers, replies: Replies) -> Host {
    host_with(spec(answers), replies, Settings::default()).await
}

pub(crate) async fn host_with(spec: Spec, replies: Replies, settings: Settings) -> Host {
    let engine = engine().await;
    let function = Some(connect(&engine, spec, replies));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    Host { ingress: serve(engine, settings, listener).expect("served"), function }
}

pub(crate) fn connect(engine: &Engine, spec: Spec, replies: Replies) -> Function {
    let (sink, mut frames) = mpsc::unbounded_channel::<Vec<HostFrame>>();
    let streamed = spec.types.iter().flat_map(|one| &one.handlers).filter(|one| one.streamed_out);
    let streamed: Vec<Arc<str>> = streamed.map(|one| one.name.clone()).collect();
    let session = engine.session_up(Arc::new(spec), Hello::default(), sink).expect("a sound spec");
    let task = tokio::spawn(async move {
        while let Some(batch) = frames.recv().await {
            let commands = batch.into_iter().filter_map(|frame| match frame {
                HostFrame::Command(command) => Some(command),
                _ => None,
            });
            let answers = commands.flat_map(|command| answer(&command, &replies, streamed.contains(&command.name)));
            if session.deliver_now(answers.collect()).is_err() {
                return;
            }
        }
    });
    Function { task }
}

fn answer(command: &CommandFrame, replies: &Replies, streamed: bool) -> Vec<FunctionFrame> {
    let call = command.call;
    // A type that the host does not compare is that of the method.
    let payload = |bytes: Vec<u8>| Payload::new(output_of(&command.name), bytes);
    let mut said = replies.get(&*command.name).cloned().unwrap_or_default();
    if streamed {
        let element = |(bytes, metadata)| FunctionFrame::StreamElement {
            call,
            payload: payload(bytes),
            effects: vec![],
            metadata,
        };
        let end = (&*command.name != "Slow").then_some(FunctionFrame::StreamEnd { call, error: None });
        return said.into_iter().map(element).chain(end).collect();
    }
    let told = command.payload.data.to_vec();
    let (bytes, metadata) = if said.is_empty() { (told, vec![]) } else { said.remove(0) };
    let result = HandlerResult::Reply(Some(payload(bytes)));
    let (activation, effects) = (command.activation, Effects::default());
    vec![FunctionFrame::Answer(AnswerFrame { activation, call, result, effects, activation_ended: false, metadata })]
}

/// `type.googleapis.com/forms.Item`
fn output_of(method: &str) -> String {
    let mut all = pool().services().flat_map(|service| service.methods().collect::<Vec<_>>()).collect::<Vec<_>>();
    all.retain(|one| one.name() == method);
    format!("type.googleapis.com/{}", all.first().expect("a method").output().full_name())
}
