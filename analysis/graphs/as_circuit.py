"""A graph of cells as a circuit: populations in forward order, and what runs against it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from oneway.circuits import Circuit, FromListConnector, Wiring, WiringError

from .classes import class_counts
from .flow import signal_flow
from .graph import Graph, as_graph
from .tracts import (
    KINDS,
    Classes,
    Ints,
    Kind,
    by_tract,
    edges_of,
    forward_order,
    kinds_of_tracts,
    populations_of,
)

StartingWeights = Literal["listed", "fraction", "drawn"]


@dataclass(frozen=True)
class Tract:
    """All edges from the cells of one population to those of another.

    Parameters
    ----------
    pre, post : str
    kind : {"forward", "skip", "feedback", "recurrent"}
        To a later population; past at least one that lies on a way between the two; to an earlier
        one, which closes a cycle; within one population.
    edges : int
        Pairs of cells that are joined.
    weight : float
        Sum over them.
    senders, receivers : int
        Cells that take part.
    """

    pre: str
    post: str
    kind: Kind
    edges: int
    weight: float
    senders: int
    receivers: int

    def __str__(self) -> str:
        return (
            f"{self.pre} -> {self.post} ({self.kind}): {self.edges:,} edges from "
            f"{self.senders:,} to {self.receivers:,} cells"
        )


@dataclass(frozen=True, eq=False)
class GraphCircuit:
    """A graph seen as populations that drive each other.

    Parameters
    ----------
    graph : Graph
    cells : mapping of str to integer array
        The graph's cells of each population, populations in forward order.
    heights : mapping of str to float
        Mean signal flow of their cells: high at the input, low at the output.
    tracts : tuple of Tract
        In forward order of the presynaptic, then of the postsynaptic population.
    """

    graph: Graph
    cells: Mapping[str, Ints]
    heights: Mapping[str, float]
    tracts: tuple[Tract, ...]

    def of(self, *kinds: Kind) -> tuple[Tract, ...]:
        """The tracts of these kinds."""
        return tuple(tract for tract in self.tracts if tract.kind in kinds)

    @property
    def closing(self) -> tuple[Tract, ...]:
        """Tracts without which drives form no cycle, those of the most edges first."""
        return tuple(sorted(self.of("feedback", "recurrent"), key=lambda tract: -tract.edges))

    def share(self, *kinds: Kind) -> float:
        """Which part of the edges between different cells is of these kinds."""
        edges = sum(tract.edges for tract in self.of(*kinds))
        return edges / self.graph.edges if self.graph.edges else 0.0

    def matrix(self, value: Literal["edges", "density", "reciprocity"]) -> NDArray[np.float64]:
        """A value of each tract, pre in rows and post in columns, in forward order.

        Parameters
        ----------
        value : {"edges", "density", "reciprocity"}
            Pairs of cells that are joined; as a share of those that could be; or the share of
            them that is answered, nan where there are none.
        """
        home = np.zeros(len(self.graph), np.int64)
        for place, cells in enumerate(self.cells.values()):
            home[cells] = place
        edges, answered = class_counts(self.graph, home, len(self.cells))
        if value == "edges":
            return edges.astype(float)
        if value == "density":
            sizes = np.bincount(home)
            return edges / np.maximum(np.outer(sizes, sizes) - np.diag(sizes), 1)
        if value == "reciprocity":
            return np.divide(answered, edges, out=np.full(edges.shape, np.nan), where=edges > 0)
        raise WiringError(f"value = {value!r}, expected one of edges, density, reciprocity")

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "populations": {name: len(cells) for name, cells in self.cells.items()},
            "heights": dict(self.heights),
            "shares": {kind: self.share(kind) for kind in KINDS},
            "tracts": [vars(tract) for tract in self.tracts],
        }

    def summary(self, most: int = 10) -> str:
        """For people: the order, how much runs along and against it, and what closes cycles."""
        order = " > ".join(f"{name} ({len(cells):,})" for name, cells in self.cells.items())
        shares = ", ".join(f"{kind} {100 * self.share(kind):.1f} %" for kind in KINDS)
        lines = [f"forward order: {order}", f"edges: {shares}"]
        if self.closing:
            lines.append(f"drives form cycles; closed by {len(self.closing)} tracts:")
            lines += [f"  {tract}" for tract in self.closing[:most]]
        if len(self.closing) > most:
            edges = sum(tract.edges for tract in self.closing[most:])
            lines.append(f"  and {len(self.closing) - most} more of {edges:,} edges in all")
        return "\n".join(lines)

    # -- the forward part ------------------------------------------------------------------

    def forward_part(
        self,
        input: str | None = None,
        output: str | None = None,
        weights: StartingWeights = "listed",
        activation: str = "relu",
        name: str = "forward part",
    ) -> Circuit:
        """What lies on forward and skip tracts from one population to another, as a circuit.

        Rules can wire it and backends run it: it has one input, one output and no cycle. Its notes
        say what was left out.

        Parameters
        ----------
        input, output : str, optional
            By default the first and the last population of the forward order.
        weights : {"listed", "fraction", "drawn"}
            What synapses start from: the graph's weights; the same as shares of what the
            postsynaptic cell receives in this part; or a draw, so that the graph says only who is
            joined.
        activation : str
            φ of the populations between input and output.

        Raises
        ------
        WiringError
            There is no such population, or no forward way between the two.
        """
        names = list(self.cells)
        input, output = input or names[0], output or names[-1]
        forward = self.of("forward", "skip")
        kept = self._between(forward, input, output)
        wiring = Wiring(name)
        for population in (p for p in names if p in kept):
            between = population not in (input, output)
            wiring.population(
                population,
                (len(self.cells[population]),),
                activation=activation if between else "linear",
                bias=population != input,
            )
        inside = [tract for tract in forward if {tract.pre, tract.post} <= kept]
        for tract, rows in zip(inside, self._listed(inside, weights), strict=True):
            wiring.connect(tract.pre, tract.post, FromListConnector(rows))
        for note in self._left_out(kept, inside):
            wiring.note(note)
        return wiring.build()

    def _between(self, forward: Iterable[Tract], input: str, output: str) -> set[str]:
        for name in (input, output):
            if name not in self.cells:
                raise WiringError(f"no population {name!r}; there are {', '.join(self.cells)}")
        ways = nx.DiGraph((tract.pre, tract.post) for tract in forward)
        ways.add_nodes_from(self.cells)
        kept = (nx.descendants(ways, input) | {input}) & (nx.ancestors(ways, output) | {output})
        if input not in kept or input == output:
            reached = [name for name in self.cells if name in nx.descendants(ways, input)]
            raise WiringError(
                f"no forward way from {input!r} to {output!r}; from {input!r} signals reach "
                f"{', '.join(reached) or 'no other population'}. Name others as input= and output="
            )
        return kept

    def _listed(self, tracts: Sequence[Tract], weights: StartingWeights) -> Iterator[list[tuple]]:
        """Rows (pre, post[, weight]) of each tract, cells numbered within their populations."""
        if weights not in get_args(StartingWeights):
            expected = ", ".join(get_args(StartingWeights))
            raise WiringError(f"weights = {weights!r}, expected one of {expected}")
        pre, post, values = (self._edges[key] for key in ("pre", "post", "weight"))
        chosen = [self._members[tract.pre, tract.post] for tract in tracts]
        received = np.zeros(len(self.graph))
        for edges in chosen:
            received += np.bincount(post[edges], np.abs(values[edges]), minlength=len(received))
        for edges in chosen:
            i, j, w = self._number[pre[edges]], self._number[post[edges]], values[edges]
            if weights == "fraction":
                w = w / np.where(received > 0, received, 1)[post[edges]]
            columns = (i, j) if weights == "drawn" else (i, j, w)
            yield list(zip(*(column.tolist() for column in columns), strict=True))

    def _left_out(self, kept: set[str], inside: Sequence[Tract]) -> Iterator[str]:
        apart = [name for name in self.cells if name not in kept]
        if apart:
            yield f"left out, on no forward way from input to output: {', '.join(apart)}"
        for kind in ("feedback", "recurrent"):
            tracts = [tract for tract in self.of(kind) if {tract.pre, tract.post} <= kept]
            if tracts:
                edges = sum(tract.edges for tract in tracts)
                yield f"left out, {kind}: {len(tracts)} tracts of {edges:,} edges"

    @cached_property
    def _edges(self) -> dict[str, NDArray[Any]]:
        return edges_of(self.graph)

    @cached_property
    def _number(self) -> Ints:
        """Of each cell, within its population."""
        number = np.zeros(len(self.graph), np.int64)
        for cells in self.cells.values():
            number[cells] = np.arange(len(cells))
        return number

    @cached_property
    def _members(self) -> dict[tuple[str, str], Ints]:
        return by_tract(self._edges, self.cells)


def circuit_from_graph(graph: Graph | nx.DiGraph, classes: Classes = "class") -> GraphCircuit:
    """Populations from classes of cells, in the order of signal flow, and the tracts between them.

    Populations stand in the order of their cells' mean signal flow (`signal_flow`), but for those
    that drives of the graph put in another order without contradiction: what leads to an earlier
    population is always part of a cycle.

    Parameters
    ----------
    classes : str, pattern, mapping or array
        An attribute of the graph; a compiled regular expression that every name of a cell matches
        as a whole, whose first group is the class (`BY_NAME`: all but the number at the end); the
        class of each name; or of each cell in turn. Signs that cannot stand in a population's
        name become underscores.

    Raises
    ------
    WiringError
        There is no such attribute, or a cell has no class.

    Examples
    --------
    >>> import networkx as nx
    >>> from oneway.analysis.graphs import BY_NAME, circuit_from_graph
    >>> ways = [("eye1", "mid1"), ("eye2", "mid2"), ("mid1", "leg1"), ("mid2", "leg1"),
    ...         ("eye1", "leg1"), ("leg1", "mid2"), ("mid1", "mid2")]
    >>> found = circuit_from_graph(nx.DiGraph(ways), BY_NAME)
    >>> list(found.cells), [(tract.pre, tract.post) for tract in found.of("feedback")]
    (['eye', 'mid', 'leg'], [('leg', 'mid')])
    >>> found.forward_part().output.name
    'leg'
    """
    graph = as_graph(graph)
    if not len(graph):
        raise WiringError("the graph has no cell to make a population of")
    members = populations_of(graph, classes)
    flow, edges = signal_flow(graph), edges_of(graph)
    heights = {name: float(flow[cells].mean()) for name, cells in members.items()}
    joined = {pair: who for pair, who in by_tract(edges, members).items() if len(who)}
    order = forward_order(joined, heights)
    kinds = kinds_of_tracts(joined, order)
    tracts = (
        Tract(
            *pair,
            kinds[pair],
            len(who),
            float(edges["weight"][who].sum()),
            len(np.unique(edges["pre"][who])),
            len(np.unique(edges["post"][who])),
        )
        for pair in ((pre, post) for pre in order for post in order)
        if len(who := joined.get(pair, ()))
    )
    return GraphCircuit(
        graph,
        {name: members[name] for name in order},
        {name: heights[name] for name in order},
        tuple(tracts),
    )
