// SPDX-License-Identifier: Apache-2.0
//! How a function is dialled, and how one is served.

use std::time::Duration;

use adjoin_entity::spec::Spec;
use adjoin_model::Result;
use adjoin_wire::VERSIONS;
use adjoin_wire::protocol::{Hello, VersionRange};

/// Flow-control window of a stream, and of a connection: a batch of the largest size never waits for an
/// acknowledgement, and a reader that stops holds back its peer after so many bytes.
pub(crate) const STREAM_WINDOW: u32 = 4 << 20;
pub(crate) const CONNECTION_WINDOW: u32 = 8 << 20;

/// Largest HTTP/2 frame taken.
pub(crate) const HTTP2_FRAME: u32 = 256 << 10;

/// Largest header list taken, in bytes.
pub(crate) const HEADER_BYTES: u32 = 16 << 10;

/// What a function is asked to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// adjoin protocol v1, and if the function does not know that, the Cloudstate protocol 0.2.
    #[default]
    Auto,
    /// adjoin protocol v1 alone.
    Adjoin,
    /// The Cloudstate protocol 0.2 alone; no other call is made.
    Cloudstate,
}

/// How a host reaches a function.
#[derive(Clone, Debug)]
pub struct DialSettings {
    /// What the function is asked to speak, when it is supervised.
    pub protocol: Protocol,
    /// Takes a function that speaks the Cloudstate protocol and does not say which version, with a warning in the log.
    pub accept_unversioned: bool,
    /// Active entities of a function that speaks the Cloudstate protocol, each on a stream of its own, past which idle
    /// ones leave memory before their time. Past twice as many no other is begun until some have left.
    pub streams: usize,
    /// What else a function's spec has to pass, beside what holds for every host: of an edge that serves it. An error
    /// of kind Invalid refuses the spec and is told to the function.
    pub check: fn(&Spec) -> Result<()>,
    /// Time for a connection to be made.
    pub connect_ms: u64,
    /// Time for the function to answer Discover, ReportSpecError, and Welcome.
    pub answer_ms: u64,
    /// Silence after which the host asks whether the function's end is still there: by TCP, and in adjoin's protocol by
    /// an HTTP/2 ping too; 0 never asks. Seconds, where TCP asks.
    pub keep_alive_ms: u64,
    /// Time for that to be answered; past it the session is over.
    pub keep_alive_timeout_ms: u64,
    /// First wait before a connection is tried again; doubles each time.
    pub retry_first_ms: u64,
    /// Longest such wait; also how often a function is asked again whose spec was refused.
    pub retry_most_ms: u64,
    /// Shared secret that the function asks for, if it does.
    pub token: Option<String>,
    /// Name and version of the host, for the function's log.
    pub host: String,
    /// The versions of the protocol that the host speaks.
    pub versions: VersionRange,
}

impl Default for DialSettings {
    fn default() -> Self {
        Self {
            protocol: Protocol::Auto,
            accept_unversioned: true,
            streams: 10_000,
            check: |_| Ok(()),
            connect_ms: 5_000,
            answer_ms: 10_000,
            keep_alive_ms: 30_000,
            keep_alive_timeout_ms: 20_000,
            retry_first_ms: 50,
            retry_most_ms: 1_000,
            token: None,
            host: concat!("adjoin ", env!("CARGO_PKG_VERSION")).into(),
            versions: VERSIONS,
        }
    }
}

/// How a function serves hosts.
#[derive(Clone, Debug)]
pub struct ServeSettings {
    /// Time for a connection to bring its first request, for a request to be whole, and for a session's Welcome.
    pub handshake_ms: u64,
    /// Connections at once; the next one is closed at once.
    pub connections: usize,
    /// Sessions at once; the next one is Exhausted.
    pub sessions: usize,
    /// Serves proxies of the Cloudstate protocol too, on the same address.
    pub cloudstate: bool,
    /// Entities in memory and actions under way of such proxies, over all of them; the next one is Exhausted.
    pub streams: usize,
    /// Silence after which the function asks whether the host's end is still there; 0 never asks.
    pub keep_alive_ms: u64,
    /// Time for that to be answered; past it the connection is closed.
    pub keep_alive_timeout_ms: u64,
    /// Time that sessions have to end when the server stops.
    pub stop_ms: u64,
    /// Shared secret that a host must bring.
    pub token: Option<String>,
    /// What every session answers to Welcome: its credit.
    pub hello: Hello,
    /// The versions of the protocol that the function speaks.
    pub versions: VersionRange,
}

impl Default for ServeSettings {
    fn default() -> Self {
        Self {
            handshake_ms: 10_000,
            connections: 64,
            sessions: 8,
            cloudstate: true,
            streams: 20_000,
            keep_alive_ms: 30_000,
            keep_alive_timeout_ms: 20_000,
            stop_ms: 2_000,
            token: None,
            hello: Hello { running: 0, bytes: 0 },
            versions: VERSIONS,
        }
    }
}

/// A time that 0 turns off.
pub(crate) fn unless_zero(ms: u64) -> Option<Duration> {
    (ms > 0).then(|| Duration::from_millis(ms))
}
