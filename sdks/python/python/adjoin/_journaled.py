# SPDX-License-Identifier: Apache-2.0
"""An event-sourced entity in memory."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from adjoin._activation import Activation, unchanged
from adjoin._codec import READ_ERRORS, WRITE_ERRORS
from adjoin._context import Context
from adjoin._frames import Command, Frame, Function, Payload, Record
from adjoin._undo import Thaw, Undo, copier
from adjoin.errors import Corrupt, Internal, Invalid, ReadOnlyViolation, Unavailable

_log = logging.getLogger("adjoin")


class Journaled(Activation):
    """An event-sourced entity."""

    __slots__ = ("_before", "_copy", "_undo")

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._undo = Undo(self.definition)
        self._before: bytes | None = None
        self._copy: Thaw | None = None

    def replay(self, events: Sequence[tuple[int, str, bytes]], last: bool) -> Frame:
        for sequence, name, data in events:
            reader = self.definition.reader_of(name)
            if reader is None:
                return self._unreadable(name, sequence)
            try:
                reader.apply(self.state, reader.decode(data))
            except READ_ERRORS as error:
                corrupt = Corrupt(f"the event {name} cannot be read: {error}", context=self._at(name, sequence))
                return self._failed(corrupt, None)
            except Exception as error:
                text = f"the applier of {name} failed ({type(error).__name__}): see the log of the function"
                return self._failed(Internal(text, context=self._at(name, sequence)), error)
            self.sequence = sequence
        self._undo.add([(name, data) for _, name, data in events], self.state)
        return (Function.REPLAYED, self.id, self.sequence)

    def enter(self, turn: Context) -> None:
        if self.check and self.definition.state is not None:
            self._before = self.definition.state.encode(self.state)
            self._copy = copier(self.definition, self.state)
        super().enter(turn)

    def _load(self, state: Record) -> None:
        name, data = state
        if self.definition.state is None or name != self.definition.snapshot_schema:
            raise Invalid(f"this version reads {self.definition.snapshot_schema}")
        self.state = self.definition.state.decode(data)
        self._undo.begin(data)

    def _written(self, turn: Context) -> tuple[Payload | None, Record | None]:
        if self._before is not None:
            self._check(turn, self._before)
        snapshot = None if turn._deleted else self._asked_snapshot(turn)
        self.sequence += len(turn._events) + turn._deleted
        if turn._deleted:
            self.state = self.definition.initial()
            self._undo.reset()
        elif turn._events:
            self._undo.add(turn._events, self.state)
        return None, snapshot

    def _snapshot(self) -> Record | None:
        codec = self.definition.state
        return None if codec is None else (self.definition.snapshot_schema, codec.encode(self.state))

    def _asked_snapshot(self, turn: Context) -> Record | None:
        """The snapshot that the host asked for with a command; none rather than one that cannot be kept."""
        if not turn._frame[Command.WANT_SNAPSHOT]:
            return None
        try:
            snapshot = self._snapshot()
        except WRITE_ERRORS:
            _log.exception("no snapshot of %s", self._where())
            return None
        return snapshot if snapshot is not None and len(snapshot[1]) <= self.limits.value_bytes else None

    def _restore(self, turn: Context) -> bool:
        if not turn._events and turn._broken is None and self._undo.holds(self.state):
            return True
        state = self._undo.restored()
        if state is None:
            return False
        self.state = state
        return True

    def _check(self, turn: Context, before: bytes) -> None:
        codec = self.definition.state
        assert codec is not None
        expected = before
        if turn._events and self._copy is not None:
            state = self._copy()
            for name, data in turn._events:
                reader = self.definition.reader_of(name)
                assert reader is not None
                reader.apply(state, reader.decode(data))
            expected = codec.encode(state)
        if codec.encode(self.state) != expected:
            raise ReadOnlyViolation(
                f"{turn._handler.where} changed the state in another way than by its events: change it in an @event "
                "only, and do not change what was emitted afterwards"
            )

    def _check_query(self, turn: Context) -> None:
        if self._before is not None and self.definition.state is not None:
            unchanged(turn, self._before, self.definition.state.encode(self.state))

    def _at(self, name: str, sequence: int) -> dict[str, str]:
        return {"entity": self._where(), "event": name, "sequence": str(sequence)}

    def _unreadable(self, name: str, sequence: int) -> Frame:
        text = (
            f"{self.definition.cls.__qualname__} has no @event, alias or @upcast for the stored event {name}: "
            "deploy a version that reads it"
        )
        return self._failed(Unavailable(text, context=self._at(name, sequence)), None)
