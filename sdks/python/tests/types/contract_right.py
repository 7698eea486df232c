# SPDX-License-Identifier: Apache-2.0
"""Contract-first calls that are right: type checkers say nothing. Nothing here is run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import adjoin
from adjoin import CloudEvent, Context, command, event, query
from adjoin.testing import kit
from google.protobuf import empty_pb2
from market.v1 import carts_pb2 as pb


class Carts(adjoin.EventSourced, service=pb.DESCRIPTOR.services_by_name["Carts"], name="t.Cart", snapshot_every=5):
    state: pb.Cart

    @command
    def add_item(self, request: pb.AddItemRequest) -> pb.Count:
        self.emit(pb.ItemAdded(item=request.item))
        return pb.Count(count=len(self.state.items))

    @command
    async def remove_item(self, request: pb.RemoveItemRequest) -> None:
        self.emit(pb.ItemRemoved(product=request.product))

    @query
    def get_cart(self, request: pb.GetCartRequest) -> pb.Cart:
        return self.state

    @command
    def check_out(self, request: pb.GetCartRequest) -> pb.Cart:
        return self.state

    @command
    def check_out_for(self, request: pb.CheckOutForRequest, ctx: Context = adjoin.current) -> pb.Cart:
        ctx.effect(Mailers.send, "all", pb.Mail(to=request.user))
        return ctx.forward(Carts.check_out, request.other, pb.GetCartRequest(user=request.other))

    @event
    def added(self, event: pb.ItemAdded) -> None:
        self.state.items.append(event.item)


class Mailers(adjoin.Action, service="market.v1.Mailers"):
    @command
    async def send(self, mail: pb.Mail) -> pb.Mail | None:
        return mail

    @command
    def digest(self, days: pb.Count) -> Iterator[pb.Mail]:
        yield pb.Mail()

    @command
    def total(self, counts: Iterator[pb.Count]) -> pb.Count:
        return pb.Count(count=sum(count.count for count in counts))

    @command
    async def running(self, counts: AsyncIterator[pb.Count]) -> AsyncIterator[pb.Count]:
        async for count in counts:
            yield count

    @command
    def nothing(self) -> empty_pb2.Empty:
        return empty_pb2.Empty()


class Listeners(adjoin.Action, services=["market.v1.Listeners"]):
    @command(on=[adjoin.events_of(Carts), adjoin.events_of("t.Cart", group="other", event="market.v1.ItemAdded")])
    def on_added(self, added: pb.ItemAdded, ctx: Context = adjoin.current) -> None:
        found: CloudEvent | None = ctx.event
        print(found.subject if found else added)


app = adjoin.App(Carts, Mailers, Listeners)


def calls() -> None:
    with app.open() as rt:
        count: pb.Count = rt.entity(Carts, "ada").add_item(pb.AddItemRequest(user="ada"))
        cart: pb.Cart = rt.call(Carts.get_cart, "ada", pb.GetCartRequest(user="ada"))
        total: pb.Count = rt.call(Mailers.total, "-", iter([pb.Count(count=1)]))
        for mail in rt.stream(Mailers.digest, "-", pb.Count(count=2)):
            print(mail.text, count, cart.items, total)
    kit(Carts).given(pb.ItemAdded()).when(Carts.add_item, pb.AddItemRequest()).then(pb.ItemAdded())
