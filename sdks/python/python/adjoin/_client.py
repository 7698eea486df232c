# SPDX-License-Identifier: Apache-2.0
"""The faces of an open runtime or a connection: one for threads, one for tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from adjoin._context import running
from adjoin._definition import definition_of, handler_of
from adjoin._faces import AsyncCalls, Calls
from adjoin._frames import SESSION_BITS, Frame, Function, Metadata
from adjoin._handler import Handler, checked_key
from adjoin._requests import Awaiting, Blocking, payload
from adjoin._signals import wait_for_signal
from adjoin._stub import stub_of
from adjoin._upload import Upload
from adjoin._watch import AsyncElements, Elements
from adjoin._workers import blocked
from adjoin.errors import Error, Expired, Internal, Invalid

if TYPE_CHECKING:
    from adjoin._session import Session

E = TypeVar("E")


class Options(NamedTuple):
    """Options of calls."""

    timeout: float | None = None
    idempotency_key: str | None = None
    if_sequence: int | None = None
    metadata: Mapping[str, str] | None = None
    after: int | None = None
    host_session: int = 0

    def replaced(
        self,
        timeout: float | None,
        idempotency_key: str | None,
        if_sequence: int | None,
        metadata: Mapping[str, str] | None,
    ) -> Options:
        """These options, with those that are given in their place."""
        return Options(
            self.timeout if timeout is None else timeout,
            self.idempotency_key if idempotency_key is None else idempotency_key,
            self.if_sequence if if_sequence is None else if_sequence,
            self.metadata if metadata is None else metadata,
            self.after,
            self.host_session,
        )

    def number(self, session: Session) -> int:
        """A fresh name for a request: it says which session of the host the call is made in."""
        return session.requests.next() | self.host_session << SESSION_BITS

    def pairs(self) -> Metadata:
        """The metadata as frames carry it: names in lower case."""
        return tuple((name.lower(), value) for name, value in (self.metadata or {}).items())


_CALL = ("timeout", "idempotency_key", "if_sequence", "metadata")
_WATCH = ("after", "metadata")
_STREAM = ("timeout", "metadata")


class _Face:
    """What both faces share: a session, options, and how requests are made of calls."""

    __slots__ = ("_options", "_session")

    def __init__(self, session: Session, options: Options = Options()) -> None:  # noqa: B008
        self._session = session
        self._options = options

    @property
    def address(self) -> str | None:
        """Where the function is served, with the port that was taken."""
        return self._session.address

    @property
    def http(self) -> str | None:
        """Where the ingress listens, with the port that was taken; ``None`` without one."""
        return self._session.http

    def entity(
        self,
        cls: type[E],
        key: str,
        /,
        *,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        if_sequence: int | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> E:
        """One entity, typed as its class: ``rt.entity(Cart, "ada").add_item(item)``.

        Calls have the colour of the handler: of an async one they are awaited. One that streams gives an iterator.

        Args:
            cls: The entity class.
            key: The entity's key.
            timeout: Seconds that a call may take.
            idempotency_key: Makes a call safe to send again: the same key gives the same answer.
            if_sequence: The entity's sequence without which a call is not run.
            metadata: Metadata of the calls.
        """
        options = self._options.replaced(timeout, idempotency_key, if_sequence, metadata)
        stub: Any = stub_of(definition_of(cls))(self._session, checked_key(key), options)
        return stub  # type: ignore[no-any-return]


class Runtime(_Face, Calls):
    """An open runtime or a connection, for threads. Made by ``app.open()`` and ``adjoin.connect(url)``."""

    __slots__ = ()

    def with_options(
        self,
        *,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        if_sequence: int | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Runtime:
        """The same runtime, with options for every call made through it."""
        return Runtime(self._session, self._options.replaced(timeout, idempotency_key, if_sequence, metadata))

    def wait(self, on_ready: Callable[[], object] | None = None) -> None:
        """Waits until SIGINT or SIGTERM, or until the runtime ends by itself; a second SIGINT interrupts.

        Outside the main thread, where no signals arrive, it waits for the runtime's end only.

        Args:
            on_ready: Called first, once a signal would be seen: the place to tell others that this process is ready.
        """
        wait_for_signal(self._session.on_end, on_ready)

    def close(self) -> None:
        """Ends the runtime in order: what was accepted is answered first. ``with`` does it by itself."""
        self._session.close()

    def _call(self, method: Any, key: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        handler, options = _plain(method), self._options
        options = options._replace(**handler.take_options(keywords, _CALL))
        return call(self._session, handler, key, args, keywords, options)

    def _watch(self, method: Any, key: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Elements[Any]:
        handler = _spoken(self._session, _watchable(method))
        options = self._options._replace(**handler.take_options(keywords, _WATCH))
        self._session.refuse_on_loop(f"watching {handler.where}")
        return Elements(
            self._session, _watch_frame(self._session, handler, key, args, keywords, options), handler.decode_reply
        )

    def _stream(self, method: Any, key: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Elements[Any]:
        handler = _streaming(method)
        options = self._options._replace(**handler.take_options(keywords, _STREAM))
        return stream(self._session, handler, key, args, keywords, options)


class AsyncRuntime(_Face, AsyncCalls):
    """An open runtime or a connection, for tasks. Made by ``async with app.open()`` and ``adjoin.connect(url)``."""

    __slots__ = ()

    def with_options(
        self,
        *,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        if_sequence: int | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> AsyncRuntime:
        """The same runtime, with options for every call made through it."""
        return AsyncRuntime(self._session, self._options.replaced(timeout, idempotency_key, if_sequence, metadata))

    async def aclose(self) -> None:
        """Ends the runtime in order: what was accepted is answered first. ``async with`` does it by itself."""
        await self._session.aclose()

    def _call(self, method: Any, key: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        handler, options = _plain(method), self._options
        options = options._replace(**handler.take_options(keywords, _CALL))
        return call_async(self._session, handler, key, args, keywords, options)

    def _watch(self, method: Any, key: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> AsyncElements[Any]:
        handler = _spoken(self._session, _watchable(method))
        options = self._options._replace(**handler.take_options(keywords, _WATCH))
        frame = _watch_frame(self._session, handler, key, args, keywords, options)
        return AsyncElements(self._session, frame, handler.decode_reply)

    def _stream(self, method: Any, key: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> AsyncElements[Any]:
        handler = _streaming(method)
        options = self._options._replace(**handler.take_options(keywords, _STREAM))
        return stream_async(self._session, handler, key, args, keywords, options)


def call(
    session: Session, handler: Handler, key: str, args: tuple[Any, ...], keywords: dict[str, Any], options: Options
) -> Any:
    """One call, waited for in this thread."""
    session.refuse_on_loop(f"{handler.where} in this thread")
    handler = _spoken(session, handler)
    frame, upload = _call_frame(session, handler, key, args, keywords, options)
    waiter = Blocking()
    session.requests.add(frame[1], waiter)
    try:
        with blocked():
            session.submit(frame)
            if upload is not None:
                upload.start()
            answer = waiter.wait(options.timeout)
    except BaseException:
        _abandon(session, frame)
        raise
    return _result(handler, payload(answer))


async def call_async(
    session: Session, handler: Handler, key: str, args: tuple[Any, ...], keywords: dict[str, Any], options: Options
) -> Any:
    """One call, awaited on whatever loop this is."""
    handler = _spoken(session, handler)
    frame, upload = _call_frame(session, handler, key, args, keywords, options)
    waiter = Awaiting()
    session.requests.add(frame[1], waiter)
    try:
        session.submit(frame)
        if upload is not None:
            upload.start_here()
        answer = await waiter.wait(options.timeout)
    except BaseException:
        _abandon(session, frame)
        raise
    return _result(handler, payload(answer))


def stream(
    session: Session, handler: Handler, key: str, args: tuple[Any, ...], keywords: dict[str, Any], options: Options
) -> Elements[Any]:
    """One call with a streamed reply, for a thread."""
    session.refuse_on_loop(f"{handler.where} in this thread")
    handler = _spoken(session, handler)
    frame, upload = _stream_frame(session, handler, key, args, keywords, options)
    return Elements(session, frame, handler.decode_reply, upload)


def stream_async(
    session: Session, handler: Handler, key: str, args: tuple[Any, ...], keywords: dict[str, Any], options: Options
) -> AsyncElements[Any]:
    """One call with a streamed reply, for a task."""
    handler = _spoken(session, handler)
    frame, upload = _stream_frame(session, handler, key, args, keywords, options)
    return AsyncElements(session, frame, handler.decode_reply, upload)


def _spoken(session: Session, handler: Handler) -> Handler:
    """The handler as the other side has it: a host elsewhere is asked by name and in JSON."""
    return handler.as_json if session.mode == "connect" else handler


def _plain(method: Any) -> Handler:
    handler = handler_of(method)
    if handler.streams:
        raise Invalid(f"{handler.where} streams its reply: use rt.stream(…)")
    return handler


def _watchable(method: Any) -> Handler:
    handler = handler_of(method)
    if not handler.query:
        raise Invalid(f"{handler.where} is a command: only queries can be watched")
    return handler


def _streaming(method: Any) -> Handler:
    handler = handler_of(method)
    if not handler.streams:
        raise Invalid(f"{handler.where} replies once: use rt.call(…)")
    return handler


def _call_frame(
    session: Session, handler: Handler, key: str, args: tuple[Any, ...], keywords: dict[str, Any], options: Options
) -> tuple[Frame, Upload | None]:
    if handler.takes_stream:
        return _upload(session, handler, key, args, keywords, options)
    head = (Function.CALL, options.number(session), handler.entity_type, checked_key(key), handler.name)
    body = handler.encode_body(args, keywords)
    tail = (_timeout_ms(options), options.idempotency_key, options.if_sequence, options.pairs(), _chain())
    return (*head, body, *tail), None


def _watch_frame(
    session: Session, handler: Handler, key: str, args: tuple[Any, ...], keywords: dict[str, Any], options: Options
) -> Frame:
    head = (Function.WATCH, options.number(session), handler.entity_type, checked_key(key), handler.name)
    return (*head, handler.encode_body(args, keywords), options.after, options.pairs(), _chain())


def _stream_frame(
    session: Session, handler: Handler, key: str, args: tuple[Any, ...], keywords: dict[str, Any], options: Options
) -> tuple[Frame, Upload | None]:
    if handler.takes_stream:
        return _upload(session, handler, key, args, keywords, options)
    head = (Function.STREAM, options.number(session), handler.entity_type, checked_key(key), handler.name)
    return (*head, handler.encode_body(args, keywords), _timeout_ms(options), options.pairs(), _chain()), None


def _upload(
    session: Session, handler: Handler, key: str, args: tuple[Any, ...], keywords: dict[str, Any], options: Options
) -> tuple[Frame, Upload]:
    """The beginning of a call that sends a stream, and the stream."""
    if options.idempotency_key is not None or options.if_sequence is not None:
        raise Invalid(f"{handler.where} takes a stream: its call has neither an idempotency key nor an if_sequence")
    number = options.number(session)
    upload = Upload(session, handler, number, handler.stream_of(args, keywords))
    head = (Function.UPLOAD, number, handler.entity_type, checked_key(key), handler.name, b"")
    frame = (*head, _timeout_ms(options), options.pairs(), _chain(), handler.streams)
    session.requests.sends(number, upload)  # once nothing can fail any more
    return frame, upload


def _timeout_ms(options: Options) -> int:
    """The timeout in milliseconds, at least 1; 0 for none. Inside a handler, no longer than its own deadline."""
    context = running.get()
    left = context.remaining if context is not None else None
    limits = [limit for limit in (options.timeout, left) if limit is not None]
    if not limits:
        return 0
    if min(limits) <= 0:
        raise Expired("the deadline passed before the call was made", outcome="none")
    return max(1, round(min(limits) * 1000))


def _chain() -> tuple[str, ...]:
    """The entities that wait for this call: those that wait for the running handler, and its own."""
    context = running.get()
    if context is None:
        return ()
    chain: tuple[str, ...] = tuple(context._frame[14])
    # An action serves many calls side by side: one that waits blocks nobody.
    return chain if context._activation.id == 0 else (*chain, f"{context.entity_type}/{context.entity_key}")


def _result(handler: Handler, data: bytes | None) -> Any:
    try:
        return handler.decode_reply(data)
    except Error:
        raise
    except Exception as error:
        raise Internal(
            f"the reply of {handler.where} does not fit its type hint: {error}", outcome="unknown"
        ) from error


def _abandon(session: Session, frame: Frame) -> None:
    """Nobody waits any more: the host need not answer."""
    if session.requests.drop(frame[1]):
        with suppress(Error):  # closed by now: there is nothing left to cancel
            session.submit((Function.CANCEL, frame[1]))
