// SPDX-License-Identifier: Apache-2.0
//! A client of a host elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use adjoin::{Client, RemoteElements};
use adjoin_engine::Request;
use adjoin_entity::Operation;
use adjoin_model::{Error, Payload, Result};
use futures::{Stream, stream};
use tokio::sync::{Semaphore, mpsc};
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
    /// Where the elements go that it sends, and a `None` at the end of its stream; none if it sends none.
    input: Option<mpsc::Sender<Option<Payload>>>,
}

impl Remote {
    pub(crate) async fn open(settings: &Settings, outbox: Arc<Outbox>) -> Result<Self> {
        let client = adjoin::connect(settings.address()?).await?;
        outbox.push([ToForeign::Ready { address: None, http: None, notes: Vec::new() }]);
        Ok(Self { client, outbox, running: Arc::default() })
    }

    fn running(&self) -> MutexGuard<'_, HashMap<RequestId, Running>> {
        lock(&self.running)
    }

    pub(crate) fn submit(&self, batch: Vec<FromForeign>) -> Result<()> {
        for item in batch {
            match item {
                FromForeign::Request { id, streams, uploads, request } => self.request(id, streams, uploads, *request),
                FromForeign::Input { id, payload } => self.input(id, Some(payload)),
                FromForeign::InputEnd(id) => self.input(id, None),
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

    /// The foreign side keeps within its credit, so there is room.
    fn input(&self, id: RequestId, payload: Option<Payload>) {
        let mut entries = self.running();
        let Some(running) = entries.get_mut(&id) else { return };
        let sent = running.input.as_ref().map(|input| input.try_send(payload));
        if let Some(Err(mpsc::error::TrySendError::Full(_))) = sent
            && let Some(running) = entries.remove(&id)
        {
            running.task.abort();
            let said = format!("more than {UNTAKEN} elements were sent before the host took any");
            let error = Error::exhausted(said).with_outcome(adjoin_model::Outcome::Unknown);
            self.outbox.push([ToForeign::Failed { id, error }]);
        }
    }

    fn request(&self, id: RequestId, streams: bool, uploads: bool, request: Request) {
        let credit = Arc::new(Semaphore::new(UNTAKEN));
        let (input, uploaded) = if uploads { Some(mpsc::channel(UNTAKEN + 1)).unzip() } else { (None, None) };
        let (client, outbox, running) = (self.client.clone(), self.outbox.clone(), self.running.clone());
        // Held until the entry is there, so that a fast answer finds it.
        let mut entries = self.running();
        let task = tokio::spawn({
            let credit = credit.clone();
            async move {
                let end = match (uploaded, request.operation) {
                    (Some(uploaded), _) => {
                        let replies = client.exchange_json(request, upload(id, uploaded, outbox.clone()));
                        if streams { elements(&outbox, &credit, id, replies).await } else { only(id, replies).await }
                    }
                    (None, Operation::Watch { after }) => watch(&client, &outbox, &credit, id, request, after).await,
                    (None, _) if streams => elements(&outbox, &credit, id, client.stream_json(request)).await,
                    (None, _) => call(&client, id, request).await,
                };
                if lock(&running).remove(&id).is_some() {
                    outbox.push([end]);
                }
            }
        });
        entries.insert(id, Running { task: task.abort_handle(), credit, input });
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

/// A streamed reply, read as the foreign side takes it.
async fn elements(outbox: &Outbox, credit: &Semaphore, id: RequestId, mut elements: RemoteElements) -> ToForeign {
    loop {
        take_credit(credit).await;
        match elements.next().await {
            None => return ToForeign::End { id },
            Some(Err(error)) => return ToForeign::Failed { id, error },
            Some(Ok(payload)) => outbox.push([ToForeign::Element { id, payload: Some(payload), sequence: 0 }]),
        }
    }
}

/// The reply to a stream where it is one: its only element.
async fn only(id: RequestId, mut replies: RemoteElements) -> ToForeign {
    match replies.next().await.transpose() {
        Ok(payload) => ToForeign::Reply { id, payload, sequence: 0, replayed: false },
        Err(error) => ToForeign::Failed { id, error },
    }
}

/// The stream that a request sends, as the connection takes it. A request that is cancelled drops its sender: then the
/// stream ends without saying that it is complete.
fn upload(
    id: RequestId,
    uploaded: mpsc::Receiver<Option<Payload>>,
    outbox: Arc<Outbox>,
) -> impl Stream<Item = Option<Payload>> + Send + 'static {
    stream::unfold(Some((uploaded, outbox)), move |open| async move {
        let (mut uploaded, outbox) = open?;
        let element = uploaded.recv().await?;
        // An element makes room when the connection takes it.
        outbox.push(element.iter().map(|_| ToForeign::InputCredit { id, elements: 1 }));
        let open = element.is_some().then_some((uploaded, outbox));
        Some((element, open))
    })
}

/// Waits until an element may be sent: the connection is read no further than the foreign side takes.
async fn take_credit(credit: &Semaphore) {
    if let Ok(permit) = credit.acquire().await {
        permit.forget();
    }
}
