# SPDX-License-Identifier: Apache-2.0
"""Two event-sourced services and an action that is handed their events: the annotations in the contract say which."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import adjoin
import protos
from adjoin import Context, command, event
from google.protobuf import any_pb2

pb = protos.of("cloudstate/tck/model/eventlogeventing.proto")

PACKAGE = "cloudstate.tck.model.eventlogeventing"
JSON = "json.cloudstate.io/JsonEvent"


class Subscriber(
    adjoin.Action, service=f"{PACKAGE}.EventLogSubscriberModel", name=f"{PACKAGE}.EventLogSubscriberModel"
):
    """Is handed every event of both logs, and tells which entity it came from."""

    @command
    async def process_event_one(self, event: pb.EventOne, ctx: Context = adjoin.current) -> pb.Response:
        return answer(event.step, ctx)

    @command
    async def process_event_two(self, event: pb.EventTwo, ctx: Context = adjoin.current) -> AsyncIterator[pb.Response]:
        for step in event.step:
            # An element can be nothing but a message: what ``effect`` would answer is answered here.
            yield pb.Response(id=subject(ctx), message=step.forward.message or step.reply.message)

    @command
    async def effect(self, request: pb.EffectRequest) -> pb.Response:
        return pb.Response(id=request.id, message=request.message)

    @command
    async def process_any_event(self, event: any_pb2.Any, ctx: Context = adjoin.current) -> pb.Response:
        assert event.type_url == JSON, event.type_url
        return pb.Response(id=subject(ctx), message=json.loads(unwrapped(event.value))["message"])


class One(adjoin.EventSourced, service=f"{PACKAGE}.EventSourcedEntityOne", name="eventlogeventing-one"):
    """Persists the message that it is given."""

    @command
    def emit_event(self, request: pb.EmitEventRequest) -> None:
        given = request.WhichOneof("event")
        if given is not None:
            self.emit(getattr(request, given))

    @event
    def one(self, event: pb.EventOne) -> None: ...

    @event
    def two(self, event: pb.EventTwo) -> None: ...


class Two(adjoin.EventSourced, service=f"{PACKAGE}.EventSourcedEntityTwo", name="eventlogeventing-two"):
    """Persists what it is given as JSON."""

    @command
    def emit_json_event(self, request: pb.JsonEvent) -> None:
        body = json.dumps({"id": request.id, "message": request.message}).encode()
        self.emit(any_pb2.Any(type_url=JSON, value=wrapped(body)))

    @event
    def anything(self, event: any_pb2.Any) -> None: ...


def answer(step: pb.ProcessStep, ctx: Context) -> Any:
    """What a step says: here, or by ``effect``."""
    if step.HasField("forward"):
        request = pb.EffectRequest(id=subject(ctx), message=step.forward.message)
        return ctx.forward(Subscriber.effect, ctx.entity_key, request)
    return pb.Response(id=subject(ctx), message=step.reply.message)


def subject(ctx: Context) -> str:
    """The entity that an event came from; empty for a call."""
    return "" if ctx.event is None else ctx.event.subject


# JSON travels as the bytes of field 1.


def wrapped(data: bytes) -> bytes:
    """The bytes as field 1 of a message."""
    return any_pb2.Any(type_url=data).SerializeToString()  # its field 1 is as good as any


def unwrapped(data: bytes) -> str:
    """The bytes of field 1."""
    return any_pb2.Any.FromString(data).type_url
