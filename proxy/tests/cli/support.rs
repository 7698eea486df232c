// SPDX-License-Identifier: Apache-2.0
//! Processes of the tests: started on free ports, found by the lines they print, ended by their ids.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Long enough for a machine that does much else; only a failure waits for it.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Anything started here, with the lines of its standard output and error.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("started");
        let (say, lines) = channel();
        let out: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("piped")), Box::new(child.stderr.take().expect("piped"))];
        for stream in out {
            let say = say.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    // The test may have ended.
                    let _ = say.send(line);
                }
            });
        }
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits for a line that holds `part`.
    pub(crate) fn line(&mut self, part: &str) -> String {
        let until = Instant::now() + SOON;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(_) => panic!("no line with {part:?} in:\n{}", self.seen.join("\n")),
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status().expect("kill");
        assert!(sent.success(), "kill -{name}");
    }

    /// As a power failure would.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Waits for its end, with everything it said.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let until = Instant::now() + SOON;
        while Instant::now() < until {
            while let Ok(line) = self.lines.recv_timeout(Duration::from_millis(10)) {
                self.seen.push(line);
            }
            if let Some(status) = self.child.try_wait().expect("waited") {
                self.seen.extend(self.lines.try_iter());
                return (status, self.seen.join("\n"));
            }
        }
        panic!("still running after {SOON:?}:\n{}", self.seen.join("\n"));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Ended ones are as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, without what the environment of the tests may say.
pub(crate) fn adjoin() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_adjoin"));
    let ours = std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("ADJOIN_"));
    ours.chain(["USER_FUNCTION_HOST".into(), "USER_FUNCTION_PORT".into(), "HTTP_PORT".into()]).for_each(|name| {
        command.env_remove(name);
    });
    command
}

/// Runs the binary to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    adjoin().args(arguments).stdin(Stdio::null()).output().expect("run")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A running host with its two addresses.
pub(crate) struct Host {
    pub(crate) process: Process,
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Host {
    /// `adjoin serve` on free ports.
    pub(crate) fn serve(function: &str, arguments: &[&str]) -> Self {
        let mut command = adjoin();
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--function", function]);
        Self::start(command.args(arguments))
    }

    /// Anything that prints where it listens.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut process = Process::start(command);
        let line = process.line("listening on http://");
        let mut addresses = line.split("http://").skip(1).map(|rest| rest.split(',').next().expect("split"));
        let mut next = || addresses.next().and_then(|text| text.trim().parse().ok()).expect("an address");
        Self { listen: next(), admin: next(), process }
    }

    /// On a folder or in memory, with a function, ready.
    pub(crate) fn ready(function: &str, arguments: &[&str]) -> Self {
        let mut host = Self::serve(function, arguments);
        host.process.line("ready");
        host
    }

    /// Adds an item to a cart.
    pub(crate) fn add(&self, cart: &str, product: &str) -> Answer {
        let body = format!(r#"{{"product":"{product}","qty":1}}"#);
        post(self.listen, &format!("/shop.Cart/{cart}/addItem"), &body)
    }

    pub(crate) fn contents(&self, cart: &str) -> String {
        post(self.listen, &format!("/shop.Cart/{cart}/contents"), "").body
    }

    /// The admin address as the command line takes it.
    pub(crate) fn admin(&self) -> String {
        format!("http://{}", self.admin)
    }

    pub(crate) fn address(&self) -> String {
        format!("http://{}", self.listen)
    }
}

/// A function's process and where it listens.
pub(crate) struct Function {
    pub(crate) process: Process,
    pub(crate) address: String,
}

impl Function {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// The one that takes events, and notes what it sends in this folder.
    pub(crate) fn listener(folder: &Path) -> Self {
        Self::with(|command| {
            command.env(crate::listener::MAILS, folder);
        })
    }

    fn with(change: impl FnOnce(&mut Command)) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = crate::function::command(&address);
        change(&mut command);
        Self { process: Process::start(&mut command), address }
    }
}

/// Exit code, output and errors of the command line.
pub(crate) type Said = (Option<i32>, String, String);

/// The command line on the admin API of a host.
pub(crate) fn ask(host: &Host, words: &[&str]) -> Said {
    said(words, &["--admin", &host.admin()])
}

/// The command line on a folder.
pub(crate) fn offline(folder: &Path, words: &[&str]) -> Said {
    said(words, &["--data", &folder.display().to_string()])
}

fn said(words: &[&str], of: &[&str]) -> Said {
    let output = adjoin().args(words).args(of).output().expect("run");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Lines of JSON of a command that ended well.
pub(crate) fn rows(said: &Said) -> Vec<serde_json::Value> {
    assert_eq!(said.0, Some(0), "{}", said.2);
    said.1.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A host with a journal in this folder.
pub(crate) fn on(folder: &Path, function: &Function) -> Host {
    Host::ready(&function.address, &["--data", &folder.display().to_string()])
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port").port()
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

pub(crate) fn post(address: SocketAddr, path: &str, body: &str) -> Answer {
    request(address, "POST", path, body)
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    request(address, "GET", path, "")
}

fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    try_request(address, method, path, body).expect("an answer")
}

pub(crate) fn try_request(address: SocketAddr, method: &str, path: &str, body: &str) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SOON))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = text(&answer);
    let cut = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(cut)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(cut)?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Ok(Answer { status, body: if chunked { unchunked(body) } else { body.to_owned() } })
}

fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || after.len() < size {
            break;
        }
        body.push_str(&after[..size]);
        rest = after[size..].trim_start_matches("\r\n");
    }
    body
}

/// Asks again until it is so.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + SOON;
    while Instant::now() < end {
        if let Some(found) = ask() {
            return found;
        }
        std::thread::yield_now();
    }
    panic!("never came about: {what}");
}
