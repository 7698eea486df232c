// SPDX-License-Identifier: Apache-2.0
//! The messages of the model services, as `protos/` says them. Event-sourced and value entities differ in the numbers of
//! their actions alone.

use prost::Message;
use prost_types::Any;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Request {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(message, repeated, tag = "2")]
    pub(crate) actions: Vec<RequestAction>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RequestAction {
    #[prost(oneof = "Act", tags = "1, 2, 3, 4")]
    pub(crate) action: Option<Act>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Act {
    #[prost(message, tag = "1")]
    Emit(Text),
    #[prost(message, tag = "2")]
    Forward(Text),
    #[prost(message, tag = "3")]
    Effect(Effect),
    #[prost(message, tag = "4")]
    Fail(Text),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ValueRequest {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(message, repeated, tag = "2")]
    pub(crate) actions: Vec<ValueAction>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ValueAction {
    #[prost(oneof = "ValueAct", tags = "1, 2, 3, 4, 5")]
    pub(crate) action: Option<ValueAct>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum ValueAct {
    #[prost(message, tag = "1")]
    Update(Text),
    #[prost(message, tag = "2")]
    Delete(()),
    #[prost(message, tag = "3")]
    Forward(Text),
    #[prost(message, tag = "4")]
    Effect(Effect),
    #[prost(message, tag = "5")]
    Fail(Text),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Groups {
    #[prost(message, repeated, tag = "1")]
    pub(crate) groups: Vec<Steps>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Steps {
    #[prost(message, repeated, tag = "1")]
    pub(crate) steps: Vec<ActionStep>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ActionStep {
    #[prost(oneof = "Step", tags = "1, 2, 3, 4")]
    pub(crate) step: Option<Step>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Step {
    #[prost(message, tag = "1")]
    Reply(Text),
    #[prost(message, tag = "2")]
    Forward(Text),
    #[prost(message, tag = "3")]
    Fail(Text),
    #[prost(message, tag = "4")]
    Effect(Effect),
}

/// A message with one text: Emit, Update, Forward, Fail, Response, Persisted, OtherRequest.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Text {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Effect {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(bool, tag = "2")]
    pub(crate) synchronous: bool,
}

pub(crate) fn text(text: &str) -> Text {
    Text { text: text.to_owned() }
}

/// A message with its full name below `cloudstate.tck.model`.
pub(crate) fn any(name: &str, message: &impl Message) -> Any {
    Any { type_url: url(name), value: message.encode_to_vec() }
}

pub(crate) fn url(name: &str) -> String {
    format!("type.googleapis.com/cloudstate.tck.model.{name}")
}

pub(crate) fn emit(value: &str) -> Act {
    Act::Emit(text(value))
}

pub(crate) fn request(id: &str, acts: Vec<Act>) -> Any {
    let actions = acts.into_iter().map(|act| RequestAction { action: Some(act) }).collect();
    any("Request", &Request { id: id.to_owned(), actions })
}

pub(crate) fn value_request(id: &str, acts: Vec<ValueAct>) -> Any {
    let actions = acts.into_iter().map(|act| ValueAction { action: Some(act) }).collect();
    any("valueentity.Request", &ValueRequest { id: id.to_owned(), actions })
}

/// One group for each list of steps.
pub(crate) fn groups(groups: Vec<Vec<Step>>) -> Any {
    let step = |step| ActionStep { step: Some(step) };
    let group = |steps: Vec<Step>| Steps { steps: steps.into_iter().map(step).collect() };
    any("action.Request", &Groups { groups: groups.into_iter().map(group).collect() })
}
