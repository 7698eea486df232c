// SPDX-License-Identifier: Apache-2.0
//! A foreign side: one thread polls, runs the shop's handlers and keeps the answers for the tests.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use adjoin_engine::Request;
use adjoin_entity::Operation;
use adjoin_entity::frame::{AnswerFrame, CommandFrame, Effects, FunctionFrame, HandlerResult, HostFrame};
use adjoin_host::{FromForeign, Host, RequestId, ToForeign};
use adjoin_model::{EntityId, Error, Payload, Result, Sequence};

/// The shop as every test has it.
pub(crate) const SPEC: &str = r#"{"sdk":"test 0.1","types":[
    {"name":"shop.Cart","kind":"event-sourced","readable_events":["Added"],
     "handlers":[{"name":"add"},{"name":"refuse"},{"name":"hang"},{"name":"count","query":true}]},
    {"name":"shop.Mailer","kind":"action","handlers":[{"name":"list","streamed_out":true}]}]}"#;

/// Longest wait of a test for something that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Settings of this mode with the shop's spec and more fields, each with its comma before it.
pub(crate) fn settings(mode: &str, more: &str) -> String {
    let spec = if mode == "connect" { String::new() } else { format!(r#","spec":{SPEC}"#) };
    format!(r#"{{"mode":"{mode}"{spec}{more}}}"#)
}

/// What the foreign side knows.
#[derive(Default)]
pub(crate) struct Seen {
    /// Answers by request, in order.
    pub(crate) answers: HashMap<RequestId, Vec<ToForeign>>,
    pub(crate) address: Option<String>,
    pub(crate) http: Option<String>,
    /// What the host noted when it was ready.
    pub(crate) notes: Option<Vec<String>>,
    pub(crate) sessions: usize,
    pub(crate) ended: usize,
    pub(crate) cancelled: usize,
    pub(crate) closed: bool,
    /// Commands that it was given and did not answer.
    pub(crate) held: Vec<CommandFrame>,
}

#[derive(Default)]
struct Board {
    seen: Mutex<Seen>,
    news: Condvar,
}

pub(crate) struct Foreign {
    pub(crate) host: Arc<Host>,
    board: Arc<Board>,
    holds: Arc<AtomicBool>,
    last: AtomicU64,
    pump: Option<JoinHandle<()>>,
}

impl Foreign {
    pub(crate) fn open(settings: &str) -> Self {
        let host = Arc::new(Host::open(settings).expect("a host"));
        let (board, holds) = (Arc::new(Board::default()), Arc::new(AtomicBool::default()));
        let mut pump = Pump { host: host.clone(), board: board.clone(), holds: holds.clone(), counts: HashMap::new() };
        let pump = std::thread::spawn(move || pump.run());
        Self { host, board, holds, last: AtomicU64::new(0), pump: Some(pump) }
    }

    /// A folder, or memory.
    pub(crate) fn in_process(more: &str) -> Self {
        Self::open(&settings("in-process", more))
    }

    /// From now on commands are kept instead of answered, or no longer.
    pub(crate) fn hold(&self, holds: bool) {
        self.holds.store(holds, Ordering::SeqCst);
    }

    /// Waits until what was seen gives something.
    pub(crate) fn wait<T>(&self, what: &str, look: impl Fn(&mut Seen) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut seen = self.board.seen.lock().expect("a lock");
        loop {
            if let Some(found) = look(&mut seen) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} did not come");
            seen = self.board.news.wait_timeout(seen, left).expect("a lock").0;
        }
    }

    /// Sends a request; answers its id.
    pub(crate) fn send(&self, streams: bool, request: Request) -> RequestId {
        let id = self.last.fetch_add(1, Ordering::SeqCst) + 1;
        let request = FromForeign::Request { id, streams, uploads: false, request: Box::new(request) };
        self.host.submit(vec![request]).expect("submitted");
        id
    }

    /// A call that the handler of this command makes; answers its id.
    pub(crate) fn send_within(&self, command: &CommandFrame, request: Request) -> RequestId {
        let id = (self.last.fetch_add(1, Ordering::SeqCst) + 1) | (command.call >> 48 << 48);
        let request = FromForeign::Request { id, streams: false, uploads: false, request: Box::new(request) };
        self.host.submit(vec![request]).expect("submitted");
        id
    }

    pub(crate) fn ask(&self, key: &str, name: &str) -> RequestId {
        self.send(false, cart(key, name))
    }

    /// The next answer to a request.
    pub(crate) fn answer(&self, id: RequestId) -> ToForeign {
        self.wait("an answer", |seen| seen.answers.get_mut(&id).filter(|all| !all.is_empty()).map(|all| all.remove(0)))
    }

    /// The end of a call: its body and sequence.
    pub(crate) fn result(&self, id: RequestId) -> Result<(String, Sequence)> {
        match self.answer(id) {
            ToForeign::Reply { payload, sequence, .. } => Ok((text(payload), sequence)),
            ToForeign::Failed { error, .. } => Err(error),
            other => panic!("{other:?} is no end of a call"),
        }
    }

    pub(crate) fn call(&self, key: &str, name: &str) -> Result<(String, Sequence)> {
        self.result(self.ask(key, name))
    }

    /// The next element of a watch or a stream; `None` at its end.
    pub(crate) fn element(&self, id: RequestId) -> Option<(String, Sequence)> {
        match self.answer(id) {
            ToForeign::Element { payload, sequence, .. } => Some((text(payload), sequence)),
            ToForeign::End { .. } => None,
            other => panic!("{other:?} is no element"),
        }
    }

    pub(crate) fn taken(&self, id: RequestId) {
        self.host.submit(vec![FromForeign::Taken(id)]).expect("submitted");
    }

    /// The commands that were kept, once there are so many.
    pub(crate) fn held(&self, wanted: usize) -> Vec<CommandFrame> {
        self.wait("a held command", |seen| (seen.held.len() >= wanted).then(|| seen.held.clone()))
    }

    pub(crate) fn say(&self, frame: FunctionFrame) {
        self.host.submit(vec![FromForeign::Frame(frame)]).expect("submitted");
    }

    /// Closes, while the pump goes on polling, and waits until nothing follows.
    pub(crate) fn close(&mut self) {
        self.host.close().expect("closed");
        self.pump.take().expect("a pump").join().expect("the pump ends");
        self.wait("the end", |seen| seen.closed.then_some(()));
    }
}

pub(crate) fn text(payload: Option<Payload>) -> String {
    String::from_utf8(payload.expect("a body").data.to_vec()).expect("UTF-8")
}

pub(crate) fn request(entity_type: &str, key: &str, name: &str, body: &str) -> Request {
    let entity = EntityId::new(entity_type, key).expect("an id");
    Request::new(entity, name, Payload::new("json", body.as_bytes().to_vec()))
}

pub(crate) fn cart(key: &str, name: &str) -> Request {
    request("shop.Cart", key, name, "1")
}

pub(crate) fn watch(key: &str) -> Request {
    Request { operation: Operation::Watch { after: None }, ..cart(key, "count") }
}

/// An answer with this reply and these events.
pub(crate) fn answer(command: &CommandFrame, reply: u64, events: usize) -> FunctionFrame {
    let result = HandlerResult::Reply(Some(Payload::new("json", reply.to_string().into_bytes())));
    let events = (0..events).map(|_| Payload::new("Added", b"{}".to_vec())).collect();
    let effects = Effects { events, ..Effects::default() };
    answered(command, result, effects)
}

fn answered(command: &CommandFrame, result: HandlerResult, effects: Effects) -> FunctionFrame {
    let (activation, call) = (command.activation, command.call);
    FunctionFrame::Answer(AnswerFrame {
        activation,
        call,
        result,
        effects,
        activation_ended: false,
        metadata: Vec::new(),
    })
}

struct Pump {
    host: Arc<Host>,
    board: Arc<Board>,
    holds: Arc<AtomicBool>,
    counts: HashMap<u64, u64>,
}

impl Pump {
    fn run(&mut self) {
        while let Ok(batch) = self.host.poll(None) {
            let mut said = Vec::new();
            let mut closed = false;
            for item in batch {
                closed |= matches!(item, ToForeign::Closed);
                match item {
                    ToForeign::Frame(frame) => said.extend(self.frame(frame)),
                    other => self.note(other),
                }
            }
            // A host that closes has told everybody who waited.
            let _ = self.host.submit(said.into_iter().map(FromForeign::Frame).collect());
            if closed {
                return;
            }
        }
    }

    fn note(&self, item: ToForeign) {
        let mut seen = self.board.seen.lock().expect("a lock");
        match item {
            ToForeign::Ready { address, http, notes } => {
                (seen.address, seen.http, seen.notes) = (address, http, Some(notes));
            }
            ToForeign::Session { .. } => seen.sessions += 1,
            ToForeign::SessionEnd { .. } => seen.ended += 1,
            ToForeign::SpecRefused(why) => panic!("the spec was refused: {why}"),
            ToForeign::Closed => seen.closed = true,
            ToForeign::Frame(_) => {}
            ToForeign::Reply { id, .. }
            | ToForeign::Failed { id, .. }
            | ToForeign::Element { id, .. }
            | ToForeign::InputCredit { id, .. }
            | ToForeign::End { id } => seen.answers.entry(id).or_default().push(item),
        }
        self.board.news.notify_all();
    }

    fn frame(&mut self, frame: HostFrame) -> Vec<FunctionFrame> {
        match frame {
            HostFrame::Activate { activation, sequence, .. } => {
                self.counts.insert(activation, sequence);
                vec![]
            }
            HostFrame::Replay { activation, events, .. } => {
                let count = self.counts.get_mut(&activation).expect("an activation");
                *count = events.last().map_or(*count, |(sequence, _)| *sequence);
                vec![FunctionFrame::Replayed { activation, sequence: *count }]
            }
            HostFrame::Command(command) => self.command(command),
            HostFrame::Cancel { .. } => {
                self.board.seen.lock().expect("a lock").cancelled += 1;
                self.board.news.notify_all();
                vec![]
            }
            HostFrame::Deactivate { activation } => {
                self.counts.remove(&activation);
                vec![]
            }
            HostFrame::StreamInput { .. }
            | HostFrame::StreamInputEnd { .. }
            | HostFrame::StreamCredit { .. }
            | HostFrame::CallAnswer { .. } => vec![],
        }
    }

    fn command(&mut self, command: CommandFrame) -> Vec<FunctionFrame> {
        if &*command.name == "hang" || self.holds.load(Ordering::SeqCst) {
            self.board.seen.lock().expect("a lock").held.push(command);
            self.board.news.notify_all();
            return vec![];
        }
        let call = command.call;
        match &*command.name {
            "add" => {
                let count = self.counts.get_mut(&command.activation).expect("an activation");
                *count += 1;
                vec![answer(&command, *count, 1)]
            }
            "count" => vec![answer(&command, self.counts[&command.activation], 0)],
            "refuse" => vec![answered(&command, HandlerResult::Failed(Error::rejected("no")), Effects::default())],
            "list" => {
                let one = |n: u32| FunctionFrame::StreamElement {
                    call,
                    payload: Payload::new("json", n.to_string().into_bytes()),
                    effects: vec![],
                    metadata: vec![],
                };
                (0..40).map(one).chain([FunctionFrame::StreamEnd { call, error: None }]).collect()
            }
            other => panic!("no handler {other}"),
        }
    }
}
