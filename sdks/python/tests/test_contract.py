# SPDX-License-Identifier: Apache-2.0
"""Contract-first entities on the whole way: in-process calls, gRPC, transcoding, journal."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import adjoin
import grpc
import pytest
from adjoin import errors
from adjoin.testing import kit
from market.v1 import carts_pb2_grpc
from stall import Cart, Listeners, Mailers, Profiles, app, heard, pb

BOOK = pb.Item(product="book", quantity=2, notes={"b": "2", "a": "1"})


def add(user: str, item: pb.Item = BOOK) -> pb.AddItemRequest:
    return pb.AddItemRequest(user=user, item=item)


@pytest.fixture(scope="module")
def rt() -> Iterator[adjoin.Runtime]:
    with app.open(http="127.0.0.1:0", check_state=True) as runtime:
        yield runtime


def test_messages_go_in_and_out(rt: adjoin.Runtime) -> None:
    cart = rt.entity(Cart, "in")
    assert cart.add_item(add("in")) == pb.Count(count=1)
    assert rt.call(Cart.add_item, "in", add("in", pb.Item(product="pen", quantity=1))).count == 2
    assert rt.call(Cart.remove_item, "in", pb.RemoveItemRequest(user="in", product="pen")) is None
    assert cart.get_cart(pb.GetCartRequest(user="in")) == pb.Cart(items=[BOOK])


def test_refusals_change_nothing(rt: adjoin.Runtime) -> None:
    cart = rt.entity(Cart, "no")
    with pytest.raises(errors.Rejected, match="positive") as refused:
        cart.add_item(add("no", pb.Item(product="book")))
    assert refused.value.code == "INVALID_ARGUMENT"
    assert cart.get_cart(pb.GetCartRequest(user="no")) == pb.Cart()
    profile = rt.entity(Profiles, "no")
    with pytest.raises(errors.Rejected):
        profile.change_email(pb.ChangeEmailRequest(user="no", email="nobody"))
    assert profile.get_profile(pb.GetProfileRequest(user="no")) == pb.Profile()


def test_a_message_is_a_state_and_a_value(rt: adjoin.Runtime) -> None:
    profile = rt.entity(Profiles, "ada")
    changed = profile.change_email(pb.ChangeEmailRequest(user="ada", email="ada@x"))
    assert changed == pb.Profile(email="ada@x", changes=1)
    assert profile.get_profile(pb.GetProfileRequest(user="ada")) == changed
    profile.forget(pb.GetProfileRequest(user="ada"))
    assert profile.get_profile(pb.GetProfileRequest(user="ada")) == pb.Profile()


def test_effects_and_forwards_carry_messages(rt: adjoin.Runtime) -> None:
    rt.entity(Cart, "other").add_item(add("other"))
    gone = rt.entity(Cart, "one").check_out_for(pb.CheckOutForRequest(user="one", other="other"))
    assert gone == pb.Cart(items=[BOOK])
    with rt.watch(Profiles.get_profile, "count", pb.GetProfileRequest(user="count")) as changes:
        while changes.next(timeout=20).changes < 1:
            pass


def test_streams_of_every_shape(rt: adjoin.Runtime) -> None:
    counts = [pb.Count(count=n) for n in (1, 2, 3)]
    assert rt.call(Mailers.total, "-", iter(counts)) == pb.Count(count=6)
    assert [mail.text for mail in rt.stream(Mailers.digest, "-", pb.Count(count=2))] == ["day 0", "day 1"]
    assert [count.count for count in rt.stream(Mailers.running, "-", iter(counts))] == [1, 3, 6]
    assert rt.call(Mailers.send, "k", pb.Mail(to="ada", text="hello")) == pb.Mail(to="ada", text="k: hello")
    assert rt.call(Mailers.send, "k", pb.Mail()) is None
    assert rt.call(Mailers.nothing, "k") is None


def test_an_argument_of_another_type_is_refused_at_once(rt: adjoin.Runtime) -> None:
    wrong: Any = pb.Mail()
    with pytest.raises(errors.Invalid, match="expected AddItemRequest, got Mail"):
        rt.entity(Cart, "in").add_item(wrong)


def test_the_contract_is_served_over_grpc(rt: adjoin.Runtime) -> None:
    with grpc.insecure_channel(str(rt.http).removeprefix("http://")) as channel:
        carts = carts_pb2_grpc.CartsStub(channel)
        assert carts.AddItem(add("grpc"), timeout=20) == pb.Count(count=1)
        with pytest.raises(grpc.RpcError) as failed:
            carts.RemoveItem(pb.RemoveItemRequest(user="grpc", product="pen"), timeout=20)
        assert (failed.value.code(), failed.value.details()) == (grpc.StatusCode.NOT_FOUND, "no pen here")
        mailers = carts_pb2_grpc.MailersStub(channel)
        counts = [pb.Count(count=n) for n in (1, 2)]
        assert mailers.Total(iter(counts), timeout=20) == pb.Count(count=3)
        assert [count.count for count in mailers.Running(iter(counts), timeout=20)] == [1, 3]
        assert len(list(mailers.Digest(pb.Count(count=3), timeout=20))) == 3


def test_the_contract_is_served_over_http(rt: adjoin.Runtime) -> None:
    body = b'{"user": "http", "item": {"product": "pen", "quantity": 1}}'
    headers = {"content-type": "application/json"}
    post = urllib.request.Request(f"{rt.http}/market.v1.Carts/AddItem", body, headers)
    with urllib.request.urlopen(post, timeout=20) as answer:
        assert json.load(answer) == {"count": 1}
    with urllib.request.urlopen(f"{rt.http}/carts/http", timeout=20) as answer:
        assert json.load(answer)["items"] == [{"product": "pen", "quantity": 1, "notes": {}}]


def test_the_journal_keeps_messages_as_they_are(tmp_path: Path) -> None:
    with app.open(tmp_path) as rt:
        for number in range(7):
            rt.entity(Cart, "kept").add_item(add("kept", pb.Item(product=f"p{number}", quantity=1)))
        rt.entity(Profiles, "kept").change_email(pb.ChangeEmailRequest(user="kept", email="a@b"))
    with app.open(tmp_path) as rt:
        assert len(rt.entity(Cart, "kept").get_cart(pb.GetCartRequest(user="kept")).items) == 7
        assert rt.entity(Profiles, "kept").get_profile(pb.GetProfileRequest(user="kept")).email == "a@b"


def test_tasks_call_with_messages() -> None:
    async def main() -> None:
        async with app.open() as rt:
            assert (await rt.call(Cart.add_item, "ada", add("ada"))).count == 1
            await rt.entity(Cart, "ada").remove_item(pb.RemoveItemRequest(user="ada", product="book"))
            async with rt.stream(Mailers.digest, "-", pb.Count(count=1)) as mails:
                assert [mail.text async for mail in mails] == ["day 0"]

    asyncio.run(main())


def test_a_kit_takes_messages() -> None:
    one = pb.ItemAdded(item=BOOK)
    pen = pb.Item(product="pen", quantity=1)
    (
        kit(Cart)
        .given(one)
        .when(Cart.add_item, add("ada", pen))
        .then(pb.ItemAdded(item=pen))
        .replies(pb.Count(count=2))
        .effect(Profiles.change_email, "count", pb.ChangeEmailRequest(user="count", email="ada"))
    )
    kit(Cart).when(Cart.add_item, add("ada", pb.Item())).rejected("positive", code="INVALID_ARGUMENT")
    request = pb.ChangeEmailRequest(user="ada", email="a@b")
    saved = pb.Profile(email="a@b", changes=5)
    kit(Profiles).given(pb.Profile(email="x", changes=4)).when(Profiles.change_email, request).replies(saved)
    counts = [pb.Count(count=1), pb.Count(count=2)]
    kit(Mailers).when(Mailers.running, iter(counts)).replies([pb.Count(count=1), pb.Count(count=3)])
    with pytest.raises(AssertionError, match=r"market.v1.ItemAdded \{item \{ product: \"book\""):
        kit(Cart).when(Cart.add_item, add("ada")).then(one, one)


def test_annotations_of_the_contract_subscribe(rt: adjoin.Runtime) -> None:
    cart = rt.entity(Cart, "heard")
    cart.add_item(add("heard"))
    cart.check_out(pb.GetCartRequest(user="heard"))

    def mine() -> list[Any]:
        return [what for key, what in list(heard.events) if key == "heard"]

    while len(mine()) < 2:
        heard.wait(len(heard.events) + 1)
    (product, added), (type_url, other) = mine()
    assert (product, type_url) == ("book", "type.googleapis.com/market.v1.CheckedOut")
    assert added is not None and (added.source, added.subject, added.type) == (
        "market.Cart", "heard", "market.v1.ItemAdded",
    )  # fmt: skip
    assert added.content_type == "application/protobuf" and added.id != other.id and added.time is not None


def test_the_listener_says_nothing_that_its_contract_says() -> None:
    (listener,) = [one for one in app.spec()["types"] if one["name"] == Listeners._options.name]
    assert listener["subscriptions"] == []


def test_a_client_elsewhere_speaks_in_messages_too(rt: adjoin.Runtime) -> None:
    with adjoin.connect(str(rt.http)) as there:
        cart = there.entity(Cart, "far")
        assert cart.add_item(add("far")) == pb.Count(count=1)
        assert there.call(Cart.remove_item, "far", pb.RemoveItemRequest(product="book")) is None
        with pytest.raises(errors.Rejected, match="no book here"):
            there.call(Cart.remove_item, "far", pb.RemoveItemRequest(user="far", product="book"))
        with there.watch(Cart.get_cart, "far", pb.GetCartRequest(user="far")) as carts:
            assert carts.next(timeout=20) == pb.Cart()
        counts = [pb.Count(count=n) for n in (1, 2)]
        assert there.call(Mailers.total, "-", iter(counts)) == pb.Count(count=3)
        assert list(there.stream(Mailers.running, "-", iter(counts))) == [pb.Count(count=1), pb.Count(count=3)]
        assert there.call(Mailers.nothing, "-") is None
        wrong: Any = pb.Mail()
        with pytest.raises(errors.Invalid, match="expected AddItemRequest, got Mail"):
            cart.add_item(wrong)
