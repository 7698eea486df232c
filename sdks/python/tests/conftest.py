# SPDX-License-Identifier: Apache-2.0
"""What the tests share: the shop, and a host that does as it is told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SHOP = Path(__file__).parents[3] / "examples" / "shop" / "python"
sys.path.insert(0, str(SHOP))
sys.path.insert(0, str(Path(__file__).parent))

from scripted import Scripted  # noqa: E402


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    """Makes scripted hosts, and ends them."""
    made: list[Scripted] = []

    def make(*classes: type) -> Scripted:
        made.append(Scripted(*classes))
        return made[-1]

    yield make
    for host in made:
        host.end()
