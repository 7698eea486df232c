// SPDX-License-Identifier: Apache-2.0
//! The log of a host: lines for people or JSON for machines, on standard error, never payloads at `info`.

use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::failure::{Failure, Outcome};
use crate::settings::LogFormat;

/// Starts the log of this process.
///
/// # Errors
/// Usage when the filter cannot be read.
pub(crate) fn start(filter: &str, format: LogFormat) -> Outcome<()> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::usage(format!("the log filter {filter:?} cannot be read: {error}"))
            .help("write a level (info) or levels by module (info,adjoin_engine=debug)")
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours()).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Json => log.json().flatten_event(true).try_init(),
        LogFormat::Text => log.event_format(Readable { colour: colours() }).try_init(),
    };
    started.map_err(|error| Failure::new(crate::failure::Exit::Failed, format!("the log cannot start: {error}")))
}

fn colours() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

/// `12:30:01.042 INFO  listening address=127.0.0.1:9000`; the module is shown below `info` only, where it helps.
struct Readable {
    colour: bool,
}

impl<S, N> FormatEvent<S, N> for Readable
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = *event.metadata().level();
        let (on, off) = if self.colour { (colour_of(level), "\u{1b}[0m") } else { ("", "") };
        write!(out, "{} {on}{level:<5}{off} ", time_of_day())?;
        if level > Level::INFO {
            write!(out, "{}: ", event.metadata().target())?;
        }
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            write!(out, "{}", span.name())?;
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>().filter(|fields| !fields.is_empty()) {
                write!(out, "{{{fields}}}")?;
            }
            write!(out, ": ")?;
        }
        context.field_format().format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}

fn colour_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[1;31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        _ => "\u{1b}[2m",
    }
}

/// UTC, since a container seldom knows where its reader lives.
fn time_of_day() -> String {
    let now = humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string();
    now.get(11..23).unwrap_or(&now).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_has_milliseconds() {
        let time = time_of_day();
        assert_eq!(time.len(), "12:30:01.042".len(), "{time}");
        assert_eq!(time.as_bytes()[8], b'.');
    }
}
