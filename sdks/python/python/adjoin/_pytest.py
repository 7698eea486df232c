# SPDX-License-Identifier: Apache-2.0
"""The pytest plug-in: a fixture that opens services in memory.

def test_a_cart_is_filled(adjoin_rt) -> None:
    rt = adjoin_rt(Cart, Profile)
    assert rt.entity(Cart, "ada").add_item(Item("p1", "Book")) == 1
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest

from adjoin._app import App
from adjoin._client import Runtime
from adjoin.testing import _no_clock


class OpenInMemory(Protocol):
    """What the fixture gives: opens an app, or entity classes, in memory; closed when the test ends."""

    def __call__(self, *what: App | type, http: str | None = None, clock: None = None) -> Runtime: ...


@pytest.fixture
def adjoin_rt() -> Iterator[OpenInMemory]:
    """Opens services in memory, and looks for changes behind ``emit``.

    A test calls it with an app or with entity classes; what it opened is closed when the test ends.
    """
    with ExitStack() as stack:

        def opened(*what: App | type, http: str | None = None, clock: object = None) -> Runtime:
            _no_clock(clock)
            apps = [part for part in what if isinstance(part, App)]
            app = apps[0] if apps else App(*(part for part in what if isinstance(part, type)))
            return stack.enter_context(app.open(http=http, check_state=True))

        yield opened
