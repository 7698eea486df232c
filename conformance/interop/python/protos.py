# SPDX-License-Identifier: Apache-2.0
"""The contracts' messages, made of compiled descriptors: no generated code, and no compiler where this runs."""

from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


def load(path: str) -> None:
    """Adds every file of a ``FileDescriptorSet`` to the default pool, imports first."""
    with open(path, "rb") as file:
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read()).file
    waiting = {file.name: file for file in files}

    def add(name: str) -> None:
        file = waiting.pop(name, None)
        if name.startswith("google/protobuf/"):
            importlib.import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
        elif file is not None:
            for imported in file.dependency:
                add(imported)
            descriptor_pool.Default().AddSerializedFile(file.SerializeToString())

    while waiting:
        add(next(iter(waiting)))


def of(file: str) -> Any:
    """What protoc would generate for a file, as far as it is used here: its messages, and its descriptor."""
    descriptor = descriptor_pool.Default().FindFileByName(file)
    messages = {
        name: message_factory.GetMessageClass(message) for name, message in descriptor.message_types_by_name.items()
    }
    return SimpleNamespace(DESCRIPTOR=descriptor, **messages)


load(sys.argv[1])
