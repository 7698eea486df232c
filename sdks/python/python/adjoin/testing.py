# SPDX-License-Identifier: Apache-2.0
"""Tests of entities, in memory, without a host.

    from adjoin.testing import kit

    def test_an_item_is_added() -> None:
        kit(Cart).when(Cart.add_item, Item("p1", "Book")).then(ItemAdded(Item("p1", "Book"))).replies(1)

Everything passes through the same codecs, the same restoring of state and the same checks as in a host, and changes
behind ``emit`` are looked for.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from typing import Any, Concatenate, Generic, NoReturn, ParamSpec, TypeVar, overload

import msgspec

from adjoin import errors
from adjoin._activation import Activation, Place
from adjoin._context import Context
from adjoin._definition import Definition, definition_of, handler_of
from adjoin._frames import Command, Frame, Function, Payload, Record
from adjoin._handler import Handler
from adjoin._kinds import activation_of
from adjoin._stream import Pulled
from adjoin.errors import Code, Error, Invalid, Rejected

E = TypeVar("E")
P = ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")

__all__ = ["Kit", "kit"]


def kit(
    cls: type[E],
    *,
    key: str = "key",
    epoch: int = 1,
    caller: str = "",
    metadata: Mapping[str, str] | None = None,
    attempt: int = 1,
    clock: None = None,
) -> Kit[E]:
    """One entity to try: ``kit(Cart).given(…).when(Cart.add_item, …).then(…)``.

    Args:
        cls: The entity class.
        key: The entity's key, as handlers see it in their context; so are the others.
        epoch: The fencing token.
        caller: Who calls.
        metadata: Metadata of every call.
        attempt: How often the call was delivered.
        clock: Refused (``docs/decisions/0005-python-forms.md``): a virtual clock comes with timers.

    Raises:
        Invalid: when ``cls`` is no entity class, or a clock is given.
    """
    _no_clock(clock)
    return Kit(definition_of(cls), key, epoch, caller, tuple((metadata or {}).items()), attempt)


def _no_clock(clock: object) -> None:
    """Refuses a virtual clock.

    Raises:
        Invalid: when one is given.
    """
    if clock is not None:
        raise Invalid(
            "a virtual clock comes with timers, in a later version of adjoin: until then the one time that a handler "
            "is told is what is left of its call, so let it take the time of day as an argument"
        )


class Kit(Generic[E]):
    """One entity under test; every method returns the kit, so that steps read as a sentence."""

    def __init__(
        self,
        definition: Definition,
        key: str,
        epoch: int,
        caller: str,
        metadata: tuple[tuple[str, str], ...],
        attempt: int,
    ) -> None:
        self._definition = definition
        self._key, self._epoch, self._caller, self._metadata, self._attempt = key, epoch, caller, metadata, attempt
        self._place = Place(home=_NoHome(), check=True)
        self._journal: list[Record] = []
        self._value: Payload | None = None
        self._calls = itertools.count(1)
        self._answer: Frame | None = None
        self._elements: list[Payload] = []
        self._handler: Handler | None = None
        self._activation = self._activate()

    @property
    def state(self) -> E:
        """The state as it is now."""
        state: E = self._activation.state
        return state

    def given(self, *past: object) -> Kit[E]:
        """What happened before: events of an event-sourced entity, or one instance of a value entity (where the state
        is one message, that message).
        """
        if self._definition.kind == "value":
            (value,) = past
            self._value = self._definition.value_payload(self._definition.state_from(value))
            self._activation = self._activate()
            return self
        for event in past:
            kind = self._definition.events.get(type(event))
            if kind is None:
                raise Invalid(self._definition.no_applier(event))
            self.stored(*kind.record(event))
        return self

    def stored(self, name: str, data: bytes | Mapping[str, Any]) -> Kit[E]:
        """An event as an older version stored it: its name then, and its JSON."""
        body = data if isinstance(data, bytes) else msgspec.json.encode(data, order="sorted")
        self._journal.append((name, body))
        self._replay(self._activation, [(name, body)])
        return self

    @overload
    def when(self, method: Callable[Concatenate[E, P], object], /, *args: P.args, **keywords: P.kwargs) -> Kit[E]: ...
    @overload
    def when(self, method: Callable[[E, Context], object], /) -> Kit[E]: ...
    @overload
    def when(self, method: Callable[[E, A, Context], object], a: A, /) -> Kit[E]: ...
    @overload
    def when(self, method: Callable[[E, A, B, Context], object], a: A, b: B, /) -> Kit[E]: ...
    def when(self, method: Callable[..., object], /, *args: Any, **keywords: Any) -> Kit[E]:
        """Runs a command or a query with the arguments it would have in a call. A coroutine is run to its end."""
        handler = self._handler = self._definition.by_attribute.get(method.__name__)
        if handler is None or handler.function is not method:
            raise Invalid(f"{method.__qualname__} is no command or query of {self._definition.cls.__qualname__}")
        if handler.takes_stream:
            frame = self._frame(handler, b"")
            self._place.inputs[frame[Command.CALL]] = _sent(handler, handler.stream_of(args, keywords))
        else:
            frame = self._frame(handler, handler.body.encode(args, keywords))
        self._elements = []
        self._answer = answer = self._run(handler, frame)
        if answer[0] == Function.FAILURE and answer[4]:
            self._activation = self._activate()
        elif answer[0] in (Function.EFFECTS, Function.FORWARD):
            self._keep(answer)
        return self

    def then(self, *events: object) -> Kit[E]:
        """The command succeeded and emitted exactly these events, in this order."""
        expected = []
        for event in events:
            kind = self._definition.events.get(type(event))
            if kind is None:
                raise Invalid(self._definition.no_applier(event))
            expected.append(kind.record(event))
        answer = self._succeeded()
        emitted = answer[4] if len(answer) > 4 else []
        if emitted != expected:
            self._differs("emitted", self._shown(expected), self._shown(emitted))
        return self

    def replies(self, expected: object) -> Kit[E]:
        """The command or query succeeded and returned ``expected``; of a stream, the list of its elements."""
        answer = self._succeeded()
        handler = self._handler
        assert handler is not None
        if handler.streams:
            actual: Any = [handler.reply.decode(_data(element)) for element in self._elements]
        elif answer[0] == Function.FORWARD:
            self._fail(f"was forwarded to {answer[3][0]}/{answer[3][1]}, so it replies nothing itself")
        else:
            actual = handler.decode_reply(None if answer[3] is None else _data(answer[3]))
        if actual != expected:
            self._differs("returned", expected, actual)
        return self

    def rejected(self, text: str = "", *, code: Code | None = None) -> Kit[E]:
        """The command was refused by ``Rejected``, with ``text`` in its message and, if given, this code."""
        return self.failed(Rejected, text, code=code)

    def failed(self, kind: type[Error] = Error, text: str = "", *, code: Code | None = None) -> Kit[E]:
        """The command failed with an error of this class; the state is as it was."""
        error = self._error()
        if error is None:
            self._fail(f"succeeded, expected {kind.__name__}")
        if not isinstance(error, kind):
            self._differs("failed with", kind.__name__, f"{error.kind}: {error}")
        if text not in error.message:
            self._differs("failed with a message that contains", text, error.message)
        if code is not None and error.code != code:
            self._differs("failed with code", code, error.code)
        return self

    def deleted(self) -> Kit[E]:
        """The command succeeded and deleted the entity."""
        answer = self._succeeded()
        if len(answer) < 7 or not answer[6]:
            self._fail("did not delete the entity")
        return self

    def effect(
        self, method: Callable[Concatenate[Any, P], object], key: str, /, *args: P.args, **k: P.kwargs
    ) -> Kit[E]:
        """The command succeeded and asked for this side effect, among others."""
        target = handler_of(method).target(key, args, k)
        answer = self._succeeded()
        asked = [effect[0] for effect in (answer[7] if len(answer) > 7 else ())]
        if target not in asked:
            self._differs("asked for the effects", target, asked)
        return self

    def forwards(
        self, method: Callable[Concatenate[Any, P], object], key: str, /, *args: P.args, **k: P.kwargs
    ) -> Kit[E]:
        """The command succeeded and handed the call on to this one."""
        target = handler_of(method).target(key, args, k)
        answer = self._succeeded()
        if answer[0] != Function.FORWARD or answer[3] != target:
            self._differs("forwarded to", target, answer[3] if answer[0] == Function.FORWARD else None)
        return self

    def _shown(self, records: Iterable[Record]) -> list[str]:
        if self._definition.contract is None:
            return [f"{name} {data.decode()}" for name, data in records]
        return [f"{name} {{{_text(self._definition, name, data)}}}" for name, data in records]

    def _frame(self, handler: Handler, data: bytes) -> Frame:
        call = next(self._calls)
        head = (self._activation.id, call, self._definition.name, self._key, handler.name, data)
        tail = (handler.query, False, self._attempt, call.to_bytes(16, "big"), 0, self._caller, self._metadata, ())
        return (2, *head, *tail, "json" if handler.rpc is None else handler.rpc.input_type)

    def _run(self, handler: Handler, frame: Frame) -> Frame:
        if handler.streams:
            return _finished(self._stream(handler, frame))
        if handler.is_async:
            return _finished(self._activation.run_async(frame))
        return self._activation.run(frame)

    async def _stream(self, handler: Handler, frame: Frame) -> Frame:
        turn = self._activation.accept(frame)
        if isinstance(turn, tuple):
            return turn
        pulled = Pulled(self._activation, turn)
        try:
            async for data, _ in _both_colours(pulled):
                self._elements.append(data)
        except BaseException as error:
            failure = errors.to_wire(pulled.told(error))
            return (Function.FAILURE, 0, frame[Command.CALL], failure, False)
        finally:
            self._activation.leave(turn)
        return (Function.REPLY, 0, frame[Command.CALL], None)

    def _keep(self, answer: Frame) -> None:
        _, _, _, _, events, value, delete, _, _ = answer
        self._journal += events
        self._value = value if value is not None else self._value
        if delete:
            self._journal, self._value = [], None

    def _activate(self) -> Activation:
        number = 0 if self._definition.kind == "action" else 1
        activation = activation_of(self._definition, number, self._key, self._epoch if number else 0, self._place)
        if self._value is not None:
            value = self._value
            _refuse(activation.begin(1, value if isinstance(value, tuple) else ("json", value)))
        if self._journal:
            self._replay(activation, self._journal)
        return activation

    def _replay(self, activation: Activation, records: Iterable[Record]) -> None:
        if self._definition.kind != "event-sourced":
            raise Invalid(f"{self._definition.cls.__qualname__} has no events: give it an instance of itself")
        numbered = [(index + 1, name, data) for index, (name, data) in enumerate(records)]
        _refuse(activation.replay(numbered, True))

    def _error(self) -> Error | None:
        answer = self._asked()
        return errors.from_wire(answer[3]) if answer[0] == Function.FAILURE else None

    def _asked(self) -> Frame:
        if self._answer is None:
            raise Invalid("say .when(…) first")
        return self._answer

    def _succeeded(self) -> Frame:
        error = self._error()
        if error is not None:
            self._fail(f"failed with {error.kind}: {error}")
        return self._asked()

    def _differs(self, what: str, expected: object, actual: object) -> NoReturn:
        self._fail(f"{what}\n  expected: {expected}\n  actual:   {actual}")

    def _fail(self, text: str) -> NoReturn:
        __tracebackhide__ = True
        raise AssertionError(f"{self._handler.where if self._handler else '?'} {text}")


class _NoHome:
    def runtime(self, host_session: int) -> NoReturn:
        raise Invalid("a kit has no other entities: test calls between entities with app.open()")

    async_runtime = runtime


def _text(definition: Definition, name: str, data: bytes) -> str:
    """A message as people read it."""
    reader = definition.reader_of(name)
    return data.hex() if reader is None else " ".join(str(reader.decode(data)).split())


async def _both_colours(pulled: Pulled) -> AsyncIterator[tuple[Payload, list[Any]]]:
    if pulled.is_async:
        while (element := await pulled.pull_async()) is not None:
            yield element
    else:
        while (element := pulled.pull()) is not None:
            yield element


def _sent(handler: Handler, elements: Any) -> Any:
    """The elements as the handler gets them: through their codec."""

    def passed(element: Any) -> Any:
        return handler.body.decode(handler.body.encode((element,), {}))[0]

    async def awaited() -> AsyncIterator[Any]:
        if isinstance(elements, AsyncIterable):
            async for element in elements:
                yield passed(element)
        else:
            for element in elements:
                yield passed(element)

    return awaited() if handler.is_async else map(passed, elements)


def _finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end, also where a loop runs already."""
    with suppress(RuntimeError):
        asyncio.get_running_loop()
        result: list[T] = []
        thread = threading.Thread(target=lambda: result.append(asyncio.run(coroutine)))
        thread.start()
        thread.join()
        return result[0]
    return asyncio.run(coroutine)


def _refuse(frame: Frame | None) -> None:
    if frame is not None and frame[0] == Function.ACTIVATION_FAILED:
        raise errors.from_wire(frame[2])


def _data(payload: Payload) -> bytes:
    return payload if isinstance(payload, bytes) else payload[1]
