# SPDX-License-Identifier: Apache-2.0
"""What protoc makes of the contracts in ``../../proto``, importable once this module was imported."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from pathlib import Path

from adjoin.protos import FOLDER as OPTIONS
from grpc_tools import protoc

CHECKOUT = Path(__file__).resolve().parents[4]
FILES = (
    "cloudstate/entity_key.proto",
    "google/api/annotations.proto",
    "google/api/http.proto",
    "conformance.proto",
    "shop.proto",
)


def compile_contracts(into: str) -> None:
    """Runs protoc as a user does."""
    includes = [
        OPTIONS,
        CHECKOUT / "conformance/apps/proto",
        CHECKOUT / "core/contract/tests/protos",
        Path(protoc.__file__).parent / "_proto",
    ]
    arguments = ["protoc", *(f"-I{folder}" for folder in includes), f"--python_out={into}", *FILES]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc refused the contracts")


folder = tempfile.mkdtemp(prefix="adjoin-conformance-")
atexit.register(shutil.rmtree, folder, ignore_errors=True)
compile_contracts(folder)
sys.path.append(folder)
