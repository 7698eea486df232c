# SPDX-License-Identifier: Apache-2.0
"""An open host, and everything around it: dispatcher, workers, loop, requests under way."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from adjoin._activation import Place
from adjoin._definition import Definition
from adjoin._dispatch import Dispatcher, OnLoop
from adjoin._frames import Frame, Host
from adjoin._loop import Loop
from adjoin._outbox import Outbox
from adjoin._requests import Requests
from adjoin._workers import Item, Workers
from adjoin.errors import Invalid, Unavailable
from adjoin.errors import Protocol as ProtocolError

if TYPE_CHECKING:
    from adjoin._client import AsyncRuntime, Runtime

_log = logging.getLogger("adjoin")

_JOIN_S = 5.0


class NativeHost(Protocol):
    """The native host, as ``_native.pyi`` has it."""

    def submit(self, batch: list[Frame], /) -> None: ...
    def poll(self, timeout_ms: int, /) -> list[Frame]: ...
    def wake_fd(self) -> int: ...
    def close(self) -> None: ...


class _Closed:
    """Stands where a host was."""

    def submit(self, batch: list[Frame], /) -> None:
        raise Unavailable("the runtime is closed")

    def poll(self, timeout_ms: int, /) -> list[Frame]:
        return [(Host.CLOSED,)]

    def wake_fd(self) -> int:
        return -1

    def close(self) -> None:
        """Again."""


class Session:
    """One host in this process, from ``open`` to ``close``.

    With a loop, the loop polls and runs the async handlers, and workers run the sync ones. Without, a worker polls,
    and async handlers get a loop of their own in a thread.
    """

    def __init__(
        self,
        host: NativeHost,
        definitions: Iterable[Definition],
        *,
        mode: str,
        loop: asyncio.AbstractEventLoop | None = None,
        check: bool = False,
        workers: int = 32,
    ) -> None:
        self.mode = mode
        self.host: NativeHost = host
        self.forked = False
        self.requests = Requests()
        self.address: str | None = None
        self.http: str | None = None
        self.ready = threading.Event()
        self.ended = threading.Event()
        self.prefers_loop = loop is not None
        self._user_loop = loop
        self._loop = Loop(loop)
        self._flushing = False
        self._closing = threading.Lock()
        self._outbox = Outbox(self._submit_answers)
        self._workers = Workers(None if loop is not None else self._duty, self._outbox.flush, workers)
        self._dispatcher = Dispatcher(definitions, self._outbox, Place(home=self, check=check), self)
        self._table = self._handlers()
        self._on_end: list[Callable[[], None]] = []
        self._on_ready_calls: list[Callable[[], None]] = []

    def start(self) -> None:
        """Begins to poll."""
        _sessions.add(self)
        if self._user_loop is not None:
            self._user_loop.add_reader(self.host.wake_fd(), self._on_wake)
        if self._user_loop is None or self.mode != "connect":
            self._workers.start()

    async def wait_ready(self, timeout_s: float) -> None:
        """Waits, on the loop that polls, until the host is ready.

        Raises:
            Unavailable: it is not, or has ended.
        """
        if not self.ready.is_set():
            ready = asyncio.Event()
            self._on_ready_calls.append(ready.set)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(ready.wait(), timeout_s)
        if self.ended.is_set() or not self.ready.is_set():
            await self.aclose()
            raise Unavailable(f"the host was not ready within {timeout_s:.0f} s, or ended before: see its log")

    def on_end(self, call: Callable[[], None]) -> None:
        """Calls ``call`` once nothing comes any more, on the thread that notices."""
        self._on_end.append(call)
        if self.ended.is_set():
            call()

    def submit(self, frame: Frame) -> None:
        """Hands one request in.

        Raises:
            Unavailable: the session is closed.
            Invalid: this process is a fork of the one that opened it.
        """
        if self.forked:
            raise Invalid("this process is a fork of the one that opened the runtime: open or connect again in here")
        if self.ended.is_set():
            raise Unavailable("the runtime is closed")
        self.host.submit([frame])

    def refuse_on_loop(self, what: str) -> None:
        """Raises ``Invalid`` in the thread of the loop that async handlers run on: waiting here would be for ever."""
        if self._loop.here:
            raise Invalid(f"{what} would block the event loop that handlers run on: write await rt.call(…) instead")

    def runtime(self, host_session: int) -> Runtime:
        """The sync face for handlers of this session of the host's."""
        from adjoin._client import Options, Runtime

        return Runtime(self, Options(host_session=host_session))

    def async_runtime(self, host_session: int) -> AsyncRuntime:
        """The async face for them."""
        from adjoin._client import AsyncRuntime, Options

        return AsyncRuntime(self, Options(host_session=host_session))

    def close(self) -> None:
        """Ends everything in order. What was accepted is answered first.

        Raises:
            Invalid: in a handler of this session, which would wait for itself.
        """
        if self.forked:
            return
        if self._loop.here or self._workers.here:
            raise Invalid("a handler cannot close the runtime it runs in: close it where it was opened")
        with self._closing:
            self.host.close()
            self.ended.wait(_JOIN_S)
            self._finish()

    async def aclose(self) -> None:
        """The same, on the loop that polls."""
        assert self._user_loop is not None
        if self.forked:
            return
        closed = asyncio.Event()
        self.on_end(closed.set)
        await self._user_loop.run_in_executor(None, self.host.close)
        if not self.ended.is_set():
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(closed.wait(), _JOIN_S)
        self._end()
        await self._user_loop.run_in_executor(None, self._finish)

    # Places: where the dispatcher's items run.

    def to_workers(self, items: Iterable[Item], /) -> None:
        """Items become ready, seen from outside the poll."""
        self._workers.put(items)

    def to_loop(self, item: OnLoop, /) -> None:
        """An item is started on the loop."""
        self._loop.call(lambda: self._loop.spawn(item.work_async()))

    def spawn(self, coroutine: Coroutine[Any, Any, None], /) -> None:
        """A coroutine is started; only on the loop."""
        self._loop.spawn(coroutine)

    def spawn_from_anywhere(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """A coroutine is started on the loop, soon."""
        self._loop.call(lambda: self._loop.spawn(coroutine))

    def call_on_loop(self, call: Callable[[], None], /) -> None:
        """A call is made on the loop."""
        self._loop.call(call)

    def relieve(self) -> None:
        """A worker is about to block."""
        self._workers.relieve()

    def flush_soon(self) -> None:
        """Answers leave at the end of this turn of the loop; workers flush by themselves."""
        if self._loop.here and not self._flushing:
            self._flushing = True
            self._loop.call(self._flush)

    def _submit_answers(self, batch: list[Frame]) -> None:
        try:
            self.host.submit(batch)
        except Unavailable:
            pass  # the host is closed, and has told everybody who waited
        except Invalid:
            # A bug of adjoin in one frame must not cost the others theirs.
            _log.exception("adjoin: the host refused %s", batch if len(batch) == 1 else f"one of {len(batch)} frames")
            for frame in batch if len(batch) > 1 else ():
                self._submit_answers([frame])

    def _flush(self) -> None:
        self._flushing = False
        self._outbox.flush()

    def _duty(self) -> list[Item] | None:
        """A worker's duty: waits for a batch and routes it."""
        if self.ended.is_set():
            return None
        try:
            self._route(self.host.poll(-1))
        except Exception as error:
            _log.exception("adjoin: polling failed")
            self._end(f"polling failed: {error}")
        return None if self.ended.is_set() else self._dispatcher.taken()

    def _on_wake(self) -> None:
        """The loop's duty: routes what is there."""
        try:
            self._route(self.host.poll(0))
        except Exception as error:
            _log.exception("adjoin: polling failed")
            self._end(f"polling failed: {error}")
        self._put_ready()

    def _put_ready(self) -> None:
        """Hands to the workers what routing made ready."""
        ready = self._dispatcher.taken()
        if ready:
            self._workers.put(ready)

    def _route(self, batch: list[Frame]) -> None:
        table = self._table
        for frame in batch:
            table[frame[0]](frame)

    def _handlers(self) -> list[Callable[[Frame], None]]:
        table: list[Callable[[Frame], None]] = [_unexpected] * Host.TAGS
        own = {Host.READY: self._on_ready, Host.REFUSED: self._on_refused, Host.CLOSED: self._on_closed}
        for tag, handler in {**self._dispatcher.handlers, **self.requests.handlers, **own}.items():
            table[tag] = handler
        return table

    def _on_ready(self, frame: Frame) -> None:
        _, self.address, self.http, notes = frame
        for note in notes:
            _log.warning("adjoin: %s", note)
        self._set_ready()

    def _set_ready(self) -> None:
        self.ready.set()
        for call in self._on_ready_calls:
            call()

    def _on_refused(self, frame: Frame) -> None:
        _log.error("what a host says of this function:\n%s", frame[1])

    def _on_closed(self, frame: Frame) -> None:
        self._end()

    def _end(self, why: str = "the runtime was closed") -> None:
        """Nothing comes any more."""
        if self.ended.is_set():
            return
        self.ended.set()
        if self._user_loop is not None:
            self._user_loop.remove_reader(self.host.wake_fd())
        self.requests.fail(Unavailable(why, outcome="unknown"))
        self._dispatcher.stop()
        self._put_ready()
        self._set_ready()
        for call in self._on_end:
            call()

    def _finish(self) -> None:
        _sessions.discard(self)
        self._end()
        if self._workers.close(_JOIN_S):
            self.host = _Closed()  # what the host holds is free now, not when this session is collected
        self._loop.close(_JOIN_S)


def _unexpected(frame: Frame) -> None:
    raise ProtocolError(f"the host sent a frame {frame[0]} that nobody here handles")


_sessions: weakref.WeakSet[Session] = weakref.WeakSet()
_leaked: list[Session] = []


def _after_fork() -> None:
    """The child has none of the threads: its copies of the sessions are dead, and must not even be dropped."""
    for session in list(_sessions):
        session.forked = True
        _leaked.append(session)
    _sessions.clear()


def _at_exit() -> None:
    """A thread inside the host must not outlive the interpreter."""
    for session in list(_sessions):
        with suppress(Exception):
            session.close() if session._user_loop is None else session.host.close()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
