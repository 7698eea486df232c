# SPDX-License-Identifier: Apache-2.0
"""``conformance.Relay``, an action that streams and passes on, and ``conformance.Echo``, which answers its body."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import adjoin
from adjoin import Context, Rejected, command
from counter import Counter


class Relay(adjoin.Action, name="conformance.Relay"):
    """Streams and passes on."""

    @command
    async def greet(self, name: str, ctx: Context = adjoin.current) -> str:
        return f"hello {name} from {ctx.entity_key}"

    @command
    async def count_down(self, start: int) -> AsyncIterator[int]:
        if start == 0:
            raise Rejected("count from at least 1")
        for number in range(start, 0, -1):
            yield number

    @command
    async def break_after(self, elements: int) -> AsyncIterator[int]:
        for number in range(1, elements + 1):
            yield number
        raise RuntimeError("secret 4711")

    @command
    def total(self, numbers: Iterator[int]) -> int:
        return sum(numbers)

    @command
    async def running_total(self, numbers: AsyncIterator[int]) -> AsyncIterator[int]:
        total = 0
        async for number in numbers:
            total += number
            yield total

    @command
    def tell(self, key: str, by: int, ctx: Context = adjoin.current) -> None:
        ctx.effect(Counter.add, key, by, synchronous=True)

    @command
    def forward(self, key: str, by: int, ctx: Context = adjoin.current) -> int:
        return ctx.forward(Counter.add, key, by)

    @command
    def refuse(self) -> None:
        raise Rejected("refused as asked")

    @command
    def fail(self) -> None:
        raise RuntimeError("secret 4711")


@dataclass
class Item:
    """A record with a default and an optional."""

    product_name: str
    qty: int = 1
    note: str | None = None


@dataclass
class Pair:
    """Two values by name."""

    number: int
    text: str


class Echo(adjoin.Action, name="conformance.Echo"):
    """Answers what it was sent, once it has read it."""

    @command
    def text(self, body: str) -> str:
        return body

    @command
    def number(self, body: int) -> int:
        return body

    @command
    def real(self, body: float) -> float:
        return body

    @command
    def flag(self, body: bool) -> bool:
        return body

    @command
    def list(self, body: list[int]) -> list[int]:
        return body

    @command
    def map(self, body: dict[str, int]) -> dict[str, int]:
        return body

    @command
    def item(self, body: Item) -> Item:
        return body

    @command
    def optional(self, body: str | None = None) -> str | None:
        return body

    @command
    def pair(self, number: int, text: str) -> Pair:
        return Pair(number, text)

    @command
    def nothing(self) -> None:
        return None
