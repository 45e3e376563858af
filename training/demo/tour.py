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

    def angle_course(self) -> tuple[float, float] | None:
        """Mean angle over drives and seeds, before the first step and after the last epoch."""
        angles: dict[int, list[float]] = {}
        for record in self.angle_records():
            angles.setdefault(record["epoch"], []).append(record["angle_deg"])
        return (fmean(angles[0]), fmean(angles[max(angles)])) if 0 in angles else None

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
    target: str = ""  # what Brian2 made of it: numpy, cpp_standalone
    compiling_s: float = 0.0  # wall time, not in that of the record
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
            "target": self.target,
            "compiling_s": self.compiling_s,
        }


@dataclass(frozen=True)
class SpikingDigits:
    """A circuit that learned the digits in spikes, now or, if it says so, at another time.

    `found` is what the command prints with ``--json``; angles are those of its curve, from the
    first measurement to the last.
    """

    found: Mapping[str, Any]
    recorded: str = ""  # with what, and on what; nothing where it ran now

    @property
    def command(self) -> str:
        epochs = len(self.found["online_accuracy"])
        return f"oneway spike {self.found['circuit']} --rule {self.found['rule']} --epochs {epochs}"

    @property
    def angles(self) -> dict[str, tuple[float, float]]:
        """Feedback drive → angle to its partner's weights, before and after."""
        first, last = (self.found["curve"][i]["angles_deg"] for i in (0, -1))
        return {name: (first[name], last[name]) for name in first}

    def as_dict(self) -> dict[str, Any]:
        return {"command": self.command, "recorded": self.recorded or None, **self.found}


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
    digits: SpikingDigits | None = None
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
            "spiking_digits": self.digits and self.digits.as_dict(),
            "host": dict(self.host),
            "seconds": self.seconds,
        }
