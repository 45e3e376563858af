"""Reciprocity within and between classes of cells."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from oneway.circuits import WiringError

from .graph import Graph

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ClassPair:
    """Connections from the cells of one class to those of another, or of the same.

    Parameters
    ----------
    pre, post : str
    edges : int
        Ordered pairs of different cells that are joined in this direction.
    answered : int
        Those of them that are joined in the other direction too.
    """

    pre: str
    post: str
    edges: int
    answered: int

    @property
    def pairs(self) -> int:
        """Unordered pairs of cells joined in both directions."""
        return self.answered // 2 if self.pre == self.post else self.answered

    @property
    def reciprocity(self) -> float:
        """Answered edges / edges; 0 without edges."""
        return self.answered / self.edges if self.edges else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "pairs": self.pairs, "reciprocity": self.reciprocity}


@dataclass(frozen=True)
class ClassReciprocity:
    """Reciprocity by the classes of both cells.

    Parameters
    ----------
    column : str
        The attribute that names the classes.
    cells : mapping of str to int
        Cells of each class; those without one are in class ``""``.
    ordered : tuple of ClassPair
        Every ordered pair of classes that is joined, most edges first.
    """

    column: str
    cells: dict[str, int]
    ordered: tuple[ClassPair, ...]

    @property
    def within(self) -> ClassPair:
        """All connections between cells of the same class."""
        return self._sum("same", [pair for pair in self.ordered if pair.pre == pair.post])

    @property
    def between(self) -> ClassPair:
        """All connections between cells of different classes."""
        return self._sum("different", [pair for pair in self.ordered if pair.pre != pair.post])

    def unordered(self, first: str, second: str) -> ClassPair:
        """Both directions between two classes together."""
        ends = {first, second}
        return self._sum("both", [pair for pair in self.ordered if {pair.pre, pair.post} == ends])

    def _sum(self, name: str, pairs: list[ClassPair]) -> ClassPair:
        edges, answered = sum(p.edges for p in pairs), sum(p.answered for p in pairs)
        return ClassPair(name, name, edges, answered)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        totals = {name: getattr(self, name).as_dict() for name in ("within", "between")}
        counts = {
            name: {key: total[key] for key in ("edges", "pairs", "reciprocity")}
            for name, total in totals.items()
        }
        pairs = [pair.as_dict() for pair in self.ordered]
        return {"column": self.column, "cells": self.cells, **counts, "ordered": pairs}


def class_counts(graph: Graph, codes: Ints, classes: int) -> tuple[Ints, Ints]:
    """Edges from the cells of each class to those of each, and how many of them are answered.

    Parameters
    ----------
    codes : integer array, shape (N,)
        The class of each cell, from 0 on.

    Returns
    -------
    two integer arrays, shape (classes, classes)
    """

    def counted(joined: sparse.csr_array) -> Ints:
        pre, post = joined.nonzero()
        kinds = codes[pre] * classes + codes[post]
        return np.bincount(kinds, minlength=classes**2).reshape(classes, classes)

    return counted(graph.adjacency), counted(graph.adjacency.multiply(graph.adjacency.T))


def reciprocity_by(graph: Graph, column: str) -> ClassReciprocity:
    """Edges and their answers between every two classes of cells.

    Parameters
    ----------
    graph : Graph
    column : str
        One of ``graph.attributes``.

    Raises
    ------
    WiringError
        The cells have no such attribute.

    Examples
    --------
    >>> from oneway.analysis.graphs import Graph, reciprocity_by
    >>> import numpy as np
    >>> kinds = {"class": np.array(["PN", "KC", "KC"])}
    >>> graph = Graph.from_edges([0, 0, 1, 2], [1, 2, 2, 1], attributes=kinds)
    >>> by_class = reciprocity_by(graph, "class")
    >>> by_class.within.reciprocity, by_class.between.reciprocity
    (1.0, 0.0)
    """
    if column not in graph.attributes:
        known = ", ".join(map(repr, graph.attributes)) or "none"
        raise WiringError(f"cells have no attribute {column!r}; they have {known}")
    values = graph.attributes[column]
    labels, codes = np.unique(values, return_inverse=True)
    names = [str(label) for label in labels]
    edges, answered = (counts.ravel() for counts in class_counts(graph, codes, len(names)))
    order = np.argsort(-edges, kind="stable")
    found = [
        ClassPair(names[k // len(names)], names[k % len(names)], int(edges[k]), int(answered[k]))
        for k in order[edges[order] > 0].tolist()
    ]
    sizes = dict(zip(names, np.bincount(codes).tolist(), strict=True))
    return ClassReciprocity(column, sizes, tuple(found))
