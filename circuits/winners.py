"""Behind a max-pool errors go back to the strongest cell of each window, and somebody must say who.

The gate that a circuit needs there does: besides φ′ of its own cell, each error cell is told who
won, for which the whole window has to be heard. So the gate joins more cells than its connector.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from .assembly import Assembly
from .connectors import Connector, Shape
from .elements import Projection
from .relation import ListedRelation, ProductRelation, Relation, compose


@dataclass(frozen=True)
class WinnersConnector(Connector):
    """What `told` joins, and every cell with all that share a window of a pool with it.

    Parameters
    ----------
    told : Connector
        Of the gate.
    pools : tuple of (Connector, shape)
        Forward pools whose errors come back to the cells, and the shapes of what they drive.
    """

    told: Connector
    pools: tuple[tuple[Connector, Shape], ...]

    def misfit(self, pre: Shape, post: Shape) -> str | None:
        reasons = (pool.misfit(pre, pooled) for pool, pooled in self.pools)
        return self.told.misfit(pre, post) or next(filter(None, reasons), None)

    def relation(self, pre: Shape, post: Shape) -> Relation:
        windows = [pool.relation(pre, pooled) for pool, pooled in self.pools]
        found = [
            self.told.relation(pre, post),
            *(compose(window, window.transposed) for window in windows),
        ]
        products = [one for one in found if isinstance(one, ProductRelation)]
        for one in products:
            if len(products) == len(found) and all(_within(other, one) for other in products):
                return one
        pairs = np.concatenate([one.listed() for one in found])
        joined = ListedRelation(pairs, found[0].n_pre, found[0].n_post)
        return replace(joined, pairs=joined.listed())  # each once


def _within(part: ProductRelation, whole: ProductRelation) -> bool:
    axes = zip(part.factors, whole.factors, strict=True)
    return all((csr_array(a) > csr_array(b)).nnz == 0 for a, b in axes)


def is_route(p: Projection) -> bool:
    """Whether errors take a drive only to cells that were the strongest of their window."""
    return p.connector.transposed and p.connector.routed and not p.connector.random


def with_winners(circuit: Assembly, gate: Projection) -> Connector:
    """The connector of a gate, and what tells who was the strongest, if it has to."""
    pools = dict[tuple[Connector, Shape], None]()
    for p in circuit.select(role="drive", post=gate.post):
        pool = circuit.projections.get(p.partner or "")
        if is_route(p) and pool is not None and pool.pre == gate.pre:
            pools[pool.connector, circuit.populations[pool.post].shape] = None
    return WinnersConnector(gate.connector, tuple(pools)) if pools else gate.connector
