# SPDX-License-Identifier: Apache-2.0
"""A call of an action that streams its reply."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from adjoin import errors
from adjoin._activation import Activation
from adjoin._frames import Command, Frame, Function
from adjoin._handler import Handler
from adjoin._lane import SLOW_S, TURN
from adjoin._stream import Element, Pulled

if TYPE_CHECKING:
    from adjoin._dispatch import Dispatcher


class StreamCall:
    """One streamed reply. It sends as many elements as the host has room for, and then rests."""

    __slots__ = (
        "_activation",
        "_busy",
        "_cancelled",
        "_credit",
        "_dispatcher",
        "_frame",
        "_more",
        "_pulled",
        "_task",
        "is_async",
    )  # fmt: skip

    def __init__(self, dispatcher: Dispatcher, activation: Activation, handler: Handler, frame: Frame) -> None:
        self.is_async = handler.is_async
        self._dispatcher = dispatcher
        self._activation = activation
        self._frame = frame
        self._pulled: Pulled | None = None
        self._credit = 0
        self._busy = True
        self._cancelled = False
        self._more: asyncio.Event | None = None
        self._task: asyncio.Task[Any] | None = None

    def add_credit(self, elements: int) -> bool:
        """Room for more; whether the call must be given a worker again. Called by the one who routes."""
        with self._dispatcher.lock:
            self._credit += elements
            resting, self._busy = not self._busy, True
        return resting

    def cancel(self) -> bool:
        """Nobody listens any more; whether the call must be given a worker again, to end it."""
        with self._dispatcher.lock:
            self._cancelled = True
            resting, self._busy = not self._busy, True
        return resting

    def wake(self) -> None:
        """On the loop: credit has come, or the end."""
        if self._cancelled and self._task is not None:
            self._task.cancel()
        elif self._more is not None:
            self._more.set()

    def work(self) -> None:
        """Pulls a sync handler in a worker."""
        if self._begun() is None:
            return
        pulled = self._pulled
        assert pulled is not None
        for _ in range(TURN):
            with self._dispatcher.lock:
                if self._credit == 0 and not self._cancelled:
                    self._busy = False
                    return
            try:
                element = None if self._cancelled else self._timed(pulled)
            except BaseException as problem:
                self._end(pulled, problem)
                return
            if element is None:
                self._close(pulled)
                self._end(pulled, None)
                return
            self._send(element)
        self._dispatcher.again(self)

    async def work_async(self) -> None:
        """Pulls an async handler on the loop."""
        self._more, self._task = asyncio.Event(), asyncio.current_task()
        if self._begun() is None:
            self._dispatcher.answered()
            return
        pulled = self._pulled
        assert pulled is not None
        problem: BaseException | None = None
        try:
            while (await self._room()) and (element := await pulled.pull_async()) is not None:
                self._send(element)
                self._dispatcher.answered()
        except BaseException as raised:
            problem = raised
        try:
            await pulled.close_async()
        except BaseException as raised:
            problem = problem or raised
        self._end(pulled, problem)
        self._dispatcher.answered()

    async def _room(self) -> bool:
        assert self._more is not None
        while self._credit == 0 and not self._cancelled:
            self._more.clear()
            await self._more.wait()
        return not self._cancelled

    def _begun(self) -> Pulled | None:
        if self._pulled is None:
            turn = self._activation.accept(self._frame)
            if isinstance(turn, tuple):
                self._dispatcher.outbox.append((Function.STREAM_END, self._frame[Command.CALL], turn[3]))
                self._dispatcher.forget(self._frame[Command.CALL])
                return None
            self._pulled = Pulled(self._activation, turn)
        return self._pulled

    def _timed(self, pulled: Pulled) -> Element | None:
        handler = pulled.turn._handler
        if handler.slow:
            self._dispatcher.relieve()
        before = time.perf_counter()
        element = pulled.pull()
        handler.slow = time.perf_counter() - before > SLOW_S
        return element

    def _send(self, element: Element) -> None:
        with self._dispatcher.lock:
            self._credit -= 1
        data, effects = element
        self._dispatcher.outbox.append((Function.STREAM_ELEMENT, self._frame[Command.CALL], data, effects))

    def _close(self, pulled: Pulled) -> None:
        try:
            pulled.close()
        except Exception as problem:
            pulled.told(problem)

    def _end(self, pulled: Pulled, problem: BaseException | None) -> None:
        quiet = problem is None or (self._cancelled and isinstance(problem, asyncio.CancelledError))
        error = None if quiet or problem is None else errors.to_wire(pulled.told(problem))
        self._dispatcher.outbox.append((Function.STREAM_END, self._frame[Command.CALL], error))
        pulled.activation.leave(pulled.turn)
        self._dispatcher.forget(self._frame[Command.CALL])
