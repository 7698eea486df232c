# SPDX-License-Identifier: Apache-2.0
"""The event-sourced model services."""

from __future__ import annotations

from datetime import timedelta

import adjoin
import protos
from adjoin import Context, Rejected, command, event

pb = protos.of("cloudstate/tck/model/eventsourced.proto")

SOON = timedelta(milliseconds=100)


class Two(adjoin.EventSourced, service="cloudstate.tck.model.EventSourcedTwo", name="event-sourced-tck-model-two"):
    """Where forwards and effects go."""

    @command
    def call(self, request: pb.Request) -> pb.Response:
        return pb.Response()


class Configured(
    adjoin.EventSourced,
    service="cloudstate.tck.model.EventSourcedConfigured",
    name="event-sourced-configured",
    passivate_after=SOON,
):
    """Leaves memory soon."""

    @command
    def call(self, request: pb.Request) -> pb.Response:
        return pb.Response()


class Model(
    adjoin.EventSourced,
    service="cloudstate.tck.model.EventSourcedTckModel",
    name="event-sourced-tck-model",
    snapshot_every=5,
):
    """Answers all values that it ever persisted, joined."""

    state: pb.Persisted

    @command
    def process(self, request: pb.Request, ctx: Context = adjoin.current) -> pb.Response:
        forward = None
        for action in request.actions:
            match action.WhichOneof("action"):
                case "emit":
                    self.emit(pb.Persisted(value=action.emit.value))
                case "forward":
                    forward = action.forward.id
                case "effect":
                    target = pb.Request(id=action.effect.id)
                    ctx.effect(Two.call, action.effect.id, target, synchronous=action.effect.synchronous)
                case "fail":
                    raise Rejected(action.fail.message)
        if forward is not None:
            return ctx.forward(Two.call, forward, pb.Request(id=forward))
        return pb.Response(message=self.state.value)

    @event
    def persisted(self, event: pb.Persisted) -> None:
        self.state.value += event.value
