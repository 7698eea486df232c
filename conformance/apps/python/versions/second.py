# SPDX-License-Identifier: Apache-2.0
"""``Named`` became ``Renamed`` by an upcaster, ``Aged`` has a new field, ``Tagged`` lost one and has a new name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import adjoin
from adjoin import command, event, query, upcast

from versions import Known


@dataclass
class Renamed:
    """It has a name, in one piece."""

    full: str


@dataclass
class Aged:
    """It has an age."""

    years: int
    unit: str = "years"


@dataclass
class Labelled:
    """It has one more tag."""

    tag: str


@dataclass
class Person(adjoin.EventSourced, name="conformance.Person"):
    """Somebody."""

    full: str = ""
    years: int = 0
    unit: str = ""
    tags: list[str] = field(default_factory=list)

    @command
    def name(self, first: str, last: str) -> None:
        self.emit(Renamed(f"{first} {last}"))

    @command
    def tag(self, tag: str) -> None:
        self.emit(Labelled(tag))

    @query
    def describe(self) -> Known:
        return Known(self.full, self.years, self.unit, self.tags)

    @event
    def on_renamed(self, e: Renamed) -> None:
        self.full = e.full

    @event
    def on_aged(self, e: Aged) -> None:
        self.years, self.unit = e.years, e.unit

    @event(aliases=["Tagged"])
    def on_labelled(self, e: Labelled) -> None:
        self.tags.append(e.tag)

    @upcast("Named")
    @staticmethod
    def from_named(old: dict[str, Any]) -> Renamed:
        return Renamed(f"{old['first']} {old['last']}")
