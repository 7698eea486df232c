# SPDX-License-Identifier: Apache-2.0
"""The model services of the interop suite, on this SDK."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SDK
from generated import GOOGLE
from grpc_tools import protoc

INTEROP = SDK.parents[1] / "conformance/interop"


@pytest.fixture(scope="module")
def descriptors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the runner of the suite compiles."""
    made = tmp_path_factory.mktemp("models") / "descriptors.bin"
    protos = INTEROP / "proto"
    includes = [f"-I{protos}", f"-I{GOOGLE}", f"-I{Path(protoc.__file__).parent / '_proto'}"]
    files = [str(file.relative_to(protos)) for file in sorted(protos.rglob("*.proto"))]
    assert protoc.main(["protoc", *includes, "--include_imports", f"--descriptor_set_out={made}", *files]) == 0
    return made


def test_they_do_what_their_requests_list(descriptors: Path) -> None:
    command = [sys.executable, str(Path(__file__).parent / "models.py"), str(descriptors)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "all as the contracts say\n", done.stdout + done.stderr


def test_they_listen_say_so_and_end_when_told(descriptors: Path) -> None:
    command = [sys.executable, str(INTEROP / "python/service.py"), str(descriptors)]
    environment = {**os.environ, "HOST": "127.0.0.1", "PORT": "0"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening on 127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
