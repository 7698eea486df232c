// SPDX-License-Identifier: Apache-2.0
//! The face of the command line: which commands there are, and the arguments that several share.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use serde_json::Value;

use crate::commands::{
    call, completions, conformance, dev, doctor, effects, entity, eventing, guard, journal, schema, serve,
};
use crate::settings::{LogFormat, Protocol};

const ABOUT: &str = "adjoin keeps the state of a service beside its code: durable, one writer per entity, \
                     served over HTTP/JSON and gRPC.";

const FIRST_STEPS: &str = "\
First steps:
  adjoin dev --watch -- python shop.py                  run the service, restart it when a file changes
  adjoin call shop.Cart/ada addItem '{\"product\":\"p1\",\"name\":\"Book\",\"qty\":1}'
  adjoin call shop.Cart/ada contents
  adjoin entity history shop.Cart/ada                   every event it ever had

Exit codes: 0 done, 1 failed or found something, 2 wrong use, 3 not found, 4 refused, 5 not now (try again),
6 stored data is damaged.";

/// The proxy of adjoin, and the tools around it.
#[derive(Debug, Parser)]
#[command(name = "adjoin", version, about = ABOUT, after_help = FIRST_STEPS, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Dev(dev::DevArgs),
    Serve(serve::ServeArgs),
    Call(call::CallArgs),
    #[command(subcommand)]
    Entity(entity::EntityCommand),
    #[command(subcommand)]
    Journal(journal::JournalCommand),
    #[command(subcommand)]
    Effects(effects::EffectsCommand),
    #[command(subcommand)]
    Eventing(eventing::EventingCommand),
    #[command(subcommand)]
    Schema(schema::SchemaCommand),
    #[command(subcommand)]
    Conformance(conformance::ConformanceCommand),
    Doctor(doctor::DoctorArgs),
    Completions(completions::CompletionsArgs),
    #[command(hide = true)]
    Guard(guard::GuardArgs),
}

/// Flags that stand for settings; see `adjoin serve --print-settings` for those that have no flag.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct SettingsArgs {
    /// A TOML file of settings; weaker than variables and flags.
    #[arg(long, value_name = "FILE", env = "ADJOIN_SETTINGS")]
    pub(crate) settings: Option<PathBuf>,
    /// Where the user function listens; also unix:/path/of.sock [variable: ADJOIN_FUNCTION] [default: 127.0.0.1:8080].
    #[arg(long, value_name = "HOST:PORT")]
    function: Option<String>,
    /// What the user function speaks [variable: ADJOIN_PROTOCOL] [default: auto].
    #[arg(long, value_enum)]
    protocol: Option<Protocol>,
    /// Refuse a function of the Cloudstate protocol that says no version, instead of warning [variable:
    /// ADJOIN_ACCEPT_UNVERSIONED].
    #[arg(long)]
    refuse_unversioned: bool,
    /// Where clients connect; port 0 takes a free one [variable: ADJOIN_LISTEN, HTTP_PORT] [default: 0.0.0.0:9000 in
    /// serve, 127.0.0.1:9000 in dev].
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// An origin whose scripts may call from a browser, such as https://shop.example; may stand more than once, * lets
    /// all [variable: ADJOIN_INGRESS__CORS_ORIGINS, with commas between].
    #[arg(long = "cors-origin", value_name = "ORIGIN")]
    cors_origins: Vec<String>,
    /// Where /ready, /alive, /metrics and the admin API are [variable: ADJOIN_ADMIN] [default: 127.0.0.1:9001].
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin: Option<String>,
    /// Let --admin be an address that other machines reach. The admin API asks for no password.
    #[arg(long)]
    admin_beyond_loopback: bool,
    /// The folder of the journal; made when it is not there [variable: ADJOIN_DATA].
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Number of shards of a new journal, 16 to 65536; fixed from then on [variable: ADJOIN_SHARDS] [default: 1024].
    #[arg(long, value_name = "NUMBER")]
    shards: Option<u32>,
    /// Milliseconds that SIGTERM leaves for what is under way [variable: ADJOIN_DRAIN_MS] [default: 10000].
    #[arg(long, value_name = "MS")]
    drain_ms: Option<u64>,
    /// How the log is written. What is logged: variable ADJOIN_LOG, for example info,adjoin_engine=debug.
    #[arg(long = "log", value_enum, value_name = "FORMAT")]
    log: Option<LogFormat>,
}

impl SettingsArgs {
    /// Whether a flag names the folder of the journal.
    pub(crate) fn has_data(&self) -> bool {
        self.data.is_some()
    }

    /// The settings that the flags say.
    pub(crate) fn flags(&self) -> Vec<(&'static str, Value, &'static str)> {
        let mut said = Vec::new();
        let mut say = |name, value: Option<Value>, flag| said.extend(value.map(|value| (name, value, flag)));
        say("function", self.function.clone().map(Value::from), "--function");
        say("protocol", self.protocol.and_then(|it| serde_json::to_value(it).ok()), "--protocol");
        say("accept_unversioned", self.refuse_unversioned.then_some(false.into()), "--refuse-unversioned");
        say("listen", self.listen.clone().map(Value::from), "--listen");
        let origins = (!self.cors_origins.is_empty()).then(|| self.cors_origins.clone());
        say("ingress.cors_origins", origins.map(Value::from), "--cors-origin");
        say("admin", self.admin.clone().map(Value::from), "--admin");
        say("admin_beyond_loopback", self.admin_beyond_loopback.then_some(true.into()), "--admin-beyond-loopback");
        say("data", self.data.as_ref().map(|path| path.to_string_lossy().into()), "--data");
        say("shards", self.shards.map(Value::from), "--shards");
        say("drain_ms", self.drain_ms.map(Value::from), "--drain-ms");
        say("log_format", self.log.and_then(|it| serde_json::to_value(it).ok()), "--log");
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
