"""Any directed graph, read from a file or given, and what can be counted in it."""

from .as_circuit import GraphCircuit, Tract, circuit_from_graph
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
from .figures import CHEAP, GraphFigures, describe
from .files import FORMATS, read_graph
from .flow import signal_flow
from .graph import Graph, as_graph
from .nulls import NullComparison, compare_to_null
from .random_graphs import NULLS, degree_preserving, distance_preserving, erdos_renyi, usual_nulls
from .reading import Reading
from .returns import ReturnLengths, return_lengths, search_blocks, way_back
from .tracts import BY_NAME
from .triads import TRIADS, triad_census
from .walks import Degrees, degrees, effective_connectivity, input_fractions, walk_counts

__all__ = [
    "BY_NAME",
    "CHEAP",
    "FORMATS",
    "NULLS",
    "TRIADS",
    "ClassPair",
    "ClassReciprocity",
    "Degrees",
    "DyadCensus",
    "Graph",
    "GraphCircuit",
    "GraphFigures",
    "GraphVerdict",
    "NullComparison",
    "PathLengths",
    "Reading",
    "ReturnLengths",
    "Tract",
    "as_graph",
    "check_graph",
    "circuit_from_graph",
    "compare_to_null",
    "degree_preserving",
    "degrees",
    "describe",
    "distance_preserving",
    "dyad_census",
    "effective_connectivity",
    "erdos_renyi",
    "input_fractions",
    "path_lengths",
    "read_graph",
    "reciprocity",
    "reciprocity_by",
    "return_lengths",
    "search_blocks",
    "signal_flow",
    "triad_census",
    "usual_nulls",
    "walk_counts",
    "way_back",
]
