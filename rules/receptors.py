"""Sign-symmetric feedback by receptors and ligands (Xiao et al. 2019, section 4 and Fig. 4).

"An axon carrying ligand LX will only synapse onto a downstream neuron carrying the corresponding
receptor RX." Which cell carries what says where feedback goes and of which sign it is: it has the
signs of the forward weights although no synapse knows another one's.

Units are *consistent* if all that they send is of one sign (Fig. 4b). Two ligand-receptor pairs,
one for what excites and one for what inhibits, are enough: a forward cell's axon has the ligand of
its own sign, and its error cell the receptor; a cell that hears from excitatory cells has that
receptor, and its error cell sends that ligand, and excites. *Inconsistent* units are trios of cells
(Fig. 4a): one that hears, and one each that excites and inhibits in its name. Each unit's hearing
cell has a receptor of its own, and axons carry the ligands of all units that they are to reach: as
many pairs as units that hear. The paper shows both in a drawing; what is said here is our reading
of its caption, with error cells apart from forward cells, as everywhere in this package.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oneway.circuits import (
    ACTIVITY,
    Circuit,
    FromListConnector,
    Projection,
    Signal,
    Wiring,
    WiringError,
    taught_by,
)

Path = Literal["forward", "feedback"]
Units = Literal["consistent", "inconsistent"]
Signs = NDArray[np.int64]
Meeting = list[tuple["LabelledCell", "LabelledCell"]]

BY_SIGN = {1: "+", -1: "-", 0: ""}
# The cells of a trio that excite and inhibit, by the sign of their axons.
ARMS = {1: "plus", -1: "minus"}


@dataclass(frozen=True)
class LabelledCell:
    """A cell with what its axon and its dendrites carry.

    Parameters
    ----------
    population : str
    index : int
    sign : {1, -1, 0}
        What its axon does: excites, inhibits, or nothing beyond its own trio.
    ligands : frozenset of str
        On its axon.
    receptors : frozenset of str
        On its dendrites.
    """

    population: str
    index: int
    sign: int
    ligands: frozenset[str] = frozenset()
    receptors: frozenset[str] = frozenset()

    def reaches(self, other: LabelledCell) -> bool:
        """Whether its axon synapses onto another cell, if that is downstream."""
        return bool(self.ligands & other.receptors)


@dataclass(frozen=True)
class ReceptorWiring:
    """A circuit that labels have wired.

    Parameters
    ----------
    circuit : Circuit
        All of its weights are independent; forward weights learn from the error.
    cells : tuple of LabelledCell
        Every cell with a ligand or a receptor.
    """

    circuit: Circuit
    cells: tuple[LabelledCell, ...]

    @property
    def pairs(self) -> int:
        """How many ligand-receptor pairs it takes."""
        return len({label for cell in self.cells for label in cell.ligands | cell.receptors})


def draw_signs(sizes: Sequence[int], units: Units = "consistent", seed: int = 0) -> list[Signs]:
    """Signs of the weights between layers, at random: of the one kind, or any at all.

    Parameters
    ----------
    sizes : sequence of int
        Cells of each layer, from the input to the output.

    Returns
    -------
    list of array, shape (post, pre)
        1, -1 and 0, where no synapse is.
    """
    random = np.random.default_rng(seed)
    if units == "inconsistent":
        shapes = zip(sizes[1:], sizes[:-1], strict=True)
        return [random.integers(-1, 2, shape) for shape in shapes]
    drawn = []
    for post, pre in zip(sizes[1:], sizes[:-1], strict=True):
        hears, sends = (random.permuted(np.resize([1, -1], n)) for n in (post, pre))
        drawn.append(np.where(hears[:, None] == sends, sends, 0))
    return drawn


def receptor_wiring(
    signs: Sequence[ArrayLike],
    units: Units = "consistent",
    activation: str = "relu",
    gate: Literal["exact", "local"] = "exact",
    seed: int = 0,
) -> ReceptorWiring:
    """Label cells so that they wire themselves with these signs, forward and back.

    Parameters
    ----------
    signs : sequence of array, shape (post, pre)
        From each layer to the next: 1, -1, or 0 for no synapse. `draw_signs` makes some.
    units : {"consistent", "inconsistent"}
        One cell a unit and two ligand-receptor pairs in all, or a trio and a pair a unit.
    activation : str
        φ of hidden units.
    gate : {"exact", "local"}
        As for rules.
    seed : int
        Of the magnitudes, which forward and feedback weights draw each for themselves.

    Raises
    ------
    WiringError
        Layers do not follow each other, or units are not as consistent as they are to be; the
        message names one.

    Examples
    --------
    >>> from oneway.analysis import check, dales_law, no_reciprocal_pairs, no_sign_transport
    >>> from oneway.rules import draw_signs, receptor_wiring
    >>> wiring = receptor_wiring(draw_signs((6, 4, 3)))
    >>> wiring.pairs
    2
    >>> check(wiring.circuit, no_reciprocal_pairs() & no_sign_transport() & dales_law()).ok
    True
    """
    layers = [np.asarray(one, np.int64) for one in signs]
    _check(layers, units)
    labels = _label_consistent(layers) if units == "consistent" else _label_trios(layers)
    random = np.random.default_rng(seed)
    circuit = _Builder(layers, units, activation, gate, labels, random).build()
    return ReceptorWiring(circuit, tuple(labels))


def _check(layers: Sequence[Signs], units: Units) -> None:
    if units not in get_args(Units):
        raise WiringError(f"units {units!r}, expected one of {', '.join(get_args(Units))}")
    if not layers or any(one.ndim != 2 or not np.isin(one, (-1, 0, 1)).all() for one in layers):
        raise WiringError("signs: expected one matrix (post, pre) of 1, -1 and 0 for each layer")
    for number, (one, other) in enumerate(pairwise(layers)):
        if len(one) != other.shape[1]:
            raise WiringError(
                f"signs: matrix {number} ends in {len(one)} cells, but matrix {number + 1} starts "
                f"from {other.shape[1]}; the shapes are (post, pre)"
            )
    for number, one in enumerate(layers):
        if not one.any():
            raise WiringError(f"signs: matrix {number} has no synapse")


def _names(layers: Sequence[Signs]) -> list[str]:
    return ["x", *(f"h{number}" for number in range(1, len(layers))), "output"]


# -- labels ------------------------------------------------------------------------------------


def _label_consistent(layers: Sequence[Signs]) -> list[LabelledCell]:
    """Two pairs: what excites and what inhibits."""
    names, cells = _names(layers), list[LabelledCell]()
    sends = [
        _one_sign(signs.T, name, "sends") for signs, name in zip(layers, names[:-1], strict=True)
    ]
    hears = [_one_sign(signs, name, "hears") for signs, name in zip(layers, names[1:], strict=True)]
    for name, out, into in zip(names, [*sends, []], [[], *hears], strict=True):
        for unit in range(len(out or into)):
            ligand, receptor = _label(out, unit), _label(into, unit)
            cells.append(LabelledCell(name, unit, out[unit] if out else 0, ligand, receptor))
            if (
                into
            ):  # ligand and receptor change places, so that the error goes back whence it came
                cells.append(LabelledCell(f"delta_{name}", unit, into[unit], receptor, ligand))
    _check_two_pairs(layers, names, cells)
    return cells


def _one_sign(rows: Signs, name: str, verb: str) -> list[int]:
    """The one sign of each row; 0 where it has no synapse."""
    for unit, row in enumerate(rows):
        if {1, -1} <= set(row.tolist()):
            raise WiringError(
                f"{name}[{unit}] {verb} both signs: it is no consistent unit. Use "
                "units='inconsistent', which makes it a trio of cells"
            )
    return [int(np.sign(row.sum())) for row in rows]


def _label(signs: list[int], unit: int) -> frozenset[str]:
    return frozenset(BY_SIGN[signs[unit]]) if signs else frozenset()


def _check_two_pairs(
    layers: Sequence[Signs], names: Sequence[str], cells: Sequence[LabelledCell]
) -> None:
    """Two pairs join all cells of a sign: a pattern with gaps is not theirs."""
    named = {(cell.population, cell.index): cell for cell in cells}
    for signs, pre, post in zip(layers, names[:-1], names[1:], strict=True):
        for (j, i), sign in np.ndenumerate(signs):
            if sign == 0 and named[pre, i].reaches(named[post, j]):
                raise WiringError(
                    f"two ligand-receptor pairs join {pre}[{i}] and {post}[{j}], which are of one "
                    "sign, but signs has 0 there. Use units='inconsistent', which has a pair a unit"
                )


def _label_trios(layers: Sequence[Signs]) -> list[LabelledCell]:
    """One pair a unit: its hearing cells have the receptor, whoever is to reach it the ligand."""
    names, cells = _names(layers), list[LabelledCell]()
    for number, (signs, pre, post) in enumerate(zip(layers, names[:-1], names[1:], strict=True)):
        cells += _hearing(post, len(signs))
        cells += _arms(pre, signs.T, post)
        cells += _arms(f"delta_{post}", signs, pre) if number else []
        cells += _hearing(f"delta_{post}", len(signs), post)
    return cells


def _hearing(population: str, size: int, unit: str = "") -> Iterator[LabelledCell]:
    for index in range(size):
        receptor = frozenset({f"{unit or population}[{index}]"})
        yield LabelledCell(population, index, 0, receptors=receptor)


def _arms(population: str, signs: Signs, downstream: str) -> Iterator[LabelledCell]:
    """The cells that excite and inhibit for each unit; signs (unit, downstream)."""
    for sign, arm in ARMS.items():
        for index, row in enumerate(signs):
            ligands = frozenset(f"{downstream}[{i}]" for i in np.flatnonzero(row == sign))
            yield LabelledCell(f"{population}_{arm}", index, sign, ligands)


# -- the circuit -------------------------------------------------------------------------------


class _Builder:
    """Populations, and every synapse that the labels of two populations call for."""

    def __init__(
        self,
        layers: Sequence[Signs],
        units: Units,
        activation: str,
        gate: str,
        labels: Sequence[LabelledCell],
        random: np.random.Generator,
    ) -> None:
        self.names, self.sizes = _names(layers), [layers[0].shape[1], *map(len, layers)]
        self.trios, self.activation, self.gate = units == "inconsistent", activation, gate
        self.random = random
        self.labels: dict[str, list[LabelledCell]] = {}
        for cell in labels:
            self.labels.setdefault(cell.population, []).append(cell)
        self.net = Wiring(f"receptors:{'-'.join(map(str, self.sizes))}")

    def build(self) -> Circuit:
        self._add_cells()
        ends = list(pairwise(self.names))
        forward = [(pre, post, p) for pre, post in ends for p in self._drives(pre, post)]
        for pre, _, p in reversed(forward):
            if pre != "x":
                self._feed_back(p)
        for source in (self.names[-1], "target"):
            self.net.connect(source, f"delta_{self.names[-1]}", role="compare")
        for name in self.names[1:]:
            self._teach(name)
        for _, post, p in forward:
            self.net.learn(p, pre=ACTIVITY, post=self._error(post))
        return self.net.build()

    def _add_cells(self) -> None:
        last = self.names[-1]
        for name, size in zip(self.names, self.sizes, strict=True):
            hidden = name not in ("x", last)
            activation = self.activation if hidden else "linear"
            learns = self._error(name) if name != "x" else None
            self.net.population(
                name, (size,), activation=activation, bias=name != "x", learns=learns
            )
            self._add_arms(name, size, "forward", name != last)
        self.net.population("target", (self.sizes[-1],), path="target")
        for name, size in reversed(list(zip(self.names[1:], self.sizes[1:], strict=True))):
            self.net.population(f"delta_{name}", (size,), path="feedback", partner=name)
            self._add_arms(f"delta_{name}", size, "feedback", name != self.names[1])

    def _add_arms(self, name: str, size: int, path: Path, needed: bool) -> None:
        if self.trios and needed:
            for arm in ARMS.values():
                self.net.population(f"{name}_{arm}", (size,), path=path)
                self.net.connect(name, f"{name}_{arm}")

    def _drives(self, pre: str, post: str) -> list[Projection]:
        return [p for name in self._senders(pre) if (p := self._drive(name, post)) is not None]

    def _senders(self, name: str) -> list[str]:
        return [f"{name}_{arm}" for arm in ARMS.values()] if self.trios else [name]

    def _drive(self, pre: str, post: str) -> Projection | None:
        """A synapse for each ligand that meets its receptor."""
        axons, dendrites = self.labels[pre], self.labels[post]
        meeting = [(a, d) for a in axons for d in dendrites if a.reaches(d)]
        return self._listed(pre, post, meeting) if meeting else None

    def _listed(
        self, pre: str, post: str, meeting: Meeting, partner: str | None = None
    ) -> Projection:
        # Magnitudes with the mean square of He's draw for as many synapses as a cell has.
        size = np.sqrt(2 * len(self.labels[post]) / len(meeting))
        magnitudes = np.abs(self.random.normal(0, size, len(meeting)))
        rows = [
            (a.index, d.index, a.sign * w) for (a, d), w in zip(meeting, magnitudes, strict=True)
        ]
        return self.net.connect(pre, post, FromListConnector(rows), partner=partner)

    def _feed_back(self, forward: Projection) -> None:
        """The antiparallel drive, by its own labels; synapses in the order of its partner's."""
        arm = next((f"_{a}" for a in ARMS.values() if forward.pre.endswith(f"_{a}")), "")
        lower = forward.pre.removesuffix(arm)
        pre, post = f"delta_{forward.post}{arm}", f"delta_{lower}"
        axons, dendrites = self.labels[pre], self.labels[post]
        meeting = [(a, d) for d in dendrites for a in axons if a.reaches(d)]
        self._listed(pre, post, meeting, partner=forward.name)

    def _teach(self, name: str) -> None:
        error = f"delta_{name}"
        self.net.teach(error, name)
        if self.gate == "exact" and name != self.names[-1] and self.activation != "linear":
            self.net.gate(name, error, derivative=self.activation)

    def _error(self, name: str) -> Signal:
        gated = self.gate == "local" and name != self.names[-1] and self.activation != "linear"
        return taught_by(f"delta_{name}", gated=gated)
