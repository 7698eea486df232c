# SPDX-License-Identifier: Apache-2.0
"""The example of docs/contract-first.md does what the page says, compiled as the page says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from conftest import SDK

EXAMPLE = SDK.parents[1] / "examples" / "contract" / "python"


def test_the_example_of_the_page_runs(tmp_path: Path) -> None:
    printed = subprocess.run([sys.executable, "-m", "adjoin.protos"], capture_output=True, text=True, check=True)
    outputs = [f"--python_out={tmp_path}", f"--pyi_out={tmp_path}"]
    options = printed.stdout.strip()
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{EXAMPLE}", f"-I{options}", *outputs]
    subprocess.run([*protoc, "carts.proto", "cloudstate/entity_key.proto"], check=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], str(tmp_path)])}
    done = subprocess.run(
        [sys.executable, str(EXAMPLE / "carts.py")],
        capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # Whether the mailer hears of it before the program ends is a matter of luck.
    printed_lines = done.stdout.splitlines()
    assert "1" in printed_lines and {*printed_lines} <= {"1", "ada put book into the cart"}


def test_the_page_shows_the_example() -> None:
    page = (SDK.parents[1] / "docs" / "contract-first.md").read_text()
    for file in ("carts.proto", "carts.py"):
        shown = (EXAMPLE / file).read_text().partition("\n")[2].rstrip()  # without the line of the licence
        assert shown in page
