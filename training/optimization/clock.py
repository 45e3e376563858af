"""How many steps feedback weights need to align, where they get the same change as their partner.

If W and Bᵀ receive equal changes and decay equally, their gap shrinks by the decay alone, with time
constant (1 - momentum) / (lr · decay) steps (Akrout et al. 2019, section 3). A run much shorter
than that ends before they align.
"""

from __future__ import annotations

from collections.abc import Sequence

from oneway.circuits import Circuit, Plasticity, Projection, Signal

from ..config import TrainConfig


def paired_feedback(circuit: Circuit) -> list[Projection]:
    """Feedback drives that get the same change as their forward partner in the same step."""
    candidates = [
        (p, circuit.projections.get(p.partner or ""))
        for p in circuit.select(role="drive", path="feedback")
    ]
    return [p for p, partner in candidates if partner and _same_change(circuit, p, partner)]


def _same_change(circuit: Circuit, feedback: Projection, forward: Projection) -> bool:
    b, w = feedback.plasticity, forward.plasticity
    if b is None or w is None or _form(b) != _form(w):
        return False
    # Where errors pass the normalisation differently on either side, so do the changes.
    if feedback.error_norm != forward.error_norm:
        return False
    if circuit.phases[b.phase].noisy or circuit.phases[w.phase].noisy:
        return False
    return _factors(circuit, feedback, b.phase) == _factors(circuit, forward, w.phase)[::-1]


def _form(plasticity: Plasticity) -> tuple[object, ...]:
    how = plasticity
    return how.hebbian, how.reduction, how.rate, how.decay, how.scaling, how.set_point


def _factors(circuit: Circuit, p: Projection, phase: str) -> Sequence[object]:
    """Whose activity the synapse multiplies, at its pre- and at its postsynaptic cell."""
    return [_origin(circuit, cell, signal, phase) for cell, signal in p.factors]


def _origin(circuit: Circuit, cell: str, signal: Signal, phase: str) -> tuple[object, ...]:
    if signal.kind != "activity":
        # A teach projection carries what its source does, not what the source mimics elsewhere.
        return signal.source, signal.gated, signal.centred
    mimicked = next(circuit.select(role="mimic", post=cell, phase=phase), None)
    return (mimicked.pre if mimicked else cell), signal.gated, signal.centred


def alignment_clock(circuit: Circuit, config: TrainConfig, steps_per_epoch: int) -> str | None:
    """The time constant of alignment as a sentence; None where no feedback weight has one."""
    drives = paired_feedback(circuit)
    if not drives:
        return None
    own = drives[0].plasticity
    assert own is not None  # paired drives learn
    fading = [_fading(config, path, own) for path in ("forward", "feedback")]
    who = f"feedback weights that get the same change as their partner ({len(drives)})"
    if min(fading) == 0:
        return f"{who} do not converge: nothing decays, so the first draws of both never fade"
    steps = 1 / min(fading)
    do = "converge" if _steps_alike(config, own) else _UNLIKE
    return (
        f"{who} {do} with time constant (1 - momentum) / (lr * decay) = {steps:,.0f} steps "
        f"= {steps / steps_per_epoch:,.1f} epochs; this run has {config.epochs}"
    )


_UNLIKE = (
    "take steps of another size (the optimizers of the two paths differ), so the gap does not "
    "close; the first draws fade"
)


def _steps_alike(config: TrainConfig, own: Plasticity) -> bool:
    """Whether equal gradients make equal steps."""
    names = ["lr"] * (own.rate is None) + ["optimizer", "momentum", "nesterov", "schedule"]
    return all(config.of_path("forward", n) == config.of_path("feedback", n) for n in names)


def _fading(config: TrainConfig, path: str, own: Plasticity) -> float:
    """Fraction of a weight that decays in a step, once momentum has built up."""
    lr = own.rate if own.rate is not None else config.of_path(path, "lr")
    decay = own.decay if own.decay is not None else config.of_path(path, "weight_decay")
    adam = config.of_path(path, "optimizer") == "adam"
    return lr * decay / (1 if adam else 1 - config.of_path(path, "momentum"))
