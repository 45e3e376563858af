"""A `Population` as leaky integrate-and-fire cells that fire about a baseline."""

from __future__ import annotations

import numpy as np
from brian2 import NeuronGroup

from oneway.circuits import Population

from .parameters import SpikingParameters

# `own` is 1 while a cell follows its own drive and 0 while it fires noise or mimics. What a drive
# conveys is its deviation from a running mean, so that β · Σw, which says nothing, drops out.
EQUATIONS = """
dv/dt = (v_rest + own * (baseline_drive + drive - drive_mean) - v) / tau_mem
        + own * noise * sqrt(2 / tau_mem) * xi : volt (unless refractory)
ddrive/dt = -drive / tau_syn : volt
ddrive_mean/dt = (drive - drive_mean) / tau_mean : volt
dtrace/dt = -trace / tau_trace : Hz
dtrace_mean/dt = (trace - trace_mean) / tau_mean : Hz
mimicked : boolean  # a spike of the cell it mimics has arrived
own : 1 (shared)
noisy : boolean (shared)
"""
THRESHOLD = "v > v_threshold or mimicked or (noisy and rand() < hazard * dt)"
RESET = """
v = v_reset
trace += 1 / tau_trace
mimicked = False
"""


def build_cells(population: Population, parameters: SpikingParameters) -> NeuronGroup:
    """Cells at rest around their baseline, all in step with their running means."""
    p = parameters
    cells = NeuronGroup(
        population.size,
        EQUATIONS,
        threshold=THRESHOLD,
        reset=RESET,
        refractory=p.refractory,
        method="euler",
        dt=p.dt,
        name=f"cells_{population.name}",
        namespace={
            "v_rest": p.v_rest,
            "v_reset": p.v_reset,
            "v_threshold": p.v_threshold,
            "tau_mem": p.tau_mem,
            "tau_syn": p.tau_syn,
            "tau_trace": p.tau_trace,
            "tau_mean": p.tau_mean,
            "noise": p.noise,
            "baseline_drive": p.baseline_drive,
            "hazard": p.hazard,
        },
    )
    cells.v = np.linspace(p.v_reset, p.v_threshold, population.size, endpoint=False)
    cells.trace = p.baseline
    cells.trace_mean = p.baseline
    cells.own = 1
    return cells
