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
from .classes import ClassPair, ClassReciprocity, reciprocity_by
from .files import FORMATS, read_graph
from .graph import Graph, as_graph
from .reading import Reading

__all__ = [
    "FORMATS",
    "ClassPair",
    "ClassReciprocity",
    "DyadCensus",
    "Graph",
    "GraphVerdict",
    "PathLengths",
    "Reading",
    "as_graph",
    "check_graph",
    "dyad_census",
    "path_lengths",
    "read_graph",
    "reciprocity",
    "reciprocity_by",
]
