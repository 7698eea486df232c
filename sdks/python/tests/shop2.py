# SPDX-License-Identifier: Apache-2.0
"""Version 2 of the shop: the same entities, after a year of other wishes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import adjoin
from adjoin import Rejected, command, event, query, upcast


@dataclass
class Line:
    """What was an Item: ``name`` has another name, ``qty`` is gone, ``gift`` is new."""

    product: str
    title: str = field(default="", metadata=adjoin.named(aliases=["name"]))
    gift: bool = False


@dataclass
class LinePut:
    """What was ItemAdded; ``item`` is called ``line``, ``by`` is new."""

    line: Line = field(metadata=adjoin.named(aliases=["item"]))
    by: str = "somebody"


@dataclass
class ItemRemoved:
    """As it was, with a reason."""

    product: str
    reason: str = "unknown"


@dataclass
class Paid:
    """The first half of what was CheckedOut."""

    currency: str


@dataclass
class Emptied:
    """The other half."""


@dataclass
class Cart(adjoin.EventSourced, name="shop.Cart", snapshot_every=100):
    lines: dict[str, Line] = field(default_factory=dict)
    put_by: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    paid: list[str] = field(default_factory=list)

    @command
    def put(self, line: Line) -> int:
        self.emit(LinePut(line, "ada"))
        return len(self.lines)

    @command
    def remove(self, product: str) -> None:
        if product not in self.lines:
            raise Rejected(f"no {product} here", code="NOT_FOUND")
        self.emit(ItemRemoved(product, "too dear"))

    @command
    def pay(self, currency: str) -> int:
        count = len(self.lines)
        self.emit(Paid(currency))
        self.emit(Emptied())
        return count

    @query
    def whole(self) -> Cart:
        return self

    @event(aliases=["ItemAdded"])
    def on_put(self, e: LinePut) -> None:
        self.lines[e.line.product] = e.line
        self.put_by.append(e.by)

    @event
    def on_removed(self, e: ItemRemoved) -> None:
        del self.lines[e.product]
        self.removed.append(e.reason)

    @event
    def on_paid(self, e: Paid) -> None:
        self.paid.append(e.currency)

    @event
    def on_emptied(self, e: Emptied) -> None:
        self.lines.clear()

    @upcast("CheckedOut")
    @staticmethod
    def from_first(old: dict[str, Any]) -> list[Paid | Emptied]:
        return [Paid("EUR"), Emptied()]


@dataclass
class Profile(adjoin.Value, name="shop.Profile"):
    """What was a profile: ``email`` has another name, ``newsletter`` is new."""

    mail: str = field(default="", metadata=adjoin.named(aliases=["email"]))
    newsletter: bool = True

    @command
    def unsubscribe(self) -> str:
        self.newsletter = False
        return self.mail

    @query
    def whole(self) -> Profile:
        return self


app = adjoin.App(Cart, Profile)
