# SPDX-License-Identifier: Apache-2.0
"""The event loop on which async handlers run: the user's, or one of our own in a thread."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

if sys.version_info >= (3, 12):

    def _task(coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> asyncio.Task[None]:
        # A handler that awaits nothing is done at once.
        return asyncio.Task(coroutine, loop=loop, eager_start=True)

else:

    def _task(coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> asyncio.Task[None]:
        return loop.create_task(coroutine)


class Loop:
    """Calls and coroutines for one event loop, handed in from any thread and woken once a burst."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self._loop = loop
        self._thread: threading.Thread | None = None
        self._ident = threading.get_ident() if loop is not None else 0
        self._calls: deque[Callable[[], None]] = deque()
        self._woken = False
        self._lock = threading.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def here(self) -> bool:
        """Whether this thread is the loop's."""
        return threading.get_ident() == self._ident

    def call(self, call: Callable[[], None]) -> None:
        """Runs ``call`` on the loop, soon."""
        self._calls.append(call)
        with self._lock:
            if self._woken:
                return
            self._woken = True
            loop = self._loop or self._own()
        with suppress(RuntimeError):  # the loop was closed under us: nobody waits any more
            if self.here:
                loop.call_soon(self._run)
            else:
                loop.call_soon_threadsafe(self._run)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Starts a coroutine; only on the loop."""
        assert self._loop is not None
        task = _task(coroutine, self._loop)
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def close(self, wait_s: float) -> None:
        """Ends the loop, if it is our own; tasks that still run are cancelled."""
        if self._thread is None:
            return
        loop, thread = self._loop, self._thread
        assert loop is not None
        with suppress(RuntimeError):  # closed already
            loop.call_soon_threadsafe(loop.stop)
        thread.join(wait_s)

    def cancel_all(self) -> None:
        """Cancels what still runs; only on the loop."""
        for task in list(self._tasks):
            task.cancel()

    def _run(self) -> None:
        with self._lock:
            self._woken = False
        for _ in range(len(self._calls)):
            self._calls.popleft()()

    def _own(self) -> asyncio.AbstractEventLoop:
        self._loop = loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._main, args=(loop,), name="adjoin-loop", daemon=True)
        self._thread.start()
        return loop

    def _main(self, loop: asyncio.AbstractEventLoop) -> None:
        self._ident = threading.get_ident()
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            self.cancel_all()
            if self._tasks:
                # A set of its own: those that end take themselves out of the other one.
                loop.run_until_complete(asyncio.wait(set(self._tasks), timeout=1))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
