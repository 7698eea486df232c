# SPDX-License-Identifier: Apache-2.0
"""Streams of records, out of a folder and into one, byte for byte.

The function here looks at nothing it is given: what it tells is what the store holds, and what it emits is stored as it
is. So a stream can be kept as a file and put into a real journal long after the code that wrote it has changed.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from adjoin import _native, errors
from adjoin._frames import Command, Frame, Function, Host

DEADLINE_S = 20.0

KINDS = {"event": "event-sourced", "value": "value"}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One record, or the snapshot before the events. ``data`` is its bytes: JSON, as a file has it."""

    entity_type: str
    key: str
    record: str
    sequence: int
    name: str
    data: msgspec.Raw

    @property
    def body(self) -> bytes:
        return bytes(self.data)


def load(file: Path) -> list[Line]:
    """The lines of a file."""
    return [msgspec.json.decode(line, type=Line) for line in file.read_bytes().splitlines()]


def dump(lines: Iterable[Line]) -> bytes:
    """Lines as a file holds them."""
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def read(folder: Path, entities: Iterable[tuple[str, str, str]]) -> list[Line]:
    """What a folder holds for entities: type, key, and what they consist of (``event`` or ``value``)."""
    lines: list[Line] = []
    for entity_type, key, record in entities:
        plain = _Plain(folder, entity_type, record)
        plain.ask(key, "read")
        lines += plain.seen
        plain.host.close()
    return lines


def write(folder: Path, lines: Iterable[Line]) -> None:
    """Puts lines into a folder, each by a command of its own."""
    streams: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in lines:
        streams[line.entity_type, line.record].append(line)
    for (entity_type, record), some in streams.items():
        plain = _Plain(folder, entity_type, record)
        for line in some:
            plain.given.append(line)
            plain.ask(line.key, "write")
        plain.host.close()


class _Plain:
    """A host on the folder whose one entity type keeps what it is given."""

    def __init__(self, folder: Path, entity_type: str, record: str) -> None:
        handlers = [{"name": "write"}, {"name": "read", "query": True}]
        kind = {"name": entity_type, "kind": KINDS[record], "handlers": handlers, "reads_any_event": record == "event"}
        settings = {"mode": "in-process", "path": str(folder), "spec": {"sdk": "plain", "types": [kind]}}
        self.host = _native.open(msgspec.json.encode(settings).decode())
        self.entity_type = entity_type
        self.record = record
        self.seen: list[Line] = []
        self.given: deque[Line] = deque()
        self._keys: dict[int, str] = {}
        self._last: dict[int, int] = {}
        self._requests = 0

    def ask(self, key: str, handler: str) -> None:
        """Makes one call, and plays the function until it is answered."""
        self._requests += 1
        self.host.submit([(Function.CALL, self._requests, self.entity_type, key, handler, b"", 0, None, None, (), ())])
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            for frame in self.host.poll(100):
                if frame[0] == Host.ERROR:
                    raise errors.from_wire(frame[2])
                if frame[0] == Host.REPLY:
                    return
                self._handle(frame)
        raise AssertionError(f"{handler} of {key} was not answered in time")

    def _handle(self, frame: Frame) -> None:
        if frame[0] == Host.ACTIVATE:
            _, activation, _, key, _, sequence, state = frame
            self._keys[activation], self._last[activation] = key, sequence
            if state is not None:
                self._see("value" if self.record == "value" else "snapshot", key, sequence, *state)
        elif frame[0] == Host.REPLAY:
            _, activation, events, _ = frame
            for sequence, name, data in events:
                self._see("event", self._keys[activation], sequence, name, data)
            if events:
                self._last[activation] = events[-1][0]
            self.host.submit([(Function.REPLAYED, activation, self._last[activation])])
        elif frame[0] == Host.COMMAND:
            self.host.submit([self._answer(frame[Command.ACTIVATION], frame[Command.CALL], frame[Command.NAME])])

    def _see(self, record: str, key: str, sequence: int, name: str, data: bytes) -> None:
        place: dict[str, Any] = {"entity_type": self.entity_type, "key": key, "sequence": sequence}
        self.seen.append(Line(**place, record=record, name=name, data=msgspec.Raw(data)))

    def _answer(self, activation: int, call: int, handler: str) -> Frame:
        if handler == "read":
            return (Function.REPLY, activation, call, None)
        line = self.given.popleft()
        events = [(line.name, line.body)] if line.record == "event" else []
        value = line.body if line.record == "value" else None
        return (Function.EFFECTS, activation, call, None, events, value, False, [], None)
