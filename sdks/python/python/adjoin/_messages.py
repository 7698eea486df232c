# SPDX-License-Identifier: Apache-2.0
"""Messages of protobuf, told from other types. Nothing here imports protobuf before somebody uses it."""

from __future__ import annotations

import re
import sys
from typing import Any

from adjoin.errors import Invalid

NEEDED = (5, 26)
"""The oldest protobuf that will do; the extra in pyproject.toml says the same."""

ANY = "google.protobuf.Any"
EMPTY = "google.protobuf.Empty"
PREFIX = "type.googleapis.com/"
"""What stands before a message's full name in the type name of a call or a reply."""


def is_message(tp: Any) -> bool:
    """Whether ``tp`` is the class of a protobuf message."""
    protobuf = sys.modules.get("google.protobuf.message")
    return protobuf is not None and isinstance(tp, type) and issubclass(tp, protobuf.Message)


def full_name(tp: Any) -> str:
    """The full name of a message class: ``shop.v1.ItemAdded``."""
    name: str = tp.DESCRIPTOR.full_name
    return name


def write(message: Any) -> bytes:
    """The message's bytes, the same for the same message: maps in order.

    Raises:
        TypeError: a required field is missing.
    """
    try:
        data: bytes = message.SerializeToString(deterministic=True)
    except Exception as error:
        if _is_error(error):
            raise TypeError(f"{full_name(type(message))}: {error}") from error
        raise
    return data


def read(tp: Any, data: bytes) -> Any:
    """The message of class ``tp`` that the bytes stand for.

    Raises:
        ValueError: they are none.
    """
    try:
        return tp.FromString(data)
    except Exception as error:
        if _is_error(error):
            raise ValueError(f"no {full_name(tp)}: {error}") from error
        raise


def write_json(message: Any) -> bytes:
    """The message as the JSON of proto3, for a host elsewhere whose generic face speaks nothing else.

    Raises:
        TypeError: it has no such form.
    """
    from google.protobuf import json_format

    try:
        return json_format.MessageToJson(message, indent=None).encode()
    except json_format.Error as error:
        raise TypeError(f"{full_name(type(message))}: {error}") from error


def read_json(tp: Any, data: bytes) -> Any:
    """The message of class ``tp`` that the JSON of proto3 stands for; fields that a newer service has are passed over.

    Raises:
        ValueError: it is none.
    """
    from google.protobuf import json_format

    try:
        return json_format.Parse(data, tp(), ignore_unknown_fields=True)
    except json_format.Error as error:
        raise ValueError(f"no {full_name(tp)}: {error}") from error


def check_installed(where: str) -> None:
    """Says so if protobuf is missing or too old for a contract.

    Raises:
        Invalid: with what to install.
    """
    wanted = ".".join(map(str, NEEDED))
    remedy = "pip install 'adjoin[protobuf]'"
    try:
        import google.protobuf as protobuf
    except ImportError as error:
        raise Invalid(f"{where} has a contract, which needs the package protobuf: {remedy}") from error
    numbers = tuple(int(number) for number in re.findall(r"\d+", protobuf.__version__)[:2])
    if numbers < NEEDED:
        raise Invalid(
            f"{where} has a contract, which needs protobuf {wanted}; {protobuf.__version__} is there: {remedy}"
        )


def _is_error(error: Exception) -> bool:
    from google.protobuf import message

    return isinstance(error, message.Error)
