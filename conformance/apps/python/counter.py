# SPDX-License-Identifier: Apache-2.0
"""``conformance.Counter``: an event-sourced entity that does whatever a case wants to see."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field

import adjoin
from adjoin import Context, Rejected, command, event, query


@dataclass
class Added:
    """A number was added."""

    by: int


@dataclass
class Noted:
    """A text was noted."""

    text: str


@dataclass
class Seen:
    """What a handler knows of its call."""

    key: str
    id: str
    attempt: int
    epoch: int
    caller: str
    tenant: str | None
    has_deadline: bool


@dataclass
class Counter(adjoin.EventSourced, name="conformance.Counter", snapshot_every=10):
    """A number, and notes."""

    sum: int = 0
    texts: list[str] = field(default_factory=list)

    def _add(self, by: int) -> int:
        if by == 0:
            raise Rejected("by must not be 0", code="OUT_OF_RANGE")
        self.emit(Added(by))
        return self.sum

    def _note(self, text: str) -> int:
        self.emit(Noted(text))
        return len(self.texts)

    @command
    def add(self, by: int) -> int:
        return self._add(by)

    @command
    def add_many(self, times: int, by: int) -> int:
        for _ in range(times):
            self.emit(Added(by))
        return self.sum

    @command
    def refuse(self, code: str | None = None) -> None:
        if code is None:
            raise Rejected("refused as asked")
        raise Rejected("refused as asked", code=code)

    @command
    def add_then_refuse(self, by: int) -> int:
        self.emit(Added(by))
        raise Rejected("after all not")

    @command
    def add_then_fail(self, by: int) -> int:
        self.emit(Added(by))
        raise RuntimeError("secret 4711")

    @command
    def note(self, text: str) -> int:
        return self._note(text)

    @command
    def fill(self, size: int) -> int:
        return self._note("x" * size)

    @command
    async def add_slowly(self, by: int, ms: int) -> int:
        await asyncio.sleep(ms / 1000)
        return self._add(by)

    @command
    async def wait(self) -> None:
        await asyncio.Event().wait()

    @command
    def die(self, deaths: int, ctx: Context = adjoin.current) -> int:
        if ctx.attempt <= deaths:
            os.abort()
        self.emit(Added(ctx.attempt))
        return ctx.attempt

    @command
    def context(self, ctx: Context = adjoin.current) -> Seen:
        tenant = ctx.metadata.get("x-adjoin-tenant")
        return Seen(ctx.entity_key, ctx.id, ctx.attempt, ctx.epoch, ctx.caller, tenant, ctx.remaining is not None)

    @command
    def add_to(self, key: str, by: int, ctx: Context = adjoin.current) -> int:
        ctx.effect(Counter.add, key, by)
        return self._add(by)

    @command
    def add_to_durably(self, key: str, by: int, ctx: Context = adjoin.current) -> int:
        ctx.effect(Counter.add, key, by, durable=True)
        return self._add(by)

    @command
    def add_to_awaited(self, key: str, by: int, ctx: Context = adjoin.current) -> int:
        ctx.effect(Counter.add, key, by, synchronous=True)
        return self._add(by)

    @command
    def add_to_then_refuse(self, key: str, by: int, ctx: Context = adjoin.current) -> int:
        ctx.effect(Counter.add, key, by)
        raise Rejected("after all not")

    @command
    def forward(self, key: str, by: int, ctx: Context = adjoin.current) -> int:
        self._add(by)
        return ctx.forward(Counter.add, key, by)

    @command
    def call_other(self, key: str, by: int, ctx: Context = adjoin.current) -> int:
        return ctx.runtime.call(Counter.add, key, by)

    @command
    def close(self) -> None:
        self.delete()

    @command
    def add_then_close(self, by: int) -> None:
        self.emit(Added(by))
        self.delete()

    @query
    def total(self) -> int:
        return self.sum

    @query
    def notes(self) -> list[str]:
        return self.texts

    @query
    def find(self, prefix: str, limit: int) -> list[str]:
        return [text for text in self.texts if text.startswith(prefix)][:limit]

    @query
    def nth(self, place: int) -> str | None:
        return self.texts[place] if place < len(self.texts) else None

    @event
    def on_added(self, e: Added) -> None:
        self.sum += e.by

    @event
    def on_noted(self, e: Noted) -> None:
        self.texts.append(e.text)
