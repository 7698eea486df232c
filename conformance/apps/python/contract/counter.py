# SPDX-License-Identifier: Apache-2.0
"""``conformance.Counter``: an event-sourced entity that does whatever a case wants to see."""

from __future__ import annotations

import asyncio
import os

import adjoin
import conformance_pb2 as pb
from adjoin import Context, Rejected, command, event, query


class Counter(adjoin.EventSourced, service="conformance.Counter", name="conformance.Counter", snapshot_every=10):
    """A number, and notes."""

    state: pb.CounterState

    def _add(self, by: int) -> pb.Number:
        if by == 0:
            raise Rejected("by must not be 0", code="OUT_OF_RANGE")
        self.emit(pb.Added(by=by))
        return pb.Number(number=self.state.sum)

    def _note(self, text: str) -> pb.Number:
        self.emit(pb.Noted(text=text))
        return pb.Number(number=len(self.state.texts))

    @command
    def add(self, request: pb.Add) -> pb.Number:
        return self._add(given(request, "by"))

    @command
    def add_many(self, request: pb.AddMany) -> pb.Number:
        by = given(request, "by")
        for _ in range(given(request, "times")):
            self.emit(pb.Added(by=by))
        return pb.Number(number=self.state.sum)

    @command
    def refuse(self, request: pb.Refuse) -> pb.Nothing:
        if not request.HasField("code"):
            raise Rejected("refused as asked")
        raise Rejected("refused as asked", code=request.code.value)

    @command
    def add_then_refuse(self, request: pb.Add) -> pb.Number:
        self.emit(pb.Added(by=request.by))
        raise Rejected("after all not")

    @command
    def add_then_fail(self, request: pb.Add) -> pb.Number:
        self.emit(pb.Added(by=request.by))
        raise RuntimeError("secret 4711")

    @command
    def note(self, request: pb.Text) -> pb.Number:
        return self._note(request.text)

    @command
    def fill(self, request: pb.Add) -> pb.Number:
        return self._note("x" * request.by)

    @command
    async def add_slowly(self, request: pb.AddSlowly) -> pb.Number:
        await asyncio.sleep(request.ms / 1000)
        return self._add(request.by)

    @command
    async def wait(self, request: pb.Key) -> pb.Nothing:
        await asyncio.Event().wait()
        return pb.Nothing()

    @command
    def die(self, request: pb.Add, ctx: Context = adjoin.current) -> pb.Number:
        if ctx.attempt <= request.by:
            os.abort()
        self.emit(pb.Added(by=ctx.attempt))
        return pb.Number(number=ctx.attempt)

    @command
    def context(self, request: pb.Key, ctx: Context = adjoin.current) -> pb.Seen:
        return pb.Seen(
            key=ctx.entity_key,
            id=ctx.id,
            attempt=ctx.attempt,
            epoch=ctx.epoch,
            caller=ctx.caller,
            tenant=ctx.metadata.get("x-adjoin-tenant"),
            has_deadline=ctx.remaining is not None,
        )

    @command
    def add_to(self, share: pb.Share, ctx: Context = adjoin.current) -> pb.Number:
        ctx.effect(Counter.add, share.key, shared(share))
        return self._add(share.by)

    @command
    def add_to_durably(self, share: pb.Share, ctx: Context = adjoin.current) -> pb.Number:
        ctx.effect(Counter.add, share.key, shared(share), durable=True)
        return self._add(share.by)

    @command
    def add_to_awaited(self, share: pb.Share, ctx: Context = adjoin.current) -> pb.Number:
        ctx.effect(Counter.add, share.key, shared(share), synchronous=True)
        return self._add(share.by)

    @command
    def add_to_then_refuse(self, share: pb.Share, ctx: Context = adjoin.current) -> pb.Number:
        ctx.effect(Counter.add, share.key, shared(share))
        raise Rejected("after all not")

    @command
    def forward(self, share: pb.Share, ctx: Context = adjoin.current) -> pb.Number:
        self._add(share.by)
        return ctx.forward(Counter.add, share.key, shared(share))

    @command
    def call_other(self, share: pb.Share, ctx: Context = adjoin.current) -> pb.Number:
        return ctx.runtime.call(Counter.add, share.key, shared(share))

    @command
    def close(self, request: pb.Key) -> pb.Nothing:
        self.delete()
        return pb.Nothing()

    @command
    def add_then_close(self, request: pb.Add) -> pb.Nothing:
        self.emit(pb.Added(by=request.by))
        self.delete()
        return pb.Nothing()

    @query
    def total(self, request: pb.Key) -> pb.Number:
        return pb.Number(number=self.state.sum)

    @query
    def notes(self, request: pb.Key) -> pb.Texts:
        return pb.Texts(texts=self.state.texts)

    @query
    def find(self, request: pb.Find) -> pb.Texts:
        found = [text for text in self.state.texts if text.startswith(request.prefix)]
        return pb.Texts(texts=found[: request.limit])

    @query
    def nth(self, request: pb.Place) -> pb.OptionalText:
        found = pb.OptionalText()
        if request.place < len(self.state.texts):
            found.text.value = self.state.texts[request.place]
        return found

    @event
    def on_added(self, event: pb.Added) -> None:
        self.state.sum += event.by

    @event
    def on_noted(self, event: pb.Noted) -> None:
        self.state.texts.append(event.text)


def given(request: pb.Add | pb.AddMany, field: str) -> int:
    """A field that must be there: proto3 has no other way to ask for one."""
    if not request.HasField(field):
        raise adjoin.Invalid(f"the body lacks {field}")
    number: int = getattr(request, field)
    return number


def shared(share: pb.Share) -> pb.Add:
    """The command that a share asks another counter for."""
    return pb.Add(key=share.key, by=share.by)
