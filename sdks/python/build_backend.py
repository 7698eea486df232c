# SPDX-License-Identifier: Apache-2.0
"""The PEP 517 backend: maturin's, and a wheel that carries the RocksDB it was linked with.

In a checkout the native module names the prebuilt library in the cache of the machine by its absolute path. A wheel has
to work elsewhere, and when the cache is gone: the library lies beside the module, which looks for it there (rpath
``$ORIGIN``).
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import maturin
from maturin import (  # noqa: F401 - the hooks that stay as they are
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

CHECKOUT = Path(__file__).resolve().parents[2]
LIBRARY = "librocksdb.so"


def build_wheel(directory: str, settings: Any = None, metadata: str | None = None) -> str:
    """Builds the wheel; in a checkout whose dependencies were never fetched, fetches them first."""
    if (CHECKOUT / "xtask").is_dir() and not (CHECKOUT / ".deps" / "cargo.toml").exists():
        subprocess.run(["cargo", "xtask", "setup"], cwd=CHECKOUT, check=True)
    name: str = maturin.build_wheel(directory, settings, metadata)
    carry_library(Path(directory) / name)
    return name


def carry_library(wheel: Path) -> None:
    """Puts the library that the native module names by an absolute path beside it, if there is one."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch)
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            archive.extractall(tree)
        (module,) = [tree / name for name in names if name.startswith("adjoin/_native.") and name.endswith(".so")]
        absolute = [name for name in _patchelf("--print-needed", module).split() if name.startswith("/")]
        if not absolute:
            return
        (source,) = absolute  # anything else by an absolute path would be a mistake to ship
        shutil.copyfile(source, module.with_name(LIBRARY))
        _patchelf("--replace-needed", source, LIBRARY, module)
        _patchelf("--set-rpath", "$ORIGIN", module)
        names.insert(-1, f"adjoin/{LIBRARY}")
        _write(wheel, tree, names)


def _patchelf(*arguments: object) -> str:
    command = ["patchelf", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _write(wheel: Path, tree: Path, names: list[str]) -> None:
    """The wheel anew, with a RECORD that is true."""
    (record,) = [name for name in names if name.endswith(".dist-info/RECORD")]
    lines = [f"{name},{_hash(tree / name)},{(tree / name).stat().st_size}" for name in names if name != record]
    (tree / record).write_text("\n".join([*lines, f"{record},,", ""]))
    fresh = wheel.with_suffix(".new")
    with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.write(tree / name, name)
    fresh.replace(wheel)


def _hash(file: Path) -> str:
    digest = hashlib.sha256(file.read_bytes()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
