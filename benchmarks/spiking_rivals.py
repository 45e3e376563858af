"""What turns feedback weights B to Wᵀ, and how fast: a weight mirror beside rules of spike timing.

One layer fires noise (or what data say), a second follows it through random weights W, two layers
of error cells repeat the two, and several sets of feedback synapses between these learn at once,
each by its own statement: all rivals see the same spikes. Shows the angle between each B and Wᵀ
over simulated time. What B has learned is a mean over all of the time so far (rates fall as 1/t).

- wm: product of two traces, each less its running mean (Akrout et al. 2019), rule `wm`.
- hebb: the same, nothing subtracted.
- mirrored, stdwi: pairs of spikes, the two windows of rule `stdp`; causal: the positive side alone.
- 50 x 50, 100 x 50: noisy cells and cells that follow, as push-pull pairs; baseline: about β.
- data: no mode. The first layer's cells follow samples of 100 ms, in which they are correlated;
  every error cell hears the spikes of its partner (`stdp,mode=engaged`).

Every finished run is a file in the folder, and is not run again.

    python benchmarks/spiking_rivals.py [--out FOLDER] [--cases "50 x 50" ...] [--seconds 60]
        [--seeds 0 1] [--target cpp_standalone] [--json]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from brian2 import second

from oneway.analysis import angle_deg
from oneway.backends.spiking import SpikingNetwork, SpikingParameters
from oneway.circuits import (
    ACTIVITY,
    AllToAllConnector,
    Circuit,
    Signal,
    SpikeWindow,
    Wiring,
    mlp,
    taught_by,
)
from oneway.rules import FeedbackAlignment, SpikeTimingMirror
from oneway.training.hardware import hardware_line
from oneway.training.progress import ProgressBar

A, B, W = "x", "h1", "x -> h1"
TAU_MS, EACH_PAIR = 10.0, 0.01
# Rates fall as one over time from this on, so that all that has happened counts alike.
MEMORY_S = 1.0
SAMPLE_S = 0.1

Run = dict[str, Any]


def windows() -> dict[str, SpikeWindow]:
    """Those of the rule, and one that cancels nothing."""
    named = {
        name: SpikeTimingMirror(window=name, tau=TAU_MS).kernel for name in ("mirrored", "stdwi")
    }
    return named | {"causal": SpikeWindow(before=((1.0, TAU_MS),))}


@dataclass(frozen=True)
class Case:
    """One network; see above."""

    pre: int = 50
    post: int = 50
    baseline: bool = False
    data: bool = False

    @property
    def rivals(self) -> tuple[str, ...]:
        """Those that learn here; a mean over a batch is nothing that a cell knows of data."""
        return (*(() if self.data else ("wm",)), "hebb", *windows())

    def circuit(self) -> Circuit:
        """Two layers and their error cells, with all rivals between these."""
        net, phase = self._forward(), "engaged" if self.data else "mirror"
        a, b = (net.populations[name] for name in (A, B))
        delta_a = net.population("delta_a", a.shape, path="feedback", partner=A)
        delta_b = net.population("delta_b", b.shape, path="feedback", partner=B)
        join = net.teach if self.data else partial(net.mimic, phase=phase)
        join(a, delta_a)
        join(b, delta_b)
        for rival in self.rivals:
            transpose = AllToAllConnector().transpose
            net.connect(delta_b, delta_a, transpose, name=rival, partner=W, phases=())
            self._learn(net, rival, phase)
        return net.build()

    def _forward(self) -> Wiring:
        if self.data:  # as input and first layer of a network that has a target
            return Wiring(FeedbackAlignment().wire(mlp((self.pre, self.post, 2))))
        net = Wiring("rivals")
        net.phase("mirror", mode="mirror", noisy=(A,))
        a = net.population(A, (self.pre,))
        b = net.population(B, (self.post,), activation="relu")
        net.during(net.connect(a, b, AllToAllConnector()), "mirror")
        return net

    def _learn(self, net: Wiring, rival: str, phase: str) -> None:
        ends = (taught_by(B), taught_by(A)) if self.data else (ACTIVITY, ACTIVITY)
        if rival in windows():
            how = {"window": windows()[rival], "rate": EACH_PAIR, "decay": self.decay}
            net.learn(rival, *ends, phase, **how)
            return
        ends = (Signal(centred="batch"),) * 2 if rival == "wm" else ends
        how = {"hebbian": True, "reduction": "mean", "rate": 1.0, "decay": self.decay}
        net.learn(rival, *ends, phase, **how)

    @property
    def decay(self) -> float:
        """Of a second: of noise that counts as a batch, or of several samples."""
        return SAMPLE_S / MEMORY_S if self.data else 1.0

    def parameters(self) -> SpikingParameters:
        kind = SpikingParameters.about_baseline if self.baseline else SpikingParameters
        return kind(batch_time=MEMORY_S * second)


CASES = {
    "50 x 50": Case(),
    "100 x 50": Case(pre=100),
    "50 x 50, baseline": Case(baseline=True),
    "100 x 50, baseline": Case(pre=100, baseline=True),
    "50 x 50, data": Case(data=True),
}


def compete(case: Case, network: SpikingNetwork, seed: int, seconds: float, bar: Bar) -> Run:
    """One run: times, and angles of each rival."""
    network.restart(seed)
    began, w_JI = perf_counter(), network.weight(W)
    if case.data:
        times, weights, rates = _shown(case, network, seed, seconds, bar)
    else:
        record = network.run_spontaneous(
            seconds, seconds / 60, report=bar.report, slowing_s=MEMORY_S
        )
        times, weights, rates = record.times_s, record.weights, record.mean_rates_hz
    return {
        "seed": seed,
        "times_s": np.asarray(times).tolist(),
        "angles_deg": {
            name: [angle_deg(b_IJ.T, w_JI) for b_IJ in weights[name]] for name in case.rivals
        },
        "rates_hz": dict(rates),
        "wall_s": perf_counter() - began,
    }


def _shown(case: Case, network: SpikingNetwork, seed: int, seconds: float, bar: Bar):
    """Correlated samples, each for 100 ms, in parts between which weights are read."""
    network.rates.forward_rate = 0.0
    rng, times = np.random.default_rng(seed), [0.0]
    mix = rng.normal(size=(case.pre, case.pre // 5)) / np.sqrt(case.pre // 5)
    weights, rates = {name: [network.weight(name)] for name in case.rivals}, {}
    parts, samples = 12, round(seconds / SAMPLE_S / 12)
    for part in range(parts):
        x = rng.normal(size=(samples, mix.shape[1])) @ mix.T
        factors = [
            min(1.0, MEMORY_S / max(times[-1] + n * samples * SAMPLE_S, 1e-9)) for n in (0, 1)
        ]
        shown = network.present(x, np.zeros(samples, dtype=int), learn=True, slowing=tuple(factors))
        times.append(times[-1] + samples * SAMPLE_S)
        rates = shown.mean_rates_hz
        for name in case.rivals:
            weights[name].append(network.weight(name))
        bar.report(0.0, (part + 1) / parts, 0.0, seconds)
    return times, weights, rates


class Bar(ProgressBar):
    """Per cent of one run, as Brian2 reports it."""

    def report(self, elapsed_s: float, completed: float, start_s: float, length_s: float) -> None:
        while self.done < round(100 * completed):
            self.advance()


def runs_of(name: str, given: argparse.Namespace) -> list[Run]:
    """The runs of a case, from their files or anew."""
    case, network, found = CASES[name], None, []
    for seed in given.seeds:
        file = given.out / f"{name.replace(' ', '').replace(',', '_')}_seed{seed}.json"
        if not file.exists():
            network = network or SpikingNetwork(
                case.circuit(), case.parameters(), target=given.target
            )
            with Bar(f"{name}, seed {seed} (%)", 100) as bar:
                run = compete(case, network, seed, given.seconds, bar)
            file.write_text(json.dumps(run))
        found.append(json.loads(file.read_text()))
    return found


# -- what follows from them -----------------------------------------------------------------------


def at_times(runs: list[Run], rival: str, seconds: list[float]) -> list[float]:
    """Mean angle over seeds after so many seconds."""
    mean = np.mean([run["angles_deg"][rival] for run in runs], axis=0)
    return [float(np.interp(t, runs[0]["times_s"], mean)) for t in seconds]


def below_s(runs: list[Run], rival: str, limit_deg: float) -> float | None:
    """When the mean over seeds first is below an angle."""
    mean = np.mean([run["angles_deg"][rival] for run in runs], axis=0)
    below = np.array(runs[0]["times_s"])[mean < limit_deg]
    return float(below[0]) if len(below) else None


def show(curves: dict[str, list[Run]], seconds: float, limit_deg: float = 12) -> None:
    times = [seconds * part for part in (1 / 12, 1 / 6, 1 / 3, 1)]
    heads = "".join(f"{t:>7.0f} s" for t in times)
    print(f"{'angle of B to Wᵀ at':30}{heads} {'seeds':>6} {f'< {limit_deg}° at':>9}")
    for name, runs in curves.items():
        for rival in runs[0]["angles_deg"]:
            angles = "".join(f"{angle:>8.1f}°" for angle in at_times(runs, rival, times))
            first = below_s(runs, rival, limit_deg)
            when = "-" if first is None else f"{first:.0f} s"
            print(f"{f'{name}: {rival}':30}{angles} {len(runs):>6} {when:>9}")


def draw(curves: dict[str, list[Run]], path: Path) -> None:
    """One panel a case; both axes logarithmic, so that a power law is a line."""
    figure, axes = plt.subplots(
        1, len(curves), figsize=(3 + 2.6 * len(curves), 4), sharey=True, squeeze=False
    )
    for ax, (name, runs) in zip(axes[0], curves.items(), strict=True):
        times = np.array(runs[0]["times_s"][1:])
        for number, rival in enumerate(("wm", "hebb", *windows())):
            if rival not in runs[0]["angles_deg"]:
                continue
            angles = np.array([run["angles_deg"][rival][1:] for run in runs])
            ax.plot(times, angles.mean(0), color=f"C{number}", label=rival)
            ends = angles.min(0), angles.max(0)
            ax.fill_between(times, *ends, alpha=0.25, color=f"C{number}", lw=0)
        ax.set(xscale="log", yscale="log", title=name, xlabel="simulated time (s)")
        ax.set_yticks([3, 6, 12, 25, 50, 90], ["3", "6", "12", "25", "50", "90"])
        ticks = [t for t in (1, 2, 5, 10, 20, 50, 100) if times[0] <= t <= times[-1]]
        ax.set_xticks(ticks, [str(t) for t in ticks])
        ax.minorticks_off()
        ax.axhline(12, color="0.5", lw=0.8, ls=":")
    axes[0, 0].set_ylabel("angle of B to Wᵀ (°)")
    axes[0, 0].legend(fontsize=8, frameon=False, loc="lower left")
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main(given: argparse.Namespace) -> dict[str, list[Run]]:
    given.out.mkdir(parents=True, exist_ok=True)
    curves = {name: runs_of(name, given) for name in given.cases}
    draw(curves, given.out / "rivals.png")
    report = {"hardware": hardware_line(), "target": given.target, "cases": curves}
    (given.out / "rivals.json").write_text(json.dumps(report, indent=1))
    if given.json:
        print(json.dumps(report))
    else:
        show(curves, given.seconds)
        print(hardware_line())
        print("saved", given.out / "rivals.png", "and", given.out / "rivals.json")
    return curves


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/spiking_rivals"), metavar="FOLDER")
    parser.add_argument("--cases", nargs="+", default=tuple(CASES), choices=tuple(CASES))
    parser.add_argument("--seconds", type=float, default=60.0, help="of simulated time, each")
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1), metavar="N")
    parser.add_argument("--target", default="cpp_standalone")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    try:
        main(parser.parse_args())
    except ValueError as error:
        parser.error(str(error))
