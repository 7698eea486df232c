// SPDX-License-Identifier: Apache-2.0
//! The five calls.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adjoin_model::{Error, Result};
use tokio::runtime::Runtime;

use crate::in_process::InProcess;
use crate::outbox::Outbox;
use crate::remote::Remote;
use crate::serving::Serving;
use crate::settings::{Mode, Settings};
use crate::values::{FromForeign, ToForeign};

/// What a mode does with what comes in.
enum Home {
    InProcess(InProcess),
    Serve(Serving),
    Connect(Remote),
}

/// An open host. Every method may be called from any thread.
pub struct Host {
    outbox: Arc<Outbox>,
    /// Taken by the close; a fork forgets it, since the threads are not in the child.
    open: Mutex<Option<Open>>,
    /// One close at a time.
    closing: Mutex<()>,
    process: u32,
    drain: Duration,
}

struct Open {
    home: Arc<Home>,
    runtime: Runtime,
}

impl Host {
    /// Opens a host as the settings, a JSON object, say. Blocks while a folder is opened or an address bound.
    ///
    /// # Errors
    /// What is wrong: with the settings, the spec, the folder, an address.
    pub fn open(settings: &str) -> Result<Self> {
        guard(|| Self::opened(&Settings::from_json(settings)?))
    }

    fn opened(settings: &Settings) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("adjoin")
            .build()
            .map_err(|error| Error::unavailable(format!("no threads for the host: {error}")))?;
        let outbox = Arc::new(Outbox::new()?);
        let home = runtime.block_on(async {
            Ok::<_, Error>(match settings.mode {
                Mode::InProcess => Home::InProcess(InProcess::open(settings, outbox.clone()).await?),
                Mode::Serve => Home::Serve(Serving::open(settings, outbox.clone()).await?),
                Mode::Connect => Home::Connect(Remote::open(settings, outbox.clone()).await?),
            })
        })?;
        Ok(Self {
            outbox,
            open: Mutex::new(Some(Open { home: Arc::new(home), runtime })),
            closing: Mutex::default(),
            process: std::process::id(),
            drain: Duration::from_millis(settings.drain_ms),
        })
    }

    /// Hands frames and requests in, in order. Never blocks.
    ///
    /// # Errors
    /// `Invalid` in a fork; `Unavailable` when the host is closed.
    pub fn submit(&self, batch: Vec<FromForeign>) -> Result<()> {
        self.here()?;
        let (home, handle) = {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let open = open.as_ref().ok_or_else(|| Error::unavailable("the host is closed"))?;
            (open.home.clone(), open.runtime.handle().clone())
        };
        guard(|| {
            let _entered = handle.enter();
            match &*home {
                Home::InProcess(home) => home.submit(batch),
                Home::Serve(home) => home.submit(batch),
                Home::Connect(home) => home.submit(batch),
            }
        })
    }

    /// What there is to handle: waits up to `timeout` (`None`: as long as it takes).
    ///
    /// # Errors
    /// `Invalid` in a fork.
    pub fn poll(&self, timeout: Option<Duration>) -> Result<Vec<ToForeign>> {
        self.here()?;
        guard(|| Ok(self.outbox.poll(timeout)))
    }

    /// A descriptor that is readable while something is to be polled. It lives as long as the host.
    #[must_use]
    pub fn wake_fd(&self) -> i32 {
        self.outbox.wake_fd()
    }

    /// Ends the host in order: what it has begun is answered, so somebody must go on polling. Returns when that is
    /// done. A second call waits for the first.
    ///
    /// # Errors
    /// `Invalid` in a fork; what the store says when it cannot be closed.
    pub fn close(&self) -> Result<()> {
        self.here()?;
        let _one = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        let home = match &*self.open.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(open) => (open.home.clone(), open.runtime.handle().clone()),
            None => return Ok(()),
        };
        let result = guard(|| {
            let (home, handle) = home;
            handle.block_on(async {
                match &*home {
                    Home::InProcess(home) => home.close(self.drain).await,
                    Home::Serve(home) => home.close().await,
                    Home::Connect(home) => home.close().await,
                }
            })
        });
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.outbox.close();
        if let Some(open) = open {
            drop(open.home);
            open.runtime.shutdown_timeout(Duration::from_secs(1));
        }
        result
    }

    /// A fork has none of the threads: whatever it did here would wait for ever.
    fn here(&self) -> Result<()> {
        if std::process::id() == self.process {
            return Ok(());
        }
        Err(Error::invalid("this process is a fork of the one that opened the host: open one in here"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let Some(open) = open else { return };
        if std::process::id() == self.process {
            // Without a close nothing is waited for; what was acknowledged is on disk.
            self.outbox.close();
            drop(open.home);
            open.runtime.shutdown_background();
        } else {
            // The child of a fork has no threads to end, and the files belong to the parent.
            std::mem::forget(open);
        }
    }
}

/// The one panic guard: what a bug of ours throws becomes an error of the call.
fn guard<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<&str>().map(ToString::to_string);
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Error::internal(format!("a bug in the host: {said}")))
    })
}
