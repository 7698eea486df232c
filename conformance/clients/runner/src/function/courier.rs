// SPDX-License-Identifier: Apache-2.0
//! `depot.Courier`: an action, every shape of a call.

use std::collections::BTreeMap;

use adjoin_entity::frame::{CommandFrame, FunctionFrame};
use adjoin_model::{Error, Metadata, Payload};

use super::messages::{HttpBody, Line, Named, Report};
use super::{Depot, Input, answer, given};

/// Past it nobody is served: a client's mistake is not to fill the memory.
const MOST: i32 = 1000;

/// Runs a handler.
pub(crate) fn run(depot: &mut Depot, command: &CommandFrame) -> Result<Vec<FunctionFrame>, Error> {
    let call = command.call;
    match &*command.name {
        "Sum" => return Ok(depot.take(call, Input::Sum(0))),
        "Double" => return Ok(depot.begin_duplex(call, Input::Double, Vec::new())),
        "Keep" => return Ok(answer(call, Ok(command.payload.clone()), Vec::new())),
        _ => {}
    }
    let line = Line::read(&command.payload)?;
    Ok(match &*command.name {
        "Echo" => answer(call, Ok(echo(line, &command.metadata).payload()), told()),
        "Refuse" => answer(call, Err(refusal(line)), Vec::new()),
        "Fail" => answer(call, Err(Error::internal("a handler failed")), Vec::new()),
        "Hang" => depot.hang(call, line.text),
        "Cancelled" => depot.answer_when_cancelled(call, line.text),
        "Countdown" => countdown(depot, call, &line),
        "Page" => answer(call, Ok(page(&line).payload()), Vec::new()),
        "Pieces" => pieces(depot, call, &line),
        other => return Err(Error::internal(format!("there is no handler {other}"))),
    })
}

fn echo(line: Line, metadata: &Metadata) -> Report {
    let theirs = metadata.iter().filter(|(name, _)| name.starts_with("x-"));
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in theirs {
        let values = said.entry(name.clone()).or_default();
        *values = if values.is_empty() { value.clone() } else { format!("{values}, {value}") };
    }
    Report { text: line.text, metadata: said, total: line.count }
}

/// What is said beside a reply. The second is AP9CRk8= without its padding.
fn told() -> Metadata {
    let said = [("x-depot-reply", "one"), ("x-depot-reply", "two"), ("x-depot-reply-bin", "AP9CRk8")];
    said.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

fn refusal(line: Line) -> Error {
    let error = Error::rejected(line.text).at("count", line.count);
    match given(line.count) {
        Some(code) => error.with_code(code),
        None => error,
    }
}

fn countdown(depot: &mut Depot, call: u64, line: &Line) -> Vec<FunctionFrame> {
    depot.streams.begin(call, told());
    let elements = if line.count < 0 { (line.count.max(-MOST)..0).collect() } else { down(line.count) };
    let mut frames = Vec::new();
    for count in elements {
        frames.extend(depot.streams.push(call, Line { text: line.text.clone(), count }.payload()));
    }
    if line.text.is_empty() {
        let error = (line.count < 0).then(|| Error::rejected("there is nothing below").at("count", line.count));
        frames.extend(depot.streams.end(call, error));
    } else {
        depot.hanging.insert(call, line.text.clone());
    }
    frames
}

fn down(from: i32) -> Vec<i32> {
    (1..=from.min(MOST)).rev().collect()
}

fn page(line: &Line) -> HttpBody {
    HttpBody { content_type: "text/html".into(), data: format!("<h1>{}</h1>\n", line.text).into() }
}

fn pieces(depot: &mut Depot, call: u64, line: &Line) -> Vec<FunctionFrame> {
    depot.streams.begin(call, Vec::new());
    let piece = HttpBody { content_type: "text/csv".into(), data: format!("{}\n", line.text).into() }.payload();
    let many = line.count.clamp(0, MOST);
    let mut frames: Vec<FunctionFrame> = (0..many).flat_map(|_| depot.streams.push(call, piece.clone())).collect();
    frames.extend(depot.streams.end(call, None));
    frames
}

/// One element of a client's stream.
pub(crate) fn element(depot: &mut Depot, call: u64, element: &Payload) -> Result<Vec<FunctionFrame>, Error> {
    let line = Line::read(element)?;
    match depot.inputs.get_mut(&call) {
        Some(Input::Sum(total)) => {
            *total = total.wrapping_add(line.count);
            Ok(Vec::new())
        }
        Some(Input::Double) => {
            if !line.text.is_empty() {
                depot.hanging.insert(call, line.text.clone());
            }
            let twice = Line { count: line.count.wrapping_mul(2), ..line };
            Ok(depot.streams.push(call, twice.payload()))
        }
        _ => Ok(Vec::new()),
    }
}
