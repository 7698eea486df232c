# SPDX-License-Identifier: Apache-2.0
"""A command or query, read off a decorated method."""

from __future__ import annotations

import collections.abc
import copy
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any

from adjoin import _messages, _schema
from adjoin._body import Body, Parameter
from adjoin._codec import Codec, codec_for
from adjoin._context import Context, current
from adjoin._contract import Rpc
from adjoin._fields import MISSING, hints_of
from adjoin._frames import Payload, Target
from adjoin._marks import Mark
from adjoin._messages import ANY, PREFIX, is_message
from adjoin._names import checked, lower_camel
from adjoin.errors import Invalid

_ASYNC_STREAMS = (collections.abc.AsyncIterator, collections.abc.AsyncIterable, collections.abc.AsyncGenerator)
_STREAMS = (collections.abc.Iterator, collections.abc.Generator, *_ASYNC_STREAMS)
_GENERATORS = (collections.abc.Generator, collections.abc.AsyncGenerator)
_INPUTS = (*_STREAMS, collections.abc.Iterable)


class Handler:
    """One command or query of an entity type, ready to run and to be called.

    Attributes:
        attribute: The method's name.
        name: Its name on the wire.
        entity_type: The stored name of its type.
        where: Both, for messages: ``shop.Cart/addItem``.
        query: Whether it is a query.
        is_async: Whether calling it gives a coroutine or an async generator.
        streams: Whether its reply is a stream; ``reply`` is then the codec of an element.
        takes_stream: Whether its one argument is a stream; ``body`` is then an element.
        rpc: Contract first: the RPC that it serves.
        body: Its arguments as JSON; contract first, as a message.
        reply: The codec of its result.
        by_type: Reads a body whose type name decides what it is; ``None`` where it is always the same.
        on: The events that it is called with beside calls.
        invoke: Calls the method: ``invoke(state, values of the body, context)``.
    """

    __slots__ = (
        "__dict__",
        "_may_be_none",
        "attribute",
        "body",
        "by_type",
        "entity_type",
        "function",
        "invoke",
        "is_async",
        "name",
        "on",
        "query",
        "reply",
        "rpc",
        "slow",
        "streams",
        "summary",
        "takes_stream",
        "where",
    )  # fmt: skip

    def __init__(
        self, entity_type: str, attribute: str, function: Callable[..., Any], mark: Mark, rpc: Rpc | None = None
    ) -> None:
        self.attribute = attribute
        self.rpc = rpc
        self.on = mark.on
        self.name = rpc.name if rpc is not None else checked("command", mark.name or lower_camel(attribute))
        self.entity_type = entity_type
        self.where = f"{entity_type}/{self.name}"
        self.query = mark.role == "query"
        self.function = function
        self.slow = False  # learnt: it takes so long that others must not wait for it
        self.summary = (inspect.getdoc(function) or "").partition("\n")[0]
        hints = hints_of(function)
        parameters, context_at = _parameters(self.where, function, hints)
        input_colour, parameters = _input(self.where, parameters)
        self.takes_stream = input_colour is not None
        self.streams, result = _result(self.where, function, hints.get("return", Any))
        self.is_async = (
            inspect.iscoroutinefunction(function)
            or inspect.isasyncgenfunction(function)
            or (self.streams and _class_of(hints.get("return")) in _ASYNC_STREAMS)
        )
        if input_colour is not None and input_colour != ("async" if self.is_async else "sync"):
            right = "AsyncIterator" if self.is_async else "Iterator"
            raise Invalid(f"{self.where} is {'async' if self.is_async else 'sync'}: its stream is an {right}")
        if rpc is not None:
            result = self._fitted(rpc, parameters, result, hints)
        else:
            _refuse_messages(self.where, parameters, result)
        self.by_type = _any_of if rpc is not None and rpc.input == ANY and parameters else None
        try:
            self.body = Body(self.where, parameters, is_message=rpc is not None)
            self.reply: Codec[Any] = codec_for(result)
        except (TypeError, ValueError) as error:
            raise Invalid(f"{self.where}: {error}") from error
        self.invoke = _invocation(function, parameters, context_at)

    def encode_body(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Payload:
        """Arguments, as they stand in a call, as the payload of frames."""
        data = self.body.encode(args, keywords)
        return data if self.rpc is None else (self.rpc.input_type, data)

    def encode_reply(self, result: Any) -> bytes | None:
        """The reply's data; none for ``None``."""
        if result is None:
            if self.rpc is not None and not self._may_be_none:
                raise TypeError(f"expected {self.rpc.output}, got None")
            return None
        return self.reply.encode(result)

    def reply_payload(self, data: bytes) -> Payload:
        """The data of a reply, or of an element, as the payload of frames."""
        return data if self.rpc is None else (self.rpc.output_type, data)

    def decode_reply(self, data: bytes | None) -> Any:
        """The result that a reply's payload stands for."""
        return (
            None
            if data is None or (data == b"null" and self.reply.type in (None, type(None)))
            else self.reply.decode(data)
        )

    @functools.cached_property
    def as_json(self) -> Handler:
        """The same handler as the generic face of a host elsewhere has it: messages as the JSON of proto3."""
        if self.rpc is None:
            return self
        other = copy.copy(self)
        other.rpc = None
        other.body, other.reply = self.body.as_json(), copy.copy(self.reply)
        message = self.reply.type
        other.reply.decode = lambda data: None if message is None else _messages.read_json(message, data)
        return other

    def target(self, key: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Target:
        """The call of this handler with these arguments, as frames carry it."""
        if self.takes_stream:
            raise Invalid(f"{self.where} takes a stream, which an effect or a forward cannot send")
        return (self.entity_type, checked_key(key), self.name, self.encode_body(args, keywords), ())

    def stream_of(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """The iterator among the arguments of a call."""
        (only,) = self.body.parameters
        if len(args) + len(keywords) != 1 or (keywords and only.name not in keywords):
            raise Invalid(f"{self.where}: give it the stream {only.name}, and nothing else")
        return args[0] if args else keywords[only.name]

    def take_options(self, keywords: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
        """Removes from ``keywords`` the options of a call, except those that the handler has as arguments."""
        own = {parameter.name for parameter in self.body.parameters}
        return {name: keywords.pop(name) for name in names if name in keywords and name not in own}

    def spec(self) -> dict[str, Any]:
        """Its part of the spec, as ``core/entity`` has it."""
        return {
            "name": self.name,
            "query": self.query,
            "streamed_in": self.takes_stream,
            "streamed_out": self.streams,
            **self._schemas(),
            "summary": self.summary,
        }

    def _schemas(self) -> dict[str, str]:
        if self.rpc is not None:
            return {}
        result = self.reply.type
        return {
            "input_schema": _schema.encoded(self.body.schema()),
            "output_schema": "" if result is Any else _schema.encoded(_schema.schema_of(result)),
        }

    def _fitted(self, rpc: Rpc, parameters: list[Parameter], result: Any, hints: dict[str, Any]) -> Any:
        """The message of its result, where everything fits the contract."""
        where = f"{self.entity_type}.{self.attribute}"
        rpc.check_shape(where, self.takes_stream, self.streams)
        if len(parameters) > 1:
            raise Invalid(f"{where} has {len(parameters)} arguments, but {rpc.where} takes one message: {rpc.input}")
        if parameters:
            rpc.check_input(where, parameters[0].type)
        else:
            rpc.check_no_input(where)
        message = rpc.check_output(where, result if "return" in hints else "what nothing says")
        self._may_be_none = message is None or message is not result
        return message


def checked_key(key: Any) -> str:
    """An entity key as it may travel.

    Raises:
        Invalid: when it is no string, empty, or beyond 1024 bytes.
    """
    if not isinstance(key, str):
        raise Invalid(f"an entity key is a string, not {type(key).__qualname__}")
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise Invalid(f"an entity key is Unicode text: {error}") from error
    if not 0 < size <= 1024:
        raise Invalid(f"an entity key has 1 to 1024 bytes, this one has {size}")
    return key


def _parameters(where: str, function: Any, hints: dict[str, Any]) -> tuple[list[Parameter], tuple[str, int] | None]:
    """The parameters that make the body, and the name and place of the one that is the context."""
    found: list[Parameter] = []
    context_at: tuple[str, int] | None = None
    _, *declared = inspect.signature(function).parameters.values()  # the first is self
    for parameter in declared:
        hint = hints.get(parameter.name, Any)
        keyword_only = parameter.kind is parameter.KEYWORD_ONLY
        if hint is Context or parameter.default is current:
            if context_at is not None:
                raise Invalid(f"{where}: a handler has one Context")
            context_at = (parameter.name, -1 if keyword_only else len(found))
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise Invalid(f"{where}: *{parameter.name} has no place in a body: name every argument")
        default = MISSING if parameter.default is parameter.empty else parameter.default
        found.append(Parameter(parameter.name, hint, default, keyword_only))
    return found, context_at


def _input(where: str, parameters: list[Parameter]) -> tuple[str | None, list[Parameter]]:
    """Of a stream as argument its colour, and the parameter as one element."""
    streams = [parameter for parameter in parameters if _class_of(parameter.type) in _INPUTS]
    if not streams:
        return None, parameters
    if len(parameters) > 1:
        raise Invalid(f"{where}: {streams[0].name} is a stream, which is the whole body: it stands alone")
    (only,) = streams
    stream = _class_of(only.type)
    colour = "async" if stream in _ASYNC_STREAMS else "sync"
    if stream in _GENERATORS:
        right = "AsyncIterator" if colour == "async" else "Iterator"
        raise Invalid(f"{where}: {only.name} is no {stream.__name__}, nothing can be sent to it: write {right}[…]")
    if only.default is not MISSING:
        raise Invalid(f"{where}: {only.name} is a stream: it has no default, the client may send no element")
    return colour, [only._replace(type=_element(f"{where}: {only.name}", only.type))]


def _result(where: str, function: Any, hint: Any) -> tuple[bool, Any]:
    """Whether the reply is a stream, and the type of the reply or of its elements."""
    if _class_of(hint) in _STREAMS:
        return True, _element(f"{where}: its reply", hint)
    generates = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    return generates, Any if generates else hint


def _refuse_messages(where: str, parameters: list[Parameter], result: Any) -> None:
    """A body that is JSON is no message."""
    for what, tp in (*((p.name, p.type) for p in parameters), ("its result", result)):
        if is_message(tp):
            raise Invalid(
                f"{where}: {what} is the message {tp.DESCRIPTOR.full_name}, but the entity is code first: say which "
                "service it serves, with service= behind its base class"
            )


def _any_of(type_name: str, data: bytes) -> tuple[Any, ...]:
    """The ``Any`` of a call; of an event, one with the event in it."""
    from google.protobuf import any_pb2

    if type_name == PREFIX + ANY:
        return (codec_for(any_pb2.Any).decode(data),)
    return (any_pb2.Any(type_url=type_name if "/" in type_name else PREFIX + type_name, value=data),)


def _class_of(hint: Any) -> Any:
    """``Iterator`` of ``Iterator[int]``, whichever module it comes from; of other hints the same."""
    return typing.get_origin(hint) or hint


def _element(what: str, hint: Any) -> Any:
    """What a stream is a stream of."""
    elements = typing.get_args(hint)
    if not elements:
        right = "AsyncIterator" if _class_of(hint) in _ASYNC_STREAMS else "Iterator"
        raise Invalid(f"{what} is a stream: say what it is a stream of: {right}[int]")
    return elements[0]


def _invocation(
    function: Any, parameters: list[Parameter], context_at: tuple[str, int] | None
) -> Callable[[Any, tuple[Any, ...], Context], Any]:
    """The shortest way to call ``function``; the common shapes need no loop."""
    keyword_only = [parameter.name for parameter in parameters if parameter.keyword_only]
    if keyword_only or (context_at is not None and context_at[1] < 0):
        return _general(function, len(parameters) - len(keyword_only), keyword_only, context_at)
    if context_at is None:
        return lambda state, values, context: function(state, *values)
    place = context_at[1]
    if place == len(parameters):
        return lambda state, values, context: function(state, *values, context)
    return lambda state, values, context: function(state, *values[:place], context, *values[place:])


def _general(
    function: Any, positional: int, keyword_only: list[str], context_at: tuple[str, int] | None
) -> Callable[[Any, tuple[Any, ...], Context], Any]:
    def invoke(state: Any, values: tuple[Any, ...], context: Context) -> Any:
        args, keywords = list(values[:positional]), dict(zip(keyword_only, values[positional:], strict=True))
        if context_at is not None and context_at[1] >= 0:
            args.insert(context_at[1], context)
        elif context_at is not None:
            keywords[context_at[0]] = context
        return function(state, *args, **keywords)

    return invoke
