# SPDX-License-Identifier: Apache-2.0
"""The shop: a cart of events, a profile that is a value, a mailer without state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import adjoin
import shop_pb2 as pb
from adjoin import Context, Rejected, command, event, query


@dataclass
class Cart(adjoin.EventSourced, service="shop.Cart", name="shop.Cart", snapshot_every=100):
    """What somebody is about to buy."""

    items: dict[str, pb.Item] = field(default_factory=dict)

    @command
    def add_item(self, request: pb.AddItem) -> pb.Count:
        item = request.item
        if not item.HasField("qty"):
            item.qty = 1
        if item.qty < 1:
            raise Rejected("qty must be positive")
        self.emit(pb.ItemAdded(item=item))
        return pb.Count(count=len(self.items))

    @command
    async def remove_item(self, request: pb.RemoveItem) -> pb.Nothing:
        if request.product not in self.items:
            raise Rejected(f"no {request.product} here", code="NOT_FOUND")
        self.emit(pb.ItemRemoved(product=request.product))
        return pb.Nothing()

    @command
    def check_out(self, request: pb.Key) -> pb.Count:
        count = len(self.items)
        self.emit(pb.CheckedOut())
        return pb.Count(count=count)

    @query
    def contents(self, request: pb.Key) -> pb.Contents:
        return pb.Contents(items=self.items.values())

    @event
    def on_added(self, event: pb.ItemAdded) -> None:
        self.items[event.item.product] = event.item

    @event
    def on_removed(self, event: pb.ItemRemoved) -> None:
        del self.items[event.product]

    @event
    def on_checked_out(self, event: pb.CheckedOut) -> None:
        self.items.clear()


class Mailer(adjoin.Action, service="shop.Mailer", name="shop.Mailer"):
    """Writes to people."""

    @command
    async def welcome(self, request: pb.Email) -> pb.Line:
        return pb.Line(line=f"welcome, {request.email}")

    @command
    async def digest(self, request: pb.Days) -> AsyncIterator[pb.Line]:
        for day in range(request.days, 0, -1):
            yield pb.Line(line=f"{day} days ago: nothing new")


class Profile(adjoin.Value, service="shop.Profile", name="shop.Profile"):
    """Who somebody is."""

    state: pb.Address

    @command
    def change_email(self, request: pb.Email, ctx: Context = adjoin.current) -> pb.Email:
        if "@" not in request.email:
            raise Rejected("no mail address", code="INVALID_ARGUMENT")
        self.state.email = request.email
        ctx.effect(Mailer.welcome, "all", pb.Email(email=request.email))
        return pb.Email(email=f"{ctx.entity_key}@{ctx.epoch}")

    @command
    def forget(self, request: pb.Key) -> pb.Nothing:
        self.delete()
        return pb.Nothing()

    @command
    def checkout(self, request: pb.CheckOut, ctx: Context = adjoin.current) -> pb.Count:
        return ctx.forward(Cart.check_out, request.cart, pb.Key(key=request.cart))

    @query
    def address(self, request: pb.Key) -> pb.Email:
        return pb.Email(email=self.state.email)
