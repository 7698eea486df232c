// SPDX-License-Identifier: Apache-2.0
//! PostgreSQL 15 with its distribution's settings, in a folder of its own, on loopback.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::program;
use crate::Outcome;
use crate::process::{cpu_of, free_port, run};

/// A running server. It ends with this value.
pub(crate) struct Postgres {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Postgres {
    pub(crate) fn start() -> Outcome<Self> {
        let postgres = program(&["/usr/lib/postgresql/15/bin/postgres"], "postgresql-15")?;
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        let path = folder.path().display().to_string();
        run(Command::new("chmod").args(["0755", &path]))?;
        std::fs::create_dir(&data)?;
        run(Command::new("chown").arg("-R").arg("postgres").arg(&path))?;
        let initdb = postgres.with_file_name("initdb");
        run(as_postgres(&initdb).args(["--auth=trust", "--encoding=UTF8", "-D"]).arg(&data))?;
        let port = free_port()?;
        let child = as_postgres(&postgres)
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-k", &path, "-c", "listen_addresses=127.0.0.1"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let server = Self { child, port, _folder: folder };
        server.wait(&postgres.with_file_name("pg_isready"))?;
        Ok(server)
    }

    /// How clients connect.
    pub(crate) fn database(&self) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname=postgres", self.port)
    }

    /// Its port is open some time before it takes connections.
    fn wait(&self, is_ready: &Path) -> Outcome<()> {
        let (began, port) = (Instant::now(), self.port.to_string());
        while began.elapsed() < Duration::from_secs(30) {
            if run(Command::new(is_ready).args(["-q", "-t", "1", "-h", "127.0.0.1", "-p", &port])).is_ok() {
                return Ok(());
            }
        }
        Err("PostgreSQL did not start within 30 s".into())
    }

    /// Processor seconds of the server and all its back ends so far.
    pub(crate) fn cpu(&self) -> f64 {
        // setpriv replaces itself by the server, so the child is the postmaster.
        let own = self.child.id();
        let children = format!("/proc/{own}/task/{own}/children");
        let children = std::fs::read_to_string(children).unwrap_or_default();
        let back_ends: f64 = children.split_whitespace().filter_map(|id| id.parse().ok()).map(cpu_of).sum();
        cpu_of(own) + back_ends
    }
}

/// PostgreSQL refuses to run as root.
fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program).current_dir("/");
    command
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGINT is PostgreSQL's fast shutdown: its back ends go too.
        let _ = run(Command::new("kill").args(["-INT", &self.child.id().to_string()]));
        let _ = self.child.wait();
    }
}
