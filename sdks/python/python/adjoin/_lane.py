# SPDX-License-Identifier: Apache-2.0
"""What is run: lanes, and calls of actions.

A lane is the frames of one activation in the order of their arrival. It is in one place at a time: with the workers, or
on the event loop while its next frame is for an async handler.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from adjoin import errors
from adjoin._activation import Activation
from adjoin._definition import Definition
from adjoin._frames import Command, Frame, Function, Host
from adjoin._handler import Handler
from adjoin._kinds import activation_of
from adjoin.errors import Internal, NotFound

if TYPE_CHECKING:
    from adjoin._dispatch import Dispatcher

TURN = 32
"""Frames of one lane before others have a turn."""

SLOW_S = 0.002
"""A sync handler that took longer is run only after somebody else stands by."""

_QUICK_REPLAY = 64
"""Events that may be replayed on the loop."""


class Lane:
    """One activation and its frames. ``busy`` while it waits for a turn or has one."""

    __slots__ = ("_dispatcher", "activation", "busy", "definition", "ended", "id", "queue")

    def __init__(self, dispatcher: Dispatcher, id: int, definition: Definition) -> None:
        self._dispatcher = dispatcher
        self.id = id
        self.definition = definition
        self.queue: deque[Frame] = deque()
        self.busy = False
        self.ended = False
        self.activation: Activation | None = None

    def wants_loop(self) -> bool:
        """Whether the next frame belongs on the event loop."""
        frame = self.queue[0]
        if frame[0] == Host.COMMAND:
            handler = self.definition.handlers.get(frame[Command.NAME])
            return handler is not None and handler.is_async
        quick = frame[0] == Host.ACTIVATE or len(frame[2]) <= _QUICK_REPLAY
        return quick and self._dispatcher.prefers_loop and self.definition.has_async

    def work(self) -> None:
        """Handles frames in a worker, as many as one turn has."""
        queue, append = self.queue, self._dispatcher.outbox.append
        for _ in range(TURN):
            if not queue or self.ended:
                break
            if queue[0][0] == Host.COMMAND:
                if self.wants_loop():
                    break
                append(self._command(queue.popleft()))
            else:
                self._other(queue.popleft())
            if len(self._dispatcher.outbox) >= self._dispatcher.full:
                self._dispatcher.outbox.flush()
        self._dispatcher.done(self)

    async def work_async(self) -> None:
        """Handles frames on the loop. Queries run side by side: the host never sends them beside a command."""
        for _ in range(TURN):
            if not self.queue or self.ended or not self.wants_loop():
                break
            frame = self.queue.popleft()
            if frame[0] != Host.COMMAND:
                self._other(frame)
                self._dispatcher.answered()
            elif frame[Command.QUERY]:
                self._dispatcher.spawn(self._answer(frame))
            else:
                await self._answer(frame)
        self._dispatcher.done(self)

    async def _answer(self, frame: Frame) -> None:
        activation = self.activation
        assert activation is not None
        self._dispatcher.outbox.append(await activation.run_async(frame))
        self._dispatcher.answered()
        self.ended = self.ended or activation.ended

    def _command(self, frame: Frame) -> Frame:
        activation = self.activation
        assert activation is not None
        handler = self.definition.handlers.get(frame[Command.NAME])
        if handler is None or not handler.slow:
            before = time.perf_counter()
            answer = activation.run(frame)
            if handler is not None and time.perf_counter() - before > SLOW_S:
                handler.slow = True
        else:
            answer = _slowly(self._dispatcher, handler, activation, frame)
        self.ended = self.ended or activation.ended
        return answer

    def _other(self, frame: Frame) -> None:
        answer = self._activate(frame) if frame[0] == Host.ACTIVATE else self._replay(frame)
        if answer is not None:
            self._dispatcher.outbox.append(answer)

    def _activate(self, frame: Frame) -> Frame | None:
        _, id, _, key, epoch, sequence, state = frame
        try:
            self.activation = activation = activation_of(self.definition, id, key, epoch, self._dispatcher.place_of(id))
        except Exception as error:
            self.ended = True
            text = f"the initial state of {self.definition.name} failed ({type(error).__name__}): {error}"
            return (Function.ACTIVATION_FAILED, id, errors.to_wire(Internal(text)), False)
        failed = activation.begin(sequence, state)
        self.ended = self.ended or activation.ended
        return failed

    def _replay(self, frame: Frame) -> Frame:
        activation = self.activation
        assert activation is not None
        answer = activation.replay(frame[2], frame[3])
        self.ended = self.ended or activation.ended
        return answer


class ActionCall:
    """One call of an action; calls run side by side."""

    __slots__ = ("_activation", "_dispatcher", "_frame", "_handler")

    def __init__(self, dispatcher: Dispatcher, activation: Activation, handler: Handler | None, frame: Frame) -> None:
        self._dispatcher = dispatcher
        self._activation = activation
        self._handler = handler
        self._frame = frame

    def work(self) -> None:
        """Runs a sync handler in a worker."""
        handler, activation = self._handler, self._activation
        if handler is None or not handler.slow:
            before = time.perf_counter()
            answer = activation.run(self._frame)
            if handler is not None and time.perf_counter() - before > SLOW_S:
                handler.slow = True
        else:
            answer = _slowly(self._dispatcher, handler, activation, self._frame)
        self._dispatcher.outbox.append(answer)
        self._end()

    async def work_async(self) -> None:
        """Runs an async handler on the loop."""
        self._dispatcher.outbox.append(await self._activation.run_async(self._frame))
        self._dispatcher.answered()
        self._end()

    def _end(self) -> None:
        if self._handler is not None and self._handler.takes_stream:
            self._dispatcher.forget(self._frame[Command.CALL])


def unknown(frame: Frame) -> Frame:
    """The answer for an entity type that this function does not have."""
    activates = frame[0] == Host.ACTIVATE
    name = frame[2] if activates else frame[Command.ENTITY_TYPE]
    error = errors.to_wire(NotFound(f"this function has no entity type {name!r}"))
    if activates:
        return (Function.ACTIVATION_FAILED, frame[1], error, False)
    return (Function.FAILURE, 0, frame[Command.CALL], error, False)


def _slowly(dispatcher: Dispatcher, handler: Handler, activation: Activation, frame: Frame) -> Frame:
    """Runs a handler known to take its time, after somebody else stands by."""
    dispatcher.relieve()
    before = time.perf_counter()
    answer = activation.run(frame)
    handler.slow = time.perf_counter() - before > SLOW_S / 4
    return answer
