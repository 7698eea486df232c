// SPDX-License-Identifier: Apache-2.0
//! The shop in Python in both homes: real ports, real replies, one `kill -9` and restart in each.

pub mod shown;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::server::{self, Folder, Server, free_port};
use crate::{python, setup};

const BOOK: &str = r#"{"product":"p1","name":"Book","qty":2}"#;
const PEN: &str = r#"{"product":"p2","name":"Pen","qty":3}"#;

/// What a demo needs.
struct Stage {
    python: PathBuf,
    package: PathBuf,
    shop: PathBuf,
    adjoin: PathBuf,
    requests: u32,
}

/// Runs the demo; with `keep` both homes go on serving until SIGINT or SIGTERM.
///
/// # Errors
/// What could not be built or started, or an answer that is not what a durable shop gives.
pub fn run(root: &Path, keep: bool) -> Result<(), String> {
    println!("building the proxy and the Python module …");
    python::run(Command::new("cargo").args(["build", "--quiet", "--package", "adjoin-cli"]).current_dir(root))?;
    let mut stage = Stage {
        python: python::ready(root)?,
        package: python::path(root),
        shop: root.join("examples/shop/python/shop.py"),
        adjoin: setup::target_folder(root)?.join("debug/adjoin"),
        requests: 0,
    };
    // After building: cargo and pip end by themselves.
    let signals = server::end_all_on_signals()?;
    let (first, second) = (Folder::new("demo-in-process")?, Folder::new("demo-sidecar")?);
    let host = stage.in_process(&first.path().join("journal"))?;
    let (function, proxy) = stage.sidecar(&second.path().join("journal"))?;
    println!("demo: {} requests to real ports, both homes kept every answered event through kill -9", stage.requests);
    if keep {
        let admin = proxy.line.split_once("admin on ").and_then(|(_, rest)| server::address(rest, "http://"));
        println!("\n{IN_PROCESS}{}", host.address);
        println!("{SIDECAR}{}, {ADMIN}{}", proxy.address, admin.ok_or("the proxy names no admin address")?);
        println!("{FUNCTION}{}", function.address);
        println!("{SERVING}");
        return until_signal(&signals, &[host, function, proxy]);
    }
    Ok(())
}

const IN_PROCESS: &str = "in-process: ";
const SIDECAR: &str = "sidecar: ";
const ADMIN: &str = "admin at ";
const FUNCTION: &str = "its function: ";
const SERVING: &str = "serving until Ctrl-C (SIGINT) or SIGTERM";

/// How soon the end of a server by itself is seen.
const LOOK: Duration = Duration::from_millis(500);

/// Waits for a signal, which has ended every server; one that ends by itself is an error.
fn until_signal(signals: &Receiver<i32>, servers: &[Server]) -> Result<(), String> {
    loop {
        // Ctrl-C reaches the servers as well: their end is seen a moment before or after the signal.
        let ended = servers.iter().any(Server::has_ended);
        if signals.recv_timeout(LOOK).is_ok() {
            println!("ended: no server is left");
            return Ok(());
        }
        if ended {
            return Err("a server ended by itself".into());
        }
    }
}

impl Stage {
    /// The host inside the Python process.
    fn in_process(&mut self, journal: &Path) -> Result<Server, String> {
        println!("\n== in-process: the host is a library in the Python process, its journal a folder");
        let open = |stage: &Self| {
            let mut command = stage.python();
            command.arg("open").arg(journal).args(["--http", "127.0.0.1:0"]);
            Server::start(&mut command, "http://")
        };
        let host = open(self)?;
        self.shopping(&host.address)?;
        self.grpc(&host.address)?;
        println!("kill -9 {}", host.kill());
        let host = open(self)?;
        self.still_there(&host.address)?;
        Ok(host)
    }

    /// The proxy beside the Python process.
    fn sidecar(&mut self, journal: &Path) -> Result<(Server, Server), String> {
        println!("\n== sidecar: the proxy `adjoin serve` beside the Python process, gRPC between them");
        let address = format!("127.0.0.1:{}", free_port()?);
        let function = Server::start(self.python().args(["serve", &address]), &address)?;
        let proxy = self.proxy(&address, journal)?;
        self.shopping(&proxy.address)?;
        self.grpc(&proxy.address)?;
        println!("kill -9 {}", proxy.kill());
        let proxy = self.proxy(&address, journal)?;
        self.still_there(&proxy.address)?;
        Ok((function, proxy))
    }

    fn python(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.env("PYTHONPATH", &self.package).arg(&self.shop);
        command
    }

    fn proxy(&self, function: &str, journal: &Path) -> Result<Server, String> {
        let mut command = Command::new(&self.adjoin);
        command.args(["serve", "--function", function, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"]);
        Server::start(command.arg(journal), "http://")
    }

    fn shopping(&mut self, address: &str) -> Result<(), String> {
        self.ask(address, "/shop.Cart/ada/addItem", Some(BOOK), 200, "1")?;
        self.ask(address, "/shop.Cart/ada/addItem", Some(PEN), 200, "2")?;
        self.ask(address, "/shop.Cart/ada/addItem", Some(r#"{"product":"p3","name":"Ink","qty":0}"#), 400, "qty")?;
        self.ask(address, "/shop.Cart/ada/removeItem", Some(r#""p2""#), 200, "null")?;
        self.ask(address, "/shop.Profile/ada/changeEmail", Some(r#""ada@example.org""#), 200, "ada")?;
        self.ask(address, "/shop.Mailer/all/welcome", Some(r#""ada@example.org""#), 200, "welcome, ada@example.org")?;
        self.ask(address, "/shop.Cart/ada/contents", None, 200, "Book")
    }

    fn still_there(&mut self, address: &str) -> Result<(), String> {
        println!("restarted on {address}");
        self.ask(address, "/shop.Cart/ada/contents", None, 200, "Book")?;
        self.ask(address, "/shop.Cart/ada/checkOut", Some(""), 200, "1")
    }

    /// The same port speaks gRPC: the CLI calls the generic service.
    fn grpc(&mut self, address: &str) -> Result<(), String> {
        let mut command = Command::new(&self.adjoin);
        command.args(["call", "--grpc", "--address", address, "shop.Cart/bob", "addItem", BOOK]);
        let output = command.output().map_err(|error| format!("adjoin call: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        println!("gRPC adjoin.client.v1.Entities/Call shop.Cart/bob addItem {BOOK}\n  {said}");
        self.requests += 1;
        if output.status.success() && said.contains('1') {
            return Ok(());
        }
        Err(format!("adjoin call ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
    }

    /// One request over HTTP; prints what was sent and what came back.
    fn ask(&mut self, address: &str, path: &str, body: Option<&str>, status: u16, holds: &str) -> Result<(), String> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .into();
        let url = format!("{address}{path}");
        let answer = match body {
            Some(body) => agent.post(&url).header("content-type", "application/json").send(body),
            None => agent.get(&url).call(),
        };
        let mut answer = answer.map_err(|error| format!("{url}: {error}"))?;
        let text = answer.body_mut().read_to_string().map_err(|error| format!("{url}: {error}"))?;
        let method = if body.is_some() { "POST" } else { "GET" };
        println!("{method} {path} {}\n  {} {text}", body.unwrap_or_default(), answer.status().as_u16());
        self.requests += 1;
        if answer.status().as_u16() == status && text.contains(holds) {
            return Ok(());
        }
        Err(format!("{method} {url} should have answered {status} with {holds:?}"))
    }
}
