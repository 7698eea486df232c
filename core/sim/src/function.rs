// SPDX-License-Identifier: Apache-2.0
//! The simulated user function: processes that come and go, sessions with hosts, handlers that take their time, and
//! what a function may demand of a host.

mod activation;
mod handler;
mod session;
mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;

use adjoin_entity::SessionId;
use adjoin_entity::frame::{FunctionFrame, HostFrame};
use adjoin_entity::spec::Spec;
use adjoin_model::{CommandId, EntityId, Epoch};

use crate::agenda::{Event, HostId, MS, ProcessId, Time};
use crate::context::Context;
use crate::fault::Fault;
pub(crate) use handler::event_of;
pub(crate) use session::Session;

/// A process of the function.
#[derive(Default)]
pub(crate) struct Process {
    pub(crate) up: bool,
    /// Counts its starts.
    pub(crate) boot: u32,
    /// A handler in it will never answer.
    pub(crate) hung: bool,
    /// Which version of its spec new sessions are told.
    pub(crate) version: usize,
}

/// All processes and sessions.
#[derive(Default)]
pub(crate) struct Functions {
    pub(crate) processes: Vec<Process>,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) slow: bool,
    next_session: SessionId,
    /// The highest epoch that each host gave for each entity.
    epochs: BTreeMap<(EntityId, HostId), Epoch>,
    /// The last attempt seen of each command.
    attempts: BTreeMap<(HostId, CommandId, EntityId, String), u32>,
    /// How often each command killed its process.
    kills: BTreeMap<(HostId, CommandId), u32>,
    /// Events that were taken, by shard and position: the place of their first time among all.
    pub(crate) heard: Heard,
}

/// Events by shard and position, each with its place in the order in which they were heard.
pub(crate) type Heard = BTreeMap<(u32, u64), usize>;

/// What a function checks across its sessions.
pub(crate) struct Seen<'a> {
    epochs: &'a mut BTreeMap<(EntityId, HostId), Epoch>,
    attempts: &'a mut BTreeMap<(HostId, CommandId, EntityId, String), u32>,
    kills: &'a mut BTreeMap<(HostId, CommandId), u32>,
    heard: &'a mut Heard,
    slow: bool,
    process: &'a mut Process,
}

impl Functions {
    pub(crate) fn new(processes: usize) -> Self {
        Self { processes: (0..processes).map(|_| Process::default()).collect(), ..Self::default() }
    }

    /// Opens a session between a host and a process.
    pub(crate) fn open(&mut self, host: HostId, process: ProcessId, spec: Arc<Spec>) -> SessionId {
        self.next_session += 1;
        self.sessions.insert(self.next_session, Session::new(self.next_session, host, process, spec));
        self.next_session
    }

    /// Takes frames of a host, unless the session is over here.
    pub(crate) fn take(&mut self, context: &mut Context, id: SessionId, frames: Vec<HostFrame>) {
        for frame in frames {
            self.in_session(context, id, |session, context, seen| session.take(context, seen, frame));
        }
    }

    /// The oldest replay of an activation is folded.
    pub(crate) fn folds(&mut self, context: &mut Context, id: SessionId, activation: u64) {
        self.in_session(context, id, |session, context, seen| session.folds(context, seen, activation));
    }

    /// A handler has finished.
    pub(crate) fn handler_ends(&mut self, context: &mut Context, id: SessionId, call: u64) {
        self.in_session(context, id, |session, context, seen| session.handler_ends(context, seen, call));
    }

    fn in_session(
        &mut self,
        context: &mut Context,
        id: SessionId,
        act: impl FnOnce(&mut Session, &mut Context, &mut Seen<'_>),
    ) {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| session.open) else { return };
        let process = &mut self.processes[session.process];
        let (epochs, attempts, kills, heard) = (&mut self.epochs, &mut self.attempts, &mut self.kills, &mut self.heard);
        act(session, context, &mut Seen { epochs, attempts, kills, heard, slow: self.slow, process });
    }

    /// Says to a host that memory is short.
    pub(crate) fn press(&mut self, context: &mut Context) {
        let open: Vec<SessionId> = self.open_sessions().collect();
        if open.is_empty() {
            return;
        }
        let level = context.random.between(1, 2) as u32;
        if let Some(session) = self.sessions.get_mut(&context.random.pick(&open)) {
            context.count(Fault::Pressure);
            session.send(context, FunctionFrame::Pressure { level });
        }
    }

    /// Sessions that are open on the function's side.
    pub(crate) fn open_sessions(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.sessions.iter().filter(|(_, session)| session.open).map(|(id, _)| *id)
    }

    /// Ends a session on the function's side; the host notices after a while.
    pub(crate) fn close(&mut self, context: &mut Context, id: SessionId, orderly: bool) {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| session.open) else { return };
        session.close();
        let noticed = if orderly { context.random.between(10, 200) } else { context.random.between(10, 30 * MS) };
        context.after(noticed, Event::SessionGone { session: id, orderly });
    }

    /// Ends a process with all its sessions; it is started again after `away`.
    pub(crate) fn end(&mut self, context: &mut Context, process: ProcessId, orderly: bool, away: Time) {
        if !self.processes[process].up {
            return;
        }
        self.processes[process].up = false;
        self.processes[process].hung = false;
        let its: Vec<SessionId> =
            self.sessions.iter().filter(|(_, session)| session.process == process).map(|(id, _)| *id).collect();
        for id in its {
            self.close(context, id, orderly);
        }
        context.after(away, Event::ProcessStarts { process });
    }
}

impl Functions {
    /// A host's process is gone, and its sessions with it.
    pub(crate) fn host_died(&mut self, host: HostId) {
        self.sessions.retain(|_, session| session.host != host);
    }

    /// Whether a session between them is there, or not yet known to be gone.
    pub(crate) fn is_connected(&self, host: HostId, process: ProcessId) -> bool {
        self.sessions.values().any(|session| (session.host, session.process) == (host, process))
    }
}
