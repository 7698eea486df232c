# SPDX-License-Identifier: Apache-2.0
"""Value entities and actions in memory, and the table of kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adjoin._activation import Activation, Place, unchanged
from adjoin._codec import WRITE_ERRORS
from adjoin._context import Context, running
from adjoin._definition import Definition
from adjoin._frames import Command, Frame, Function, Payload, Record
from adjoin._journaled import Journaled
from adjoin._limits import too_large
from adjoin.errors import Internal, Invalid


class Valued(Activation):
    """A value entity: what was saved last is both what to compare with and what to restore."""

    __slots__ = ("_codec", "_saved")

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        assert self.definition.state is not None
        self._codec = self.definition.state
        self._saved = self.definition.initial_data()

    def replay(self, events: Sequence[tuple[int, str, bytes]], last: bool) -> Frame:
        return (Function.REPLAYED, self.id, self.sequence)

    def _load(self, state: Record) -> None:
        name, data = state
        if name != self.definition.value_name:
            raise Invalid(f"this version reads {self.definition.value_name}")
        self.state = self._codec.decode(data)
        # Not the stored bytes: an older version may have written the same value otherwise.
        self._saved = self._codec.encode(self.state)

    def _written(self, turn: Context) -> tuple[Payload | None, Record | None]:
        if turn._deleted:
            self.state = self.definition.initial()
            self._saved = self.definition.initial_data()
            self.sequence += 1
            return None, None
        try:
            data = self._codec.encode(self.state)
        except WRITE_ERRORS as error:
            raise Internal(f"{turn._handler.where} left a value that does not fit its type hints: {error}") from error
        if data == self._saved:
            return None, None
        if len(data) > self.limits.value_bytes:
            raise too_large(f"the value of {self._where()}", len(data), self.limits.value_bytes)
        self._saved = data
        self.sequence += 1
        return self.definition.value_payload(data), None

    def _snapshot(self) -> Record | None:
        return (self.definition.value_name, self._codec.encode(self.state))

    def _restore(self, turn: Context) -> bool:
        self.state = self._codec.decode(self._saved)
        return True

    def _check_query(self, turn: Context) -> None:
        unchanged(turn, self._saved, self._codec.encode(self.state))


class Stateless(Activation):
    """An action: one for all calls of its type."""

    __slots__ = ()

    def replay(self, events: Sequence[tuple[int, str, bytes]], last: bool) -> Frame:
        return (Function.REPLAYED, self.id, 0)  # nothing is ever stored of one

    def enter(self, turn: Context) -> None:
        self.turns[turn._frame[Command.CALL]] = turn
        running.set(turn)

    def leave(self, turn: Context) -> None:
        turn._over = True
        running.set(None)
        self.turns.pop(turn._frame[Command.CALL], None)

    def _written(self, turn: Context) -> tuple[Payload | None, Record | None]:
        return None, None

    def _load(self, state: Record) -> None:
        """Nothing is ever stored of one."""

    def _restore(self, turn: Context) -> bool:
        return True

    def _check_query(self, turn: Context) -> None:
        """It has no queries."""


_KINDS: dict[str, type[Activation]] = {"event-sourced": Journaled, "value": Valued, "action": Stateless}


def activation_of(definition: Definition, id: int, key: str, epoch: int, place: Place) -> Activation:
    """The activation that the kind of ``definition`` asks for."""
    return _KINDS[definition.kind](definition, id, key, epoch, place)
