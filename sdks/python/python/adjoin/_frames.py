# SPDX-License-Identifier: Apache-2.0
"""What crosses the native binding: tuples, whose first member says what they are.

The table in docs/python-frames.md is the contract; the other side is bindings/python/src, inward.rs and outward.rs. The
tags of each direction are small and dense, so that a list of methods, indexed by tag, is the dispatch.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

Frame: TypeAlias = tuple[Any, ...]
"""One tuple; which members it has depends on its tag."""

Record: TypeAlias = tuple[str, bytes]
"""A stored payload: type name, data."""

Payload: TypeAlias = "bytes | Record"
"""A body, a reply, a value, an element: bytes of JSON, or a record of whatever else."""

Metadata: TypeAlias = tuple[tuple[str, str], ...]
Target: TypeAlias = tuple[str, str, str, Payload, Metadata]
"""A command of an entity: entity type, entity key, command, body, metadata."""

SideEffect: TypeAlias = tuple[Target, bool, bool]
"""A call made once the command is durable: target, synchronous, durable."""

SESSION_BITS: Final = 48
"""Ids of activations, calls and of requests that handlers make carry their session above these bits; 0 in-process."""


class Host:
    """Tags of what the binding hands out (``poll``)."""

    ACTIVATE: Final = 0  # activation, entity type, key, epoch, sequence, state: Record | None
    REPLAY: Final = 1  # activation, events: [(sequence, type name, data)], last
    COMMAND: Final = 2  # see Command
    STREAM_INPUT: Final = 3  # call, data
    STREAM_INPUT_END: Final = 4  # call
    STREAM_CREDIT: Final = 5  # call, elements
    CANCEL: Final = 6  # call
    DEACTIVATE: Final = 7  # activation
    SESSION: Final = 8  # session, event bytes, value bytes, message bytes, events per command
    SESSION_END: Final = 9  # session, reason
    REPLY: Final = 10  # request, data | None, sequence, replayed
    ERROR: Final = 11  # request, error
    ELEMENT: Final = 12  # request, data | None, sequence
    END: Final = 13  # request
    READY: Final = 14  # address | None, http | None, notes: what to warn of
    REFUSED: Final = 15  # message: the host refused the spec, or a Cloudstate proxy reports
    CLOSED: Final = 16  # nothing follows
    INPUT_CREDIT: Final = 17  # request, elements
    TAGS: Final = 18


class Command:
    """Members of ``Host.COMMAND``, by index."""

    ACTIVATION: Final = 1  # 0 for an action
    CALL: Final = 2
    ENTITY_TYPE: Final = 3  # of an action; None where the activation says it
    KEY: Final = 4  # likewise
    NAME: Final = 5  # empty: nothing but the snapshot is asked for
    DATA: Final = 6  # empty: no body
    QUERY: Final = 7
    WANT_SNAPSHOT: Final = 8
    ATTEMPT: Final = 9
    ID: Final = 10  # 16 bytes
    REMAINING_MS: Final = 11  # 0: no deadline
    CALLER: Final = 12  # empty: unknown
    METADATA: Final = 13
    CHAIN: Final = 14  # "type/key", outermost first
    TYPE: Final = 15  # type name of the body


class Function:
    """Tags of what the binding takes (``submit``): a function's frames and a client's requests."""

    REPLAYED: Final = 0  # activation, sequence
    ACTIVATION_FAILED: Final = 1  # activation, error, snapshot unreadable
    REPLY: Final = 2  # activation, call, data | None
    EFFECTS: Final = 3  # activation, call, data | None, events, value | None, delete, side effects, snapshot | None
    FAILURE: Final = 4  # activation, call, error, activation ended
    FORWARD: Final = 5  # activation, call, target, events, value | None, delete, side effects, snapshot | None
    STREAM_ELEMENT: Final = 6  # call, data, side effects
    STREAM_END: Final = 7  # call, error | None
    STREAM_INPUT_CREDIT: Final = 8  # call, elements
    PRESSURE: Final = 9  # level
    CALL: Final = (
        10  # request, type, key, command, data, timeout ms, idempotency key | None, if-match | None, metadata, chain
    )
    WATCH: Final = 11  # request, type, key, query, data, after sequence | None, metadata, chain
    STREAM: Final = 12  # request, type, key, command, data, timeout ms, metadata, chain
    CANCEL: Final = 13  # request
    TAKEN: Final = 14  # request: the element was taken, one more may come
    UPLOAD: Final = 15  # request, type, key, command, b"", timeout ms, metadata, chain, whether the reply is a stream
    INPUT: Final = 16  # request, data
    INPUT_END: Final = 17  # request
