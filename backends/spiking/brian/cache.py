"""Compiled programs that outlive the process that compiled them, in the user's cache folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import brian2
import numpy as np
from brian2 import Quantity, prefs

from oneway.circuits.json_text import parse_json

from .compiling import compiler

MANIFEST = "program.json"
LIMIT_BYTES = 2**30


def cache_folder() -> Path:
    """Where this user's compiled programs lie: in XDG_CACHE_HOME, or in ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "oneway" / "spiking"


@dataclass(frozen=True)
class ProgramCache:
    """Programs by what they are made of; the one that was used longest ago goes first.

    Entries are only ever moved into place whole, and checked when they are read: processes may
    share the folder, and what is broken counts as not there. Nothing here raises: without a folder
    that can be written, every program is compiled.
    """

    folder: Path
    limit_bytes: int = LIMIT_BYTES

    def fetch(self, key: str, into: Path) -> Any | None:
        """Copy a program into a folder; what was said of it when it was kept, or None."""
        entry = self.folder / key
        if not entry.is_dir():
            return None
        try:
            manifest = parse_json((entry / MANIFEST).read_text(encoding="utf-8"))
            for name, digest in manifest["files"].items():
                file = into / name
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(entry / name, file)
                if _digest(file) != digest:
                    raise ValueError(name)
            os.utime(entry)
            return manifest["about"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            shutil.rmtree(into, ignore_errors=True)
            _remove(entry)
            return None

    def keep(self, key: str, program: Path, names: list[str], about: Any) -> None:
        """Keep files of a program, and what is to be known of it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            new = Path(tempfile.mkdtemp(prefix=".new_", dir=self.folder))
        except OSError:
            return
        try:
            for name in names:
                (new / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(program / name, new / name)
            files = {name: _digest(new / name) for name in names}
            text = json.dumps({"files": files, "about": about})
            (new / MANIFEST).write_text(text, encoding="utf-8")
            new.rename(self.folder / key)  # fails where another process was faster
        except OSError:
            shutil.rmtree(new, ignore_errors=True)
        self._trim(key)

    def _trim(self, newest: str) -> None:
        """Remove what was used longest ago, until the rest is within the limit."""
        ages = []
        for entry in self.folder.iterdir():
            try:
                size = sum(f.stat().st_size for f in entry.rglob("*") if f.is_file())
                ages.append((entry.name == newest, entry.stat().st_mtime, size, entry))
            except OSError:  # another process has removed it
                continue
        total = sum(size for _, _, size, _ in ages)
        for is_newest, _, size, entry in sorted(ages):
            if total > self.limit_bytes and not is_newest:
                _remove(entry)
                total -= size


def _remove(entry: Path) -> None:
    """At once for all who look for it, then bit by bit."""
    try:
        gone = Path(tempfile.mkdtemp(prefix=".old_", dir=entry.parent))
        entry.rename(gone / entry.name)
        shutil.rmtree(gone, ignore_errors=True)
    except OSError:
        shutil.rmtree(entry, ignore_errors=True)


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "blake2b").hexdigest()


# -- keys ----------------------------------------------------------------------------------------


def key_of(*what: Any) -> str:
    """A name for a program that is made of all this, by these versions, for this processor."""
    hasher = hashlib.blake2b(digest_size=20)
    _feed(hasher, (what, brian2.__version__, _own_version(), prefs.as_file, _compiler_says()))
    return hasher.hexdigest()


def _feed(hasher: Any, value: Any) -> None:
    hasher.update(f"<{type(value).__name__}>".encode())
    if isinstance(value, np.ndarray):
        dimensions = repr(value.dim) if isinstance(value, Quantity) else ""
        hasher.update(f"{value.dtype}{value.shape}{dimensions}".encode())
        hasher.update(np.ascontiguousarray(value).tobytes())
    elif is_dataclass(value):
        for described in fields(value):
            _feed(hasher, getattr(value, described.name))
    elif isinstance(value, Mapping):
        _feed(hasher, [part for item in value.items() for part in item])
    elif isinstance(value, list | tuple):
        for part in value:
            _feed(hasher, part)
    else:
        hasher.update(repr(value).encode())


def _own_version() -> list[str]:
    """Ours, with the text of this folder: an installation that is being worked on has one too."""
    try:
        ours = version("oneway")
    except PackageNotFoundError:
        ours = ""
    here = Path(__file__).parent
    texts = sorted([*here.glob("*.py"), *here.glob("templates/*")])
    return [ours, *(text.read_text(encoding="utf-8") for text in texts)]


def _compiler_says() -> str:
    """Its version, and what it makes of this processor."""
    command = [compiler(), "-march=native", "-v", "-E", "-x", "c++", os.devnull]
    try:
        return subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ).stderr
    except OSError:
        return "none"
