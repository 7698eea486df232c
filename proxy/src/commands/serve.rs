// SPDX-License-Identifier: Apache-2.0
//! `adjoin serve`.

use clap::Args;

use crate::args::SettingsArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::node::Node;
use crate::print;
use crate::settings::{self, Layers, Settings, Sources};
use crate::signals::Signals;

/// Run the host of a service: the proxy beside its user function
///
/// Dials the function, keeps the journal, serves clients. Settings come from defaults, then the file, then variables
/// (ADJOIN_LISTEN, ADJOIN_ENGINE__LIMITS__MAILBOX; also USER_FUNCTION_HOST, USER_FUNCTION_PORT, HTTP_PORT), then flags:
/// the later one wins.
///
/// Prints `listening on …` with the bound addresses when it listens, and `ready` when commands are served, both to
/// standard output; the log goes to standard error. `GET /ready` at the admin address says why it is not ready yet.
///
/// SIGTERM and Ctrl-C drain: no new calls, those under way end, at most --drain-ms. A second signal ends at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  adjoin serve --data /var/lib/shop                     function at 127.0.0.1:8080, clients at port 9000
  adjoin serve --memory --listen 127.0.0.1:0            a free port, nothing kept
  adjoin serve --settings adjoin.toml --print-settings  every setting, and where it was said
  ADJOIN_LOG=info,adjoin_engine=debug adjoin serve --data d --log json")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Keep everything in memory; it is gone when the host ends [variable: ADJOIN_MEMORY].
    #[arg(long, conflicts_with = "data", help_heading = "Settings")]
    memory: bool,
    /// Print every setting with where it was said, as a file that can be read again, and end.
    #[arg(long)]
    print_settings: bool,
}

impl ServeArgs {
    pub(crate) async fn run(&self) -> Outcome<()> {
        let layers = self.layers()?;
        if self.print_settings {
            return print::line(layers.print().trim_end());
        }
        let settings = layers.settings()?;
        settings.check()?;
        if !settings.memory && settings.data.is_none() {
            return Err(Failure::usage("nothing says where the journal is kept")
                .help("say --data FOLDER, or --memory to keep nothing"));
        }
        crate::log::start(&settings.log, settings.log_format)?;
        layers.notices.iter().for_each(|notice| tracing::warn!("{notice}"));
        serve(settings).await
    }

    fn layers(&self) -> Outcome<Layers> {
        let mut flags = self.settings.flags();
        if self.memory {
            flags.push(("memory", true.into(), "--memory"));
            // The flag outweighs a folder that a file or a variable names.
            flags.push(("data", serde_json::Value::Null, "--memory"));
        } else if self.settings.has_data() {
            flags.push(("memory", false.into(), "--data"));
        }
        settings::join(Sources {
            defaults: Settings::default(),
            file: self.settings.settings.as_deref(),
            environment: std::env::vars().collect(),
            flags,
        })
    }
}

async fn serve(settings: Settings) -> Outcome<()> {
    let mut signals = Signals::take()?;
    let node = tokio::select! {
        node = Node::start(&settings) => node?,
        signal = signals.next() => {
            return Err(Failure::new(Exit::Failed, format!("ended by {signal} before the journal was open")));
        }
    };
    print::line(&format!("listening on http://{}, admin on http://{}", node.listen(), node.admin()))?;
    let said_ready = tokio::spawn(say_ready(node.readiness().watch()));
    let signal = tokio::select! {
        signal = signals.next() => signal,
        error = node.failed() => {
            // What other loops have under way still ends well.
            let drained = node.end("a bug", &settings).await;
            return Err(drained.err().unwrap_or_else(|| error.into()));
        }
    };
    said_ready.abort();
    tracing::info!(signal, "draining");
    tokio::select! {
        ended = node.end(signal, &settings) => ended,
        second = signals.next() => {
            Err(Failure::new(Exit::Failed, format!("{second} while draining: ended at once"))
                .help("what was acknowledged is kept; calls under way were cut off"))
        }
    }
}

/// Prints `ready` each time the host becomes ready, for scripts that wait for a line.
async fn say_ready(mut readiness: tokio::sync::watch::Receiver<crate::readiness::Readiness>) {
    let mut was_ready = false;
    loop {
        let ready = readiness.borrow_and_update().reason().is_none();
        if ready && !was_ready {
            // Nobody reading standard output is no reason to stop.
            let _ = print::line("ready");
        }
        was_ready = ready;
        if readiness.changed().await.is_err() {
            return;
        }
    }
}
