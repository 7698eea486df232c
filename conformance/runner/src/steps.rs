// SPDX-License-Identifier: Apache-2.0
//! One case on a running target, step by step.

mod call;
mod crash;
mod journal;
mod stream;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::RwLock;
use tokio::task::JoinHandle;

use crate::case::{Case, How, Part, Step};
use crate::http::{Answer, Client, Events};
use crate::site::Site;
use crate::target::Home;
use crate::text::Names;

/// What a case has under way.
pub(crate) struct Asking<'a> {
    site: &'a RwLock<Site>,
    client: Client,
    names: Names,
    started: BTreeMap<String, JoinHandle<Answer>>,
    watches: BTreeMap<String, Watched>,
}

/// An open watch.
struct Watched {
    events: Events,
    last: Option<u64>,
}

type Done = Result<(), String>;

impl<'a> Asking<'a> {
    pub(crate) fn new(site: &'a RwLock<Site>, client: Client, names: Names) -> Self {
        Self { site, client, names, started: BTreeMap::new(), watches: BTreeMap::new() }
    }

    /// Does every step; says which one did not go as it must.
    pub(crate) async fn ask(&mut self, case: &Case) -> Done {
        for (index, step) in case.steps.iter().enumerate() {
            let done = self.step(step).await;
            done.map_err(|said| format!("step {} ({}): {said}", index + 1, name(step)))?;
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Done {
        match step {
            Step::Call(call) => self.call(call).await,
            Step::Start { name, call } => self.start(name, call).await,
            Step::Finish { name, expect } => self.finish(name, expect).await,
            Step::Grpc(grpc) => self.grpc(grpc).await,
            Step::Watch { name, path, after } => self.watch(name, path, *after).await,
            Step::Sees { name, value, id } => self.sees(name, value, *id).await,
            Step::Stream(stream) => self.stream(stream).await,
            Step::Restart { what, how, version } => self.restart(*what, *how, *version).await,
            Step::Stop { what, how } => self.site.write().await.end(*what, *how).await,
            Step::Begin { what } => self.site.write().await.begin(*what).await,
            Step::Revive => self.site.write().await.revive().await,
            Step::Crash { what, rounds } => self.crash(*what, *rounds).await,
            Step::Journal { entity, events } => self.journal(entity, events).await,
            Step::OpenTwice => self.open_twice().await,
            Step::Quiet { ms } => {
                quiet(Duration::from_millis(*ms)).await;
                Ok(())
            }
        }
    }

    async fn base(&self) -> String {
        self.site.read().await.base.clone()
    }

    async fn restart(&mut self, what: Part, how: How, version: Option<u32>) -> Done {
        let mut site = self.site.write().await;
        site.end(what, how).await?;
        if let Some(version) = version {
            site.set_version(version);
            if site.target().home == Home::Sidecar && what == Part::Host {
                site.end(Part::Function, how).await?;
                site.begin(Part::Function).await?;
            }
        }
        // In-process the function's process is the host's.
        site.begin(Part::Function).await?;
        site.begin(Part::Host).await
    }
}

fn name(step: &Step) -> String {
    match step {
        Step::Call(call) | Step::Start { call, .. } => call.request.clone(),
        Step::Finish { name, .. } => format!("finish {name}"),
        Step::Grpc(grpc) => format!("gRPC {} {}", grpc.entity_type, grpc.command),
        Step::Watch { name, .. } => format!("watch {name}"),
        Step::Sees { name, value, .. } => format!("{name} sees {value}"),
        Step::Stream(stream) => stream.request.clone(),
        Step::Restart { what, .. } => format!("restart {what:?}"),
        Step::Stop { what, .. } => format!("stop {what:?}"),
        Step::Begin { what } => format!("begin {what:?}"),
        Step::Revive => "revive".to_owned(),
        Step::Crash { what, .. } => format!("crash {what:?}"),
        Step::Journal { entity, .. } => format!("journal of {entity}"),
        Step::OpenTwice => "open twice".to_owned(),
        Step::Quiet { .. } => "quiet".to_owned(),
    }
}

/// Lets time pass: the case is about time, so there is nothing else to wait for.
pub(crate) async fn quiet(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}
