# SPDX-License-Identifier: Apache-2.0
"""How an event-sourced state comes back after a command that failed.

A command that succeeds pays nothing but the keeping of its events' bytes. One that fails pays for looking: the state is
rebuilt from a *base* – a form of the state that mutation cannot reach – and the events since. The base is renewed when
the events since weigh more than it does, so its cost stays linear in the bytes of events, as a snapshot's does.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from typing import Any

from adjoin._definition import Definition
from adjoin._frames import Record

_SMALLEST = 64 << 10
"""Bytes of events that are kept, whatever the base weighs."""

_LARGEST = 32 << 20
"""Bytes of a base beyond which none is kept: the host reads such an entity again instead."""

Thaw = Callable[[], Any]


class Undo:
    """The base of one activation's state, and the events since."""

    __slots__ = ("_bytes", "_definition", "_events", "_frozen", "_thaw")

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._events: list[Record] = []
        self._bytes = 0
        self._frozen: bytes | None = None
        self._thaw: Thaw | None = definition.initial

    def begin(self, snapshot: bytes) -> None:
        """Takes a snapshot, as it was stored, as the base."""
        codec = self._definition.state
        assert codec is not None
        self._set(lambda: codec.decode(snapshot), None)

    def reset(self) -> None:
        """Takes the initial state as the base: the entity was deleted."""
        self._set(self._definition.initial, None)

    def add(self, events: Iterable[Record], state: Any) -> None:
        """Keeps events that ``state`` contains by now."""
        for record in events:
            self._events.append(record)
            self._bytes += len(record[1])
        if self._bytes > _SMALLEST and self._bytes > len(self._frozen or b""):
            self.renew(state)

    def renew(self, state: Any) -> None:
        """Makes ``state`` the base."""
        frozen = _freeze(state)
        if frozen is None:
            self._set(_decoded(self._definition, state), None)
        elif len(frozen) <= _LARGEST:
            self._set(_thaw(self._definition.cls, frozen), frozen)
        else:
            self._set(None, None)

    def holds(self, state: Any) -> bool:
        """Whether ``state`` is certainly what the last command left."""
        return not self._events and self._frozen is not None and _freeze(state) == self._frozen

    def restored(self) -> Any | None:
        """The state that the last successful command left, made anew; ``None`` if only the host can tell."""
        if self._thaw is None:
            return None
        state = self._thaw()
        for name, data in self._events:
            reader = self._definition.reader_of(name)
            assert reader is not None
            reader.apply(state, reader.decode(data))
        self.renew(state)
        return state

    def _set(self, thaw: Thaw | None, frozen: bytes | None) -> None:
        self._thaw, self._frozen, self._events, self._bytes = thaw, frozen, [], 0


def copier(definition: Definition, state: Any) -> Thaw | None:
    """What makes the state as it is now again, whatever becomes of it; ``None`` where nothing can."""
    frozen = _freeze(state)
    return _decoded(definition, state) if frozen is None else _thaw(definition.cls, frozen)


def _decoded(definition: Definition, state: Any) -> Thaw | None:
    codec = definition.state
    if codec is None:
        return None
    data, decode = codec.encode(state), codec.decode
    return lambda: decode(data)


def _freeze(state: Any) -> bytes | None:
    """The state's attributes, pickled; ``None`` where pickle cannot. Pickle keeps what JSON would not, such as a
    defaultdict, and these bytes never leave the process.
    """
    slots = {name: getattr(state, name) for name in _slots(type(state)) if hasattr(state, name)}
    try:
        return pickle.dumps((getattr(state, "__dict__", {}), slots), protocol=5)
    except Exception:  # anything may go wrong in the pickling of a user's class
        return None


def _thaw(cls: type, frozen: bytes) -> Thaw:
    def thaw() -> Any:
        attributes, slots = pickle.loads(frozen)
        state: Any = object.__new__(cls)
        for name, value in (*attributes.items(), *slots.items()):
            object.__setattr__(state, name, value)
        return state

    return thaw


def _slots(cls: type) -> list[str]:
    names: list[str] = []
    for base in cls.__mro__:
        declared = base.__dict__.get("__slots__", ())
        names += [declared] if isinstance(declared, str) else declared
    return [name for name in names if name not in ("_turn", "__weakref__", "__dict__")]
