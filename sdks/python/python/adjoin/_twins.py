# SPDX-License-Identifier: Apache-2.0
"""Twins: for every class with fields, a msgspec Struct that has its wire names.

msgspec cannot rename the fields of a dataclass, nor leave out unset optionals only. A twin can, and
``msgspec.convert(value, twin, from_attributes=True)`` makes one from a value in C, checking every type on the way. The
*write* twin has defaults for nothing but unset optionals, so ``omit_defaults`` leaves out exactly those; the *read*
twin has the class's own defaults.
"""

from __future__ import annotations

import threading
import types
import typing
from typing import Annotated, Any, ForwardRef, Literal, TypedDict, TypeVar, Union, cast

import msgspec

from adjoin._fields import MISSING, Field, fields_of, is_record

Purpose = Literal["read", "write", "wide"]
"""What a wire type is for; ``wide`` writes integers of any size, ``write`` refuses those that JSON readers round."""

EXACT = 2**53
"""Integers of JSON are exact up to here in every language; beyond, they travel as strings."""

_annotated: Any = Annotated

_twins: dict[tuple[Purpose, Any], Any] = {}
_lock = threading.RLock()


class _Build:
    """One walk: twins under construction have a name, by which those inside may refer to them."""

    def __init__(self) -> None:
        self.names: dict[tuple[Purpose, Any], str] = {}
        self.made: dict[tuple[Purpose, Any], tuple[str, Any]] = {}

    def link(self) -> None:
        """Lets msgspec resolve references: it looks among the attributes of the class that has one."""
        for _, twin in self.made.values():
            for name, target in self.made.values():
                setattr(twin, name, target)

    def undo(self) -> None:
        for key in self.made:
            del _twins[key]


_build: _Build | None = None


def wire_type(tp: Any, purpose: Purpose) -> Any:
    """``tp`` with every class in it replaced by its twin."""
    global _build
    with _lock:
        if _build is not None:
            return _mapped(tp, purpose)
        _build = build = _Build()
        try:
            mapped = _mapped(tp, purpose)
            build.link()
        except BaseException:
            build.undo()
            raise
        finally:
            _build = None
        return mapped


def _mapped(tp: Any, purpose: Purpose) -> Any:
    origin = typing.get_origin(tp)
    if is_record(origin or tp):
        return _twin(tp, purpose)
    if typing.is_typeddict(origin or tp):
        return _typed_dict(tp, purpose)
    if origin is Annotated:
        inner, *extras = typing.get_args(tp)
        if inner is int and purpose == "write":
            return _annotated[tuple([int, *_bounded(extras)])]  # noqa: C409
        return _annotated[tuple([_mapped(inner, purpose), *extras])]  # noqa: C409
    if origin in (Union, types.UnionType):
        return Union[tuple(_mapped(arm, purpose) for arm in typing.get_args(tp))]  # noqa: UP007
    if origin is not None and origin is not Literal:
        return _rebuilt(tp, origin, purpose)
    return _simple(tp, purpose)


def admits_none(tp: Any) -> bool:
    """Whether ``None`` is a value of ``tp``, as of ``str | None``."""
    origin = typing.get_origin(tp)
    if origin is Annotated:
        return admits_none(typing.get_args(tp)[0])
    return tp is type(None) or tp is None or (origin in (Union, types.UnionType) and type(None) in typing.get_args(tp))


def may_be_omitted(field: Field) -> bool:
    """Whether the field is left out of JSON when it is ``None``: an optional that reads back as ``None``."""
    return admits_none(field.type) and (field.required or field.default is None)


def _simple(tp: Any, purpose: Purpose) -> Any:
    if tp is int and purpose == "write":
        return _EXACT_INT
    if isinstance(tp, TypeVar):
        return _mapped(tp.__bound__, purpose) if tp.__bound__ else Any
    supertype = getattr(tp, "__supertype__", None)
    return _mapped(supertype, purpose) if supertype is not None else tp


def _bounded(extras: list[Any]) -> list[Any]:
    """The annotations of an ``int``, with bounds that are at least as tight as ``EXACT``."""
    kept: list[Any] = []
    low: float = -EXACT
    high: float = EXACT
    for extra in extras:
        if not isinstance(extra, msgspec.Meta):
            kept.append(extra)
            continue
        low = max(low, extra.ge if extra.ge is not None else low, extra.gt + 1 if extra.gt is not None else low)
        high = min(high, extra.le if extra.le is not None else high, extra.lt - 1 if extra.lt is not None else high)
        if extra.multiple_of is not None:
            kept.append(msgspec.Meta(multiple_of=extra.multiple_of))
    return [*kept, msgspec.Meta(ge=low, le=high)]


_EXACT_INT = Annotated[int, msgspec.Meta(ge=-EXACT, le=EXACT)]


def _rebuilt(tp: Any, origin: Any, purpose: Purpose) -> Any:
    args = typing.get_args(tp)
    mapped = tuple(arg if arg is Ellipsis else _mapped(arg, purpose) for arg in args)
    if all(new is old for new, old in zip(mapped, args, strict=True)):
        return tp
    return tp.copy_with(mapped) if hasattr(tp, "copy_with") else origin[mapped]


def _twin(tp: Any, purpose: Purpose) -> Any:
    key = (purpose, tp)
    if key in _twins:
        return _twins[key]
    assert _build is not None
    if key in _build.names:
        return ForwardRef(_build.names[key])
    _build.names[key] = name = f"_twin_{len(_build.names) + len(_build.made)}"
    twin = _struct(typing.get_origin(tp) or tp, tp, purpose)
    del _build.names[key]
    _twins[key] = twin
    _build.made[key] = (name, twin)
    return twin


def _struct(cls: Any, tp: Any, purpose: Purpose) -> Any:
    fields = fields_of(tp)
    return msgspec.defstruct(
        cls.__name__,
        [_member(field, purpose) for field in fields],
        rename={field.name: field.wire for field in fields},
        omit_defaults=purpose != "read",
        kw_only=True,
        module=cls.__module__,
        namespace={"__doc__": _own_doc(cls)},
    )


def _member(field: Field, purpose: Purpose) -> tuple[str, Any] | tuple[str, Any, Any]:
    tp = _mapped(field.type, purpose)
    if may_be_omitted(field):
        return (field.name, tp, None)
    if purpose != "read" or field.required:
        return (field.name, tp)
    if field.factory is not MISSING:
        return (field.name, tp, msgspec.field(default_factory=field.factory))
    return (field.name, tp, msgspec.field(default=field.default))


def _own_doc(cls: Any) -> str | None:
    doc = cast("str | None", cls.__doc__)
    # dataclass writes the signature where no docstring is; that is no text for people.
    return None if doc is None or doc.startswith(f"{cls.__name__}(") else doc


def _typed_dict(tp: Any, purpose: Purpose) -> Any:
    """A TypedDict's keys are its wire names; only the types of its values are mapped."""
    hints = typing.get_type_hints(typing.get_origin(tp) or tp)
    mapped = {name: _mapped(hint, purpose) for name, hint in hints.items()}
    if all(mapped[name] is hint for name, hint in hints.items()):
        return tp
    required = {name: hint for name, hint in mapped.items() if name in tp.__required_keys__}
    optional = {name: hint for name, hint in mapped.items() if name not in required}
    base = _new_typed_dict(tp.__name__, (TypedDict,), required, total=True)
    return _new_typed_dict(tp.__name__, (base,), optional, total=False) if optional else base


def _new_typed_dict(name: str, bases: tuple[Any, ...], members: dict[str, Any], *, total: bool) -> Any:
    return types.new_class(name, bases, {"total": total}, lambda body: body.update(__annotations__=members))
