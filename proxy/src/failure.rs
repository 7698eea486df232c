// SPDX-License-Identifier: Apache-2.0
//! How a command of the shell fails: what, where, what to do, and the exit code that scripts read.

use std::fmt;
use std::process::ExitCode;

use adjoin_model::{Error, Kind};
use anstyle::{AnsiColor, Style};

/// The result of anything a command does.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// The exit codes. Scripts rely on them: they are documented in `docs/cli.md` and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Something went wrong that should not, or a check found what it looked for (a failed case, a changed schema).
    Failed = 1,
    /// Wrong use: arguments, settings, a body that is no JSON.
    Usage = 2,
    /// No such entity type, command, entity, folder or file.
    NotFound = 3,
    /// Refused: by user code, a conflict, or a missing right.
    Refused = 4,
    /// Not now: nothing listens, deadline passed, bound reached, folder in use. Trying again can help.
    Unavailable = 5,
    /// Stored data is damaged.
    Corrupt = 6,
}

impl Exit {
    /// Every code with its meaning, as `docs/cli.md` has them.
    #[cfg(test)]
    pub(crate) const ALL: [(Self, &'static str); 6] = [
        (Self::Failed, "failed unexpectedly, or a check found something (a failed case, a changed schema)"),
        (Self::Usage, "wrong use: arguments, settings, a body that is no JSON"),
        (Self::NotFound, "no such entity type, command, entity, folder or file"),
        (Self::Refused, "refused by user code, by a conflict, or for a missing right"),
        (Self::Unavailable, "not now: nothing listens, deadline passed, bound reached, folder in use; try again"),
        (Self::Corrupt, "stored data is damaged"),
    ];

    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Invalid => Self::Usage,
            Kind::NotFound => Self::NotFound,
            Kind::Rejected | Kind::Conflict | Kind::Denied => Self::Refused,
            Kind::Exhausted | Kind::Unavailable | Kind::Expired | Kind::Fenced => Self::Unavailable,
            Kind::Corrupt => Self::Corrupt,
            Kind::Protocol | Kind::Internal => Self::Failed,
        }
    }
}

/// Why a command did not do what it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// None when nobody reads any more (`adjoin journal cat | head`): nothing to say, nothing went wrong.
    exit: Option<Exit>,
    what: String,
    place: Vec<(String, String)>,
    help: Option<String>,
}

impl Failure {
    /// A failure with this exit code.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit: Some(exit), what: what.into(), place: Vec::new(), help: None }
    }

    /// Standard output takes no more: quiet when its reader has left, a failure otherwise.
    pub(crate) fn output(error: &std::io::Error) -> Self {
        let failure = Self::new(Exit::Failed, format!("standard output takes no more: {error}"));
        if error.kind() == std::io::ErrorKind::BrokenPipe { Self { exit: None, ..failure } } else { failure }
    }

    /// Wrong use.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// Not now.
    pub(crate) fn unavailable(what: impl Into<String>) -> Self {
        Self::new(Exit::Unavailable, what)
    }

    /// Adds where it happened.
    pub(crate) fn at(mut self, what: impl Into<String>, value: impl ToString) -> Self {
        self.place.push((what.into(), value.to_string()));
        self
    }

    /// Says what to do about it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The exit code as a number.
    #[cfg(test)]
    pub(crate) fn exit(&self) -> Exit {
        self.exit.unwrap()
    }

    /// Prints it to standard error and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        use std::io::Write;
        let Some(exit) = self.exit else { return ExitCode::SUCCESS };
        let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
        let bold = Style::new().bold();
        let mut out = anstream::stderr().lock();
        let mut lines = self.what.lines();
        let first = lines.next().unwrap_or("failed");
        // A closed standard error leaves nobody to tell: the exit code still says it.
        let _ = writeln!(out, "{red}error{red:#}: {first}");
        for line in lines {
            let _ = writeln!(out, "       {line}");
        }
        for (what, value) in &self.place {
            let _ = writeln!(out, "  {bold}{what}{bold:#}: {value}");
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "  {bold}help{bold:#}: {help}");
        }
        ExitCode::from(exit as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for (what, value) in &self.place {
            write!(f, "; {what}: {value}")?;
        }
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut failure = Self::new(Exit::of(error.kind), error.message);
        for (what, value) in error.context {
            failure = failure.at(what, value);
        }
        if error.outcome == adjoin_model::Outcome::Unknown {
            failure = failure.at("outcome", "unknown: the command may have had its effect");
        }
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_an_exit_code_above_zero() {
        for kind in Kind::ALL {
            let failure = Failure::from(Error::new(kind, adjoin_model::Outcome::None, "x"));
            assert!(failure.exit() as u8 > 0, "{kind:?}");
            assert!(Exit::ALL.iter().any(|(exit, _)| *exit == failure.exit()));
        }
    }

    #[test]
    fn a_failure_says_what_where_and_what_to_do() {
        let shown = Failure::usage("no").at("file", "a.toml").help("write yes").to_string();
        assert_eq!(shown, "no; file: a.toml; write yes");
    }
}
