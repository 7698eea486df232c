// SPDX-License-Identifier: Apache-2.0
//! The task around one shard loop: what comes in becomes inputs of one step, what the step asks for is carried out.
//!
//! Control flow stands here; `accept` takes messages, `dispatch` carries outputs out, `edges` answers calls, `trace` and
//! `meter` and `totals` watch.

mod accept;
mod dispatch;
mod edges;
mod meter;
mod totals;
mod trace;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use adjoin_entity::frame::HostFrame;
use adjoin_entity::{CallId, Input, Output, SessionId, ShardLoop};
use adjoin_model::{Mono, Outcome, Result};
use tokio::sync::{mpsc, oneshot};

use self::edges::Edges;
use self::meter::Meter;
use self::totals::Totals;
use self::trace::Traces;
pub(crate) use self::trace::call_span;
use crate::clock::Sleep;
use crate::message::{FrameSink, Message};
use crate::readers::Asks;
use crate::shared::{Shared, bug, stopped};
use crate::writer::Writes;

/// Messages taken into one step.
const MESSAGES: usize = 1024;

/// What a loop needs beside its machine.
pub(crate) struct Ports {
    pub(crate) shared: Arc<Shared>,
    pub(crate) inbox: mpsc::UnboundedReceiver<Message>,
    pub(crate) writes: Writes,
    pub(crate) asks: Asks,
    pub(crate) sweep_every_ms: u64,
}

/// The driver of one loop.
pub(crate) struct Driver {
    index: u8,
    machine: ShardLoop,
    ports: Ports,
    edges: Edges,
    /// Functions, and the frames of this step for each.
    sinks: Vec<Sink>,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    meter: Meter,
    totals: Totals,
    traces: Traces,
    /// Operators who wait for an answer.
    orders: HashMap<CallId, oneshot::Sender<Result<()>>>,
    /// Told once nothing is under way.
    drains: Vec<oneshot::Sender<()>>,
    drained: bool,
    /// The machine has panicked: it is asked nothing any more.
    failed: bool,
    next_sweep: Option<Mono>,
}

struct Sink {
    session: SessionId,
    sink: FrameSink,
    frames: Vec<HostFrame>,
}

impl Driver {
    pub(crate) fn new(index: u8, machine: ShardLoop, ports: Ports) -> Self {
        let now = ports.shared.clock.now().mono;
        // Records of all loops are swept at once, so one loop asks for it.
        let next_sweep = (index == 0).then(|| now.plus_ms(ports.sweep_every_ms));
        Self {
            index,
            machine,
            edges: Edges::new(index, ports.shared.clone()),
            ports,
            sinks: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            meter: Meter::new(index),
            totals: Totals::new(),
            traces: Traces::default(),
            orders: HashMap::new(),
            drains: Vec::new(),
            drained: false,
            failed: false,
            next_sweep,
        }
    }

    /// Runs until it is told to stop, or nobody can tell it anything any more.
    pub(crate) async fn run(mut self) {
        let mut messages = Vec::with_capacity(MESSAGES);
        let mut timer = Timer::default();
        loop {
            timer.set(self.next_wake(), &self.ports.shared);
            let received = tokio::select! {
                biased;
                received = self.ports.inbox.recv_many(&mut messages, MESSAGES) => Some(received),
                () = timer.wait() => None,
            };
            if received == Some(0) || !self.take(&mut messages) {
                return;
            }
            self.step();
        }
    }

    /// Steps until nothing is left to do here and now. A panic ends what this loop does, not those who wait for it.
    fn step(&mut self) {
        if !self.failed && catch_unwind(AssertUnwindSafe(|| self.steps())).is_err() {
            tracing::error!(index = self.index, "a shard loop has panicked; its entities are lost to this process");
            self.failed = true;
            self.ports.shared.fail(self.index);
        }
        if self.failed {
            self.inputs.clear();
            self.outputs.clear();
            self.orders.clear();
            self.drains.drain(..).for_each(|done| done.send(()).unwrap_or_default());
            self.edges.fail_all(&bug());
        }
    }

    fn steps(&mut self) {
        loop {
            let now = self.ports.shared.clock.now();
            self.traces.begin_step();
            self.sweep(now);
            self.machine.step(now, &mut self.inputs, &mut self.outputs);
            self.dispatch(now.mono);
            self.flush();
            if self.inputs.is_empty() {
                self.totals.stepped(now.mono, &self.machine);
                return self.meter.gauges(self.edges.len(), self.machine.entities());
            }
        }
    }

    fn next_wake(&self) -> Option<Mono> {
        if self.failed {
            return None;
        }
        self.machine.next_wake().into_iter().chain(self.next_sweep).chain(self.totals.next_wake()).min()
    }
}

impl Drop for Driver {
    /// Also when the runtime ends: no call is left without an answer.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.ports.shared.fail(self.index);
        }
        self.ports.inbox.close();
        while let Ok(message) = self.ports.inbox.try_recv() {
            match message {
                Message::Call(_, waiting) => waiting.refuse(stopped().with_outcome(Outcome::None)),
                Message::Input(_)
                | Message::Follow(_)
                | Message::Frames { .. }
                | Message::Written(_)
                | Message::SessionUp { .. }
                | Message::Status { .. }
                | Message::Effects { .. }
                | Message::Consumers { .. }
                | Message::Order { .. }
                | Message::Drain(_)
                | Message::Stop => {}
            }
        }
        self.edges.fail_all(&stopped());
    }
}

/// A wait that is kept while it is not too late: making one costs more than waking once too often.
#[derive(Default)]
struct Timer {
    armed: Option<(Mono, Sleep)>,
}

impl Timer {
    fn set(&mut self, wake: Option<Mono>, shared: &Shared) {
        match (&self.armed, wake) {
            (_, None) => self.armed = None,
            (Some((at, _)), Some(wake)) if *at <= wake => {}
            (_, Some(wake)) => self.armed = Some((wake, shared.clock.sleep_until(wake))),
        }
    }

    async fn wait(&mut self) {
        match &mut self.armed {
            Some((_, sleep)) => {
                sleep.await;
                self.armed = None;
            }
            None => std::future::pending().await,
        }
    }
}
