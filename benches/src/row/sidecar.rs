// SPDX-License-Identifier: Apache-2.0
//! Rows 6, 7 and 8: what the hop through the proxy costs, against a plain unary gRPC call, and against a direct call of
//! the same function, of the same run.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adjoin::Client;
use tokio::sync::Mutex;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::direct::Direct;
use crate::counter::{Counter, TEXT};
use crate::load::{self, Plan};
use crate::process::{Server, free_port};
use crate::report::{Target, median};
use crate::{Arguments, Outcome};

pub(super) const CALLERS: usize = 50;
const KEYS: usize = 1000;

/// What callers did.
pub(super) struct Calls {
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    /// How many there were, those of the warm-up among them.
    pub(super) all: usize,
}

/// Serves the standard health service and nothing else: the plainest unary call there is.
pub(crate) fn echo_server() -> Outcome<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("echo at tcp://{}", listener.local_addr()?);
        let (_, service) = tonic_health::server::health_reporter();
        let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
        Ok(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await?)
    })
}

pub(super) fn run(arguments: &Arguments) -> Outcome<Vec<Target>> {
    let own = std::env::current_exe()?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let _function = Server::start(Command::new(&own).args(["--serve-function", &address]))?;
    let folder = tempfile::tempdir()?;
    let proxy = proxy(arguments, &address, folder.path())?;
    let plain = Server::start(Command::new(&own).arg("--serve-echo"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = runtime.block_on(adjoin::connect(&format!("http://{}", proxy.address)))?;
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", plain.address))?.tcp_nodelay(true);
    let health = HealthClient::new(runtime.block_on(endpoint.connect())?);
    let function = Arc::new(Mutex::new(runtime.block_on(Direct::open(&address))?));
    let mut rounds: Vec<[f64; 5]> = Vec::new();
    for round in 1..=arguments.rounds() {
        let time = arguments.duration();
        let (proxied, plain) = (client.clone(), health.clone());
        let through = move |n| through_proxy(proxied.clone(), n);
        let echo = move |_| unary(plain.clone());
        let called = Arc::clone(&function);
        let directly = move |_| straight(Arc::clone(&called));
        let hop = runtime.block_on(callers(CALLERS, time, through.clone()))?;
        let echo = runtime.block_on(callers(CALLERS, time, echo))?;
        let one_hop = runtime.block_on(callers(1, time, through))?;
        let one_direct = runtime.block_on(callers(1, time, directly))?;
        let (_, cpu_us) = load::accounted(&proxy, &durable(arguments, &proxy))?;
        println!(
            "round {round}: through the proxy {:.0}/s, unary echo {:.0}/s; one caller p50 {:.3} ms through the proxy, \
             {:.3} ms directly; proxy cpu {cpu_us:.1} µs a durable command",
            hop.per_second, echo.per_second, one_hop.p50_ms, one_direct.p50_ms
        );
        rounds.push([hop.per_second, echo.per_second, one_hop.p50_ms, one_direct.p50_ms, cpu_us]);
    }
    let at = |index: usize| median(rounds.iter().map(|figures| figures[index]));
    Ok(vec![
        Target::more(6, "sidecar-command-half-echo", at(0), at(1) / 2.0, "/s", 0.8),
        Target::less(7, "sidecar-hop-p50", (at(2) - at(3)).max(0.001), 0.25, "ms"),
        Target::less(8, "proxy-cpu-durable-command", at(4), 40.0, "µs"),
    ])
}

pub(crate) fn proxy(arguments: &Arguments, function: &str, data: &std::path::Path) -> Outcome<Server> {
    let mut command = Command::new(arguments.program("adjoin")?);
    command.args(["serve", "--function", function, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"]);
    Server::start(command.arg(data))
}

async fn through_proxy(client: Client, turn: usize) -> Outcome<()> {
    let key = format!("k{}", turn % KEYS);
    client.entity::<Counter>(key).call(Counter::echo, TEXT.to_owned()).await?;
    Ok(())
}

pub(super) async fn unary(mut client: HealthClient<tonic::transport::Channel>) -> Outcome<()> {
    client.check(HealthCheckRequest { service: String::new() }).await?;
    Ok(())
}

/// The same command on a session with the function, without a host between.
async fn straight(function: Arc<Mutex<Direct>>) -> Outcome<()> {
    function.lock().await.echo().await
}

/// Callers that each do one call after the other; half a second of warm-up is not counted.
pub(super) async fn callers<F, C>(count: usize, time: Duration, call: C) -> Outcome<Calls>
where
    F: Future<Output = Outcome<()>> + Send + 'static,
    C: Fn(usize) -> F + Clone + Send + Sync + 'static,
{
    let from = Instant::now() + Duration::from_millis(500);
    let one = |caller: usize, call: C| async move {
        let (mut took, mut all, mut turn) = (Vec::new(), 0, caller * 7919);
        while Instant::now() < from + time {
            let began = Instant::now();
            call(turn).await?;
            turn += 31;
            all += 1;
            if began >= from {
                took.push(began.elapsed().as_secs_f64() * 1000.0);
            }
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((took, all))
    };
    let tasks: Vec<_> = (0..count).map(|caller| tokio::spawn(one(caller, call.clone()))).collect();
    let (mut took, mut all) = (Vec::new(), 0);
    for task in tasks {
        let (these, count) = task.await??;
        took.extend(these);
        all += count;
    }
    Ok(Calls { per_second: took.len() as f64 / time.as_secs_f64(), p50_ms: median(took), all })
}

/// Durable commands over HTTP, for the processor time that the proxy takes for one.
pub(crate) fn durable(arguments: &Arguments, proxy: &Server) -> Plan {
    Plan {
        address: proxy.address,
        requests: Arc::new(load::posts(KEYS, "/bench.Counter/KEY/count", &format!("{TEXT:?}"))),
        framing: load::http,
        callers: CALLERS,
        warm_up: Duration::ZERO,
        duration: arguments.duration(),
    }
}
