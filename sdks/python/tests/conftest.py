# SPDX-License-Identifier: Apache-2.0
"""What the tests share: the shop, and a host that does as it is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SDK = Path(__file__).parents[1]
SHOP = SDK.parents[1] / "examples" / "shop" / "python"
# What is tested is this checkout, in here and in processes that tests start, whatever else is installed.
sys.path[:0] = [str(SDK / "python"), str(SHOP), str(Path(__file__).parent)]
os.environ["PYTHONPATH"] = os.pathsep.join([str(SDK / "python"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)

import generated  # noqa: E402, F401 - makes the modules of the contracts
from adjoin._pytest import adjoin_rt  # noqa: E402, F401 - the plug-in's, also where it is not installed
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
