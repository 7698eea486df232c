// SPDX-License-Identifier: Apache-2.0
//! `docs/cli.md`, written from the command line itself: `ADJOIN_WRITE_DOCS=1 cargo test -p adjoin-cli docs`.

use std::fmt::Write;
use std::path::Path;

use clap::{Arg, Command, CommandFactory};

use crate::args::Cli;
use crate::failure::Exit;

const HEAD: &str = "\
# The command line

Written from `adjoin --help`; a test keeps it current (`ADJOIN_WRITE_DOCS=1 cargo test -p adjoin-cli docs` writes it).
";

fn page() -> String {
    let mut out = String::from(HEAD);
    let mut command = Cli::command();
    command.build();
    section(&mut out, &command, "adjoin");
    out.push_str("\n## Exit codes\n\n| code | meaning |\n|---|---|\n| 0 | done |\n");
    for (exit, meaning) in Exit::ALL {
        let _ = writeln!(out, "| {} | {meaning} |", exit as u8);
    }
    out
}

fn section(out: &mut String, command: &Command, path: &str) {
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let _ = write!(out, "\n## {path}\n\n{about}\n");
    let usage = command.clone().render_usage().to_string();
    let _ = write!(out, "\n```\n{}\n```\n", usage.trim_start_matches("Usage: "));
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set() && arg.get_id() != "help");
    let lines: Vec<String> = shown.map(argument).collect();
    if !lines.is_empty() {
        let _ = write!(out, "\n{}\n", lines.join("\n"));
    }
    if let Some(examples) = command.get_after_help() {
        let _ = write!(out, "\n```text\n{}\n```\n", examples.to_string().trim_end());
    }
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help" && !inner.is_hide_set()) {
        section(out, inner, &format!("{path} {}", inner.get_name()));
    }
}

fn argument(arg: &Arg) -> String {
    let name = arg.to_string();
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut line = format!("* `{name}` {}", help.replace('\n', " "));
    let values: Vec<String> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if values.len() > 1 && arg.get_action().takes_values() {
        let _ = write!(line, " One of {}.", values.join(", "));
    }
    let default = arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect::<Vec<_>>();
    if !default.is_empty() && arg.get_action().takes_values() {
        let _ = write!(line, " Default: {}.", default.join(" "));
    }
    if let Some(variable) = arg.get_env() {
        let _ = write!(line, " Variable: {}.", variable.to_string_lossy());
    }
    line
}

#[test]
fn docs_cli_is_what_the_command_line_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let page = page();
    if std::env::var_os("ADJOIN_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/cli.md is not current: ADJOIN_WRITE_DOCS=1 cargo test -p adjoin-cli docs");
}
