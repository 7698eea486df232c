# SPDX-License-Identifier: Apache-2.0
"""What a handler knows about the call it serves, and asks for besides its reply."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast, overload

from adjoin._codec import WRITE_ERRORS
from adjoin._frames import SESSION_BITS, Command, Frame, Record, SideEffect, Target
from adjoin._limits import too_large
from adjoin.errors import Exhausted, Invalid, ReadOnlyViolation

if TYPE_CHECKING:
    from adjoin._activation import Activation
    from adjoin._client import AsyncRuntime, Runtime
    from adjoin._handler import Handler
    from adjoin._subscription import CloudEvent

E = TypeVar("E")
P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")


class Forward:
    """What ``ctx.forward`` returns; the handler returns it on."""

    __slots__ = ("target",)

    def __init__(self, target: Target) -> None:
        self.target = target


class Context:
    """One call, as its handler sees it.

    A handler asks for it by annotation; it is never part of the body. With the default ``adjoin.current`` callers need
    not mention it, neither at run time nor to a type checker:

        @command
        def change_email(self, email: str, ctx: adjoin.Context = adjoin.current) -> str: ...
    """

    __slots__ = (
        "_activation",
        "_broken",
        "_cancelled",
        "_deadline",
        "_deleted",
        "_effects",
        "_events",
        "_frame",
        "_handler",
        "_over",
        "_values",
    )

    def __init__(self, activation: Activation, handler: Handler, frame: Frame, values: tuple[Any, ...]) -> None:
        self._activation = activation
        self._handler = handler
        self._frame = frame
        self._values = values
        remaining = frame[Command.REMAINING_MS]
        self._deadline: float | None = time.monotonic() + remaining / 1000 if remaining else None
        self._events: list[Record] = []
        self._effects: list[SideEffect] = []
        self._deleted = False
        self._broken: BaseException | None = None
        self._cancelled = False
        self._over = False

    @property
    def id(self) -> str:
        """The command's name for good, 32 hexadecimal digits: the same through every redelivery and retry."""
        return cast(bytes, self._frame[Command.ID]).hex()

    @property
    def attempt(self) -> int:
        """1, and one more for every redelivery after the death of a process."""
        return cast(int, self._frame[Command.ATTEMPT])

    @property
    def epoch(self) -> int:
        """The fencing token: greater than that of any earlier owner of the entity; 0 for an action."""
        return self._activation.epoch

    @property
    def entity_type(self) -> str:
        """The stored name of the entity's type: ``shop.Cart``."""
        return self._activation.definition.name

    @property
    def entity_key(self) -> str:
        """The entity's key: ``ada``."""
        key: str | None = self._frame[Command.KEY]
        return self._activation.key if key is None else key

    @property
    def metadata(self) -> Mapping[str, str]:
        """Metadata of the call, names in lower case; of a repeated name the last."""
        return dict(self._frame[Command.METADATA])

    @property
    def event(self) -> CloudEvent | None:
        """The event that the command was called with; ``None`` for any other call."""
        from adjoin._subscription import event_in

        return event_in(self._frame[Command.METADATA])

    @property
    def caller(self) -> str:
        """Who calls; empty when unknown."""
        return cast(str, self._frame[Command.CALLER])

    @property
    def deadline(self) -> float | None:
        """When nobody waits any more, in seconds of ``time.monotonic()``; ``None`` when the call has no deadline."""
        return self._deadline

    @property
    def remaining(self) -> float | None:
        """Seconds until the deadline, never negative; ``None`` when the call has none."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the reply any more. What the handler did is still taken."""
        return self._cancelled

    @property
    def runtime(self) -> Runtime:
        """The runtime that this handler is part of, to call other entities from a sync handler.

        Behind the proxy it calls them through the proxy; there it can neither watch nor stream.
        """
        return self._activation.home.runtime(self._frame[Command.CALL] >> SESSION_BITS)

    @property
    def async_runtime(self) -> AsyncRuntime:
        """The same for an async handler."""
        return self._activation.home.async_runtime(self._frame[Command.CALL] >> SESSION_BITS)

    @overload
    def effect(
        self, method: Callable[Concatenate[E, P], object], key: str, /, *args: P.args, **keywords: P.kwargs
    ) -> None: ...
    @overload
    def effect(
        self, method: Callable[[E], object], key: str, /, *, synchronous: bool = ..., durable: bool = ...
    ) -> None: ...
    @overload
    def effect(
        self, method: Callable[[E, A], object], key: str, a: A, /, *, synchronous: bool = ..., durable: bool = ...
    ) -> None: ...
    @overload
    def effect(
        self,
        method: Callable[[E, A, B], object],
        key: str,
        a: A,
        b: B,
        /,
        *,
        synchronous: bool = ...,
        durable: bool = ...,
    ) -> None: ...
    @overload
    def effect(
        self, method: Callable[[E, Context], object], key: str, /, *, synchronous: bool = ..., durable: bool = ...
    ) -> None: ...
    @overload
    def effect(
        self,
        method: Callable[[E, A, Context], object],
        key: str,
        a: A,
        /,
        *,
        synchronous: bool = ...,
        durable: bool = ...,
    ) -> None: ...
    def effect(self, method: Any, key: str, /, *args: Any, **keywords: Any) -> None:
        """Asks for a call of another entity, made once this command is durable; its failure changes nothing here.

        Args:
            method: A command, as ``Mailer.welcome``.
            key: Of which entity.
            *args: The body.
            **keywords: More of the body, and two options: ``synchronous`` holds this command's reply until the call is
                answered; ``durable`` makes it for certain: it is written with what this command writes, and is made
                again until the other one has ended, also after a crash. An entity runs it exactly once; an action may
                run it more often, each time with the same ``ctx.id``. One that keeps failing is listed by
                ``adjoin effects``.

        Raises:
            Invalid: in a query; for both options at once; for ``durable=True`` in an action, which writes nothing;
                and when the arguments do not fit the command.
        """
        handler = _handler_of(method)
        options = handler.take_options(keywords, ("synchronous", "durable"))
        synchronous, durable = bool(options.get("synchronous")), bool(options.get("durable"))
        if durable and synchronous:
            raise Invalid(
                f"an effect of {self._handler.where} is both synchronous and durable: a durable one is made when it "
                "can be, so no reply waits for it"
            )
        if durable and self._activation.definition.kind == "action":
            raise Invalid(
                f"durable=True on an effect of {self._handler.where}, which is an action: it writes nothing, so let an "
                "entity ask for durable effects"
            )
        self._writes("ctx.effect")
        target = handler.target(key, args, keywords)
        self._effects.append((target, synchronous, durable))

    @overload
    def forward(
        self,
        method: Callable[Concatenate[E, P], Coroutine[Any, Any, R]],
        key: str,
        /,
        *args: P.args,
        **keywords: P.kwargs,
    ) -> R: ...
    @overload
    def forward(
        self, method: Callable[Concatenate[E, P], R], key: str, /, *args: P.args, **keywords: P.kwargs
    ) -> R: ...
    @overload
    def forward(self, method: Callable[[E, Context], Coroutine[Any, Any, R]], key: str, /) -> R: ...
    @overload
    def forward(self, method: Callable[[E, Context], R], key: str, /) -> R: ...
    @overload
    def forward(self, method: Callable[[E, A, Context], Coroutine[Any, Any, R]], key: str, a: A, /) -> R: ...
    @overload
    def forward(self, method: Callable[[E, A, Context], R], key: str, a: A, /) -> R: ...
    def forward(self, method: Any, key: str, /, *args: Any, **keywords: Any) -> Any:
        """Hands the call on: ``return ctx.forward(Cart.check_out, key)``. The other entity answers the client.

        What this command did – events, value, effects – is durable before the other one runs.

        Raises:
            Invalid: in a query, and when the arguments do not fit the command.
        """
        self._writes("ctx.forward")
        return Forward(_handler_of(method).target(key, args, keywords))

    def _emit(self, event: object) -> None:
        """``self.emit``: encodes, checks, applies."""
        activation = self._activation
        if self._handler.query:
            raise ReadOnlyViolation(f"{self._handler.where} is a query: only a command may emit")
        kind = activation.definition.events.get(type(event))
        if kind is None:
            raise Invalid(activation.definition.no_applier(event))
        if self._deleted:
            raise Invalid(
                f"{self._handler.where} emitted {kind.name} after delete(): an entity ends with its last event"
            )
        try:
            name, data = kind.record(event)
        except WRITE_ERRORS as error:
            raise Invalid(f"{kind.name} does not fit its type hints: {error}") from error
        limits = activation.limits
        if len(data) > limits.event_bytes:
            raise too_large(f"the event {name}", len(data), limits.event_bytes)
        if len(self._events) >= limits.events_per_command:
            raise Exhausted(f"{self._handler.where} emitted more than {limits.events_per_command} events")
        self._events.append((name, data))
        try:
            kind.apply(activation.state, event)
        except BaseException as error:
            # Even if the handler goes on: the state is half of something.
            self._broken = error
            raise

    def _delete(self) -> None:
        self._writes("self.delete")
        self._deleted = True

    def _writes(self, verb: str) -> None:
        if self._over:
            raise Invalid(f"{verb} of {self._handler.where} came after its answer: nobody can do it any more")
        if self._handler.query:
            raise ReadOnlyViolation(f"{verb} in {self._handler.where}, which is a query: make it a command")


running: ContextVar[Context | None] = ContextVar("adjoin_running", default=None)
"""The call whose handler runs here; the calls it makes carry its chain."""


class _Current(Context):
    """The context of whatever handler runs here: the default of a ``Context`` argument."""

    __slots__ = ()

    def __init__(self) -> None:
        pass

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__"):
            return object.__getattribute__(self, name)
        context = running.get()
        if context is None:
            raise Invalid(f"adjoin.current.{name} is known only while a handler runs")
        return getattr(context, name)


current: Context = _Current()
"""The context of the running handler, as the default of an argument: ``ctx: Context = adjoin.current``."""


def _handler_of(method: Any) -> Handler:
    from adjoin._definition import handler_of

    return handler_of(method)
