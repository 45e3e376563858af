"""What can be asked of a circuit or a graph, and what would make it pass."""

from .counts import fan_in, no_autapse, no_multapse
from .fixes import Fix
from .language import Constraint, Constraints, Finding, Report, Violation, check
from .names import KNOWN, parse_constraints
from .pairing import one_to_one
from .reciprocity import no_reciprocal_pairs
from .walks import return_path_at_least, skip_only
from .weights import dales_law, no_sign_transport, no_weight_transport

__all__ = [
    "KNOWN",
    "Constraint",
    "Constraints",
    "Finding",
    "Fix",
    "Report",
    "Violation",
    "check",
    "dales_law",
    "fan_in",
    "no_autapse",
    "no_multapse",
    "no_reciprocal_pairs",
    "no_sign_transport",
    "no_weight_transport",
    "one_to_one",
    "parse_constraints",
    "return_path_at_least",
    "skip_only",
]
