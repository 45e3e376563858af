"""What can be said of a circuit: wiring verdicts, return paths, locality, alignment.

Drawing lives in `analysis.plots`, which is imported on its own: it needs matplotlib, and a check of
the wiring does not.
"""

from oneway.circuits import SignalAtHand

from .alignment import (
    Moments,
    angle_deg,
    direct_angle,
    error_angles,
    moments,
    sign_agreement,
    sign_agreements,
    weight_angles,
)
from .graphs import (
    DyadCensus,
    Graph,
    GraphVerdict,
    PathLengths,
    check_graph,
    dyad_census,
    path_lengths,
    read_graph,
    reciprocity,
)
from .locality import (
    DaleReport,
    LocalityStatement,
    Transport,
    dale,
    locality,
    transport,
    weight_transport,
)
from .paths import ReturnPath, return_paths
from .traffic import Traffic, activation_traffic, traffic_table
from .wiring import (
    ALL,
    CONSTRAINTS,
    PAPERS,
    PopulationPair,
    RoleSet,
    Verdict,
    check_wiring,
    output_pair,
)

__all__ = [
    "ALL",
    "CONSTRAINTS",
    "PAPERS",
    "DaleReport",
    "DyadCensus",
    "Graph",
    "GraphVerdict",
    "LocalityStatement",
    "Moments",
    "PathLengths",
    "PopulationPair",
    "ReturnPath",
    "RoleSet",
    "SignalAtHand",
    "Traffic",
    "Transport",
    "Verdict",
    "activation_traffic",
    "angle_deg",
    "check_graph",
    "check_wiring",
    "dale",
    "direct_angle",
    "dyad_census",
    "error_angles",
    "locality",
    "moments",
    "output_pair",
    "path_lengths",
    "read_graph",
    "reciprocity",
    "return_paths",
    "sign_agreement",
    "sign_agreements",
    "traffic_table",
    "transport",
    "weight_angles",
    "weight_transport",
]
