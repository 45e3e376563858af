"""What synapses and cells read that is not at hand in their own cells, as the circuit has it.

A plasticity statement names signals at a synapse's two cells only. What a synapse's strength is
made of, and which way errors take, may be known elsewhere: each such reading is listed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from oneway.circuits import Circuit, Population, Projection
from oneway.circuits.winners import is_route

Kind = Literal[
    "weights", "signs", "shared", "bias", "winners", "norm", "error_norm", "strength", "softmax"
]
_TEXTS: dict[Kind, str] = {
    "weights": "{reader!r} has the weights of {of!r}: weight transport",
    "signs": "{reader!r} has the signs of the weights of {of!r}: sign transport",
    "shared": "{reader!r} has one weight for many pairs of cells, and each learns from all of them",
    "bias": "{reader!r} has one bias for all cells of a channel, which learns from all of them",
    "winners": "{reader!r} is told which cell of each window of {of!r} is the strongest",
    "norm": "{reader!r} is normalised by the mean and variance of a batch",
    "error_norm": "{reader!r} brings errors past the normalisation of {of!r}: {how}",
    "strength": "{reader!r} is scaled by the sum of |w| of all synapses {where}",
    "softmax": "{reader!r} divides by the sum over all cells of {of!r}, where the loss is "
    "cross-entropy: as rates, and in spikes with the loss 'cross_entropy'",
}
_ERROR_NORMS = {
    "full": "sums over the errors of a batch",
    "scale": "its gain and standard deviation",
    "own": "the mean and variance of a batch of errors",
}


@dataclass(frozen=True)
class Beyond:
    """One thing that is read beyond a synapse's own two cells, or a cell.

    Parameters
    ----------
    reader : str
        The projection whose synapses read it, or the population whose cells do.
    kind : str
        `weights` or `signs` of another projection; a weight or a `bias` that is `shared`;
        `winners` of a max-pool; `norm` and `error_norm`, statistics of batch norm in rates; the
        `strength` of a cell's synapses, by which they are scaled; the sum of a `softmax`.
    of : str
        The projection or population that it belongs to.
    text : str
        A sentence.
    """

    reader: str
    kind: Kind
    of: str
    text: str

    def __str__(self) -> str:
        return self.text


def reads_beyond(circuit: Circuit) -> list[Beyond]:
    """Everything that is read beyond a synapse's own two cells; of cells, beyond themselves.

    Told by nobody are the schedule, η, λ and the share of a sample in its batch, which every cell
    knows; what spikes and their cells share besides, `SpikingNetwork.carriers` says.

    Examples
    --------
    >>> from oneway.analysis import reads_beyond
    >>> from oneway.circuits import mlp
    >>> from oneway.rules import parse_rule
    >>> for one in reads_beyond(parse_rule("bp").wire(mlp((4, 3, 2)))):
    ...     print(one.kind, one.reader, "|", one.of)
    softmax delta_output | output
    weights delta_output -> delta_h1 | h1 -> output
    """
    found = list[Beyond]()
    for cells in circuit.populations.values():
        found += _of_cells(circuit, cells)
    for p in circuit.select(role="drive"):
        found += _of_synapses(circuit, p)
    return found


def _of_cells(circuit: Circuit, cells: Population) -> Iterator[Beyond]:
    if cells.bias and cells.size > cells.shape[0]:
        yield _say(cells.name, "bias")
    if cells.norm is not None:
        yield _say(cells.name, "norm")
    if cells.error_norm != "none":
        yield _say(cells.name, "error_norm", cells.partner, how=_ERROR_NORMS[cells.error_norm])
    for p in circuit.select(role="compare", post=cells.name):
        if circuit.populations[p.pre].path == "forward":
            yield _say(cells.name, "softmax", p.pre)


def _of_synapses(circuit: Circuit, p: Projection) -> Iterator[Beyond]:
    owner = circuit.reading.owner(p)
    shared = owner is p and _shares(circuit, p)
    if owner is not p:
        signs = p.weights is not None and p.weights.kind == "sign-tied"
        yield _say(p.name, "signs" if signs else "weights", owner.name)
    elif shared:
        yield _say(p.name, "shared")
    if is_route(p):
        yield _say(p.name, "winners", p.partner)
    if p.norm is not None:
        yield _say(p.name, "norm")
    if p.error_norm != "none":
        passed = circuit.reading.error_passes(p).name
        yield _say(p.name, "error_norm", passed, how=_ERROR_NORMS[p.error_norm])
    if p.plasticity is not None and p.plasticity.scaling is not None:
        where = "of a channel" if shared else "that its cell receives through it"
        yield _say(p.name, "strength", where=where)


def _shares(circuit: Circuit, p: Projection) -> bool:
    connector = p.connector
    return connector.convolutional and connector.pairs_per_weight(*circuit.shapes(p)).max() > 1


def _say(reader: str, kind: Kind, of: str | None = None, **words: str) -> Beyond:
    of = of or reader
    return Beyond(reader, kind, of, _TEXTS[kind].format(reader=reader, of=of, **words))
