// SPDX-License-Identifier: Apache-2.0
//! Scenario files: what is run, and the transcript that it has to leave.
//!
//! `## ` begins a step and names the fact that it shows. Behind it stands `$ ` and a command line, which goes on in lines
//! that begin with `> `; then everything that the command prints. What stands before the first step is for people.

use std::path::{Path, PathBuf};

/// Stands for any text within a line of a transcript.
const ANY: &str = "{any}";

/// Stands for any further lines.
const REST: &str = "{rest}";

/// A file of steps, run one after the other.
pub(crate) struct Scenario {
    /// The client, and what it is about: `curl/streams`.
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
    file: PathBuf,
    /// What stands before the first step.
    pub(crate) preface: String,
}

/// One command.
pub(crate) struct Step {
    /// The fact that it shows.
    pub(crate) fact: String,
    /// The command as it stands there, each line of it.
    command: Vec<String>,
    /// What it has to print.
    pub(crate) transcript: String,
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// That it cannot be read, or a step that has no command.
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = format!("{}/{}", stem(file.parent().unwrap_or(file)), stem(file));
        let mut parts = format!("\n{text}").split("\n## ").map(str::to_owned).collect::<Vec<_>>().into_iter();
        let preface = parts.next().unwrap_or_default().trim().to_owned();
        let steps = parts.map(|part| Step::read(&part).map_err(|said| format!("{name}: {said}")));
        let steps: Vec<Step> = steps.collect::<Result<_, _>>()?;
        if steps.is_empty() {
            Err(format!("{name} has no step"))
        } else {
            Ok(Self { name, steps, file: file.into(), preface })
        }
    }

    /// Writes the file again.
    ///
    /// # Errors
    /// That it cannot be written.
    pub(crate) fn write(&self) -> Result<(), String> {
        let steps: String = self.steps.iter().map(Step::shown).collect();
        let text = format!("{}\n{steps}", self.preface);
        std::fs::write(&self.file, text).map_err(|error| format!("{}: {error}", self.file.display()))
    }
}

impl Step {
    fn read(text: &str) -> Result<Self, String> {
        let (fact, rest) = text.split_once('\n').unwrap_or((text, ""));
        let is_command = |line: &&str| line.starts_with("$ ") || line.starts_with("> ");
        let command: Vec<String> = rest.lines().take_while(is_command).map(|line| line[2..].to_owned()).collect();
        if !rest.starts_with("$ ") {
            return Err(format!("\"{fact}\" runs no command"));
        }
        let transcript = rest.lines().skip(command.len()).collect::<Vec<_>>().join("\n");
        Ok(Self { fact: fact.trim().into(), command, transcript: transcript.trim_end().into() })
    }

    /// The words of its command.
    ///
    /// # Errors
    /// A quote without its end.
    pub(crate) fn words(&self) -> Result<Vec<String>, String> {
        shlex::split(&self.command.join(" ")).ok_or_else(|| format!("\"{}\": a quote has no end", self.fact))
    }

    fn shown(&self) -> String {
        let command: Vec<String> = self
            .command
            .iter()
            .enumerate()
            .map(|(at, line)| format!("{} {line}", if at == 0 { '$' } else { '>' }))
            .collect();
        let gap = if self.transcript.is_empty() { "" } else { "\n" };
        format!("\n## {}\n{}\n{}{gap}", self.fact, command.join("\n"), self.transcript)
    }

    /// Takes what was printed for the transcript; lines that met it stay, with what they leave open.
    pub(crate) fn take(&mut self, printed: &str) {
        let wanted: Vec<&str> = self.transcript.lines().collect();
        let kept = |(at, got): (usize, _)| wanted.get(at).copied().filter(|line| meets(line, got)).unwrap_or(got);
        self.transcript = printed.lines().enumerate().map(kept).collect::<Vec<_>>().join("\n");
    }

    /// Where what was printed differs from the transcript; nothing if it does not.
    pub(crate) fn difference(&self, printed: &str) -> Option<String> {
        let (wanted, got): (Vec<&str>, Vec<&str>) = (self.transcript.lines().collect(), printed.lines().collect());
        let end = wanted.iter().position(|line| *line == REST).unwrap_or(wanted.len().max(got.len()));
        let at = (0..end).find(|at| match (wanted.get(*at), got.get(*at)) {
            (Some(wanted), Some(got)) => !meets(wanted, got),
            _ => true,
        })?;
        let line = |lines: &[&str]| lines.get(at).map_or("(nothing)".to_owned(), |line| (*line).to_owned());
        Some(format!("line {}\n        wanted: {}\n        got:    {}", at + 1, line(&wanted), line(&got)))
    }
}

/// Whether a line is the wanted one, with anything where that says so.
fn meets(wanted: &str, got: &str) -> bool {
    let mut parts = wanted.split(ANY);
    let Some(mut rest) = parts.next().and_then(|first| got.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(text: &str) -> Step {
        Step::read(text).expect("a step")
    }

    #[test]
    fn a_step_is_a_fact_a_command_and_what_it_prints() {
        let step = step("a fact\n$ curl -d 'a b'\n> {url}/x\nHTTP/1.1 200 OK\n\nbody\n\n");
        assert_eq!(step.fact, "a fact");
        assert_eq!(step.words().expect("words"), ["curl", "-d", "a b", "{url}/x"]);
        assert_eq!(step.transcript, "HTTP/1.1 200 OK\n\nbody");
        assert_eq!(step.shown(), "\n## a fact\n$ curl -d 'a b'\n> {url}/x\nHTTP/1.1 200 OK\n\nbody\n");
        assert!(Step::read("no command\nHTTP/1.1").is_err());
    }

    #[test]
    fn a_transcript_is_met_line_by_line() {
        let step = step("x\n$ y\na\nb {any} c {any}\nd");
        assert_eq!(step.difference("a\nb 1 c 2\nd"), None);
        let open = self::step("x\n$ y\na\n{rest}");
        assert!(open.difference("a").is_none() && open.difference("a\nb").is_none() && open.difference("b").is_some());
        for other in ["a\nb 1 c 2", "a\nb 1 c 2\nd\ne", "a\nb 1 d 2\nd", "", "a\nb 1 c 2\nd "] {
            assert!(step.difference(other).is_some(), "{other:?}");
        }
    }

    #[test]
    fn what_a_transcript_leaves_open_stays_open_when_it_is_written() {
        let mut step = step("x\n$ y\na {any}\nb\nc");
        step.take("a 7\nd\nc\ne");
        assert_eq!(step.transcript, "a {any}\nd\nc\ne");
    }

    #[test]
    fn anything_may_be_nothing_but_what_stands_around_it_has_to_be_there() {
        assert!(meets("{any}", "") && meets("a{any}", "a") && meets("{any}b", "ab") && meets("a{any}b{any}c", "a-b-c"));
        assert!(!meets("a{any}a", "a") && !meets("a", "ab") && !meets("a{any}b", "ac") && !meets("", "x"));
    }
}
