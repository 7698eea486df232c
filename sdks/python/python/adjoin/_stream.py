# SPDX-License-Identifier: Apache-2.0
"""A streamed reply, pulled element by element; who pulls, and when, is decided by credit."""

from __future__ import annotations

import inspect
from typing import Any

from adjoin._activation import Activation
from adjoin._codec import WRITE_ERRORS
from adjoin._context import Context, running
from adjoin._frames import Payload, SideEffect
from adjoin._limits import too_large
from adjoin.errors import Error, Internal

Element = tuple[Payload, list[SideEffect]]


class Pulled:
    """A streaming handler, begun at the first pull."""

    __slots__ = ("_iterator", "activation", "is_async", "turn")

    def __init__(self, activation: Activation, turn: Context) -> None:
        self.activation = activation
        self.turn = turn
        self.is_async = turn._handler.is_async
        self._iterator: Any = None

    def pull(self) -> Element | None:
        """The next element of a sync handler; ``None`` at the end. Raises what the handler raises."""
        running.set(self.turn)
        try:
            if self._iterator is None:
                self._iterator = iter(self._begun())
            return self._element(next(self._iterator))
        except StopIteration:
            self._end()
            return None
        finally:
            running.set(None)

    async def pull_async(self) -> Element | None:
        """The same of an async handler."""
        running.set(self.turn)
        if self._iterator is None:
            begun = self._begun()
            self._iterator = aiter(await begun if inspect.isawaitable(begun) else begun)
        try:
            return self._element(await anext(self._iterator))
        except StopAsyncIteration:
            self._end()
            return None

    def close(self) -> None:
        """Ends a sync handler early: its ``finally`` blocks run."""
        if hasattr(self._iterator, "close"):
            self._iterator.close()

    async def close_async(self) -> None:
        """The same of an async handler."""
        if hasattr(self._iterator, "aclose"):
            await self._iterator.aclose()

    def told(self, problem: BaseException) -> Error:
        """What the client may know of a failure."""
        return self.activation._told(self.turn._handler, problem)

    def _begun(self) -> Any:
        return self.turn._handler.invoke(self.activation.state, self.turn._values, self.turn)

    def _element(self, value: Any) -> Element:
        handler = self.turn._handler
        try:
            data = handler.reply.encode(value)
        except WRITE_ERRORS as error:
            raise Internal(f"an element of {handler.where} does not fit its type hint: {error}") from error
        if len(data) > self.activation.limits.message_bytes:
            raise too_large(f"an element of {handler.where}", len(data), self.activation.limits.message_bytes)
        effects, self.turn._effects = self.turn._effects, []
        return handler.reply_payload(data), effects

    def _end(self) -> None:
        if self.turn._effects:
            raise Internal(f"{self.turn._handler.where} asked for effects after its last element: ask before the yield")
