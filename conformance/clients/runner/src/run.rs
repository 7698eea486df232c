// SPDX-License-Identifier: Apache-2.0
//! One command: started, read to its end, made comparable.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use crate::prepare::Clients;
use crate::site::Site;
use crate::{h2spec, interop};

/// No client takes so long.
const ENDED_WITHIN: Duration = Duration::from_secs(60);

/// What is masked wherever it is printed.
const MASKED: &str = "{date}";

/// Runs commands against a site.
pub(crate) struct Runner<'a> {
    pub(crate) clients: &'a Clients,
    pub(crate) site: &'a Site,
}

impl Runner<'_> {
    /// What a command prints: its output, then its errors, then how it ended unless well.
    ///
    /// # Errors
    /// If there is no such client, or it does not end in time.
    pub(crate) async fn run(&self, words: &[String]) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|word| self.filled(word)).collect();
        match words.first().map(String::as_str) {
            Some("h2spec") => return self.h2spec(&words[1..]).await,
            Some("interop") => return self.interop(&words[1..]).await,
            _ => {}
        }
        let mut command = self.command(&words)?;
        self.printed(&mut command).await
    }

    /// What h2spec finds, section by section.
    async fn h2spec(&self, sections: &[String]) -> Result<String, String> {
        let report = self.site.folder.path().join("h2spec.xml");
        // That of the step before says nothing of this one.
        let _ = std::fs::remove_file(&report);
        let mut command = self.clients.go("h2spec");
        let (host, port) = (self.site.proxy.ip().to_string(), self.site.proxy.port().to_string());
        command.args(sections).args(["--host", &host, "--port", &port, "--strict", "--timeout", "2"]);
        let printed = self.printed(command.arg("--junit-report").arg(&report)).await?;
        h2spec::read(&report).map_err(|said| format!("{said}; it printed {printed}"))
    }

    async fn printed(&self, command: &mut Command) -> Result<String, String> {
        let shown = format!("{:?}", command.as_std());
        // Whatever proxies the environment names, the port is asked itself.
        command.env("no_proxy", "*").env("NO_PROXY", "*");
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
        let child = child.map_err(|error| format!("{shown} did not start: {error}"))?;
        let ended = tokio::time::timeout(ENDED_WITHIN, child.wait_with_output()).await;
        let output = ended.map_err(|_| format!("{shown} did not end in {ENDED_WITHIN:?}"))?;
        Ok(self.masked(&text(&output.map_err(|error| format!("{shown}: {error}"))?)))
    }

    fn command(&self, words: &[String]) -> Result<Command, String> {
        let (name, rest) = words.split_first().ok_or("no command")?;
        let (pages, url) = (format!("http://{}", self.site.pages), format!("http://{}", self.site.proxy));
        let mut command = match name.as_str() {
            "curl" => self.curl(),
            "grpcurl" => self.clients.go("grpcurl"),
            "grpc-js" => self.node("client.js"),
            "grpc-web" => self.node("web.js"),
            "grpcio" => self.clients.python(),
            other => return Err(format!("there is no client {other}")),
        };
        command.args(rest).current_dir(self.site.folder.path());
        match name.as_str() {
            "grpc-js" => command.arg(self.site.proxy.to_string()).args(&self.site.protos),
            "grpc-web" => command.args([&pages, &url]).args(&self.site.protos),
            "grpcio" => command.arg(self.site.proxy.to_string()),
            _ => &mut command,
        };
        Ok(command)
    }

    /// Shows the head of the answer, and never asks a proxy of the environment.
    fn curl(&self) -> Command {
        let mut command = Command::new("curl");
        command.args(["--disable", "--silent", "--show-error", "--include", "--noproxy", "*", "--max-time", "20"]);
        command
    }

    fn node(&self, program: &str) -> Command {
        let mut command = Command::new("node");
        command.arg(self.site.folder.path().join("node").join(program));
        command
    }

    /// Cases of gRPC's interoperability client in Go, one line each. It says nothing when one passes. `but A B` lists
    /// those that it knows beside these.
    async fn interop(&self, cases: &[String]) -> Result<String, String> {
        if let [but, known @ ..] = cases
            && but == "but"
        {
            let help = self.printed(self.clients.go("interop").arg("--help")).await?;
            return Ok(interop::others(&help, known));
        }
        let (host, port) = (self.site.proxy.ip(), self.site.proxy.port());
        let mut lines = Vec::new();
        for case in cases {
            let mut command = self.clients.go("interop");
            command.args([format!("--server_host={host}"), format!("--server_port={port}"), "--use_tls=false".into()]);
            let printed = self.printed(command.arg(format!("--test_case={case}"))).await?;
            lines.push(interop::outcome(case, &printed));
        }
        Ok(lines.join("\n"))
    }

    fn names(&self) -> [(&'static str, String); 3] {
        [
            ("{url}", format!("http://{}", self.site.proxy)),
            ("{address}", self.site.proxy.to_string()),
            ("{pages}", format!("http://{}", self.site.pages)),
        ]
    }

    fn filled(&self, word: &str) -> String {
        let word = word.replace("{nl}", "\n");
        self.names().iter().fold(word, |word, (name, value)| word.replace(name, value))
    }

    /// Without what is another one each time: addresses and dates.
    fn masked(&self, printed: &str) -> String {
        let printed = self.names().iter().fold(printed.to_owned(), |text, (name, value)| text.replace(value, name));
        let lines = printed.lines().map(|line| match line.split_once(": ") {
            Some((name, _)) if name.eq_ignore_ascii_case("date") => format!("{name}: {MASKED}"),
            _ => line.trim_end().to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
    }
}

fn text(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        let code = output.status.code().map_or("a signal".to_owned(), |code| code.to_string());
        text.push_str(&format!("\nexit {code}"));
    }
    text
}

/// A program in the folder of this one.
///
/// # Errors
/// If nobody knows where that is.
pub(crate) fn beside(name: &str) -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    Ok(this.with_file_name(name))
}
