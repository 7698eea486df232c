// SPDX-License-Identifier: Apache-2.0
//! The contract-first function that every client calls: it speaks adjoin's protocol frame by frame.

mod courier;
mod interop;
mod messages;
mod shelf;
mod streams;

use std::collections::HashMap;
use std::path::Path;

use adjoin_entity::frame::{AnswerFrame, CommandFrame, Effects, FunctionFrame, HandlerResult, HostFrame};
use adjoin_entity::spec::{EntityKind, EntityType, Handler, Spec};
use adjoin_function::{Event, FunctionSession, Listener, ServeSettings, Server, serve};
use adjoin_model::{Code, Error, Metadata, Payload};
use prost_reflect::DescriptorPool;

use messages::{InputResponse, Named, Report};
use shelf::Shelves;
use streams::Streams;

/// The services, each with what serves it.
const TYPES: [(&str, EntityKind); 3] = [
    ("depot.Shelf", EntityKind::EventSourced),
    ("depot.Courier", EntityKind::Action),
    ("grpc.testing.TestService", EntityKind::Action),
];

/// Serves it on a port of its own, to any number of hosts one after the other.
///
/// # Errors
/// What is wrong with the contract, or no port.
pub(crate) async fn start(protos: &[&Path]) -> Result<Server, String> {
    let spec = spec(&descriptors(protos)?)?;
    let said = |error: Error| error.to_string();
    let address = "127.0.0.1:0".parse().map_err(said)?;
    let listener = Listener::bind(&address).await.map_err(said)?;
    let (server, mut events) = serve(listener, spec, ServeSettings::default()).map_err(said)?;
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let Event::Session(session) = event {
                tokio::spawn(hold(session));
            }
        }
    });
    Ok(server)
}

async fn hold(mut session: FunctionSession) {
    let mut depot = Depot::default();
    while let Ok(Some(frames)) = session.from_host.recv().await {
        let answers: Vec<FunctionFrame> = frames.into_iter().flat_map(|frame| depot.frame(frame)).collect();
        if session.to_host.send(answers).is_err() {
            return;
        }
    }
}

/// The encoded set of the files, imports included.
fn descriptors(protos: &[&Path]) -> Result<Vec<u8>, String> {
    let said = |error: protox::Error| error.to_string();
    let mut compiler = protox::Compiler::new(protos).map_err(said)?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(["depot.proto", "grpc/testing/test.proto"]).map_err(said)?;
    Ok(compiler.encode_file_descriptor_set())
}

fn spec(descriptors: &[u8]) -> Result<Spec, String> {
    let pool = DescriptorPool::decode(descriptors).map_err(|error| error.to_string())?;
    let types = TYPES.iter().map(|(name, kind)| entity_type(&pool, name, *kind)).collect::<Result<_, _>>()?;
    Ok(Spec { descriptors: descriptors.to_vec().into(), ..Spec::new("adjoin-clients", types) })
}

fn entity_type(pool: &DescriptorPool, name: &str, kind: EntityKind) -> Result<EntityType, String> {
    let service = pool.get_service_by_name(name).ok_or_else(|| format!("no file has the service {name}"))?;
    let handlers = service.methods().map(|method| Handler {
        name: method.name().into(),
        query: matches!(method.name(), "Look" | "List"),
        streamed_in: method.is_client_streaming(),
        streamed_out: method.is_server_streaming(),
        input_schema: String::new(),
        output_schema: String::new(),
        summary: String::new(),
    });
    let (handlers, services) = (handlers.collect(), vec![name.to_owned()]);
    let reads_any_event = kind == EntityKind::EventSourced;
    Ok(EntityType { handlers, services, reads_any_event, ..EntityType::new(name, kind) })
}

/// What a client's stream is for.
enum Input {
    /// `Courier.Sum`, so far.
    Sum(i32),
    /// `Courier.Double`.
    Double,
    /// `TestService.StreamingInputCall`, so far.
    Sizes(i32),
    /// `TestService.FullDuplexCall`.
    Duplex,
}

/// Everything that one session knows.
#[derive(Default)]
struct Depot {
    shelves: Shelves,
    streams: Streams,
    inputs: HashMap<u64, Input>,
    /// Calls without an end, with their texts.
    hanging: HashMap<u64, String>,
    /// Texts of those that were cancelled, until somebody asks.
    cancelled: Vec<String>,
    /// Calls that ask about a text.
    asking: Vec<(u64, String)>,
}

impl Depot {
    fn frame(&mut self, frame: HostFrame) -> Vec<FunctionFrame> {
        match frame {
            HostFrame::Activate { activation, .. } => self.shelves.begin(activation),
            HostFrame::Replay { activation, events, .. } => {
                events.iter().for_each(|(_, event)| self.shelves.apply(activation, event));
                let sequence = events.last().map_or(0, |(sequence, _)| *sequence);
                return vec![FunctionFrame::Replayed { activation, sequence }];
            }
            HostFrame::Command(command) => return self.command(&command),
            HostFrame::StreamInput { call, payload } => return self.element(call, &payload),
            HostFrame::StreamInputEnd { call } => return self.input_end(call),
            HostFrame::StreamCredit { call, elements } => return self.streams.credit(call, elements),
            HostFrame::Cancel { call } => return self.cancel(call),
            HostFrame::Deactivate { activation } => self.shelves.end(activation),
            HostFrame::CallAnswer { .. } => {}
        }
        Vec::new()
    }

    fn command(&mut self, command: &CommandFrame) -> Vec<FunctionFrame> {
        let served = command.entity.as_ref().map(|entity| entity.entity_type());
        let frames = match served {
            None => return self.shelf(command),
            Some("depot.Courier") => courier::run(self, command),
            Some(_) => interop::run(self, command),
        };
        frames.unwrap_or_else(|error| self.fail(command.call, error))
    }

    fn shelf(&mut self, command: &CommandFrame) -> Vec<FunctionFrame> {
        let (activation, call) = (command.activation, command.call);
        let (result, event) = match self.shelves.run(command) {
            Ok(ran) => ran,
            Err(error) => (HandlerResult::Failed(error), None),
        };
        if let Some(event) = &event {
            self.shelves.apply(activation, event);
        }
        let effects = Effects { events: event.into_iter().collect(), ..Effects::default() };
        let (activation_ended, metadata) = (false, Vec::new());
        vec![FunctionFrame::Answer(AnswerFrame { activation, call, result, effects, activation_ended, metadata })]
    }

    /// A client streams into this call.
    fn take(&mut self, call: u64, input: Input) -> Vec<FunctionFrame> {
        self.inputs.insert(call, input);
        Vec::new()
    }

    /// Both stream.
    fn begin_duplex(&mut self, call: u64, input: Input, metadata: Metadata) -> Vec<FunctionFrame> {
        self.streams.begin(call, metadata);
        self.take(call, input)
    }

    fn element(&mut self, call: u64, payload: &Payload) -> Vec<FunctionFrame> {
        let frames = match self.inputs.get(&call) {
            None => return Vec::new(),
            Some(Input::Sum(_) | Input::Double) => courier::element(self, call, payload),
            Some(Input::Sizes(_) | Input::Duplex) => interop::element(self, call, payload),
        };
        match frames {
            Ok(mut frames) => {
                frames.push(FunctionFrame::StreamInputCredit { call, elements: 1 });
                frames
            }
            Err(error) => self.fail(call, error),
        }
    }

    fn input_end(&mut self, call: u64) -> Vec<FunctionFrame> {
        match self.inputs.remove(&call) {
            None => Vec::new(),
            Some(Input::Sum(total)) => answer(call, Ok(Report { total, ..Report::default() }.payload()), Vec::new()),
            Some(Input::Sizes(aggregated_payload_size)) => {
                answer(call, Ok(InputResponse { aggregated_payload_size }.payload()), Vec::new())
            }
            Some(Input::Double) if self.hanging.contains_key(&call) => Vec::new(),
            Some(Input::Double | Input::Duplex) => self.streams.end(call, None),
        }
    }

    /// A call ends with an error, whatever its shape.
    fn fail(&mut self, call: u64, error: Error) -> Vec<FunctionFrame> {
        self.inputs.remove(&call);
        if self.streams.knows(call) {
            self.streams.end(call, Some(error))
        } else {
            answer(call, Err(error), Vec::new())
        }
    }

    fn hang(&mut self, call: u64, text: String) -> Vec<FunctionFrame> {
        self.hanging.insert(call, text);
        Vec::new()
    }

    fn cancel(&mut self, call: u64) -> Vec<FunctionFrame> {
        let error = Error::unavailable("nobody waits for this call");
        let (hung, taking) = (self.hanging.remove(&call), self.inputs.remove(&call).is_some());
        let mut frames = if self.streams.knows(call) {
            self.streams.cut(call, error)
        } else if hung.is_some() || taking {
            answer(call, Err(error), Vec::new())
        } else {
            Vec::new()
        };
        frames.extend(hung.into_iter().flat_map(|text| self.was_cancelled(text)));
        frames
    }

    fn was_cancelled(&mut self, text: String) -> Vec<FunctionFrame> {
        let Some(at) = self.asking.iter().position(|(_, asked)| *asked == text) else {
            self.cancelled.push(text);
            return Vec::new();
        };
        cancelled(self.asking.remove(at).0, text)
    }

    fn answer_when_cancelled(&mut self, call: u64, text: String) -> Vec<FunctionFrame> {
        let Some(at) = self.cancelled.iter().position(|known| *known == text) else {
            self.asking.push((call, text));
            return Vec::new();
        };
        cancelled(call, self.cancelled.remove(at))
    }
}

fn cancelled(call: u64, text: String) -> Vec<FunctionFrame> {
    answer(call, Ok(Report { text, total: 1, ..Report::default() }.payload()), Vec::new())
}

/// The answer to a call of an action.
fn answer(call: u64, reply: Result<Payload, Error>, metadata: Metadata) -> Vec<FunctionFrame> {
    let result = match reply {
        Ok(payload) => HandlerResult::Reply(Some(payload)),
        Err(error) => HandlerResult::Failed(error),
    };
    let (activation, effects, activation_ended) = (0, Effects::default(), false);
    vec![FunctionFrame::Answer(AnswerFrame { activation, call, result, effects, activation_ended, metadata })]
}

/// The canonical code of a number that a client gave.
fn given(number: i32) -> Option<Code> {
    u32::try_from(number).ok().and_then(Code::from_number)
}
