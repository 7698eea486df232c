# SPDX-License-Identifier: Apache-2.0
"""A wheel works where nothing of the checkout and its cache is."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from conftest import SDK

NATIVE = SDK / "python" / "adjoin" / "_native.abi3.so"


def test_a_wheel_carries_the_library_that_its_module_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]))
    spec = importlib.util.spec_from_file_location("build_backend", SDK / "build_backend.py")
    assert spec is not None and spec.loader is not None
    backend = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(backend)
    wheel = tmp_path / "adjoin-0-cp310-abi3-linux_x86_64.whl"
    files = {f"adjoin/{file.name}": file for file in (SDK / "python" / "adjoin").glob("*.py")}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, file in {**files, "adjoin/_native.abi3.so": NATIVE}.items():
            archive.write(file, name)
        archive.writestr("adjoin-0.dist-info/RECORD", "")
    backend.carry_library(wheel)
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
        record = archive.read("adjoin-0.dist-info/RECORD").decode()
    assert record.count("\n") == len(files) + 3  # the module, the library and RECORD itself
    needed = subprocess.run(
        ["patchelf", "--print-needed", str(site / "adjoin" / "_native.abi3.so")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "librocksdb.so" in needed.split()
    assert "/" not in needed, "nothing is named by a path of this machine"
    program = (
        "import adjoin, sys\n"
        "from adjoin import _native\n"
        "class Idle(adjoin.Action):\n"
        "    @adjoin.command\n"
        "    def idle(self) -> int: return 7\n"
        "with adjoin.App(Idle).open('journal') as rt: print(rt.call(Idle.idle, 'k'), adjoin.__file__)\n"
        "maps = open('/proc/self/maps').read()\n"
        "print([line.split()[-1] for line in maps.splitlines() if 'rocksdb' in line][0])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(site), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"7 {site}/adjoin/__init__.py", f"{site}/adjoin/librocksdb.so"]
