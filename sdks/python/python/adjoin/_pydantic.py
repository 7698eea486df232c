# SPDX-License-Identifier: Apache-2.0
"""Pydantic models, read, written and described by pydantic itself."""

from __future__ import annotations

import functools
import typing
from typing import Any

import msgspec

from adjoin._fields import is_pydantic
from adjoin._names import lower_camel
from adjoin._twins import admits_none
from adjoin.errors import Invalid


def encode_hook(value: Any) -> Any:
    """What msgspec writes for a value it does not know."""
    if not is_pydantic(type(value)):
        raise NotImplementedError(f"{type(value).__qualname__} cannot be written as JSON")
    return value.model_dump(mode="json", by_alias=True, exclude_none=_omits_none(typing.cast(Any, type(value))))


def instance_hook(tp: type, value: Any) -> Any:
    """What msgspec takes, when it writes, for a type it does not know: its instances only."""
    if not isinstance(value, tp):
        raise TypeError(f"expected {tp.__qualname__}, got {type(value).__qualname__}")
    return value


def decode_hook(tp: type, value: Any) -> Any:
    """What msgspec reads for a type it does not know."""
    if isinstance(value, tp):
        return value
    if not is_pydantic(tp):
        raise NotImplementedError(f"{tp.__qualname__} cannot be read from JSON")
    return typing.cast(Any, tp).model_validate_json(msgspec.json.encode(value))


def schema_hook(tp: type) -> dict[str, Any]:
    """The JSON Schema of a type that msgspec does not know."""
    if not is_pydantic(tp):
        raise NotImplementedError
    return dict(typing.cast(Any, tp).model_json_schema(by_alias=True))


def check_names(model: Any) -> None:
    """Refuses models whose field names would differ from every other language's.

    Raises:
        Invalid: naming the field and both ways out.
    """
    for found in _models(model):
        for name, info in found.model_fields.items():
            wire = info.serialization_alias or info.alias or name
            if wire == name and lower_camel(name) != name:
                raise Invalid(
                    f"{found.__qualname__}.{name} would be {name!r} on the wire, where names are lowerCamel: give the "
                    "model ConfigDict(alias_generator=to_camel, populate_by_name=True), or the field an alias"
                )


@functools.cache
def _omits_none(model: Any) -> bool:
    """Whether ``None`` may be left out of JSON everywhere below ``model``: every optional reads back as ``None``."""
    return all(
        info.default is None and not info.is_required()
        for found in _models(model)
        for info in found.model_fields.values()
        if admits_none(info.annotation)
    )


def _models(tp: Any, seen: set[Any] | None = None) -> set[Any]:
    seen = set() if seen is None else seen
    if is_pydantic(tp) and tp not in seen:
        seen.add(tp)
        for info in tp.model_fields.values():
            _models(info.annotation, seen)
    for part in typing.get_args(tp):
        _models(part, seen)
    return seen
