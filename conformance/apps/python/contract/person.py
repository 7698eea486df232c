# SPDX-License-Identifier: Apache-2.0
"""``conformance.Person`` in three versions: how events that were written by one are read by the next.

The contract has the RPCs of all of them; what a version does not do, it refuses.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import adjoin
import conformance_pb2 as pb
from adjoin import Rejected, command, event, query, upcast


def person(version: int) -> type:
    """The type in that version."""
    return {1: _first, 2: _second}.get(version, _third)()


def _first() -> type:
    @dataclass
    class Person(adjoin.EventSourced, service="conformance.Person", name="conformance.Person"):
        """The type as it began."""

        full: str = ""
        years: int = 0
        tags: list[str] = field(default_factory=list)

        @command
        def name(self, request: pb.Name) -> pb.Nothing:
            self.emit(pb.Named(first=request.first, last=request.last))
            return pb.Nothing()

        @command
        def age(self, request: pb.Years) -> pb.Nothing:
            self.emit(pb.Aged(years=request.years))
            return pb.Nothing()

        @command
        def tag(self, request: pb.Text) -> pb.Nothing:
            self.emit(pb.Tagged(tag=request.text, legacy=True))
            return pb.Nothing()

        @query
        def describe(self, request: pb.Key) -> pb.Known:
            return pb.Known(name=self.full, age=self.years, tags=self.tags)

        @event
        def on_named(self, event: pb.Named) -> None:
            self.full = f"{event.first} {event.last}"

        @event
        def on_aged(self, event: pb.Aged) -> None:
            self.years = event.years

        @event
        def on_tagged(self, event: pb.Tagged) -> None:
            self.tags.append(event.tag)

    return Person


def _second() -> type:
    @dataclass
    class Person(adjoin.EventSourced, service="conformance.Person", name="conformance.Person"):
        """``Named`` became ``Renamed`` by an upcaster, ``Aged`` has a new field, ``Tagged`` has a new name."""

        full: str = ""
        years: int = 0
        unit: str = ""
        tags: list[str] = field(default_factory=list)

        @command
        def name(self, request: pb.Name) -> pb.Nothing:
            self.emit(pb.Renamed(full=f"{request.first} {request.last}"))
            return pb.Nothing()

        @command
        def age(self, request: pb.Years) -> pb.Nothing:
            raise Rejected("this version gives nobody an age")

        @command
        def tag(self, request: pb.Text) -> pb.Nothing:
            self.emit(pb.Labelled(tag=request.text))
            return pb.Nothing()

        @query
        def describe(self, request: pb.Key) -> pb.Known:
            return pb.Known(name=self.full, age=self.years, unit=self.unit, tags=self.tags)

        @event
        def on_renamed(self, event: pb.Renamed) -> None:
            self.full = event.full

        @event
        def on_aged(self, event: pb.Aged) -> None:
            self.years, self.unit = event.years, event.unit if event.HasField("unit") else "years"

        @event(aliases=["conformance.Tagged"])
        def on_labelled(self, event: pb.Labelled) -> None:
            self.tags.append(event.tag)

        @upcast("conformance.Named")
        @staticmethod
        def from_named(old: pb.Named) -> pb.Renamed:
            return pb.Renamed(full=f"{old.first} {old.last}")

    return Person


def _third() -> type:
    @dataclass
    class Person(adjoin.EventSourced, service="conformance.Person", name="conformance.Person"):
        """It no longer knows ``Aged``."""

        full: str = ""

        @command
        def name(self, request: pb.Name) -> pb.Nothing:
            raise Rejected("this version changes nobody")

        @command
        def age(self, request: pb.Years) -> pb.Nothing:
            raise Rejected("this version changes nobody")

        @command
        def tag(self, request: pb.Text) -> pb.Nothing:
            raise Rejected("this version changes nobody")

        @query
        def describe(self, request: pb.Key) -> pb.Known:
            return pb.Known(name=self.full)

        @event
        def on_named(self, event: pb.Named) -> None:
            self.full = f"{event.first} {event.last}"

    return Person
