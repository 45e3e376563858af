"""How many steps feedback weights need to align, where they get the same change as their partner.

If W and Bᵀ receive equal changes and decay equally, their gap shrinks by the decay alone, with time
constant (1 - momentum) / (lr · decay) steps (Akrout et al. 2019, section 5.1). A run much shorter
than that ends before they align.
"""

from __future__ import annotations

from math import exp

from oneway.circuits import Circuit, Plasticity, Projection

from ..config import LEARNING_PATHS, TrainConfig
from .schedules import rate_factor, weight_decay


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
    # Whose activity each synapse multiplies, at its pre- and at its postsynaptic cell.
    (b_pre, b_post), (w_pre, w_post) = (
        [(at_hand.origin, at_hand.gated, at_hand.centred) for at_hand in circuit.reading.ends(p)]
        for p in (feedback, forward)
    )
    return (b_pre, b_post) == (w_post, w_pre)


def _form(plasticity: Plasticity) -> tuple[object, ...]:
    how = plasticity
    own = (how.rate, how.decay, how.scaling, how.set_point)
    return how.hebbian, how.reduction, how.window, *own


def alignment_clock(circuit: Circuit, config: TrainConfig, steps_per_epoch: int) -> str | None:
    """How long alignment takes, as a sentence; None where no feedback weight has a clock.

    The time constant is that of the full learning rate. With a warm-up of decay, the sentence also
    says what is left of the gap at its end, exactly as the courses of rate and decay have it.
    """
    drives = paired_feedback(circuit)
    if not drives:
        return None
    own = drives[0].plasticity
    assert own is not None  # paired drives learn
    who = f"feedback weights that get the same change as their partner ({len(drives)})"
    warmup = _warmup(config, own, steps_per_epoch)
    fading = min(_fading(config, path, own) for path in LEARNING_PATHS)
    if fading == 0 and not warmup:
        return f"{who} do not converge: nothing decays, so the first draws of both never fade"
    do = (_GAP if warmup else "converge") if _steps_alike(config, own) else _UNLIKE
    if fading == 0:
        return f"{who} {do}{warmup}; nothing decays after it"
    return (
        f"{who} {do}{warmup}{', then' if warmup else ''} with time constant "
        f"{_formula(own)} = {1 / fading:,.0f} steps "
        f"= {1 / fading / steps_per_epoch:,.1f} epochs; this run has {config.epochs}, "
        f"{_long_enough(config, own, steps_per_epoch)}"
    )


# The angle of W to Bᵀ is small where no more than this is left of the gap.
ALIGNED = 0.05


def _long_enough(config: TrainConfig, own: Plasticity, steps_per_epoch: int) -> str:
    """Whether the run lasts until nothing much is left of the gap, and how much is."""
    left = max(_left_at_end(config, path, own, steps_per_epoch) for path in LEARNING_PATHS)
    of = "the gap" if _steps_alike(config, own) else "the first draws"
    verdict = "long enough" if left <= ALIGNED else "too short to align"
    share = f"about {100 * left:.2g} %" if left >= 5e-5 else "less than 0.01 %"
    share = share if left < 0.995 else "nearly all"  # 100 has three digits
    return f"{verdict}: {share} of {of} is left at its end"


def _left_at_end(config: TrainConfig, path: str, own: Plasticity, steps: int) -> float:
    """What decay leaves of a weight in a run, by the course of the rate, momentum built up."""
    if own.decay is not None:
        return exp(-own.decay * steps * config.epochs)
    rate, decay = rate_factor(config, path), weight_decay(config, path)
    course = sum(
        (1.0 if own.rate is not None else rate(epoch)) * decay(epoch)
        for epoch in range(config.epochs)
    )
    return exp(-_speed(config, path, own) * steps * course)


_GAP = "converge: their gap shrinks"
_UNLIKE = (
    "take steps of another size (the optimizers of the two paths differ), so the gap does not "
    "close; the first draws fade"
)


def _formula(own: Plasticity) -> str:
    if own.rate is None:
        return "(1 - momentum) / (lr * decay)"
    return "1 / (rate * decay)" if own.decay is None else "1 / decay"


def _steps_alike(config: TrainConfig, own: Plasticity) -> bool:
    """Whether equal gradients make equal steps."""
    names = ["lr"] * (own.rate is None) + ["optimizer", "momentum", "nesterov", "schedule"]
    return all(config.of_path("forward", n) == config.of_path("feedback", n) for n in names)


def _fading(config: TrainConfig, path: str, own: Plasticity) -> float:
    """Fraction of a weight that decays in a step, once momentum has built up."""
    if own.decay is not None:
        return own.decay
    return _speed(config, path, own) * config.of_path(path, "weight_decay")


def _speed(config: TrainConfig, path: str, own: Plasticity) -> float:
    """By how much a gradient of 1 changes a weight in a step, in the end."""
    if own.rate is not None:  # steps without momentum
        return own.rate
    adam = config.of_path(path, "optimizer") == "adam"
    momentum = 0.0 if adam else config.of_path(path, "momentum")
    return config.of_path(path, "lr") / (1 - momentum)


def _warmup(config: TrainConfig, own: Plasticity, steps_per_epoch: int) -> str:
    """What the warm-up of decay does to the first draws; nothing where there is none."""
    epochs = max(config.of_path(path, "decay_warmup_epochs") for path in LEARNING_PATHS)
    if epochs == 0 or own.decay is not None:
        return ""
    left = max(_left(config, path, own, epochs, steps_per_epoch) for path in LEARNING_PATHS)
    return f" to {100 * left:.3g} % in the warm-up of decay ({epochs * steps_per_epoch:,} steps)"


def _left(
    config: TrainConfig, path: str, own: Plasticity, epochs: int, steps_per_epoch: int
) -> float:
    """What SGD leaves in these epochs of a weight that nothing but decay changes."""
    momentum, nesterov = (config.of_path(path, name) for name in ("momentum", "nesterov"))
    if own.rate is not None or config.of_path(path, "optimizer") == "adam":
        momentum, nesterov = 0.0, False
    rate, decay = rate_factor(config, path), weight_decay(config, path)
    left, velocity = 1.0, 0.0
    for epoch in range(epochs):
        lr = own.rate if own.rate is not None else config.of_path(path, "lr") * rate(epoch)
        for _ in range(steps_per_epoch):
            change = decay(epoch) * left
            velocity = momentum * velocity + change
            left -= lr * (change + momentum * velocity if nesterov else velocity)
    return left
