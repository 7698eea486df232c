# SPDX-License-Identifier: Apache-2.0
"""The decorators. A decorated function stays the function it was; it only carries a mark."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, TypeVar, overload

from adjoin.errors import Invalid

F = TypeVar("F", bound=Callable[..., Any])

Role = Literal["command", "query", "event", "upcast"]
ATTRIBUTE = "__adjoin__"


class EventsOf(NamedTuple):
    """What ``events_of`` gives: a source of events for a command."""

    log: type | str
    group: str | None
    event: str | None


class Mark:
    """What a decorator wrote on a function.

    Attributes:
        owners: The entity classes that have the function, filled in as they are defined.
        on: The events that a command is called with beside calls.
    """

    __slots__ = ("aliases", "name", "on", "owners", "role")

    def __init__(
        self, role: Role, name: str | None, aliases: tuple[str, ...] = (), on: tuple[EventsOf, ...] = ()
    ) -> None:
        self.role = role
        self.name = name
        self.aliases = aliases
        self.on = on
        self.owners: list[type] = []


@overload
def command(function: F, /) -> F: ...
@overload
def command(
    *, name: str | None = None, on: EventsOf | Iterable[EventsOf] = ..., idempotent: Literal[False] = ...
) -> Callable[[F], F]: ...
def command(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    on: EventsOf | Iterable[EventsOf] = (),
    idempotent: bool = False,
) -> Any:
    """Makes a method a command: it may change the state, and runs alone on its entity.

    The arguments, without ``self`` and any ``Context``, are the body: none, one (the body *is* the argument) or several
    (an object by name). The result is the reply. Contract first, the argument and the result are the messages of its
    RPC.

    Args:
        function: The method.
        name: Its name on the wire; by default the method's, in lowerCamel. Contract first, the name of its RPC, where
            the method is called otherwise than ``add_item`` for ``AddItem``.
        on: Events that it is called with as well, as ``events_of`` names them.
        idempotent: Refused (``docs/decisions/0005-python-forms.md``): the key of a call makes it safe to send again.

    Raises:
        Invalid: for ``idempotent=True``.
    """
    if idempotent:
        raise Invalid(
            "@command(idempotent=True) says nothing that adjoin could act on: it sends no command a second time by "
            "itself. Who sends one again gives the call an idempotency_key, which makes any command safe"
        )
    return _marked(function, "command", name, on=(on,) if isinstance(on, EventsOf) else tuple(on))


@overload
def query(function: F, /) -> F: ...
@overload
def query(*, name: str | None = None) -> Callable[[F], F]: ...
def query(function: Any = None, /, *, name: str | None = None) -> Any:
    """Makes a method a query: it changes nothing, may run beside other queries, and can be watched.

    Args:
        function: The method.
        name: Its name on the wire, as of a command.
    """
    return _marked(function, "query", name)


@overload
def event(function: F, /) -> F: ...
@overload
def event(*, name: str | None = None, aliases: Iterable[str] = ()) -> Callable[[F], F]: ...
def event(function: Any = None, /, *, name: str | None = None, aliases: Iterable[str] = ()) -> Any:
    """Makes a method the applier of an event: the only place where an event-sourced state changes.

    The class of the event is the annotation of its one argument; contract first, a message, or ``Any`` of
    ``google.protobuf`` for every event that has no applier of its own. An applier runs again at every replay, so it
    must be quick, must not fail and must depend on nothing but the state and the event.

    Args:
        function: The method.
        name: The stored name; by default the name of the event's class, or the full name of a message. Records
            written under it stay readable only as long as the name, an alias or an upcaster stands for it.
        aliases: Names under which older records hold the same event.
    """
    return _marked(function, "event", name, tuple(aliases))


def upcast(*names: str) -> Callable[[F], F]:
    """Makes a static method the reader of older events, stored as ``names`` in a shape of their own.

    Its argument is the stored event: as the class it is annotated with, or as the decoded JSON (``dict[str, Any]``).
    It returns today's event, or several in order.

        @upcast("ItemAdded")
        @staticmethod
        def from_first(old: dict[str, Any]) -> ItemPut:
            return ItemPut(Item(old["product"], old.get("name", "?")))
    """

    def mark(function: F) -> F:
        return _mark(function, Mark("upcast", None, names))

    return mark


def _marked(
    function: Any, role: Role, name: str | None, aliases: tuple[str, ...] = (), on: tuple[EventsOf, ...] = ()
) -> Any:
    def mark(function: F) -> F:
        return _mark(function, Mark(role, name, aliases, on))

    return mark if function is None else mark(function)


def _mark(function: F, mark: Mark) -> F:
    setattr(function, ATTRIBUTE, mark)
    return function
