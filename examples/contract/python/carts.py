# SPDX-License-Identifier: Apache-2.0
import adjoin
import carts_pb2 as pb  # protoc's own
from adjoin import Context, Rejected, command, event, query


class Cart(adjoin.EventSourced, service=pb.DESCRIPTOR.services_by_name["Carts"], name="shop.Cart"):
    state: pb.Cart  # one message; or a @dataclass with fields

    @command
    def add_item(self, request: pb.AddItemRequest) -> pb.Count:  # rpc AddItem
        if request.item.quantity < 1:
            raise Rejected("quantity must be positive")
        self.emit(pb.ItemAdded(item=request.item))
        return pb.Count(count=len(self.state.items))

    @query
    def get_cart(self, request: pb.GetCartRequest) -> pb.Cart:
        return self.state

    @event
    def added(self, event: pb.ItemAdded) -> None:
        self.state.items.append(event.item)


class Mailer(adjoin.Action, service="shop.v1.Mailer", name="shop.Mailer"):
    @command(on=adjoin.events_of(Cart, group="mailer"))  # called with every ItemAdded, in order, at least once
    def welcome(self, added: pb.ItemAdded, ctx: Context = adjoin.current) -> None:
        if ctx.event is not None:
            print(f"{ctx.event.subject} put {added.item.product} into the cart")


app = adjoin.App(Cart, Mailer)

if __name__ == "__main__":
    with app.open("./data", http="127.0.0.1:0") as rt:  # also gRPC: exactly shop.v1.Carts and shop.v1.Mailer
        cart = rt.entity(Cart, "ada")
        print(cart.add_item(pb.AddItemRequest(user="ada", item=pb.Item(product="book", quantity=1))).count)
        rt.call(Mailer.welcome, "ada", pb.ItemAdded())  # a subscriber is a command like any other
