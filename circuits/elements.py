"""The parts of a circuit: populations, projections, signals, plasticity, phases.

Everything here is an immutable statement of what is there and what knows what; nothing computes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from math import isfinite, prod
from typing import Any, Literal, get_args, get_origin, get_type_hints

from .activations import ACTIVATIONS
from .connectors import Connector, Shape
from .errors import WiringError
from .timing import SpikeWindow

Role = Literal["drive", "teach", "gate", "norm", "mimic", "compare"]
Path = Literal["forward", "feedback", "auxiliary", "target"]

ErrorNorm = Literal["none", "full", "scale", "own"]

ROLES: tuple[Role, ...] = get_args(Role)
ENGAGED = "engaged"

Draw = Literal[
    "kaiming_uniform",
    "kaiming_normal",
    "he_uniform",
    "lecun_normal",
    "kaiming_normal_fan_out",
    "sign_symmetry",
]
Start = Literal[Draw, "aligned"]

_NAME = re.compile(r"[A-Za-z_]\w*")
# A mistake rather than a population: what is said of each cell would not fit into memory.
MOST_CELLS = 1 << 28


def _name_of(population: str | Population) -> str:
    return population if isinstance(population, str) else population.name


def _names(names: str | Iterable[str]) -> tuple[str, ...]:
    """Names as a tuple, so that equal statements are equal and hashable."""
    return (names,) if isinstance(names, str) else tuple(names)


@cache
def kinds_of(cls: type) -> dict[str, Any]:
    """The resolved annotation of each field."""
    return get_type_hints(cls)


def _check_words(owner: str, part: Any) -> None:
    """Fields whose annotation lists words have one of them."""
    cls: type = type(part)
    for field, kind in kinds_of(cls).items():
        if get_origin(kind) is Literal:
            _check_choice(owner, field, getattr(part, field), get_args(kind))


def _check_choice(owner: str, field: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise WiringError(f"{owner}: {field} {value!r}, expected one of {', '.join(choices)}")


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation, per channel (image) or per cell (dense).

    Parameters
    ----------
    eps : float
        Added to the variance.
    momentum : float
        Weight of the newest batch in the running mean and variance.
    affine : bool
        Whether there is a learned gain and shift.
    """

    eps: float = 1e-5
    momentum: float = 0.1
    affine: bool = True


@dataclass(frozen=True)
class Signal:
    """One signal at hand in a cell, which a synapse on that cell may learn from.

    Parameters
    ----------
    kind : {"activity", "taught", "synaptic"}
        The cell's own activity in the phase of the plasticity (while it mimics, what it mimics);
        what arrives through a `teach` projection; or, in place of the presynaptic cell's signal,
        what such a projection brings to the postsynaptic cell, synapse by synapse (see
        `SynapticConnector`).
    source : str, optional
        Population at the other end of that `teach` projection.
    gated : bool
        Multiply by the cell's own φ′, which it knows.
    centred : {"no", "batch", "baseline"}
        Subtract the mean over the batch, or the fixed baseline β of the phase.
    """

    kind: Literal["activity", "taught", "synaptic"] = "activity"
    source: str | None = None
    gated: bool = False
    centred: Literal["no", "batch", "baseline"] = "no"

    def __post_init__(self) -> None:
        _check_words("signal", self)
        if self.kind == "synaptic" and (self.gated or self.centred != "no"):
            raise WiringError(
                f"signal of kind 'synaptic' from {self.source!r}: gated and centred are made by a "
                "cell, and this signal is another one at each of its synapses. Leave them out"
            )
        if (self.kind == "activity") != (self.source is None):
            raise WiringError(
                f"signal of kind {self.kind!r} with source {self.source!r}: what is taught has a "
                "source population, a cell's own activity has none. Use taught_by(...) or ACTIVITY"
            )


ACTIVITY = Signal()


def taught_by(source: str | Population, gated: bool = False) -> Signal:
    """What the cell receives through the `teach` projection from `source`."""
    return Signal("taught", _name_of(source), gated)


def brought_by(source: str | Population) -> Signal:
    """What each synapse receives at the postsynaptic cell through the projection from `source`."""
    return Signal("synaptic", _name_of(source))


@dataclass(frozen=True)
class Population:
    """A group of cells with the same dynamics.

    Parameters
    ----------
    name : str
        Letters, digits and underscores.
    shape : (N,) or (C, H, W)
    path : {"forward", "feedback", "auxiliary", "target"}
        `target` is the population that presents the desired output; `auxiliary` is any further
        path, such as forward alignment's fixed copy.
    activation : str
        φ, one of `ACTIVATIONS`.
    bias : bool
        Whether the cells have a bias current.
    norm : BatchNorm, optional
        Normalisation after φ (weight-mirror paper, appendix D.3), without gain and shift.
        Normalisation between weights and φ belongs to the projection.
    partner : str, optional
        For an error population: the forward population it is paired with, cell by cell.
    learns : Signal, optional
        What bias, gain and shift of these cells learn from: their own, and those of the
        normalisation of arriving drives. None: they stay as they are.
    error_norm : {"none", "full", "scale", "own"}
        For an error population whose partner has `norm`: how its input passes it.
    """

    name: str
    shape: Shape
    path: Path = "forward"
    activation: str = "linear"
    bias: bool = False
    norm: BatchNorm | None = None
    partner: str | None = None
    learns: Signal | None = None
    error_norm: ErrorNorm = "none"

    def __post_init__(self) -> None:
        owner = f"population {self.name!r}"
        if not _NAME.fullmatch(self.name):
            raise WiringError(
                f"{owner}: a name is letters, digits and underscores and does "
                "not start with a digit"
            )
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        if prod(self.shape) > MOST_CELLS:
            raise WiringError(
                f"{owner}: shape {self.shape} is {prod(self.shape):,} cells, expected at most "
                f"{MOST_CELLS:,}"
            )
        if len(self.shape) not in (1, 3) or min(self.shape) < 1:
            raise WiringError(
                f"{owner}: shape {self.shape}, expected (N,) or (C, H, W) with positive sizes"
            )
        _check_words(owner, self)
        _check_choice(owner, "activation", self.activation, ACTIVATIONS)

    @property
    def size(self) -> int:
        """Number of cells."""
        return prod(self.shape)


@dataclass(frozen=True)
class Weights:
    """Where the weights of a drive come from.

    Parameters
    ----------
    kind : {"independent", "tied", "sign-tied"}
        Own storage and own draw; the storage of `to` (weight transport); or the signs of `to`
        times a constant (sign transport).
    to : str, optional
        The projection that tied weights belong to, or that `start="aligned"` copies from.
    start : {"kaiming_uniform", "kaiming_normal", "he_uniform", "lecun_normal", \
             "kaiming_normal_fan_out", "sign_symmetry", "aligned"}
        First draw of independent weights. `kaiming_uniform`: uniform in ±1/√fan_in (a = √5, what
        PyTorch layers do). `kaiming_normal`, `he_uniform`: normal and uniform with variance
        2/fan_in, for ReLU (He et al. 2015). `lecun_normal`: normal with variance 1/fan_in.
        `kaiming_normal_fan_out`: normal with variance 2/fan_out (torchvision's ResNets).
        `sign_symmetry`: normal with variance 2/fan_out in convolutions and 1/fan_out elsewhere
        (Xiao et al. 2019, footnote 2). `aligned`: a copy of `to`.
    scale : float, optional
        Magnitude of sign-tied weights; by default the standard deviation of the first draw of `to`.
    """

    kind: Literal["independent", "tied", "sign-tied"] = "independent"
    to: str | None = None
    start: Start = "kaiming_uniform"
    scale: float | None = None

    def __post_init__(self) -> None:
        _check_words("weights", self)


@dataclass(frozen=True)
class Plasticity:
    """Δw = −η · post ⊗ pre − λ w + λ_s w (1 − s / s₀) (or +η when `hebbian`).

    ⊗ is the product summed over the batch and, for conv, over the positions that share a weight.
    Where the drive is normalised, the synapse lies before the normalisation: the post signal of a
    forward drive passes its derivative, and the pre signal of a feedback drive is what it sends.
    The last term is synaptic scaling (Turrigiano 2008): a cell multiplies all synapses that it
    receives through the drive by one factor, which brings s, the mean of their |w|, to s₀. Where
    weights are shared across an image, the cells of a channel do so together.

    With a `window` the synapse learns from pairs of spikes in place of the product of activities:
    Δw = η Σ K(t_post − t_pre) − λ w, over all pairs of a spike of either signal (signed ones count
    with the product of their signs). η is then for each pair; λ stays what it is. The sign is K's,
    so that `hebbian` is to be left out.

    Parameters
    ----------
    pre, post : Signal
        At the presynaptic and at the postsynaptic cell.
    phase : str
        When the synapse learns.
    hebbian : bool
        Grow with the product instead of descending it.
    reduction : {"sum", "mean"}
        Sum over batch and positions (errors carry the loss's 1/batch), or the mean over the batch
        and over the pairs of cells that the weight joins: fewer for a tap of a kernel that reaches
        into the padding (Akrout et al. 2019, appendix D.2).
    rate, decay : float, optional
        η and λ of this synapse; None leaves them to the optimizer's settings for its path. λ alone
        cannot be run.
    scaling : float, optional
        λ_s, for a synapse that has its own rate; None: no scaling.
    set_point : float, optional
        s₀; by default the mean |w| of first draws.
    window : SpikeWindow, optional
        K, for synapses that learn from pairs of spikes.
    """

    pre: Signal
    post: Signal
    phase: str = ENGAGED
    hebbian: bool = False
    reduction: Literal["sum", "mean"] = "sum"
    rate: float | None = None
    decay: float | None = None
    scaling: float | None = None
    set_point: float | None = None
    window: SpikeWindow | None = None

    def __post_init__(self) -> None:
        _check_words("plasticity", self)
        if self.window is not None:
            self._check_window()
        if self.scaling is None and self.set_point is None:
            return
        if self.scaling is None or not 0 < self.scaling <= 1:
            raise WiringError(
                f"plasticity: scaling = {self.scaling} with set_point = {self.set_point}, expected "
                "a part of each step above 0 and at most 1"
            )
        if self.set_point is not None and not self.set_point > 0:
            raise WiringError(f"plasticity: set_point = {self.set_point}, expected > 0")
        if not self.rate:
            raise WiringError(
                f"plasticity: scaling = {self.scaling} with rate = {self.rate}. Synapses that "
                "scale need a rate of their own, above 0"
            )

    def _check_window(self) -> None:
        for end, signal in (("pre", self.pre), ("post", self.post)):
            if signal.kind == "synaptic" or signal.gated or signal.centred != "no":
                raise WiringError(
                    f"plasticity: a window of spike times with {end} = {signal}, but it is spikes "
                    "that make pairs, and they have no φ′ and no mean. Use ACTIVITY or "
                    "taught_by(...) as they are"
                )
        if self.hebbian or self.reduction != "sum":
            raise WiringError(
                f"plasticity: a window of spike times with hebbian = {self.hebbian}, reduction = "
                f"{self.reduction!r}. The window has signs of its own, and pairs of spikes are "
                "summed: leave both out"
            )
        if self.rate is None or self.decay is None:
            raise WiringError(
                f"plasticity: a window of spike times with rate = {self.rate}, decay = "
                f"{self.decay}. What a pair of spikes counts is no gradient for an optimizer to "
                "scale: give both"
            )


@dataclass(frozen=True)
class Projection:
    """Directed connection of two populations.

    Parameters
    ----------
    name : str
    pre, post : str
        Population names.
    connector : Connector
    role : {"drive", "teach", "gate", "norm", "mimic", "compare"}
        What the connection does to its target cell: see docs/circuits.md.
        `compare` brings output and target to the output's error cells.
    phases : tuple of str
        When it is active.
    weights : Weights, optional
        Of a drive whose connector has weights.
    plasticity : Plasticity, optional
        None: the weights are fixed.
    norm : BatchNorm, optional
        Between the weights and φ of a forward drive.
    partner : str, optional
        For a feedback drive: the forward projection that it runs against.
    error_norm : {"none", "full", "scale", "own"}
        How an error passes the derivative of the normalisation on its way to the synapse: of
        `partner` for a feedback drive, its own for a forward drive. `full` is batch norm's exact
        derivative, `scale` only γ/σ, `own` normalises the error by its own mean and variance.
    derivative : str, optional
        For a gate: the φ whose derivative the target multiplies by.
    delay : float
        Milliseconds from a cell's spike to its arrival, as in PyNN and SONATA. It has no part in
        what activities settle to, only in when: rates do not notice.
    """

    name: str
    pre: str
    post: str
    connector: Connector
    role: Role = "drive"
    phases: tuple[str, ...] = (ENGAGED,)
    weights: Weights | None = None
    plasticity: Plasticity | None = None
    norm: BatchNorm | None = None
    partner: str | None = None
    error_norm: ErrorNorm = "none"
    derivative: str | None = None
    delay: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "phases", _names(self.phases))
        _check_words(f"projection {self.name!r}", self)
        if not (self.delay >= 0 and isfinite(self.delay)):
            raise WiringError(
                f"projection {self.name!r}: delay = {self.delay}, expected milliseconds >= 0"
            )
        if self.derivative is not None:
            _check_choice(f"projection {self.name!r}", "derivative", self.derivative, ACTIVATIONS)

    @property
    def factors(self) -> tuple[tuple[str, Signal], ...]:
        """The two signals that its synapses multiply, pre and post, each with the cell it is at."""
        if self.plasticity is None:
            return ()
        pre, post = self.plasticity.pre, self.plasticity.post
        return (self.post if pre.kind == "synaptic" else self.pre, pre), (self.post, post)

    @property
    def label(self) -> str:
        """How an error message names it: name and both populations."""
        return f"projection {self.name!r} ({self.pre!r} -> {self.post!r}, {self.role})"


@dataclass(frozen=True)
class Phase:
    """A period in which some projections are active.

    Parameters
    ----------
    name : str
    mode : str
        Phases that take turns in one mode (weight mirror's layers, one after the other) share it.
    noisy : tuple of str
        Populations that fire noise instead of following their input. A phase without any is
        driven by data.
    noise_mean, noise_std : float
        Baseline β and standard deviation σ of that noise. A drive from a noisy cell conveys its
        deviation from β (Akrout et al. 2019, eq. 23). In a phase that data drives, so does every
        weighted drive between forward cells.
    bias_blocked : bool
        Cells close off their bias currents (Akrout et al. 2019, section 4.3).
    norm_blocked : bool
        Drives and cells leave out their normalisation, so that synapses alone are mirrored
        (appendix D.2). Where it is not blocked, noise is normalised by its own statistics.
    """

    name: str = ENGAGED
    mode: str = ENGAGED
    noisy: tuple[str, ...] = ()
    noise_mean: float = 0.0
    noise_std: float = 1.0
    bias_blocked: bool = False
    norm_blocked: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "noisy", _names(self.noisy))
        if self.noise_std <= 0:
            raise WiringError(f"phase {self.name!r}: noise_std {self.noise_std}, expected > 0")
        if self.noise_std != 1 and not self.noisy:
            raise WiringError(
                f"phase {self.name!r}: noise_std {self.noise_std}, but no population fires noise "
                "in it. Name some as noisy, or leave it out"
            )
