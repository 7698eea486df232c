// SPDX-License-Identifier: Apache-2.0
//! Redis with an append-only file that is synced before every answer.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::program;
use crate::Outcome;
use crate::process::{cpu_of, free_port};

/// A running server. It ends with this value.
pub(crate) struct Redis {
    child: Child,
    pub(crate) address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Redis {
    pub(crate) fn start() -> Outcome<Self> {
        let server = program(&["/usr/bin/redis-server"], "redis-server")?;
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let child = Command::new(server)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"])
            .args(["--appendfsync", "always", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()?;
        let server = Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)), _folder: folder };
        let began = Instant::now();
        while std::net::TcpStream::connect(server.address).is_err() {
            if began.elapsed() > Duration::from_secs(30) {
                return Err("Redis did not start within 30 s".into());
            }
            std::thread::yield_now();
        }
        Ok(server)
    }

    pub(crate) fn cpu(&self) -> f64 {
        cpu_of(self.child.id())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `INCR` of one of so many keys.
pub(crate) fn increments(keys: usize) -> Vec<Vec<u8>> {
    let one = |key: String| format!("*2\r\n$4\r\nINCR\r\n${}\r\n{key}\r\n", key.len()).into_bytes();
    (0..keys).map(|key| one(format!("k{key}"))).collect()
}
