# SPDX-License-Identifier: Apache-2.0
"""An entity class, read once: its handlers, events and state."""

from __future__ import annotations

import copy
import inspect
import threading
from collections.abc import Iterator
from typing import Any

from adjoin import _event, _messages, _schema
from adjoin._codec import Codec, codec_for
from adjoin._entity import Entity, Kind
from adjoin._event import AnyEvent, EventType, Reader
from adjoin._fields import fields_of, hints_of, is_record
from adjoin._frames import Payload
from adjoin._handler import Handler
from adjoin._marks import ATTRIBUTE, Mark
from adjoin._messages import ANY, is_message
from adjoin._subscription import subscriptions_of
from adjoin.errors import Error, Invalid


class Definition:
    """What adjoin knows about an entity class.

    Attributes:
        handlers: By name on the wire.
        by_attribute: The same handlers by the name of their method.
        has_async: Whether any handler is async.
        events: Event types by class.
        any_event: Contract first: takes every event that has no applier of its own.
        state: The codec of the state; ``None`` where JSON cannot carry it (event-sourced without snapshots) or there is
            none.
        snapshot_schema: The name of the state's shape.
        contract: Contract first: its services.
    """

    def __init__(self, cls: type[Entity]) -> None:
        self.cls = cls
        self.options = cls._options
        self.name = self.options.name
        self.kind: Kind = cls._kind
        self.handlers: dict[str, Handler] = {}
        self.by_attribute: dict[str, Handler] = {}
        self.events: dict[type, EventType] = {}
        self.any_event: AnyEvent | None = None
        self._readers: dict[str, Reader] = {}
        self.contract = cls._contract
        self._message = _message_state(cls) if self.contract is not None else None
        for attribute, member, mark in _marked(cls):
            self._add(attribute, member, mark)
        if self.contract is not None:
            self.contract.check_complete(cls.__qualname__, self.handlers)
        self.subscriptions = subscriptions_of(self)
        self.has_async = any(handler.is_async for handler in self.handlers.values())
        _check_fields(self)
        self.state = _state_codec(self)
        self.snapshot_schema = self.options.snapshot_schema or _shape(self)
        self._initial: bytes | None = None

    def initial(self) -> Any:
        """The state of an entity that was never written."""
        state: Any = self.cls()
        if self._message is not None:
            setattr(state, self._message.attribute, self._message.type())
        return state

    def initial_data(self) -> bytes:
        """The same as it is stored."""
        if self._initial is None:
            assert self.state is not None
            self._initial = self.state.encode(self.initial())
        return self._initial

    def value_payload(self, data: bytes) -> Payload:
        """A value as the payload of frames."""
        return data if self._message is None else (self.value_name, data)

    @property
    def value_name(self) -> str:
        """The stored name of a value."""
        return "json" if self._message is None else _messages.full_name(self._message.type)

    def state_from(self, value: object) -> bytes:
        """A state as it is stored: of an instance of the class, or of the message that it is."""
        assert self.state is not None
        if self._message is not None and isinstance(value, self._message.type):
            return _messages.write(value)
        return self.state.encode(value)

    def reader_of(self, name: str) -> Reader | None:
        """What reads the events stored under ``name``."""
        found = self._readers.get(name)
        return self.any_event.reader(name) if found is None and self.any_event is not None else found

    def apply(self, state: Any, event: object) -> None:
        """Applies one of today's events."""
        kind = self.events.get(type(event))
        if kind is None:
            raise Invalid(self.no_applier(event))
        kind.apply(state, event)

    def no_applier(self, event: object) -> str:
        """What is wrong with an event nobody applies."""
        return self.no_applier_of(type(event))

    def no_applier_of(self, tp: Any) -> str:
        """The same of its class."""
        known = ", ".join(sorted(kind.name for kind in self.events.values())) or "none at all"
        return f"{self.cls.__qualname__} has no @event for {getattr(tp, '__qualname__', tp)}; it has them for {known}"

    def spec(self) -> dict[str, Any]:
        """Its part of the spec, as ``core/entity`` has it."""
        idle = self.options.passivate_after
        events = {} if self.contract else {kind.name: _schema.schema_of(kind.type) for kind in self.events.values()}
        has_schema = self.state is not None and self._message is None
        doc = self.cls.__doc__ or ""
        return {
            "name": self.name,
            "kind": self.kind,
            "handlers": [handler.spec() for handler in self.handlers.values()],
            "readable_events": [] if self.any_event is not None else sorted(self._readers),
            "reads_any_event": self.any_event is not None,
            "subscriptions": self.subscriptions,
            "services": [] if self.contract is None else self.contract.services,
            "passivate_after_ms": 0 if idle is None else max(1, round(idle.total_seconds() * 1000)),
            "snapshot_every": self.options.snapshot_every,
            "event_schemas": _schema.encoded(events) if events else "",
            "state_schema": _schema.encoded(_schema.schema_of(self.cls)) if has_schema else "",
            "summary": "" if doc.startswith(f"{self.cls.__name__}(") else inspect.cleandoc(doc).partition("\n")[0],
        }

    def _add(self, attribute: str, member: Any, mark: Mark) -> None:
        where = f"{self.cls.__qualname__}.{attribute}"
        if mark.role in ("command", "query"):
            self._add_handler(_handler(self.cls, attribute, member, mark), where)
        elif self.kind != "event-sourced":
            raise Invalid(f"{where}: only event-sourced entities have events")
        elif mark.role == "event":
            for kind in _event.events_of(where, member, mark, self.contract is not None):
                self._add_event(kind, where)
        else:
            reader = _event.upcaster_of(where, member, self.apply)
            for name in mark.aliases:
                # An upcaster under the name of today's event reads it instead; the other way round is a mistake.
                self._readers[name] = reader

    def _add_handler(self, handler: Handler, where: str) -> None:
        if handler.name in self.handlers:
            raise Invalid(f"{where}: {handler.where} is declared twice: give each handler a name of its own")
        if handler.streams and self.kind != "action":
            raise Invalid(f"{where} streams, which only actions do; to follow a state, watch a query")
        if handler.takes_stream and self.kind != "action":
            raise Invalid(f"{where} takes a stream, which only actions do")
        if handler.query and self.kind == "action":
            raise Invalid(f"{where} is a query of an action, which has no state: make it a command")
        self.handlers[handler.name] = self.by_attribute[handler.attribute] = handler

    def _add_event(self, kind: EventType, where: str) -> None:
        if kind.type in self.events:
            raise Invalid(f"{where}: {kind.name} has an applier already")
        if kind.name == ANY:
            kind = self.any_event = AnyEvent(kind.type, kind.apply, self._readers.__contains__)
        self.events[kind.type] = kind
        for name in (kind.name, *kind.aliases) if kind.name != ANY else ():
            if name in self._readers:
                raise Invalid(f"{where}: the stored name {name} is taken: events, aliases and upcasters need one each")
            self._readers[name] = Reader(kind.codec.decode, kind.apply)


class _MessageState:
    """A state that is one message, in one attribute of the entity: its codec reads and writes the entity as a whole."""

    def __init__(self, cls: type[Entity], attribute: str, tp: Any) -> None:
        self.attribute = attribute
        self.type = tp
        self.codec: Codec[Any] = copy.copy(codec_for(tp))
        read, write = self.codec.decode, self.codec.encode

        def decode(data: bytes) -> Any:
            state = cls()
            setattr(state, attribute, read(data))
            return state

        self.codec.decode, self.codec.encode = decode, lambda state: write(getattr(state, attribute))


def check_handlers(cls: type[Entity]) -> None:
    """Checks a contract-first class as it is defined, as far as its type hints are known by then.

    Raises:
        Invalid: as ``definition_of`` does.
    """
    contract = cls._contract
    assert contract is not None
    served = []
    for attribute, member, mark in _marked(cls):
        if mark.role in ("command", "query"):
            served.append(contract.rpc_of(f"{cls.__qualname__}.{attribute}", attribute, mark.name).name)
            try:
                _handler(cls, attribute, member, mark)
            except Invalid as error:
                if not isinstance(error.__cause__, NameError):  # a name that is defined later
                    raise
    contract.check_complete(cls.__qualname__, served)


_definitions: dict[type, Definition] = {}
_lock = threading.RLock()


def definition_of(cls: Any) -> Definition:
    """The definition of an entity class; made at the first question.

    Raises:
        Invalid: when it is no entity class, or something in it is wrong: what, where, what to do.
    """
    found = _definitions.get(cls)
    if found is not None:
        return found
    if not (isinstance(cls, type) and issubclass(cls, Entity) and hasattr(cls, "_options")):
        raise Invalid(f"{cls!r} is no entity class: derive it from EventSourced, Value or Action")
    with _lock:
        if cls not in _definitions:
            try:
                _definitions[cls] = Definition(cls)
            except (TypeError, ValueError, NotImplementedError) as error:
                raise Invalid(f"{cls.__qualname__}: {error}") from error
        return _definitions[cls]


def handler_of(method: Any) -> Handler:
    """The handler that ``Cart.add_item`` stands for.

    Raises:
        Invalid: when it is no command or query, or several entity classes have it.
    """
    mark: Mark | None = getattr(method, ATTRIBUTE, None)
    if mark is None or mark.role not in ("command", "query"):
        raise Invalid(f"{getattr(method, '__qualname__', method)!r} is no command or query")
    owners = [owner for owner in mark.owners if hasattr(owner, "_options")]
    if len(owners) != 1:
        shared = ", ".join(owner.__qualname__ for owner in owners) or "no entity class"
        raise Invalid(
            f"{method.__qualname__} belongs to {shared}, so the call does not say to whom: use "
            f"rt.entity(…, key).{method.__name__}(…)"
        )
    return definition_of(owners[0]).by_attribute[method.__name__]


def _handler(cls: type[Entity], attribute: str, member: Any, mark: Mark) -> Handler:
    contract, where = cls._contract, f"{cls.__qualname__}.{attribute}"
    rpc = None if contract is None else contract.rpc_of(where, attribute, mark.name)
    return Handler(cls._options.name, attribute, member, mark, rpc)


def _message_state(cls: type[Entity]) -> _MessageState | None:
    """The state of a class that declares one field, a message, and is no dataclass."""
    if is_record(cls) or cls._kind == "action":
        return None
    hints = {name: hint for name, hint in hints_of(cls).items() if is_message(hint) and name[0] != "_"}
    if len(hints) > 1:
        names = ", ".join(hints)
        raise Invalid(f"{cls.__qualname__} declares {names} but is no dataclass: write @dataclass above it")
    for name, tp in hints.items():
        return _MessageState(cls, name, tp)
    return None


def _marked(cls: type) -> Iterator[tuple[str, Any, Mark]]:
    """Marked members in the order of declaration, bases first; an override takes the place of what it overrides."""
    names: dict[str, None] = {}
    for base in reversed(cls.__mro__):
        for name, member in base.__dict__.items():
            if getattr(member, ATTRIBUTE, None) is not None or name in names:
                names.setdefault(name)
    # Upcasters come last: one may stand in for the reader of today's event of the same name.
    found = [(name, inspect.getattr_static(cls, name)) for name in names]
    marked = [(name, member, getattr(member, ATTRIBUTE, None)) for name, member in found]
    yield from sorted(((n, m, k) for n, m, k in marked if k is not None), key=lambda entry: entry[2].role == "upcast")


def _check_fields(definition: Definition) -> None:
    cls = definition.cls
    loose = [
        name for name, hint in inspect.get_annotations(cls).items() if "ClassVar" not in str(hint) and name[0] != "_"
    ]
    if definition.kind == "action":
        return
    if definition._message is not None:
        more = [name for name in loose if name != definition._message.attribute]
        if more:
            raise Invalid(
                f"{cls.__qualname__} declares {', '.join(more)} beside the message {definition._message.attribute}, "
                "which is its whole state: make them fields of the message, or write @dataclass above it"
            )
        return
    if loose and "__dataclass_fields__" not in cls.__dict__ and "__attrs_attrs__" not in cls.__dict__:
        raise Invalid(f"{cls.__qualname__} declares {', '.join(loose)} but is no dataclass: write @dataclass above it")
    for field in fields_of(cls) if is_record(cls) else ():
        if field.required:
            raise Invalid(f"{cls.__qualname__}.{field.name} needs a default: together they are the initial state")


def _state_codec(definition: Definition) -> Codec[Any] | None:
    if definition._message is not None:
        return definition._message.codec
    if definition.kind == "action" or not is_record(definition.cls):
        if definition.kind == "value":
            raise Invalid(f"{definition.cls.__qualname__} has no fields: a value entity's fields are its value")
        return None
    try:
        codec = codec_for(definition.cls)
        _schema.schema_of(definition.cls)
        codec.encode(definition.initial())
    except (Error, TypeError, ValueError, NotImplementedError) as error:
        if definition.kind == "value" or definition.options.snapshot_every:
            raise Invalid(f"the state of {definition.cls.__qualname__} cannot be stored as JSON: {error}") from error
        return None
    return codec


def _shape(definition: Definition) -> str:
    """A name that changes with the fields, so that a snapshot of another shape is not taken for this one."""
    if definition.state is None:
        return definition.cls.__name__
    if definition._message is not None:
        return definition.value_name
    return f"{definition.cls.__name__}-{_schema.shape_of(definition.cls):08x}"
