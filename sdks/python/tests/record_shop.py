# SPDX-License-Identifier: Apache-2.0
"""Records what the shop of ``examples/shop/python`` writes, as it is now.

    python sdks/python/tests/record_shop.py sdks/python/tests/recorded/shop-1.jsonl

``shop-1.jsonl`` was made so, by version 1 of the shop. It is never made anew: when the shop changes, the next version
gets a file of its own, and all of them must stay readable.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import conftest  # noqa: F401 - puts this checkout and its shop on the path
import streams
from shop import Cart, Item, Profile, app

ENTITIES = [("shop.Cart", "ada", "event"), ("shop.Cart", "bob", "event"), ("shop.Profile", "ada", "value")]


def record(folder: Path) -> list[streams.Line]:
    """Does some shopping in a folder, and gives what its journal holds afterwards."""
    with app.open(folder) as rt:
        ada = rt.entity(Cart, "ada", timeout=streams.DEADLINE_S)
        ada.add_item(Item("p1", "Book", 2))
        ada.add_item(Item("p2", "Pen"))
        rt.call(Cart.remove_item, "ada", "p1")
        ada.check_out()
        ada.add_item(Item("p3", "Lamp – „klein“", 3))
        bob = rt.entity(Cart, "bob")
        bob.add_item(Item("p1", "Book"))
        bob.add_item(Item("p2", "Pen", 12))
        rt.call(Cart.remove_item, "bob", "p2")
        rt.entity(Profile, "ada").change_email("ada@example.org")
    return streams.read(folder, ENTITIES)


def main() -> None:
    """Writes the file named in the command line."""
    with tempfile.TemporaryDirectory() as folder:
        Path(sys.argv[1]).write_bytes(streams.dump(record(Path(folder) / "journal")))


if __name__ == "__main__":
    main()
