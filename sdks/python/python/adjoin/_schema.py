# SPDX-License-Identifier: Apache-2.0
"""JSON Schema 2020-12 of types, bodies and states."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec

from adjoin import _hooks
from adjoin._twins import wire_type

_REFERENCE = "#/$defs/{name}"


def schema_of(tp: Any) -> dict[str, Any]:
    """The schema of what JSON of ``tp`` looks like; names below ``$defs`` are those of the classes."""
    schemas, definitions = msgspec.json.schema_components(
        (wire_type(tp, "read"),), schema_hook=_hooks.schema_hook, ref_template=_REFERENCE
    )
    schema: dict[str, Any] = _hoisted(dict(schemas[0]), definitions)
    if definitions:
        schema["$defs"] = {name: definitions[name] for name in sorted(definitions)}
    return schema


def encoded(schema: dict[str, Any] | None) -> str:
    """The schema as JSON text, properties in the order of declaration, which numbers protobuf fields; or empty."""
    return "" if schema is None else msgspec.json.encode(schema).decode()


def shape_of(tp: Any) -> int:
    """A number that follows what JSON of ``tp`` looks like, and nothing that is written for people."""
    return zlib.crc32(msgspec.json.encode(_bare(schema_of(tp)), order="sorted"))


def _bare(part: Any) -> Any:
    if isinstance(part, dict):
        told = {name for name in ("title", "description") if isinstance(part.get(name), str)}
        return {name: _bare(item) for name, item in part.items() if name not in told}
    return [_bare(item) for item in part] if isinstance(part, list) else part


def _hoisted(schema: Any, definitions: dict[str, Any]) -> Any:
    """Moves the ``$defs`` that pydantic nests to the top, where its references look for them."""
    for part in [schema, *list(definitions.values())]:
        _collect(part, definitions)
    return schema


def _collect(part: Any, definitions: dict[str, Any]) -> None:
    if isinstance(part, dict):
        for name, definition in part.pop("$defs", {}).items():
            definitions.setdefault(name, definition)
            _collect(definition, definitions)
        for item in part.values():
            _collect(item, definitions)
    elif isinstance(part, list):
        for item in part:
            _collect(item, definitions)
