# SPDX-License-Identifier: Apache-2.0
"""Names: Python's casing to the wire's, which is the same in every language."""

from __future__ import annotations

import re

from adjoin.errors import Invalid

# The rule of core/model: what can name an entity type, a command, an event.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9._$-]{0,255}", re.ASCII)


def lower_camel(name: str) -> str:
    """Turns ``add_item`` into ``addItem``; leading underscores and names already in camel case stay as they are."""
    bare = name.lstrip("_")
    head, *rest = bare.split("_")
    return name[: len(name) - len(bare)] + head + "".join(part[:1].upper() + part[1:] for part in rest)


def checked(what: str, name: str) -> str:
    """Returns ``name`` if it can name a ``what``.

    Raises:
        Invalid: naming the offender and the rule.
    """
    if _NAME.fullmatch(name) is None:
        raise Invalid(
            f"{name[:64]!r} cannot name a {what}: use 1 to 256 letters, digits, '.', '_', '-', '$', "
            "starting with a letter"
        )
    return name
