# SPDX-License-Identifier: Apache-2.0
"""Events of an entity type: their appliers, their names, and the readers of what older versions stored."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, Union

import msgspec

from adjoin._codec import Codec, codec_for
from adjoin._fields import hints_of, is_pydantic, is_record
from adjoin._frames import Record
from adjoin._marks import Mark
from adjoin._messages import ANY, PREFIX, full_name, is_message
from adjoin._names import checked
from adjoin.errors import Invalid

Applier = Callable[[Any, Any], Any]


class EventType:
    """An event of today: written under ``name``, read under ``name`` and ``aliases``."""

    __slots__ = ("aliases", "apply", "codec", "name", "type")

    def __init__(self, cls: type, name: str, aliases: tuple[str, ...], apply: Applier) -> None:
        self.name = checked("event", name)
        self.aliases = tuple(checked("event", alias) for alias in aliases)
        self.type = cls
        self.codec: Codec[Any] = codec_for(cls)
        self.apply = apply

    def record(self, event: Any) -> Record:
        """The event as it is stored. Raises one of ``WRITE_ERRORS``."""
        return self.name, self.codec.encode(event)


class AnyEvent(EventType):
    """Contract first: every event that has no applier of its own, in the ``Any`` of protobuf."""

    __slots__ = ("_own",)

    def __init__(self, cls: type, apply: Applier, own: Callable[[str], bool]) -> None:
        super().__init__(cls, ANY, (), apply)
        self._own = own

    def record(self, event: Any) -> Record:
        if event.type_url and "/" not in event.type_url:
            raise TypeError(f"an Any with the type_url {event.type_url!r}: it ends in a slash and the full name")
        name: str = event.type_url.removeprefix(PREFIX)
        if not name or self._own(name):
            raise TypeError(
                f"an Any of {name or 'nothing'}: emit the event itself" if name else "an Any without type_url"
            )
        return name, event.value

    def reader(self, name: str) -> Reader:
        """The reader of the events that are stored under ``name``."""

        def read(data: bytes) -> Any:
            return typing.cast(Any, self.type)(type_url=name if "/" in name else PREFIX + name, value=data)

        return Reader(read, self.apply)


class Reader:
    """Reads a stored event and folds it into a state: ``apply(state, decode(data))``."""

    __slots__ = ("apply", "decode")

    def __init__(self, decode: Callable[[bytes], Any], apply: Applier) -> None:
        self.decode = decode
        self.apply = apply


def events_of(where: str, function: Any, mark: Mark, has_contract: bool) -> list[EventType]:
    """The event types that an applier is for: the arms of its argument's annotation.

    Raises:
        Invalid: when it is no plain method with one annotated argument, or a name stands for several classes.
    """
    if inspect.iscoroutinefunction(function):
        raise Invalid(f"{where}: an applier runs at every replay, so it cannot be async")
    (_, *declared), hints = inspect.signature(function).parameters.values(), hints_of(function)
    if len(declared) != 1 or declared[0].name not in hints:
        raise Invalid(f"{where}: an applier has one argument, annotated with the event's class")
    hint = hints[declared[0].name]
    arms = typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)
    if len(arms) > 1 and (mark.name or mark.aliases):
        raise Invalid(f"{where}: a name stands for one event: give each class an applier of its own")
    check = _message_class if has_contract else _event_class
    classes = [check(where, arm) for arm in arms]
    return [EventType(cls, mark.name or _stored_name(cls), mark.aliases, function) for cls in classes]


def upcaster_of(where: str, function: Any, apply: Callable[[Any, Any], None]) -> Reader:
    """The reader that an upcaster makes: old event in, today's event or events applied.

    Raises:
        Invalid: when it is no static method with one argument.
    """
    if not isinstance(function, staticmethod):
        raise Invalid(f"{where}: an upcaster knows no state: write @staticmethod below @upcast")
    inner = function.__func__
    declared, hints = list(inspect.signature(inner).parameters.values()), hints_of(inner)
    if len(declared) != 1:
        raise Invalid(f"{where}: an upcaster has one argument: the stored event")
    read = codec_for(hints.get(declared[0].name, Any)).decode

    def apply_all(state: Any, events: Any) -> None:
        for event in events if isinstance(events, (list, tuple)) else (events,):
            apply(state, event)

    return Reader(lambda data: inner(read(data)), apply_all)


def _stored_name(cls: type) -> str:
    return full_name(cls) if is_message(cls) else cls.__name__


def _message_class(where: str, arm: Any) -> type:
    if not is_message(arm):
        raise Invalid(f"{where}: an event of a contract-first entity is a message of protobuf, not {arm}")
    return typing.cast(type, arm)


def _event_class(where: str, arm: Any) -> type:
    if is_message(arm):
        raise Invalid(
            f"{where}: {full_name(arm)} is a message, but the entity is code first: say which service it serves, with "
            "service= behind its base class"
        )
    known = isinstance(arm, type) and (is_record(arm) or is_pydantic(arm) or issubclass(arm, msgspec.Struct))
    if not known:
        raise Invalid(
            f"{where}: an event is a dataclass, a msgspec Struct, an attrs class or a pydantic model, not {arm}"
        )
    return typing.cast(type, arm)
