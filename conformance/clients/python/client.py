# SPDX-License-Identifier: Apache-2.0
"""Calls the depot with Python's grpcio, and prints what it sent and what came.

`client.py SCENARIO ADDRESS`; types come from the server's reflection, so nothing is generated.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import grpc
import grpc.aio
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status


class Depot:
    """The services by name, over a channel of either kind."""

    def __init__(self, channel: Any, pool: DescriptorPool) -> None:
        self.channel = channel
        self.pool = pool

    def call(self, path: str) -> Any:
        """The callable of `depot.Courier/Echo`, of the shape that its method has."""
        service, name = path.split("/")
        method = self.pool.FindServiceByName(service).methods_by_name[name]
        ends = {(False, False): "unary_unary", (False, True): "unary_stream"}
        ends |= {(True, False): "stream_unary", (True, True): "stream_stream"}
        make = getattr(self.channel, ends[method.client_streaming, method.server_streaming])
        reply = GetMessageClass(method.output_type)
        return make(f"/{path}", request_serializer=encoded, response_deserializer=reply.FromString)

    def message(self, name: str, **fields: Any) -> Message:
        """A message with these fields, as JSON names them."""
        made = GetMessageClass(self.pool.FindMessageTypeByName(name))()
        json_format.ParseDict(fields, made, descriptor_pool=self.pool)
        return made

    def line(self, **fields: Any) -> Message:
        """A message of the courier."""
        return self.message("depot.Line", **fields)


def encoded(message: Message) -> bytes:
    """A message as bytes."""
    return message.SerializeToString()


def show(message: Message) -> str:
    """A message as JSON, its fields in order."""
    return json.dumps(json_format.MessageToDict(message), ensure_ascii=False, sort_keys=True)


def sent(path: str, *messages: Message) -> None:
    """Prints what goes out."""
    print(f"-> {path}")
    for message in messages:
        print(f"-> {show(message)}")


def metadata(what: str, entries: Iterable[tuple[str, str | bytes]] | None) -> None:
    """Prints metadata, but for dates."""
    for name, value in entries or ():
        if name != "date":
            print(f"{what} {name}: {value!r}" if isinstance(value, bytes) else f"{what} {name}: {value}")


def ended(call: Any) -> None:
    """The trailers and the status, with its details."""
    if call.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        # Whether this side or the other saw it first decides what else is said.
        print(f"= {call.code().name}")
        return
    metadata(
        "trailer", [(name, value) for name, value in call.trailing_metadata() or () if not name.startswith("grpc-")]
    )
    print(f"= {call.code().name} {call.details()}".rstrip())
    if call.code() is grpc.StatusCode.OK:
        return
    status = rpc_status.from_call(call)
    for detail in status.details if status else ():
        print(f"  {show_any(detail)}")


def show_any(detail: Any) -> str:
    """A detail of a status."""
    for known in (error_details_pb2.ErrorInfo, error_details_pb2.RetryInfo):
        if detail.Is(known.DESCRIPTOR):
            made = known()
            detail.Unpack(made)
            return f"{known.DESCRIPTOR.full_name} {show(made)}"
    return str(detail.type_url)


def replies(call: Iterator[Message]) -> None:
    """Every element, then the end, whatever it is."""
    try:
        metadata("<-", call.initial_metadata())  # type: ignore[attr-defined]
        for reply in call:
            print(f"<- {show(reply)}")
    except grpc.RpcError:
        pass
    ended(call)


def unary(depot: Depot) -> None:
    """One message each way; a command and a query."""
    request = depot.message("depot.Parcel", shelf="py", label="lamp", grams=5, counts={"b": 1, "a": 2}, seal="AP8=")
    sent("depot.Shelf/Put", request)
    reply, call = depot.call("depot.Shelf/Put").with_call(request)
    metadata("<-", call.initial_metadata())
    print(f"<- {show(reply)}")
    ended(call)
    request = depot.message("depot.Which", shelf="py")
    sent("depot.Shelf/Look", request)
    print(f"<- {show(depot.call('depot.Shelf/Look')(request))}")


def told(depot: Depot) -> None:
    """Metadata both ways, bytes among it."""
    request = depot.line(text="hi")
    sent("depot.Courier/Echo", request)
    said = (("x-shade", "blue"), ("x-shade", "red"), ("x-data-bin", b"\x00\x01\x02"))
    reply, call = depot.call("depot.Courier/Echo").with_call(request, metadata=said)
    metadata("<-", call.initial_metadata())
    print(f"<- {show(reply)}")
    ended(call)


def compressed(depot: Depot) -> None:
    """Ten thousand bytes each way, as gzip."""
    request = depot.line(text="hi " * 3000)
    print("-> depot.Courier/Echo, compressed")
    reply, call = depot.call("depot.Courier/Echo").with_call(request, compression=grpc.Compression.Gzip)
    print(f"<- the same: {reply.text == request.text}")
    ended(call)
    lines = [depot.line(count=count) for count in range(50)]
    reply = depot.call("depot.Courier/Sum")(iter(lines), compression=grpc.Compression.Gzip)
    print(f"<- {show(reply)}")
    refused(depot, "depot.Courier/Echo", depot.line(), compression=grpc.Compression.Deflate)


def streams(depot: Depot) -> None:
    """One side streams."""
    request = depot.line(count=3)
    sent("depot.Courier/Countdown", request)
    replies(depot.call("depot.Courier/Countdown")(request))
    lines = [depot.line(count=count) for count in (1, 2, 39)]
    sent("depot.Courier/Sum", *lines)
    reply, call = depot.call("depot.Courier/Sum").with_call(iter(lines))
    metadata("<-", call.initial_metadata())
    print(f"<- {show(reply)}")
    ended(call)


def in_turns(depot: Depot) -> None:
    """Each line is sent only when the one before was answered."""
    turn = threading.Semaphore(1)
    lines = [depot.line(count=count) for count in (1, 2, 3)]

    def send() -> Iterator[Message]:
        for line in lines:
            turn.acquire()
            print(f"-> {show(line)}")
            yield line
        turn.acquire()

    print("-> depot.Courier/Double")
    call = depot.call("depot.Courier/Double")(send())
    for reply in call:
        print(f"<- {show(reply)}")
        turn.release()
    ended(call)


def refused(depot: Depot, path: str, request: Message, **how: Any) -> None:
    """A call that is to fail, and how it does."""
    sent(path, request)
    try:
        print(f"<- {show(depot.call(path)(request, **how))}")
    except grpc.RpcError as error:
        ended(error)


def errors(depot: Depot) -> None:
    """Statuses with their details."""
    refused(depot, "depot.Shelf/Put", depot.message("depot.Parcel", shelf="py", label="refuse"))
    refused(depot, "depot.Courier/Refuse", depot.line(text="Grüße, 100 % ☺", count=5))
    refused(depot, "depot.Courier/Fail", depot.line())
    refused(depot, "depot.Shelf/Put", depot.message("depot.Parcel", label="no key"))
    request = depot.line(count=-2)
    sent("depot.Courier/Countdown", request)
    replies(depot.call("depot.Courier/Countdown")(request))
    request = depot.line()
    sent("depot.Courier/Nowhere", request)
    try:
        depot.channel.unary_unary("/depot.Courier/Nowhere", encoded, bytes)(request)
    except grpc.RpcError as error:
        ended(error)


def deadlines(depot: Depot) -> None:
    """Deadlines of a call and of a stream, and what the handler sees of them."""
    refused(depot, "depot.Courier/Hang", depot.line(text="py-late"), timeout=1)
    print(f"cancelled {show(depot.call('depot.Courier/Cancelled')(depot.line(text='py-late')))}")
    request = depot.line(count=1, text="py-stream")
    sent("depot.Courier/Countdown", request)
    replies(depot.call("depot.Courier/Countdown")(request, timeout=1.5))
    print(f"cancelled {show(depot.call('depot.Courier/Cancelled')(depot.line(text='py-stream')))}")


def cancels(depot: Depot) -> None:
    """A stream and a call that this side cancels."""
    request = depot.line(count=2, text="py-gone")
    sent("depot.Courier/Countdown", request)
    call = depot.call("depot.Courier/Countdown")(request)
    print(f"<- {show(next(call))}")
    call.cancel()
    print(f"= {call.code().name}")
    print(f"cancelled {show(depot.call('depot.Courier/Cancelled')(depot.line(text='py-gone')))}")
    request = depot.line(text="py-hung")
    sent("depot.Courier/Hang", request)
    future = depot.call("depot.Courier/Hang").future(request)
    # Whether it has reached its handler is not known here: it may end before it begins.
    future.cancel()
    print(f"= {future.code().name}")


def reflected(depot: Depot, database: ProtoReflectionDescriptorDatabase) -> None:
    """What the server says of itself."""
    for service in database.get_services():
        print(f"service {service}")
    method = depot.pool.FindMethodByName("depot.Shelf.Put")
    print(f"{method.full_name}({method.input_type.full_name}) returns ({method.output_type.full_name})")
    field = depot.pool.FindFieldByName("depot.Parcel.packed_at")
    print(f"{field.full_name}: {field.message_type.full_name} = {field.number}")


async def asynchronously(depot: Depot) -> None:
    """Every shape of a call in grpc.aio."""
    request = depot.line(text="hi")
    sent("depot.Courier/Echo", request)
    call = depot.call("depot.Courier/Echo")(request, metadata=(("x-shade", "blue"),))
    metadata("<-", await call.initial_metadata())
    print(f"<- {show(await call)}")
    print(f"= {(await call.code()).name}")
    request = depot.line(count=2)
    sent("depot.Courier/Countdown", request)
    async for reply in depot.call("depot.Courier/Countdown")(request):
        print(f"<- {show(reply)}")
    lines = [depot.line(count=count) for count in (4, 5)]
    sent("depot.Courier/Sum", *lines)
    print(f"<- {show(await depot.call('depot.Courier/Sum')(iter(lines)))}")
    print("-> depot.Courier/Double")
    duplex = depot.call("depot.Courier/Double")()
    for line in lines:
        print(f"-> {show(line)}")
        await duplex.write(line)
        print(f"<- {show(await duplex.read())}")
    await duplex.done_writing()
    print(f"<- {await duplex.read()}")
    print(f"= {(await duplex.code()).name}")
    await asynchronous_ends(depot)


async def asynchronous_ends(depot: Depot) -> None:
    """A refusal, a deadline and a cancelled stream in grpc.aio."""
    request = depot.line(text="gone", count=10)
    sent("depot.Courier/Refuse", request)
    try:
        await depot.call("depot.Courier/Refuse")(request)
    except grpc.aio.AioRpcError as error:
        ended(error)
    request = depot.line(text="aio-late")
    sent("depot.Courier/Hang", request)
    try:
        await depot.call("depot.Courier/Hang")(request, timeout=1)
    except grpc.aio.AioRpcError as error:
        print(f"= {error.code().name}")
    print(f"cancelled {show(await depot.call('depot.Courier/Cancelled')(depot.line(text='aio-late')))}")
    request = depot.line(count=1, text="aio-gone")
    sent("depot.Courier/Countdown", request)
    call = depot.call("depot.Courier/Countdown")(request)
    print(f"<- {show(await call.read())}")
    call.cancel()
    print(f"= {(await call.code()).name}")
    print(f"cancelled {show(await depot.call('depot.Courier/Cancelled')(depot.line(text='aio-gone')))}")


SCENARIOS = {
    "unary": unary,
    "metadata": told,
    "compressed": compressed,
    "streams": streams,
    "turns": in_turns,
    "errors": errors,
    "deadlines": deadlines,
    "cancels": cancels,
}


def main() -> None:
    """Runs the scenario that is named."""
    name, address = sys.argv[1:]
    with grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(database)
        if name == "aio":
            asyncio.run(over_aio(address, pool))
        elif name == "reflection":
            reflected(Depot(channel, pool), database)
        else:
            SCENARIOS[name](Depot(channel, pool))


async def over_aio(address: str, pool: DescriptorPool) -> None:
    """The scenario for grpc.aio, on a channel of that."""
    async with grpc.aio.insecure_channel(address) as channel:
        await asynchronously(Depot(channel, pool))


if __name__ == "__main__":
    main()
