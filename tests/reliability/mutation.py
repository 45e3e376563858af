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
written to the sources. `mutants` says what is not mutated.
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
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

import libcst as cst
import libcst.matchers as m
import pytest
from coverage import Coverage
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators
from scipy.stats import binomtest

ROOT = Path(__file__).resolve().parents[2]
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
TEXT_FUNCTIONS = ("__repr__", "__str__", "_wanted", "_shown", "untaught")
TEXT_NAMES = ("label", "why", "no_fix", "text", "reason")
TESTS = """
    circuits rules backends/rate backends/test_seeds.py backends/spiking/test_scaling.py
    analysis/test_wiring.py analysis/test_verdicts.py analysis/test_constraints.py
    analysis/test_graphs.py analysis/test_locality.py analysis/test_alignment.py
    analysis/test_graph_measures.py training/test_loss.py
"""
MARKED = "not slow and not data"
BROKEN = 99  # the instrument, not a test
KILLED, SURVIVED, TIMED_OUT = "killed", "survived", "timed out"


# -- mutants -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mutant:
    """One change of a file: the lines of its statement, and what makes the changed source."""

    path: str
    number: int
    lines: tuple[int, int]
    mutated: Callable[[], str]


class _Places(cst.CSTVisitor):
    """Collects what is mutated, and in which lines."""

    METADATA_DEPENDENCIES = (PositionProvider,)
    # Types, texts for people, and what can only fail: assertions narrow types and check no input.
    left_out = (
        m.Annotation()
        | m.Decorator()
        | m.Raise()
        | m.Assert()
        | m.Import()
        | m.ImportFrom()
        | m.Assign(targets=[m.AssignTarget(m.Name("__all__"))])
        | m.Assign(targets=[m.AssignTarget(m.Name(m.MatchRegex("[A-Z][a-z]+.*")))])  # of a type
        | m.FunctionDef(name=m.OneOf(*map(m.Name, TEXT_FUNCTIONS)))
        | m.Call(func=m.Name("TypeVar") | m.Name("cast") | m.Name("len") | m.Name("isinstance"))
        | m.Call(func=m.Attribute(m.Name("warnings"), m.Name("warn")))
        | m.Call(func=m.Attribute(attr=m.Name("note")))
        | m.Arg(keyword=m.OneOf(*map(m.Name, ("strict", *TEXT_NAMES))))
        | m.Assign(targets=[m.AssignTarget(m.OneOf(*map(m.Name, TEXT_NAMES)))])
    )

    def __init__(self) -> None:
        self.found: list[tuple[tuple[int, int], cst.CSTNode, cst.CSTNode]] = []
        self.lines = (1, 1)

    def on_visit(self, node: cst.CSTNode) -> bool:
        if m.matches(node, self.left_out):
            return False
        if isinstance(node, (cst.BaseSmallStatement, cst.BaseCompoundStatement)):
            self.lines = self._span(node)
        if isinstance(node, cst.SimpleString) and " " in node.value:
            return True  # people read it
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                self.found += [(self.lines, node, new) for new in operator(node)]
        return True

    def _span(self, node: cst.CSTNode) -> tuple[int, int]:
        where = self.get_metadata(PositionProvider, node)
        last = where.end.line
        if isinstance(node, cst.BaseCompoundStatement):
            last = max(
                where.start.line, self.get_metadata(PositionProvider, node.body).start.line - 1
            )
        return where.start.line, last


def _says(old: cst.CSTNode, new: cst.CSTNode) -> bool:
    """Whether only an argument differs that people read, or that only checks."""
    if not isinstance(old, cst.Call) or not isinstance(new, cst.Call):
        return False
    lost = [arg for arg in old.args if not any(arg is other for other in new.args)]
    return bool(lost) and all(
        arg.keyword and arg.keyword.value in ("strict", *TEXT_NAMES) for arg in lost
    )


def mutants(path: str) -> list[Mutant]:
    """All changes of a file that Python can compile.

    Left out: annotations, types, decorators, imports, assertions, `raise` statements, `cast`,
    `len`, `isinstance` and `strict` of a `zip`; and what people read: strings with a blank,
    warnings, notes, `__repr__`, `__str__` and other functions that word an error, and what is
    called label, why, no_fix, text or reason.
    """
    wrapper = MetadataWrapper(cst.parse_module((ROOT / path).read_text("utf-8")))
    places = _Places()
    wrapper.visit(places)

    def source(old: cst.CSTNode, new: cst.CSTNode) -> Callable[[], str]:
        return lambda: wrapper.module.deep_replace(old, new).code

    return [
        Mutant(path, number, lines, source(old, new))
        for number, (lines, old, new) in enumerate(places.found)
        if not _says(old, new)
    ]


def sample(everything: dict[str, list[Mutant]], n: int, seed: int) -> list[Mutant]:
    """Of each module its share, at least two."""
    total = sum(map(len, everything.values()))
    draw = random.Random(seed)
    chosen: list[Mutant] = []
    for _, all_ in sorted(everything.items()):
        share = max(2, round(n * len(all_) / total))
        chosen += draw.sample(all_, min(share, len(all_)))
    draw.shuffle(chosen)
    return chosen


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


def _pytest(*arguments: str, plugins: Sequence[object] = ()) -> int:
    given = ["-v", "-x", "-p", "no:cacheprovider", "--hypothesis-seed=0", "--tb=line", *arguments]
    return int(
        pytest.main(
            [*given, f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml")], list(plugins)
        )
    )


# -- which test runs which line ----------------------------------------------------------------


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
    code = _pytest(*(f"tests/{name}" for name in TESTS.split()), "-m", MARKED, plugins=[recorder])
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
        if (
            "" in met
        ):  # it is run when the module is imported: any test of the module's, or folder's
            met = {test for tests in by_line.values() for test in tests}
        own = f"tests/{mutant.path.partition('/')[0]}/"
        return met - {""} or {test for test in self.seconds if met and test.startswith(own)}

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
    named = {f"test_{part}.py" for part in Path(path).with_suffix("").parts}
    chosen = [test for test in tests if Path(test.partition("::")[0]).name in named]
    for test in sorted(tests - set(chosen), key=known.seconds.__getitem__):
        most_s -= known.seconds[test]
        if most_s < 0:
            break
        chosen.append(test)
    return chosen


class _Heard:
    """A plugin: whether a test failed, or a file with tests could not be imported."""

    failed = False

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.failed |= report.failed

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= report.failed


def _fails(tests: list[str]) -> bool:
    """Whether tests of one file fail; all of it where a mutant has changed how they are called."""
    heard = _Heard()
    code = _pytest(*tests, plugins=[heard])
    if code == pytest.ExitCode.USAGE_ERROR and not heard.failed:
        code = _pytest(tests[0].partition("::")[0], plugins=[heard])
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
