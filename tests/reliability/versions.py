"""The tests with the lowest and the newest versions that pyproject.toml admits.

For every Python that is named, each end, with and without Brian2: an environment of its own, the
built package in it, and the tests, or the ones that are named after `--`. Prints a line for each,
with the versions of what matters, and exits with 1 if one failed. Not part of `make test`: each
takes as long as that.

    python tests/reliability/versions.py [--python python3.11 python3.12 ...] [--ends lowest newest]
        [--keep torch==2.13.0] [--to FOLDER] [-- PYTEST OPTIONS]

`--keep` says which version of a package to take at either end, as for torch, whose builds for CPUs
may lie elsewhere. The newest versions are limited by nothing but pyproject.toml.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENDS = ("lowest", "newest")
WITH, WITHOUT = "with brian2", "without brian2"
EXTRAS = {WITH: ("graphs", "spiking", "test"), WITHOUT: ("graphs", "test")}
SHOWN = ("numpy", "scipy", "torch", "matplotlib", "networkx", "scikit-learn", "pillow", "brian2")


def bounds(extras: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Name and lowest version of everything that is required."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    for required in [*project["dependencies"], *(r for extra in extras for r in optional[extra])]:
        match = re.match(r"([\w-]+)>=([\d.]+)", required)
        if match:
            yield match[1], match[2]


def constraints(end: str, kind: str, keep: Sequence[str]) -> list[str]:
    kept = {one.partition("==")[0] for one in keep}
    lowest = (f"{n}=={v}" for n, v in bounds(EXTRAS[kind]) if n not in kept)
    return [*keep, *(lowest if end == "lowest" else ())]


def run(python: str, end: str, kind: str, given: argparse.Namespace) -> bool:
    """Whether the tests pass there."""
    where = Path(given.to) / f"{Path(python).name}-{end}-{kind.replace(' ', '-')}"
    shutil.rmtree(where, ignore_errors=True)
    subprocess.run([python, "-m", "venv", str(where)], check=True)
    own = str(where / "bin" / "python")
    limits = where / "constraints.txt"
    limits.write_text("\n".join(constraints(end, kind, given.keep)) + "\n")
    install = [own, "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    install += ["-c", str(limits), "setuptools>=70.1", f"{ROOT}[{','.join(EXTRAS[kind])}]"]
    log = where / "log.txt"
    with log.open("w") as to:
        done = subprocess.run(install, stdout=to, stderr=to)
        said = "cannot be installed"
        if not done.returncode:
            tests = [own, "-m", "pytest", "-q", "-p", "no:cacheprovider", *given.tests]
            done = subprocess.run(tests, cwd=ROOT, stdout=to, stderr=to)
            said = ""
    lines = log.read_text(errors="replace").strip().splitlines() or [""]
    print(f"{python}, {end}, {kind}: {said or lines[-1]} ({_versions(own)}); {log}", flush=True)
    return not done.returncode


def _versions(python: str) -> str:
    code = (
        "from importlib.metadata import version, PackageNotFoundError as E\n"
        f"for n in {SHOWN}:\n"
        "    try: print(n, version(n), end=' ')\n"
        "    except E: pass\n"
    )
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", nargs="+", default=[sys.executable], metavar="PYTHON")
    parser.add_argument("--ends", nargs="+", default=ENDS, choices=ENDS)
    parser.add_argument("--kinds", nargs="+", default=[WITH, WITHOUT], choices=[WITH, WITHOUT])
    parser.add_argument("--keep", nargs="+", default=[], metavar="NAME==VERSION")
    parser.add_argument("--to", default=tempfile.gettempdir(), metavar="FOLDER")
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    given = parser.parse_args(arguments[:cut])
    given.tests = arguments[cut + 1 :]
    cases = product(given.python, given.ends, given.kinds)
    return int(not all([run(python, end, kind, given) for python, end, kind in cases]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
