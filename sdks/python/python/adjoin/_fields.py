# SPDX-License-Identifier: Apache-2.0
"""Classes with fields – dataclasses, attrs, msgspec Structs, TypedDicts – looked at in one way."""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeVar

import msgspec

from adjoin._names import lower_camel
from adjoin.errors import Invalid

MISSING: Any = dataclasses.MISSING
_WIRE = "adjoin.wire"
_ALIASES = "adjoin.aliases"


def named(wire: str | None = None, *, aliases: tuple[str, ...] | list[str] = ()) -> dict[str, Any]:
    """The ``metadata`` of a dataclass or attrs field that is called ``wire`` on the wire and in the journal.

    ``aliases`` are names under which older records hold it: they are read, never written.

        qty: int = field(default=1, metadata=adjoin.named(aliases=["quantity"]))
    """
    return {_WIRE: wire, _ALIASES: tuple(aliases)}


class Field(typing.NamedTuple):
    """One field of a class: ``native`` is the name msgspec would give it in JSON, ``wire`` the one adjoin gives."""

    name: str
    native: str
    wire: str
    aliases: tuple[str, ...]
    type: Any
    default: Any
    factory: Callable[[], Any] | Any

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is MISSING and self.factory is MISSING


def is_record(tp: Any) -> bool:
    """Whether ``tp`` is a class whose fields adjoin names: dataclass, attrs, or a plain msgspec Struct."""
    if not isinstance(tp, type) or is_pydantic(tp):
        return False
    if issubclass(tp, msgspec.Struct):
        config = tp.__struct_config__
        return config.tag is None and not config.array_like
    return dataclasses.is_dataclass(tp) or hasattr(tp, "__attrs_attrs__")


def is_pydantic(tp: Any) -> bool:
    """Whether ``tp`` is a pydantic model; never imports pydantic."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(tp, type) and issubclass(tp, pydantic.BaseModel)


def fields_of(tp: Any) -> list[Field]:
    """The fields of a record class or of a parametrised one (``Box[int]``), in order, with resolved types.

    Raises:
        Invalid: when a field would not be stored, or a type cannot be resolved.
    """
    cls = typing.get_origin(tp) or tp
    hints = hints_of(cls)
    bound = dict(zip(getattr(cls, "__parameters__", ()), typing.get_args(tp), strict=False))
    found = _struct_fields(cls, hints) if issubclass(cls, msgspec.Struct) else _declared_fields(cls, hints)
    return [field._replace(type=substitute(field.type, bound)) for field in found] if bound else found


def walk(tp: Any) -> Iterator[Any]:
    """Every type hint below ``tp``, itself included, each once."""
    seen: dict[int, Any] = {}
    ahead = [tp]
    while ahead:
        part = ahead.pop()
        if id(part) in seen or part is Ellipsis or isinstance(part, (str, bytes, int)):
            continue
        seen[id(part)] = part
        yield part
        if typing.get_origin(part) is not Literal:
            ahead += typing.get_args(part)
        supertype = getattr(part, "__supertype__", None)
        ahead += [supertype] if supertype is not None else _members(part)


def _members(tp: Any) -> list[Any]:
    cls = typing.get_origin(tp) or tp
    if is_record(cls):
        return [field.type for field in fields_of(tp)]
    if typing.is_typeddict(cls):
        return list(hints_of(cls).values())
    if isinstance(cls, type) and issubclass(cls, msgspec.Struct):
        return [info.type for info in msgspec.structs.fields(cls)]
    return []


def hints_of(what: Any) -> dict[str, Any]:
    """``typing.get_type_hints`` that says where it failed."""
    try:
        return typing.get_type_hints(what, include_extras=True)
    except NameError as error:
        raise Invalid(
            f"the type hints of {what.__module__}.{what.__qualname__} name {error.name!r}, which is not known there: "
            "define it at the top of its module"
        ) from error


def substitute(tp: Any, bound: Mapping[Any, Any]) -> Any:
    """``tp`` with its type variables replaced."""
    if isinstance(tp, TypeVar):
        return bound.get(tp, tp)
    parameters = getattr(tp, "__parameters__", ())
    return tp[tuple(bound.get(p, p) for p in parameters)] if parameters and not isinstance(tp, type) else tp


def _struct_fields(cls: Any, hints: dict[str, Any]) -> list[Field]:
    out = []
    for info in msgspec.structs.fields(cls):
        # A name of its own on the wire (``rename=``, ``field(name=)``) is the user's decision.
        wire = info.encode_name if info.encode_name != info.name else lower_camel(info.name)
        default = MISSING if info.default is msgspec.NODEFAULT else info.default
        factory = MISSING if info.default_factory is msgspec.NODEFAULT else info.default_factory
        out.append(Field(info.name, info.encode_name, wire, (), hints.get(info.name, info.type), default, factory))
    return out


def _declared_fields(cls: Any, hints: dict[str, Any]) -> list[Field]:
    out = []
    for name, init, metadata, default, factory in _declarations(cls):
        if not init:
            raise Invalid(
                f"{cls.__qualname__}.{name} is init=False, so it could not be read back: give it a default instead, "
                "or compute it in a property"
            )
        wire = metadata.get(_WIRE) or lower_camel(name)
        out.append(Field(name, name, wire, metadata.get(_ALIASES, ()), hints.get(name, Any), default, factory))
    return out


def _declarations(cls: Any) -> list[tuple[str, bool, Mapping[Any, Any], Any, Any]]:
    if dataclasses.is_dataclass(cls):
        return [(f.name, f.init, f.metadata, f.default, f.default_factory) for f in dataclasses.fields(cls)]
    out: list[tuple[str, bool, Mapping[Any, Any], Any, Any]] = []
    for attribute in cls.__attrs_attrs__:
        default, factory = attribute.default, MISSING
        if hasattr(default, "factory"):
            if default.takes_self:
                raise Invalid(f"{cls.__qualname__}.{attribute.name}: a default that takes self cannot be read back")
            default, factory = MISSING, default.factory
        elif repr(default) == "NOTHING":
            default = MISSING
        out.append((attribute.name, attribute.init, attribute.metadata, default, factory))
    return out
