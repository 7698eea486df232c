# SPDX-License-Identifier: Apache-2.0
"""What a command costs in the SDK: dispatcher, codecs and an empty handler, without a host.

    python benches/dispatch.py [COMMANDS] [--profile]

A host that only plays frames gives batches of 64 commands over 50 entities; the figure is CPU time per command. The
target is 25 µs.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))

import adjoin
from adjoin import command, event, query
from adjoin._definition import definition_of
from adjoin._frames import Frame, Host
from adjoin._session import Session

ENTITIES = 50
BATCH = 64
TARGET_US = 25.0


@dataclass
class Item:
    product: str
    name: str
    qty: int = 1


@dataclass
class ItemAdded:
    item: Item


@dataclass
class Cart(adjoin.EventSourced, name="b.Cart"):
    items: dict[str, Item] = field(default_factory=dict)

    @command
    def add_item(self, item: Item) -> int:
        self.emit(ItemAdded(item))
        return len(self.items)

    @command
    async def add_item_async(self, item: Item) -> int:
        self.emit(ItemAdded(item))
        return len(self.items)

    @command
    def refuse(self, item: Item) -> int:
        raise adjoin.Rejected("no")

    @query
    def count(self) -> int:
        return len(self.items)

    @event
    def on_added(self, e: ItemAdded) -> None:
        self.items[e.item.product] = e.item


@dataclass
class Note(adjoin.Value, name="b.Note"):
    text: str = ""

    @command
    def set(self, item: Item) -> str:
        self.text = item.name
        return self.text


BODY = b'{"name":"%s","product":"p1","qty":1}' % (b"x" * 60)


class Played:
    """A host that gives prepared batches, and notes when everything was answered."""

    def __init__(self, batches: list[list[Frame]], answers: int) -> None:
        self._batches = iter(batches)
        self._left = answers
        self._closed = threading.Event()
        self.done = threading.Event()

    def submit(self, batch: list[Frame]) -> None:
        self._left -= len(batch)
        if self._left <= 0:
            self.done.set()

    def poll(self, timeout_ms: int) -> list[Frame]:
        batch = next(self._batches, None)
        if batch is None:
            self._closed.wait()
            return [(Host.CLOSED,)]
        return batch

    def wake_fd(self) -> int:
        return -1

    def close(self) -> None:
        self._closed.set()


def prepared(entity_type: str, name: str, body: bytes, is_query: bool, commands: int) -> list[list[Frame]]:
    opening: list[Frame] = [(Host.SESSION, 0, 1 << 20, 64 << 20, 64 << 20, 10_000), (Host.READY, None, None, ())]
    for activation in range(1, ENTITIES + 1):
        opening.append((Host.ACTIVATE, activation, entity_type, f"k{activation}", 1, 0, None))
        opening.append((Host.REPLAY, activation, [], True))
    frames: list[Frame] = [
        (2, n % ENTITIES + 1, n, None, None, name, body, is_query, False, 1, n.to_bytes(16, "big"), 0, "", (), ())
        for n in range(1, commands + 1)
    ]
    return [opening, *(frames[at : at + BATCH] for at in range(0, commands, BATCH))]


def measured(entity_type: type, name: str, body: bytes, is_query: bool, commands: int) -> float:
    definition: Any = definition_of(entity_type)
    host = Played(prepared(definition.name, name, body, is_query, commands), commands + ENTITIES)
    session = Session(host, [definition], mode="in-process")
    before = time.process_time()
    session.start()
    host.done.wait()
    spent = time.process_time() - before
    session.close()
    return spent / commands * 1e6


CASES: dict[str, Callable[[int], float]] = {
    "event-sourced command": lambda n: measured(Cart, "addItem", BODY, False, n),
    "the same, async": lambda n: measured(Cart, "addItemAsync", BODY, False, n),
    "refused command": lambda n: measured(Cart, "refuse", BODY, False, n),
    "query": lambda n: measured(Cart, "count", b"", True, n),
    "value command": lambda n: measured(Note, "set", BODY, False, n),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commands", nargs="?", type=int, default=50_000)
    parser.add_argument("--profile", action="store_true", help="show where an event-sourced command spends its time")
    args = parser.parse_args()
    if args.profile:
        profiled(args.commands)
        return
    for name, run in CASES.items():
        us = sorted(run(args.commands) for _ in range(3))[1]
        print(f"{name:24} {us:6.1f} µs/command")
        line = {"bench": f"python.{name}", "adjoin": us, "unit": "us", "target": 1, "ratio": TARGET_US / us}
        print(json.dumps(line))


def profiled(commands: int) -> None:
    from adjoin._activation import Place
    from adjoin._kinds import activation_of

    activation = activation_of(definition_of(Cart), 1, "k", 1, Place(home=None))  # type: ignore[arg-type]
    frame = prepared("b.Cart", "addItem", BODY, False, 1)[1][0]
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(commands):
        activation.run(frame)
    profile.disable()
    profile.print_stats("tottime")


if __name__ == "__main__":
    main()
