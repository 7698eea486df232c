# SPDX-License-Identifier: Apache-2.0
"""The slow path of reading: JSON that is right but that msgspec does not take as it stands.

Integers beyond ±2^53 come as strings, and fields may come under the name of an older record.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Union

from adjoin._fields import fields_of, is_record, walk
from adjoin._twins import EXACT

_DIGITS = re.compile(r"-?[1-9][0-9]{15,}", re.ASCII)


def mended(value: Any, tp: Any) -> Any:
    """``value``, decoded JSON meant as a ``tp``, with strings for integers and old field names set right."""
    origin, args = typing.get_origin(tp), typing.get_args(tp)
    if origin is Annotated:
        return mended(value, args[0])
    if origin in (Union, types.UnionType):
        return _arm(value, args)
    if tp is int and isinstance(value, str) and _DIGITS.fullmatch(value) and abs(int(value)) > EXACT:
        return int(value)
    if isinstance(value, dict):
        return _object(value, tp, origin, args)
    if isinstance(value, list):
        return [mended(item, arm) for item, arm in zip(value, _items(len(value), origin, args), strict=False)]
    return value


def has_aliases(tp: Any) -> bool:
    """Whether any field below ``tp`` may stand under an older name."""
    records = (part for part in walk(tp) if is_record(typing.get_origin(part) or part))
    return any(field.aliases for record in records for field in fields_of(record))


def narrowed(value: Any) -> Any:
    """Decoded JSON with every integer beyond ±2^53 as a string."""
    if isinstance(value, dict):
        return {name: narrowed(item) for name, item in value.items()}
    if isinstance(value, list):
        return [narrowed(item) for item in value]
    return str(value) if type(value) is int and abs(value) > EXACT else value


def _arm(value: Any, arms: tuple[Any, ...]) -> Any:
    if isinstance(value, str):
        return value if str in arms else mended(value, int if int in arms else Any)
    for arm in arms:
        if isinstance(value, (dict, list)) and arm is not type(None):
            changed = mended(value, arm)
            if changed != value:
                return changed
    return value


def _object(value: dict[str, Any], tp: Any, origin: Any, args: tuple[Any, ...]) -> Any:
    if typing.is_typeddict(tp):
        hints = typing.get_type_hints(tp)
        return {name: mended(item, hints.get(name, Any)) for name, item in value.items()}
    if not is_record(origin or tp):
        return {name: mended(item, args[1]) for name, item in value.items()} if len(args) == 2 else value
    out = dict(value)
    for field in fields_of(tp):
        for name in (field.wire, *field.aliases):
            if name in out:
                out[field.wire] = mended(out.pop(name), field.type)
                break
    return out


def _items(count: int, origin: Any, args: tuple[Any, ...]) -> Iterator[Any]:
    if origin is tuple and Ellipsis not in args:
        return iter(args)
    return iter([args[0] if args else Any] * count)
