// SPDX-License-Identifier: Apache-2.0
//! The settings of an ingress, as data.

use std::path::PathBuf;

use adjoin_model::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::schema::Lock;

/// How an ingress behaves. Every field has a default that suits one small machine; units are in the names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Connections at once; the next one is told 503 and closed.
    pub connections: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams_per_connection: u32,
    /// Watches and streamed replies at once, over all connections; the next one is Exhausted.
    pub streams: usize,
    /// How long a new connection may take until its first request line or HTTP/2 preface is complete.
    pub handshake_ms: u64,
    /// How long the head of a request may take on HTTP/1.1, idle time before it included.
    pub header_ms: u64,
    /// How long the body of a request may take.
    pub body_ms: u64,
    /// How long a client may leave bytes unread before its connection is closed.
    pub write_ms: u64,
    /// How long a connection may stay without a request before it is closed.
    pub idle_ms: u64,
    /// Interval of HTTP/2 pings, and how long an answer may take.
    pub ping_ms: u64,
    /// Interval of comments on a silent event stream.
    pub keep_alive_ms: u64,
    /// Deadline of a command or query that names none; 0: none. Watches and streamed replies have none.
    pub timeout_ms: u64,
    /// Largest body of a request and largest gRPC message.
    pub body_bytes: usize,
    /// Bytes of bodies that are being read, over all connections; past it requests are Exhausted.
    pub reading_bytes: usize,
    /// Deepest nesting of a JSON body; at most 127.
    pub json_depth: u8,
    /// Fields in the head of a request.
    pub headers: usize,
    /// Bytes of all fields in the head of a request.
    pub header_bytes: usize,
    /// Bytes of path and query of a request.
    pub path_bytes: usize,
    /// The lock file with the field numbers of derived messages; none: numbers follow the order of declaration.
    pub lock_file: Option<PathBuf>,
    /// Bytes of all schemas of one entity type, above which it gets no typed gRPC service.
    pub schema_bytes: usize,
    /// What a refused client is told to wait.
    pub retry_after_ms: u64,
    /// Origins whose scripts browsers may let call (`https://shop.example`), or `*` alone for all; none: no CORS.
    pub cors_origins: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections: 10_000,
            streams_per_connection: 256,
            streams: 10_000,
            handshake_ms: 10_000,
            header_ms: 30_000,
            body_ms: 30_000,
            write_ms: 30_000,
            idle_ms: 120_000,
            ping_ms: 20_000,
            keep_alive_ms: 15_000,
            timeout_ms: 60_000,
            body_bytes: 16 << 20,
            reading_bytes: 256 << 20,
            json_depth: 64,
            headers: 100,
            header_bytes: 16 << 10,
            path_bytes: 8 << 10,
            lock_file: None,
            schema_bytes: 1 << 20,
            retry_after_ms: 1000,
            cors_origins: Vec::new(),
        }
    }
}

impl Settings {
    /// Says whether an ingress can run with these.
    ///
    /// # Errors
    /// `Invalid`, naming the first field that is out of range.
    pub fn check(&self) -> Result<()> {
        let positive = [
            ("connections", self.connections as u64),
            ("streams_per_connection", u64::from(self.streams_per_connection)),
            ("streams", self.streams as u64),
            ("handshake_ms", self.handshake_ms),
            ("header_ms", self.header_ms),
            ("body_ms", self.body_ms),
            ("write_ms", self.write_ms),
            ("idle_ms", self.idle_ms),
            ("ping_ms", self.ping_ms),
            ("keep_alive_ms", self.keep_alive_ms),
            ("body_bytes", self.body_bytes as u64),
            ("reading_bytes", self.reading_bytes as u64),
            ("headers", self.headers as u64),
            ("header_bytes", self.header_bytes as u64),
            ("path_bytes", self.path_bytes as u64),
        ];
        if let Some((field, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(Error::invalid(format!("{field} must be above 0")).at("setting", field));
        }
        if self.json_depth == 0 || self.json_depth > 127 {
            return Err(Error::invalid("json_depth must be 1 to 127").at("setting", "json_depth"));
        }
        if let Some(origin) = self.cors_origins.iter().find(|origin| !is_origin(origin, self.cors_origins.len())) {
            let said = format!("{origin:?} is no origin such as https://shop.example, nor * alone");
            return Err(Error::invalid(said).at("setting", "cors_origins"));
        }
        // Above these hyper refuses by itself, without saying why.
        if self.header_bytes > 256 << 10 || self.headers > 1000 || self.path_bytes > 32 << 10 {
            let said = "header_bytes is at most 256 KiB, headers at most 1000, path_bytes at most 32 KiB";
            return Err(Error::invalid(said).at("setting", "header_bytes"));
        }
        Ok(())
    }

    /// Reads the lock file.
    pub(crate) fn lock(&self) -> Result<Lock> {
        let Some(file) = &self.lock_file else { return Ok(Lock::default()) };
        let at = |error: Error| error.at("file", file.display());
        let text =
            std::fs::read_to_string(file).map_err(|error| at(Error::invalid(format!("the lock file: {error}"))))?;
        Lock::parse(&text).map_err(at)
    }
}

/// A scheme, a host and perhaps a port; or `*`, if it stands alone.
fn is_origin(text: &str, of: usize) -> bool {
    let plain = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    (text == "*" && of == 1) || text.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && plain(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_hold_and_a_bound_of_nothing_is_invalid() {
        assert!(Settings::default().check().is_ok());
        let error = Settings { connections: 0, ..Settings::default() }.check().expect_err("refused");
        assert!(error.message.contains("connections"), "{error}");
        assert!(Settings { json_depth: 128, ..Settings::default() }.check().is_err());
        for (origins, holds) in [
            (&["*"][..], true),
            (&["https://a.example", "http://b:8080"], true),
            (&["*", "https://a.example"], false),
            (&["a.example"], false),
            (&["https://a.example/"], false),
        ] {
            let cors_origins = origins.iter().map(|origin| (*origin).into()).collect();
            assert_eq!(Settings { cors_origins, ..Settings::default() }.check().is_ok(), holds, "{origins:?}");
        }
        assert!(Settings { header_bytes: 1 << 20, ..Settings::default() }.check().is_err());
    }

    #[test]
    fn settings_are_data() {
        let settings: Settings = serde_json::from_str(r#"{"body_bytes":7}"#).expect("settings");
        assert_eq!(settings, Settings { body_bytes: 7, ..Settings::default() });
        assert!(serde_json::from_str::<Settings>(r#"{"body":7}"#).is_err());
    }
}
