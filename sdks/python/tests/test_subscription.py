# SPDX-License-Identifier: Apache-2.0
"""Commands that are called with events: actions and entities, code first and contract first, in a real host."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import adjoin
import pytest
import stall
from adjoin import Context, Rejected, command, event, query
from adjoin._definition import definition_of
from adjoin.testing import kit
from google.protobuf import any_pb2
from stall import Heard, pb

EAGER = {"engine": {"effect_retry_ms": 1, "effect_retry_max_ms": 2, "effect_attempts": 3}}


@dataclass
class Added:
    n: int


@dataclass
class Noted:
    text: str


@dataclass
class Log(adjoin.EventSourced, name="t.Log"):
    """Whose events are taken."""

    total: int = 0

    @command
    def add(self, n: int) -> int:
        self.emit(Added(n))
        return self.total

    @command
    def note(self, text: str) -> None:
        self.emit(Noted(text))

    @event
    def added(self, e: Added) -> None:
        self.total += e.n

    @event(aliases=["Written"])
    def noted(self, e: Noted) -> None:
        """A note is no part of the sum."""


heard = Heard()


class Listener(adjoin.Action, name="t.Listener"):
    """Takes one kind of event in each group, and in one every other."""

    @command(on=adjoin.events_of(Log, group="sums"))
    async def on_added(self, added: Added, ctx: Context = adjoin.current) -> None:
        assert ctx.event is not None
        heard.add(ctx.entity_key, ("added", added.n, ctx.event))

    @command(on=adjoin.events_of(Log, group="sums"))
    def on_other(self, other: Any, ctx: Context = adjoin.current) -> None:
        assert ctx.event is not None
        heard.add(ctx.entity_key, ("other", other, ctx.event))


@dataclass
class Mirror(adjoin.Value, name="t.Mirror"):
    """An entity takes an event under the key of the one whose event it is."""

    total: int = 0

    @command(on=[adjoin.events_of(Log), adjoin.events_of("t.Log", group="twice", event="Added")])
    def follow(self, added: Added) -> None:
        self.total += added.n

    @query
    def get(self) -> int:
        return self.total


class Flaky(adjoin.Action, name="t.Flaky"):
    """Fails a few times, or always."""

    failures: ClassVar[dict[str, int]] = {}

    @command(on=adjoin.events_of(Log, group="flaky"))
    def on_noted(self, noted: Noted, ctx: Context = adjoin.current) -> None:
        left = Flaky.failures.get(noted.text, 0)
        heard.add(f"flaky {ctx.entity_key}", noted.text)
        if left:
            Flaky.failures[noted.text] = left - 1
            raise Rejected("not yet")


app = adjoin.App(Log, Listener, Mirror, Flaky)


def mine(key: str, enough: int) -> list[Any]:
    """What was heard of a key, once it is so much."""
    while len(found := [what for whose, what in list(heard.events) if whose == key]) < enough:
        heard.wait(len(heard.events) + 1)
    return found


def test_actions_take_events_in_order_with_what_they_are() -> None:
    with app.open() as rt:
        log = rt.entity(Log, "ada")
        for n in (1, 2):
            log.add(n)
        log.note("so")
        (_, one, first), (_, two, second), (kind, other, third) = mine("ada", 3)
        assert (one, two, kind, other) == (1, 2, "other", {"text": "so"})
        assert (first.source, first.subject, first.type, third.type) == ("t.Log", "ada", "Added", "Noted")
        assert first.content_type == "application/json" and len({first.id, second.id, third.id}) == 3
        assert first.time is not None and first.time.tzinfo is not None


def test_entities_take_events_under_the_same_key() -> None:
    with app.open() as rt:
        rt.entity(Log, "bob").add(3)
        rt.entity(Log, "eve").add(4)
        for key, total in (("bob", 6), ("eve", 8)):  # two groups: each takes it
            with rt.watch(Mirror.get, key) as totals:
                while totals.next(timeout=20) != total:
                    pass


def test_an_event_that_fails_is_given_again_and_holds_those_behind_it() -> None:
    Flaky.failures["first"] = 2
    with app.open(settings=EAGER) as rt:
        log = rt.entity(Log, "again")
        log.note("first")
        log.note("second")
        assert mine("flaky again", 4)[:4] == ["first", "first", "first", "second"]


def test_an_event_that_always_fails_is_a_dead_letter_and_the_others_go_on() -> None:
    Flaky.failures["poison"] = 99
    with app.open(settings=EAGER) as rt:
        log = rt.entity(Log, "dead")
        log.note("poison")
        log.note("next")
        assert mine("flaky dead", 4)[:4] == ["poison", "poison", "poison", "next"]


def test_a_consumer_goes_on_where_it_was(tmp_path: Path) -> None:
    with app.open(tmp_path) as rt:
        rt.entity(Log, "kept").add(1)
        mine("kept", 1)
    with app.open(tmp_path) as rt:
        rt.entity(Log, "kept").add(2)
        with rt.watch(Mirror.get, "kept") as totals:
            while totals.next(timeout=20) != 6:
                pass


def test_a_subscriber_is_a_command_like_any_other() -> None:
    with app.open() as rt:
        rt.entity(Mirror, "called").follow(Added(5))
        assert rt.entity(Mirror, "called").get() == 5
    kit(Mirror).when(Mirror.follow, Added(2)).when(Mirror.get).replies(2)


def test_events_of_a_contract_are_taken_by_their_messages() -> None:
    seen = threading.Event()

    class Watcher(adjoin.Action, service="market.v1.Listeners", name="t.Watcher"):
        @command(on=adjoin.events_of(stall.Cart, group="explicit"))
        def on_added(self, added: pb.ItemAdded, ctx: Context = adjoin.current) -> None:
            if ctx.event is not None and added.item.product == "pen":
                heard.add("contract", added.item.product)

        @command(on=adjoin.events_of("market.Cart", group="explicit"))
        def on_other(self, other: any_pb2.Any) -> None:
            heard.add("contract", other.type_url)
            seen.set()

    spec = definition_of(Watcher).spec()["subscriptions"]
    assert spec == [
        {
            "event_log": "market.Cart",
            "group": "explicit",
            "takers": [{"event": "market.v1.ItemAdded", "handler": "OnAdded"}],
            "rest": "OnOther",
        }
    ]
    with adjoin.App(stall.Cart, stall.Profiles, Watcher).open() as rt:
        pen = pb.Item(product="pen", quantity=1)
        rt.entity(stall.Cart, "ada").add_item(pb.AddItemRequest(user="ada", item=pen))
        rt.entity(stall.Cart, "ada").check_out(pb.GetCartRequest(user="ada"))
        assert seen.wait(20)
        # By the annotation as well as by the decorator: two groups.
        assert [what for what in mine("contract", 3) if what == "pen"] == ["pen", "pen"]


def test_old_names_of_an_event_are_taken_too() -> None:
    (subscription,) = definition_of(Flaky).spec()["subscriptions"]
    assert [taker["event"] for taker in subscription["takers"]] == ["Noted", "Written"]


def test_what_cannot_be_taken_is_said_with_the_reason() -> None:
    def refused(said: str, *methods: Any, kind: Any = adjoin.Action) -> None:
        members = {f"m{number}": method for number, method in enumerate(methods)}
        cls = type(kind)("Wrong", (kind,), members, name="t.Wrong")
        with pytest.raises(adjoin.Invalid, match=said):
            definition_of(cls)

    def added(self: Any, e: Added) -> None: ...
    def also(self: Any, e: Added) -> None: ...
    def anything(self: Any, e: Any) -> None: ...
    def everything(self: Any, e: Any) -> None: ...
    def number(self: Any, e: int) -> None: ...
    def two(self: Any, e: Added, more: int) -> None: ...

    on = adjoin.events_of(Log)
    refused("m1 takes Added, as m0 does for the group 't.Wrong'", command(on=on)(added), command(on=on)(also))
    refused("m1 takes every other event, as m0 does", command(on=on)(anything), command(on=on)(everything))
    refused("Log has no @event for int; it has them for Added, Noted", command(on=on)(number))
    refused("is a command with one argument, the event", command(on=on)(two))
    refused("Mirror is no event-sourced entity", command(on=adjoin.events_of(Mirror))(added))
    wrong: Any = Added
    refused("give an entity class, or the stored name", command(on=adjoin.events_of(wrong))(added))
