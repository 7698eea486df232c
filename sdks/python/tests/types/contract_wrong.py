# SPDX-License-Identifier: Apache-2.0
"""Contract-first calls that are wrong: type checkers refuse every line marked so, and no other. Nothing here is run."""

from __future__ import annotations

import adjoin
from adjoin import command
from contract_right import Carts, Mailers, app
from market.v1 import carts_pb2 as pb


def calls() -> None:
    with app.open() as rt:
        cart = rt.entity(Carts, "ada")
        cart.add_item(pb.GetCartRequest(user="ada"))  # wrong
        cart.add_item()  # wrong
        text: str = cart.add_item(pb.AddItemRequest())  # wrong
        rt.call(Carts.add_item, "ada", pb.GetCartRequest())  # wrong
        number: int = rt.call(Carts.get_cart, "ada", pb.GetCartRequest())  # wrong
        rt.call(Mailers.total, "-", pb.Count())  # wrong
        rt.stream(Mailers.digest, "-", pb.Mail())  # wrong
        cart.get_cart(pb.GetCartRequest()).nothing  # wrong
        print(text, number)


class Wrong(adjoin.Action, service=7):  # wrong
    @command(on="market.Cart")  # wrong
    def run(self, mail: pb.Mail) -> pb.Mail:
        return mail
