# SPDX-License-Identifier: Apache-2.0
"""What version 1 of the shop wrote into a folder is served by version 2."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import adjoin
import pytest
import shop
import shop2
import streams
from adjoin import Unavailable, event, query
from record_shop import ENTITIES, record
from shop2 import Cart, Line, Profile

RECORDED = Path(__file__).parent / "recorded" / "shop-1.jsonl"


@pytest.fixture(params=["recorded", "written now"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A journal of version 1: the recorded one, put into a new folder, and one that its code has just written."""
    folder = tmp_path / "journal"
    if request.param == "recorded":
        streams.write(folder, streams.load(RECORDED))
    else:
        record(folder)
    return folder


def test_version_1_of_the_shop_still_writes_what_was_recorded(tmp_path: Path) -> None:
    lines = record(tmp_path / "journal")
    assert streams.dump(lines) == RECORDED.read_bytes()
    assert {line.name for line in lines} == {"ItemAdded", "ItemRemoved", "CheckedOut", "json"}


def test_a_recorded_stream_stands_in_the_journal_byte_for_byte(tmp_path: Path) -> None:
    streams.write(tmp_path / "journal", streams.load(RECORDED))
    assert streams.dump(streams.read(tmp_path / "journal", ENTITIES)) == RECORDED.read_bytes()


def test_version_2_serves_the_folder_of_version_1(folder: Path) -> None:
    with shop2.app.open(folder) as rt:
        # The lamp; the pen was paid for, the book taken out before. No quantity is left anywhere.
        ada = Cart({"p3": Line("p3", "Lamp – „klein“")}, ["somebody"] * 3, ["unknown"], ["EUR"])
        assert rt.call(Cart.whole, "ada") == ada
        assert rt.call(Cart.whole, "bob") == Cart({"p1": Line("p1", "Book")}, ["somebody"] * 2, ["unknown"], [])
        assert rt.call(Profile.whole, "ada") == Profile("ada@example.org", newsletter=True)


def test_commands_of_version_2_go_on_where_version_1_stopped(folder: Path) -> None:
    with shop2.app.open(folder) as rt:
        assert rt.call(Cart.put, "bob", Line("p7", "Vase", gift=True)) == 2
        rt.call(Cart.remove, "bob", "p1")
        with pytest.raises(adjoin.Rejected, match="no p1 here"):
            rt.call(Cart.remove, "bob", "p1")
        assert rt.call(Cart.pay, "ada", "CHF") == 1
        assert rt.call(Profile.unsubscribe, "ada") == "ada@example.org"
    with shop2.app.open(folder) as rt:
        bob = Cart({"p7": Line("p7", "Vase", gift=True)}, ["somebody"] * 2 + ["ada"], ["unknown", "too dear"], [])
        assert rt.call(Cart.whole, "bob") == bob
        assert rt.call(Cart.whole, "ada").paid == ["EUR", "CHF"]
        assert rt.call(Profile.whole, "ada") == Profile("ada@example.org", newsletter=False)
    names = [line.name for line in streams.read(folder, ENTITIES) if line.key == "bob"]
    assert names == ["ItemAdded", "ItemAdded", "ItemRemoved", "LinePut", "ItemRemoved"], "the past is not rewritten"


def test_a_snapshot_of_version_1_gives_way_to_its_events(tmp_path: Path) -> None:
    with shop.app.open(tmp_path / "journal") as rt:
        cart = rt.entity(shop.Cart, "ada")
        for number in range(250):
            cart.add_item(shop.Item(f"p{number % 7}", "Book", number + 1))
    first, *rest = streams.read(tmp_path / "journal", ENTITIES[:1])
    assert (first.record, first.sequence + len(rest)) == ("snapshot", 250), "version 1 left a snapshot to stumble over"
    with shop2.app.open(tmp_path / "journal") as rt:
        cart2 = rt.call(Cart.whole, "ada")
    assert (len(cart2.lines), len(cart2.put_by)) == (7, 250)
    assert cart2.lines["p0"] == Line("p0", "Book")


@dataclass
class Forgetful(adjoin.EventSourced, name="shop.Cart"):
    """A version that has forgotten how carts are paid for."""

    count: int = 0

    @query
    def products(self) -> int:
        return self.count

    @event
    def on_added(self, e: shop.ItemAdded) -> None:
        self.count += 1

    @event
    def on_removed(self, e: shop.ItemRemoved) -> None:
        self.count -= 1


def test_an_event_that_nobody_reads_is_named_and_stops_its_entity_only(folder: Path) -> None:
    with adjoin.App(Forgetful).open(folder) as rt:
        with pytest.raises(Unavailable, match="stored event CheckedOut: deploy a version that reads it") as told:
            rt.call(Forgetful.products, "ada", timeout=20)
        assert told.value.context["entity"] == "shop.Cart/ada"
        assert (told.value.context["event"], told.value.context["sequence"]) == ("CheckedOut", "4")
        assert told.value.outcome == "none"
        assert rt.call(Forgetful.products, "bob") == 1
    with shop2.app.open(folder) as rt:  # nothing was lost by trying
        assert rt.call(Cart.whole, "ada").paid == ["EUR"]
