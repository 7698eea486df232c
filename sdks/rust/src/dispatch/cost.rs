// SPDX-License-Identifier: Apache-2.0
//! What the dispatcher costs beside the user's code.

use std::time::Instant;

use adjoin_model::CommandId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;
use crate::names::JSON;
use crate::typed::{Surroundings, event_sourced};
use crate::{Cx, EventSourced, Handlers, Reject};

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Added {
    product: String,
    name: String,
    qty: u32,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Cart {
    count: u64,
}

impl Cart {
    fn add(cx: &mut Cx<Cart>, item: Added) -> std::result::Result<u64, Reject> {
        cx.emit(item);
        Ok(cx.state().count)
    }
}

impl EventSourced for Cart {
    const NAME: &'static str = "cost.Cart";
    type Event = Added;

    fn handlers(h: Handlers<Self>) -> Handlers<Self> {
        h.command("add", Cart::add)
    }

    fn apply(&mut self, _: Added) {
        self.count += 1;
    }
}

fn command(call: FrameCall) -> HostFrame {
    let body = br#"{"product":"p1","name":"a book about the sea, in two volumes, bound","qty":2}"#;
    HostFrame::Command(CommandFrame {
        activation: 1,
        call,
        entity: None,
        name: "add".into(),
        payload: Payload::new(JSON.clone(), body.as_slice()),
        query: false,
        want_snapshot: false,
        attempt: 1,
        id: CommandId(call.into()),
        remaining_ms: 0,
        caller: "".into(),
        metadata: Vec::new(),
        chain: Vec::new(),
    })
}

/// Measures body to reply with one event of 80 bytes, decoding and encoding included:
/// `cargo test -p adjoin cost -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement: it says something on a quiet machine only"]
fn a_command_costs_a_few_microseconds_at_most() {
    const COMMANDS: u64 = 200_000;
    let made: Arc<dyn Definition> = Arc::new(event_sourced::<Cart>(&Surroundings::default()));
    let types = Types::from([(made.spec().name.clone(), made)]);
    let outbox = Rc::new(Outbox::new(None));
    let dispatcher = Dispatcher::new(Arc::new(types), outbox.clone());
    let entity = EntityId::new("cost.Cart", "k").expect("an id");
    let activate = HostFrame::Activate { activation: 1, entity, epoch: Epoch(1), sequence: 0, state: None };
    take(&dispatcher, vec![activate, HostFrame::Replay { activation: 1, events: Vec::new(), last: true }]);
    let batches: Vec<Vec<HostFrame>> =
        (1..=COMMANDS / 32).map(|batch| (0..32).map(|place| command(batch * 32 + place)).collect()).collect();
    let began = Instant::now();
    let answered: usize = batches
        .into_iter()
        .map(|batch| {
            take(&dispatcher, batch);
            outbox.take().len()
        })
        .sum();
    let each = began.elapsed().as_nanos() / u128::from(COMMANDS);
    println!("{answered} frames, {each} ns a command");
    assert!(each < 10_000, "{each} ns");
}
