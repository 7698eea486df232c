# SPDX-License-Identifier: Apache-2.0
"""The bundle of definitions, and the three ways to run it."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import msgspec

from adjoin._client import AsyncRuntime, Options, Runtime
from adjoin._contract import descriptor_set
from adjoin._definition import Definition, definition_of
from adjoin._session import NativeHost, Session
from adjoin.errors import Invalid, Unavailable

_READY_S = 60.0


class App:
    """The entity classes of a service.

        app = adjoin.App(Cart, Profile, Mailer)

    Raises:
        Invalid: when a class is none of adjoin's, or something in it is wrong.
    """

    def __init__(self, *classes: type) -> None:
        self._definitions: list[Definition] = [definition_of(cls) for cls in classes]
        names = [definition.name for definition in self._definitions]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise Invalid(f"the entity type {', '.join(sorted(twice))} is declared twice: give each a name of its own")
        if not classes:
            raise Invalid("an App has at least one entity class")

    def spec(self) -> dict[str, Any]:
        """What the service has, as the host is told: types, handlers, events, schemas."""
        from adjoin import __version__

        contracts = [definition.contract for definition in self._definitions if definition.contract is not None]
        return {
            "sdk": f"adjoin-python {__version__}",
            "types": [definition.spec() for definition in self._definitions],
            **({"descriptors": base64.b64encode(descriptor_set(contracts)).decode()} if contracts else {}),
        }

    def open(
        self,
        path: str | os.PathLike[str] | None = None,
        http: str | None = None,
        *,
        timeout: float | None = None,
        workers: int = 32,
        check_state: bool | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Opening:
        """Runs the service in this process: ``with app.open("./data") as rt`` or ``async with app.open() as rt``.

        Args:
            path: The folder of the journal, made if it is not there; without one everything is in memory.
            http: Also serve HTTP and gRPC here: ``"127.0.0.1:9000"``; port 0 takes a free one, see ``rt.http``.
            timeout: Seconds that a call may take, where it does not say so itself.
            workers: Sync handlers that may run at once.
            check_state: Look after every handler whether it changed the state behind ``emit``. By default where
                ``ADJOIN_CHECK_STATE=1`` and under ``python -X dev``.
            settings: More settings of the host, as docs/python-frames.md lists them.
        """
        given = {
            **(settings or {}),
            "mode": "in-process",
            "spec": self.spec(),
            "path": None if path is None else os.fspath(path),
            "http": http,
        }
        return Opening(given, self._definitions, timeout=timeout, workers=workers, check=_checks(check_state))

    def serve(
        self,
        address: str | None = None,
        *,
        workers: int = 32,
        check_state: bool | None = None,
        on_ready: Callable[[str], object] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Serves the service to proxies until SIGINT, SIGTERM or a failure. Blocks.

        Args:
            address: Where to listen; port 0 takes a free one. By default what ``ADJOIN_FUNCTION_LISTEN`` says, as
                ``adjoin dev`` sets it, or else ``127.0.0.1:8080``.
            workers: Sync handlers that may run at once.
            check_state: As for ``open``.
            on_ready: Called with the address once it listens.
            settings: More settings of the host.
        """
        with self._serving(address, workers, check_state, settings) as runtime:
            runtime.wait(lambda: _say_ready(runtime.address, on_ready))

    async def serve_async(
        self,
        address: str | None = None,
        *,
        workers: int = 32,
        check_state: bool | None = None,
        on_ready: Callable[[str], object] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """The same on the running loop, until the task is cancelled. Async handlers run on this loop."""
        async with self._serving(address, workers, check_state, settings) as runtime:
            _say_ready(runtime.address, on_ready)
            ended = asyncio.Event()
            runtime._session.on_end(ended.set)
            await ended.wait()

    def _serving(
        self, address: str | None, workers: int, check_state: bool | None, settings: Mapping[str, Any] | None
    ) -> Opening:
        given = {**(settings or {}), "mode": "serve", "spec": self.spec(), "address": _listen(address)}
        return Opening(given, self._definitions, workers=workers, check=_checks(check_state))


class Opening:
    """A runtime about to be opened: by ``with``, by ``async with``, or by ``start``."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        definitions: list[Definition],
        *,
        timeout: float | None = None,
        workers: int = 32,
        check: bool = False,
    ) -> None:
        self._settings = settings
        self._definitions = definitions
        self._options = Options(timeout=timeout)
        self._workers = workers
        self._check = check
        self._session: Session | None = None

    def start(self) -> Runtime:
        """Opens the runtime; whoever calls this closes it."""
        session = self._made(self._opened(), None)
        session.start()
        if not session.ready.wait(_READY_S) or session.ended.is_set():
            session.close()
            raise Unavailable(f"the host was not ready within {_READY_S:.0f} s, or ended before: see its log")
        return Runtime(session, self._options)

    def __enter__(self) -> Runtime:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            self._session.close()

    async def __aenter__(self) -> AsyncRuntime:
        loop = asyncio.get_running_loop()
        # Opening reads the folder, which may take a while; the loop goes on meanwhile.
        session = self._made(await loop.run_in_executor(None, self._opened), loop)
        session.start()
        await session.wait_ready(_READY_S)
        return AsyncRuntime(session, self._options)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.aclose()

    def _opened(self) -> NativeHost:
        if self._session is not None:
            raise Invalid("this runtime was opened already: call app.open() again for another one")
        return _open_native(msgspec.json.encode(self._settings).decode())

    def _made(self, host: NativeHost, loop: asyncio.AbstractEventLoop | None) -> Session:
        self._session = Session(
            host,
            self._definitions,
            mode=self._settings["mode"],
            loop=loop,
            check=self._check,
            workers=self._workers,
        )
        return self._session


def connect(url: str, *, timeout: float | None = None, settings: Mapping[str, Any] | None = None) -> Opening:
    """Connects to a service elsewhere: ``with adjoin.connect("http://localhost:9000") as rt``. The face is the same.

    Args:
        url: The address of its ingress.
        timeout: Seconds that a call may take, where it does not say so itself.
        settings: More settings of the connection.
    """
    return Opening({**(settings or {}), "mode": "connect", "address": url}, [], timeout=timeout)


def _say_ready(address: str | None, on_ready: Callable[[str], object] | None) -> None:
    """Tells where the function listens, which a host that serves always says."""
    if on_ready is not None:
        assert address is not None
        on_ready(address)


def _listen(given: str | None) -> str:
    return given if given is not None else os.environ.get("ADJOIN_FUNCTION_LISTEN") or "127.0.0.1:8080"


def _checks(given: bool | None) -> bool:
    return given if given is not None else sys.flags.dev_mode or os.environ.get("ADJOIN_CHECK_STATE") == "1"


def _open_native(settings: str) -> NativeHost:
    try:
        from adjoin import _native
    except ImportError as error:
        raise Unavailable(
            f"the native part of adjoin is not there ({error}): pip install ./sdks/python, or maturin develop in it"
        ) from error
    return _native.open(settings)
