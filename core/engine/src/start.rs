// SPDX-License-Identifier: Apache-2.0
//! Starting an engine: claim every shard, then set loops, writer and readers going.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, RwLock};

use adjoin_entity::{Homes, ShardLoop};
use adjoin_model::{ConsumerId, Error, Head, Owner, Result, ShardId, Unfinished};
use adjoin_storage::{Refusal, Store, Written};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::admission::Admission;
use crate::clock::Clock;
use crate::driver::{Driver, Ports};
use crate::message::Message;
use crate::readers::{Asker, Asks};
use crate::settings::Settings;
use crate::shared::Shared;
use crate::writer::{self, Writer};

/// Held by every task of an engine; when all have dropped theirs, the engine has ended.
pub(crate) type Alive = mpsc::Sender<()>;

/// What a started engine is held by.
pub(crate) struct Started {
    pub(crate) shared: Arc<Shared>,
    pub(crate) ended: mpsc::Receiver<()>,
    /// Those that the store remembers.
    pub(crate) consumers: BTreeSet<ConsumerId>,
}

pub(crate) async fn start(store: Arc<dyn Store>, settings: &Settings, clock: Arc<dyn Clock>) -> Result<Started> {
    settings.check()?;
    let runtime = Handle::try_current().map_err(|error| Error::invalid(format!("start it within tokio: {error}")))?;
    let owner = Owner(random()?);
    let heads = claim(&*store, owner).await?;
    // Only after the claim: nobody adds to it any more.
    let mut unfinished = unfinished(&*store).await?;
    let known = unfinished.iter().flat_map(|(_, left)| left.consumers.iter().map(|(consumer, _)| consumer.clone()));
    let consumers = known.collect();
    let loops = settings.loop_count();
    let (inboxes, receivers): (Vec<_>, Vec<_>) = (0..loops).map(|_| mpsc::unbounded_channel()).unzip();
    let shared = Arc::new(Shared {
        inboxes,
        clock,
        admission: Arc::new(Admission::new(settings)),
        homes: RwLock::new(Homes::new(store.meta().shards, loops)),
        salt: random()?,
        calls: AtomicU64::new(1),
        failed: watch::Sender::new(None),
    });
    let (alive, ended) = mpsc::channel(1);
    let (writes, waiting) = writer::channel();
    spawn(&runtime, &alive, Writer::new(store.clone(), shared.clone()).run(waiting));
    let asker = Asker { store: store.clone(), shared: shared.clone(), owner };
    let asks = Asks::new(asker, settings.readers, alive.clone());
    for (index, inbox) in (0..loops).zip(receivers) {
        let mut machine = machine(settings, &*store, owner, index, &heads)?;
        for (shard, left) in unfinished.extract_if(.., |(shard, _)| shared.home_of(*shard) == index) {
            machine.resume(shard, left);
        }
        let sweep_every_ms = settings.sweep_every_ms;
        let ports = Ports { shared: shared.clone(), inbox, writes: writes.clone(), asks: asks.clone(), sweep_every_ms };
        spawn(&runtime, &alive, Driver::new(index, machine, ports).run());
    }
    Ok(Started { shared, ended, consumers })
}

fn spawn(runtime: &Handle, alive: &Alive, task: impl Future<Output = ()> + Send + 'static) {
    let alive = alive.clone();
    runtime.spawn(async move {
        task.await;
        drop(alive);
    });
}

/// 128 bits of the system's randomness: owners, ids of stores and commands, seeds.
///
/// # Errors
/// `Unavailable` when the system has none.
pub fn random() -> Result<u128> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::unavailable(format!("the system has no randomness: {error}")))?;
    Ok(u128::from_ne_bytes(bytes))
}

/// Makes `owner` the owner of every shard, in one raise.
async fn claim(store: &dyn Store, owner: Owner) -> Result<Vec<(ShardId, Head)>> {
    let mut claims: Vec<_> = (0..store.meta().shards).map(|shard| (ShardId(shard), Head::EMPTY)).collect();
    for (shard, head) in store.heads().await? {
        let claim = claims.get_mut(shard.0 as usize).ok_or_else(|| {
            Error::corrupt("the store has a head of a shard that it says it does not have").at("shard", shard)
        })?;
        claim.1 = head;
    }
    let raised = store.raise(&claims, owner).await;
    if raised.len() != claims.len() {
        return Err(Error::internal("the store answered for another number of shards than it was asked about"));
    }
    claims.into_iter().zip(raised).map(|((shard, _), raised)| claimed(shard, raised)).collect()
}

/// What every shard has left to do of durable effects.
async fn unfinished(store: &dyn Store) -> Result<Vec<(ShardId, Unfinished)>> {
    let mut all = Vec::new();
    for shard in store.with_effects().await? {
        all.push((shard, store.unfinished(shard).await?));
    }
    Ok(all)
}

fn claimed(shard: ShardId, raised: core::result::Result<Head, Written>) -> Result<(ShardId, Head)> {
    let error = match raised {
        Ok(head) => return Ok((shard, head)),
        Err(Written::Refused(Refusal::Fenced(head))) => {
            Error::fenced(format!("another host claims the store at the same time: its head is now {head:?}"))
        }
        Err(Written::Refused(Refusal::Failed(error)) | Written::Unknown(error)) => error,
        Err(other) => Error::internal(format!("the store answered a raise with {other:?}")),
    };
    Err(error.at("shard", shard))
}

fn machine(
    settings: &Settings,
    store: &dyn Store,
    owner: Owner,
    index: u8,
    heads: &[(ShardId, Head)],
) -> Result<ShardLoop> {
    let loops = settings.loop_count();
    let mut limits = settings.limits;
    limits.batch_bytes = limits.batch_bytes.min(store.capability().max_batch_bytes);
    let own = heads.iter().copied().filter(|(shard, _)| shard.0 % u32::from(loops) == u32::from(index)).collect();
    let settings = adjoin_entity::Settings {
        index,
        loops,
        shards: store.meta().shards,
        owner,
        seed: random()? as u64,
        limits,
        window: settings.window,
        function_wait_ms: settings.function_wait_ms,
        passivate_after_ms: settings.passivate_after_ms,
        dedup_window_ms: settings.dedup_window_ms,
        raise_again_ms: settings.raise_again_ms,
        page_bytes: settings.page_bytes,
        effect_retry_ms: settings.effect_retry_ms,
        effect_retry_max_ms: settings.effect_retry_max_ms,
        effect_attempts: settings.effect_attempts,
        deaths: settings.deaths,
    };
    let machine = ShardLoop::new(settings, own);
    #[cfg(feature = "mutants")]
    let machine = crate::mutant::broken(machine);
    Ok(machine)
}

/// Tells every loop to end.
pub(crate) fn stop(shared: &Shared) {
    shared.send_all(|| Message::Stop);
}
