// SPDX-License-Identifier: Apache-2.0
//! The shard loop by itself: time of a durable command in it, and memory of an idle entity (row 9). The store and the
//! function answer at once, so what is measured is the machine.

use std::sync::Arc;

use adjoin_entity::frame::{AnswerFrame, Effects, FunctionFrame, HandlerResult, HostFrame};
use adjoin_entity::spec::{EntityKind, EntityType, Handler, Spec};
use adjoin_entity::{Call, Input, Operation, Output, Settings, ShardInput, ShardLoop};
use adjoin_model::{CommandId, EntityId, EntityPage, Epoch, Head, Mono, Now, Owner, Payload, ShardId, Wall};

use crate::process;
use crate::report::{Target, median};
use crate::{Arguments, Outcome};

const KEYS: u64 = 1000;
const CALLERS: u64 = 50;
const COMMANDS: u64 = 400_000;
const RESIDENT: u64 = 1_000_000;

/// A loop whose store and function are at hand.
struct Machine {
    machine: ShardLoop,
    now: Now,
    event: Payload,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    replies: u64,
}

impl Machine {
    fn new() -> Self {
        let settings = Settings { owner: Owner(1), passivate_after_ms: u64::MAX, ..Settings::default() };
        let head = Head { epoch: Epoch(1), owner: Some(Owner(1)), position: 0 };
        let heads = (0..settings.shards).map(|shard| (ShardId(shard), head)).collect();
        let up = Input::SessionUp { session: 1, spec: Arc::new(spec()), running: 10_000, bytes: 1 << 30 };
        Self {
            machine: ShardLoop::new(settings, heads),
            now: Now { mono: Mono(1), wall: Wall(1) },
            event: Payload::new("ItemAdded", vec![b'x'; 100]),
            inputs: vec![up],
            outputs: Vec::new(),
            replies: 0,
        }
    }

    /// Steps until nothing is left to do.
    fn settle(&mut self) {
        while !self.inputs.is_empty() {
            self.now.mono = Mono(self.now.mono.0 + 1);
            self.machine.step(self.now, &mut self.inputs, &mut self.outputs);
            for output in std::mem::take(&mut self.outputs) {
                self.answer(output);
            }
        }
    }

    fn answer(&mut self, output: Output) {
        match output {
            Output::Reply { .. } => self.replies += 1,
            Output::Write(batch) => self.inputs.push(Input::Shard { shard: batch.shard, input: ShardInput::Durable }),
            Output::Load { load, .. } => self.inputs.push(Input::Loaded { load, page: Ok(EntityPage::default()) }),
            Output::Frame { session, frame } => {
                let frame = match frame {
                    HostFrame::Replay { activation, .. } => FunctionFrame::Replayed { activation, sequence: 0 },
                    HostFrame::Command(command) => FunctionFrame::Answer(AnswerFrame {
                        activation: command.activation,
                        call: command.call,
                        result: HandlerResult::Reply(Some(command.payload)),
                        effects: Effects { events: vec![self.event.clone()], ..Effects::default() },
                        activation_ended: false,
                        metadata: Vec::new(),
                    }),
                    _ => return,
                };
                self.inputs.push(Input::Frame { session, frame });
            }
            _ => {}
        }
    }

    fn call(&mut self, number: u64, entity: EntityId, name: &Arc<str>, payload: &Payload) {
        self.inputs.push(Input::Call(Call {
            id: number + 1,
            command: CommandId(u128::from(number)),
            entity,
            name: name.clone(),
            payload: payload.clone(),
            caller: name.clone(),
            metadata: Vec::new(),
            chain: Vec::new(),
            hops: 0,
            wrote: false,
            idempotency_key: None,
            if_match: None,
            deadline: Some(Mono(u64::MAX / 2)),
            operation: Operation::Run,
            inbox: None,
            sent: None,
        }));
    }
}

fn spec() -> Spec {
    let handler = Handler {
        name: "addItem".into(),
        query: false,
        streamed_in: false,
        streamed_out: false,
        input_schema: String::new(),
        output_schema: String::new(),
        summary: String::new(),
    };
    let cart = EntityType {
        handlers: vec![handler],
        readable_events: vec!["ItemAdded".into()],
        ..EntityType::new("shop.Cart", EntityKind::EventSourced)
    };
    Spec::new("bench", vec![cart])
}

fn keys(count: u64) -> Outcome<Vec<EntityId>> {
    let cart: Arc<str> = "shop.Cart".into();
    (0..count)
        .map(|key| EntityId::new(cart.clone(), format!("k{key}")).map_err(|error| error.to_string().into()))
        .collect()
}

/// Microseconds of a command in the loop, on so many keys.
fn command_us(keys: &[EntityId]) -> Outcome<f64> {
    let mut machine = Machine::new();
    let (name, payload): (Arc<str>, Payload) = ("addItem".into(), Payload::new("json", vec![b'x'; 100]));
    let began = process::thread_us()?;
    for turn in 0..COMMANDS / CALLERS {
        for caller in 0..CALLERS {
            let number = turn * CALLERS + caller;
            let key = keys[(number.wrapping_mul(7919) % keys.len() as u64) as usize].clone();
            machine.call(number, key, &name, &payload);
        }
        machine.settle();
    }
    Ok((process::thread_us()? - began) / machine.replies.max(1) as f64)
}

/// Bytes of a resident idle entity, its key included.
fn resident_bytes() -> Outcome<f64> {
    let mut machine = Machine::new();
    machine.settle();
    let before = process::resident(std::process::id());
    let (cart, name): (Arc<str>, Arc<str>) = ("shop.Cart".into(), "addItem".into());
    let payload = Payload::new("json", vec![b'x'; 100]);
    for number in 0..RESIDENT {
        let entity = EntityId::new(cart.clone(), format!("customer-{number}")).map_err(|error| error.to_string())?;
        machine.call(number, entity, &name, &payload);
        if number % 100 == 99 {
            machine.settle();
        }
    }
    machine.settle();
    let status = machine.machine.status(u64::MAX);
    let grown = process::resident(std::process::id()).saturating_sub(before);
    println!("{} entities resident, {} MB", status.entities, grown >> 20);
    Ok(grown as f64 / status.entities.max(1) as f64)
}

pub(super) fn run(arguments: &Arguments) -> Outcome<Vec<Target>> {
    let bytes = resident_bytes()?;
    let (many, hot) = (keys(KEYS)?, keys(1)?);
    let mut rounds = (Vec::new(), Vec::new());
    for round in 1..=arguments.rounds() {
        rounds.0.push(command_us(&many)?);
        rounds.1.push(command_us(&hot)?);
        println!(
            "round {round}: {:.2} µs a command on {KEYS} keys, {:.2} µs on one",
            rounds.0[round - 1],
            rounds.1[round - 1]
        );
    }
    Ok(vec![
        Target::less(8, "loop-command-1000-keys", median(rounds.0), 2.0, "µs")
            .note("budget of the loop alone; time of its thread on a processor"),
        Target::less(8, "loop-command-hot-key", median(rounds.1), 2.0, "µs"),
        Target::less(9, "resident-entity", bytes, 1024.0, "B").note("1 000 000 resident in one loop, keys included"),
    ])
}
