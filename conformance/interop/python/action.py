# SPDX-License-Identifier: Apache-2.0
"""The action model services: one command in each shape that gRPC has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

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
    async def process_unary(self, request: pb.Request, ctx: Context = adjoin.current) -> pb.Response:
        return taken(request.groups, ctx)

    @command
    async def process_streamed_in(
        self, requests: AsyncIterator[pb.Request], ctx: Context = adjoin.current
    ) -> pb.Response:
        groups = [group async for request in requests for group in request.groups]
        return taken(groups, ctx)

    @command
    async def process_streamed_out(
        self, request: pb.Request, ctx: Context = adjoin.current
    ) -> AsyncIterator[pb.Response]:
        for group in request.groups:
            yield taken([group], ctx)

    @command
    async def process_streamed(
        self, requests: AsyncIterator[pb.Request], ctx: Context = adjoin.current
    ) -> AsyncIterator[pb.Response]:
        async for request in requests:
            for group in request.groups:
                yield taken([group], ctx)


def taken(groups: Iterable[pb.ProcessGroup], ctx: Context) -> pb.Response:
    """What the last step says, once all effects were asked for."""
    answer, refused = pb.Response(), None
    for step in (step for group in groups for step in group.steps):
        match step.WhichOneof("step"):
            case "reply":
                answer, refused = pb.Response(message=step.reply.message), None
            case "forward":
                other = pb.OtherRequest(id=step.forward.id)
                answer, refused = ctx.forward(Two.call, step.forward.id or "-", other), None
            case "effect":
                other = pb.OtherRequest(id=step.effect.id)
                ctx.effect(Two.call, step.effect.id or "-", other, synchronous=step.effect.synchronous)
            case "fail":
                refused = step.fail.message
    if refused is not None:
        raise Rejected(refused)
    return answer
