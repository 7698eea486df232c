// SPDX-License-Identifier: Apache-2.0
//! Spans: a call (`shop.Cart/addItem`), and in it load, handler and append. Off, it costs one comparison a step.

use std::collections::HashMap;

use adjoin_entity::frame::{CommandFrame, FrameCall, FunctionFrame};
use adjoin_entity::{Call, CallId, LoadId};
use adjoin_model::{CommandId, EntityId, Error};
use tracing::{Level, Span};

/// The span of a call; disabled unless somebody listens to `adjoin::call`.
pub(crate) fn call_span(call: &Call) -> Span {
    let span = tracing::info_span!(
        target: "adjoin::call",
        "call",
        otel.name = %format_args!("{}/{}", call.entity.entity_type(), call.name),
        entity = tracing::field::Empty,
        command = %call.command,
        outcome = tracing::field::Empty,
    );
    // A key may be somebody's name: it is shown to those who look closely.
    if tracing::enabled!(target: "adjoin::call", Level::DEBUG) {
        span.record("entity", tracing::field::display(&call.entity));
    }
    span
}

/// What is known of a call that is traced.
struct Traced {
    span: Span,
    command: CommandId,
    entity: EntityId,
    /// The newest frame that it was sent in; 0 before.
    frame: FrameCall,
    /// What it is in now: the handler, then the append.
    stage: Option<Span>,
}

#[derive(Default)]
pub(super) struct Traces {
    on: bool,
    calls: HashMap<CallId, Traced>,
    by_command: HashMap<CommandId, CallId>,
    by_entity: HashMap<EntityId, CallId>,
    by_frame: HashMap<FrameCall, CallId>,
    loads: HashMap<LoadId, Span>,
}

impl Traces {
    pub(super) fn begin_step(&mut self) {
        let on = tracing::enabled!(target: "adjoin::call", Level::INFO);
        if self.on && !on {
            *self = Self::default();
        }
        self.on = on;
    }

    pub(super) fn call(&mut self, call: &Call, span: &Span) {
        if span.is_disabled() {
            return;
        }
        let (command, entity) = (call.command, call.entity.clone());
        self.by_command.insert(command, call.id);
        self.by_entity.insert(entity.clone(), call.id);
        self.calls.insert(call.id, Traced { span: span.clone(), command, entity, frame: 0, stage: None });
    }

    /// The load belongs to the newest call that waits for the entity.
    pub(super) fn load(&mut self, load: LoadId, entity: &EntityId) {
        if !self.on {
            return;
        }
        let traced = self.by_entity.get(entity).and_then(|call| self.calls.get(call));
        if let Some(traced) = traced {
            let span = tracing::info_span!(target: "adjoin::call", parent: &traced.span, "load");
            self.loads.insert(load, span);
        }
    }

    pub(super) fn loaded(&mut self, load: LoadId) {
        if self.on {
            self.loads.remove(&load);
        }
    }

    /// A handler was sent to the function.
    pub(super) fn sent(&mut self, command: &CommandFrame) {
        if !self.on {
            return;
        }
        let Some(call) = self.by_command.get(&command.id) else { return };
        if let Some(traced) = self.calls.get_mut(call) {
            let parent = &traced.span;
            let span =
                tracing::info_span!(target: "adjoin::call", parent: parent, "handler", attempt = command.attempt);
            traced.stage = Some(span);
            self.by_frame.remove(&traced.frame);
            traced.frame = command.call;
            self.by_frame.insert(command.call, *call);
        }
    }

    /// The function answered: what follows until the reply is the append.
    pub(super) fn answered(&mut self, frame: &FunctionFrame) {
        if !self.on {
            return;
        }
        let FunctionFrame::Answer(answer) = frame else { return };
        let Some(call) = self.by_frame.remove(&answer.call) else { return };
        if let Some(traced) = self.calls.get_mut(&call) {
            let writes = answer.effects.writes();
            let parent = &traced.span;
            traced.stage = writes.then(|| tracing::info_span!(target: "adjoin::call", parent: parent, "append"));
        }
    }

    pub(super) fn ended(&mut self, call: CallId, span: &Span, error: Option<&Error>) {
        span.record("outcome", error.map_or("ok", |error| error.kind.name()));
        self.left(call);
    }

    /// The call is not this loop's any more.
    pub(super) fn left(&mut self, call: CallId) {
        if !self.on {
            return;
        }
        let Some(traced) = self.calls.remove(&call) else { return };
        self.by_command.remove(&traced.command);
        self.by_frame.remove(&traced.frame);
        if self.by_entity.get(&traced.entity) == Some(&call) {
            self.by_entity.remove(&traced.entity);
        }
    }
}
