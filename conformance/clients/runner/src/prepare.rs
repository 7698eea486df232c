// SPDX-License-Identifier: Apache-2.0
//! The clients, fetched from their registries at the pinned versions into a folder outside the checkout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokio::process::Command as Started;

/// The clients written in Go: what each program is called here, and its package.
const GO: [(&str, &str); 3] = [
    ("grpcurl", "github.com/fullstorydev/grpcurl/cmd/grpcurl"),
    ("interop", "google.golang.org/grpc/interop/client"),
    ("h2spec", "github.com/summerwind/h2spec/cmd/h2spec"),
];

/// The programs on Node, copied beside what npm installs, where Node looks for it.
const NODE: [&str; 5] = ["client.js", "page.html", "page.js", "show.js", "web.js"];

/// Where the clients are.
pub(crate) struct Clients {
    sources: PathBuf,
    cache: PathBuf,
    python: PathBuf,
}

impl Clients {
    /// Has every client: fetched and built unless the pins are those of the last time.
    ///
    /// # Errors
    /// What is missing, or did not build.
    pub(crate) fn ready(sources: &Path, python: &Path) -> Result<Self, String> {
        let cache = cache().join("adjoin/clients");
        let clients = Self { sources: sources.to_owned(), cache, python: python.to_owned() };
        for tool in ["curl", "node", "chromium"] {
            answers(tool, &["--version"])?;
        }
        run(Command::new(python).args(["-c", "import grpc"]), "python")?;
        clients.build_go(&sources.join("go"))?;
        clients.install_node(&sources.join("node"))?;
        Ok(clients)
    }

    /// A program written in Go.
    pub(crate) fn go(&self, name: &str) -> PathBuf {
        self.cache.join("go").join(name)
    }

    /// A program on Node.
    pub(crate) fn node(&self, program: &str) -> Started {
        let mut command = Started::new("node");
        command.arg(self.cache.join("node").join(program));
        command
    }

    /// The program on Python.
    pub(crate) fn python(&self) -> Started {
        let mut command = Started::new(&self.python);
        command.arg("-B").arg(self.sources.join("python/client.py"));
        command
    }

    fn install_node(&self, from: &Path) -> Result<(), String> {
        let folder = self.cache.join("node");
        let names = ["package.json", "package-lock.json"];
        let pins = pins(from, &names)?;
        for name in names.iter().chain(&NODE) {
            let file = from.join(name);
            write(&folder.join(name), &fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?)?;
        }
        if fs::read(folder.join("pins")).is_ok_and(|known| known == pins) {
            return Ok(());
        }
        println!("installing the clients on Node …");
        let mut install = Command::new("npm");
        // Exactly what the lock file names, and nothing of theirs is run.
        install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&folder);
        run(&mut install, "npm")?;
        write(&folder.join("pins"), &pins)
    }

    fn build_go(&self, from: &Path) -> Result<(), String> {
        let folder = self.cache.join("go");
        let pins = pins(from, &["go.mod", "go.sum"])?;
        if fs::read(folder.join("pins")).is_ok_and(|known| known == pins) {
            return Ok(());
        }
        for (name, package) in GO {
            println!("building {name} from {package} …");
            let mut build = Command::new("go");
            // Neither another toolchain nor another version than go.sum names.
            build.env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=readonly -buildvcs=false").env("CGO_ENABLED", "0");
            build.args(["build", "-trimpath", "-o"]).arg(folder.join(name)).arg(package).current_dir(from);
            run(&mut build, "go")?;
        }
        write(&folder.join("pins"), &pins)
    }
}

fn cache() -> PathBuf {
    let home = || std::env::home_dir().unwrap_or_else(std::env::temp_dir).join(".cache");
    std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()).map_or_else(home, PathBuf::from)
}

/// The files that say which versions there are to be, as one.
fn pins(folder: &Path, names: &[&str]) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    for name in names {
        let file = folder.join(name);
        all.extend(fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?);
    }
    Ok(all)
}

/// Whether a program of the system is there.
fn answers(tool: &str, words: &[&str]) -> Result<(), String> {
    run(Command::new(tool).args(words).stdout(Stdio::null()).stderr(Stdio::null()), tool)
}

fn run(command: &mut Command, tool: &str) -> Result<(), String> {
    let status = command.stdin(Stdio::null()).status().map_err(|error| missing(&error, tool))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
}

fn missing(error: &std::io::Error, tool: &str) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("`{tool}` is missing: `cargo xtask conformance clients` installs or names it")
        }
        _ => format!("{tool}: {error}"),
    }
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), String> {
    let said = |error: std::io::Error| format!("{}: {error}", file.display());
    file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(file, bytes)).map_err(said)
}
