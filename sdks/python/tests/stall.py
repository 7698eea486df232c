# SPDX-License-Identifier: Apache-2.0
"""The shop of ``protos/market/v1/carts.proto``: every kind, every shape of streams, both colours."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import adjoin
import generated  # noqa: F401 - makes the modules below
from adjoin import Context, Rejected, command, event, query
from google.protobuf import any_pb2, empty_pb2
from market.v1 import carts_pb2 as pb


@dataclass
class Cart(adjoin.EventSourced, service=pb.DESCRIPTOR.services_by_name["Carts"], name="market.Cart", snapshot_every=3):
    """A state of fields, among them messages."""

    items: dict[str, pb.Item] = field(default_factory=dict)
    paid: bool = False

    @command
    def add_item(self, request: pb.AddItemRequest, ctx: Context = adjoin.current) -> pb.Count:
        if request.item.quantity < 1:
            raise Rejected("quantity must be positive", code="INVALID_ARGUMENT")
        self.emit(pb.ItemAdded(item=request.item))
        ctx.effect(Profiles.change_email, "count", pb.ChangeEmailRequest(user="count", email=request.user))
        return pb.Count(count=len(self.items))

    @command
    async def remove_item(self, request: pb.RemoveItemRequest) -> None:
        if request.product not in self.items:
            raise Rejected(f"no {request.product} here", code="NOT_FOUND")
        self.emit(pb.ItemRemoved(product=request.product))

    @query
    def get_cart(self, request: pb.GetCartRequest) -> pb.Cart:
        return pb.Cart(items=self.items.values())

    @command
    def check_out(self, request: pb.GetCartRequest) -> pb.Cart:
        cart = pb.Cart(items=self.items.values())
        self.emit(pb.CheckedOut())
        return cart

    @command
    def check_out_for(self, request: pb.CheckOutForRequest, ctx: Context = adjoin.current) -> pb.Cart:
        return ctx.forward(Cart.check_out, request.other, pb.GetCartRequest(user=request.other))

    @event
    def added(self, event: pb.ItemAdded) -> None:
        self.items[event.item.product] = event.item

    @event
    def removed(self, event: pb.ItemRemoved) -> None:
        del self.items[event.product]

    @event
    def checked_out(self, event: pb.CheckedOut) -> None:
        self.items, self.paid = {}, True


class Profiles(adjoin.Value, service="market.v1.Profiles", name="market.Profile"):
    """A state that is one message."""

    state: pb.Profile

    @command
    def change_email(self, request: pb.ChangeEmailRequest) -> pb.Profile:
        self.state.email = request.email
        self.state.changes += 1
        if "@" not in request.email and request.user != "count":
            raise Rejected("no mail address")
        return self.state

    @query
    def get_profile(self, request: pb.GetProfileRequest) -> pb.Profile:
        return self.state

    @command
    def forget(self, request: pb.GetProfileRequest) -> empty_pb2.Empty:
        self.delete()
        return empty_pb2.Empty()


class Mailers(adjoin.Action, service="market.v1.Mailers", name="market.Mailer"):
    """Every shape of streams."""

    @command
    async def send(self, mail: pb.Mail, ctx: Context = adjoin.current) -> pb.Mail | None:
        return pb.Mail(to=mail.to, text=f"{ctx.entity_key}: {mail.text}") if mail.to else None

    @command
    def digest(self, days: pb.Count) -> Iterator[pb.Mail]:
        for day in range(days.count):
            yield pb.Mail(text=f"day {day}")

    @command
    def total(self, counts: Iterator[pb.Count]) -> pb.Count:
        return pb.Count(count=sum(count.count for count in counts))

    @command
    async def running(self, counts: AsyncIterator[pb.Count]) -> AsyncIterator[pb.Count]:
        total = 0
        async for count in counts:
            total += count.count
            yield pb.Count(count=total)

    @command
    def nothing(self) -> None: ...


class Heard:
    """What listeners were called with, for tests to wait for."""

    def __init__(self) -> None:
        self._some = threading.Condition()
        self.events: list[tuple[str, object]] = []

    def add(self, key: str, what: object) -> None:
        with self._some:
            self.events.append((key, what))
            self._some.notify_all()

    def wait(self, enough: int) -> list[tuple[str, object]]:
        """Everything, once there are so many."""
        with self._some:
            assert self._some.wait_for(lambda: len(self.events) >= enough, 20), self.events
            return list(self.events)


heard = Heard()


class Listeners(adjoin.Action, service="market.v1.Listeners", name="market.Listener"):
    """Subscribes by the annotations of its contract."""

    @command
    def on_added(self, added: pb.ItemAdded, ctx: Context = adjoin.current) -> None:
        heard.add(ctx.entity_key, (added.item.product, ctx.event))

    @command
    def on_other(self, other: any_pb2.Any, ctx: Context = adjoin.current) -> None:
        heard.add(ctx.entity_key, (other.type_url, ctx.event))


app = adjoin.App(Cart, Profiles, Mailers, Listeners)
