// SPDX-License-Identifier: Apache-2.0
//! Where a function listens.

use std::fs::{Permissions, remove_file, set_permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use adjoin_model::{Error, Result};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;

use crate::address::Address;

/// A bound address. Dropping it frees the address; a Unix socket's file is removed.
pub struct Listener {
    socket: Either<TcpListener, UnixListener>,
    address: Address,
    _file: Option<Unlink>,
}

/// Removes the socket's file with the listener.
struct Unlink(PathBuf);

impl Drop for Unlink {
    fn drop(&mut self) {
        // One that is gone already needs no removing.
        let _ = remove_file(&self.0);
    }
}

impl Listener {
    /// Binds. The file that a Unix socket left behind is replaced when nobody answers there; a new one is for this user
    /// alone.
    ///
    /// # Errors
    /// `Unavailable`, with what to do, when the address is taken or cannot be had.
    pub async fn bind(address: &Address) -> Result<Self> {
        let bound = match address {
            Address::Tcp { host, port } => bind_tcp(host, *port).await,
            Address::Unix(path) => bind_unix(path).await,
        };
        bound.map_err(|error| {
            let advice = match error.kind() {
                io::ErrorKind::AddrInUse => "another process has it: end that one, or take another address",
                io::ErrorKind::PermissionDenied => "this user may not: take another address",
                _ => "correct the address",
            };
            Error::unavailable(format!("cannot listen at {address} ({error}); {advice}")).at("function", address)
        })
    }

    /// The address, with the port that was taken for port 0.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) async fn accept(&self) -> io::Result<Either<TcpStream, UnixStream>> {
        match &self.socket {
            Either::Left(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Either::Left(stream))
            }
            Either::Right(listener) => Ok(Either::Right(listener.accept().await?.0)),
        }
    }
}

async fn bind_tcp(host: &str, port: u16) -> io::Result<Listener> {
    let listener = TcpListener::bind((host, port)).await?;
    let port = listener.local_addr()?.port();
    let address = Address::Tcp { host: host.to_owned(), port };
    Ok(Listener { socket: Either::Left(listener), address, _file: None })
}

async fn bind_unix(path: &Path) -> io::Result<Listener> {
    if path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket()) {
        if UnixStream::connect(path).await.is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    let file = Some(Unlink(path.to_owned()));
    set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(Listener { socket: Either::Right(listener), address: Address::Unix(path.to_owned()), _file: file })
}
