# SPDX-License-Identifier: Apache-2.0
"""Events that commands are called with: what subscribes, and what a handler sees of the event it was given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from adjoin._entity import Entity
from adjoin._marks import EventsOf
from adjoin._messages import ANY, full_name, is_message
from adjoin.errors import Invalid

if TYPE_CHECKING:
    from adjoin._definition import Definition
    from adjoin._handler import Handler


def events_of(log: type | str, *, group: str | None = None, event: str | None = None) -> EventsOf:
    """The events of an event-sourced entity type, for ``@command(on=…)``.

        class Mailer(adjoin.Action, name="shop.Mailer"):
            @command(on=adjoin.events_of(Cart, group="mailer"))
            async def on_added(self, added: ItemAdded, ctx: Context = adjoin.current) -> None: ...

    The command takes the events of the class that its one argument is annotated with; with ``Any`` (contract first: the
    ``Any`` of ``google.protobuf``) those that no other command of the group takes. Events of one entity come in order
    and one at a time, at least once, from the first of the log on; ``ctx.event`` says which one it is. A command that
    fails is given the event again, ever later, until it is a dead letter (``adjoin eventing``).

    Entities take an event under the key of the entity whose event it is; for an action it is ``ctx.entity_key``.

    Args:
        log: The entity class, or the stored name of the type.
        group: The consumer group: each one is given every event. By default the stored name of the type that takes
            them.
        event: The stored name of the event, where ``log`` is a name and the event is stored under another one than that
            of its class.
    """
    return EventsOf(log, group, event)


class CloudEvent(NamedTuple):
    """The event that a command was called with, as CloudEvents 1.0 names its attributes."""

    id: str
    """Names it within its source, the same each time it is given."""
    source: str
    """The log: the stored name of the entity type."""
    type: str
    """The stored name of the event."""
    subject: str
    """The key of the entity whose event it is."""
    time: datetime | None
    """When the host took it."""
    content_type: str
    """What its bytes are."""


def event_in(metadata: Iterable[tuple[str, str]]) -> CloudEvent | None:
    """The event that a call's metadata describes; ``None`` if it describes none."""
    found: Mapping[str, str] = {name.lower(): value for name, value in metadata}
    if not all(f"ce-{name}" in found for name in ("id", "source", "specversion", "type")):
        return None
    return CloudEvent(
        id=found["ce-id"],
        source=found["ce-source"],
        type=found["ce-type"],
        subject=found.get("ce-subject", ""),
        time=_time(found.get("ce-time", "")),
        content_type=found.get("content-type", ""),
    )


def _time(text: str) -> datetime | None:
    """What cannot be read is as if it had not been said: hosts write it well, other callers what they like."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None


def subscriptions_of(definition: Definition) -> list[dict[str, Any]]:
    """What an entity class subscribes to, as its spec has it.

    Raises:
        Invalid: an event that its log does not have, or that two commands of a group take.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for handler in definition.handlers.values():
        for on in handler.on:
            log, names = _events(definition, handler, on)
            group = on.group or definition.name
            empty: dict[str, Any] = {"event_log": log, "group": group, "takers": [], "rest": None}
            _take(found.setdefault((log, group), empty), handler, names)
    return list(found.values())


def _take(subscription: dict[str, Any], handler: Handler, names: list[str] | None) -> None:
    group, takers = subscription["group"], subscription["takers"]
    if names is None:
        if subscription["rest"] is not None:
            raise Invalid(
                f"{handler.where} takes every other event, as {subscription['rest']} does for the group {group!r}: "
                "give one a group of its own"
            )
        subscription["rest"] = handler.name
        return
    taken = {taker["event"]: taker["handler"] for taker in takers}
    for name in names:
        if name in taken:
            raise Invalid(
                f"{handler.where} takes {name}, as {taken[name]} does for the group {group!r}: give one a group of its "
                "own"
            )
        takers.append({"event": name, "handler": handler.name})


def _events(definition: Definition, handler: Handler, on: EventsOf) -> tuple[str, list[str] | None]:
    """The stored name of the log, and those of the events that a handler takes; ``None`` for every other."""
    if handler.query or handler.takes_stream or len(handler.body.parameters) != 1:
        raise Invalid(f"{handler.where} is to take events: it is a command with one argument, the event")
    tp: Any = handler.body.parameters[0].type
    takes_all = tp in (Any, object, dict) or (is_message(tp) and full_name(tp) == ANY)
    if isinstance(on.log, str):
        own = full_name(tp) if is_message(tp) else getattr(tp, "__name__", str(tp))
        return on.log, [on.event] if on.event else None if takes_all else [own]
    source = _definition_of(definition, on.log)
    if source.kind != "event-sourced":
        raise Invalid(f"{handler.where}: {source.cls.__qualname__} is no event-sourced entity, so it has no events")
    if (source.contract is None) != (definition.contract is None):
        mine, its = ("messages", "JSON") if source.contract is None else ("JSON", "messages")
        raise Invalid(
            f"{handler.where} reads {mine}, and the events of {source.cls.__qualname__} are {its}: what is contract "
            "first takes events of what is, and code first the same"
        )
    if on.event is not None:
        return source.name, [on.event]
    if takes_all:
        return source.name, None
    kind = source.events.get(cast(type, tp))
    if kind is None:
        raise Invalid(f"{handler.where} is to take an event: {source.no_applier_of(tp)}")
    return source.name, [kind.name, *kind.aliases]


def _definition_of(definition: Definition, log: type) -> Definition:
    from adjoin._definition import definition_of

    if not (isinstance(log, type) and issubclass(log, Entity)):
        raise Invalid(f"events_of({log!r}): give an entity class, or the stored name of one")
    return definition if log is definition.cls else definition_of(log)
