# SPDX-License-Identifier: Apache-2.0
"""The dispatcher: the host's frames in, handlers run, answers out. The same in every home.

It decides *what* runs and in which order; workers and event loop decide *where*. It never waits.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

from adjoin._activation import Activation, Place
from adjoin._definition import Definition
from adjoin._frames import SESSION_BITS, Command, Frame, Host
from adjoin._handler import Handler
from adjoin._input import AsyncInput, Input
from adjoin._kinds import activation_of
from adjoin._lane import ActionCall, Lane, unknown
from adjoin._limits import Limits
from adjoin._outbox import FULL, Outbox
from adjoin._stream_call import StreamCall
from adjoin._workers import Item

_log = logging.getLogger("adjoin")

_CANCELLED = 256
"""Calls cancelled before they ran that are remembered; most were answered already and never run."""


class OnLoop(Protocol):
    """Something for the event loop."""

    async def work_async(self) -> None: ...


class Places(Protocol):
    """Where things run."""

    prefers_loop: bool

    def to_workers(self, items: Iterable[Item], /) -> None: ...
    def to_loop(self, item: OnLoop, /) -> None: ...
    def spawn(self, coroutine: Coroutine[Any, Any, None], /) -> None: ...
    def call_on_loop(self, call: Callable[[], None], /) -> None: ...
    def relieve(self) -> None: ...
    def flush_soon(self) -> None: ...


class Dispatcher:
    """Routes frames. ``route`` is called by one thread at a time; everything else from anywhere.

    Attributes:
        lock: Guards who works on what; held for a few instructions only.
        ready: Items for workers, gathered while a batch is routed.
    """

    def __init__(self, definitions: Iterable[Definition], outbox: Outbox, place: Place, places: Places) -> None:
        self.outbox = outbox
        self.full = FULL
        self.place = place
        self.lock = threading.Lock()
        self.prefers_loop = places.prefers_loop
        self.relieve = places.relieve
        self.spawn = places.spawn
        self.answered = places.flush_soon
        self.on_loop = places.call_on_loop
        self._places = places
        self._definitions = {definition.name: definition for definition in definitions}
        self._sessions: dict[int, Place] = {}
        self._lanes: dict[int, Lane] = {}
        self._streams: dict[int, StreamCall] = {}
        self._actions: dict[tuple[int, str], Activation] = {}
        self._ready: list[Item] = []
        self.handlers: dict[int, Callable[[Frame], None]] = {
            Host.ACTIVATE: self._activate,
            Host.REPLAY: self._to_lane,
            Host.COMMAND: self._command,
            Host.STREAM_INPUT: self._input,
            Host.STREAM_INPUT_END: self._input_end,
            Host.STREAM_CREDIT: self._credit,
            Host.CANCEL: self._cancel,
            Host.DEACTIVATE: self._deactivate,
            Host.SESSION: self._session,
            Host.SESSION_END: self._session_end,
        }

    def taken(self) -> list[Item]:
        """What the frames routed since the last call made ready, for the workers."""
        ready, self._ready = self._ready, []
        return ready

    def done(self, lane: Lane) -> None:
        """A lane had its turn: it rests, or has another one, here or there."""
        with self.lock:
            if lane.ended:
                lane.queue.clear()
            if not lane.queue:
                lane.busy = False
                if lane.ended:
                    self._lanes.pop(lane.id, None)
                return
        self._place_from_anywhere(lane)

    def again(self, item: Item) -> None:
        """An item had its turn and wants another one."""
        self._places.to_workers((item,))

    def forget(self, call: int) -> None:
        """A call with a stream has ended."""
        self._streams.pop(call, None)
        self.place.inputs.pop(call, None)

    def _activate(self, frame: Frame) -> None:
        definition = self._definitions.get(frame[2])
        if definition is None:
            self.outbox.append(unknown(frame))
            self._places.flush_soon()
            return
        self._lanes[frame[1]] = Lane(self, frame[1], definition)
        self._to_lane(frame)

    def _command(self, frame: Frame) -> None:
        if frame[Command.ACTIVATION]:
            self._to_lane(frame)
        else:
            self._action(frame)

    def _to_lane(self, frame: Frame) -> None:
        lane = self._lanes.get(frame[1])
        if lane is None:
            return  # of an activation that has ended
        with self.lock:
            lane.queue.append(frame)
            if lane.busy:
                return
            lane.busy = True
        if lane.wants_loop():
            self._places.to_loop(lane)
        else:
            self._ready.append(lane)

    def _place_from_anywhere(self, lane: Lane) -> None:
        if lane.wants_loop():
            self._places.to_loop(lane)
        else:
            self._places.to_workers((lane,))

    def _action(self, frame: Frame) -> None:
        activation = self._action_of(frame)
        if activation is None:
            self.outbox.append(unknown(frame))
            self._places.flush_soon()
            return
        handler = activation.definition.handlers.get(frame[Command.NAME])
        if handler is not None and handler.takes_stream:
            self._begin_input(handler, frame[Command.CALL])
        item: Any
        if handler is not None and handler.streams:
            item = self._streams[frame[Command.CALL]] = StreamCall(self, activation, handler, frame)
        else:
            item = ActionCall(self, activation, handler, frame)
        if handler is not None and handler.is_async:
            self._places.to_loop(item)
        else:
            self._ready.append(item)

    def _action_of(self, frame: Frame) -> Activation | None:
        name = frame[Command.ENTITY_TYPE]
        which = (frame[Command.CALL] >> SESSION_BITS, name)
        if which not in self._actions:
            definition = self._definitions.get(name)
            if definition is None or definition.kind != "action":
                return None
            self._actions[which] = activation_of(definition, 0, "", 0, self.place_of(frame[Command.CALL]))
        return self._actions[which]

    def place_of(self, id: int) -> Place:
        """What the session of an activation or a call has."""
        return self._sessions.get(id >> SESSION_BITS, self.place)

    def _begin_input(self, handler: Handler, call: int) -> None:
        self.place.inputs[call] = (AsyncInput if handler.is_async else Input)(self, call, handler)

    def _input(self, frame: Frame) -> None:
        stream = self.place.inputs.get(frame[1])
        if stream is not None:
            stream.push(frame[2])

    def _input_end(self, frame: Frame) -> None:
        stream = self.place.inputs.get(frame[1])
        if stream is not None:
            stream.end()

    def _credit(self, frame: Frame) -> None:
        stream = self._streams.get(frame[1])
        if stream is not None:
            self._revive(stream, stream.add_credit(frame[2]))

    def _cancel(self, frame: Frame) -> None:
        turn = self.place.turns.get(frame[1])
        if turn is not None:
            turn._cancelled = True
        else:
            cancelled = self.place.cancelled
            cancelled[frame[1]] = None
            if len(cancelled) > _CANCELLED:
                del cancelled[next(iter(cancelled))]
        stream = self._streams.get(frame[1])
        if stream is not None:
            self._revive(stream, stream.cancel())
        incoming = self.place.inputs.get(frame[1])
        if incoming is not None:
            incoming.cancel()

    def _revive(self, stream: StreamCall, resting: bool) -> None:
        if stream.is_async:
            self._places.call_on_loop(stream.wake)
        elif resting:
            self._ready.append(stream)

    def _deactivate(self, frame: Frame) -> None:
        lane = self._lanes.pop(frame[1], None)
        if lane is not None:
            lane.ended = True

    def _session(self, frame: Frame) -> None:
        _, session, *limits = frame
        self._sessions[session] = dataclasses.replace(self.place, limits=Limits(*limits))

    def _session_end(self, frame: Frame) -> None:
        """Everything of a session has ended: states go, streams stop, late answers are the host's to drop."""
        _, session, why = frame
        _log.info("adjoin: a session with a host has ended: %s", why)
        for id in [id for id in self._lanes if id >> SESSION_BITS == session]:
            self._lanes.pop(id).ended = True
        for which in [which for which in self._actions if which[0] == session]:
            del self._actions[which]
        self._sessions.pop(session, None)
        self._stop_streams(lambda call: call >> SESSION_BITS == session)

    def stop(self) -> None:
        """Nothing comes any more for calls with streams: those that wait for it end."""
        self._stop_streams(lambda call: True)

    def _stop_streams(self, concerned: Callable[[int], bool]) -> None:
        for call, stream in list(self._streams.items()):
            if concerned(call):
                self._revive(stream, stream.cancel())
        for call, incoming in list(self.place.inputs.items()):
            if concerned(call):
                incoming.cancel()
