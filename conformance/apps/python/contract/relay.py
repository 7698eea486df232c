# SPDX-License-Identifier: Apache-2.0
"""``conformance.Relay``, an action that streams and passes on, and ``conformance.Echo``, which answers its body."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import adjoin
import conformance_pb2 as pb
from adjoin import Context, Rejected, command
from counter import Counter, shared


class Relay(adjoin.Action, service="conformance.Relay", name="conformance.Relay"):
    """Streams and passes on. Calls of a contract's action have no key of their own: the message says one."""

    @command
    async def greet(self, request: pb.Text) -> pb.Text:
        return pb.Text(text=f"hello {request.text} from {request.key}")

    @command
    async def count_down(self, start: pb.Start) -> AsyncIterator[pb.Number]:
        if start.number == 0:
            raise Rejected("count from at least 1")
        for number in range(start.number, 0, -1):
            yield pb.Number(number=number)

    @command
    async def break_after(self, start: pb.Start) -> AsyncIterator[pb.Number]:
        for number in range(1, start.number + 1):
            yield pb.Number(number=number)
        raise RuntimeError("secret 4711")

    @command
    def total(self, numbers: Iterator[pb.Start]) -> pb.Number:
        return pb.Number(number=sum(start.number for start in numbers))

    @command
    async def running_total(self, numbers: AsyncIterator[pb.Start]) -> AsyncIterator[pb.Number]:
        total = 0
        async for start in numbers:
            total += start.number
            yield pb.Number(number=total)

    @command
    def tell(self, share: pb.Share, ctx: Context = adjoin.current) -> pb.Nothing:
        ctx.effect(Counter.add, share.key, shared(share), synchronous=True)
        return pb.Nothing()

    @command
    def forward(self, share: pb.Share, ctx: Context = adjoin.current) -> pb.Number:
        return ctx.forward(Counter.add, share.key, shared(share))

    @command
    def refuse(self, request: pb.Key) -> pb.Nothing:
        raise Rejected("refused as asked")

    @command
    def fail(self, request: pb.Key) -> pb.Nothing:
        raise RuntimeError("secret 4711")


class Echo(adjoin.Action, service="conformance.Echo", name="conformance.Echo"):
    """Answers what it was sent."""

    @command
    def text(self, body: pb.Text) -> pb.Text:
        return body

    @command
    def number(self, body: pb.Number) -> pb.Number:
        return body

    @command
    def real(self, body: pb.Real) -> pb.Real:
        return body

    @command
    def flag(self, body: pb.Flag) -> pb.Flag:
        return body

    @command
    def list(self, body: pb.Numbers) -> pb.Numbers:
        return body

    @command
    def map(self, body: pb.NumbersByName) -> pb.NumbersByName:
        return body

    @command
    def item(self, body: pb.EchoItem) -> pb.EchoItem:
        if not body.item.HasField("qty"):
            body.item.qty = 1
        return body

    @command
    def optional(self, body: pb.OptionalText) -> pb.OptionalText:
        return body

    @command
    def pair(self, body: pb.EchoPair) -> pb.EchoPair:
        return body

    @command
    def nothing(self, request: pb.Key) -> pb.Nothing:
        return pb.Nothing()
