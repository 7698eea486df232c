# SPDX-License-Identifier: Apache-2.0
"""The value entity model services."""

from __future__ import annotations

from datetime import timedelta

import adjoin
import protos
from adjoin import Context, Rejected, command

pb = protos.of("cloudstate/tck/model/valueentity.proto")

SOON = timedelta(milliseconds=100)
PACKAGE = "cloudstate.tck.model.valueentity"


class Two(adjoin.Value, service=f"{PACKAGE}.ValueEntityTwo", name="value-entity-tck-model-two"):
    """Where forwards and effects go."""

    state: pb.Persisted

    @command
    def call(self, request: pb.Request) -> pb.Response:
        return pb.Response()


class Configured(
    adjoin.Value, service=f"{PACKAGE}.ValueEntityConfigured", name="value-entity-configured", passivate_after=SOON
):
    """Leaves memory soon."""

    state: pb.Persisted

    @command
    def call(self, request: pb.Request) -> pb.Response:
        return pb.Response()


class Model(adjoin.Value, service=f"{PACKAGE}.ValueEntityTckModel", name="value-entity-tck-model"):
    """Answers its value."""

    state: pb.Persisted

    @command
    def process(self, request: pb.Request, ctx: Context = adjoin.current) -> pb.Response:
        forward, deleted = None, False
        for action in request.actions:
            match action.WhichOneof("action"):
                case "update":
                    self.state, deleted = pb.Persisted(value=action.update.value), False
                case "delete":
                    self.state, deleted = pb.Persisted(), True
                case "forward":
                    forward = action.forward.id
                case "effect":
                    target = pb.Request(id=action.effect.id)
                    ctx.effect(Two.call, action.effect.id, target, synchronous=action.effect.synchronous)
                case "fail":
                    raise Rejected(action.fail.message)
        if deleted:
            self.delete()
        if forward is not None:
            return ctx.forward(Two.call, forward, pb.Request(id=forward))
        return pb.Response(message=self.state.value)
