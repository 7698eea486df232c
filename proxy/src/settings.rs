// SPDX-License-Identifier: Apache-2.0
//! What a host can be told, and where it is told from: flags before environment before file before defaults.

mod environment;
mod file;
mod layers;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::commands::schema;
use crate::failure::{Failure, Outcome};
pub(crate) use layers::Layers;

/// Every setting of `adjoin serve` and `adjoin dev`, by the name it has in the file. Units are the end of a name:
/// `_ms` are milliseconds, `_bytes` bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where the user function listens, as host:port.
    pub(crate) function: String,
    /// What it speaks.
    pub(crate) protocol: Protocol,
    /// Takes a function of the Cloudstate protocol that does not say which version it speaks, with a warning.
    pub(crate) accept_unversioned: bool,
    /// Where clients connect.
    pub(crate) listen: SocketAddr,
    /// Where `/ready`, `/alive`, `/metrics` and the admin API are.
    pub(crate) admin: SocketAddr,
    /// Lets `admin` be an address that other machines reach. The admin API asks for no password.
    pub(crate) admin_beyond_loopback: bool,
    /// The folder of the journal.
    pub(crate) data: Option<PathBuf>,
    /// Keeps everything in memory: it is gone when the host ends.
    pub(crate) memory: bool,
    /// Shards of a journal that does not exist yet, 1024 when nothing is said; an existing one keeps its own number.
    pub(crate) shards: Option<u32>,
    /// How long a host that was told to end waits for what is under way.
    pub(crate) drain_ms: u64,
    /// How long a drained host still answers new calls, with 503 and `outcome: none`: a caller that has not heard yet is
    /// told so instead of finding its connection reset.
    pub(crate) linger_ms: u64,
    /// What is logged: a level, or levels by module.
    pub(crate) log: String,
    /// Lines for people or JSON.
    pub(crate) log_format: LogFormat,
    /// How entities live, and the bounds.
    pub(crate) engine: adjoin_engine::Settings,
    /// The clients' port, and its bounds.
    pub(crate) ingress: adjoin_ingress::Settings,
}

/// What the user function speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    /// Asks for adjoin protocol v1 first, then for the Cloudstate protocol 0.2.
    Auto,
    /// adjoin protocol v1.
    Adjoin,
    /// Cloudstate protocol 0.2; no other call is made.
    Cloudstate,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl From<Protocol> for adjoin_function::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Auto => Self::Auto,
            Protocol::Adjoin => Self::Adjoin,
            Protocol::Cloudstate => Self::Cloudstate,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            function: "127.0.0.1:8080".into(),
            protocol: Protocol::Auto,
            accept_unversioned: true,
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9000)),
            admin: SocketAddr::from((Ipv4Addr::LOCALHOST, 9001)),
            admin_beyond_loopback: false,
            data: None,
            memory: false,
            shards: None,
            drain_ms: 10_000,
            linger_ms: 250,
            log: "info".into(),
            log_format: LogFormat::Text,
            engine: adjoin_engine::Settings::default(),
            ingress: adjoin_ingress::Settings::default(),
        }
    }
}

impl Settings {
    /// Says whether a host can run by them.
    ///
    /// # Errors
    /// Usage, with the first problem found.
    pub(crate) fn check(&self) -> Outcome<()> {
        if !self.admin.ip().is_loopback() && !self.admin_beyond_loopback {
            return Err(Failure::usage(format!(
                "the admin API would listen on {}, which other machines can reach, and it asks for no password",
                self.admin
            ))
            .help("use 127.0.0.1:9001, or say --admin-beyond-loopback if something else guards it"));
        }
        if self.memory && self.data.is_some() {
            return Err(Failure::usage("both `memory` and `data` are set: a journal is kept in one place")
                .help("leave one of them out"));
        }
        if let Some(shards) = self.shards {
            adjoin_storage::Meta { format: 1, shards, store_id: 0 }.checked()?;
        }
        self.engine.check()?;
        self.ingress.check()?;
        Ok(())
    }
}

/// The setting of the lock file with the numbers of derived messages.
const LOCK_FILE: &str = "ingress.lock_file";

/// Where settings come from, before they are joined.
pub(crate) struct Sources<'a> {
    /// What holds when nothing else is said.
    pub(crate) defaults: Settings,
    /// The file that was asked for.
    pub(crate) file: Option<&'a Path>,
    /// Variables of the environment.
    pub(crate) environment: Vec<(String, String)>,
    /// Settings by flags: name in the file, value, flag.
    pub(crate) flags: Vec<(&'static str, Value, &'static str)>,
}

/// Joins every source, the strongest last.
///
/// # Errors
/// Usage: a file that cannot be read, an unknown setting, a value that does not fit; each with its place.
pub(crate) fn join(sources: Sources<'_>) -> Outcome<Layers> {
    let mut layers = Layers::new(&sources.defaults)?;
    if let Some(path) = sources.file {
        file::add(&mut layers, path)?;
    }
    environment::add(&mut layers, &sources.environment)?;
    for (name, value, flag) in sources.flags {
        layers.set(name, value, format!("flag {flag}"))?;
    }
    // `adjoin schema lock` writes it there: a host that passed over it would number the fields anew.
    if layers.get(LOCK_FILE).is_some_and(Value::is_null) && Path::new(schema::LOCK).exists() {
        layers.set(LOCK_FILE, schema::LOCK.into(), "found in this folder".into())?;
    }
    Ok(layers)
}
