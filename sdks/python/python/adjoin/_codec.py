# SPDX-License-Identifier: Apache-2.0
"""Values to canonical JSON and back, by type hint; messages of protobuf to their bytes.

Canonical means: UTF-8, no spaces, keys sorted, defaults written, unset optionals left out, shortest round-trip floats,
integers as numbers up to ±2^53 and as strings beyond. The same value has the same bytes in every language.
"""

from __future__ import annotations

import re
import threading
import typing
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from adjoin import _hooks, _mend, _messages, _pydantic
from adjoin._fields import fields_of, is_pydantic, is_record, walk
from adjoin._messages import is_message
from adjoin._twins import may_be_omitted, wire_type

T = TypeVar("T")

READ_ERRORS = (msgspec.MsgspecError, UnicodeError, RecursionError, NotImplementedError)
"""What decoding raises when the bytes are no value of the type."""

WRITE_ERRORS = (msgspec.MsgspecError, TypeError, OverflowError, RecursionError, NotImplementedError, UnicodeError)
"""What encoding raises when the value is none of the type."""

_to_json = msgspec.json.Encoder(order="sorted", enc_hook=_hooks.encode_hook).encode
_LONG = re.compile(rb"[0-9]{16}")


class Codec(Generic[T]):
    """Reads and writes values of one type.

    Attributes:
        type: The type hint.
        encode: Value to canonical JSON; checks every type on the way. Raises one of ``WRITE_ERRORS``.
        decode: JSON to value. Raises one of ``READ_ERRORS``.
    """

    __slots__ = ("decode", "encode", "type")

    def __init__(self, tp: Any) -> None:
        self.type = tp
        self.encode: Callable[[T], bytes]
        self.decode: Callable[[bytes], T]
        if is_message(tp):
            self.encode, self.decode = _message(tp)
            return
        for part in walk(tp):
            if is_pydantic(part):
                _pydantic.check_names(part)
        self.encode, self.decode = _encoder(tp), _decoder(tp)


_codecs: dict[Any, Codec[Any]] = {}
_lock = threading.Lock()


def codec_for(tp: Any) -> Codec[Any]:
    """The codec of a type hint; made once.

    Raises:
        Invalid: when a class in it cannot be stored faithfully.
        TypeError: when msgspec cannot handle the type.
    """
    try:
        found = _codecs.get(tp)
    except TypeError:  # an unhashable annotation
        return Codec(tp)
    if found is None:
        found = Codec(tp)
        with _lock:
            found = _codecs.setdefault(tp, found)
    return found


def _message(tp: Any) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    """A message is its own bytes, nothing else."""

    def encode(value: Any) -> bytes:
        return _messages.write(_hooks.instance_hook(tp, value))

    def decode(data: bytes) -> Any:
        try:
            return _messages.read(tp, data)
        except ValueError as error:
            raise msgspec.ValidationError(str(error)) from error

    return encode, decode


def _encoder(tp: Any) -> Callable[[Any], bytes]:
    to_exact, wide, validation = _converter(wire_type(tp, "write")), wire_type(tp, "wide"), msgspec.ValidationError
    loose = _has_any(tp)

    def encode(value: Any) -> bytes:
        try:
            data = _to_json(to_exact(value))
        except validation:
            wider = msgspec.convert(value, wide, from_attributes=True, dec_hook=_hooks.instance_hook)
            return _narrow(_to_json(wider))
        return _narrow(data) if loose and _LONG.search(data) else data

    return encode


def _converter(tp: Any) -> Callable[[Any], Any]:
    """``msgspec.convert`` to ``tp``, its instances taken as they are. Refuses, here and now, types it cannot handle.

    msgspec keeps what it knows about a class, but looks at every other hint anew in each call: those are given a class
    to stand in.
    """
    convert, hook = msgspec.convert, _hooks.instance_hook
    msgspec.json.Decoder(tp, dec_hook=_hooks.decode_hook)
    if isinstance(tp, type):
        return lambda value: convert(value, tp, from_attributes=True, dec_hook=hook)
    held: Any = msgspec.defstruct("Held", [("value", tp)], array_like=True)
    return lambda value: convert((value,), held, from_attributes=True, dec_hook=hook).value


def _narrow(data: bytes) -> bytes:
    return _to_json(_mend.narrowed(msgspec.json.decode(data)))


def _decoder(tp: Any) -> Callable[[bytes], Any]:
    native = not _differs(tp)
    read = tp if native else wire_type(tp, "read")
    fast = msgspec.json.Decoder(read, dec_hook=_hooks.decode_hook).decode
    finish: Callable[[Any], Any] = (lambda value: value) if native else _converter(tp)

    def whole(data: bytes) -> Any:
        mended = _mend.mended(msgspec.json.decode(data), tp)
        return finish(msgspec.convert(mended, read, dec_hook=_hooks.decode_hook))

    def decode(data: bytes) -> Any:
        try:
            value = fast(data)
        except msgspec.ValidationError:
            return whole(data)
        return finish(value)

    if _mend.has_aliases(tp):
        return whole
    return _plain(fast, whole) if native else decode


def _plain(fast: Callable[[bytes], Any], whole: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def decode(data: bytes) -> Any:
        try:
            return fast(data)
        except msgspec.ValidationError:
            return whole(data)

    return decode


def _differs(tp: Any) -> bool:
    """Whether JSON of ``tp`` has other names, or other required ones, than msgspec would read into ``tp`` itself."""
    records = (part for part in walk(tp) if is_record(typing.get_origin(part) or part))
    return any(
        field.wire != field.native or (field.required and may_be_omitted(field))
        for record in records
        for field in fields_of(record)
    )


def _has_any(tp: Any) -> bool:
    """Whether something below ``tp`` is untyped, so that an integer there has no bounds."""
    untyped = (Any, object, dict, list, tuple, set, frozenset)
    return any(part in untyped or isinstance(part, TypeVar) or is_pydantic(part) for part in walk(tp))
