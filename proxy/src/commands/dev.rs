// SPDX-License-Identifier: Apache-2.0
//! `adjoin dev`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use adjoin_engine::Engine;
use adjoin_function::Address;
use clap::Args;

use crate::args::SettingsArgs;
use crate::dev::{Supervisor, Watch, curl};
use crate::failure::{Exit, Failure, Outcome};
use crate::node::Node;
use crate::print;
use crate::settings::{self, Settings, Sources};
use crate::signals::Signals;

/// Run a service while you work on it: host and user function together
///
/// Starts the function with the command behind `--`, and again when it ends or, with --watch, when a file changes; files
/// that .gitignore names are left out. Its output comes with a prefix. The function learns where to listen from
/// the variable ADJOIN_FUNCTION_LISTEN, and {function} in its command stands for the same address. Without a command, start the function yourself.
///
/// The journal is kept in .adjoin, so what you did is there tomorrow; --temp uses a folder that goes at the end.
/// Everything listens on this machine only.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  adjoin dev --watch -- python shop.py
  adjoin dev --watch=src -- npm start
  adjoin dev --temp --listen 127.0.0.1:0 --function 127.0.0.1:0 -- ./shop serve {function}   free ports, nothing kept
  adjoin dev                                            the function is started elsewhere")]
pub(crate) struct DevArgs {
    /// Restart the function when a file changes below this folder [default when given without: the current one].
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, default_missing_value = ".")]
    watch: Vec<PathBuf>,
    /// Keep the journal in a folder that is removed at the end.
    #[arg(long, conflicts_with = "data")]
    temp: bool,
    #[command(flatten)]
    settings: SettingsArgs,
    /// The command that starts the user function.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl DevArgs {
    pub(crate) async fn run(&self) -> Outcome<()> {
        let temp = self.temp.then(tempfile::tempdir).transpose().map_err(|error| {
            Failure::new(Exit::Failed, format!("no folder for a temporary journal can be made: {error}"))
        })?;
        let mut settings = self.settings(temp.as_ref().map(tempfile::TempDir::path))?;
        crate::log::start(&settings.log, settings.log_format)?;
        if !self.command.is_empty() {
            settings.function = free_address(&settings.function)?;
        }
        run(&settings, &self.command, &self.watch).await
    }

    fn settings(&self, temp: Option<&Path>) -> Outcome<Settings> {
        let mut flags = self.settings.flags();
        if let Some(path) = temp {
            flags.push(("data", path.to_string_lossy().into(), "--temp"));
        }
        let defaults = Settings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
            data: Some(PathBuf::from(".adjoin")),
            // Somebody waits at the terminal.
            drain_ms: 2_000,
            linger_ms: 0,
            ..Settings::default()
        };
        let file = self.settings.settings.as_deref();
        let layers = settings::join(Sources { defaults, file, environment: std::env::vars().collect(), flags })?;
        let settings = layers.settings()?;
        settings.check()?;
        Ok(settings)
    }
}

/// The address for the function: a free port for port 0; refused when something listens there already, since that would
/// be taken for the function.
fn free_address(wanted: &str) -> Outcome<String> {
    let taken = |why: String| {
        Failure::unavailable(format!("the function cannot listen at {wanted}: {why}")).help(
            "end what listens there (a function left over from a dev that was killed?), or say --function 127.0.0.1:0",
        )
    };
    match wanted.parse::<Address>()? {
        Address::Tcp { host, port } => {
            let bound = TcpListener::bind((host.as_str(), port)).and_then(|listener| listener.local_addr());
            let port = bound.map_err(|error| taken(error.to_string()))?.port();
            Ok(Address::Tcp { host, port }.to_string())
        }
        Address::Unix(path) if UnixStream::connect(&path).is_ok() => Err(taken("something answers there".into())),
        Address::Unix(_) => Ok(wanted.to_owned()),
    }
}

async fn run(settings: &Settings, command: &[String], watched: &[PathBuf]) -> Outcome<()> {
    let mut signals = Signals::take()?;
    let watch = if watched.is_empty() || command.is_empty() { None } else { Some(Watch::start(watched)?) };
    let node = Node::start(settings).await?;
    banner(settings, &node, command)?;
    let mut supervisor = match command {
        [] => None,
        command => Some(Supervisor::start(command.to_vec(), settings.function.clone(), watch)?),
    };
    let first_call = tokio::spawn(say_first_call(node.engine().clone(), node.listen()));
    let signal = tokio::select! {
        signal = signals.next() => signal,
        () = supervise(supervisor.as_mut()) => "the end of supervision",
        error = node.failed() => {
            end(node, supervisor, "a bug", settings).await?;
            return Err(error.into());
        }
    };
    first_call.abort();
    tracing::info!(signal, "ending");
    tokio::select! {
        ended = end(node, supervisor, signal, settings) => ended,
        // Dropping the supervisor kills what is left of the function.
        second = signals.next() => Err(Failure::new(Exit::Failed, format!("{second} again: ended at once"))),
    }
}

async fn supervise(supervisor: Option<&mut Supervisor>) {
    match supervisor {
        Some(supervisor) => supervisor.run().await,
        None => std::future::pending().await,
    }
}

/// Commands under way still need their function, so it ends last.
async fn end(node: Node, supervisor: Option<Supervisor>, signal: &str, settings: &Settings) -> Outcome<()> {
    let ended = node.end(signal, settings).await;
    if let Some(supervisor) = supervisor {
        supervisor.end().await;
    }
    ended
}

fn banner(settings: &Settings, node: &Node, command: &[String]) -> Outcome<()> {
    print::line(&format!("listening on http://{}, admin on http://{}", node.listen(), node.admin()))?;
    let kept = settings.data.as_ref().map_or("in memory".into(), |path| path.display().to_string());
    print::line(&format!("journal: {kept}"))?;
    if command.is_empty() {
        print::line(&format!(
            "waiting for a function at {}: start it, or give its command behind `--`",
            settings.function
        ))?;
    }
    Ok(())
}

/// Says what can be called, once the function has told.
async fn say_first_call(engine: Engine, listen: SocketAddr) {
    let mut types = engine.watch_types();
    let Ok(known) = types.wait_for(|types| !types.is_empty()).await.map(|types| (*types).clone()) else { return };
    let mut lines = vec!["ready".to_owned()];
    for known in known.iter() {
        let names: Vec<&str> = known.entity_type.handlers.iter().map(|handler| &*handler.name).collect();
        lines.push(format!("  {}: {}", known.entity_type.name, names.join(", ")));
    }
    lines.extend(known.iter().find_map(|known| curl(listen, &known.entity_type)).map(|line| format!("try: {line}")));
    // Nobody reading standard output is no reason to stop.
    let _ = print::line(&lines.join("\n"));
}
