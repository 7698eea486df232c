# SPDX-License-Identifier: Apache-2.0
"""What type checkers say: nothing about right calls, and something about every wrong one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SDK, SHOP
from generated import GENERATED

TYPES = Path(__file__).parent / "types"
PATHS = os.pathsep.join([str(SDK / "python"), str(TYPES), str(GENERATED)])


def mypy(*files: Path) -> dict[str, set[int]]:
    """Lines that mypy --strict refuses, by file."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file=", *map(str, files)]
    environment = {**os.environ, "MYPYPATH": PATHS}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=TYPES, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(r"^(?:.*/)?(\w+\.pyi?):(\d+): error", done.stdout, re.MULTILINE)
    # Strictness is no promise of protoc's stubs, which are read too.
    asked = {file.name for file in files}
    return _by_file([(name, int(line)) for name, line in found if name in asked])


def pyright(tmp_path: Path, *files: Path) -> dict[str, set[int]]:
    """Lines that pyright refuses, by file."""
    include = [os.path.relpath(file, tmp_path) for file in files]
    settings = {"include": include, "extraPaths": PATHS.split(os.pathsep), "strict": ["**"]}
    settings |= {"reportUnusedVariable": False, "reportMissingModuleSource": False, "pythonVersion": "3.10"}
    project = tmp_path / "pyrightconfig.json"
    project.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--outputjson", "-p", str(project), "--pythonpath", sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    errors = [entry for entry in json.loads(done.stdout)["generalDiagnostics"] if entry["severity"] == "error"]
    return _by_file([(Path(entry["file"]).name, entry["range"]["start"]["line"] + 1) for entry in errors])


def _by_file(found: list[tuple[str, int]]) -> dict[str, set[int]]:
    out: dict[str, set[int]] = {}
    for name, line in found:
        out.setdefault(name, set()).add(line)
    return out


def marked(file: Path) -> set[int]:
    return {number for number, line in enumerate(file.read_text().splitlines(), 1) if line.endswith("# wrong")}


FILES = [TYPES / f"{name}.py" for name in ("right", "wrong", "contract_right", "contract_wrong")]
WRONG = {file.name: found for file in FILES if (found := marked(file))}


def test_there_are_wrong_lines_to_refuse() -> None:
    assert len(WRONG["wrong.py"]) > 20 and len(WRONG["contract_wrong.py"]) > 8


def test_mypy_takes_right_calls_and_refuses_wrong_ones() -> None:
    assert mypy(*FILES, SHOP / "shop.py") == WRONG


def test_pyright_takes_right_calls_and_refuses_wrong_ones(tmp_path: Path) -> None:
    assert pyright(tmp_path, *FILES, SHOP / "shop.py") == WRONG


@pytest.mark.parametrize("tool", ["mypy", "pyright"])
def test_the_package_itself_is_clean(tool: str) -> None:
    options = ["--no-incremental"] if tool == "mypy" else ["--pythonpath", sys.executable]
    done = subprocess.run([sys.executable, "-m", tool, *options], capture_output=True, text=True, cwd=SDK, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stub_of_the_native_module_is_true() -> None:
    command = [
        sys.executable,
        "-m",
        "mypy.stubtest",
        "adjoin._native",
        "--mypy-config-file",
        str(SDK / "pyproject.toml"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=SDK, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_finds_nothing() -> None:
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, ".", str(SHOP)],
            capture_output=True,
            text=True,
            cwd=SDK,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
