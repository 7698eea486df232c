// SPDX-License-Identifier: Apache-2.0
//! A few threads that read, so that no async task waits for a disk.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use adjoin_model::{Error, Result};
use futures::channel::oneshot;

use crate::db::Db;
use crate::shared::Shared;

type Job = Box<dyn FnOnce() + Send>;

/// The threads; they end when this is dropped.
pub(crate) struct Readers {
    jobs: SyncSender<Job>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(crate) fn start(count: usize, queue: usize) -> Result<Self> {
        let (jobs, waiting) = sync_channel(queue);
        let waiting = Arc::new(Mutex::new(waiting));
        let thread = |number| {
            let waiting = waiting.clone();
            let builder = thread::Builder::new().name(format!("adjoin-read-{number}"));
            builder.spawn(move || work(&waiting)).map_err(not_started)
        };
        let threads = (0..count.max(1)).map(thread).collect::<Result<_>>()?;
        Ok(Self { jobs, threads })
    }

    /// Runs `read` on one of the threads.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        shared: &Arc<Shared>,
        read: impl FnOnce(&Db) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        shared.opener().check()?;
        let (to, answer) = oneshot::channel();
        let of = shared.clone();
        let job = Box::new(move || drop(to.send(of.with_db(read))));
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Error::exhausted("too many reads wait for the store").retry_after(100),
            TrySendError::Disconnected(_) => Error::unavailable("the store's readers have ended"),
        })?;
        answer.await.unwrap_or_else(|_| Err(Error::internal("reading ended in a panic; the log has it")))
    }

    /// Waits until the threads have ended.
    pub(crate) fn stop(self) {
        drop(self.jobs);
        for thread in self.threads {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn work(waiting: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting: whoever holds it is the next to get a job.
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // A reader outlives a panic of one read, whose caller learns of it by the answer that does not come.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
    }
}

pub(crate) fn not_started(error: std::io::Error) -> Error {
    Error::unavailable(format!("a thread of the store did not start: {error}"))
}
