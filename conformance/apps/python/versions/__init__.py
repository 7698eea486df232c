# SPDX-License-Identifier: Apache-2.0
"""``conformance.Person`` in three versions: how events that were written by one are read by the next."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Known:
    """What a person is known by."""

    name: str
    age: int
    unit: str
    tags: list[str]


def person(version: int) -> type:
    """The type in that version."""
    if version == 1:
        from versions.first import Person
    elif version == 2:
        from versions.second import Person
    else:
        from versions.third import Person
    return Person
