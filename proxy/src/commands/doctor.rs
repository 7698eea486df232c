// SPDX-License-Identifier: Apache-2.0
//! `adjoin doctor`.

use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use adjoin_function::{Address, DialSettings, Link};
use clap::Args;
use serde::Serialize;

use crate::args::SettingsArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::node::Note;
use crate::print::{Format, Row, Rows};
use crate::settings::{self, Settings, Sources};

/// A disk that takes longer than this to keep a write makes every command slow.
const SLOW_SYNC: Duration = Duration::from_millis(10);

const SYNCS: usize = 16;

/// Check settings, ports, folder, disk and function before a host is started
///
/// Changes nothing that stays. Exit code 1 when something would keep a host from serving.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  adjoin doctor --data .adjoin
  adjoin doctor --settings adjoin.toml -o json")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Good,
    Doubtful,
    Bad,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    said: String,
}

impl Row for Finding {
    const COLUMNS: &'static [&'static str] = &["CHECK", "", "FOUND"];

    fn cells(&self) -> Vec<String> {
        let verdict = match self.verdict {
            Verdict::Good => "good",
            Verdict::Doubtful => "doubtful",
            Verdict::Bad => "BAD",
        };
        vec![self.check.into(), verdict.into(), self.said.clone()]
    }
}

impl DoctorArgs {
    pub(crate) async fn run(&self) -> Outcome<()> {
        let mut findings = Vec::new();
        let layers = settings::join(Sources {
            defaults: Settings::default(),
            file: self.settings.settings.as_deref(),
            environment: std::env::vars().collect(),
            flags: self.settings.flags(),
        })?;
        let settings = layers.settings()?;
        findings.push(finding("settings", settings.check().map(|()| "they fit".into())));
        let notices = layers.notices.iter();
        findings.extend(notices.map(|said| Finding {
            check: "settings",
            verdict: Verdict::Doubtful,
            said: said.clone(),
        }));
        findings.push(port("clients' port", settings.listen));
        findings.push(port("admin port", settings.admin));
        if let Some(path) = &settings.data {
            findings.extend(folder(path));
        }
        findings.push(function(&settings).await);
        let bad = findings.iter().filter(|one| one.verdict == Verdict::Bad).count();
        let mut rows = Rows::measured(self.output);
        findings.into_iter().try_for_each(|finding| rows.print(finding))?;
        rows.end()?;
        if bad == 0 {
            return Ok(());
        }
        Err(Failure::new(Exit::Failed, format!("{bad} of the checks found what keeps a host from serving")))
    }
}

fn finding(check: &'static str, outcome: Outcome<String>) -> Finding {
    match outcome {
        Ok(said) => Finding { check, verdict: Verdict::Good, said },
        Err(failure) => Finding { check, verdict: Verdict::Bad, said: failure.to_string() },
    }
}

fn port(check: &'static str, address: SocketAddr) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding { check, verdict: Verdict::Good, said: format!("{address} is free") },
        Err(error) => Finding { check, verdict: Verdict::Bad, said: format!("{address}: {error}") },
    }
}

fn folder(path: &Path) -> Vec<Finding> {
    if let Some(holder) = Note::read(path) {
        let said = format!("{}: process {} has it, admin {}", path.display(), holder.pid, holder.admin);
        return vec![Finding { check: "folder", verdict: Verdict::Bad, said }];
    }
    // Tried beside it when it is not there yet: doctor makes no journal.
    let near = path.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    let synced = syncs(near);
    let cannot = |error: &std::io::Error| format!("{} cannot be written: {error}", near.display());
    match synced {
        Err(error) => vec![Finding { check: "folder", verdict: Verdict::Bad, said: cannot(&error) }],
        Ok(median) => {
            let slow = median > SLOW_SYNC;
            let verdict = if slow { Verdict::Doubtful } else { Verdict::Good };
            let said = format!("a write is kept within {:.1} ms (median of {SYNCS})", median.as_secs_f64() * 1e3);
            let folder = format!("{} can be written", path.display());
            vec![
                Finding { check: "folder", verdict: Verdict::Good, said: folder },
                Finding { check: "disk", verdict, said },
            ]
        }
    }
}

/// The median time of a small synced write.
fn syncs(folder: &Path) -> std::io::Result<Duration> {
    let mut file: File = tempfile::tempfile_in(folder)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let since = Instant::now();
        file.write_all(&[0; 256])?;
        file.sync_data()?;
        times.push(since.elapsed());
    }
    times.sort_unstable();
    Ok(times[SYNCS / 2])
}

async fn function(settings: &Settings) -> Finding {
    let asked = async {
        let address: Address = settings.function.parse()?;
        let mut link = Link::dial(&address, &DialSettings::default()).await?;
        let discovered = link.discover().await?;
        discovered.spec.check()?;
        let types: Vec<&str> = discovered.spec.types.iter().map(|one| &*one.name).collect();
        Ok::<_, adjoin_model::Error>(format!("{address}: {} with {}", discovered.spec.sdk, types.join(", ")))
    };
    match asked.await {
        Ok(said) => Finding { check: "function", verdict: Verdict::Good, said },
        // A host waits for a function that is not there; one that declares nonsense keeps it from serving.
        Err(error) if error.kind == adjoin_model::Kind::Unavailable => {
            Finding { check: "function", verdict: Verdict::Doubtful, said: error.message }
        }
        Err(error) => Finding { check: "function", verdict: Verdict::Bad, said: error.message },
    }
}
