# SPDX-License-Identifier: Apache-2.0
"""Bounds that a handler's effects are checked against before they are taken."""

from __future__ import annotations

from typing import NamedTuple

from adjoin.errors import Exhausted


class Limits(NamedTuple):
    """What a host accepts; sizes in bytes. The defaults are the host's own."""

    event_bytes: int = 1 << 20
    value_bytes: int = 64 << 20
    message_bytes: int = 64 << 20
    events_per_command: int = 10_000


def too_large(what: str, size: int, limit: int) -> Exhausted:
    """The error of a payload that is beyond its limit."""
    return Exhausted(f"{what} has {size} bytes, the limit is {limit}: split it, or raise the limit of the host")
