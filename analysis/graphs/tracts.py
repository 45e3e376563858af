"""Populations of a graph's cells, the tracts between them, and the order in which they stand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from oneway.circuits import WiringError

from .graph import Graph

Kind = Literal["forward", "skip", "feedback", "recurrent"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Classes = str | re.Pattern[str] | Mapping[str, str] | Sequence[str] | NDArray[Any]
Ints = NDArray[np.int64]

# A class is what stands before the number at the end: KC17, h1_3 and h1[3] are of KC, h1 and h1.
BY_NAME = re.compile(r"(.+?)(?:[\W_]*\d+[\W_]*)?")


def class_labels(graph: Graph, classes: Classes) -> NDArray[np.str_]:
    """The class of each cell; see `circuit_from_graph`."""
    if isinstance(classes, str):
        if classes not in graph.attributes:
            there = ", ".join(graph.attributes) or "none"
            raise WiringError(
                f"cells have no attribute {classes!r} to take their classes from; there are {there}"
            )
        return graph.attributes[classes].astype(str)
    if isinstance(classes, re.Pattern | Mapping):
        found = [_class_of(str(name), classes) for name in graph.names]
        if missing := [n for n, label in zip(graph.names, found, strict=True) if label is None]:
            raise WiringError(
                f"{len(missing):,} of {len(graph):,} cells have no class, {str(missing[0])!r} for "
                "one: complete the mapping, or widen the pattern"
            )
        return np.array(found, str)
    if len(classes) != len(graph):
        raise WiringError(f"{len(classes):,} classes for {len(graph):,} cells, expected one each")
    return np.asarray(classes, str)


def _class_of(name: str, classes: re.Pattern[str] | Mapping[str, str]) -> str | None:
    if isinstance(classes, Mapping):
        return classes.get(name)
    match = classes.fullmatch(name)
    return None if match is None else match.group(1 if classes.groups else 0)


def populations_of(graph: Graph, classes: Classes) -> dict[str, Ints]:
    """The cells of each class, by a name that a population can have."""
    labels, found = class_labels(graph, classes), dict[str, Ints]()
    for label in np.unique(labels):
        name = re.sub(r"\W+", "_", str(label)) or "unnamed"
        name = f"_{name}" if name[0].isdigit() else name
        if name in found:
            raise WiringError(
                f"class {str(label)!r} and another one would both be a population {name!r}: give "
                "one of them another name"
            )
        found[name] = np.flatnonzero(labels == label)
    return found


def edges_of(graph: Graph) -> dict[str, NDArray[Any]]:
    """Both ends and weight of each edge between different cells."""
    edges = graph.between
    return {"pre": edges.row, "post": edges.col, "weight": edges.data.astype(float)}


def by_tract(
    edges: Mapping[str, NDArray[Any]], members: Mapping[str, Ints]
) -> dict[tuple[str, str], Ints]:
    """Which edges lead from each population to each."""
    names = list(members)
    home = np.empty(sum(map(len, members.values())), np.int64)
    for number, cells in enumerate(members.values()):
        home[cells] = number
    codes = home[edges["pre"]] * len(names) + home[edges["post"]]
    ends = np.cumsum(np.bincount(codes, minlength=len(names) ** 2))[:-1]
    groups = np.split(np.argsort(codes, kind="stable"), ends)
    pairs = ((pre, post) for pre in names for post in names)
    return dict(zip(pairs, groups, strict=True))


def forward_order(
    joined: Iterable[tuple[str, str]], heights: Mapping[str, float]
) -> tuple[str, ...]:
    """By falling height, save where an edge that is on no cycle says otherwise."""
    drives = nx.DiGraph()
    drives.add_nodes_from(heights)
    drives.add_edges_from(joined)
    loops = nx.condensation(drives)  # populations that reach each other, as one node
    groups = {node: sorted(loops.nodes[node]["members"], key=heights.__getitem__) for node in loops}
    top = {node: max(map(heights.__getitem__, group)) for node, group in groups.items()}
    ordered = nx.lexicographical_topological_sort(loops, key=lambda node: -top[node])
    return tuple(name for node in ordered for name in reversed(groups[node]))


def kinds_of_tracts(
    joined: Iterable[tuple[str, str]], order: Sequence[str]
) -> dict[tuple[str, str], Kind]:
    place = {name: i for i, name in enumerate(order)}
    forward = sorted((p for p in joined if place[p[0]] < place[p[1]]), key=lambda p: place[p[0]])
    depth = dict.fromkeys(order, 0)  # connections on the longest forward way to a population
    for pre, post in forward:
        depth[post] = max(depth[post], depth[pre] + 1)

    def kind(pre: str, post: str) -> Kind:
        if pre == post:
            return "recurrent"
        if place[pre] > place[post]:
            return "feedback"
        return "skip" if depth[post] > depth[pre] + 1 else "forward"

    return {pair: kind(*pair) for pair in joined}
