// SPDX-License-Identifier: Apache-2.0
//! A function that speaks the Cloudstate protocol, written against the generated servers: it does what the model
//! services say, breaks the protocol where a key asks for it, and tells the test every message that it gets.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use adjoin_function::cloudstate::protocol as p;
use p::entity_discovery_server::{EntityDiscovery, EntityDiscoveryServer};
use p::eventsourced::event_sourced_server::EventSourcedServer;
use p::valueentity::value_entity_server::ValueEntityServer;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio_stream::Stream;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::{action, event_sourced, value_entity};

/// What the function was sent. Streams are numbered in the order of their opening, from 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    Discover(p::ProxyInfo),
    Reported(String),
    EventSourced(usize, p::eventsourced::EventSourcedStreamIn),
    Value(usize, p::valueentity::ValueEntityStreamIn),
    /// The host ended its direction of a stream.
    HalfClosed(usize),
    /// The host broke a stream off.
    Reset(usize),
    Action(&'static str, p::action::ActionCommand),
    /// A client's stream of an action has ended.
    ActionEnd,
    /// A call of an action was cancelled.
    ActionCancelled,
}

pub(crate) type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What all services of a function share.
#[derive(Clone)]
pub(crate) struct Shared {
    seen: UnboundedSender<Seen>,
    streams: Arc<AtomicUsize>,
    spec: Arc<Mutex<p::EntitySpec>>,
    /// Permits to read one message of an entity's stream, where the test paces them.
    pub(crate) pace: Option<Arc<tokio::sync::Semaphore>>,
    /// Permits to end the stream of an entity whose key is "late", once the host has ended its direction.
    pub(crate) late: Arc<tokio::sync::Notify>,
}

impl Shared {
    pub(crate) fn saw(&self, seen: Seen) {
        // A test that is over does not listen.
        let _ = self.seen.send(seen);
    }

    pub(crate) fn next_stream(&self) -> usize {
        self.streams.fetch_add(1, Ordering::SeqCst) + 1
    }
}

/// A running function, and what it saw.
pub(crate) struct Function {
    pub(crate) shared: Shared,
    seen: UnboundedReceiver<Seen>,
    /// A process of its own as far as its connections can tell: they end with it.
    process: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    pub(crate) address: String,
}

impl Drop for Function {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.process.take() {
            drop(stop);
            thread.join().expect("it ended well");
        }
    }
}

impl Function {
    pub(crate) async fn serve(spec: p::EntitySpec) -> Self {
        Self::at("127.0.0.1:0", spec, None).await
    }

    /// As some servers do: what it does not know has an answer that is no gRPC.
    pub(crate) fn wordy(spec: p::EntitySpec) -> Self {
        Self::begin("127.0.0.1:0", spec, None, true)
    }

    pub(crate) async fn at(address: &str, spec: p::EntitySpec, pace: Option<Arc<tokio::sync::Semaphore>>) -> Self {
        Self::begin(address, spec, pace, false)
    }

    fn begin(address: &str, spec: p::EntitySpec, pace: Option<Arc<tokio::sync::Semaphore>>, wordy: bool) -> Self {
        let listener = std::net::TcpListener::bind(address).expect("bound");
        listener.set_nonblocking(true).expect("set");
        let address = listener.local_addr().expect("an address").to_string();
        let (sender, seen) = mpsc::unbounded_channel();
        let spec = Arc::new(Mutex::new(spec));
        let shared = Shared { seen: sender, streams: Arc::default(), spec, pace, late: Arc::default() };
        let services = tonic::service::Routes::new(EntityDiscoveryServer::new(shared.clone()))
            .add_service(EventSourcedServer::new(event_sourced::Model(shared.clone())))
            .add_service(ValueEntityServer::new(value_entity::Model(shared.clone())))
            .add_service(p::action::action_protocol_server::ActionProtocolServer::new(action::Model(shared.clone())));
        let unknown = || async { (http::StatusCode::NOT_FOUND, "there is no such path here") };
        let services = if wordy { services.into_axum_router().fallback(unknown).into() } else { services };
        let server = tonic::transport::Server::builder().add_routes(services);
        let (stop, stopped) = oneshot::channel::<()>();
        // One thread, which takes calls in the order in which they come.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    served = server.serve_with_incoming(TcpListenerStream::new(listener)) => served.expect("served"),
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        Self { shared, seen, process: Some((stop, thread)), address }
    }

    /// The next message; `discover` is passed over.
    pub(crate) async fn next(&mut self) -> Seen {
        loop {
            match self.any().await {
                Seen::Discover(_) => {}
                other => return other,
            }
        }
    }

    /// The next message.
    pub(crate) async fn any(&mut self) -> Seen {
        crate::world::within("a message for the function", self.seen.recv()).await.expect("it runs")
    }

    /// Says that nothing else came.
    pub(crate) fn nothing_more(&mut self) {
        while let Ok(seen) = self.seen.try_recv() {
            assert!(matches!(seen, Seen::Discover(_)), "{seen:?}");
        }
    }

    pub(crate) fn declare(&self, spec: p::EntitySpec) {
        *self.shared.spec.lock().expect("whole") = spec;
    }
}

#[tonic::async_trait]
impl EntityDiscovery for Shared {
    async fn discover(&self, request: Request<p::ProxyInfo>) -> Result<Response<p::EntitySpec>, Status> {
        self.saw(Seen::Discover(request.into_inner()));
        Ok(Response::new(self.spec.lock().expect("whole").clone()))
    }

    async fn report_error(&self, request: Request<p::UserFunctionError>) -> Result<Response<()>, Status> {
        self.saw(Seen::Reported(request.into_inner().message));
        Ok(Response::new(()))
    }
}

const EVENT_SOURCED: &str = "cloudstate.eventsourced.EventSourced";
const VALUE: &str = "cloudstate.valueentity.ValueEntity";
const ACTION: &str = "cloudstate.action.ActionProtocol";

/// The descriptors of the model services, imports included.
pub(crate) fn descriptors() -> Vec<u8> {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cloudstate/protos");
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance/interop/proto");
    let options = concat!(env!("CARGO_MANIFEST_DIR"), "/../contract/tests/protos");
    // Encoded as it is: a set of prost's own would lose the options of the fields.
    let mut compiler = protox::Compiler::new([here, model, options]).expect("the folders");
    compiler.include_imports(true);
    let models = ["eventsourced", "valueentity", "action"].map(|name| format!("cloudstate/tck/model/{name}.proto"));
    compiler.open_files(models).expect("the models");
    compiler.open_files(["unfit.proto", "eventing.proto"]).expect("sound protos");
    compiler.encode_file_descriptor_set()
}

pub(crate) fn entity(entity_type: &str, service: &str, persistence_id: &str) -> p::Entity {
    p::Entity {
        entity_type: entity_type.into(),
        service_name: format!("cloudstate.tck.model.{service}"),
        persistence_id: persistence_id.into(),
        passivation_strategy: None,
    }
}

fn passivates(after_ms: i64, entity: p::Entity) -> p::Entity {
    let timeout = p::TimeoutPassivationStrategy { timeout: after_ms };
    let strategy = p::entity_passivation_strategy::Strategy::Timeout(timeout);
    p::Entity { passivation_strategy: Some(p::EntityPassivationStrategy { strategy: Some(strategy) }), ..entity }
}

/// What the model function declares.
pub(crate) fn spec() -> p::EntitySpec {
    p::EntitySpec {
        proto: descriptors(),
        entities: vec![
            entity(EVENT_SOURCED, "EventSourcedTckModel", "event-sourced-tck-model"),
            entity(EVENT_SOURCED, "EventSourcedTwo", "event-sourced-tck-model-two"),
            passivates(100, entity(EVENT_SOURCED, "EventSourcedConfigured", "event-sourced-configured")),
            entity(VALUE, "valueentity.ValueEntityTckModel", "value-entity-tck-model"),
            entity(VALUE, "valueentity.ValueEntityTwo", "value-entity-tck-model-two"),
            passivates(100, entity(VALUE, "valueentity.ValueEntityConfigured", "value-entity-configured")),
            entity(ACTION, "action.ActionTckModel", ""),
            entity(ACTION, "action.ActionTwo", ""),
        ],
        service_info: Some(p::ServiceInfo {
            protocol_major_version: 0,
            protocol_minor_version: 2,
            support_library_name: "scripted".into(),
            ..p::ServiceInfo::default()
        }),
    }
}

/// A forward or a side effect to the other service of a kind.
pub(crate) fn two(kind: &str, id: &str) -> (String, prost_types::Any) {
    use crate::messages::{any, request, text, value_request};
    match kind {
        "valueentity.ValueEntityTwo" => (kind.into(), value_request(id, vec![])),
        "action.ActionTwo" => (kind.into(), any("action.OtherRequest", &text(id))),
        _ => (kind.into(), request(id, vec![])),
    }
}

pub(crate) fn forward(kind: &str, id: &str) -> p::Forward {
    let (service, payload) = two(kind, id);
    let (service, command, payload) = match id {
        // A name that nobody has.
        "unknown" => (service, "Nothing", payload),
        "in" => {
            let said = crate::messages::Step::Reply(crate::messages::text("in"));
            ("action.ActionTckModel".into(), "ProcessStreamedIn", crate::messages::groups(vec![vec![said]]))
        }
        _ => (service, "Call", payload),
    };
    p::Forward {
        service_name: format!("cloudstate.tck.model.{service}"),
        command_name: command.into(),
        payload: Some(payload),
        metadata: (id == "told").then(|| told(id)),
    }
}

pub(crate) fn effect(kind: &str, id: &str, synchronous: bool) -> p::SideEffect {
    let p::Forward { service_name, command_name, payload, metadata } = forward(kind, id);
    p::SideEffect { service_name, command_name, payload, synchronous, metadata }
}

pub(crate) fn failure(command_id: i64, description: &str, restart: bool) -> p::Failure {
    p::Failure { command_id, description: description.into(), restart }
}

pub(crate) fn client_action(action: p::client_action::Action) -> Option<p::ClientAction> {
    Some(p::ClientAction { action: Some(action) })
}

pub(crate) fn reply(name: &str, said: &str) -> p::client_action::Action {
    let payload = Some(crate::messages::any(name, &crate::messages::text(said)));
    p::client_action::Action::Reply(p::Reply { payload, metadata: (said == "told").then(|| told(said)) })
}

/// Metadata of every form.
pub(crate) fn told(text: &str) -> p::Metadata {
    use p::metadata_entry::Value::{BytesValue, StringValue};
    let entry = |key: &str, value| p::MetadataEntry { key: key.into(), value: Some(value) };
    let mut entries = vec![entry("X-Told", StringValue(text.into())), entry("x-told", StringValue("again".into()))];
    entries.extend([entry("Raw-Bin", BytesValue(vec![0, 1])), entry("raw", BytesValue(vec![0, 1]))]);
    entries.push(p::MetadataEntry { key: "nothing".into(), value: None });
    p::Metadata { entries }
}
