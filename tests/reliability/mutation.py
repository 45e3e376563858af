"""The mutation score of circuits, rules, rate compiler and wiring: what the tests notice.

Code is changed at one place (a number, an operator, an argument left out) by the operators of
mutmut, and the tests that run that line are run: a test that fails has killed the mutant. Not part
of `make test`. Install what it needs beside the package's own environment:

    pip install "mutmut>=3.8" "coverage>=7.10"
    python tests/reliability/mutation.py --to FOLDER [--sample N] [--seed S] [--modules WORD ...]

In FOLDER, `record.json` says which test runs which line (taken at the first call; delete it when
tests or code changed), `SEED.jsonl` has a line for each mutant that was run, so that a call that
was stopped goes on, and `SEED.diff` the survivors. With a larger `--seconds` those that survived
for want of time are run again.

mutmut's own runner cannot be used: it leaves out what is decorated, hence every property and cached
function. Here a process that has imported torch and all that is not ours forks one child for each
mutant, which imports the package with the changed source in the place of one file. Nothing is
written to the sources. `mutants.mutants` says what is not mutated.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import gc
import importlib.abc
import importlib.util
import json
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from difflib import unified_diff
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from hypothesis import Phase, settings
from mutants import ROOT, Mutant, mutants, sample
from scipy.stats import binomtest
from which_tests import BROKEN, Record, in_a_child, record, run_tests

RATE = "activations compiler connectors kernels loss memory_plan network norms parameters"
RATE += " program values"
GROUPS = {
    "circuits": ["circuits/*.py"],
    "rules": ["rules/*.py"],
    "rate compiler": [
        *(f"backends/rate/{n}.py" for n in RATE.split()),
        "backends/rate/passes/*.py",
    ],
    "wiring": ["analysis/wiring.py", "analysis/constraints/*.py", "analysis/graphs/census.py"],
}
TEXTS = ["circuits/summary.py"]  # a page for people, as circuits/drawing is a picture
KILLED, SURVIVED, TIMED_OUT = "killed", "survived", "timed out"


# -- a process of its own ----------------------------------------------------------------------


class _Changed(importlib.abc.MetaPathFinder, SourceFileLoader):
    """Imports one file with another source."""

    def __init__(self, path: str, source: str) -> None:
        name = "oneway." + path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        super().__init__(name, str(ROOT / path))
        self._source = source

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name == self.name:
            return importlib.util.spec_from_file_location(name, self.path, loader=self)
        return None

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec", dont_inherit=True)


# -- one mutant --------------------------------------------------------------------------------


def judge(mutant: Mutant, known: Record, most_s: float, said: Path) -> dict[str, Any] | None:
    """What became of it, or None if Python does not compile it or nothing is changed."""
    source = mutant.mutated()
    before = (ROOT / mutant.path).read_text("utf-8")
    try:
        if ast.dump(ast.parse(source)) == ast.dump(ast.parse(before)):
            return None
        compile(source, mutant.path, "exec", dont_inherit=True)
    except SyntaxError:
        return None
    met = known.tests(mutant)
    chosen = _affordable(met, mutant.path, known, most_s)
    files = known.by_file(chosen, mutant)
    spent = sum(map(known.seconds.__getitem__, chosen))

    def child() -> int:
        sys.meta_path.insert(0, _Changed(mutant.path, source))
        return int(any(_fails(tests) for tests in files))

    begin = time.monotonic()
    code = in_a_child(child, 20 + 5 * round(spent), said)
    if code == BROKEN:
        print(f"{mutant.path} {mutant.number} is left out: {said.read_text()[-300:]}", flush=True)
        return None
    became = TIMED_OUT if code is None else KILLED if code else SURVIVED
    name = mutant.path
    diff = unified_diff(before.splitlines(), source.splitlines(), name, name, n=1, lineterm="")
    return {
        "path": mutant.path,
        "number": mutant.number,
        "became": became,
        "tests": len(chosen),
        "left_out": len(met) - len(chosen),
        "most_s": most_s,
        "seconds": round(time.monotonic() - begin, 2),
        "diff": "\n".join(diff),
    }


def _affordable(tests: set[str], path: str, known: Record, most_s: float) -> list[str]:
    """Those of a file named after the module, or its folder; then the fastest that time allows."""
    folder, *parts = Path(path).with_suffix("").parts
    files = {test: Path(test.partition("::")[0]) for test in tests}
    named = {f"test_{part}.py" for part in parts}
    chosen = [t for t, file in files.items() if file.parts[1] == folder and file.name in named]
    for test in sorted(tests - set(chosen), key=known.seconds.__getitem__):
        most_s -= known.seconds[test]
        if most_s < 0:
            break
        chosen.append(test)
    return chosen


class _Heard:
    """A plugin: whether a test failed, or a file with tests could not be imported."""

    failed = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        # After conftest.py has chosen a profile: an example that fails is enough, be it large.
        plain = (Phase.explicit, Phase.generate)
        settings.register_profile("mutants", settings.get_profile("ci"), phases=plain)
        settings.load_profile("mutants")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.failed |= report.failed

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= report.failed


def _fails(tests: list[str]) -> bool:
    """Whether tests of one file fail; all of it where a mutant has changed how they are called."""
    heard = _Heard()
    code = run_tests(*tests, plugins=[heard])
    if code == pytest.ExitCode.USAGE_ERROR and not heard.failed:
        code = run_tests(tests[0].partition("::")[0], plugins=[heard])
    if code == pytest.ExitCode.INTERNAL_ERROR:
        raise RuntimeError("pytest fails")
    return heard.failed


# -- the report --------------------------------------------------------------------------------


def group_of(path: str) -> str:
    return next(g for g, patterns in GROUPS.items() if any(Path(path).match(p) for p in patterns))


def report(done: Sequence[dict[str, Any]]) -> str:
    """A line for each module, each group, and all: n, killed, timed out, survived, score."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in done:
        for name in (one["path"], f"= {group_of(one['path'])}", "== all"):
            counts[name][one["became"]] += 1
    lines = [f"{'':36} {'n':>5} {KILLED:>7} {TIMED_OUT:>9} {SURVIVED:>8} {'score':>6} {'95 %':>11}"]
    for name, c in sorted(counts.items(), key=lambda item: (item[0].count("="), item[0])):
        n, noticed = c.total(), c[KILLED] + c[TIMED_OUT]
        span = binomtest(noticed, n).proportion_ci(method="wilson")
        between = f"{100 * span.low:.1f}-{100 * span.high:.1f}"
        lines.append(
            f"{name:36} {n:5} {c[KILLED]:7} {c[TIMED_OUT]:9} {c[SURVIVED]:8} "
            f"{100 * noticed / n:6.1f} {between:>11}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", type=Path, default=Path(tempfile.gettempdir()) / "mutation")
    parser.add_argument("--sample", type=int, default=500, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    parser.add_argument("--modules", nargs="+", default=[""], metavar="WORD", help="in their paths")
    parser.add_argument(
        "--seconds", type=float, default=10, help="of tests for each, fastest first"
    )
    given = parser.parse_args(arguments)
    os.environ.update(OMP_NUM_THREADS="1", MPLBACKEND="Agg", CI="1")
    os.chdir(ROOT)
    given.to.mkdir(parents=True, exist_ok=True)
    globs = [pattern for patterns in GROUPS.values() for pattern in patterns]
    found = [str(p.relative_to(ROOT)) for pattern in globs for p in sorted(ROOT.glob(pattern))]
    paths = [path for path in found if path not in TEXTS]
    known = record(given.to / "record.json", paths)
    for name in known.modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    asked = [path for path in paths if any(word in path for word in given.modules)]
    everything = {path: mutants(path) for path in asked}
    chosen = sample(everything, given.sample, given.seed)
    print(
        f"seed {given.seed}: {len(chosen)} of {sum(map(len, everything.values()))} mutants",
        flush=True,
    )
    gc.collect()
    gc.freeze()
    done = _run(chosen, known, given)
    survivors = [one for one in done if one["became"] == SURVIVED]
    (given.to / f"{given.seed}.diff").write_text(
        "\n".join(f"# {one['number']}, {one['tests']} tests\n{one['diff']}\n" for one in survivors)
    )
    print(report(done))
    return 0


def _run(
    chosen: Sequence[Mutant], known: Record, given: argparse.Namespace
) -> list[dict[str, Any]]:
    """All that became of the mutants, also in earlier calls: the last that was said of each."""
    results = given.to / f"{given.seed}.jsonl"
    lines = results.read_text().splitlines() if results.exists() else []
    done = {(one["path"], one["number"]): one for one in map(json.loads, lines)}
    with results.open("a") as file:
        for n, mutant in enumerate(chosen, 1):
            where = mutant.path, mutant.number
            if where in done and not _hurried(done[where], given.seconds):
                continue
            one = judge(mutant, known, given.seconds, given.to / "said.txt")
            if one is not None:
                done[where] = one
                print(json.dumps(one), file=file, flush=True)
                said = f"{mutant.path} {one['became']} {one['seconds']} s"
                print(f"{n}/{len(chosen)} {said}", flush=True)
    return list(done.values())


def _hurried(one: dict[str, Any], most_s: float) -> bool:
    """It survived, but there was no time for tests that there is time for now."""
    return one["became"] == SURVIVED and bool(one["left_out"]) and one["most_s"] < most_s


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
