"""How learning rules wire a circuit: one file a rule, wiring only."""

from .activation_sharing import ActivationSharing
from .asap import ASAP
from .backpropagation import Backpropagation
from .base import RULES, Rule, parse_rule
from .direct_feedback_alignment import DirectFeedbackAlignment
from .direct_kolen_pollack import DirectKolenPollack
from .direct_random_target_projection import DirectRandomTargetProjection
from .feedback import with_direct_feedback, with_feedback_path
from .feedback_alignment import FeedbackAlignment
from .forward_alignment import ForwardAlignment
from .kolen_pollack import KolenPollack
from .sign_symmetry import SignSymmetry
from .weight_mirror import WeightMirror

# Sorted as the documentation lists them, from transport to one-way.
_ORDER = "bp fa dfa drtp ss wm kp dkp forward_alignment as asap".split()
for _name in _ORDER:
    RULES[_name] = RULES.pop(_name)

__all__ = [
    "ASAP",
    "RULES",
    "ActivationSharing",
    "Backpropagation",
    "DirectFeedbackAlignment",
    "DirectKolenPollack",
    "DirectRandomTargetProjection",
    "FeedbackAlignment",
    "ForwardAlignment",
    "KolenPollack",
    "Rule",
    "SignSymmetry",
    "WeightMirror",
    "parse_rule",
    "with_direct_feedback",
    "with_feedback_path",
]
