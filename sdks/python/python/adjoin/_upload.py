# SPDX-License-Identifier: Apache-2.0
"""The stream that a client sends: an iterator of the caller's, pulled as the host has room."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from adjoin._frames import Function, Host
from adjoin._handler import Handler
from adjoin._input import WINDOW
from adjoin.errors import Error, Invalid

if TYPE_CHECKING:
    from adjoin._session import Session


class Upload:
    """The stream of one call. ``add`` and ``stop`` are called by whoever polls.

    A sync iterator is pulled in a thread of its own, so that the caller waits for nothing but the reply; an async one
    on the loop of the caller, or on that of the session. What the iterator raises ends the call, and is what the caller
    gets.
    """

    def __init__(self, session: Session, handler: Handler, request: int, elements: Any) -> None:
        if not isinstance(elements, (Iterable, AsyncIterable)) or isinstance(elements, (str, bytes)):
            name = type(elements).__qualname__
            raise Invalid(f"{handler.where} takes a stream: give it an iterator of its elements, not {name}")
        self._session = session
        self._handler = handler
        self._request = request
        self._elements: Any = elements
        self._room = WINDOW
        self._over = False
        self._changed = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._more: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None

    def add(self, elements: int) -> None:
        """Room for more."""
        with self._changed:
            self._room += elements
            self._changed.notify()
        if self._more is not None:
            self._on_loop(self._more.set)

    def stop(self) -> None:
        """The call is over: no more is pulled."""
        with self._changed:
            self._over = True
            self._changed.notify()
        self._on_loop(self._stop_pull)

    def start(self) -> None:
        """Begins to pull, in a thread or on the session's loop."""
        if isinstance(self._elements, AsyncIterable):
            self._session.spawn_from_anywhere(self._pump_async())
        else:
            self._in_thread()

    def start_here(self) -> None:
        """Begins to pull, in a thread or on the running loop."""
        if isinstance(self._elements, AsyncIterable):
            self._task = asyncio.get_running_loop().create_task(self._pump_async())
        else:
            self._in_thread()

    def _in_thread(self) -> None:
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._pump,), name="adjoin-upload", daemon=True).start()

    def _pump(self) -> None:
        elements: Any = None
        try:
            elements = iter(self._elements)
            for element in elements:
                with self._changed:
                    self._changed.wait_for(lambda: self._room > 0 or self._over)
                if self._over:
                    break
                self._send(element)
            else:
                self._end()
        except BaseException as problem:
            self._fail(problem)
        finally:
            if hasattr(elements, "close"):
                with suppress(Exception):
                    elements.close()

    async def _pump_async(self) -> None:
        self._loop, self._more = asyncio.get_running_loop(), asyncio.Event()
        elements: Any = None
        try:
            elements = aiter(self._elements)
            await self._pull(elements, self._more)
            self._end()
        except BaseException as problem:
            self._fail(problem)
        finally:
            if hasattr(elements, "aclose"):
                with suppress(Exception):
                    await elements.aclose()

    async def _pull(self, elements: AsyncIterator[Any], more: asyncio.Event) -> None:
        self._task = asyncio.current_task()
        try:
            if self._over:  # before there was a task to tell
                return
            async for element in elements:
                while self._room <= 0:
                    more.clear()
                    await more.wait()
                if self._over:
                    return
                self._send(element)
        finally:
            self._task = None  # the iterator is not interrupted while it cleans up

    def _stop_pull(self) -> None:
        """On the loop: the iterator may wait for something that never comes."""
        if self._task is not None:
            self._task.cancel()

    def _send(self, element: Any) -> None:
        data = self._handler.encode_body((element,), {})
        with self._changed:
            self._room -= 1
        self._session.submit((Function.INPUT, self._request, data))

    def _end(self) -> None:
        if not self._over:
            self._session.submit((Function.INPUT_END, self._request))

    def _fail(self, problem: BaseException) -> None:
        """The caller gets what its iterator raised, unless the call is over."""
        if self._session.requests.deliver((Host.ERROR, self._request, problem)):
            with suppress(Error):  # closed by now: there is nothing left to cancel
                self._session.submit((Function.CANCEL, self._request))

    def _on_loop(self, call: Callable[[], object]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # its loop is closed: nothing is pulled any more
                self._loop.call_soon_threadsafe(call)
