"""What the tour of `oneway demo` found out, as plain data: the report and JSON are made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

from oneway.analysis import Verdict
from oneway.circuits import Circuit
from oneway.rules import Rule

from ..compare import mean_of, spread
from ..records import RunResult

if TYPE_CHECKING:
    from oneway.backends.spiking import SpontaneousRecord

    from ..config import TrainConfig

INSTALL_SPIKING = 'pip install "oneway[spiking]"'


@dataclass
class RuleTour:
    """One rule on the tour's circuit, or the problem with which wiring or training failed."""

    label: str  # as on the command line, options included: asap,gate=local
    about: str  # first sentence of the rule's docstring
    rule: Rule
    wired: Circuit | None = None
    verdict: Verdict | None = None
    loop: int | None = (
        None  # connections on the shortest way from a hidden to its error cell and back
    )
    # Seed → feedback drive → angle to its partner before the first step.
    first_angles: dict[int, Mapping[str, float]] = field(default_factory=dict)
    runs: list[RunResult] = field(default_factory=list)
    problem: str = ""

    @property
    def accuracies(self) -> list[float]:
        return [run.test_accuracy for run in self.runs]

    @property
    def mean(self) -> float | None:
        """Mean test accuracy over seeds."""
        return mean_of(self.accuracies)

    @property
    def spread(self) -> float | None:
        return spread(self.accuracies)

    @property
    def own(self) -> bool:
        """Whether the rule came from elsewhere than this package."""
        return not type(self.rule).__module__.startswith("oneway.")

    def angle_records(self) -> list[dict[str, Any]]:
        """An angle a record: rule, seed, feedback drive, epoch (0 is before the first step)."""
        return [
            {"rule": self.label, "seed": run.seed, "drive": drive, "epoch": epoch, "angle_deg": a}
            for run in self.runs
            for epoch, angles in enumerate(
                [self.first_angles.get(run.seed, {}), *(r["angles_deg"] for r in run.history)]
            )
            for drive, a in angles.items()
        ]

    def as_dict(self) -> dict[str, Any]:
        return {
            "rule": self.label,
            "verdict": self.verdict.as_dict() if self.verdict else None,
            "shortest_loop": self.loop,
            "test_accuracy_mean": self.mean,
            "test_accuracy_spread": self.spread,
            "runs": [run.as_dict() for run in self.runs],
            "angles": self.angle_records(),
            "problem": self.problem or None,
        }


@dataclass
class SpikingTour:
    """The spiking run of a rule, or why there is none; angles are those at ``record.times_s``."""

    label: str = ""
    wired: Circuit | None = None
    record: SpontaneousRecord | None = None
    angles: Mapping[str, list[float]] = field(default_factory=dict)
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        if self.record is None:
            return {"problem": self.problem}
        return {
            "rule": self.label,
            "times_s": [float(t) for t in self.record.times_s],
            "angles_deg": self.angles,
            "mean_rate_hz": dict(self.record.mean_rates_hz),
            "simulated_s": self.record.simulated_s,
            "wall_s": self.record.wall_s,
        }


@dataclass
class Tour:
    """Everything the report shows."""

    forward: Circuit
    config: TrainConfig
    seeds: tuple[int, ...]
    samples: tuple[int, int]
    rules: list[RuleTour] = field(default_factory=list)
    floor: list[float] = field(
        default_factory=list
    )  # of each seed, if only the output layer learns
    clock: dict[str, str] = field(default_factory=dict)  # rule → how its feedback weights align
    spiking: SpikingTour = field(default_factory=SpikingTour)
    host: Mapping[str, str] = field(default_factory=dict)  # versions and hardware
    seconds: float = 0.0

    @property
    def floor_mean(self) -> float:
        return fmean(self.floor)

    @property
    def ranked(self) -> list[RuleTour]:
        """Rules that were trained, best mean first."""
        trained = [rule for rule in self.rules if rule.runs]
        return sorted(trained, key=lambda rule: -(rule.mean or 0.0))

    def beats_floor(self, rule: RuleTour) -> bool:
        return rule.mean is not None and rule.mean > self.floor_mean

    def as_dict(self) -> dict[str, Any]:
        return {
            "circuit": self.forward.name,
            "data": "digits",
            "train_samples": self.samples[0],
            "test_samples": self.samples[1],
            "config": asdict(self.config),
            "seeds": list(self.seeds),
            "floor_accuracy": self.floor_mean,
            "floor_accuracies": self.floor,
            "clock": self.clock,
            "rules": [rule.as_dict() for rule in self.rules],
            "spiking": self.spiking.as_dict(),
            "host": dict(self.host),
            "seconds": self.seconds,
        }
