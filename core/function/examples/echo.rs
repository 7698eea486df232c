// SPDX-License-Identifier: Apache-2.0
//! What the channel between host and function costs: a host and an echoing function over loopback TCP (or a Unix
//! socket), in one process, commands of 100 bytes.
//!
//! `cargo run --release -p adjoin-function --example echo [SECONDS] [ADDRESS]` prints, for 1, 50 and 1000 commands in
//! flight, answers a second, round trips, and CPU microseconds of both sides together.
#![expect(clippy::print_stdout, reason = "a program that prints figures")]

use std::time::{Duration, Instant};

use adjoin_entity::frame::{AnswerFrame, CommandFrame, Effects, FunctionFrame, HandlerResult, HostFrame};
use adjoin_entity::spec::Spec;
use adjoin_function::{Address, DialSettings, Event, FunctionSession, Inbound, Link, Listener, ServeSettings, serve};
use adjoin_model::{CommandId, Limits, Payload, Result};
use adjoin_wire::welcome;
use tokio::sync::mpsc::{self, UnboundedSender};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(3);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".into()).parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| adjoin_model::Error::internal(error.to_string()))?;
    runtime.block_on(measure(&address, Duration::from_secs(seconds)))
}

async fn measure(address: &Address, each: Duration) -> Result<()> {
    let spec = Spec::new("echo", vec![]);
    let (server, mut events) = serve(Listener::bind(address).await?, spec, ServeSettings::default())?;
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let Event::Session(session) = event {
                tokio::spawn(echo(session));
            }
        }
    });
    let mut link = Link::dial(server.address(), &DialSettings::default()).await?;
    for in_flight in [1, 50, 1000] {
        let (to_function, outgoing) = mpsc::unbounded_channel();
        let (_, from_function) = link.connect(welcome(1, &Limits::default()), outgoing).await?;
        let mut host = Host { to_function, from_function, sent: Vec::new(), last: 0, trips: Vec::new() };
        host.run(in_flight, each / 5).await?;
        host.trips.clear();
        let (before, began) = (cpu(), Instant::now());
        host.run(in_flight, each).await?;
        report(in_flight, &mut host.trips, began.elapsed(), cpu() - before);
    }
    server.stop().await;
    Ok(())
}

async fn echo(mut session: FunctionSession) {
    while let Ok(Some(frames)) = session.from_host.recv().await {
        if session.to_host.send(frames.into_iter().filter_map(answer).collect()).is_err() {
            return;
        }
    }
}

fn answer(frame: HostFrame) -> Option<FunctionFrame> {
    let HostFrame::Command(command) = frame else { return None };
    Some(FunctionFrame::Answer(AnswerFrame {
        activation: command.activation,
        call: command.call,
        result: HandlerResult::Reply(Some(command.payload)),
        effects: Effects::default(),
        activation_ended: false,
        metadata: Vec::new(),
    }))
}

struct Host {
    to_function: UnboundedSender<Vec<HostFrame>>,
    from_function: Inbound<FunctionFrame>,
    /// When each command in flight was sent, by its call.
    sent: Vec<Instant>,
    last: u64,
    trips: Vec<Duration>,
}

impl Host {
    /// Keeps so many commands in flight: every answer is followed by the next command.
    async fn run(&mut self, in_flight: usize, for_long: Duration) -> Result<()> {
        let until = Instant::now() + for_long;
        self.send(in_flight);
        let mut waiting = in_flight;
        while waiting > 0 {
            let Some(frames) = self.from_function.recv().await? else { return Ok(()) };
            let now = Instant::now();
            for frame in &frames {
                let FunctionFrame::Answer(answer) = frame else { continue };
                self.trips.push(now - self.sent[answer.call as usize - 1]);
            }
            waiting -= frames.len();
            if now < until {
                self.send(frames.len());
                waiting += frames.len();
            }
        }
        Ok(())
    }

    fn send(&mut self, count: usize) {
        let commands: Vec<HostFrame> = (0..count).map(|_| self.command()).collect();
        self.sent.resize(self.last as usize, Instant::now());
        // A session that is over shows when it is read.
        let _ = self.to_function.send(commands);
    }

    fn command(&mut self) -> HostFrame {
        self.last += 1;
        HostFrame::Command(CommandFrame {
            activation: 1,
            call: self.last,
            entity: None,
            name: "addItem".into(),
            payload: Payload::new("json", vec![b'x'; 100]),
            query: false,
            want_snapshot: false,
            attempt: 1,
            id: CommandId(self.last.into()),
            remaining_ms: 30_000,
            caller: "".into(),
            metadata: vec![],
            chain: vec![],
        })
    }
}

fn report(in_flight: usize, trips: &mut [Duration], took: Duration, cpu: Duration) {
    trips.sort_unstable();
    let at = |share: f64| trips.get((trips.len() as f64 * share) as usize).copied().unwrap_or_default();
    let rate = trips.len() as f64 / took.as_secs_f64();
    let micros = cpu.as_secs_f64() * 1e6 / trips.len().max(1) as f64;
    println!(
        "{in_flight:>5} in flight: {rate:>9.0} answers/s, round trip p50 {:>6.3} ms, p99 {:>6.3} ms, {micros:>5.2} CPU us an answer",
        at(0.50).as_secs_f64() * 1e3,
        at(0.99).as_secs_f64() * 1e3,
    );
}

/// CPU time of this process, both sides and the load, in ticks of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
