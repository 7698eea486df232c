// SPDX-License-Identifier: Apache-2.0
//! Child processes: started, found ready, accounted, ended by their id.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::Outcome;

/// A server that this program started. It ends with this value.
pub(crate) struct Server {
    child: Child,
    /// Where it listens, as its ready line says.
    pub(crate) address: SocketAddr,
}

const READY_WITHIN: Duration = Duration::from_secs(60);

impl Server {
    /// Starts a program and waits for a line that holds `http://`, `tcp://` or `listening on ` and an address.
    pub(crate) fn start(command: &mut Command) -> Outcome<Self> {
        let shown = format!("{command:?}");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let (say, hear) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(address) = address_in(&line) {
                    let _ = say.send(address);
                }
            }
        });
        match hear.recv_timeout(READY_WITHIN) {
            Ok(address) => Ok(Self { child, address }),
            Err(error) => {
                let _ = child.kill();
                Err(format!("{shown} said no address within {READY_WITHIN:?}: {error}").into())
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor seconds of this process so far.
    pub(crate) fn cpu(&self) -> f64 {
        cpu_of(self.id())
    }
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|kib| kib.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Microseconds that this thread has run on a processor: what others did to the clock meanwhile does not count.
pub(crate) fn thread_us() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let ns: f64 = stat.split_whitespace().next().ok_or("/proc/thread-self/schedstat is empty")?.parse()?;
    Ok(ns / 1000.0)
}

/// Processor seconds that a process has used, user and system.
pub(crate) fn cpu_of(id: u32) -> f64 {
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let rest = ["http://", "tcp://", "listening on "].iter().find_map(|before| line.split_once(before))?.1;
    let end = rest.find(|c: char| !(c.is_ascii_hexdigit() || ".:[]".contains(c))).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// A port of the loopback that was free a moment ago.
pub(crate) fn free_port() -> Outcome<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Outcome<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{command:?} ended with {}: {said}", output.status).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_line_holds_the_address() {
        let line = "shop is ready on http://127.0.0.1:4321, journal in x";
        assert_eq!(address_in(line), "127.0.0.1:4321".parse().ok());
        assert_eq!(address_in("listening on 127.0.0.1:4321"), "127.0.0.1:4321".parse().ok());
        assert_eq!(address_in("nothing here"), None);
    }

    #[test]
    fn this_process_has_used_the_processor() {
        let began = cpu_of(std::process::id());
        assert!(began >= 0.0);
        assert!(thread_us().expect("accounted") > 0.0);
    }
}
