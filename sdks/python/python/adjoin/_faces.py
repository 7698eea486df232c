# SPDX-License-Identifier: Apache-2.0
"""How calls are typed. The bodies are one line each; what they do is in ``_client``.

The first forms take the parameters from the handler itself, by ``ParamSpec``. A type checker cannot add options to
those, nor take a ``Context`` out of them, so handlers of up to two arguments have forms of their own for both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeAlias, TypedDict, TypeVar, overload

from adjoin._context import Context
from adjoin._watch import AsyncElements, Elements

if TYPE_CHECKING:
    from typing_extensions import Unpack  # known to every type checker, needed by none at run time

E = TypeVar("E")
P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")
Coro: TypeAlias = Coroutine[Any, Any, R]


class CallOptions(TypedDict, total=False):
    """Options of a call.

    Attributes:
        timeout: Seconds that it may take.
        idempotency_key: Makes it safe to send again: the same key gives the same answer.
        if_sequence: The entity's sequence without which it is not run.
        metadata: Its metadata.
    """

    timeout: float | None
    idempotency_key: str | None
    if_sequence: int | None
    metadata: Mapping[str, str] | None


class StreamOptions(TypedDict, total=False):
    """Options of a streamed call: ``timeout`` in seconds, and ``metadata``."""

    timeout: float | None
    metadata: Mapping[str, str] | None


class WatchOptions(TypedDict, total=False):
    """Options of a watch: ``after``, a sequence that was seen already, and ``metadata``."""

    after: int | None
    metadata: Mapping[str, str] | None


class Calls(ABC):
    """Calls that wait in their thread."""

    __slots__ = ()

    @overload
    def call(
        self, method: Callable[Concatenate[E, P], Coro[R]], key: str, /, *args: P.args, **keywords: P.kwargs
    ) -> R: ...
    @overload
    def call(self, method: Callable[Concatenate[E, P], R], key: str, /, *args: P.args, **keywords: P.kwargs) -> R: ...
    @overload
    def call(self, method: Callable[[E], Coro[R]], key: str, /, **options: Unpack[CallOptions]) -> R: ...
    @overload
    def call(self, method: Callable[[E], R], key: str, /, **options: Unpack[CallOptions]) -> R: ...
    @overload
    def call(self, method: Callable[[E, Context], Coro[R]], key: str, /, **options: Unpack[CallOptions]) -> R: ...
    @overload
    def call(self, method: Callable[[E, Context], R], key: str, /, **options: Unpack[CallOptions]) -> R: ...
    @overload
    def call(self, method: Callable[[E, A], Coro[R]], key: str, a: A, /, **options: Unpack[CallOptions]) -> R: ...
    @overload
    def call(self, method: Callable[[E, A], R], key: str, a: A, /, **options: Unpack[CallOptions]) -> R: ...
    @overload
    def call(
        self, method: Callable[[E, A, Context], Coro[R]], key: str, a: A, /, **options: Unpack[CallOptions]
    ) -> R: ...
    @overload
    def call(self, method: Callable[[E, A, Context], R], key: str, a: A, /, **options: Unpack[CallOptions]) -> R: ...
    @overload
    def call(
        self, method: Callable[[E, A, B], Coro[R]], key: str, a: A, b: B, /, **options: Unpack[CallOptions]
    ) -> R: ...
    @overload
    def call(self, method: Callable[[E, A, B], R], key: str, a: A, b: B, /, **options: Unpack[CallOptions]) -> R: ...
    @overload
    def call(
        self, method: Callable[[E, A, B, Context], Coro[R]], key: str, a: A, b: B, /, **options: Unpack[CallOptions]
    ) -> R: ...
    @overload
    def call(
        self, method: Callable[[E, A, B, Context], R], key: str, a: A, b: B, /, **options: Unpack[CallOptions]
    ) -> R: ...
    def call(self, method: Any, key: str, /, *args: Any, **keywords: Any) -> Any:
        """Calls a command or a query: ``rt.call(Cart.add_item, "ada", item)``. Its colour does not matter.

        Args:
            method: The handler, as an attribute of its class.
            key: The entity's key.
            *args: The body.
            **keywords: More of the body, and options: ``timeout`` in seconds; ``idempotency_key``, which makes the call
                safe to send again; ``if_sequence``, the entity's sequence without which it is not run; ``metadata``.

        Raises:
            Rejected: the entity refuses.
            Error: its other kinds, as ``adjoin.errors`` lists them.
        """
        return self._call(method, key, args, keywords)

    @overload
    def watch(
        self, method: Callable[Concatenate[E, P], Coro[R]], key: str, /, *args: P.args, **keywords: P.kwargs
    ) -> Elements[R]: ...
    @overload
    def watch(
        self, method: Callable[Concatenate[E, P], R], key: str, /, *args: P.args, **keywords: P.kwargs
    ) -> Elements[R]: ...
    @overload
    def watch(self, method: Callable[[E], Coro[R]], key: str, /, **options: Unpack[WatchOptions]) -> Elements[R]: ...
    @overload
    def watch(self, method: Callable[[E], R], key: str, /, **options: Unpack[WatchOptions]) -> Elements[R]: ...
    @overload
    def watch(
        self, method: Callable[[E, Context], Coro[R]], key: str, /, **options: Unpack[WatchOptions]
    ) -> Elements[R]: ...
    @overload
    def watch(self, method: Callable[[E, Context], R], key: str, /, **options: Unpack[WatchOptions]) -> Elements[R]: ...
    @overload
    def watch(
        self, method: Callable[[E, A], Coro[R]], key: str, a: A, /, **options: Unpack[WatchOptions]
    ) -> Elements[R]: ...
    @overload
    def watch(self, method: Callable[[E, A], R], key: str, a: A, /, **options: Unpack[WatchOptions]) -> Elements[R]: ...
    @overload
    def watch(
        self, method: Callable[[E, A, Context], Coro[R]], key: str, a: A, /, **options: Unpack[WatchOptions]
    ) -> Elements[R]: ...
    @overload
    def watch(
        self, method: Callable[[E, A, Context], R], key: str, a: A, /, **options: Unpack[WatchOptions]
    ) -> Elements[R]: ...
    @overload
    def watch(
        self, method: Callable[[E, A, B], Coro[R]], key: str, a: A, b: B, /, **options: Unpack[WatchOptions]
    ) -> Elements[R]: ...
    @overload
    def watch(
        self, method: Callable[[E, A, B], R], key: str, a: A, b: B, /, **options: Unpack[WatchOptions]
    ) -> Elements[R]: ...
    @overload
    def watch(
        self, method: Callable[[E, A, B, Context], Coro[R]], key: str, a: A, b: B, /, **options: Unpack[WatchOptions]
    ) -> Elements[R]: ...
    @overload
    def watch(
        self, method: Callable[[E, A, B, Context], R], key: str, a: A, b: B, /, **options: Unpack[WatchOptions]
    ) -> Elements[R]: ...
    def watch(self, method: Any, key: str, /, *args: Any, **keywords: Any) -> Any:
        """Watches a query: its answer now, and again after every change. Coalesced, never backwards.

            for items in rt.watch(Cart.contents, "ada"): ...

        Args:
            method: The query.
            key: The entity's key.
            *args: The query's body.
            **keywords: More of the body, and options: ``after``, a sequence that was seen already; ``metadata``.
        """
        return self._watch(method, key, args, keywords)

    @overload
    def stream(
        self, method: Callable[Concatenate[E, P], AsyncIterable[R]], key: str, /, *args: P.args, **keywords: P.kwargs
    ) -> Elements[R]: ...
    @overload
    def stream(
        self, method: Callable[Concatenate[E, P], Iterable[R]], key: str, /, *args: P.args, **keywords: P.kwargs
    ) -> Elements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E], AsyncIterable[R]], key: str, /, **options: Unpack[StreamOptions]
    ) -> Elements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E], Iterable[R]], key: str, /, **options: Unpack[StreamOptions]
    ) -> Elements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E, Context], AsyncIterable[R]], key: str, /, **options: Unpack[StreamOptions]
    ) -> Elements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E, Context], Iterable[R]], key: str, /, **options: Unpack[StreamOptions]
    ) -> Elements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E, A], AsyncIterable[R]], key: str, a: A, /, **options: Unpack[StreamOptions]
    ) -> Elements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E, A], Iterable[R]], key: str, a: A, /, **options: Unpack[StreamOptions]
    ) -> Elements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E, A, Context], AsyncIterable[R]], key: str, a: A, /, **options: Unpack[StreamOptions]
    ) -> Elements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E, A, Context], Iterable[R]], key: str, a: A, /, **options: Unpack[StreamOptions]
    ) -> Elements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E, A, B], AsyncIterable[R]], key: str, a: A, b: B, /, **options: Unpack[StreamOptions]
    ) -> Elements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E, A, B], Iterable[R]], key: str, a: A, b: B, /, **options: Unpack[StreamOptions]
    ) -> Elements[R]: ...
    @overload
    def stream(
        self,
        method: Callable[[E, A, B, Context], AsyncIterable[R]],
        key: str,
        a: A,
        b: B,
        /,
        **options: Unpack[StreamOptions],
    ) -> Elements[R]: ...
    @overload
    def stream(
        self,
        method: Callable[[E, A, B, Context], Iterable[R]],
        key: str,
        a: A,
        b: B,
        /,
        **options: Unpack[StreamOptions],
    ) -> Elements[R]: ...
    def stream(self, method: Any, key: str, /, *args: Any, **keywords: Any) -> Any:
        """Calls an action's handler that streams: ``for line in rt.stream(Mailer.digest, "all", 7)``.

        Args:
            method: The handler.
            key: The entity's key.
            *args: The body.
            **keywords: More of the body, and options: ``timeout`` in seconds, ``metadata``.
        """
        return self._stream(method, key, args, keywords)

    @abstractmethod
    def _call(self, method: Any, key: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any: ...

    @abstractmethod
    def _watch(self, method: Any, key: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any: ...

    @abstractmethod
    def _stream(self, method: Any, key: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any: ...


class AsyncCalls(ABC):
    """Calls that are awaited."""

    __slots__ = ()

    @overload
    def call(
        self, method: Callable[Concatenate[E, P], Coro[R]], key: str, /, *args: P.args, **keywords: P.kwargs
    ) -> Coro[R]: ...
    @overload
    def call(
        self, method: Callable[Concatenate[E, P], R], key: str, /, *args: P.args, **keywords: P.kwargs
    ) -> Coro[R]: ...
    @overload
    def call(self, method: Callable[[E], Coro[R]], key: str, /, **options: Unpack[CallOptions]) -> Coro[R]: ...
    @overload
    def call(self, method: Callable[[E], R], key: str, /, **options: Unpack[CallOptions]) -> Coro[R]: ...
    @overload
    def call(self, method: Callable[[E, Context], Coro[R]], key: str, /, **options: Unpack[CallOptions]) -> Coro[R]: ...
    @overload
    def call(self, method: Callable[[E, Context], R], key: str, /, **options: Unpack[CallOptions]) -> Coro[R]: ...
    @overload
    def call(self, method: Callable[[E, A], Coro[R]], key: str, a: A, /, **options: Unpack[CallOptions]) -> Coro[R]: ...
    @overload
    def call(self, method: Callable[[E, A], R], key: str, a: A, /, **options: Unpack[CallOptions]) -> Coro[R]: ...
    @overload
    def call(
        self, method: Callable[[E, A, Context], Coro[R]], key: str, a: A, /, **options: Unpack[CallOptions]
    ) -> Coro[R]: ...
    @overload
    def call(
        self, method: Callable[[E, A, Context], R], key: str, a: A, /, **options: Unpack[CallOptions]
    ) -> Coro[R]: ...
    @overload
    def call(
        self, method: Callable[[E, A, B], Coro[R]], key: str, a: A, b: B, /, **options: Unpack[CallOptions]
    ) -> Coro[R]: ...
    @overload
    def call(
        self, method: Callable[[E, A, B], R], key: str, a: A, b: B, /, **options: Unpack[CallOptions]
    ) -> Coro[R]: ...
    @overload
    def call(
        self, method: Callable[[E, A, B, Context], Coro[R]], key: str, a: A, b: B, /, **options: Unpack[CallOptions]
    ) -> Coro[R]: ...
    @overload
    def call(
        self, method: Callable[[E, A, B, Context], R], key: str, a: A, b: B, /, **options: Unpack[CallOptions]
    ) -> Coro[R]: ...
    def call(self, method: Any, key: str, /, *args: Any, **keywords: Any) -> Any:
        """Calls a command or a query: ``await rt.call(Cart.add_item, "ada", item)``. Its colour does not matter.

        Args:
            method: The handler, as an attribute of its class.
            key: The entity's key.
            *args: The body.
            **keywords: More of the body, and options: ``timeout`` in seconds; ``idempotency_key``, which makes the call
                safe to send again; ``if_sequence``, the entity's sequence without which it is not run; ``metadata``.

        Raises:
            Rejected: the entity refuses.
            Error: its other kinds, as ``adjoin.errors`` lists them.
        """
        return self._call(method, key, args, keywords)

    @overload
    def watch(
        self, method: Callable[Concatenate[E, P], Coro[R]], key: str, /, *args: P.args, **keywords: P.kwargs
    ) -> AsyncElements[R]: ...
    @overload
    def watch(
        self, method: Callable[Concatenate[E, P], R], key: str, /, *args: P.args, **keywords: P.kwargs
    ) -> AsyncElements[R]: ...
    @overload
    def watch(
        self, method: Callable[[E], Coro[R]], key: str, /, **options: Unpack[WatchOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def watch(self, method: Callable[[E], R], key: str, /, **options: Unpack[WatchOptions]) -> AsyncElements[R]: ...
    @overload
    def watch(
        self, method: Callable[[E, Context], Coro[R]], key: str, /, **options: Unpack[WatchOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def watch(
        self, method: Callable[[E, Context], R], key: str, /, **options: Unpack[WatchOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def watch(
        self, method: Callable[[E, A], Coro[R]], key: str, a: A, /, **options: Unpack[WatchOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def watch(
        self, method: Callable[[E, A], R], key: str, a: A, /, **options: Unpack[WatchOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def watch(
        self, method: Callable[[E, A, Context], Coro[R]], key: str, a: A, /, **options: Unpack[WatchOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def watch(
        self, method: Callable[[E, A, Context], R], key: str, a: A, /, **options: Unpack[WatchOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def watch(
        self, method: Callable[[E, A, B], Coro[R]], key: str, a: A, b: B, /, **options: Unpack[WatchOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def watch(
        self, method: Callable[[E, A, B], R], key: str, a: A, b: B, /, **options: Unpack[WatchOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def watch(
        self, method: Callable[[E, A, B, Context], Coro[R]], key: str, a: A, b: B, /, **options: Unpack[WatchOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def watch(
        self, method: Callable[[E, A, B, Context], R], key: str, a: A, b: B, /, **options: Unpack[WatchOptions]
    ) -> AsyncElements[R]: ...
    def watch(self, method: Any, key: str, /, *args: Any, **keywords: Any) -> Any:
        """Watches a query: its answer now, and again after every change. Coalesced, never backwards.

            async for items in rt.watch(Cart.contents, "ada"): ...

        Args:
            method: The query.
            key: The entity's key.
            *args: The query's body.
            **keywords: More of the body, and options: ``after``, a sequence that was seen already; ``metadata``.
        """
        return self._watch(method, key, args, keywords)

    @overload
    def stream(
        self, method: Callable[Concatenate[E, P], AsyncIterable[R]], key: str, /, *args: P.args, **keywords: P.kwargs
    ) -> AsyncElements[R]: ...
    @overload
    def stream(
        self, method: Callable[Concatenate[E, P], Iterable[R]], key: str, /, *args: P.args, **keywords: P.kwargs
    ) -> AsyncElements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E], AsyncIterable[R]], key: str, /, **options: Unpack[StreamOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E], Iterable[R]], key: str, /, **options: Unpack[StreamOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E, Context], AsyncIterable[R]], key: str, /, **options: Unpack[StreamOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E, Context], Iterable[R]], key: str, /, **options: Unpack[StreamOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E, A], AsyncIterable[R]], key: str, a: A, /, **options: Unpack[StreamOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E, A], Iterable[R]], key: str, a: A, /, **options: Unpack[StreamOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E, A, Context], AsyncIterable[R]], key: str, a: A, /, **options: Unpack[StreamOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E, A, Context], Iterable[R]], key: str, a: A, /, **options: Unpack[StreamOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E, A, B], AsyncIterable[R]], key: str, a: A, b: B, /, **options: Unpack[StreamOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def stream(
        self, method: Callable[[E, A, B], Iterable[R]], key: str, a: A, b: B, /, **options: Unpack[StreamOptions]
    ) -> AsyncElements[R]: ...
    @overload
    def stream(
        self,
        method: Callable[[E, A, B, Context], AsyncIterable[R]],
        key: str,
        a: A,
        b: B,
        /,
        **options: Unpack[StreamOptions],
    ) -> AsyncElements[R]: ...
    @overload
    def stream(
        self,
        method: Callable[[E, A, B, Context], Iterable[R]],
        key: str,
        a: A,
        b: B,
        /,
        **options: Unpack[StreamOptions],
    ) -> AsyncElements[R]: ...
    def stream(self, method: Any, key: str, /, *args: Any, **keywords: Any) -> Any:
        """Calls an action's handler that streams: ``async for line in rt.stream(Mailer.digest, "all", 7)``.

        Args:
            method: The handler.
            key: The entity's key.
            *args: The body.
            **keywords: More of the body, and options: ``timeout`` in seconds, ``metadata``.
        """
        return self._stream(method, key, args, keywords)

    @abstractmethod
    def _call(self, method: Any, key: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any: ...

    @abstractmethod
    def _watch(self, method: Any, key: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any: ...

    @abstractmethod
    def _stream(self, method: Any, key: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any: ...
