# SPDX-License-Identifier: Apache-2.0
"""It no longer knows ``Aged``."""

from __future__ import annotations

from dataclasses import dataclass

import adjoin
from adjoin import event, query

from versions import Known


@dataclass
class Named:
    """It has a name."""

    first: str
    last: str


@dataclass
class Person(adjoin.EventSourced, name="conformance.Person"):
    """Somebody."""

    full: str = ""

    @query
    def describe(self) -> Known:
        return Known(self.full, 0, "", [])

    @event
    def on_named(self, e: Named) -> None:
        self.full = f"{e.first} {e.last}"
