# SPDX-License-Identifier: Apache-2.0
"""Version 2 of a cart reads what version 1 wrote."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import adjoin
import pytest
from adjoin import Corrupt, Unavailable, command, event, query, upcast
from adjoin._definition import definition_of
from adjoin.testing import kit
from shop import Cart, Item, ItemAdded, ItemRemoved


@dataclass
class Line:
    """What was an Item: one field renamed, one added, one gone."""

    product: str
    title: str = field(default="", metadata=adjoin.named(aliases=["name"]))
    gift: bool = False


@dataclass
class LinePut:
    """What was ItemAdded, in a shape of its own."""

    line: Line
    count: int


@dataclass
class LineTaken:
    """What was ItemRemoved, under a new name."""

    product: str
    reason: str = "unknown"


@dataclass
class Cart2(adjoin.EventSourced, name="t.Cart2"):
    lines: dict[str, Line] = field(default_factory=dict)
    count: int = 0

    @command
    def put(self, line: Line) -> None:
        self.emit(LinePut(line, 1))

    @query
    def total(self) -> int:
        return self.count

    @event
    def on_put(self, e: LinePut) -> None:
        self.lines[e.line.product] = e.line
        self.count += e.count

    @event(aliases=["ItemRemoved"])
    def on_taken(self, e: LineTaken) -> None:
        del self.lines[e.product]

    @upcast("ItemAdded")
    @staticmethod
    def from_first(old: dict[str, Any]) -> list[LinePut]:
        item = old["item"]
        return [LinePut(Line(item["product"], item["name"]), item["qty"])]

    @upcast("ItemsAdded")
    @staticmethod
    def from_second(old: ItemAdded) -> LinePut:
        return LinePut(Line(old.item.product), old.item.qty)


def recorded() -> list[tuple[str, bytes]]:
    """What version 1 writes."""
    first = kit(Cart).when(Cart.add_item, Item("p1", "Book", 2)).when(Cart.add_item, Item("p2", "Pen"))
    return first.when(Cart.remove_item, "p2")._journal


def test_a_recorded_stream_of_version_1_replays_under_version_2() -> None:
    second = kit(Cart2)
    for name, data in recorded():
        second.stored(name, data)
    assert second.state == Cart2({"p1": Line("p1", "Book")}, 3)


def test_the_journal_of_version_1_is_byte_for_byte_what_it_was() -> None:
    assert recorded() == [
        ("ItemAdded", b'{"item":{"name":"Book","product":"p1","qty":2}}'),
        ("ItemAdded", b'{"item":{"name":"Pen","product":"p2","qty":1}}'),
        ("ItemRemoved", b'{"product":"p2"}'),
    ]


def test_renamed_added_and_removed_fields_are_read() -> None:
    line = {"product": "p1", "name": "Book", "colour": "red"}
    second = kit(Cart2).stored("LinePut", {"line": line, "count": 1})
    assert second.state.lines["p1"] == Line("p1", "Book", gift=False)
    second.stored("LineTaken", {"product": "p1"})
    assert second.state.lines == {}


def test_an_upcaster_may_read_the_old_class_and_give_one_event() -> None:
    second = kit(Cart2).stored("ItemsAdded", {"item": {"product": "p", "name": "n", "qty": 4}})
    assert second.state.count == 4


def test_a_failed_command_comes_back_to_a_state_of_old_events() -> None:
    second = kit(Cart2)
    for name, data in recorded():
        second.stored(name, data)
    second.when(Cart2.put, Line("p7")).then(LinePut(Line("p7"), 1))
    assert second.state.count == 4


def test_an_unknown_event_fails_the_activation_and_is_named() -> None:
    with pytest.raises(Unavailable, match="the stored event Vanished: deploy a version that reads it") as failed:
        kit(Cart2).stored("Vanished", {})
    assert failed.value.context == {"entity": "t.Cart2/key", "event": "Vanished", "sequence": "1"}


def test_an_event_that_does_not_fit_is_corrupt_and_is_named() -> None:
    with pytest.raises(Corrupt, match="the event LinePut cannot be read: Expected `int`") as failed:
        kit(Cart2).stored("LinePut", {"line": {"product": "p"}, "count": "many"})
    assert failed.value.context["event"] == "LinePut"


def test_an_applier_that_fails_at_replay_says_so() -> None:
    with pytest.raises(adjoin.Internal, match=r"the applier of ItemRemoved failed \(KeyError\)"):
        kit(Cart2).stored("ItemRemoved", {"product": "nothing"})


def test_readable_events_name_everything_that_can_be_read() -> None:
    names = definition_of(Cart2).spec()["readable_events"]
    assert names == ["ItemAdded", "ItemRemoved", "ItemsAdded", "LinePut", "LineTaken"]


def test_a_stored_name_may_be_kept_for_a_renamed_class() -> None:
    @dataclass
    class Named(adjoin.EventSourced, name="t.Named"):
        last: str = ""

        @command
        def take(self, product: str) -> None:
            self.emit(LineTaken(product))

        @event(name="ItemRemoved")
        def on(self, e: LineTaken) -> None:
            self.last = e.product

    named = kit(Named).stored("ItemRemoved", {"product": "a"}).when(Named.take, "b").then(LineTaken("b"))
    assert named._journal[1][0] == "ItemRemoved"
    with pytest.raises(adjoin.Invalid, match="no @event for ItemRemoved"):
        named.given(ItemRemoved("c"))
