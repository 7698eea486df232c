# SPDX-License-Identifier: Apache-2.0
"""Contract first: the services of a ``.proto`` that an entity class serves, and what its handlers have to fit."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, Union

from adjoin import _messages
from adjoin._messages import EMPTY, PREFIX, full_name, is_message
from adjoin.errors import Invalid


class Service(Protocol):
    """A service of generated code: ``cart_pb2.DESCRIPTOR.services_by_name["Carts"]``."""

    @property
    def full_name(self) -> str:
        """``shop.v1.Carts``."""
        ...


class Rpc:
    """An RPC of a contract, which one handler serves.

    Attributes:
        name: Its bare name, which is the handler's on the wire: ``AddItem``.
        where: Its full name, for messages: ``shop.v1.Carts.AddItem``.
        input: The full name of the message that it takes.
        output: The full name of the message that it gives.
        input_type: The type name of a call's payload.
        output_type: The type name of a reply's, or of an element's.
        takes_stream: Whether its client streams.
        streams: Whether its reply is a stream.
    """

    __slots__ = ("input", "input_type", "name", "output", "output_type", "streams", "takes_stream", "where")

    def __init__(self, method: Any) -> None:
        self.name: str = method.name
        self.where: str = method.full_name
        self.input = full_name_of(method.input_type)
        self.output = full_name_of(method.output_type)
        self.input_type, self.output_type = PREFIX + self.input, PREFIX + self.output
        self.takes_stream = bool(method.client_streaming)
        self.streams = bool(method.server_streaming)

    def same_as(self, other: Rpc) -> bool:
        """Whether one handler can serve both."""
        return (self.input, self.output, self.takes_stream, self.streams) == (
            other.input, other.output, other.takes_stream, other.streams,
        )  # fmt: skip

    def check_input(self, where: str, tp: Any) -> None:
        """Says so if a handler's argument is another message.

        Raises:
            Invalid: with both.
        """
        if not is_message(tp) or full_name(tp) != self.input:
            self._differs(where, f"takes {_shown(tp)}", f"takes {self.input}", "annotate its argument with that")

    def check_no_input(self, where: str) -> None:
        """Says so if a handler without an argument should have one."""
        if self.input != EMPTY or self.takes_stream:
            self._differs(where, "takes nothing", f"takes {self.input}", "give it one argument, annotated with that")

    def check_output(self, where: str, tp: Any) -> Any:
        """Says so if a handler gives another message; gives the annotation's message, or ``None``.

        Raises:
            Invalid: with both.
        """
        arms = typing.get_args(tp) if typing.get_origin(tp) in (Union, types.UnionType) else (tp,)
        messages = [arm for arm in arms if arm not in (None, type(None))]
        if not messages and self.output == EMPTY and not self.streams:
            return None
        if self.streams and len(arms) > 1:
            self._differs(where, f"gives {_shown(tp)}", f"gives {self.output}", "an element is never None")
        if len(messages) != 1 or not is_message(messages[0]) or full_name(messages[0]) != self.output:
            self._differs(where, f"gives {_shown(tp)}", f"gives {self.output}", "annotate its result with that")
        return messages[0]

    def check_shape(self, where: str, takes_stream: bool, streams: bool) -> None:
        """Says so if a handler streams otherwise than the contract.

        Raises:
            Invalid: with what to write.
        """
        if takes_stream != self.takes_stream:
            remedy = "write Iterator[…], or AsyncIterator[…]" if self.takes_stream else "write the message alone"
            self._differs(where, _side("takes", takes_stream), _side("takes", self.takes_stream), remedy)
        if streams != self.streams:
            remedy = "yield its elements" if self.streams else "return the one reply"
            self._differs(where, _side("gives", streams), _side("gives", self.streams), remedy)

    def _differs(self, where: str, handler: str, contract: str, remedy: str) -> typing.NoReturn:
        raise Invalid(f"{where} {handler}, but {self.where} {contract}: {remedy}")


class Contract:
    """The services of one entity class.

    Attributes:
        services: Their full names, in the order given.
        rpcs: By bare name; RPCs of one name that are the same otherwise are one.
    """

    __slots__ = ("_descriptors", "rpcs", "services")

    def __init__(self, where: str, services: Sequence[Service | str]) -> None:
        _messages.check_installed(where)
        if not services:
            raise Invalid(f"{where}: services=[] names none: leave it out for an entity that is code first")
        self._descriptors = [_resolved(where, service) for service in services]
        self.services: list[str] = [descriptor.full_name for descriptor in self._descriptors]
        if len(set(self.services)) < len(self.services):
            raise Invalid(f"{where} names a service twice: {', '.join(self.services)}")
        self.rpcs: dict[str, Rpc] = {}
        for descriptor in self._descriptors:
            for method in descriptor.methods:
                self._add(where, Rpc(method))

    def rpc_of(self, where: str, attribute: str, name: str | None) -> Rpc:
        """The RPC of a method: of the name that was set, or else of the method's: ``AddItem`` of ``add_item``.

        Raises:
            Invalid: there is none.
        """
        fits = (lambda rpc: rpc.name == name) if name else (lambda rpc: folded(rpc.name) == folded(attribute))
        found = [rpc for rpc in self.rpcs.values() if fits(rpc)]
        if len(found) == 1:
            return found[0]
        if found:
            raise Invalid(f"{where} could be {' or '.join(rpc.name for rpc in found)}: say which with name=")
        named = name or attribute
        raise Invalid(
            f"{where}: no RPC of {', '.join(self.services)} is called {named!r} (there are {', '.join(self.rpcs)}): "
            "correct the name, or set it with name="
        )

    def check_complete(self, where: str, served: Iterable[str]) -> None:
        """Says so if an RPC has no handler.

        Raises:
            Invalid: naming them.
        """
        missing = [rpc for name, rpc in self.rpcs.items() if name not in set(served)]
        if missing:
            rpcs = ", ".join(rpc.where for rpc in missing)
            methods = ", ".join(snake(rpc.name) for rpc in missing)
            raise Invalid(f"{where} has no handler for {rpcs}: add a @command or @query called {methods}")

    def files(self) -> list[Any]:
        """The descriptors of the services' files and of everything that they import, imports first."""
        found: dict[str, Any] = {}
        for descriptor in self._descriptors:
            _collect(descriptor.file, found)
        return list(found.values())

    def _add(self, where: str, rpc: Rpc) -> None:
        known = self.rpcs.setdefault(rpc.name, rpc)
        if not known.same_as(rpc):
            raise Invalid(
                f"{where}: {known.where} and {rpc.where} differ, but a method can serve only one of this name: give "
                "each service an entity class of its own"
            )


def descriptor_set(contracts: Iterable[Contract]) -> bytes:
    """An encoded ``google.protobuf.FileDescriptorSet`` of all their files, each as its compiler wrote it.

    Raises:
        Invalid: two files of one name differ.
    """
    files: dict[str, bytes] = {}
    for contract in contracts:
        for file in contract.files():
            data = files.setdefault(file.name, file.serialized_pb)
            if data != file.serialized_pb:
                raise Invalid(f"two versions of {file.name} are loaded: let all entities of an App have the same")
    return b"".join(b"\x0a" + _varint(len(data)) + data for data in files.values())


def full_name_of(descriptor: Any) -> str:
    """The full name of whatever a descriptor describes."""
    name: str = descriptor.full_name
    return name


def folded(name: str) -> str:
    """What ``AddItem`` and ``add_item`` have in common."""
    return name.replace("_", "").lower()


def snake(name: str) -> str:
    """``add_item`` of ``AddItem``."""
    parts: list[str] = []
    for index, letter in enumerate(name):
        begins = (
            letter.isupper() and index > 0 and (not name[index - 1].isupper() or name[index + 1 : index + 2].islower())
        )
        parts.append(f"_{letter.lower()}" if begins else letter.lower())
    return "".join(parts)


def _resolved(where: str, service: Service | str) -> Any:
    if not isinstance(service, str):
        if not hasattr(service, "methods") or not hasattr(service, "file"):
            raise Invalid(
                f"{where}: {service!r} is no service: give the descriptor, as in "
                'cart_pb2.DESCRIPTOR.services_by_name["Carts"], or its full name'
            )
        return service
    from google.protobuf import descriptor_pool

    try:
        return descriptor_pool.Default().FindServiceByName(service)
    except KeyError as error:
        raise Invalid(
            f"{where}: no service {service!r} is loaded: correct its full name, or import the module that was "
            "generated from its .proto first"
        ) from error


def _collect(file: Any, into: dict[str, Any]) -> None:
    if file.name not in into:
        for imported in file.dependencies:
            _collect(imported, into)
        into[file.name] = file


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _shown(tp: Any) -> str:
    if is_message(tp):
        return full_name(tp)
    return "nothing" if tp in (None, type(None)) else str(getattr(tp, "__qualname__", tp))


def _side(verb: str, stream: bool) -> str:
    return f"{verb} {'a stream' if stream else 'one message'}"
