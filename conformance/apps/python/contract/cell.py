# SPDX-License-Identifier: Apache-2.0
"""``conformance.Cell``, a value entity, and ``conformance.Brief``, an entity that leaves memory soon."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import timedelta

import adjoin
import conformance_pb2 as pb
from adjoin import Context, Rejected, command, event, query
from counter import Counter, given, shared

_made = itertools.count(1)


class Cell(adjoin.Value, service="conformance.Cell", name="conformance.Cell"):
    """A text."""

    state: pb.Text

    @command
    def set(self, request: pb.Text) -> pb.Text:
        if not request.text:
            raise Rejected("the text must not be empty")
        before = pb.Text(text=self.state.text)
        self.state.text = request.text
        return before

    @command
    def set_then_refuse(self, request: pb.Text) -> pb.Text:
        self.state.text = request.text
        raise Rejected("after all not")

    @command
    def set_then_fail(self, request: pb.Text) -> pb.Text:
        self.state.text = request.text
        raise RuntimeError("secret 4711")

    @command
    def set_and_get(self, request: pb.Text) -> pb.Text:
        self.state.text = request.text
        return self.state

    @command
    def relay(self, share: pb.Share, ctx: Context = adjoin.current) -> pb.Number:
        self.state.text = f"relayed {share.by}"
        return ctx.forward(Counter.add, share.key, shared(share))

    @command
    def clear(self, request: pb.Key) -> pb.Nothing:
        self.delete()
        return pb.Nothing()

    @query
    def get(self, request: pb.Key) -> pb.Text:
        return self.state


@dataclass
class Brief(
    adjoin.EventSourced,
    service="conformance.Brief",
    name="conformance.Brief",
    passivate_after=timedelta(milliseconds=100),
):
    """A number, and which of all states of this process this one is."""

    sum: int = 0
    number: int = field(default_factory=lambda: next(_made))

    @command
    def add(self, request: pb.Add) -> pb.Number:
        self.emit(pb.Added(by=given(request, "by")))
        return pb.Number(number=self.sum)

    @query
    def total(self, request: pb.Key) -> pb.Number:
        return pb.Number(number=self.sum)

    @query
    def made(self, request: pb.Key) -> pb.Number:
        return pb.Number(number=self.number)

    @event
    def on_added(self, event: pb.Added) -> None:
        self.sum += event.by
