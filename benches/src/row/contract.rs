// SPDX-License-Identifier: Apache-2.0
//! Contract first: the cart of `conformance/interop` on the unchanged Go SDK of Cloudstate, called by gRPC through the
//! proxy. Beside it the limit of two hops: a plain unary gRPC call, then the same command on a stream of that very
//! service. What the proxy may add to both is nothing.

mod cart;
mod straight;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tonic::transport::Channel;
use tonic_health::pb::health_client::HealthClient;

use self::cart::{ADD, Call, GET, KEYS};
use self::straight::Straight;
use super::sidecar::{CALLERS, callers, unary};
use crate::process::{Server, free_port};
use crate::report::{Target, median};
use crate::{Arguments, Outcome};

/// What one round brought.
struct Round {
    /// Calls a second through the proxy: without an event, and with one that is durable before its answer.
    through: [f64; 2],
    /// The same, straight into the service.
    straight: [f64; 2],
    echo: f64,
    /// Processor time of the proxy, in microseconds, for each of the two.
    cpu_us: [f64; 2],
}

/// The service behind the proxy.
pub(crate) struct Site {
    pub(crate) proxy: Server,
    service: Server,
}

impl Site {
    /// Starts both, with the journal in a folder.
    pub(crate) fn start(arguments: &Arguments, data: &Path) -> Outcome<Self> {
        let service = service(arguments.cart_service.as_deref())?;
        Ok(Self { proxy: proxy(arguments, &service, data)?, service })
    }

    /// A load of durable commands: how many a second, and the processor time of the proxy for each in microseconds.
    pub(crate) fn durable(&self, time: Duration) -> Outcome<(f64, f64)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let cart = cart::Cart::new(connect(&self.proxy).await?);
            accounted(&self.proxy, &cart, ADD, time).await
        })
    }
}

pub(super) fn run(arguments: &Arguments) -> Outcome<Vec<Target>> {
    let folder = tempfile::tempdir()?;
    let Site { proxy, service } = Site::start(arguments, folder.path())?;
    let plain = Server::start(Command::new(std::env::current_exe()?).arg("--serve-echo"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rounds = (1..=arguments.rounds())
        .map(|number| {
            // Each round has its own connections; the service keeps its entities, and so does the proxy.
            let channels = [&proxy, &service, &plain].map(|server| runtime.block_on(connect(server)));
            let [proxied, direct, echo] = channels;
            let round = runtime.block_on(round(arguments, &proxy, [proxied?, direct?, echo?]))?;
            round.print(number);
            Ok(round)
        })
        .collect::<Outcome<Vec<Round>>>()?;
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    Ok(vec![
        Target::more(6, "contract-two-hops", of(|r| r.through[0]), of(|r| r.limit(0)), "/s", 0.8)
            .note("a command without an event, beside the limit of two hops"),
        Target::more(6, "contract-two-hops-durable", of(|r| r.through[1]), of(|r| r.limit(1)), "/s", 0.8)
            .note("a durable command; the limit has no journal"),
        Target::less(8, "contract-proxy-cpu-durable-command", of(|r| r.cpu_us[1]), 40.0, "µs"),
        Target::less(8, "contract-proxy-cpu-command", of(|r| r.cpu_us[0]), 40.0, "µs")
            .note("a command without an event; the target is that of durable ones"),
    ])
}

/// The service on the Go SDK: it says where it listens.
fn service(program: Option<&Path>) -> Outcome<Server> {
    let program = program.ok_or("the cart service is not built: use `cargo xtask bench contract`, which builds it")?;
    Server::start(Command::new(program).env("HOST", "127.0.0.1").env("PORT", free_port()?.to_string()))
}

fn proxy(arguments: &Arguments, service: &Server, data: &Path) -> Outcome<Server> {
    let mut command = Command::new(arguments.program("adjoin")?);
    command.args(["serve", "--protocol", "cloudstate", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    Server::start(command.args(["--function", &service.address.to_string(), "--data"]).arg(data))
}

async fn connect(server: &Server) -> Outcome<Channel> {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", server.address))?;
    Ok(endpoint.tcp_nodelay(true).connect().await?)
}

async fn round(arguments: &Arguments, proxy: &Server, channels: [Channel; 3]) -> Outcome<Round> {
    let time = arguments.duration();
    let [proxied, direct, plain] = channels;
    let (cart, health) = (cart::Cart::new(proxied), HealthClient::new(plain));
    let service = Arc::new(Straight::new(&direct));
    let (mut through, mut straight, mut cpu_us) = ([0.0; 2], [0.0; 2], [0.0; 2]);
    for (place, call) in [GET, ADD].into_iter().enumerate() {
        (through[place], cpu_us[place]) = accounted(proxy, &cart, call, time).await?;
        let service = Arc::clone(&service);
        let calls = callers(CALLERS, time, move |turn| ask(Arc::clone(&service), call, turn)).await?;
        straight[place] = calls.per_second;
    }
    let echo = callers(CALLERS, time, move |_| unary(health.clone())).await?.per_second;
    Ok(Round { through, straight, echo, cpu_us })
}

/// Calls through the proxy: how many a second, and its processor time for each.
async fn accounted(proxy: &Server, cart: &cart::Cart, call: Call, time: Duration) -> Outcome<(f64, f64)> {
    let (cart, before) = (cart.clone(), proxy.cpu());
    let calls = callers(CALLERS, time, move |turn| cart.clone().ask(call, turn)).await?;
    // With the calls of the warm-up, which are not among those that are counted by time.
    Ok((calls.per_second, (proxy.cpu() - before) * 1e6 / calls.all.max(1) as f64))
}

async fn ask(service: Arc<Straight>, call: Call, turn: usize) -> Outcome<()> {
    service.ask(call, turn % KEYS).await
}

impl Round {
    /// Calls a second if each made both hops one after the other, and nothing else.
    fn limit(&self, place: usize) -> f64 {
        1.0 / (1.0 / self.echo + 1.0 / self.straight[place])
    }

    fn print(&self, number: usize) {
        let Self { through, straight, echo, cpu_us } = self;
        println!(
            "round {number}: without event {:.0}/s through the proxy, {:.0}/s straight; durable {:.0}/s and {:.0}/s; \
             unary echo {echo:.0}/s; proxy cpu {:.1} and {:.1} µs a command",
            through[0], straight[0], through[1], straight[1], cpu_us[0], cpu_us[1]
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hops_take_the_time_of_both() {
        let round = Round { through: [0.0; 2], straight: [30_000.0, 60_000.0], echo: 15_000.0, cpu_us: [0.0; 2] };
        assert!((round.limit(0) - 10_000.0).abs() < 1e-6);
        assert!((round.limit(1) - 12_000.0).abs() < 1e-6);
    }
}
