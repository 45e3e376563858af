"""Figures of a graph: networkx's way and ours, taking turns, on the same graph.

Shows: seconds for the triad census, for reciprocity, for reciprocity beside random graphs with the
same degrees (networkx's `directed_edge_swap`, as many swaps), and for the shortest cycle through
every cell, of a random graph that is as large, reciprocal and uneven as a small brain. Everybody
takes turns; ratios are within each round; medians and quartiles over the rounds. Before anything
is timed both are checked to find the same.

networkx takes minutes for the size of a fly larva's brain (3,013 cells, 110,706 edges), so the
default is a tenth of that; --file takes any graph that `oneway check` reads, and --ours leaves out
networkx, so that large ones can be timed.

    python benchmarks/graph_measures.py [--edges 11000] [--file GRAPH] [--ours] [--rounds 3]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter

import networkx as nx
import numpy as np

from oneway.analysis.graphs import (
    Graph,
    check_graph,
    degree_preserving,
    read_graph,
    reciprocity,
    return_lengths,
    triad_census,
)
from oneway.training.bench.timing import paired_ratio
from oneway.training.hardware import hardware_line
from oneway.training.progress import ProgressBar

SAMPLES, SWAPS = 3, 5
Work = Callable[[], object]


def brain_like(edges: int, seed: int = 0) -> Graph:
    """1.2 % of pairs joined, a quarter of edges answered, degrees as uneven as gamma draws."""
    rng = np.random.default_rng(seed)
    cells = round((edges / 0.012) ** 0.5)
    pull = rng.gamma(2.0, size=cells) / cells
    ends = rng.choice(cells, (2, 4 * edges), p=pull / pull.sum())
    pre, post = np.unique(ends[:, ends[0] != ends[1]], axis=1)
    chosen = rng.permutation(len(pre))[: round(0.875 * edges)]
    back = chosen[: round(0.125 * edges)]
    return Graph.from_edges(
        np.concatenate([pre[chosen], post[back]]), np.concatenate([post[chosen], pre[back]])
    )


def as_networkx(graph: Graph) -> nx.DiGraph:
    plain = nx.DiGraph()
    plain.add_nodes_from(range(len(graph)))
    plain.add_edges_from(zip(*(ends.tolist() for ends in graph.adjacency.nonzero()), strict=True))
    return plain


def networkx_null(plain: nx.DiGraph) -> list[float]:
    """Three swaps of an edge in each of its trades, so a third of as many trades."""
    found = []
    for seed in range(SAMPLES):
        shuffled = plain.copy()
        trades = SWAPS * plain.number_of_edges() // 3
        nx.directed_edge_swap(shuffled, nswap=trades, max_tries=100 * trades, seed=seed)
        found.append(nx.overall_reciprocity(shuffled))
    return found


def our_null(graph: Graph) -> list[float]:
    shuffled = degree_preserving(graph, np.random.default_rng(0), SWAPS)
    return [reciprocity(sample) for sample in islice(shuffled, SAMPLES)]


def networkx_cycles(plain: nx.DiGraph) -> list[float]:
    """The shortest cycle through each cell by a search from each."""
    shortest = []
    for cell in plain:
        away = nx.single_source_shortest_path_length(plain, cell)
        shortest.append(min((away[u] + 1 for u in plain.pred[cell] if u in away), default=np.inf))
    return shortest


def pairs_of_work(graph: Graph) -> dict[str, tuple[Work, Work]]:
    """By figure: networkx's work and ours."""
    plain = as_networkx(graph)
    return {
        "triad census": (lambda: nx.triadic_census(plain), lambda: triad_census(graph)),
        "reciprocity": (lambda: nx.overall_reciprocity(plain), lambda: check_graph(graph)),
        f"{SAMPLES} degree nulls": (lambda: networkx_null(plain), lambda: our_null(graph)),
        "shortest cycles": (lambda: networkx_cycles(plain), lambda: return_lengths(graph)),
    }


def check_same(graph: Graph) -> None:
    """Both find the same census, reciprocity and cycles."""
    plain = as_networkx(graph)
    agree = {
        "triad census": triad_census(graph) == nx.triadic_census(plain),
        "reciprocity": np.isclose(reciprocity(graph), nx.overall_reciprocity(plain)),
        "shortest cycles": return_lengths(graph).cells.tolist() == networkx_cycles(plain),
    }
    for name, same in agree.items():
        if not same:
            raise SystemExit(f"{name}: networkx and ours differ")


def timed(work: Work) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--edges", type=int, default=11_000, help="of the random graph")
    parser.add_argument("--file", type=Path, help="graph file in place of a random graph")
    parser.add_argument("--ours", action="store_true", help="leave networkx out")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    graph = read_graph(chosen.file) if chosen.file else brain_like(chosen.edges)
    share = f"reciprocity {reciprocity(graph):.3f}"
    print(f"{len(graph):,} cells, {graph.edges:,} edges, {share}, {chosen.rounds} rounds")
    print(hardware_line())
    if not chosen.ours:
        check_same(graph)
    work = pairs_of_work(graph)
    theirs: dict[str, list[float]] = {name: [] for name in work}
    ours: dict[str, list[float]] = {name: [] for name in work}
    with ProgressBar("figures", chosen.rounds * len(work)) as progress:
        for _ in range(chosen.rounds):
            for name, (peer, own) in work.items():
                theirs[name] += [] if chosen.ours else [timed(peer)]
                ours[name].append(timed(own))
                progress.advance(name)
    print(f"{'':18}{'ours, s':>10}{'networkx, s':>13}{'ratio':>9}  quartiles")
    for name in work:
        line = f"{name:18}{median(ours[name]):10.4f}"
        if theirs[name]:
            ratio = paired_ratio(theirs[name], ours[name])
            line += (
                f"{median(theirs[name]):13.3f}{ratio.median:9.1f}  {ratio.low:.1f}-{ratio.high:.1f}"
            )
        print(line)


if __name__ == "__main__":
    main()
