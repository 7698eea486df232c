# SPDX-License-Identifier: Apache-2.0
"""Iterators over what comes in pieces: the answers of a watched query, the elements of a streamed reply."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from adjoin._frames import Frame, Function, Host
from adjoin._requests import AwaitingElements, BlockingElements, payload
from adjoin._workers import blocked
from adjoin.errors import Error, Expired, Internal

if TYPE_CHECKING:
    from adjoin._session import Session
    from adjoin._upload import Upload

T = TypeVar("T")


class _Request:
    """One request with many answers. An element is acknowledged when it is taken, so no more than one waits here."""

    def __init__(self, session: Session, number: int, decode: Callable[[bytes | None], Any]) -> None:
        self._session = session
        self._number = number
        self._decode = decode
        self._sequence = 0
        self._over = False

    @property
    def sequence(self) -> int:
        """The entity's sequence that the last element rests on; 0 before the first and for a stream."""
        return self._sequence

    def _open(self, frame: Frame, waiter: Any, start: Callable[[], None] | None) -> None:
        self._session.requests.add(self._number, waiter)
        try:
            self._session.submit(frame)
            if start is not None:
                start()
        except BaseException:
            self._over = True
            self._session.requests.drop(self._number)
            raise

    def _taken(self, frame: Frame) -> Any:
        """The element of a frame; raises what the request ended with, or ``_End``."""
        if frame[0] != Host.ELEMENT:
            self._over = True
            if frame[0] == Host.ERROR:
                payload(frame)
            raise _End
        data, self._sequence = payload(frame), frame[3]
        self._session.submit((Function.TAKEN, self._number))
        try:
            return self._decode(data)
        except Exception as error:
            self._cancel()
            raise Internal(f"an element does not fit its type hint: {error}") from error

    def _cancel(self) -> None:
        if not self._over:
            self._over = True
            if self._session.requests.drop(self._number):
                _quietly(self._session, (Function.CANCEL, self._number))

    def __del__(self) -> None:
        if hasattr(self, "_over"):
            self._cancel()


class Elements(_Request, Generic[T]):
    """Elements as they come, for a thread: iterate, or call ``next`` with a timeout. ``close`` or ``with`` ends it."""

    def __init__(
        self, session: Session, frame: Frame, decode: Callable[[bytes | None], Any], upload: Upload | None = None
    ) -> None:
        super().__init__(session, frame[1], decode)
        self._frames = BlockingElements()
        self._open(frame, self._frames, None if upload is None else upload.start)

    def __iter__(self) -> Elements[T]:
        return self

    def __next__(self) -> T:
        try:
            return self.next()
        except _End:
            raise StopIteration from None

    def next(self, timeout: float | None = None) -> T:
        """The next element.

        Raises:
            Expired: none came within ``timeout`` seconds.
            EOFError: there will be none.
        """
        if self._over:
            raise _End
        with blocked():
            frame = self._frames.wait(timeout)
        if frame is None:
            raise Expired(f"no element within {timeout} s", outcome="none")
        element: T = self._taken(frame)
        return element

    def close(self) -> None:
        """Ends it early."""
        self._cancel()

    def __enter__(self) -> Elements[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncElements(_Request, Generic[T]):
    """Elements as they come, for a task: ``async for``. ``aclose``, or ``async with``, ends it."""

    def __init__(
        self, session: Session, frame: Frame, decode: Callable[[bytes | None], Any], upload: Upload | None = None
    ) -> None:
        super().__init__(session, frame[1], decode)
        self._frame = frame
        self._upload = upload
        self._frames: AwaitingElements | None = None

    def __aiter__(self) -> AsyncElements[T]:
        return self

    async def __anext__(self) -> T:
        if self._frames is None and not self._over:
            # Not before: the loop that it is awaited on may be another one than where it was made.
            self._frames = AwaitingElements()
            self._open(self._frame, self._frames, None if self._upload is None else self._upload.start_here)
        if self._over or self._frames is None:
            raise StopAsyncIteration
        frame = await self._frames.wait()
        try:
            element: T = self._taken(frame)
        except _End:
            raise StopAsyncIteration from None
        return element

    async def aclose(self) -> None:
        """Ends it early."""
        self._cancel()

    async def __aenter__(self) -> AsyncElements[T]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class _End(EOFError):
    """Nothing more comes."""


def _quietly(session: Session, frame: Frame) -> None:
    with suppress(Error):  # closed by now: there is nothing left to cancel
        session.submit(frame)
