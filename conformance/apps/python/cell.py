# SPDX-License-Identifier: Apache-2.0
"""``conformance.Cell``, a value entity, and ``conformance.Brief``, an entity that leaves memory soon."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import timedelta

import adjoin
from adjoin import Context, Rejected, command, event, query
from counter import Added, Counter

_made = itertools.count(1)


@dataclass
class Cell(adjoin.Value, name="conformance.Cell"):
    """A text."""

    text: str = ""

    @command
    def set(self, text: str) -> str:
        if not text:
            raise Rejected("set something")
        before, self.text = self.text, text
        return before

    @command
    def set_then_refuse(self, text: str) -> str:
        self.text = text
        raise Rejected("after all not")

    @command
    def set_then_fail(self, text: str) -> str:
        self.text = text
        raise RuntimeError("secret 4711")

    @command
    def set_and_get(self, text: str) -> str:
        self.text = text
        return self.text

    @command
    def relay(self, key: str, by: int, ctx: Context = adjoin.current) -> int:
        self.text = f"relayed {by}"
        return ctx.forward(Counter.add, key, by)

    @command
    def clear(self) -> None:
        self.delete()

    @query
    def get(self) -> str:
        return self.text


@dataclass
class Brief(adjoin.EventSourced, name="conformance.Brief", passivate_after=timedelta(milliseconds=100)):
    """A number, and which of all states of this process this one is."""

    sum: int = 0
    number: int = field(default_factory=lambda: next(_made))

    @command
    def add(self, by: int) -> int:
        self.emit(Added(by))
        return self.sum

    @query
    def total(self) -> int:
        return self.sum

    @query
    def made(self) -> int:
        return self.number

    @event
    def on_added(self, e: Added) -> None:
        self.sum += e.by
