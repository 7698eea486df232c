# SPDX-License-Identifier: Apache-2.0
"""Bodies: the arguments of a handler as one JSON value, or as one message.

No argument: no body. One argument *is* the body. Several are an object by name.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from adjoin import _messages, _schema
from adjoin._codec import codec_for
from adjoin._fields import MISSING
from adjoin._messages import is_message
from adjoin._names import lower_camel
from adjoin.errors import Invalid

PARAMETERS = "x-adjoin-params"
"""The key of an input schema that names the parameters in order."""


class Parameter(NamedTuple):
    """One argument of a handler that is part of the body."""

    name: str
    type: Any
    default: Any
    keyword_only: bool

    @property
    def wire(self) -> str:
        """Its name in an object."""
        return lower_camel(self.name)


class Body:
    """The body of one handler.

    Attributes:
        parameters: In order.
        decode: JSON, or nothing, to one value for each parameter. Raises one of ``READ_ERRORS``.
    """

    __slots__ = ("_encode", "_handler", "_struct", "decode", "parameters")

    def __init__(self, handler: str, parameters: list[Parameter], *, is_message: bool = False) -> None:
        self._handler = handler
        self.parameters = parameters
        self._struct: Any = None
        self.decode: Callable[[bytes], tuple[Any, ...]]
        self._encode: Callable[[tuple[Any, ...]], bytes]
        if not parameters:
            self.decode, self._encode = _decode_empty if is_message else _decode_nothing, lambda values: b""
        elif len(parameters) == 1:
            self.decode, self._encode = _single(parameters[0])
        else:
            self._struct = _struct_of(handler, parameters)
            self.decode, self._encode = _several(self._struct)

    def encode(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> bytes:
        """Arguments, as they stand in a call, to JSON.

        Raises:
            Invalid: when they do not fit the handler.
        """
        if keywords or len(args) != len(self.parameters):
            args = self._bound(args, keywords)
        try:
            return self._encode(args)
        except (msgspec.MsgspecError, TypeError, OverflowError, RecursionError) as error:
            raise Invalid(f"{self._handler}: {error}") from error

    def as_json(self) -> Body:
        """The same body with its message as the JSON of proto3."""
        other = copy.copy(self)
        if self.parameters:
            check = self._encode
            other._encode = lambda values: (check(values), _messages.write_json(values[0]))[1]
        return other

    def schema(self) -> dict[str, Any]:
        """The input schema."""
        names = [parameter.wire for parameter in self.parameters]
        if not names:
            return {PARAMETERS: []}
        if self._struct is None:
            (only,) = self.parameters
            schema = _schema.schema_of(only.type)
            if only.default is not MISSING:
                schema["default"] = msgspec.to_builtins(only.default, enc_hook=str)
            return {**schema, PARAMETERS: names}
        schema = _schema.schema_of(self._struct)
        definitions = schema.pop("$defs")
        schema = definitions.pop(self._struct.__name__)
        return {**schema, **({"$defs": definitions} if definitions else {}), PARAMETERS: names}

    def _bound(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
        kinds = inspect.Parameter
        signature = inspect.Signature(
            [
                kinds(
                    parameter.name,
                    kinds.KEYWORD_ONLY if parameter.keyword_only else kinds.POSITIONAL_OR_KEYWORD,
                    default=kinds.empty if parameter.default is MISSING else parameter.default,
                )
                for parameter in self.parameters
            ]
        )
        try:
            bound = signature.bind(*args, **keywords)
        except TypeError as error:
            raise Invalid(f"{self._handler}: {error}") from error
        bound.apply_defaults()
        return tuple(bound.arguments[parameter.name] for parameter in self.parameters)


def _decode_nothing(data: bytes) -> tuple[Any, ...]:
    if data and data.strip() not in (b"null", b"{}"):
        raise msgspec.ValidationError("Expected no body")
    return ()


def _decode_empty(data: bytes) -> tuple[Any, ...]:
    """``google.protobuf.Empty``, whatever fields a newer caller knows."""
    if data:
        from google.protobuf import empty_pb2

        codec_for(empty_pb2.Empty).decode(data)
    return ()


def _single(parameter: Parameter) -> tuple[Callable[[bytes], tuple[Any, ...]], Callable[[tuple[Any, ...]], bytes]]:
    codec = codec_for(parameter.type)
    read, write, default = codec.decode, codec.encode, parameter.default
    if is_message(parameter.type):  # an empty one has no bytes
        return lambda data: (read(data),), lambda values: write(values[0])

    def decode(data: bytes) -> tuple[Any, ...]:
        if not data:
            if default is MISSING:
                raise msgspec.ValidationError(f"Expected a body: the {parameter.wire}")
            return (default,)
        return (read(data),)

    return decode, lambda values: write(values[0])


def _several(struct: Any) -> tuple[Callable[[bytes], tuple[Any, ...]], Callable[[tuple[Any, ...]], bytes]]:
    codec, astuple = codec_for(struct), msgspec.structs.astuple
    read, write, names = codec.decode, codec.encode, struct.__struct_fields__

    def encode(values: tuple[Any, ...]) -> bytes:
        return write(struct(**dict(zip(names, values, strict=True))))

    return lambda data: astuple(read(data or b"{}")), encode


def _struct_of(handler: str, parameters: list[Parameter]) -> Any:
    """A class whose fields are the parameters, in their order."""
    name = handler.rpartition("/")[2]
    members = [(p.name, p.type) if p.default is MISSING else (p.name, p.type, _default(p.default)) for p in parameters]
    return msgspec.defstruct(f"{name[:1].upper()}{name[1:]}Request", members, kw_only=True)


def _default(value: Any) -> Any:
    mutable = isinstance(value, (list, dict, set)) or type(value).__hash__ is None
    return msgspec.field(default_factory=lambda: value) if mutable else value
