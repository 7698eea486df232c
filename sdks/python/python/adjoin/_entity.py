# SPDX-License-Identifier: Apache-2.0
"""The kinds of entities: what users derive from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from adjoin._contract import Contract, Service
from adjoin._marks import ATTRIBUTE
from adjoin._names import checked
from adjoin.errors import Invalid

if TYPE_CHECKING:
    from adjoin._context import Context

Kind = Literal["event-sourced", "value", "action"]


class Options:
    """The class keywords of an entity type."""

    __slots__ = ("name", "passivate_after", "snapshot_every", "snapshot_schema")

    def __init__(
        self, name: str, snapshot_every: int, snapshot_schema: str | None, passivate_after: timedelta | None
    ) -> None:
        if snapshot_every < 0:
            raise Invalid(f"{name}: snapshot_every={snapshot_every}: give the number of events between two snapshots")
        self.name = checked("entity type", name)
        self.snapshot_every = snapshot_every
        self.snapshot_schema = snapshot_schema
        self.passivate_after = passivate_after


class Entity:
    """What every kind has in common. Derive from ``EventSourced``, ``Value`` or ``Action``."""

    __slots__ = ("__weakref__", "_turn")

    if TYPE_CHECKING:  # at run time these annotations would become fields of the user's class
        _contract: ClassVar[Contract | None]
        _kind: ClassVar[Kind]
        _options: ClassVar[Options]
        _turn: Context | None

    def __init_subclass__(
        cls,
        *,
        name: str | None = None,
        service: Service | str | None = None,
        services: Sequence[Service | str] | None = None,
        snapshot_every: int = 0,
        snapshot_schema: str | None = None,
        passivate_after: timedelta | None = None,
        **keywords: Any,
    ) -> None:
        super().__init_subclass__(**keywords)
        # dataclass(slots=True) and attrs make the class a second time, without its keywords.
        remade = name is None and "_options" in cls.__dict__
        if cls.__module__ != __name__ and not remade:
            cls._options = Options(name or cls.__name__, snapshot_every, snapshot_schema, passivate_after)
            cls._contract = _contract_of(cls, service, services)
        for base in cls.__mro__:
            for member in list(base.__dict__.values()):
                mark = getattr(member, ATTRIBUTE, None)
                if mark is not None:
                    mark.owners = [*(owner for owner in mark.owners if not _is_former(owner, cls)), cls]
        if getattr(cls, "_contract", None) is not None and not remade:
            from adjoin._definition import check_handlers

            check_handlers(cls)

    def after(self, delay: timedelta) -> NoReturn:
        """Refused: timers are not there yet."""
        raise Invalid(
            f"self.after({delay}): timers come with a later version of adjoin; call again from outside instead"
        )


class _Stateful(Entity):
    __slots__ = ()

    def delete(self) -> None:
        """Ends the entity once this command is durable; the next command finds the initial state.

        Raises:
            Invalid: outside a command.
            ReadOnlyViolation: in a query.
        """
        turn_of(self, "delete")._delete()


class EventSourced(_Stateful):
    """An entity whose state is the fold of its events.

        @dataclass
        class Cart(adjoin.EventSourced, name="shop.Cart"):
            items: dict[str, Item] = field(default_factory=dict)

    The fields are the state; every one has a default, which together are the initial state. Commands decide and
    ``emit``; appliers (``@event``) change.

    Class keywords:
        name: The stored name of the type; by default the name of the class.
        service: Contract first: the service of a ``.proto`` whose RPCs the handlers are, as the descriptor in generated
            code or by its full name. Commands, replies and events are then messages; so may be the state, as one field
            of the class, ``state: cart_pb2.Cart``.
        services: The same for several.
        snapshot_every: Events between two snapshots; 0, the default, makes none. The fields must then be types
            that JSON can carry.
        snapshot_schema: The name of the state's shape. By default it follows the fields, so that a snapshot of
            another shape is left aside and the events are replayed; set it to decide for yourself.
        passivate_after: Idle time after which the state leaves memory; by default the host decides.
    """

    __slots__ = ()
    _kind = "event-sourced"

    def emit(self, event: object) -> None:
        """Journals ``event`` and applies it at once, so that the command can answer from the new state.

        All events of one command are one atomic write. If the command fails, none is written and the state is restored.

        Raises:
            Invalid: outside a command, or the event has no applier or does not fit its type hints.
            ReadOnlyViolation: in a query.
            Exhausted: the event, or the number of events of this command, is beyond its limit.
        """
        turn_of(self, "emit")._emit(event)


class Value(_Stateful):
    """An entity whose state is one value: its fields are saved as a whole when a command returns.

    Assign to the fields in a command; if it fails they are restored. Class keywords: ``name``, ``passivate_after``, and
    ``service`` or ``services`` as of ``EventSourced``.
    """

    __slots__ = ()
    _kind = "value"


class Action(Entity):
    """An entity without state: its commands may be slow, run side by side, and may stream their reply.

    A command that is a generator, sync or async, streams. Class keywords: ``name``, and ``service`` or ``services`` as
    of ``EventSourced``.
    """

    __slots__ = ()
    _kind = "action"


def _contract_of(cls: type, service: Service | str | None, services: Sequence[Service | str] | None) -> Contract | None:
    if service is not None and services is not None:
        raise Invalid(f"{cls.__qualname__}: give either service= or services=")
    if service is not None:
        return Contract(cls.__qualname__, [service])
    return None if services is None else Contract(cls.__qualname__, services)


def _refused(what: str, instead: str) -> Any:
    def refuse(cls: type, /, **keywords: Any) -> NoReturn:
        raise Invalid(f"{cls.__qualname__}: {what} come with a later version of adjoin; {instead}")

    return classmethod(refuse)


class Replicated:
    """Refused as ``Invalid`` when derived from: replicated entities (CRDTs) are not there yet."""

    __init_subclass__ = _refused("replicated entities (CRDTs)", "an EventSourced entity has one writer instead")


class View:
    """Refused as ``Invalid`` when derived from: views are not there yet."""

    __init_subclass__ = _refused("views", "watch a query of each entity instead")


class Workflow:
    """Refused as ``Invalid`` when derived from: workflows are not there yet."""

    __init_subclass__ = _refused("workflows", "keep the steps as events of an EventSourced entity instead")


def turn_of(entity: Any, verb: str) -> Context:
    """The turn that ``entity`` is in.

    Raises:
        Invalid: in none.
    """
    turn: Context | None = getattr(entity, "_turn", None)
    if turn is None:
        raise Invalid(f"{verb} works only inside a command of {type(entity).__qualname__}, on its own self")
    return turn


def _is_former(owner: type, cls: type) -> bool:
    """Whether ``cls`` is ``owner`` made a second time: the copy has the very same options."""
    return owner.__dict__.get("_options") is cls.__dict__.get("_options", owner)
