// SPDX-License-Identifier: Apache-2.0
//! What clients call: the function, and the proxy before it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use adjoin_conformance::{How, Process, free_port};
use adjoin_function::Server;
use tokio::process::Command;

use crate::function;

/// Bytes of a body that the proxy takes at most.
const BODY_BYTES: usize = 1 << 20;

/// Deeper than JSON is taken.
const DEEP: usize = 500;

/// A proxy with its function.
pub(crate) struct Site {
    /// Where clients connect.
    pub(crate) proxy: SocketAddr,
    /// Where pages of the one origin that may call it are to be served.
    pub(crate) pages: SocketAddr,
    /// What clients find and leave there is gone in the end.
    pub(crate) folder: tempfile::TempDir,
    /// Where the files of the contract are.
    pub(crate) protos: Vec<PathBuf>,
    process: Process,
    _function: Server,
}

impl Site {
    /// Starts both.
    ///
    /// # Errors
    /// What does not start.
    pub(crate) async fn start(adjoin: &Path, protos: Vec<PathBuf>) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        let deep = format!("{{\"extra\":{{\"a\":{}{}}}}}", "[".repeat(DEEP), "]".repeat(DEEP));
        // Of gRPC: a Line with the text "hi".
        let frame = "\0\0\0\0\x04\x0a\x02hi".into();
        let (large, long) = ("x".repeat(BODY_BYTES + 1), "x".repeat(40_000));
        for (name, body) in [("large", large), ("long", long), ("deep", deep), ("frame", frame)] {
            std::fs::write(folder.path().join(name), body).map_err(|error| format!("{name}: {error}"))?;
        }
        let function = function::start(&protos.iter().map(PathBuf::as_path).collect::<Vec<_>>()).await?;
        let pages = free_address()?;
        let mut command = Command::new(adjoin);
        command.args(["serve", "--memory", "--protocol", "adjoin", "--admin", "127.0.0.1:0"]);
        command.args(["--listen", "127.0.0.1:0", "--function", &function.address().to_string()]);
        command.args(["--cors-origin", &format!("http://{pages}")]).current_dir(folder.path());
        command.env("ADJOIN_LOG", "warn").env("ADJOIN_INGRESS__BODY_BYTES", BODY_BYTES.to_string());
        let mut process = Process::start(&mut command, &folder.path().join("proxy.log"))?;
        let proxy = process.says("listening on http://").await?;
        let proxy = proxy.parse().map_err(|error| format!("{proxy} is no address: {error}"))?;
        process.says("ready").await?;
        Ok(Self { proxy, pages, folder, protos, process, _function: function })
    }

    /// Ends the proxy.
    ///
    /// # Errors
    /// If it has ended before, or does not end in time.
    pub(crate) async fn end(self) -> Result<(), String> {
        self.process.end(How::Told).await
    }
}

/// An address of the loopback that was free a moment ago.
fn free_address() -> Result<SocketAddr, String> {
    Ok((Ipv4Addr::LOCALHOST, free_port()?).into())
}
