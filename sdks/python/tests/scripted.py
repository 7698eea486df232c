# SPDX-License-Identifier: Apache-2.0
"""A host that does as the test tells it: frames in by ``give``, what the function submitted by ``expect``."""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import Any

import msgspec
from adjoin._definition import definition_of
from adjoin._frames import Frame, Function, Host
from adjoin._session import Session

DEADLINE_S = 20.0


class Native:
    """The five calls, over two queues."""

    def __init__(self) -> None:
        self._some = threading.Condition()
        self._out: deque[Frame] = deque()
        self.taken: list[Frame] = []
        self._closed = False
        self._fd = os.eventfd(0, os.EFD_NONBLOCK)

    def give(self, *frames: Frame) -> None:
        with self._some:
            self._out.extend(frames)
            os.eventfd_write(self._fd, 1)
            self._some.notify_all()

    def submit(self, batch: list[Frame]) -> None:
        with self._some:
            self.taken += batch
            self._some.notify_all()

    def poll(self, timeout_ms: int) -> list[Frame]:
        with self._some:
            self._some.wait_for(lambda: self._out or self._closed, None if timeout_ms < 0 else timeout_ms / 1000)
            batch = list(self._out)
            self._out.clear()
            if batch and not self._closed:
                os.eventfd_read(self._fd)
            return batch or ([(Host.CLOSED,)] if self._closed else [])

    def wake_fd(self) -> int:
        return self._fd

    def close(self) -> None:
        with self._some:
            self._closed = True
            os.eventfd_write(self._fd, 1)
            self._some.notify_all()

    def wait(self, enough: Any) -> None:
        with self._some:
            assert self._some.wait_for(enough, DEADLINE_S), f"not in time; there is {self.taken}"


class Scripted:
    """A session over a native host that the test plays."""

    def __init__(self, *classes: type, loop: Any = None) -> None:
        self.native = Native()
        definitions = [definition_of(cls) for cls in classes]
        self.session = Session(self.native, definitions, mode="in-process", loop=loop)
        self._calls = 0
        self.native.give((Host.SESSION, 0, 1 << 20, 1 << 20, 1 << 20, 100), (Host.READY, None, None, ()))
        self.session.start()

    def end(self) -> None:
        self.session.close()

    def activate(self, activation: int, entity_type: str, *events: tuple[str, Any], state: Any = None) -> None:
        stored = [(number, name, encoded(event)) for number, (name, event) in enumerate(events, 1)]
        self.native.give(
            (Host.ACTIVATE, activation, entity_type, f"key{activation}", 7, 0, state),
            (Host.REPLAY, activation, stored, True),
        )

    def command(self, activation: int, name: str, body: Any = None, **given: Any) -> int:
        """Gives one command; its call."""
        frame = self.frame(activation, name, body, **given)
        self.native.give(frame)
        return int(frame[2])

    def frame(
        self, activation: int, name: str, body: Any = None, *, entity: Any = (None, None), query: bool = False,
        snapshot: bool = False, chain: tuple[str, ...] = (), remaining_ms: int = 0, type_name: str = "",
    ) -> Frame:  # fmt: skip
        self._calls += 1
        data = b"" if body is None else encoded(body)
        head = (Host.COMMAND, activation, self._calls, *entity, name, data, query, snapshot)
        return (*head, 1, self._calls.to_bytes(16, "big"), remaining_ms, "", (), chain, type_name)

    def expect(self, count: int) -> list[Frame]:
        """The first ``count`` frames that the function submitted, once they are there."""
        self.native.wait(lambda: len(self.native.taken) >= count)
        return self.native.taken[:count]

    def answer(self, call: int) -> Frame:
        """The answer to a call, once it is there."""
        return self.first(
            lambda frame: (
                frame[0] in (Function.REPLY, Function.EFFECTS, Function.FAILURE, Function.FORWARD) and frame[2] == call
            )
        )

    def first(self, wanted: Any) -> Frame:
        """The first submitted frame that is ``wanted``, once it is there."""
        self.native.wait(lambda: any(wanted(frame) for frame in self.native.taken))
        return next(frame for frame in self.native.taken if wanted(frame))


def encoded(value: Any) -> bytes:
    return value if isinstance(value, bytes) else msgspec.json.encode(value)
