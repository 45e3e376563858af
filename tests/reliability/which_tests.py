"""Which test runs which line of the package; tests run in children of a process that is warm."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from coverage import Coverage
from mutants import ROOT, Mutant

TESTS = """
    circuits rules backends/rate backends/test_seeds.py backends/spiking/test_scaling.py
    analysis/test_wiring.py analysis/test_verdicts.py analysis/test_constraints.py
    analysis/test_graphs.py analysis/test_locality.py analysis/test_alignment.py
    analysis/test_graph_measures.py training/test_loss.py
"""
MARKED = "not slow and not data"
BROKEN = 99  # the instrument, not a test


def in_a_child(what: Callable[[], int], limit_s: int, said: Path) -> int | None:
    """What it returned, or None if it took so many seconds of a processor, or ten times as long."""
    pid = os.fork()
    if not pid:
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))
            to = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(to, 1)
            os.dup2(to, 2)
            code = what()
            sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
            code = BROKEN
        os._exit(code)
    end = time.monotonic() + 10 * limit_s
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return None if code in (-signal.SIGXCPU, -signal.SIGKILL) else code
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def run_tests(*arguments: str, plugins: Sequence[object] = ()) -> int:
    given = ["-v", "-x", "-p", "no:cacheprovider", "--hypothesis-seed=0", "--tb=line", *arguments]
    return int(
        pytest.main(
            [*given, f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml")], list(plugins)
        )
    )


class _Recorder:
    """A plugin: coverage by test, and how long each took."""

    def __init__(self, coverage: Coverage) -> None:
        self.coverage, self.seconds = coverage, dict[str, float]()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.coverage.switch_context(item.nodeid)
        begin = time.process_time()
        done = yield
        self.seconds[item.nodeid] = time.process_time() - begin
        self.coverage.switch_context("")
        return done


def _record(to: Path, paths: Sequence[str]) -> int:
    ours = [str(ROOT / path) for path in paths]
    coverage = Coverage(data_file=None, include=ours, config_file=False)
    recorder = _Recorder(coverage)
    coverage.start()
    code = run_tests(*(f"tests/{name}" for name in TESTS.split()), "-m", MARKED, plugins=[recorder])
    coverage.stop()
    data = coverage.get_data()
    lines = {path: data.contexts_by_lineno(str(ROOT / path)) for path in paths}
    foreign = [name for name in sys.modules if _foreign(name)]
    to.write_text(json.dumps({"seconds": recorder.seconds, "lines": lines, "modules": foreign}))
    return code


def _foreign(name: str) -> bool:
    file = getattr(sys.modules[name], "__file__", None) or ""
    return "site-packages" in file and "__editable__" not in name and "_pytest" not in name


@dataclass(frozen=True)
class Record:
    seconds: dict[str, float]
    lines: dict[str, dict[str, list[str]]]
    modules: list[str]

    def tests(self, mutant: Mutant) -> set[str]:
        """Those that run its statement."""
        first, last = mutant.lines
        by_line = self.lines[mutant.path]
        met = {test for n in range(first, last + 1) for test in by_line.get(str(n), ())}
        if "" not in met:
            return met
        # It is run when the module is imported: any test of the module's, or else of the folder's.
        own = f"tests/{mutant.path.partition('/')[0]}/"
        met = {test for tests in by_line.values() for test in tests} - {""}
        return met or {test for test in self.seconds if test.startswith(own)}

    def by_file(self, tests: Iterable[str], mutant: Mutant) -> list[list[str]]:
        """Its own folder's first, then the fastest."""
        files = defaultdict(list)
        for test in tests:
            files[test.partition("::")[0]].append(test)
        own = f"tests/{mutant.path.partition('/')[0]}/"
        spent = {file: sum(map(self.seconds.__getitem__, files[file])) for file in files}
        return [files[f] for f in sorted(files, key=lambda f: (not f.startswith(own), spent[f]))]


def record(to: Path, paths: Sequence[str]) -> Record:
    if not to.exists():
        print("which test runs which line: taking the record", flush=True)
        said = to.with_suffix(".txt")
        if in_a_child(lambda: _record(to, paths), 3600, said) != 0:
            sys.exit(f"the tests fail as they are: see {said}")
    return Record(**json.loads(to.read_text()))
