"""What figures of a graph would be by chance.

A reciprocity of 0.26 says little until one knows what cells with these degrees would have anyway:
so each figure can be held against the same figure of random graphs (`random_graphs`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from math import isfinite
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from oneway.circuits import WiringError

from .census import check_graph
from .graph import Graph, as_graph
from .random_graphs import NULLS, Null
from .triads import triad_census

Measure = Callable[[Graph], float | Mapping[str, float]]


@dataclass(frozen=True)
class NullComparison:
    """One figure of a graph beside the same figure of random graphs.

    Parameters
    ----------
    measure : str
    null : str
        The name of the null.
    observed : float
        In the graph itself.
    excess : float
        By how much it is above the mean over the samples.
    sd : float
        Over the samples, with samples − 1 in the denominator; nan for a single one.
    samples : int
    """

    measure: str
    null: str
    observed: float
    excess: float
    sd: float
    samples: int

    @property
    def mean(self) -> float:
        """Over the samples."""
        return self.observed - self.excess

    @property
    def z(self) -> float | None:
        """(observed − mean) / sd; None where the samples do not differ from each other."""
        return self.excess / self.sd if self.sd > 0 else None

    def as_dict(self) -> dict[str, Any]:
        """For JSON, which has no word for nan."""
        numbers = {"observed": self.observed, "mean": self.mean, "sd": self.sd, "z": self.z}
        known = {k: v if v is not None and isfinite(v) else None for k, v in numbers.items()}
        return {**known, "samples": self.samples}


def reciprocity_figures(graph: Graph) -> dict[str, float]:
    """Pairs joined both ways, and the share of edges that are answered."""
    verdict = check_graph(graph)
    return {"reciprocal_pairs": verdict.reciprocal_pairs, "reciprocity": verdict.reciprocity}


def usual_figures(graph: Graph) -> dict[str, float]:
    """Reciprocal pairs, reciprocity and the triad census."""
    return reciprocity_figures(graph) | triad_census(graph)


def compare_to_null(
    graph: Graph | nx.DiGraph,
    measure: Measure = usual_figures,
    null: str | Null = "degree",
    samples: int = 20,
    seed: int = 0,
    progress: Callable[[], object] = lambda: None,
) -> dict[str, NullComparison]:
    """Figures of a graph beside those of random graphs.

    Parameters
    ----------
    measure : callable
        Takes a `Graph` and gives a number, or a mapping of names to numbers.
    null : {"erdos-renyi", "degree", "spatial"} or callable
        What the random graphs keep; or a function of a graph and a generator that yields them.
    samples : int
    seed : int
    progress : callable, optional
        Called after each sample.

    Returns
    -------
    dict of str to NullComparison
        By the names of the measure; a single number has the name of its function.

    Examples
    --------
    >>> import networkx as nx
    >>> from oneway.analysis.graphs import compare_to_null, reciprocity
    >>> ring = nx.cycle_graph(30).to_directed()  # everybody projects back
    >>> found = compare_to_null(ring, reciprocity, samples=50)["reciprocity"]
    >>> found.observed, round(found.mean, 2), found.z > 10
    (1.0, 0.06, True)
    """
    graph = as_graph(graph)
    if samples < 1:
        raise WiringError(f"samples = {samples}, expected at least 1 random graph to compare with")
    name, draw = _named(null)
    observed = _figures(measure, graph)
    drawn: dict[str, list[float]] = {figure: [] for figure in observed}
    for sample in islice(draw(graph, np.random.default_rng(seed)), samples):
        for figure, value in _figures(measure, sample).items():
            # Counts beyond 2^53 would lose their last digits as floats, differences do not.
            drawn[figure].append(float(value - observed[figure]))
        progress()
    return {
        figure: _compared(figure, name, observed[figure], np.array(apart))
        for figure, apart in drawn.items()
    }


def _named(null: str | Null) -> tuple[str, Null]:
    if callable(null):
        return getattr(null, "__name__", "null"), null
    if null not in NULLS:
        raise WiringError(f"no null {null!r}; there are {', '.join(NULLS)}")
    return null, NULLS[null]


def _figures(measure: Measure, graph: Graph) -> Mapping[str, float]:
    found = measure(graph)
    return found if isinstance(found, Mapping) else {getattr(measure, "__name__", "value"): found}


def _compared(
    figure: str, null: str, observed: float, apart: NDArray[np.float64]
) -> NullComparison:
    # Equal numbers have no spread, whatever rounding makes of their mean.
    spread = 0.0 if np.ptp(apart) == 0 else float(apart.std(ddof=1))
    sd = spread if len(apart) > 1 else float("nan")
    return NullComparison(figure, null, observed, -float(apart.mean()), sd, len(apart))
