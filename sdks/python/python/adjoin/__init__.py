# SPDX-License-Identifier: Apache-2.0
"""Stateful services: durable entities beside your code, one writer each.

Define an entity – its commands, events and state – and run it in-process (``app.open``), behind the proxy
(``app.serve``), or call it from elsewhere (``adjoin.connect``); the code is the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adjoin import errors
from adjoin._app import App, Opening, connect
from adjoin._client import AsyncRuntime, Runtime
from adjoin._context import Context, current
from adjoin._entity import Action, EventSourced, Replicated, Value, View, Workflow
from adjoin._fields import named
from adjoin._marks import EventsOf, command, event, query, upcast
from adjoin._single import value
from adjoin._subscription import CloudEvent, events_of
from adjoin._watch import AsyncElements, Elements
from adjoin.errors import (
    Conflict,
    Corrupt,
    Denied,
    Error,
    Exhausted,
    Expired,
    Fenced,
    Internal,
    Invalid,
    NotFound,
    Protocol,
    ReadOnlyViolation,
    Rejected,
    Unavailable,
)

__all__ = [
    "Action",
    "App",
    "AsyncElements",
    "AsyncRuntime",
    "CloudEvent",
    "Conflict",
    "Context",
    "Corrupt",
    "Denied",
    "Elements",
    "Error",
    "EventSourced",
    "EventsOf",
    "Exhausted",
    "Expired",
    "Fenced",
    "Internal",
    "Invalid",
    "NotFound",
    "Opening",
    "Protocol",
    "ReadOnlyViolation",
    "Rejected",
    "Replicated",
    "Runtime",
    "Unavailable",
    "Value",
    "View",
    "Workflow",
    "command",
    "connect",
    "current",
    "errors",
    "event",
    "events_of",
    "named",
    "query",
    "upcast",
    "value",
]

__version__ = "0.1.0"

if not TYPE_CHECKING:
    # A type checker must go on refusing names that do not exist, so it does not see this.
    _LATER = frozenset(
        [
            "Counter",
            "EWFlag",
            "Flag",
            "GCounter",
            "GSet",
            "LWWRegister",
            "MVRegister",
            "ORMap",
            "ORSet",
            "PNCounter",
            "Vote",
        ]
    )

    def __getattr__(name: str) -> object:
        if name in _LATER:
            raise Invalid(f"adjoin.{name} comes with replicated entities (CRDTs), in a later version of adjoin")
        raise AttributeError(f"module 'adjoin' has no attribute {name!r}")
