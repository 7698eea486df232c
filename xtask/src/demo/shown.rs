// SPDX-License-Identifier: Apache-2.0
//! The demo as a person runs it: its output read back, and its end by a signal.

use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::{ADMIN, FUNCTION, IN_PROCESS, SERVING, SIDECAR};
use crate::server;

/// A debug build on a busy machine; a demo that does not get on is ended then.
const WITHIN: Duration = Duration::from_secs(300);

/// Runs it to its end.
///
/// # Errors
/// How it ended, or what it did not print.
pub fn ends_by_itself(root: &Path) -> Result<(), String> {
    let output = Command::new("cargo").args(["xtask", "demo"]).current_dir(root).output();
    let output = output.map_err(|error| format!("the demo did not start: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}{}", String::from_utf8_lossy(&output.stderr));
    match missing(&said) {
        None if output.status.success() => Ok(()),
        None => Err(format!("the demo ended with {}", output.status)),
        Some(part) => Err(format!("the demo did not print {part:?}")),
    }
}

/// Has it keep on serving, looks whether every port answers, and ends it by a signal of that name (`INT`): it must end
/// well and leave no server behind.
///
/// # Errors
/// What did not go so.
pub fn is_kept_until(root: &Path, signal: &str) -> Result<(), String> {
    let mut demo = Command::new("cargo");
    let demo = demo.args(["xtask", "demo", "--keep"]).current_dir(root).stdout(Stdio::piped()).spawn();
    let mut demo = demo.map_err(|error| format!("the demo did not start: {error}"))?;
    let lines = server::lines(&mut demo);
    let outcome = kept(&mut demo, &lines, signal);
    if outcome.is_err() {
        // Told first, so that it takes its servers with it.
        let _ = signalled(&demo, "TERM");
        while lines.recv_timeout(WITHIN).is_ok() {}
        let _ = demo.kill();
    }
    let _ = demo.wait();
    outcome.map_err(|error| format!("demo --keep and SIG{signal}: {error}"))
}

fn kept(demo: &mut Child, lines: &Receiver<String>, signal: &str) -> Result<(), String> {
    let mut addresses = Vec::new();
    loop {
        let line = lines.recv_timeout(WITHIN).map_err(|error| format!("it does not serve: {error}"))?;
        addresses.extend(named(&line).map(str::to_owned));
        if line == SERVING {
            break;
        }
    }
    if addresses.len() != 4 || !addresses.iter().all(|address| listens(address)) {
        return Err(format!("in-process, sidecar, admin and function should listen: {addresses:?}"));
    }
    signalled(demo, signal)?;
    loop {
        match lines.recv_timeout(WITHIN) {
            Ok(_) => {}
            // Its lines end when it does.
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => return Err("it does not end".into()),
        }
    }
    let status = demo.wait().map_err(|error| error.to_string())?;
    let left: Vec<_> = addresses.iter().filter(|address| listens(address)).collect();
    match status.success() && left.is_empty() {
        true => Ok(()),
        false => Err(format!("it ended with {status}, still listening: {left:?}")),
    }
}

fn signalled(demo: &Child, signal: &str) -> Result<(), String> {
    crate::python::run(Command::new("sh").args(["-c", &format!("kill -{signal} {}", demo.id())]))
}

/// The addresses in a line of what is kept.
fn named(line: &str) -> impl Iterator<Item = &str> {
    let known = [IN_PROCESS, SIDECAR, FUNCTION].iter().any(|start| line.starts_with(start));
    let after = [IN_PROCESS, SIDECAR, ADMIN, FUNCTION].into_iter().filter_map(move |name| line.split_once(name));
    let words = after.filter_map(|(_, rest)| rest.split([',', ' ']).next());
    words.filter(move |_| known).map(|word| word.trim_start_matches("http://"))
}

fn listens(address: &str) -> bool {
    let mut found = address.to_socket_addrs().into_iter().flatten();
    found.any(|address| TcpStream::connect_timeout(&address, Duration::from_secs(10)).is_ok())
}

/// What a demo must have printed, in order; the test of the demo reads its output back.
const EXPECTED: [&str; 13] = [
    "== in-process",
    "200 1",
    "400 ",
    "200 \"welcome, ada@example.org\"",
    "gRPC adjoin.client.v1.Entities/Call",
    "kill -9",
    "restarted on http://",
    "== sidecar",
    "200 \"welcome, ada@example.org\"",
    "gRPC adjoin.client.v1.Entities/Call",
    "kill -9",
    "restarted on http://",
    "both homes kept every answered event through kill -9",
];

/// Says what of [`EXPECTED`] an output lacks, in order.
fn missing(output: &str) -> Option<&'static str> {
    let mut rest = output;
    EXPECTED.into_iter().find(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            false
        }
        None => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_without_its_parts_in_order_is_found_out() {
        let well = EXPECTED.join("\n");
        assert_eq!(missing(&well), None);
        assert!(missing(&well.replacen("kill -9\n", "", 1)).is_some());
        assert_eq!(missing(""), Some("== in-process"));
    }

    #[test]
    fn addresses_are_found_in_the_lines_of_what_is_kept() {
        assert_eq!(named("in-process: http://127.0.0.1:1").collect::<Vec<_>>(), ["127.0.0.1:1"]);
        let line = "sidecar: http://127.0.0.1:2, admin at http://127.0.0.1:3";
        assert_eq!(named(line).collect::<Vec<_>>(), ["127.0.0.1:2", "127.0.0.1:3"]);
        assert_eq!(named("its function: 127.0.0.1:4").collect::<Vec<_>>(), ["127.0.0.1:4"]);
        assert_eq!(named("== in-process: the host is a library").count(), 0);
    }
}
