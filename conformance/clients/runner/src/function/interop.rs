// SPDX-License-Identifier: Apache-2.0
//! `grpc.testing.TestService`, as gRPC's description of its interoperability tests asks for it.

use adjoin_entity::frame::{CommandFrame, FunctionFrame};
use adjoin_model::{Error, Kind, Metadata, Outcome, Payload};
use bytes::Bytes;

use super::messages::{
    EchoStatus, Empty, Filling, InputRequest, Named, OutputRequest, OutputResponse, SimpleRequest, SimpleResponse,
};
use super::{Depot, Input, answer, given};

/// What is given back as metadata.
const ECHOED: &str = "x-grpc-test-echo-initial";

/// Past it a reply is refused: above what every client asks for.
const MOST: usize = 1 << 20;

/// Runs a handler.
pub(crate) fn run(depot: &mut Depot, command: &CommandFrame) -> Result<Vec<FunctionFrame>, Error> {
    let (call, said) = (command.call, echoed(&command.metadata));
    Ok(match &*command.name {
        "EmptyCall" => answer(call, Ok(Empty::default().payload()), said),
        "UnaryCall" => answer(call, simple(&SimpleRequest::read(&command.payload)?), said),
        "StreamingInputCall" => depot.take(call, Input::Sizes(0)),
        "StreamingOutputCall" => {
            depot.streams.begin(call, said);
            let mut frames = output(depot, call, &OutputRequest::read(&command.payload)?)?;
            frames.extend(depot.streams.end(call, None));
            frames
        }
        "FullDuplexCall" => depot.begin_duplex(call, Input::Duplex, said),
        other => return Err(Error::internal(format!("there is no handler {other}"))),
    })
}

fn simple(request: &SimpleRequest) -> Result<Payload, Error> {
    asked(request.response_status.as_ref())?;
    let filling = filling(request.response_size)?;
    Ok(SimpleResponse { payload: Some(filling) }.payload())
}

/// One element of a client's stream.
pub(crate) fn element(depot: &mut Depot, call: u64, element: &Payload) -> Result<Vec<FunctionFrame>, Error> {
    match depot.inputs.get_mut(&call) {
        Some(Input::Sizes(total)) => {
            let size = InputRequest::read(element)?.payload.map_or(0, |payload| payload.body.len());
            *total = total.saturating_add(i32::try_from(size).unwrap_or(i32::MAX));
            Ok(Vec::new())
        }
        Some(Input::Duplex) => output(depot, call, &OutputRequest::read(element)?),
        _ => Ok(Vec::new()),
    }
}

fn output(depot: &mut Depot, call: u64, request: &OutputRequest) -> Result<Vec<FunctionFrame>, Error> {
    asked(request.response_status.as_ref())?;
    let mut frames = Vec::new();
    for wanted in &request.response_parameters {
        let payload = Some(filling(wanted.size)?);
        frames.extend(depot.streams.push(call, OutputResponse { payload }.payload()));
    }
    Ok(frames)
}

/// The status that the request asks for.
fn asked(status: Option<&EchoStatus>) -> Result<(), Error> {
    let Some(status) = status else { return Ok(()) };
    let Some(code) = given(status.code) else { return Ok(()) };
    Err(Error::new(Kind::Rejected, Outcome::None, status.message.clone()).with_code(code))
}

fn filling(size: i32) -> Result<Filling, Error> {
    let size = usize::try_from(size).ok().filter(|size| *size <= MOST);
    let size = size.ok_or_else(|| Error::invalid(format!("a payload has 0 to {MOST} bytes")))?;
    Ok(Filling { kind: 0, body: Bytes::from(vec![0; size]) })
}

fn echoed(metadata: &Metadata) -> Metadata {
    metadata.iter().filter(|(name, _)| name == ECHOED).cloned().collect()
}
