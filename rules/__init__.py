"""How learning rules wire a circuit: one file a rule, wiring only.

What a rule file needs comes from here and from `oneway.circuits`. Ours import absolutely, from the
modules that have it, so that a copy of one works wherever it lies (``--rule copy.py``).
"""

from .activation_sharing import ActivationSharing
from .asap import ASAP
from .backpropagation import Backpropagation
from .base import RULES, SPIKE_RULES, Attach, Gate, Norm, Rule, parse_rule
from .description import RuleDescription, RuleOption, describe_rule, new_rule
from .direct_feedback_alignment import DirectFeedbackAlignment
from .direct_kolen_pollack import DirectKolenPollack
from .direct_random_target_projection import DirectRandomTargetProjection
from .feedback import (
    INDEPENDENT,
    SIGN_TIED,
    TIED,
    FeedbackWiring,
    Pair,
    with_direct_feedback,
    with_feedback_path,
)
from .feedback_alignment import FeedbackAlignment
from .forward_alignment import ForwardAlignment
from .kolen_pollack import KolenPollack
from .receptors import LabelledCell, ReceptorWiring, draw_signs, receptor_wiring
from .sharing import Sharing, learn_from_shared, matching, note_exceptions, share_activations
from .sign_symmetry import SignSymmetry
from .spike_timing_mirror import SpikeTimingMirror
from .weight_mirror import WeightMirror

# Sorted as the documentation lists them, from transport to one-way.
_ORDER = "bp fa dfa drtp ss wm kp dkp forward_alignment as asap".split()
for _name in _ORDER:
    RULES[_name] = RULES.pop(_name)

__all__ = [
    "ASAP",
    "INDEPENDENT",
    "RULES",
    "SIGN_TIED",
    "SPIKE_RULES",
    "TIED",
    "ActivationSharing",
    "Attach",
    "Backpropagation",
    "DirectFeedbackAlignment",
    "DirectKolenPollack",
    "DirectRandomTargetProjection",
    "FeedbackAlignment",
    "FeedbackWiring",
    "ForwardAlignment",
    "Gate",
    "KolenPollack",
    "LabelledCell",
    "Norm",
    "Pair",
    "ReceptorWiring",
    "Rule",
    "RuleDescription",
    "RuleOption",
    "Sharing",
    "SignSymmetry",
    "SpikeTimingMirror",
    "WeightMirror",
    "describe_rule",
    "draw_signs",
    "learn_from_shared",
    "matching",
    "new_rule",
    "note_exceptions",
    "parse_rule",
    "receptor_wiring",
    "share_activations",
    "with_direct_feedback",
    "with_feedback_path",
]
