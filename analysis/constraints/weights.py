"""What weights may be: nobody else's, of nobody else's signs, of one sign a cell."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from oneway.circuits import Circuit, Weights

from ..graphs import Graph
from ..locality import drawn_weights, signs_sent
from .fixes import redrawing
from .language import EXAMPLES, Constraint, Found, Violation, named


def no_weight_transport() -> Constraint:
    """No projection has the weights of another, neither all along nor as a copy at the start.

    This is said of weights, whoever is joined to whom: feedback that reaches its target by way of
    another population may copy weights without a reciprocal pair, or have a pair and copy none.
    """
    return Constraint(
        "no-weight-transport",
        "no weights are another projection's",
        partial(_transport, ("tied", "aligned")),
    )


def no_sign_transport() -> Constraint:
    """No projection has the signs, or all, of another's weights."""
    return Constraint(
        "no-sign-transport",
        "no weights have another projection's signs",
        partial(_transport, ("tied", "aligned", "sign-tied")),
    )


_WHAT = {
    "tied": "uses the weights of",
    "sign-tied": "uses the signs of",
    "aligned": "starts as a copy of",
}


def _transport(kinds: tuple[str, ...], circuit: Circuit) -> Found:
    found = []
    for p in circuit.select(role="drive"):
        weights = p.weights or Weights()
        kind = "aligned" if weights.start == "aligned" else weights.kind
        if kind in kinds:
            shape = p.connector.weight_shape(*circuit.shapes(p)) or ()
            why = f"{p.name!r} {_WHAT[kind]} {weights.to!r}"
            count = int(np.prod(shape))
            found.append(Violation((p.pre, p.post), count, "weights", why, fix=redrawing(p)))
    return Found(tuple(found))


def dales_law(weights: Callable[[str], Any] | None = None, seed: int = 0) -> Constraint:
    """Every cell only excites or only inhibits.

    Parameters
    ----------
    weights : callable, optional
        From the name of a projection to its weights, (post, pre, ...), as
        ``RateNetwork.weight``. By default the circuit's first draws.
    seed : int
        Of those draws.
    """
    return Constraint(
        "dale",
        "every cell excites or inhibits, never both",
        partial(_dale, weights, seed),
        _dale_of_graph,
    )


_NO_DALE = (
    "weights are drawn with both signs. `oneway spike --dale` gives each cell an interneuron that "
    "inhibits in its place, rules.receptor_wiring a circuit of cells of one sign"
)


def _dale(weights: Callable[[str], Any] | None, seed: int, circuit: Circuit) -> Found:
    weights = weights or drawn_weights(circuit, seed)
    found = []
    for name, excites, inhibits in signs_sent(circuit, weights):
        mixed = np.flatnonzero(excites & inhibits)
        if mixed.size:
            cells = tuple((cell,) for cell in named(name, mixed[:EXAMPLES]))
            why = f"{name} excites and inhibits"
            found.append(Violation((name,), mixed.size, "cells", why, cells, no_fix=_NO_DALE))
    return Found(tuple(found))


def _dale_of_graph(graph: Graph) -> Found:
    """By the signs of weights."""
    excites, inhibits = (
        np.diff((graph.weights * (sign * graph.weights > 0)).tocsr().indptr) > 0 for sign in (1, -1)
    )
    mixed = np.flatnonzero(excites & inhibits)
    if not mixed.size:
        return Found(())
    cells = tuple((str(name),) for name in graph.names[mixed[:EXAMPLES]])
    why, no_fix = "some excite and inhibit", "the graph is as it was measured"
    return Found((Violation((), mixed.size, "cells", why, cells, no_fix=no_fix),))
