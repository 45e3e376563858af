"""Signal flow: which cells stand early and which late on the way from input to output."""

from __future__ import annotations

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import cg

from oneway.circuits import WiringError

from .graph import Graph, as_graph


def signal_flow(graph: Graph | nx.DiGraph) -> NDArray[np.float64]:
    """A height z of every cell, such that connections lead downwards, by one where they can.

    z minimises ½ Σ W_ij (z_i − z_j − sgn(A_ij − A_ji))² with W = (A + Aᵀ) / 2, that is, solves
    L z = b, L the Laplacian of W and b_i = Σ_j W_ij sgn(A_ij − A_ji) (Varshney et al. 2011, PLoS
    Computational Biology 7:e1001066; after Carmel, Harel & Koren 2004). A are magnitudes of weights
    without autapses. In each part of the graph that nothing joins to the rest, the mean is 0.

    Returns
    -------
    array, shape (N,)
        High where signals come from (sensory cells), low where they go to (motor cells).

    Examples
    --------
    >>> import networkx as nx
    >>> from oneway.analysis.graphs import signal_flow
    >>> signal_flow(nx.path_graph(3, create_using=nx.DiGraph)).round(6).tolist()
    [1.0, 0.0, -1.0]
    """
    sent = abs(as_graph(graph).weights.astype(float))
    sent = (sent - sparse.diags_array(sent.diagonal())).tocsr()
    joined = ((sent + sent.T) / 2).tocsr()
    total = joined.sum(axis=1)
    laplacian = (sparse.diags_array(total) - joined).tocsr()
    downwards = joined.multiply((sent - sent.T).sign()).sum(axis=1)
    # The Laplacian is singular, but b has no part in its null space, so that gradients find z.
    scale = sparse.diags_array(1 / np.where(total > 0, total, 1))
    height, failed = cg(laplacian, downwards, rtol=1e-10, maxiter=20 * len(total) + 100, M=scale)
    if failed:
        raise WiringError(
            f"the signal flow of {len(total):,} cells was not found in {failed:,} steps. Weights "
            "may differ by too many powers of ten: scale or threshold them"
        )
    _, part = csgraph.connected_components(joined, directed=False)
    means = np.bincount(part, height) / np.bincount(part) if len(part) else height
    return height - means[part]
