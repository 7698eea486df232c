# SPDX-License-Identifier: Apache-2.0
"""The stream that a client sends to a handler: an iterator that the handler pulls.

The host sends sixteen elements unasked and then as many as the handler has taken, so no more than that wait here.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any

from adjoin._codec import READ_ERRORS
from adjoin._frames import Function
from adjoin._handler import Handler
from adjoin._workers import blocked
from adjoin.errors import Invalid, Rejected

if TYPE_CHECKING:
    from adjoin._dispatch import Dispatcher

WINDOW = 16
"""Elements that are sent unasked."""

_REPORT = WINDOW // 2
"""Elements after whose taking the host is given room for as many."""


class _Input(ABC):
    """What both colours share. ``push``, ``end`` and ``cancel`` are called by the one who routes."""

    def __init__(self, dispatcher: Dispatcher, call: int, handler: Handler) -> None:
        self._dispatcher = dispatcher
        self._call = call
        self._handler = handler
        self._elements: deque[bytes] = deque()
        self._ended = False
        self._cancelled = False
        self._taken = 0

    def push(self, data: bytes) -> None:
        """One more element."""
        self._elements.append(data)
        self.wake()

    def end(self) -> None:
        """No more follow."""
        self._ended = True
        self.wake()

    def cancel(self) -> None:
        """Nobody waits for the call any more."""
        self._cancelled = True
        self.wake()

    @abstractmethod
    def wake(self) -> None:
        """Something has changed."""

    def _next(self) -> tuple[Any] | None:
        """The next element if it is there; ``None`` to wait. Raises ``_End`` after the last one."""
        if self._cancelled:
            raise Rejected(f"nobody waits for {self._handler.where} any more", code="CANCELLED")
        if not self._elements:
            if self._ended:
                raise _End
            return None
        data = self._elements.popleft()
        self._taken += 1
        if self._taken >= _REPORT and not self._ended:
            self._dispatcher.outbox.append((Function.STREAM_INPUT_CREDIT, self._call, self._taken))
            self._taken = 0
            self._dispatcher.answered()
        try:
            return (self._handler.body.decode(data)[0],)
        except READ_ERRORS as error:
            raise Invalid(f"an element for {self._handler.where}: {error}") from error


class Input(_Input):
    """For a sync handler: its worker waits here, and another one takes its place meanwhile."""

    def __init__(self, dispatcher: Dispatcher, call: int, handler: Handler) -> None:
        super().__init__(dispatcher, call, handler)
        self._some = threading.Event()

    def wake(self) -> None:
        self._some.set()

    def __iter__(self) -> Input:
        return self

    def __next__(self) -> Any:
        while True:
            self._some.clear()
            try:
                element = self._next()
            except _End:
                raise StopIteration from None
            if element is not None:
                return element[0]
            # Not only by a worker, which flushes when it waits: a handler may take its stream in a thread of its own.
            self._dispatcher.outbox.flush()
            with blocked():
                self._some.wait()


class AsyncInput(_Input):
    """For an async handler."""

    def __init__(self, dispatcher: Dispatcher, call: int, handler: Handler) -> None:
        super().__init__(dispatcher, call, handler)
        self._some: asyncio.Event | None = None

    def wake(self) -> None:
        self._dispatcher.on_loop(self._set)

    def _set(self) -> None:
        if self._some is not None:
            self._some.set()

    def __aiter__(self) -> AsyncInput:
        return self

    async def __anext__(self) -> Any:
        if self._some is None:
            self._some = asyncio.Event()
        while True:
            self._some.clear()
            try:
                element = self._next()
            except _End:
                raise StopAsyncIteration from None
            if element is not None:
                return element[0]
            await self._some.wait()


class _End(Exception):
    """Nothing more comes."""
