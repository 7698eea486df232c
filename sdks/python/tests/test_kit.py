# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import adjoin
import pytest
from adjoin import Context, Exhausted, Internal, Invalid, ReadOnlyViolation, Rejected, command, event, query
from adjoin._definition import handler_of
from adjoin.testing import kit
from shop import Cart, CheckedOut, Item, ItemAdded, ItemRemoved, Mailer, Profile

BOOK = Item("p1", "Book")


@dataclass
class Moved:
    by: int


@dataclass
class Bad:
    pass


@dataclass
class Walker(adjoin.EventSourced, name="t.Walker"):
    """Does everything it should not."""

    at: int = 0
    seen: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    @command
    def move(self, by: int) -> int:
        self.emit(Moved(by))
        if self.at > 10:
            raise Rejected("too far")
        return self.at

    @command
    def sneak(self, by: int) -> None:
        self.at += by
        self.seen["sneaked"].append(by)
        if by < 0:
            raise Rejected("backwards")

    @command
    def stumble(self) -> int:
        try:
            self.emit(Bad())
        except ZeroDivisionError:
            self.at = 99
        return self.at

    @command
    def crash(self) -> None:
        self.emit(Moved(1))
        self.seen["x"].append(1)
        raise KeyError("secret")

    @command
    def wrong_reply(self) -> int:
        self.emit(Moved(1))
        return "one"  # type: ignore[return-value]

    @command
    def wrong_event(self) -> None:
        self.emit(Moved("far"))  # type: ignore[arg-type]

    @command
    def changes_after(self) -> None:
        moved = Moved(1)
        self.emit(moved)
        self.seen["later"] = [moved.by]

    @command
    def many(self, count: int) -> None:
        for _ in range(count):
            self.emit(Moved(0))

    @command
    def end(self, *, late: bool = False) -> int:
        self.delete()
        if late:
            self.emit(Moved(1))
        return self.at

    @command
    def unknown(self) -> None:
        self.emit(BOOK)

    @query
    def where(self) -> int:
        return self.at

    @query
    def meddle(self) -> int:
        self.at = 7
        return self.at

    @query
    def emits(self) -> None:
        self.emit(Moved(1))

    @event
    def on_moved(self, e: Moved) -> None:
        self.at += e.by
        self.seen["moved"].append(e.by)

    @event
    def on_bad(self, e: Bad) -> None:
        self.at = -1
        raise ZeroDivisionError


def test_the_shop_reads_as_its_sentence() -> None:
    shop = kit(Cart).given(ItemAdded(BOOK)).when(Cart.add_item, Item("p2", "Pen", 3))
    shop.then(ItemAdded(Item("p2", "Pen", 3))).replies(2)
    shop.when(Cart.add_item, Item("p2", "Pen", 0)).rejected("positive", code="FAILED_PRECONDITION")
    shop.when(Cart.remove_item, "p9").rejected("no p9 here", code="NOT_FOUND")
    shop.when(Cart.remove_item, "p1").then(ItemRemoved("p1")).replies(None)
    shop.when(Cart.contents).replies([Item("p2", "Pen", 3)])
    shop.when(Cart.check_out).then(CheckedOut()).replies(1)
    assert shop.state == Cart()


def test_a_value_is_kept_forwarded_forgotten() -> None:
    profile = kit(Profile, key="ada", epoch=4).given(Profile(email="ada@old"))
    profile.when(Profile.change_email, "ada@new").replies("ada@4").effect(Mailer.welcome, "all", "ada@new")
    profile.when(Profile.change_email, "nowhere").rejected(code="INVALID_ARGUMENT")
    profile.when(Profile.address).replies("ada@new")
    profile.when(Profile.checkout, "ada").forwards(Cart.check_out, "ada")
    profile.when(Profile.forget).deleted()
    profile.when(Profile.address).replies("")


def test_an_action_replies_and_streams() -> None:
    kit(Mailer).when(Mailer.welcome, "ada@x").replies("welcome, ada@x")
    kit(Mailer).when(Mailer.digest, 2).replies(["2 days ago: nothing new", "1 days ago: nothing new"])


def test_a_kit_works_where_a_loop_runs() -> None:
    async def main() -> None:
        kit(Cart).given(ItemAdded(BOOK)).when(Cart.remove_item, "p1").then(ItemRemoved("p1"))

    asyncio.run(main())


def test_emit_applies_at_once_and_a_refusal_takes_it_back() -> None:
    walker = kit(Walker).when(Walker.move, 8).then(Moved(8)).replies(8)
    walker.when(Walker.move, 3).rejected("too far")
    assert walker.state == Walker(8, {"moved": [8]})
    walker.when(Walker.move, 1).replies(9)


def test_what_changed_beside_the_events_comes_back_too() -> None:
    walker = kit(Walker).when(Walker.move, 1)
    walker.when(Walker.sneak, -1).rejected("backwards")
    assert walker.state == Walker(1, {"moved": [1]})
    assert isinstance(walker.state.seen, defaultdict), "restored as it was, not as JSON has it"
    walker.when(Walker.move, 1).replies(2)


def test_a_change_beside_the_events_is_a_violation() -> None:
    walker = kit(Walker).when(Walker.sneak, 1).failed(ReadOnlyViolation.__mro__[1], "in another way than by its events")
    walker.when(Walker.changes_after).failed(Internal, "in another way")
    walker.when(Walker.meddle).failed(Internal, "is a query and changed the state")
    walker.when(Walker.emits).failed(Internal, "only a command may emit")
    assert walker.state == Walker()


def test_an_unexpected_error_restores_and_keeps_its_secret(caplog: pytest.LogCaptureFixture) -> None:
    walker = kit(Walker).when(Walker.move, 1)
    walker.when(Walker.crash).failed(Internal, "failed unexpectedly (KeyError)")
    assert walker.state == Walker(1, {"moved": [1]})
    assert "secret" in caplog.text
    with pytest.raises(AssertionError, match=r"t.Walker/crash failed with Internal"):
        walker.replies(None)


def test_an_applier_that_fails_fails_the_command_even_if_the_handler_goes_on() -> None:
    walker = kit(Walker).when(Walker.stumble).failed(Internal, "ZeroDivisionError")
    assert walker.state == Walker()


def test_what_does_not_fit_its_hint_fails_before_it_is_written() -> None:
    walker = kit(Walker)
    walker.when(Walker.wrong_reply).failed(Internal, "does not fit its type hint: Expected `int`, got `str`")
    walker.when(Walker.wrong_event).failed(Invalid, "Moved does not fit its type hints: Expected `int`")
    walker.when(Walker.unknown).failed(Invalid, "Walker has no @event for Item; it has them for Bad, Moved")
    assert walker.state == Walker()


def test_bounds_hold_before_the_effects_are_taken() -> None:
    kit(Walker).when(Walker.many, 10_001).failed(Exhausted, "more than 10000 events")

    @dataclass
    class Blob(adjoin.Value, name="t.Blob"):
        data: str = ""

        @command
        def fill(self, size: int) -> int:
            self.data = "x" * size
            return size

    blob = kit(Blob).when(Blob.fill, 10)
    blob._place.limits = blob._place.limits._replace(value_bytes=100)
    blob._activation.limits = blob._place.limits
    blob.when(Blob.fill, 101).failed(Exhausted, "the value of t.Blob/key has 112 bytes, the limit is 100")
    assert blob.state.data == "x" * 10


def test_delete_ends_the_state_after_the_command() -> None:
    walker = kit(Walker).when(Walker.move, 5)
    walker.when(Walker.end, late=True).failed(Invalid, "after delete()")
    assert walker.state.at == 5
    walker.when(Walker.end).deleted().replies(5)
    walker.when(Walker.where).replies(0)


def test_emit_and_current_work_only_where_a_command_runs() -> None:
    with pytest.raises(Invalid, match="emit works only inside a command"):
        Walker().emit(Moved(1))
    with pytest.raises(Invalid, match="only while a handler runs"):
        adjoin.current.id


def test_the_context_says_who_what_and_how_often() -> None:
    @dataclass
    class Asked(adjoin.Value, name="t.Asked"):
        n: int = 0

        @command
        def tell(self, ctx: Context = adjoin.current) -> list[Any]:
            assert adjoin.current.id == ctx.id
            return [
                ctx.entity_type,
                ctx.entity_key,
                ctx.epoch,
                ctx.attempt,
                ctx.caller,
                dict(ctx.metadata),
                len(ctx.id),
            ]

        @command
        def rest(self, ctx: Context = adjoin.current) -> list[Any]:
            return [ctx.deadline, ctx.remaining, ctx.cancelled]

    asked = kit(Asked, key="k", epoch=3, caller="ada", metadata={"trace": "t"}, attempt=2)
    asked.when(Asked.tell).replies(["t.Asked", "k", 3, 2, "ada", {"trace": "t"}, 32])
    asked.when(Asked.rest).replies([None, None, False])


def test_effects_of_a_query_and_contradictions_are_refused() -> None:
    @dataclass
    class Wants(adjoin.Value, name="t.Wants"):
        n: int = 0

        @query
        def asks(self, ctx: Context = adjoin.current) -> None:
            ctx.effect(Mailer.welcome, "all", "x")

        @command
        def outbox(self, ctx: Context = adjoin.current) -> None:
            ctx.effect(Mailer.welcome, "all", "x", durable=True)

        @command
        def both(self, ctx: Context = adjoin.current) -> None:
            ctx.effect(Mailer.welcome, "all", "x", durable=True, synchronous=True)

        @command
        def wrong(self, ctx: Context = adjoin.current) -> None:
            ctx.effect(Mailer.welcome, "all", 5)  # type: ignore[call-overload]

    class Tells(adjoin.Action, name="t.Tells"):
        @command
        def tell(self, ctx: Context = adjoin.current) -> None:
            ctx.effect(Mailer.welcome, "all", "x", durable=True)

    kit(Wants).when(Wants.asks).failed(Internal, "which is a query: make it a command")
    durable = kit(Wants).when(Wants.outbox).effect(Mailer.welcome, "all", "x")
    assert durable._asked()[7] == [(handler_of(Mailer.welcome).target("all", ("x",), {}), False, True)]
    kit(Wants).when(Wants.both).failed(Invalid, "both synchronous and durable")
    kit(Tells).when(Tells.tell).failed(Invalid, "which is an action: it writes nothing")
    kit(Wants).when(Wants.wrong).failed(Invalid, "Expected `str`, got `int`")


def test_a_context_that_outlives_its_call_does_nothing() -> None:
    @dataclass
    class Leaks(adjoin.Value, name="t.Leaks"):
        n: int = 0

        @command
        def leak(self, ctx: Context = adjoin.current) -> None:
            kept.append((self, ctx))

    kept: list[Any] = []
    kit(Leaks).when(Leaks.leak).replies(None)
    state, ctx = kept[0]
    with pytest.raises(Invalid, match="came after its answer"):
        ctx.effect(Mailer.welcome, "all", "x")
    with pytest.raises(Invalid, match="only inside a command"):
        state.delete()


def test_text_that_utf_8_cannot_carry_is_told_as_it_can() -> None:
    @dataclass
    class Odd(adjoin.Value, name="t.Odd"):
        text: str = ""

        @command
        def refuse(self) -> None:
            raise Rejected("\ud800 is half a character")

        @command
        def keep(self) -> None:
            self.text = "\ud800"

    kit(Odd).when(Odd.refuse).rejected("\\ud800 is half")
    kit(Odd).when(Odd.keep).failed(Internal, "does not fit")


def test_effects_of_a_stream_travel_with_the_next_element() -> None:
    class Streams(adjoin.Action, name="t.Streams"):
        @command
        def fine(self, ctx: Context = adjoin.current) -> Iterator[int]:
            ctx.effect(Mailer.welcome, "all", "x")
            yield 1

        @command
        def late(self, ctx: Context = adjoin.current) -> Iterator[int]:
            yield 1
            ctx.effect(Mailer.welcome, "all", "x")

        @command
        def refuses(self) -> Iterator[int]:
            yield 1
            raise Rejected("enough")

    kit(Streams).when(Streams.fine).replies([1])
    kit(Streams).when(Streams.late).failed(Internal, "ask before the yield")
    kit(Streams).when(Streams.refuses).rejected("enough")


def test_a_kit_says_what_differs() -> None:
    cart = kit(Cart).when(Cart.add_item, BOOK)
    with pytest.raises(AssertionError, match=r"(?s)shop.Cart/addItem emitted.*ItemRemoved.*ItemAdded"):
        cart.then(ItemRemoved("p1"))
    with pytest.raises(AssertionError, match=r"(?s)returned.*expected: 2.*actual:   1"):
        cart.replies(2)
    with pytest.raises(AssertionError, match="succeeded, expected Rejected"):
        cart.rejected()
    with pytest.raises(Invalid, match=r"say \.when"):
        kit(Cart).then()
    with pytest.raises(Invalid, match="is no command or query of Cart"):
        cart.when(Profile.forget)  # type: ignore[arg-type]
