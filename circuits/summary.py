"""A circuit as fixed-width text for people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields
from math import prod
from textwrap import fill
from typing import NamedTuple

from .assembly import Assembly
from .connectors import Connector, OneToOneConnector
from .elements import ROLES, Phase, Plasticity, Population, Projection, Signal, Weights
from .relation import ListedRelation
from .timing import SpikeWindow

Row = Sequence[str]
WIDTH = 100
_NONE = "-"
_NUMBER = re.compile(r"[\d,.]*|-")


def summarise(circuit: Assembly) -> str:
    """The circuit as tables: cells, who drives whom, what every synapse learns from, totals.

    Columns in which nothing stands are left out.

    Examples
    --------
    >>> from oneway.circuits import mlp
    >>> print(mlp((4, 3, 2)).summary())  # doctest: +NORMALIZE_WHITESPACE
    circuit mlp:4-3-2
    <BLANKLINE>
    populations
      name    path     shape  cells  φ       bias
      x       forward  4          4  linear  -
      h1      forward  3          3  relu    yes
      output  forward  2          2  linear  yes
    <BLANKLINE>
    drives
      pre -> post   connector  weights  number  learns from  phases
      x -> h1       AllToAll   own          12  fixed        engaged
      h1 -> output  AllToAll   own           6  fixed        engaged
    <BLANKLINE>
    phases
      name     mode     noise
      engaged  engaged  driven by data
    <BLANKLINE>
    totals
      cells 9, synapses 18
      parameters 23: weights 18, biases 5, normalisation 0
    """
    sections = [
        [f"circuit {circuit.name}"],
        ["populations", *_table(_POPULATION, map(_population_row, circuit.populations.values()))],
        ["drives", *_table(_DRIVE, (_drive_row(circuit, p) for p in circuit.select(role="drive")))],
        *_other_roles(circuit),
        ["phases", *_table(_PHASE, map(_phase_row, circuit.phases.values()))],
        ["totals", *_total_lines(circuit)],
    ]
    if circuit.notes:
        sections.append(["notes", *(_wrapped(f"- {note}", 4) for note in circuit.notes)])
    return "\n\n".join("\n".join(section) for section in sections)


# -- tables --------------------------------------------------------------------------------

_POPULATION = ("name", "path", "shape", "cells", "φ", "bias", "norm", "partner", "learns from")
_DRIVE = (
    "pre -> post", "connector", "weights", "number", "norm", "learns from", "delay", "phases",
)  # fmt: skip
_PHASE = ("name", "mode", "noise", "biases", "norms")


def _table(header: Row, rows: Iterable[Row]) -> list[str]:
    """Rows under a header, without the columns in which nothing stands."""
    columns = zip(header, *rows, strict=True)
    shown = [column for column in columns if set(column[1:]) - {_NONE}]
    return [f"  {line}" for line in aligned(zip(*shown, strict=True))] or ["  none"]


def aligned(rows: Iterable[Row]) -> list[str]:
    """Lines of text in columns, the header first; numbers, but for shapes, to the right."""
    columns = [_padded(column) for column in zip(*rows, strict=True)]
    return ["  ".join(line).rstrip() for line in zip(*columns, strict=True)]


def _padded(column: Row) -> list[str]:
    width, (header, *cells) = max(map(len, column)), column
    right = header != "shape" and all(_NUMBER.fullmatch(cell) for cell in cells)
    return [cell.rjust(width) if right else cell.ljust(width) for cell in column]


def _population_row(population: Population) -> Row:
    norm = "batch" if population.norm else _NONE
    if population.error_norm != "none":
        norm = f"error: {population.error_norm}"
    return (
        population.name,
        population.path,
        shape_text(population.shape),
        f"{population.size:,}",
        population.activation,
        "yes" if population.bias else _NONE,
        norm,
        population.partner or _NONE,
        signal_text(population.learns) if population.learns else _NONE,
    )


def _drive_row(circuit: Assembly, drive: Projection) -> Row:
    n_weights = _n_weights(circuit, drive)
    norm = "batch" if drive.norm else ""
    if drive.error_norm != "none":
        norm = ", ".join(filter(None, (norm, f"error: {drive.error_norm}")))
    return (
        _ends(drive),
        connector_text(drive.connector),
        weights_text(drive.weights),
        f"{n_weights:,}" if drive.weights else _NONE,
        norm or _NONE,
        _learns(drive),
        f"{drive.delay:g} ms" if drive.delay else _NONE,
        ", ".join(drive.phases),
    )


def _ends(projection: Projection) -> str:
    """`pre -> post`, and the name where that says more."""
    ends = f"{projection.pre} -> {projection.post}"
    usual = (ends, f"{projection.role}: {ends}")
    return ends if projection.name in usual else f"{ends} ({projection.name})"


def _learns(drive: Projection) -> str:
    if drive.weights is None:
        return _NONE
    if drive.plasticity is not None:
        return plasticity_text(drive.plasticity)
    return "fixed" if drive.weights.kind == "independent" else "with what it is tied to"


def _other_roles(circuit: Assembly) -> list[list[str]]:
    """Weightless projections, many to a line: there are as many as cells' populations."""
    sections = []
    for role in ROLES:
        entries = [_entry(p) for p in circuit.select(role=role)]
        if role != "drive" and entries:
            sections.append([role, _wrapped("; ".join(entries), 2)])
    return sections


def _entry(projection: Projection) -> str:
    text = _ends(projection)
    one_to_one = isinstance(projection.connector, OneToOneConnector)
    remarks = [] if one_to_one else [connector_text(projection.connector)]
    if projection.derivative is not None:
        remarks.append(f"{projection.derivative}′")
    if projection.delay:
        remarks.append(f"after {projection.delay:g} ms")
    if projection.phases != ("engaged",):
        remarks.append("in " + ", ".join(projection.phases))
    return f"{text} [{', '.join(remarks)}]" if remarks else text


def _phase_row(phase: Phase) -> Row:
    noise = "driven by data" + (f" about {phase.noise_mean:g}" if phase.noise_mean else "")
    if phase.noisy:
        noise = f"{', '.join(phase.noisy)}: mean {phase.noise_mean:g}, sd {phase.noise_std:g}"
    biases, norms = (
        "blocked" if closed else _NONE for closed in (phase.bias_blocked, phase.norm_blocked)
    )
    return (phase.name, phase.mode, noise, biases, norms)


def _wrapped(text: str, hanging: int) -> str:
    # Hyphens and arrows belong to names: break between entries only.
    return fill(
        text,
        WIDTH,
        initial_indent="  ",
        subsequent_indent=" " * hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


# -- words ---------------------------------------------------------------------------------


def shape_text(shape: Sequence[int]) -> str:
    """`3x32x32` for (3, 32, 32)."""
    return "x".join(map(str, shape))


def connector_text(connector: Connector) -> str:
    """`Conv2d(64, 3, padding=1)`: its name and what differs from the defaults."""
    arguments = []
    for part in fields(connector):  # type: ignore[arg-type]  # every connector is a dataclass
        value = getattr(connector, part.name)
        if not part.repr or value == part.default:
            continue
        text = connector_text(value) if isinstance(value, Connector) else str(value)
        arguments.append(text if part.default is MISSING else f"{part.name}={text}")
    name = type(connector).__name__.removesuffix("Connector")
    return f"{name}({', '.join(arguments)})" if arguments else name


def weights_text(weights: Weights | None) -> str:
    """Whose weights they are: `own`, `own, kaiming_normal`, `tied to h1 -> h2`."""
    if weights is None:
        return _NONE
    if weights.kind == "independent":
        if weights.start == "aligned":
            return f"own, starts as {weights.to}"
        return "own" if weights.start == Weights().start else f"own, {weights.start}"
    return f"{'tied to' if weights.kind == 'tied' else 'signs of'} {weights.to}"


def signal_text(signal: Signal) -> str:
    """`activity` or `taught by delta_h1`, with what the cell does to it."""
    how = {"taught": "taught by", "synaptic": "brought to each synapse by"}
    text = f"{how[signal.kind]} {signal.source}" if signal.kind in how else "activity"
    text += " × own φ′" if signal.gated else ""
    return text if signal.centred == "no" else f"{text} - {signal.centred} mean"


def plasticity_text(plasticity: Plasticity) -> str:
    """`pre: activity, post: taught by delta_h1`, with what differs from plain descent."""
    parts = [f"pre: {signal_text(plasticity.pre)}", f"post: {signal_text(plasticity.post)}"]
    if plasticity.hebbian:
        parts.append("Hebbian")
    if plasticity.reduction != "sum":
        parts.append(plasticity.reduction)
    if plasticity.window is not None:
        parts.append(window_text(plasticity.window))
    for name in ("rate", "decay", "scaling", "set_point"):
        if getattr(plasticity, name) is not None:
            parts.append(f"{name.replace('_', ' ')} {getattr(plasticity, name):g}")
    if plasticity.phase != "engaged":
        parts.append(f"in {plasticity.phase}")
    return ", ".join(parts)


def window_text(window: SpikeWindow) -> str:
    """`pairs of spikes, -1 (20 ms) where post follows, +1 (20 ms) where it leads`."""
    sides = [
        " ".join(f"{amplitude:+g} ({tau_ms:g} ms)" for amplitude, tau_ms in lobes) + f" {where}"
        for lobes, where in (
            (window.after, "where post follows"),
            (window.before, "where it leads"),
        )
        if lobes
    ]
    return ", ".join(["pairs of spikes", *sides])


# -- numbers -------------------------------------------------------------------------------


class Totals(NamedTuple):
    """How much there is of a circuit; see `count_totals`."""

    cells: int
    synapses: int
    weights: int
    biases: int
    normalisation: int

    @property
    def parameters(self) -> int:
        """Numbers that are stored, whether or not they learn."""
        return self.weights + self.biases + self.normalisation


def count_totals(circuit: Assembly) -> Totals:
    """Cells, synapses and stored parameters, exact.

    A synapse is a neuron pair that a drive joins, so that a shared convolution kernel counts at
    every position; a list's repeated pairs (multapses) count each. Tied weights are stored once.
    Biases, gains and shifts are one per channel of an image, one per cell of a dense population.

    Examples
    --------
    >>> from oneway.circuits import mlp
    >>> from oneway.circuits.summary import count_totals
    >>> count_totals(mlp((4, 3, 2))).parameters
    23
    """
    populations, drives = circuit.populations, list(circuit.select(role="drive"))
    owned = [p for p in drives if p.weights is not None and p.weights.kind == "independent"]
    normalised = [populations[p.post] for p in drives if p.norm and p.norm.affine]
    normalised += [p for p in populations.values() if p.norm and p.norm.affine]
    return Totals(
        cells=sum(p.size for p in populations.values()),
        synapses=sum(_n_synapses(circuit, p) for p in drives),
        weights=sum(_n_weights(circuit, p) for p in owned),
        biases=sum(p.shape[0] for p in populations.values() if p.bias),
        normalisation=sum(2 * p.shape[0] for p in normalised),
    )


def _n_weights(circuit: Assembly, drive: Projection) -> int:
    shape = drive.connector.weight_shape(*circuit.shapes(drive))
    return 0 if shape is None else prod(shape)


def _n_synapses(circuit: Assembly, drive: Projection) -> int:
    relation = drive.connector.relation(*circuit.shapes(drive))
    return len(relation.pairs) if isinstance(relation, ListedRelation) else relation.count()


def _total_lines(circuit: Assembly) -> list[str]:
    total = count_totals(circuit)
    stored = (
        f"weights {total.weights:,}, biases {total.biases:,}, normalisation {total.normalisation:,}"
    )
    return [
        f"  cells {total.cells:,}, synapses {total.synapses:,}",
        f"  parameters {total.parameters:,}: {stored}",
    ]
