# SPDX-License-Identifier: Apache-2.0
"""The shop: a cart of events, a profile that is a value, a mailer without state.

python shop.py                                      a short purchase, in memory
python shop.py serve [ADDRESS]                      behind the proxy, until SIGINT or SIGTERM
python shop.py open FOLDER|memory [--http ADDRESS]  in this process, its journal in FOLDER, likewise
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import adjoin
from adjoin import Context, Rejected, command, event, query


@dataclass
class Item:
    """What lies in a cart."""

    product: str
    name: str
    qty: int = 1


@dataclass
class ItemAdded:
    """An item was put into the cart, or took the place of the same product."""

    item: Item


@dataclass
class ItemRemoved:
    """A product was taken out."""

    product: str


@dataclass
class CheckedOut:
    """The cart was paid and is empty again."""


@dataclass
class Cart(adjoin.EventSourced, name="shop.Cart", snapshot_every=100):
    """What somebody is about to buy."""

    items: dict[str, Item] = field(default_factory=dict)

    @command
    def add_item(self, item: Item) -> int:
        """Puts an item in and returns how many products there are."""
        if item.qty < 1:
            raise Rejected("qty must be positive")
        self.emit(ItemAdded(item))
        return len(self.items)

    @command
    async def remove_item(self, product: str) -> None:
        """Takes a product out."""
        if product not in self.items:
            raise Rejected(f"no {product} here", code="NOT_FOUND")
        self.emit(ItemRemoved(product))

    @command
    def check_out(self) -> int:
        """Empties the cart and returns how many products it had."""
        count = len(self.items)
        self.emit(CheckedOut())
        return count

    @query
    def contents(self) -> list[Item]:
        """What is in the cart."""
        return list(self.items.values())

    @event
    def on_added(self, e: ItemAdded) -> None:
        self.items[e.item.product] = e.item

    @event
    def on_removed(self, e: ItemRemoved) -> None:
        del self.items[e.product]

    @event
    def on_checked_out(self, e: CheckedOut) -> None:
        self.items.clear()


class Mailer(adjoin.Action, name="shop.Mailer"):
    """Writes to people."""

    @command
    async def welcome(self, email: str) -> str:
        """Welcomes somebody and returns what was written."""
        return f"welcome, {email}"

    @command
    async def digest(self, days: int) -> AsyncIterator[str]:
        """One line for each of the last days, as a stream."""
        for day in range(days, 0, -1):
            yield f"{day} days ago: nothing new"


@dataclass
class Profile(adjoin.Value, name="shop.Profile"):
    """Who somebody is."""

    email: str = ""

    @command
    def change_email(self, email: str, ctx: Context = adjoin.current) -> str:
        """Changes the address, and welcomes it once that is durable."""
        if "@" not in email:
            raise Rejected("no mail address", code="INVALID_ARGUMENT")
        self.email = email
        ctx.effect(Mailer.welcome, "all", email)
        return f"{ctx.entity_key}@{ctx.epoch}"

    @command
    def forget(self) -> None:
        """Deletes the profile."""
        self.delete()

    @command
    def checkout(self, cart: str, ctx: Context = adjoin.current) -> int:
        """Checks out a cart; the cart answers."""
        return ctx.forward(Cart.check_out, cart)

    @query
    def address(self) -> str:
        """The address, empty when unknown."""
        return self.email


app = adjoin.App(Cart, Profile, Mailer)


def purchase() -> None:
    """Buys a book, in memory, and says so."""
    with app.open() as rt:
        cart = rt.entity(Cart, "ada")
        print("products:", cart.add_item(Item("p1", "Book")))
        try:
            cart.add_item(Item("p2", "Pen", qty=0))
        except Rejected as refused:
            print("refused:", refused.message)
        print("contents:", cart.contents())
        print("bought:", cart.check_out())


def main() -> None:
    """Runs the shop as the arguments say."""
    parser = argparse.ArgumentParser(description="The shop of adjoin.")
    modes = parser.add_subparsers(dest="mode")
    serve = modes.add_parser("serve", help="behind the proxy")
    serve.add_argument("address", nargs="?", default="127.0.0.1:8080")
    opens = modes.add_parser("open", help="in this process")
    opens.add_argument("folder", metavar="FOLDER|memory")
    opens.add_argument("--http", default="127.0.0.1:9000", help="where to serve HTTP and gRPC; port 0 takes a free one")
    args = parser.parse_args()
    if args.mode == "serve":
        app.serve(args.address, on_ready=lambda address: print(f"ready: the shop is served on {address}", flush=True))
    elif args.mode == "open":
        with app.open(None if args.folder == "memory" else args.folder, http=args.http) as rt:
            rt.wait(lambda: print(f"ready: the shop listens on {rt.http}", flush=True))
    else:
        purchase()


if __name__ == "__main__":
    main()
