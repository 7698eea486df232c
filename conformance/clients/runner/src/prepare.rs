// SPDX-License-Identifier: Apache-2.0
//! The clients, fetched from their registries at the pinned versions into a folder outside the checkout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};
use tokio::process::Command as Started;

/// The clients written in Go: what each program is called here, and its package.
const GO: [(&str, &str); 3] = [
    ("grpcurl", "github.com/fullstorydev/grpcurl/cmd/grpcurl"),
    ("interop", "google.golang.org/grpc/interop/client"),
    ("h2spec", "github.com/summerwind/h2spec/cmd/h2spec"),
];

/// What npm installs by.
const LOCKED: [&str; 2] = ["package.json", "package-lock.json"];

/// The programs on Node, copied beside what npm installs, where Node looks for it.
const NODE: [&str; 5] = ["client.js", "page.html", "page.js", "show.js", "web.js"];

/// Where the clients are.
pub(crate) struct Clients {
    sources: PathBuf,
    go: PathBuf,
    node: PathBuf,
    python: PathBuf,
}

impl Clients {
    /// Has every client: fetched and built unless that was done for the same pins before.
    ///
    /// # Errors
    /// What is missing, or did not build.
    pub(crate) fn ready(sources: &Path, python: &Path) -> Result<Self, String> {
        for tool in ["curl", "node", "chromium"] {
            answers(tool, &["--version"])?;
        }
        run(Command::new(python).args(["-c", "import grpc"]), "python")?;
        let go = sources.join("go");
        let go = made("go", &pins(&go, &["go.mod", "go.sum"])?, |folder| build_go(&go, folder))?;
        let node = sources.join("node");
        let node = made("node", &pins(&node, &LOCKED)?, |folder| install_node(&node, folder))?;
        Ok(Self { sources: sources.to_owned(), go, node, python: python.to_owned() })
    }

    /// Puts the programs on Node where Node finds what npm installed.
    ///
    /// # Errors
    /// What cannot be written.
    pub(crate) fn lay(&self, folder: &Path) -> Result<(), String> {
        let (from, to) = (self.sources.join("node"), folder.join("node"));
        NODE.iter().try_for_each(|name| copy(&from.join(name), &to.join(name)))?;
        let linked = std::os::unix::fs::symlink(self.node.join("node_modules"), to.join("node_modules"));
        linked.map_err(|error| format!("{}: {error}", to.display()))
    }

    /// A program written in Go.
    pub(crate) fn go(&self, name: &str) -> Started {
        Started::new(self.go.join(name))
    }

    /// The program on Python.
    pub(crate) fn python(&self) -> Started {
        let mut command = Started::new(&self.python);
        command.arg("-B").arg(self.sources.join("python/client.py"));
        command
    }
}

fn build_go(from: &Path, into: &Path) -> Result<(), String> {
    for (name, package) in GO {
        println!("building {name} from {package} …");
        let mut build = Command::new("go");
        // Neither another toolchain nor another version than go.sum names.
        build.env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=readonly -buildvcs=false").env("CGO_ENABLED", "0");
        build.args(["build", "-trimpath", "-o"]).arg(into.join(name)).arg(package).current_dir(from);
        run(&mut build, "go")?;
    }
    Ok(())
}

fn install_node(from: &Path, into: &Path) -> Result<(), String> {
    println!("installing the clients on Node …");
    LOCKED.iter().try_for_each(|name| copy(&from.join(name), &into.join(name)))?;
    let mut install = Command::new("npm");
    // Exactly what the lock file names, and nothing of theirs is run.
    install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(into);
    run(&mut install, "npm")
}

/// A folder of the cache, named by the pins that it is made by: checkouts with other pins do not undo it. It is there
/// whole or not at all.
fn made(what: &str, pins: &[u8], make: impl FnOnce(&Path) -> Result<(), String>) -> Result<PathBuf, String> {
    let cache = cache().join("adjoin/clients");
    let folder = cache.join(format!("{what}-{}", short(pins)));
    if folder.exists() {
        return Ok(folder);
    }
    let partial = cache.join(format!("{what}.{}", std::process::id()));
    fs::create_dir_all(&partial).map_err(|error| format!("{}: {error}", partial.display()))?;
    let said = |error: std::io::Error| format!("{}: {error}", folder.display());
    let made = make(&partial).and_then(|()| match fs::rename(&partial, &folder) {
        // Another run was quicker.
        Err(_) if folder.exists() => Ok(()),
        renamed => renamed.map_err(said),
    });
    // What was moved is not there any more.
    let _ = fs::remove_dir_all(&partial);
    made.map(|()| folder)
}

fn short(pins: &[u8]) -> String {
    Sha256::digest(pins).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
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

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let folder = to.parent().map_or(Ok(()), fs::create_dir_all);
    let copied = folder.and_then(|()| fs::copy(from, to));
    copied.map(drop).map_err(|error| format!("{} to {}: {error}", from.display(), to.display()))
}
