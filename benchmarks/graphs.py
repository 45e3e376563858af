"""Reading big tables of connections: ours against lines put into a networkx graph.

Shows: seconds and peak memory, each in a process of its own, to read a table with a header and
count its reciprocal pairs,

- ours: `read_graph` and `check_graph`;
- networkx: the csv module's rows put into a MultiDiGraph, then `overall_reciprocity` of the simple
  graph, as tools around connectomes do without pandas.

The table has 64-bit identifiers, or names with blanks. Everybody takes turns on the same file;
ratios are of the medians over the rounds, and both must count the same pairs. networkx is given no
more than --peer-rows rows, since ten million take it more memory than most machines have.

Five minutes on one core with the defaults. Times include starting Python and importing.

    python benchmarks/graphs.py [--rows N ...] [--peer-rows N] [--cells N] [--repeats N]
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from statistics import median

import numpy as np

CHUNK = 1_000_000
FIRST_ID = 720_575_940_600_000_000


# -- who reads ---------------------------------------------------------------------------------


def ours(path: Path) -> int:
    """Reciprocal pairs."""
    from oneway.analysis import check_graph, read_graph

    return check_graph(read_graph(path)).reciprocal_pairs


def networkx_lines(path: Path) -> int:
    """Reciprocal pairs, from networkx's reciprocity of the graph without parallel edges."""
    import networkx as nx

    graph = nx.MultiDiGraph()
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            graph.add_edge(row["pre"], row["post"], weight=int(row["weight"]))
    simple = nx.DiGraph(graph)
    simple.remove_edges_from(list(nx.selfloop_edges(simple)))
    return round(nx.overall_reciprocity(simple) * simple.number_of_edges() / 2)


READERS: dict[str, Callable[[Path], int]] = {"ours": ours, "networkx": networkx_lines}


def measured(who: str, path: Path) -> dict[str, float]:
    """One reader in a process of its own: wall and CPU seconds, peak MB, pairs."""
    start = time.perf_counter()
    command = [sys.executable, __file__, "--read", who, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {"wall_s": time.perf_counter() - start, **json.loads(done.stdout)}


def read_here(who: str, path: Path) -> None:
    pairs = READERS[who](path)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    found = {"cpu_s": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss / 1024}
    print(json.dumps({**found, "pairs": pairs}))


# -- what is read ------------------------------------------------------------------------------


def table(path: Path, rows: int, cells: int, named: bool, seed: int = 0) -> None:
    """Random connections, so that identifiers come in no order."""
    drawn = np.random.default_rng(seed)
    names = [_name(i, named) for i in range(cells)]
    with path.open("w") as file:
        file.write("pre,post,weight\n")
        for done in range(0, rows, CHUNK):
            file.writelines(_lines(drawn, names, min(CHUNK, rows - done)))


def _name(i: int, named: bool) -> str:
    return f"neuron {i:x} of the left side" if named else str(FIRST_ID + 7919 * i)


def _lines(drawn: np.random.Generator, names: list[str], rows: int) -> Iterator[str]:
    pre, post = drawn.integers(0, len(names), (2, rows)).tolist()
    weights = drawn.integers(1, 60, rows).tolist()
    return (f"{names[u]},{names[v]},{w}\n" for u, v, w in zip(pre, post, weights, strict=True))


# -- the comparison ----------------------------------------------------------------------------


def compare(path: Path, who: list[str], repeats: int) -> dict[str, dict[str, float]]:
    """Medians of what each reader took, over rounds in which all take turns."""
    rounds = [{name: measured(name, path) for name in who} for _ in range(repeats)]
    counts = {reader["pairs"] for reader in chain(*(r.values() for r in rounds))}
    if len(counts) > 1:
        raise SystemExit(f"{path.name}: readers count different pairs: {sorted(counts)}")
    return {
        name: {key: median(r[name][key] for r in rounds) for key in ("wall_s", "cpu_s", "peak_mb")}
        for name in who
    }


def show(title: str, found: dict[str, dict[str, float]]) -> None:
    print(title)
    for name, figures in found.items():
        ratio = {key: figures[key] / found["ours"][key] for key in figures}
        print(
            f"  {name:10s} {figures['wall_s']:7.1f} s wall {figures['cpu_s']:7.1f} s CPU "
            f"{figures['peak_mb']:8.0f} MB   x{ratio['cpu_s']:.1f} CPU, x{ratio['peak_mb']:.1f} "
            "memory"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--peer-rows", type=int, default=1_000_000)
    parser.add_argument("--cells", type=int, default=130_000)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--read", nargs=2, metavar=("WHO", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        return read_here(arguments.read[0], Path(arguments.read[1]))
    with tempfile.TemporaryDirectory() as folder:
        for rows in arguments.rows:
            for named in (False, True):
                path = Path(folder, "table.csv")
                table(path, rows, arguments.cells, named)
                who = list(READERS) if rows <= arguments.peer_rows else ["ours"]
                kind = "names" if named else "64-bit identifiers"
                title = f"{rows:,} rows of {kind}, {path.stat().st_size / 1e6:,.0f} MB"
                show(title, compare(path, who, arguments.repeats))


if __name__ == "__main__":
    main()
