"""Projections as synapses: drives, mimicry, and plasticity as a product of centred traces."""

from __future__ import annotations

import numpy as np
from brian2 import BrianLogger, NeuronGroup, Synapses

from oneway.circuits import Plasticity, Projection, Signal

from .parameters import SpikingParameters

# Brian2 warns when a synapse's weight is stepped more coarsely than its cells, because delays are
# then rounded to the step of the cells. There are no delays here.
BrianLogger.suppress_name("synapses_dt_mismatch")

_MEAN = {"no": "baseline", "baseline": "baseline", "batch": "trace_mean_{end}"}


def build_drive(
    projection: Projection,
    pre: NeuronGroup,
    post: NeuronGroup,
    weights: np.ndarray,
    parameters: SpikingParameters,
    name: str,
) -> Synapses:
    """All-to-all synapses of the given (post, pre) weights; plastic if the projection is."""
    p, plasticity = parameters, projection.plasticity
    synapses = Synapses(
        pre,
        post,
        "w : 1" if plasticity is None else weight_equation(plasticity),
        on_pre="drive_post += w * kick",
        method="euler",
        dt=p.dt if plasticity is None else p.plasticity_dt,
        name=name,
        namespace={
            "kick": p.gain / (p.unit * p.tau_syn),
            "baseline": p.baseline,
            "unit": p.unit,
            "batch_time": p.batch_time,
        },
    )
    synapses.connect()
    synapses.w = weights[np.asarray(synapses.j), np.asarray(synapses.i)]
    return synapses


def weight_equation(plasticity: Plasticity) -> str:
    """dw/dt of a plasticity statement; a batch of samples is a stretch of time.

    Every name ending in `_pre` or `_post` is a variable of that one cell: the synapse knows
    nothing else.
    """
    sign = 1 if plasticity.hebbian else -1
    post, pre = activity(plasticity.post, "post"), activity(plasticity.pre, "pre")
    return (
        f"dw/dt = ({sign * (plasticity.rate or 0.0)} * {post} * {pre}"
        f" - {plasticity.decay or 0.0} * w) / batch_time : 1 (clock-driven)"
    )


def activity(signal: Signal, end: str) -> str:
    """A cell's activity as a synapse sees it: its trace about β, or about its running mean."""
    mean = _MEAN[signal.centred].format(end=end)
    return f"((trace_{end} - {mean}) / unit)"


def build_mimicry(
    projection: Projection, pre: NeuronGroup, post: NeuronGroup, parameters: SpikingParameters
) -> Synapses:
    """One strong synapse a cell: the target fires whenever its source has fired."""
    synapses = Synapses(
        pre,
        post,
        on_pre="mimicked_post = True",
        dt=parameters.dt,
        name=f"mimic_{projection.pre}_{projection.post}",
    )
    synapses.connect(j="i")
    return synapses


def dense_weights(synapses: Synapses, w: np.ndarray) -> np.ndarray:
    """Values listed by synapse, the last axis of `w`, as (…, post, pre)."""
    shape = (*w.shape[:-1], synapses.N_post, synapses.N_pre)
    dense = np.zeros(shape)
    dense[..., np.asarray(synapses.j), np.asarray(synapses.i)] = w
    return dense
