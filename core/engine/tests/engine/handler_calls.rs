// SPDX-License-Identifier: Apache-2.0
//! Calls that handlers make over their session.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use adjoin_engine::{Engine, Hello, Session};
use adjoin_entity::Reply;
use adjoin_entity::frame::{CallFrame, FunctionFrame, HostFrame, Target};
use adjoin_entity::spec::{EntityKind, EntityType, Handler, Spec};
use adjoin_model::{EntityId, Kind, Payload, Result};
use tokio::sync::mpsc;

use crate::world::{World, eventually, within};

/// A function process of its own, whose handlers call others.
struct Caller {
    session: Session,
    frames: mpsc::UnboundedReceiver<Vec<HostFrame>>,
}

impl Caller {
    fn new(engine: &Engine) -> Self {
        let idle = Handler {
            name: "idle".into(),
            query: false,
            streamed_in: false,
            streamed_out: false,
            input_schema: String::new(),
            output_schema: String::new(),
            summary: String::new(),
        };
        let entity_type = EntityType { handlers: vec![idle], ..EntityType::new("test.Caller", EntityKind::Action) };
        let (sink, frames) = mpsc::unbounded_channel();
        let spec = Arc::new(Spec::new("test", vec![entity_type]));
        Self { session: engine.session_up(spec, Hello::default(), sink).expect("a session"), frames }
    }

    async fn say(&self, frame: FunctionFrame) -> Result<()> {
        within(self.session.deliver(vec![frame])).await
    }

    async fn answer(&mut self) -> (u64, Result<Reply>) {
        let mut batch = within(self.frames.recv()).await.expect("a session that is up");
        match (batch.pop(), batch.is_empty()) {
            (Some(HostFrame::CallAnswer { id, result }), true) => (id, result),
            other => panic!("{other:?} is no answer"),
        }
    }
}

fn call(id: u64, entity_type: &str, key: &str, name: &str, chain: &[&str]) -> FunctionFrame {
    FunctionFrame::Call(CallFrame {
        id,
        target: Target {
            entity: EntityId::new(entity_type, key).expect("sound"),
            command: name.into(),
            payload: Payload::new("json", "1"),
            metadata: Vec::new(),
        },
        chain: chain.iter().map(ToString::to_string).collect(),
        timeout_ms: 0,
        idempotency_key: None,
        if_match: None,
    })
}

#[tokio::test]
async fn a_handler_s_call_is_answered_over_its_session() {
    let world = World::new().await;
    let mut caller = Caller::new(&world.engine);
    for n in 1..=3_u64 {
        caller.say(call(n, "shop.Cart", "ada", "add", &[])).await.expect("taken");
        let (id, result) = caller.answer().await;
        let reply = result.expect("a reply");
        assert_eq!((id, reply.sequence, &reply.payload.expect("a body").data[..]), (n, n, n.to_string().as_bytes()));
    }
    caller.say(call(4, "shop.Cart", "ada", "refuse", &[])).await.expect("taken");
    assert_eq!(caller.answer().await.1.expect_err("refused").kind, Kind::Rejected);
    caller.say(call(5, "shop.None", "ada", "add", &[])).await.expect("taken");
    assert_eq!(caller.answer().await.1.expect_err("unknown").kind, Kind::NotFound);
}

#[tokio::test]
async fn a_call_within_its_own_chain_is_refused() {
    let world = World::new().await;
    let mut caller = Caller::new(&world.engine);
    caller.say(call(1, "shop.Cart", "ada", "add", &["shop.Cart/ada", "test.Caller/x"])).await.expect("taken");
    assert_eq!(caller.answer().await.1.expect_err("a cycle").kind, Kind::Rejected);
}

#[tokio::test]
async fn a_call_of_a_stream_is_refused_and_given_up() {
    let world = World::new().await;
    let mut caller = Caller::new(&world.engine);
    caller.say(call(1, "shop.Mailer", "all", "list", &[])).await.expect("taken");
    let error = caller.answer().await.1.expect_err("a stream");
    assert!(error.kind == Kind::Invalid && error.message.contains("streams"), "{error}");
}

#[tokio::test]
async fn calls_are_bounded_and_cancelled() {
    let world = World::new().await;
    let mut caller = Caller::new(&world.engine);
    world.probe.holds.store(true, Ordering::SeqCst);
    for id in 1..=1024 {
        caller.say(call(id, "shop.Mailer", "all", "send", &[])).await.expect("taken");
    }
    caller.say(call(1025, "shop.Mailer", "all", "send", &[])).await.expect("taken");
    let (id, result) = caller.answer().await;
    assert_eq!((id, result.expect_err("too many").kind), (1025, Kind::Exhausted));
    caller.say(FunctionFrame::CancelCall { id: 1 }).await.expect("taken");
    eventually("a cancel", || world.probe.cancelled.load(Ordering::SeqCst) >= 1).await;
    drop(caller.session);
    // Those that the function had: its credit of 256 is split over three loops, and one entity is in one of them.
    eventually("the rest", || world.probe.cancelled.load(Ordering::SeqCst) >= 86).await;
}

#[tokio::test]
async fn two_calls_of_one_name_break_the_protocol() {
    let world = World::new().await;
    let caller = Caller::new(&world.engine);
    world.probe.holds.store(true, Ordering::SeqCst);
    caller.say(call(1, "shop.Mailer", "all", "send", &[])).await.expect("taken");
    let error = caller.say(call(1, "shop.Mailer", "all", "send", &[])).await.expect_err("twice");
    assert_eq!(error.kind, Kind::Protocol);
}
