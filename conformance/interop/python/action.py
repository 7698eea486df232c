# SPDX-License-Identifier: Apache-2.0
"""The action model services: one command in each shape that gRPC has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import adjoin
import protos
from adjoin import Context, Rejected, command

pb = protos.of("cloudstate/tck/model/action.proto")

PACKAGE = "cloudstate.tck.model.action"


class Two(adjoin.Action, service=f"{PACKAGE}.ActionTwo", name=f"{PACKAGE}.ActionTwo"):
    """Where forwards and effects go."""

    @command
    def call(self, request: pb.OtherRequest) -> pb.Response:
        return pb.Response()


class Model(adjoin.Action, service=f"{PACKAGE}.ActionTckModel", name=f"{PACKAGE}.ActionTckModel"):
    """Does what its requests list, group by group."""

    @command
    async def process_unary(self, request: pb.Request, ctx: Context = adjoin.current) -> pb.Response | None:
        return taken(request.groups, ctx)

    @command
    async def process_streamed_in(
        self, requests: AsyncIterator[pb.Request], ctx: Context = adjoin.current
    ) -> pb.Response | None:
        groups = [group async for request in requests for group in request.groups]
        return taken(groups, ctx)

    @command
    async def process_streamed_out(
        self, request: pb.Request, ctx: Context = adjoin.current
    ) -> AsyncIterator[pb.Response]:
        for group in request.groups:
            yield element(group, ctx)

    @command
    async def process_streamed(
        self, requests: AsyncIterator[pb.Request], ctx: Context = adjoin.current
    ) -> AsyncIterator[pb.Response]:
        async for request in requests:
            for group in request.groups:
                yield element(group, ctx)


def taken(groups: Iterable[pb.ProcessGroup], ctx: Context) -> Any:
    """What the last step says that says something, once all effects were asked for."""
    last = None
    for step in (step for group in groups for step in group.steps):
        if step.HasField("effect"):
            other = pb.OtherRequest(id=step.effect.id)
            ctx.effect(Two.call, step.effect.id, other, synchronous=step.effect.synchronous)
        else:
            last = step
    match last and last.WhichOneof("step"):
        case "reply":
            return pb.Response(message=last.reply.message)
        case "forward":
            return ctx.forward(Two.call, last.forward.id, pb.OtherRequest(id=last.forward.id))
        case "fail":
            raise Rejected(last.fail.message)
    return None


def element(group: pb.ProcessGroup, ctx: Context) -> pb.Response:
    """The same as an element of a stream, which can be nothing but a message: of ``Two`` it is an empty one."""
    found = taken([group], ctx)
    return found if isinstance(found, pb.Response) else pb.Response()
