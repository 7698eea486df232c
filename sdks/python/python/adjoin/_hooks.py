# SPDX-License-Identifier: Apache-2.0
"""What msgspec does not know, inside of what it does: pydantic models, and messages of protobuf.

A message within JSON is its bytes in base64.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from adjoin import _messages, _pydantic
from adjoin._messages import is_message


def encode_hook(value: Any) -> Any:
    """What msgspec writes for a value it does not know."""
    if is_message(type(value)):
        return base64.b64encode(_messages.write(value)).decode()
    return _pydantic.encode_hook(value)


def decode_hook(tp: type, value: Any) -> Any:
    """What msgspec reads for a type it does not know."""
    if not is_message(tp) or isinstance(value, tp):
        return _pydantic.decode_hook(tp, value)
    if not isinstance(value, str):
        raise ValueError(f"{_messages.full_name(tp)} is base64 in JSON, not {type(value).__qualname__}")
    try:
        data = base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError(f"no base64 of {_messages.full_name(tp)}: {error}") from error
    return _messages.read(tp, data)


def schema_hook(tp: type) -> dict[str, Any]:
    """The JSON Schema of a type that msgspec does not know."""
    if is_message(tp):
        return {"type": "string", "contentEncoding": "base64", "contentMediaType": "application/protobuf"}
    return _pydantic.schema_hook(tp)


instance_hook = _pydantic.instance_hook
