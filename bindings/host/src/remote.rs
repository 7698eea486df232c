// SPDX-License-Identifier: Apache-2.0
//! A client of a host elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use adjoin::Client;
use adjoin_engine::Request;
use adjoin_entity::Operation;
use adjoin_model::{Error, Result};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use crate::outbox::Outbox;
use crate::settings::Settings;
use crate::values::{FromForeign, RequestId, ToForeign};

/// Elements of one request that wait to be taken.
const UNTAKEN: usize = 16;

pub(crate) struct Remote {
    client: Client,
    outbox: Arc<Outbox>,
    running: Arc<Mutex<HashMap<RequestId, Running>>>,
}

struct Running {
    task: AbortHandle,
    credit: Arc<Semaphore>,
}

impl Remote {
    pub(crate) async fn open(settings: &Settings, outbox: Arc<Outbox>) -> Result<Self> {
        let client = adjoin::connect(settings.address()?).await?;
        outbox.push([ToForeign::Ready { address: None, http: None }]);
        Ok(Self { client, outbox, running: Arc::default() })
    }

    fn running(&self) -> MutexGuard<'_, HashMap<RequestId, Running>> {
        lock(&self.running)
    }

    pub(crate) fn submit(&self, batch: Vec<FromForeign>) -> Result<()> {
        for item in batch {
            match item {
                FromForeign::Request { id, streams, request } => self.request(id, streams, *request),
                FromForeign::Cancel(id) => {
                    if let Some(running) = self.running().remove(&id) {
                        running.task.abort();
                    }
                }
                FromForeign::Taken(id) => {
                    if let Some(running) = self.running().get(&id) {
                        running.credit.add_permits(1);
                    }
                }
                // A client has no function.
                FromForeign::Frame(_) => {}
            }
        }
        Ok(())
    }

    fn request(&self, id: RequestId, streams: bool, request: Request) {
        let credit = Arc::new(Semaphore::new(UNTAKEN));
        let (client, outbox, running) = (self.client.clone(), self.outbox.clone(), self.running.clone());
        // Held until the entry is there, so that a fast answer finds it.
        let mut entries = self.running();
        let task = tokio::spawn({
            let credit = credit.clone();
            async move {
                let end = match request.operation {
                    Operation::Watch { after } => watch(&client, &outbox, &credit, id, request, after).await,
                    _ if streams => stream(&client, &outbox, &credit, id, request).await,
                    _ => call(&client, id, request).await,
                };
                if lock(&running).remove(&id).is_some() {
                    outbox.push([end]);
                }
            }
        });
        entries.insert(id, Running { task: task.abort_handle(), credit });
    }

    pub(crate) async fn close(&self) -> Result<()> {
        let rest: Vec<(RequestId, Running)> = self.running().drain().collect();
        for (id, running) in rest {
            running.task.abort();
            let error = Error::unavailable("the connection was closed").with_outcome(adjoin_model::Outcome::Unknown);
            self.outbox.push([ToForeign::Failed { id, error }]);
        }
        Ok(())
    }
}

fn lock(running: &Mutex<HashMap<RequestId, Running>>) -> MutexGuard<'_, HashMap<RequestId, Running>> {
    // A map of handles is whole at any time.
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn call(client: &Client, id: RequestId, request: Request) -> ToForeign {
    match client.call_json(request).await {
        Ok((payload, sequence)) => ToForeign::Reply { id, payload, sequence, replayed: false },
        Err(error) => ToForeign::Failed { id, error },
    }
}

async fn watch(
    client: &Client,
    outbox: &Outbox,
    credit: &Semaphore,
    id: RequestId,
    request: Request,
    after: Option<u64>,
) -> ToForeign {
    let mut elements = match client.watch_json(request, after).await {
        Ok(elements) => elements,
        Err(error) => return ToForeign::Failed { id, error },
    };
    loop {
        take_credit(credit).await;
        match elements.next().await {
            None => return ToForeign::End { id },
            Some(Err(error)) => return ToForeign::Failed { id, error },
            Some(Ok((sequence, payload))) => outbox.push([ToForeign::Element { id, payload, sequence }]),
        }
    }
}

async fn stream(client: &Client, outbox: &Outbox, credit: &Semaphore, id: RequestId, request: Request) -> ToForeign {
    let mut elements = client.stream_json(request);
    loop {
        take_credit(credit).await;
        match elements.next().await {
            None => return ToForeign::End { id },
            Some(Err(error)) => return ToForeign::Failed { id, error },
            Some(Ok(payload)) => outbox.push([ToForeign::Element { id, payload: Some(payload), sequence: 0 }]),
        }
    }
}

/// Waits until an element may be sent: the connection is read no further than the foreign side takes.
async fn take_credit(credit: &Semaphore) {
    if let Ok(permit) = credit.acquire().await {
        permit.forget();
    }
}
