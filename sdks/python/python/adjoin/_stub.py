# SPDX-License-Identifier: Apache-2.0
"""Stubs: what ``rt.entity(Cart, key)`` returns, typed as ``Cart``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from adjoin._definition import Definition
from adjoin._handler import Handler

if TYPE_CHECKING:
    from adjoin._client import Options
    from adjoin._session import Session


class Stub:
    """One entity, seen from outside: its commands and queries, and nothing else."""

    __slots__ = ("_key", "_options", "_session")

    _definition: Definition

    def __init__(self, session: Session, key: str, options: Options) -> None:
        self._session = session
        self._key = key
        self._options = options

    def __repr__(self) -> str:
        return f"<{self._definition.name}/{self._key}>"

    def __getattr__(self, name: str) -> Any:
        known = ", ".join(sorted(self._definition.by_attribute)) or "none"
        raise AttributeError(
            f"{self._definition.cls.__qualname__}.{name} cannot be reached from outside: there are only its commands "
            f"and queries ({known}); add a @query to read the state"
        )


@functools.cache
def stub_of(definition: Definition) -> type[Stub]:
    """The stub class of an entity class."""
    methods: dict[str, Any] = {name: _method(handler) for name, handler in definition.by_attribute.items()}
    return type(definition.cls.__name__, (Stub,), {"__slots__": (), "_definition": definition, **methods})


def _method(handler: Handler) -> Callable[..., Any]:
    from adjoin import _client

    run: Callable[..., Any]
    if handler.streams:
        run = _client.stream_async if handler.is_async else _client.stream
    else:
        run = _client.call_async if handler.is_async else _client.call

    @functools.wraps(handler.function)
    def method(self: Stub, *args: Any, **keywords: Any) -> Any:
        return run(self._session, handler, self._key, args, keywords, self._options)

    return method
