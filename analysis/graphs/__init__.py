"""Any directed graph, read from a file or given, and what can be counted in it."""

from .census import (
    DyadCensus,
    GraphVerdict,
    PathLengths,
    check_graph,
    dyad_census,
    path_lengths,
    reciprocity,
)
from .files import read_graph
from .graph import Graph, as_graph

__all__ = [
    "DyadCensus",
    "Graph",
    "GraphVerdict",
    "PathLengths",
    "as_graph",
    "check_graph",
    "dyad_census",
    "path_lengths",
    "read_graph",
    "reciprocity",
]
