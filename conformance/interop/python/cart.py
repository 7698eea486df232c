# SPDX-License-Identifier: Apache-2.0
"""A shopping cart; its items stand in the order in which their products first came."""

from __future__ import annotations

import adjoin
import protos
from adjoin import Rejected, command, event

pb = protos.of("interop/cart.proto")


class Cart(adjoin.EventSourced, service="adjoin.interop.cart.Cart", name="cart", snapshot_every=3):
    """The cart of one user."""

    state: pb.Contents

    @command
    def add_item(self, request: pb.AddItemRequest) -> None:
        if request.quantity <= 0:
            raise Rejected(f"cannot add {request.quantity} of {request.product_id}")
        item = pb.Item(product_id=request.product_id, name=request.name, quantity=request.quantity)
        self.emit(pb.ItemAdded(item=item))

    @command
    def remove_item(self, request: pb.RemoveItemRequest) -> None:
        if self.find(request.product_id) is None:
            raise Rejected(f"there is no {request.product_id}")
        self.emit(pb.ItemRemoved(product_id=request.product_id))

    @command
    def get_cart(self, request: pb.GetCartRequest) -> pb.Contents:
        return self.state

    @command(name="Break")
    def fall_over(self, request: pb.BreakRequest) -> None:
        raise RuntimeError("broken as asked")

    @event
    def added(self, event: pb.ItemAdded) -> None:
        there = self.find(event.item.product_id)
        if there is None:
            self.state.items.append(event.item)
        else:
            there.quantity += event.item.quantity

    @event
    def removed(self, event: pb.ItemRemoved) -> None:
        self.state.items.remove(self.find(event.product_id))

    def find(self, product: str) -> pb.Item | None:
        """The item of a product."""
        return next((item for item in self.state.items if item.product_id == product), None)
