// SPDX-License-Identifier: Apache-2.0
//! A client of a host elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use adjoin::Client;
use adjoin_engine::Request;
use adjoin_entity::Operation;
use adjoin_model::{Error, Payload, Result};
use futures::stream;
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
        let (input, elements) = if uploads { Some(mpsc::channel(UNTAKEN + 1)).unzip() } else { (None, None) };
        let (client, outbox, running) = (self.client.clone(), self.outbox.clone(), self.running.clone());
        // Held until the entry is there, so that a fast answer finds it.
        let mut entries = self.running();
        let task = tokio::spawn({
            let credit = credit.clone();
            async move {
                let end = match request.operation {
                    _ if uploads => exchange(&client, &outbox, &credit, id, request, streams, elements).await,
                    Operation::Watch { after } => watch(&client, &outbox, &credit, id, request, after).await,
                    _ if streams => stream(&client, &outbox, &credit, id, request).await,
                    _ => call(&client, id, request).await,
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

/// A call that sends a stream. The reply is a stream too, or its one element.
async fn exchange(
    client: &Client,
    outbox: &Arc<Outbox>,
    credit: &Semaphore,
    id: RequestId,
    request: Request,
    streams: bool,
    input: Option<mpsc::Receiver<Option<Payload>>>,
) -> ToForeign {
    // A request that is cancelled drops its sender: then the stream ends without saying that it is complete.
    let input = stream::unfold(input.map(|input| (input, outbox.clone())), move |open| async move {
        let (mut input, outbox) = open?;
        let element = input.recv().await?;
        // An element makes room when the connection takes it.
        outbox.push(element.iter().map(|_| ToForeign::InputCredit { id, elements: 1 }));
        let open = element.is_some().then_some((input, outbox));
        Some((element, open))
    });
    let mut replies = client.exchange_json(request, input);
    if !streams {
        return match replies.next().await {
            Some(Ok(payload)) => ToForeign::Reply { id, payload: Some(payload), sequence: 0, replayed: false },
            None => ToForeign::Reply { id, payload: None, sequence: 0, replayed: false },
            Some(Err(error)) => ToForeign::Failed { id, error },
        };
    }
    loop {
        take_credit(credit).await;
        match replies.next().await {
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
