# SPDX-License-Identifier: Apache-2.0
"""What protoc makes of the contracts in ``protos``: the modules are importable once this one was imported."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from pathlib import Path

from adjoin.protos import FOLDER as OPTIONS
from grpc_tools import protoc

HERE = Path(__file__).parent
GOOGLE = HERE.parents[2] / "core" / "contract" / "tests" / "protos"
GENERATED = Path(tempfile.mkdtemp(prefix="adjoin-generated-"))
FILES = (
    "cloudstate/entity_key.proto",
    "cloudstate/eventing.proto",
    "google/api/annotations.proto",
    "google/api/http.proto",
    "market/v1/carts.proto",
)


def compile_contracts(into: Path) -> None:
    """Runs protoc as a user does."""
    includes = [f"-I{folder}" for folder in (OPTIONS, HERE / "protos", GOOGLE)]
    outputs = [f"--python_out={into}", f"--pyi_out={into}", f"--grpc_python_out={into}"]
    standard = f"-I{Path(protoc.__file__).parent / '_proto'}"
    if protoc.main(["protoc", *includes, standard, *outputs, *FILES]) != 0:
        raise AssertionError("protoc refused the contracts")


atexit.register(shutil.rmtree, GENERATED, ignore_errors=True)
compile_contracts(GENERATED)
sys.path.append(str(GENERATED))
