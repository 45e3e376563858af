"""Lesions: from a moment on, nothing passes through a projection.

Every projection that is lesioned in a run, and no other, has a moment of its own in the schedule.
What its synapses bring counts before that; and so does what they learn, where they do.
"""

from __future__ import annotations

from oneway.circuits import Projection

from ..brian.model import ModelGroup
from .context import Context

MOMENT = "cut_"


def moment_of(context: Context, p: Projection) -> str:
    """The variable of the schedule that says when a projection is cut, since the run began."""
    return f"{MOMENT}{context.synapses_of(p)}"


def intact(context: Context, p: Projection, group: ModelGroup, grace: str = "") -> str | None:
    """1 until a projection is cut and 0 from then on, as a group reads it; None: never cut.

    Parameters
    ----------
    grace : str
        How much later. A change that is made at the beginning of a step is of the step before.
    """
    if p.name not in context.lesions:
        return None
    moment = group.refer(moment_of(context, p))
    return f"int(t - begin < {moment}{grace and f' + {grace}'})"


def times(factor: str | None, expression: str) -> str:
    """The expression, times a factor if there is one."""
    return expression if factor is None else f"{factor} * {expression}"
