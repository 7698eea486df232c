# SPDX-License-Identifier: Apache-2.0
"""Calls that are wrong: mypy --strict and pyright refuse every line marked so, and no other. Nothing here is run."""

from __future__ import annotations

import adjoin
from adjoin import Rejected, command
from adjoin.testing import kit
from right import Cart, Item, Mailer, Put, Visits, app


def sync() -> None:
    with app.open() as rt:
        cart = rt.entity(Cart, "ada")
        cart.add("p")  # wrong
        cart.add()  # wrong
        cart.missing()  # wrong
        text: str = cart.add(Item("p"))  # wrong
        rt.call(Cart.add, "ada", "p")  # wrong
        rt.call(Cart.add, "ada")  # wrong
        rt.call(Cart.add, "ada", Item("p"), Item("p"))  # wrong
        rt.call(Cart.add, 7, Item("p"))  # wrong
        rt.call(Cart.remove, "ada", "p", loudly=True)  # wrong
        rt.call(Cart.add, "ada", Item("p"), timeout="soon")  # wrong
        number: str = rt.call(Cart.add, "ada", Item("p"))  # wrong
        rt.stream(Cart.add, "ada", Item("p"))  # wrong
        rt.entity(7, "ada")  # wrong
        for contents in rt.watch(Cart.contents, "ada"):
            contents.upper()  # wrong
        rt.call(Mailer.total, "all", 3)  # wrong
        rt.call(Mailer.total, "all", iter(["a"]))  # wrong
        rt.stream(Mailer.doubled, "all", iter([1]))  # wrong
        print(text, number)


async def tasks() -> None:
    async with app.open() as rt:
        n: int = rt.call(Cart.add, "ada", Item("p"))  # wrong
        m: int = rt.entity(Cart, "ada").told_async(adjoin.current)  # wrong
        await rt.call(Cart.remove, "ada", 5)  # wrong
        async for line in rt.stream(Mailer.lines, "all", "three"):  # wrong
            print(line, n, m)


def tests() -> None:
    kit(Cart).when(Cart.add, "p")  # wrong
    kit(Cart).when(Mailer.numbers, 3)  # wrong
    kit(Cart).given(Put("p"))  # wrong
    kit(Visits).when(Visits.set, "three")  # wrong
    kit(Cart, clock=3)  # wrong
    command(idempotent=True)  # wrong
    raise Rejected("no", code="MISSING")  # wrong


def definitions() -> None:
    adjoin.App(Cart, "Mailer")  # wrong
    adjoin.Cuonter  # wrong
    command(name=5)  # wrong
