"""What a rule costs in wiring: one line a rule, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from oneway.circuits import Circuit, Projection, SynapticConnector
from oneway.circuits.summary import aligned

from .constraints.counts import connection_count
from .constraints.walks import shortest_return
from .routes import output_pair
from .traffic import Traffic, activation_traffic
from .wiring import ALL, PAPERS, check_wiring


@dataclass(frozen=True)
class Costs:
    """What a wired circuit takes besides its forward drives.

    Parameters
    ----------
    papers, all, output : int
        Reciprocal pairs of cells, as in `Verdict`.
    transport : {"none", "signs", "full"}
        Of weights.
    loop, loop_all : int or None
        Connections on the shortest way from a hidden cell to its error cell and back: by drives,
        teaching and mimicry, and with gates and norms. None: there is no way.
    projections, connections : int
        Beyond the forward drives, and between how many pairs of cells.
    told : (int, int)
        The most signals that a hidden cell, and a hidden error cell, is told besides its drives.
    per_synapse : int
        The most signals that one synapse is told for itself.
    modes : int
        That the circuit takes turns in.
    traffic : Traffic
        Activities that plasticity reads in a step.
    """

    papers: int
    all: int
    output: int
    transport: Literal["none", "signs", "full"]
    loop: int | None
    loop_all: int | None
    projections: int
    connections: int
    told: tuple[int, int]
    per_synapse: int
    modes: int
    traffic: Traffic


def wiring_costs(circuit: Circuit) -> Costs:
    """Count what a wired circuit takes.

    Examples
    --------
    >>> from oneway.analysis import wiring_costs
    >>> from oneway.circuits import mlp
    >>> from oneway.rules import parse_rule
    >>> costs = wiring_costs(parse_rule("kp").wire(mlp((6, 4, 3))))
    >>> costs.papers, costs.loop, costs.told
    (4, 2, (1, 2))
    """
    verdict = check_wiring(circuit)
    extra = [
        p
        for p in circuit.projections.values()
        if p.role != "drive" or circuit.populations[p.post].path != "forward"
    ]
    return Costs(
        verdict.papers,
        verdict.all,
        verdict.output,
        verdict.weight_transport,
        shortest_return(circuit, (*PAPERS, "compare")),
        shortest_return(circuit, (*ALL, "compare")),
        len(extra),
        sum(connection_count(circuit, p) for p in extra),
        (_told(circuit, "forward"), _told(circuit, "feedback")),
        _per_synapse(circuit),
        verdict.phases,
        activation_traffic(circuit),
    )


def _told(circuit: Circuit, path: str) -> int:
    hidden = (
        cells.name
        for cells in circuit.populations.values()
        if cells.path == path and cells.name not in output_pair(circuit)
    )
    arriving = (list(circuit.select(post=name)) for name in hidden)
    return max((sum(map(_tells_a_cell, some)) for some in arriving), default=0)


def _tells_a_cell(p: Projection) -> bool:
    return p.role != "drive" and not isinstance(p.connector, SynapticConnector)


def _per_synapse(circuit: Circuit) -> int:
    plastic = [p for p in circuit.select(role="drive") if p.plasticity is not None]
    return max((sum(s.kind == "synaptic" for _, s in p.factors) for p in plastic), default=0)


# -- for people --------------------------------------------------------------------------------

HEADINGS = (
    "rule",
    "pairs (papers)",
    "pairs (all)",
    "transport",
    "way back",
    "with gates",
    "projections",
    "connections",
    "told a cell",
    "told a synapse",
    "phases",
    "cells read",
    "of the first",
)


def costs_rows(costs: Mapping[str, Costs]) -> list[tuple[str, ...]]:
    """One row a rule below `HEADINGS`; activities read are relative to the first."""
    first = next(iter(costs.values())).traffic
    return [
        (name, *_row(each), f"{each.traffic.relative_to(first):.2f}")
        for name, each in costs.items()
    ]


def _row(costs: Costs) -> tuple[str, ...]:
    return (
        f"{costs.papers:,}",
        f"{costs.all:,}",
        costs.transport,
        str(costs.loop or "-"),
        str(costs.loop_all or "-"),
        f"{costs.projections:,}",
        f"{costs.connections:,}",
        "{} + {}".format(*costs.told),
        str(costs.per_synapse),
        str(costs.modes),
        f"{costs.traffic.elements:,}",
    )


def costs_table(costs: Mapping[str, Costs]) -> str:
    """What rules cost, one a line.

    Parameters
    ----------
    costs : mapping
        Name of the rule → its costs; at least one.
    """
    return "\n".join(aligned([HEADINGS, *costs_rows(costs)]))
