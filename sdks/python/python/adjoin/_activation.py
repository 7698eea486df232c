# SPDX-License-Identifier: Apache-2.0
"""One entity in memory: frames in, handlers run, frames out. No threads, no loop, no host.

The three kinds differ in what a finished command writes, in what a failed one restores, and in nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from adjoin import errors
from adjoin._codec import READ_ERRORS, WRITE_ERRORS
from adjoin._context import Context, Forward, running
from adjoin._definition import Definition
from adjoin._frames import Command, Frame, Function, Payload, Record
from adjoin._handler import Handler
from adjoin._limits import Limits, too_large
from adjoin.errors import Corrupt, Error, Internal, Invalid, NotFound, ReadOnlyViolation

if TYPE_CHECKING:
    from adjoin._client import AsyncRuntime, Runtime

_log = logging.getLogger("adjoin")


class Home(Protocol):
    """Where handlers find a runtime to call others."""

    def runtime(self, host_session: int, /) -> Runtime: ...
    def async_runtime(self, host_session: int, /) -> AsyncRuntime: ...


@dataclass
class Place:
    """What the activations of one session share; all but the limits is the same for every session of a process.

    Attributes:
        turns: The calls that run now, by call.
        cancelled: The latest calls that nobody waited for any more before they ran.
        inputs: The streams that clients send to calls, by call.
    """

    home: Home
    limits: Limits = field(default_factory=Limits)
    check: bool = False
    turns: dict[int, Context] = field(default_factory=dict)
    cancelled: dict[int, None] = field(default_factory=dict)
    inputs: dict[int, Any] = field(default_factory=dict)


class Activation(ABC):
    """One entity, resident.

    Attributes:
        id: Its number in the session; 0 for actions.
        state: The entity object that handlers get as ``self``.
        check: Whether to look for changes behind ``emit`` after every handler.
        turns: The calls that run now, by call; shared with whoever has to find them. So are those ``cancelled``.
        ended: Its state is no longer the host's: frames for it are dropped.
    """

    __slots__ = (
        "cancelled",
        "check",
        "definition",
        "ended",
        "epoch",
        "home",
        "id",
        "inputs",
        "key",
        "limits",
        "sequence",
        "state",
        "turns",
    )  # fmt: skip

    def __init__(self, definition: Definition, id: int, key: str, epoch: int, place: Place) -> None:
        self.id = id
        self.definition = definition
        self.key = key
        self.epoch = epoch
        self.sequence = 0
        self.limits = place.limits
        self.check = place.check
        self.home = place.home
        self.turns = place.turns
        self.cancelled = place.cancelled
        self.inputs = place.inputs
        self.ended = False
        self.state: Any = definition.initial()

    def begin(self, sequence: int, state: Record | None) -> Frame | None:
        """Takes the state that an activation starts with; the frame says why it cannot."""
        self.sequence = sequence
        if state is None:
            return None
        try:
            self._load(state)
        except Exception as error:
            name, _ = state
            failure = Corrupt(f"the stored state {name} cannot be read: {error}", context={"entity": self._where()})
            return self._failed(failure, error, snapshot=self.definition.kind == "event-sourced")
        return None

    @abstractmethod
    def replay(self, events: Sequence[tuple[int, str, bytes]], last: bool) -> Frame:
        """Folds stored events into the state."""

    def accept(self, frame: Frame) -> Context | Frame:
        """Begins the turn of a command; or the answer, if it cannot run at all."""
        handler = self.definition.handlers.get(frame[Command.NAME])
        if handler is None:
            if not frame[Command.NAME] and frame[Command.QUERY]:
                return self._shown(frame)
            known = ", ".join(sorted(self.definition.handlers)) or "nothing"
            error: Error = NotFound(f"{self.definition.name} has no {frame[Command.NAME]!r}; it has {known}")
            return self._failure(frame, error, ended=False)
        try:
            if handler.takes_stream:
                values: tuple[Any, ...] = (self.inputs[frame[Command.CALL]],)
            else:
                data = frame[Command.DATA]
                read = handler.by_type
                values = handler.body.decode(data) if read is None else read(frame[Command.TYPE], data)
        except READ_ERRORS as problem:
            return self._failure(frame, Invalid(f"the body of {handler.where}: {problem}"), ended=False)
        turn = Context(self, handler, frame, values)
        if self.cancelled and frame[Command.CALL] in self.cancelled:
            turn._cancelled = True
        self.enter(turn)
        return turn

    def enter(self, turn: Context) -> None:
        """Begins a turn."""
        self.turns[turn._frame[Command.CALL]] = turn
        self.state._turn = turn
        running.set(turn)

    def leave(self, turn: Context) -> None:
        """Ends a turn."""
        turn._over = True
        self.state._turn = None
        running.set(None)
        self.turns.pop(turn._frame[Command.CALL], None)

    def run(self, frame: Frame) -> Frame:
        """Runs a sync handler and answers."""
        turn = self.accept(frame)
        if isinstance(turn, tuple):
            return turn
        try:
            return self.finish(turn, turn._handler.invoke(self.state, turn._values, turn))
        except BaseException as error:
            return self.fail(turn, error)
        finally:
            self.leave(turn)

    async def run_async(self, frame: Frame) -> Frame:
        """Runs an async handler and answers."""
        turn = self.accept(frame)
        if isinstance(turn, tuple):
            return turn
        try:
            return self.finish(turn, await turn._handler.invoke(self.state, turn._values, turn))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                asyncio.get_running_loop().call_soon(_interrupt)  # it was meant for the program
            return self.fail(turn, error)
        finally:
            self.leave(turn)

    def finish(self, turn: Context, result: Any) -> Frame:
        """The answer to a handler that returned; raises what makes the command fail after all."""
        if turn._broken is not None:
            raise turn._broken
        frame, handler = turn._frame, turn._handler
        target, reply = (result.target, None) if type(result) is Forward else (None, self._reply(handler, result))
        if handler.query:
            if self.check:
                self._check_query(turn)
            return (Function.REPLY, self.id, frame[Command.CALL], reply)
        value, snapshot = self._written(turn)
        if target is not None:
            head: Frame = (Function.FORWARD, self.id, frame[Command.CALL], target)
        elif turn._events or value is not None or turn._deleted or turn._effects or snapshot is not None:
            head = (Function.EFFECTS, self.id, frame[Command.CALL], reply)
        else:
            return (Function.REPLY, self.id, frame[Command.CALL], reply)
        return (*head, turn._events, value, turn._deleted, turn._effects, snapshot)

    def fail(self, turn: Context, problem: BaseException) -> Frame:
        """The answer to a handler that raised; the state is restored, or the activation ends."""
        self.state._turn = None  # should the handler have left this state with somebody
        if not self._restore(turn):
            self.ended = True
        return self._failure(turn._frame, self._told(turn._handler, problem), ended=self.ended)

    def _reply(self, handler: Handler, result: Any) -> Payload | None:
        try:
            data = handler.encode_reply(result)
        except WRITE_ERRORS as error:
            raise Internal(f"what {handler.where} returned does not fit its type hint: {error}") from error
        if data is not None and len(data) > self.limits.message_bytes:
            raise too_large(f"the reply of {handler.where}", len(data), self.limits.message_bytes)
        return data if handler.rpc is None or data is None else handler.reply_payload(data)

    def _told(self, handler: Handler, problem: BaseException) -> Error:
        """What the client may know: a typed error as it is, of any other only that it happened."""
        if isinstance(problem, Error):
            if isinstance(problem, Internal):
                _log.error("%s: %s", handler.where, problem, exc_info=problem)
            return problem
        _log.error("%s of %s failed unexpectedly", handler.where, self.key, exc_info=problem)
        return Internal(f"{handler.where} failed unexpectedly ({type(problem).__name__}): see the log of the function")

    def _shown(self, frame: Frame) -> Frame:
        """The answer to the question for nothing but the state."""
        try:
            snapshot = self._snapshot()
        except WRITE_ERRORS as error:
            return self._failure(
                frame, Internal(f"the state of {self._where()} cannot be written: {error}"), ended=False
            )
        if snapshot is None:
            text = f"the state of {self.definition.name} cannot be written as JSON"
            return self._failure(frame, Invalid(text), ended=False)
        return (Function.EFFECTS, self.id, frame[Command.CALL], None, [], None, False, [], snapshot)

    def _failure(self, frame: Frame, error: Error, *, ended: bool) -> Frame:
        return (Function.FAILURE, self.id, frame[Command.CALL], errors.to_wire(error), ended)

    def _failed(self, error: Error, cause: BaseException | None, *, snapshot: bool = False) -> Frame:
        _log.error("%s cannot be activated: %s", self._where(), error, exc_info=cause)
        self.ended = True
        return (Function.ACTIVATION_FAILED, self.id, errors.to_wire(error), snapshot)

    def _where(self) -> str:
        return f"{self.definition.name}/{self.key}"

    # What the kinds differ in.

    def _snapshot(self) -> Record | None:
        """The state under the name of its shape; ``None`` where JSON cannot carry it. Raises ``WRITE_ERRORS``."""
        return None

    @abstractmethod
    def _load(self, state: Record) -> None:
        """Reads a snapshot or a value into the state."""

    @abstractmethod
    def _written(self, turn: Context) -> tuple[Payload | None, Record | None]:
        """What a successful command writes besides events: the new value, a snapshot. From here on it has happened."""

    @abstractmethod
    def _restore(self, turn: Context) -> bool:
        """Makes the state what it was before the turn; whether it could."""

    @abstractmethod
    def _check_query(self, turn: Context) -> None:
        """Raises ``ReadOnlyViolation`` if a query changed the state."""


def _interrupt() -> None:
    raise KeyboardInterrupt


def unchanged(turn: Context, before: bytes, after: bytes) -> None:
    """Raises ``ReadOnlyViolation`` if a query changed the state."""
    if before != after:
        raise ReadOnlyViolation(f"{turn._handler.where} is a query and changed the state: make it a command")
