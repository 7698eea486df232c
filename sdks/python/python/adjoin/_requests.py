# SPDX-License-Identifier: Apache-2.0
"""A client's requests under way, and those who wait for them: threads and tasks."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from adjoin import errors
from adjoin._frames import Frame, Host
from adjoin.errors import Error, Expired

_GRACE_S = 5.0
"""How much longer than a call's timeout a caller waits for the host to say so itself."""


class Waiter(Protocol):
    """Somebody who waits for frames of one request."""

    def take(self, frame: Frame) -> None:
        """Called by whoever polls; never waits."""


class Sender(Protocol):
    """Somebody who sends a stream for one request."""

    def add(self, elements: int) -> None:
        """There is room for more."""

    def stop(self) -> None:
        """The request is over."""


class Requests:
    """The requests under way, by number."""

    def __init__(self) -> None:
        self._open: dict[int, Waiter] = {}
        self._senders: dict[int, Sender] = {}
        self.next = itertools.count(1).__next__
        self.handlers: dict[int, Callable[[Frame], None]] = {
            Host.REPLY: self._last,
            Host.ERROR: self._last,
            Host.ELEMENT: self._element,
            Host.END: self._last,
            Host.INPUT_CREDIT: self._credit,
        }

    def add(self, request: int, waiter: Waiter) -> None:
        """From now on, frames of ``request`` go to ``waiter``."""
        self._open[request] = waiter

    def drop(self, request: int) -> bool:
        """Nobody waits for ``request`` any more; whether it was still under way."""
        self._stop(request)
        return self._open.pop(request, None) is not None

    def sends(self, request: int, sender: Sender) -> None:
        """``request`` sends a stream as well."""
        self._senders[request] = sender

    def deliver(self, frame: Frame) -> bool:
        """Ends a request from this side; whether it was still under way."""
        waiter = self._open.pop(frame[1], None)
        self._stop(frame[1])
        if waiter is not None:
            waiter.take(frame)
        return waiter is not None

    def fail(self, error: Error) -> None:
        """Ends everything under way."""
        wire = errors.to_wire(error)
        while self._open:
            with suppress(KeyError):
                request, waiter = self._open.popitem()
                self._stop(request)
                waiter.take((Host.ERROR, request, wire))

    def _last(self, frame: Frame) -> None:
        self.deliver(frame)

    def _credit(self, frame: Frame) -> None:
        sender = self._senders.get(frame[1])
        if sender is not None:
            sender.add(frame[2])

    def _stop(self, request: int) -> None:
        if self._senders:
            sender = self._senders.pop(request, None)
            if sender is not None:
                sender.stop()

    def _element(self, frame: Frame) -> None:
        waiter = self._open.get(frame[1])
        if waiter is not None:
            waiter.take(frame)


class Blocking:
    """A thread that waits for one frame."""

    __slots__ = ("_frame", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self._frame: Frame | None = None

    def take(self, frame: Frame) -> None:
        self._frame = frame
        self._lock.release()

    def wait(self, timeout: float | None) -> Frame:
        """The frame. Raises ``Expired`` if it does not come."""
        if not self._lock.acquire(timeout=-1 if timeout is None else timeout + _GRACE_S):
            raise Expired(f"no answer within {timeout} s, nor from the host about it", outcome="unknown")
        assert self._frame is not None
        return self._frame


class Awaiting:
    """A task that waits for one frame."""

    __slots__ = ("_ident", "_loop", "future")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ident = threading.get_ident()
        self.future: asyncio.Future[Frame] = self._loop.create_future()

    def take(self, frame: Frame) -> None:
        if threading.get_ident() == self._ident:
            self._set(frame)
        else:
            with suppress(RuntimeError):  # its loop is closed: nobody waits
                self._loop.call_soon_threadsafe(self._set, frame)

    async def wait(self, timeout: float | None) -> Frame:
        """The frame. Raises ``Expired`` if it does not come."""
        if timeout is None:
            return await self.future
        try:
            return await asyncio.wait_for(self.future, timeout + _GRACE_S)
        except asyncio.TimeoutError:
            raise Expired(f"no answer within {timeout} s, nor from the host about it", outcome="unknown") from None

    def _set(self, frame: Frame) -> None:
        if not self.future.done():
            self.future.set_result(frame)


class BlockingElements:
    """A thread that waits for frames, one after the other."""

    __slots__ = ("_frames", "_some")

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque()
        self._some = threading.Semaphore(0)

    def take(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._some.release()

    def wait(self, timeout: float | None) -> Frame | None:
        """The next frame; ``None`` if none comes within ``timeout`` seconds."""
        return self._frames.popleft() if self._some.acquire(timeout=timeout) else None


class AwaitingElements:
    """A task that waits for frames, one after the other."""

    __slots__ = ("_ident", "_loop", "_queue")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ident = threading.get_ident()
        self._queue: asyncio.Queue[Frame] = asyncio.Queue()

    def take(self, frame: Frame) -> None:
        if threading.get_ident() == self._ident:
            self._queue.put_nowait(frame)
        else:
            with suppress(RuntimeError):  # its loop is closed: nobody waits
                self._loop.call_soon_threadsafe(self._queue.put_nowait, frame)

    async def wait(self) -> Frame:
        """The next frame."""
        return await self._queue.get()


def payload(frame: Frame) -> Any:
    """The data of a reply or an element, or the error raised."""
    if frame[0] == Host.ERROR:
        if isinstance(frame[2], BaseException):  # of the caller's own stream
            raise frame[2]
        raise errors.from_wire(frame[2])
    return frame[2]
