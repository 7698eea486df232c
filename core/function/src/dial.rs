// SPDX-License-Identifier: Apache-2.0
//! A host's connection to a function.

use std::future::ready;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use adjoin_entity::frame::{FunctionFrame, HostFrame};
use adjoin_entity::spec::Spec;
use adjoin_model::{Error, Result};
use adjoin_wire::protocol::{DiscoverRequest, Hello, ReportSpecErrorRequest, Welcome};
use adjoin_wire::{BATCH_BYTES, Bounds, DISCOVERY_BYTES, Decoder, Encoder, discovery_in, negotiate};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tokio_util::either::Either;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};

use crate::address::Address;
use crate::generated::protocol::function_client::FunctionClient;
use crate::inbound::{Inbound, Wire};
use crate::outgoing::{Outgoing, Request as Batches, Source};
use crate::settings::{
    CONNECTION_WINDOW, DialSettings, HEADER_BYTES, HTTP2_FRAME, Protocol, STREAM_WINDOW, unless_zero,
};
use crate::status::error_of;
use crate::token;
use crate::watched::Watched;

pub(crate) type Io = Either<TcpStream, UnixStream>;

/// What a function said of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovered {
    /// Its entity types. Not checked yet: [`Spec::check`] does.
    pub spec: Spec,
    /// The version of the protocol that both sides speak.
    pub version: u32,
}

/// One connection to one function process. It is never made anew behind the caller's back: what Discover said is true
/// for every session of the same link, and when the process goes, the link has ended. Dropping it cuts the connection,
/// and its sessions.
pub struct Link {
    address: Address,
    settings: DialSettings,
    token: Option<MetadataValue<Ascii>>,
    channel: Channel,
    client: FunctionClient<Channel>,
    gone: CancellationToken,
    _cut: DropGuard,
}

/// Runs what the connection needs, until the link is dropped.
#[derive(Clone)]
enum Tasks {
    /// Each by itself: one session of adjoin's protocol is one stream.
    Apart(CancellationToken),
    /// All in one task, which goes on with each in the order in which they can. As tasks of their own they would run in
    /// any, and calls reach a Cloudstate function in another order than that in which they are made.
    InOrder(UnboundedSender<Task>),
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Tasks {
    fn new(protocol: Protocol, cut: CancellationToken) -> Self {
        match protocol {
            Protocol::Adjoin | Protocol::Auto => Self::Apart(cut),
            Protocol::Cloudstate => Self::in_order(cut),
        }
    }

    fn in_order(cut: CancellationToken) -> Self {
        let (sender, mut tasks) = unbounded_channel::<Task>();
        tokio::spawn(cut.run_until_cancelled_owned(async move {
            let mut all = FuturesUnordered::new();
            loop {
                tokio::select! {
                    task = tasks.recv() => match task {
                        Some(task) => all.push(task),
                        None => break,
                    },
                    Some(()) = all.next() => {}
                }
            }
            while all.next().await.is_some() {}
        }));
        Self::InOrder(sender)
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        match self {
            Self::Apart(cut) => drop(tokio::spawn(cut.clone().run_until_cancelled_owned(task))),
            // Once the link is gone nothing of it runs.
            Self::InOrder(tasks) => drop(tasks.send(Box::pin(task))),
        }
    }
}

impl Link {
    /// Connects.
    ///
    /// # Errors
    /// `Unavailable`, naming the address and what to do, when nothing listens there or it takes too long; `Invalid` when
    /// the token is no header value.
    pub async fn dial(address: &Address, settings: &DialSettings) -> Result<Self> {
        let token = settings.token.as_deref().map(token::header).transpose()?;
        let io = connect(address, settings).await?;
        let cut = CancellationToken::new();
        let gone = CancellationToken::new();
        let channel =
            channel(address, settings, Watched::new(io, &gone), Tasks::new(settings.protocol, cut.clone())).await?;
        let client = FunctionClient::new(channel.clone()).max_encoding_message_size(BATCH_BYTES);
        let (address, settings, _cut) = (address.clone(), settings.clone(), cut.drop_guard());
        Ok(Self { address, settings, token, channel, client, gone, _cut })
    }

    /// Another connection to the same process, for the Cloudstate protocol alone.
    pub(crate) async fn for_cloudstate(&self) -> Result<Self> {
        let settings = DialSettings { protocol: Protocol::Cloudstate, ..self.settings.clone() };
        Self::dial(&self.address, &settings).await
    }

    /// The connection, for another protocol.
    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Cancelled once the connection has ended.
    pub(crate) fn gone(&self) -> &CancellationToken {
        &self.gone
    }

    pub(crate) fn settings(&self) -> &DialSettings {
        &self.settings
    }

    /// Where it leads.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Asks the function what it has.
    ///
    /// # Errors
    /// `Invalid` when no version is spoken by both (both ranges are named), or the spec is of a kind this host does not
    /// know; `Unavailable` when the connection is lost or the answer does not come in time; `Protocol` when it is broken.
    pub async fn discover(&mut self) -> Result<Discovered> {
        let host = self.settings.host.clone();
        let request = self.request(DiscoverRequest { versions: Some(self.settings.versions), host });
        let mut client = self.client.clone().max_decoding_message_size(DISCOVERY_BYTES);
        let discovery = self.answer("Discover", client.discover(request)).await?.into_inner();
        let version = negotiate(Some(self.settings.versions), discovery.versions);
        let version = version.map_err(|error| error.at("function", &self.address))?;
        let spec = discovery_in(discovery).map_err(|error| error.at("function", &self.address))?;
        Ok(Discovered { spec, version })
    }

    /// Tells the function why its spec, or its version, was refused.
    ///
    /// # Errors
    /// As [`Link::discover`].
    pub async fn report_spec_error(&mut self, problem: &str) -> Result<()> {
        let request = self.request(ReportSpecErrorRequest { message: problem.to_owned() });
        let mut client = self.client.clone();
        self.answer("ReportSpecError", client.report_spec_error(request)).await?;
        Ok(())
    }

    /// Opens a session: sends `welcome`, waits for Hello, then carries the frames of `outgoing` to the function.
    /// Dropping every sender of `outgoing` ends the session once what waits is sent; dropping the [`Inbound`] ends it, and
    /// what waits may be lost.
    ///
    /// # Errors
    /// As [`Link::discover`].
    pub async fn connect(
        &mut self,
        welcome: Welcome,
        outgoing: impl Into<Source<HostFrame>>,
    ) -> Result<(Hello, Inbound<FunctionFrame>)> {
        let bounds = Bounds::new(welcome.value_bytes, welcome.message_bytes);
        let mut encoder = Encoder::new(bounds);
        encoder.open(welcome);
        let ended = CancellationToken::new();
        let outgoing = Outgoing::new(outgoing.into(), encoder, ended.clone());
        let (batches, broken) = Batches::new(outgoing);
        let request = self.request(batches);
        let mut client = self.client.clone().max_decoding_message_size(BATCH_BYTES);
        let batches = self.answer("Connect", client.connect(request)).await?.into_inner();
        let inbound = Wire::new(batches, Decoder::new(bounds));
        let mut inbound = inbound.of_function(self.address.clone(), broken, ended.drop_guard());
        let limit = Duration::from_millis(self.settings.answer_ms);
        let hello = timeout(limit, inbound.open()).await.unwrap_or_else(|_| Err(self.silent("Welcome")))?;
        Ok((hello, inbound.into_inbound()))
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert(token::HEADER, token.clone());
        }
        request
    }

    /// Bounds an answer in time, and names what was asked when it fails.
    pub(crate) async fn answer<T>(
        &self,
        what: &str,
        asked: impl Future<Output = core::result::Result<T, tonic::Status>>,
    ) -> Result<T> {
        match timeout(Duration::from_millis(self.settings.answer_ms), asked).await {
            Ok(answer) => answer.map_err(|status| error_of(&status, &self.address, what)),
            Err(_) => Err(self.silent(what)),
        }
    }

    fn silent(&self, what: &str) -> Error {
        Error::unavailable(format!(
            "the function at {} did not answer {what} within {} ms: it hangs, or something else listens there",
            self.address, self.settings.answer_ms
        ))
        .at("function", &self.address)
    }
}

async fn connect(address: &Address, settings: &DialSettings) -> Result<Io> {
    let limit = Duration::from_millis(settings.connect_ms);
    let connecting = async {
        match address {
            Address::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                keep_alive(&stream, settings)?;
                // Linux connects a socket to itself when it happens to get the port that it dials.
                if stream.local_addr()? == stream.peer_addr()? {
                    return Err(std::io::ErrorKind::ConnectionRefused.into());
                }
                Ok(Either::Left(stream))
            }
            Address::Unix(path) => UnixStream::connect(path).await.map(Either::Right),
        }
    };
    let why = match timeout(limit, connecting).await {
        Ok(Ok(io)) => return Ok(io),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} ms", limit.as_millis()),
    };
    let said = format!("no function listens at {address} ({why}): start it, or correct the address");
    Err(Error::unavailable(said).at("function", address))
}

/// The system asks too, in TCP: every server answers that.
fn keep_alive(stream: &TcpStream, settings: &DialSettings) -> std::io::Result<()> {
    let Some(silence) = unless_zero(settings.keep_alive_ms) else { return Ok(()) };
    // Whole seconds are what there is.
    let second = Duration::from_secs(1);
    let patience = Duration::from_millis(settings.keep_alive_timeout_ms);
    let asking = TcpKeepalive::new().with_time(silence.max(second)).with_interval((patience / 4).max(second));
    let socket = SockRef::from(stream);
    // While something is under way TCP does not ask: it sends that again, elsewhere than on Linux for as long as it likes.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(patience))?;
    socket.set_tcp_keepalive(&asking.with_retries(4))
}

/// HTTP/2 over one stream. A second one is never made: the link has then ended.
async fn channel(address: &Address, settings: &DialSettings, io: Watched, tasks: Tasks) -> Result<Channel> {
    let mut endpoint = Endpoint::from_static("http://function.adjoin")
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(HTTP2_FRAME)
        .http2_max_header_list_size(HEADER_BYTES)
        .executor(tasks);
    // Servers of gRPC take a client that pings more often than every 5 minutes for an attacker (gRFC A8) and close the
    // connection, with every activation on it. Those of our SDKs do not; those of Cloudstate's are what they are.
    let pings = unless_zero(settings.keep_alive_ms).filter(|_| settings.protocol != Protocol::Cloudstate);
    if let Some(interval) = pings {
        endpoint = endpoint
            .http2_keep_alive_interval(interval)
            .keep_alive_timeout(Duration::from_millis(settings.keep_alive_timeout_ms))
            .keep_alive_while_idle(true);
    }
    let once = Mutex::new(Some(io));
    let connector = tower::service_fn(move |_| {
        let io = once.lock().unwrap_or_else(PoisonError::into_inner).take();
        ready(io.map(TokioIo::new).ok_or_else(|| std::io::Error::other("the connection has ended")))
    });
    endpoint.connect_with_connector(connector).await.map_err(|error| {
        Error::unavailable(format!("the function at {address} closed the connection ({error}): look into its log"))
            .at("function", address)
    })
}
