# SPDX-License-Identifier: Apache-2.0
"""Calls that are right: mypy --strict and pyright find nothing here. Nothing here is run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import adjoin
from adjoin import Context, Rejected, command, event, query
from adjoin.testing import kit


@dataclass
class Item:
    product: str
    qty: int = 1


@dataclass
class Put:
    item: Item


@dataclass
class Cart(adjoin.EventSourced, name="t.Cart", snapshot_every=10):
    items: dict[str, Item] = field(default_factory=dict)

    @command
    def add(self, item: Item) -> int:
        if item.qty < 1:
            raise Rejected("qty must be positive", code="INVALID_ARGUMENT")
        self.emit(Put(item))
        return len(self.items)

    @command
    async def remove(self, product: str, *, quietly: bool = False) -> None: ...

    @command(name="tell-me")
    def told(self, what: str, ctx: Context) -> str:
        return ctx.forward(Cart.told, ctx.entity_key, what)

    @command
    async def told_async(self, ctx: Context) -> str:
        ctx.effect(Cart.add, "other", Item("p"))
        ctx.effect(Cart.remove, "other", "p", synchronous=True)
        n: int = await ctx.async_runtime.call(Cart.add, "other", Item("p"))
        return f"{n}"

    @command
    def current(self, n: int, ctx: Context = adjoin.current) -> float | None:
        return ctx.remaining

    @query
    def contents(self) -> list[Item]:
        return list(self.items.values())

    @query
    def one(self, product: str) -> Item | None:
        return self.items.get(product)

    @event(aliases=["Added"])
    def on_put(self, e: Put) -> None:
        self.items[e.item.product] = e.item


class Mailer(adjoin.Action):
    @command
    async def lines(self, days: int) -> AsyncIterator[str]:
        yield ""

    @command
    def numbers(self, to: int) -> Iterator[int]:
        yield from range(to)

    @command
    def total(self, numbers: Iterator[int]) -> int:
        return sum(numbers)

    @command
    async def doubled(self, numbers: AsyncIterator[int]) -> AsyncIterator[int]:
        async for number in numbers:
            yield 2 * number


app = adjoin.App(Cart, Mailer)


def sync() -> None:
    with app.open("./data", http="127.0.0.1:0") as rt:
        cart = rt.entity(Cart, "ada", timeout=1.5, idempotency_key="k")
        n: int = cart.add(Item("p"))
        items: list[Item] = cart.contents()
        m: int = rt.call(Cart.add, "ada", Item("p"))
        nothing: None = rt.call(Cart.remove, "ada", "p", quietly=True)
        told: str = rt.call(Cart.told, "ada", "what")
        told_async: str = rt.call(Cart.told_async, "ada")
        left: float | None = rt.call(Cart.current, "ada", 1)
        left = cart.current(1)
        timed: int = rt.call(Cart.add, "ada", Item("p"), timeout=2, idempotency_key="k", if_sequence=3)
        late: str = rt.call(Cart.told_async, "ada", timeout=2)
        one: Item | None = rt.with_options(timeout=1, metadata={"a": "b"}).call(Cart.one, "ada", "p")
        for contents in rt.watch(Cart.contents, "ada"):
            first: Item = contents[0]
            print(first)
        maybe: Item | None = next(rt.watch(Cart.one, "ada", "p", after=3))
        for line in rt.stream(Mailer.lines, "all", 3):
            line.upper()
        number: int = next(rt.stream(Mailer.numbers, "all", 3))
        number = next(rt.entity(Mailer, "all").numbers(3))
        total: int = rt.call(Mailer.total, "all", iter([1, 2]))
        total = rt.call(Mailer.total, "all", iter([1, 2]), timeout=3)
        total = rt.entity(Mailer, "all").total(iter([1, 2]))
        for double in rt.stream(Mailer.doubled, "all", later()):
            total += double
        print(n, items, m, nothing, told, told_async, left, timed, late, one, maybe, number)


async def later() -> AsyncIterator[int]:
    yield 1


Visits = adjoin.value("t.Visits", int)
Tags = adjoin.value("t.Tags", list[str], default=["new"])


def values() -> None:
    with adjoin.App(Visits, Tags).open() as rt:
        rt.entity(Visits, "today").set(rt.call(Visits.get, "today") + 1)
        tags: list[str] = rt.entity(Tags, "ada").get()
        rt.call(Tags.set, "ada", [*tags, "c"], if_sequence=1)


async def tasks() -> None:
    async with app.open() as rt:
        n: int = await rt.call(Cart.add, "ada", Item("p"))
        await rt.call(Cart.remove, "ada", "p")
        items: list[Item] = await rt.call(Cart.contents, "ada", timeout=3)
        await rt.entity(Cart, "ada").remove("p")
        async for contents in rt.watch(Cart.contents, "ada"):
            items = contents
        async for line in rt.stream(Mailer.lines, "all", 3):
            line.upper()
        async for number in rt.stream(Mailer.numbers, "all", 3):
            n += number
        async for double in rt.stream(Mailer.doubled, "all", later()):
            n += double
        n += await rt.call(Mailer.total, "all", iter([1]))
        print(n, items)
    with adjoin.connect("http://localhost:9000") as remote:
        k: int = remote.entity(Cart, "ada").add(Item("p"))
        print(k)


def tests() -> None:
    cart = kit(Cart).given(Put(Item("p"))).when(Cart.add, Item("q", 3)).then(Put(Item("q", 3)))
    cart.when(Cart.remove, "p", quietly=True).when(Cart.told, "what").rejected("no", code="NOT_FOUND")
    state: Cart = cart.state
    print(state)
    kit(Visits).when(Visits.set, 3).when(Visits.get).replies(3)
