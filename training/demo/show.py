"""The tour: one circuit wired by every rule, checked, trained on digits, and run as spikes."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from oneway.analysis import PAPERS, check_wiring, return_paths
from oneway.backends.rate import RateNetwork
from oneway.circuits import Circuit, WiringError, mlp
from oneway.circuits.builders import Norm
from oneway.rules import RULES, parse_rule

from ..config import TrainConfig
from ..console import Terminal
from ..data.batches import n_batches
from ..data.dataset import Data, DataSet
from ..data.loading import load_data
from ..errors import TrainingError
from ..hardware import processor, threads
from ..loop import floor_accuracy, train
from ..optimization.clock import alignment_clock
from ..recording.weights import feedback_weights
from ..records import write_json
from ..spiking.config import SpikingConfig
from .page import write_report
from .printer import TourPrinter
from .spikes import learned_digits, recorded_digits, spiking_tour
from .tour import RuleTour, SpikingDigits, SpikingTour, Tour

# Beside every rule as it is by default: the options that leave no hidden pair joined both ways.
VARIANTS = ("asap,gate=local,norm=own",)

# Decays strongly enough for the alignment clock, (1 - momentum) / (lr * decay) = 250 steps, to fall
# inside the 480 steps of a run; otherwise a plain choice, which suits no rule in particular.
CONFIG = TrainConfig(epochs=40, batch_size=128, lr=0.04, weight_decay=0.01)


@dataclass(frozen=True)
class DemoSettings:
    """One setting for all rules, so that only the wiring differs."""

    sizes: tuple[int, ...] = (64, 32, 32, 10)
    # Without normalisation the rules whose hidden errors never fade drive rectified cells silent.
    norm: Norm = "before"
    seeds: tuple[int, ...] = (0, 1, 2)
    spiking: str = "wm"  # whose noisy phases run as spikes
    spiking_s: float = 48.0
    # Where there is no compiler: a simulated second then takes a second or two.
    interpreted_s: float = 16.0
    # What learns the digits in spikes, as `oneway spike` would; compiled only.
    digits: str = "kp"
    digits_epochs: int = 3
    config: TrainConfig = CONFIG

    def quick(self) -> DemoSettings:
        """A look at the report in seconds: two seeds, too few epochs to judge a rule by."""
        config = replace(self.config, epochs=3)
        return replace(self, seeds=self.seeds[:2], spiking_s=1.0, config=config)


def run_demo(out: Path, quick: bool = False, settings: DemoSettings | None = None) -> Path:
    """Take the tour and write ``report.html``, whose path this returns, and ``results.json``.

    An earlier report in `out` is replaced. A quick one, with few epochs, shows what the report
    looks like, not what the rules can do.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    settings = settings or DemoSettings()
    settings = settings.quick() if quick else settings
    started = time.monotonic()
    with threads(1):  # in layers of 32 cells they wait for each other longer than they work
        tour = take_tour(settings, TourPrinter(Terminal()))
    tour.seconds = time.monotonic() - started
    write_json(out / "results.json", tour.as_dict())
    return write_report(tour, out / "report.html")


def take_tour(settings: DemoSettings, printer: TourPrinter) -> Tour:
    """Wire, check, train and spike; the printer tells what was found as soon as it is known."""
    forward = mlp(settings.sizes, norm=settings.norm)
    data = load_data("digits", shape=forward.inputs[0].shape)
    assert isinstance(data, DataSet)
    samples = data.n_train, data.n_test
    tour = Tour(forward, settings.config, settings.seeds, samples, host=_host())
    tour.rules = [_wired(label, forward) for label in (*RULES, *VARIANTS)]
    tour.clock = _clocks(tour)
    printer.start(tour)
    tour.floor = [floor_accuracy(forward, data, config) for config in _configs(tour)]
    printer.floor(tour)
    for rule in tour.rules:
        _train(rule, data, _configs(tour))
        printer.rule(rule)
    printer.spiking_starts()
    mirror = _wired(settings.spiking, forward)
    tour.spiking = spiking_tour(mirror, settings.spiking_s, settings.interpreted_s)
    printer.spiking(tour.spiking)
    tour.digits = _digits(settings, data, tour.spiking)
    printer.digits(tour.digits)
    return tour


def _digits(settings: DemoSettings, data: DataSet, spiking: SpikingTour) -> SpikingDigits:
    """Learned now where a compiler has just proved useful; else the run that was recorded."""
    if spiking.target != "cpp_standalone":
        return recorded_digits()
    wired = parse_rule(settings.digits).wire(mlp(settings.sizes))  # cells have no batch norm
    config = SpikingConfig(target=spiking.target, epochs=settings.digits_epochs)
    return learned_digits(wired, data, config, settings.digits)


def _wired(label: str, forward: Circuit) -> RuleTour:
    rule = parse_rule(label)
    tour = RuleTour(label, _about(type(rule)), rule)
    try:
        tour.wired = rule.wire(forward)
    except WiringError as error:
        tour.problem = f"cannot be wired here: {error}"
        return tour
    tour.verdict = check_wiring(tour.wired, constraint="all")
    tour.loop = shortest_loop(tour.wired)
    return tour


def _about(rule: type) -> str:
    """First paragraph of a class's own docstring; dataclasses make one up where there is none."""
    text = rule.__doc__ or ""
    first = " ".join(text.strip().partition("\n\n")[0].split())
    return "" if first.startswith(f"{rule.__name__}(") else first


def shortest_loop(wired: Circuit) -> int | None:
    """Connections from a hidden cell to its error cell and back, at least; None: no way.

    As the papers count connections; output cells are answered at once under every rule.
    """
    paths = return_paths(wired, 1, (*PAPERS, "compare"))
    lengths = [p.length for p in paths if p.length and p.population != wired.output.name]
    return min(lengths, default=None)


def _configs(tour: Tour) -> list[TrainConfig]:
    return [replace(tour.config, seed=seed) for seed in tour.seeds]


def _clocks(tour: Tour) -> dict[str, str]:
    steps = n_batches(tour.samples[0], tour.config.batch_size)
    clocks = {
        rule.label: alignment_clock(rule.wired, tour.config, steps)
        for rule in tour.rules
        if rule.wired is not None
    }
    return {label: sentence for label, sentence in clocks.items() if sentence}


def _train(rule: RuleTour, data: Data, configs: Sequence[TrainConfig]) -> None:
    """One run a seed; a rule that fails leaves its reason, and the tour goes on."""
    if rule.wired is None:
        return
    for config in configs:
        network = RateNetwork(rule.wired, seed=config.seed)
        first = feedback_weights(network)["angles_deg"]
        rule.first_angles[config.seed] = {drive: float(angle) for drive, angle in first.items()}
        try:
            rule.runs.append(train(rule.wired, data, config, rule=rule.rule))
        except TrainingError as error:
            rule.problem = str(error)
            return


def _host() -> dict[str, str]:
    names = ("oneway", "torch", "numpy", "brian2")
    versions = {name: _version(name) for name in names}
    hardware = f"{processor()}, {os.cpu_count()} cores"
    return {"Python": platform.python_version(), **versions, "hardware": hardware}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
