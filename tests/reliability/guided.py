"""Inputs that go where no input went before: atheris on the readers, for so many seconds each.

    pip install atheris     # there are wheels for Linux, and not for every Python
    python tests/reliability/guided.py [--seconds 60] [--seed 1] [NAME ...]

Names are those in `readers.py`, all of them by default. A reader that takes 20 seconds, asks for
2 GB, or raises what it should not is named, with the input in the folder `--to`, and the exit code
is 1. No part of `make test`: hypothesis damages files there (`test_fuzz.py`), and does not see
which lines they reach.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))
PACKAGES = [f"oneway.{name}" for name in ("circuits", "rules", "analysis", "backends", "training")]


def fuzz(name: str, seconds: int, seed: int, to: Path) -> None:
    """Try one reader in this process, which libFuzzer ends."""
    with atheris.instrument_imports(include=PACKAGES):
        from reliability.readers import KINDS, Reader

    found: dict[str, Reader] = {}
    for kind in KINDS:
        found |= kind()
    reader = found[name]
    known, work = to / f"known-{name}", Path(tempfile.mkdtemp(prefix="oneway-fuzz-"))
    known.mkdir(exist_ok=True)
    for i, content in enumerate(reader.good()):
        (known / f"good{i}").write_bytes(content)

    def one(content: bytes) -> None:
        path = work / f"file{reader.suffix}"
        path.write_bytes(content)
        try:
            reader.read(path)
        except reader.errors as error:
            if not str(error).strip():
                raise AssertionError("an error that says nothing") from error

    how = [f"-max_total_time={seconds}", f"-seed={seed}", "-timeout=20", "-rss_limit_mb=2800"]
    how += ["-malloc_limit_mb=2048"]
    how += [f"-artifact_prefix={to}/{name}-", "-verbosity=0", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], str(known), *how], one)
    atheris.Fuzz()


def names() -> list[str]:
    from reliability.readers import KINDS

    return [name for kind in KINDS for name in kind()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--to", type=Path, default=Path(tempfile.gettempdir()) / "oneway-guided")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    if given.here:
        fuzz(given.names[0], given.seconds, given.seed, given.to)
    failed = []
    for name in given.names or names():
        words = [sys.executable, __file__, "--here", name, "--to", str(given.to)]
        words += ["--seconds", str(given.seconds), "--seed", str(given.seed)]
        ended = subprocess.run(words, capture_output=True, text=True, errors="replace")
        (given.to / f"{name}.log").write_text(ended.stdout + ended.stderr)
        tried = re.search(r"number_of_executed_units: (\d+)", ended.stderr)
        said = "ok" if not ended.returncode else f"failed, see {given.to / name}.log"
        print(f"{name}: {tried[1] if tried else '?'} inputs, {said}", flush=True)
        failed += [name] if ended.returncode else []
    return int(bool(failed))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
