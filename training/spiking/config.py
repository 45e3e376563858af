"""`SpikingConfig`: every number of a spiking run, checked when it is set."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from math import isfinite

from ..config import check_choices, check_least, option
from ..errors import ConfigError

RUN_DYNAMICS = ("spiking", "poisson", "settled", "adaptive", "conductance", "two_compartment")
PAIRS = ("shared", "told", "independent")
PRESENTATIONS = ("sequence", "trials", "continuous")
RUN_INPUTS = ("current", "poisson")
RUN_TARGETS = ("auto", "numpy", "cython", "cpp_standalone")
# Compiling takes as long as simulating a few hundred samples without.
WORTH_COMPILING_S = 20.0


@dataclass(frozen=True)
class Lesion:
    """A projection through which nothing passes from a moment on, in simulated seconds."""

    projection: str
    at_s: float

    @classmethod
    def parse(cls, text: str) -> Lesion:
        """A lesion written as PROJECTION@SECONDS."""
        name, _, seconds = text.rpartition("@")
        try:
            return cls(name.strip(), float(seconds))
        except ValueError:
            raise ConfigError(
                f"lesion {text!r}, expected PROJECTION@SECONDS, such as 'teach: delta_h1 -> h1@300'"
            ) from None


@dataclass(frozen=True)
class SpikingConfig:
    """Settings of a spiking run. Times are simulated ones."""

    dynamics: str = option("spiking", "how cells fire", RUN_DYNAMICS)
    target: str = option("auto", "what Brian2 makes of the equations", RUN_TARGETS)
    presentation: str = option(
        "sequence",
        "how samples follow: as they come, each from rest, or with learning all the time",
        PRESENTATIONS,
    )
    input: str = option(
        "current",
        "what cells of the input make of a value: a current, on which they fire regularly, or "
        "spikes at random at its rate",
        RUN_INPUTS,
    )
    in_turn: bool = option(
        False,
        "phases that data drives one after another, so that cells that share an activity are seen "
        "to repeat it; a sample takes as much longer",
    )
    unshared: bool = option(
        False,
        "convolutions as local connections, each synapse with a weight of its own; weights that "
        "are written are means over the positions",
    )
    dale: bool = option(
        False,
        "Dale's law: every cell excites and has an interneuron that inhibits, each with weights "
        "that are never negative; those that are written are the difference",
    )
    pairs: str = option(
        "shared",
        "whether the two cells of a push-pull pair share a membrane and weights, or are cells of "
        "their own, whose synapses learn from the partner's spikes too (told) or not "
        "(independent); weights that are written are means over the copies",
        PAIRS,
    )
    threads: int = option(0, "OpenMP threads of cpp_standalone; 0 for none")
    no_cache: bool = option(False, "compile anew, and keep no compiled program")
    epochs: int = option(10, "passes over the training samples; 0 only tests")
    rate: float = option(0.01, "learning rate of both paths, falling linearly to zero")
    decay: float = option(1e-4, "decay of both paths' weights with each sample, falling alike")
    seconds: float = option(
        20.0, "of noise for each layer that mirrors, before the first sample; without task: in all"
    )
    interlude: float = option(5.0, "of noise for each such layer after every epoch")
    measurements: int = option(10, "how often angles are measured on the way")
    seed: int = option(0, "of weights, order and noise")
    lesions: tuple[Lesion, ...] = option(
        (),
        "cut a projection after so many simulated seconds: 'h1 -> h2@300' a drive, others with "
        "their role, 'teach: delta_h2 -> h2@300'; may be repeated",
    )

    def __post_init__(self) -> None:
        check_choices(self)
        if self.input == "poisson" and self.dynamics == "settled":
            raise ConfigError("--input poisson: dynamics 'settled' has no spikes. Use spiking")
        check_least(self, ("threads", "epochs", "rate", "decay", "interlude", "seed"), 0)
        check_least(self, ("measurements",), 1)
        if not (isfinite(self.seconds) and self.seconds > 0):
            raise ConfigError(f"seconds = {self.seconds:g}, expected more than 0")
        cut = [lesion.projection for lesion in self.lesions]
        if twice := next((name for name in cut if cut.count(name) > 1), None):
            raise ConfigError(f"lesions name {twice!r} twice, expected one moment for each")
        for lesion in self.lesions:
            if not (isfinite(lesion.at_s) and lesion.at_s >= 0):
                raise ConfigError(
                    f"lesion of {lesion.projection!r} at {lesion.at_s:g} s, expected at least 0"
                )

    def target_for(self, simulated_s: float) -> str:
        """The target, chosen by the length of the run where it is left open."""
        if self.target != "auto":
            return self.target
        worthwhile = self.dynamics != "settled" and simulated_s > WORTH_COMPILING_S
        compiler = shutil.which("g++") or shutil.which("clang++")
        return "cpp_standalone" if worthwhile and compiler else "numpy"
