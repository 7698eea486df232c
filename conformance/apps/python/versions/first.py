# SPDX-License-Identifier: Apache-2.0
"""The type as it began."""

from __future__ import annotations

from dataclasses import dataclass, field

import adjoin
from adjoin import command, event, query

from versions import Known


@dataclass
class Named:
    """It has a name."""

    first: str
    last: str


@dataclass
class Aged:
    """It has an age."""

    years: int


@dataclass
class Tagged:
    """It has one more tag."""

    tag: str
    legacy: bool


@dataclass
class Person(adjoin.EventSourced, name="conformance.Person"):
    """Somebody."""

    full: str = ""
    years: int = 0
    tags: list[str] = field(default_factory=list)

    @command
    def name(self, first: str, last: str) -> None:
        self.emit(Named(first, last))

    @command
    def age(self, years: int) -> None:
        self.emit(Aged(years))

    @command
    def tag(self, tag: str) -> None:
        self.emit(Tagged(tag, True))

    @query
    def describe(self) -> Known:
        return Known(self.full, self.years, "", self.tags)

    @event
    def on_named(self, e: Named) -> None:
        self.full = f"{e.first} {e.last}"

    @event
    def on_aged(self, e: Aged) -> None:
        self.years = e.years

    @event
    def on_tagged(self, e: Tagged) -> None:
        self.tags.append(e.tag)
