"""How far a mirror of spiking cells turns, from noise alone, and what stops it.

One layer fires noise, a second one follows it through random weights W, two layers of error cells
mimic the two, and every feedback synapse learns from its own two cells. Shows the angle between
B and Wᵀ over simulated time:

- push-pull: 100 noisy pairs of cells and 50 that follow, rates of learning falling as 1/t; seeds
  0 to 2. baseline: the same of noisy cells about β (Akrout et al. 2019, appendix C.2), one a unit.
- push-pull uncentred, baseline uncentred: synapses learn from activity, not from deviations.
- linear: cells that follow are pairs too, as at the output of a network.
- pre 25, pre 400, post 200: other numbers of cells. From each curve the time t₁ in
  tan(angle) = √(n_pre t₁ / T), and the exponent of T that fits it best (−½ if it is that law).
- forgetting: rates that stay as they are, so that only the last seconds count.

Every finished run is a file in the folder, and is not run again. The picture there shows all
curves, the law dotted.

    python benchmarks/spiking_mirror.py [--out FOLDER] [--cases push-pull baseline ...]
        [--seconds 120] [--seeds 0 1 2] [--target cpp_standalone] [--json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from brian2 import Quantity, second

from oneway.analysis import angle_deg
from oneway.backends.spiking import SpikingNetwork, SpikingParameters
from oneway.circuits import AllToAllConnector, Circuit, Signal, Wiring
from oneway.training.hardware import hardware_line
from oneway.training.progress import ProgressBar

W, B = "a -> b", "delta_b -> delta_a"
LIMIT_DEG = 12
# A rate and decay of 1 for each second: what is learned is an average over one second, and, where
# rates fall as one over time from then on, an average over all of it.
MEMORY_S = 1.0

Run = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One way to mirror.

    Parameters
    ----------
    pre, post : int
        Noisy cells, and those that follow.
    baseline : bool
        Cells about a baseline; else pairs.
    centred : {"batch", "no"}
        What synapses subtract from activity.
    activation : str
        Of cells that follow.
    memory_s : float
        With rates that stay as they are: over how long they average. 0: they fall as 1/t.
    """

    pre: int = 100
    post: int = 50
    baseline: bool = False
    centred: Literal["batch", "no"] = "batch"
    activation: str = "relu"
    memory_s: float = 0.0

    def circuit(self) -> Circuit:
        """Wired by hand, without any rule."""
        net = Wiring("mirror")
        net.phase("mirror", mode="mirror", noisy=("a",))
        a = net.population("a", (self.pre,))
        b = net.population("b", (self.post,), activation=self.activation)
        delta_a = net.population("delta_a", a.shape, path="feedback", partner="a")
        delta_b = net.population("delta_b", b.shape, path="feedback", partner="b")
        net.during(net.connect(a, b, AllToAllConnector()), "mirror")
        net.connect(delta_b, delta_a, AllToAllConnector().transpose, partner=W)
        net.mimic(a, delta_a, "mirror")
        net.mimic(b, delta_b, "mirror")
        own = Signal(centred=self.centred)
        net.learn(B, own, own, "mirror", hebbian=True, reduction="mean", rate=1.0, decay=1.0)
        return net.build()

    def parameters(self) -> SpikingParameters:
        memory: Quantity = (self.memory_s or MEMORY_S) * second
        kind = SpikingParameters.about_baseline if self.baseline else SpikingParameters
        return kind(batch_time=memory)

    @property
    def slowing_s(self) -> float:
        return inf if self.memory_s else MEMORY_S


CASES = {
    "push-pull": Case(),
    "baseline": Case(baseline=True),
    "push-pull uncentred": Case(centred="no"),
    "baseline uncentred": Case(baseline=True, centred="no"),
    "linear": Case(activation="linear"),
    "pre 25": Case(pre=25),
    "pre 400": Case(pre=400),
    "post 200": Case(post=200),
    "forgetting, 6 s": Case(memory_s=6.0),
    "forgetting, 30 s": Case(memory_s=30.0),
}
SEEDED = ("push-pull", "baseline")


def mirror(case: Case, network: SpikingNetwork, seed: int, seconds: float, bar: Bar) -> Run:
    """One run: times, angles, and what they cost."""
    network.restart(seed)
    began, w_JI = perf_counter(), network.weight(W)
    record = network.run_spontaneous(
        seconds, seconds / 60, report=bar.report, slowing_s=case.slowing_s
    )
    return {
        "seed": seed,
        "times_s": record.times_s.tolist(),
        "angles_deg": [angle_deg(b_IJ.T, w_JI) for b_IJ in record.weights[B]],
        "rates_hz": dict(record.mean_rates_hz),
        "simulated_s": record.simulated_s,
        "wall_s": perf_counter() - began,
    }


class Bar(ProgressBar):
    """Per cent of one run, as Brian2 reports it."""

    def report(self, elapsed_s: float, completed: float, start_s: float, length_s: float) -> None:
        while self.done < round(100 * completed):
            self.advance()


def runs_of(name: str, given: argparse.Namespace) -> list[Run]:
    """The runs of a case, from their files or anew."""
    case, network, found = CASES[name], None, []
    for seed in given.seeds if name in SEEDED else given.seeds[:1]:
        file = given.out / f"{name.replace(' ', '_').replace(',', '')}_seed{seed}.json"
        if not file.exists():
            network = network or SpikingNetwork(
                case.circuit(), case.parameters(), target=given.target
            )
            with Bar(f"{name}, seed {seed} (%)", 100) as bar:
                run = mirror(case, network, seed, given.seconds, bar)
            file.write_text(json.dumps(run))
        found.append(json.loads(file.read_text()))
    return found


# -- what follows from them -----------------------------------------------------------------------


def summary(case: Case, runs: Sequence[Run]) -> dict[str, Any]:
    """Angles at a few times, when they pass the limit, and the law that fits them best."""
    times = np.array(runs[0]["times_s"])
    angles = np.array([run["angles_deg"] for run in runs])
    mean = angles.mean(0)
    below = times[mean < LIMIT_DEG]
    late = (times > 0.1 * times[-1]) & (mean < 80)
    exponent = t_1 = None
    if late.sum() > 2:
        log_tan = np.log(np.tan(np.radians(mean[late])))
        exponent = float(np.polyfit(np.log(times[late]), log_tan, 1)[0])
        t_1 = float(np.exp(np.mean(2 * log_tan + np.log(times[late])))) / case.pre
    at = [float(np.interp(part * times[-1], times, mean)) for part in (1 / 12, 1 / 6, 1 / 3, 1)]
    return {
        "angles_deg": at,
        "deviation_deg": float(angles[:, -1].std(ddof=1)) if len(runs) > 1 else None,
        "below_limit_s": float(below[0]) if len(below) else None,
        "exponent": exponent,
        "t_1_s": t_1,
        "seeds": len(runs),
        "simulated_s": runs[0]["simulated_s"],
        "wall_s": float(np.median([run["wall_s"] for run in runs])),
        "rates_hz": {name: runs[0]["rates_hz"][name] for name in ("a", "b")},
    }


def show(summaries: dict[str, dict[str, Any]], seconds: float) -> None:
    parts = "".join(f"{seconds * part:>7.0f} s" for part in (1 / 12, 1 / 6, 1 / 3, 1))
    print(f"{'angle of B to Wᵀ at':22}{parts} {'seeds':>6} {f'< {LIMIT_DEG}° at':>9} "
          f"{'exponent':>9} {'t₁ (ms)':>8} {'wall (s)':>9}")  # fmt: skip
    for name, found in summaries.items():
        angles = "".join(f"{angle:>8.1f}°" for angle in found["angles_deg"])
        below, exponent, t_1 = found["below_limit_s"], found["exponent"], found["t_1_s"]
        print(f"{name:22}{angles} {found['seeds']:>6} {f'{below:.0f} s' if below else '-':>9} "
              f"{f'{exponent:.2f}' if exponent else '-':>9} "
              f"{f'{1e3 * t_1:.0f}' if t_1 else '-':>8} {found['wall_s']:>9.0f}")  # fmt: skip


def draw(curves: dict[str, list[Run]], t_1_s: float | None, path: Path) -> None:
    """All curves; both axes logarithmic, so that a power law is a line.

    The law is dotted for each number of cells, with the t₁ of `push-pull`.
    """
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), sharex=True, sharey=True)
    for name, runs in curves.items():
        ax = axes[0] if name.split(" ")[0] in (*SEEDED, "linear") else axes[1]
        times = np.array(runs[0]["times_s"][1:])
        angles = np.array([run["angles_deg"][1:] for run in runs])
        (line,) = ax.plot(times, angles.mean(0), label=name)
        colour = line.get_color()
        ax.fill_between(times, angles.min(0), angles.max(0), alpha=0.25, color=colour, lw=0)
        if t_1_s and ax is axes[1] and not CASES[name].memory_s:
            ax.plot(times, law_deg(CASES[name].pre, t_1_s, times), color=colour, ls=":", lw=1)
    for ax, title in zip(axes, ("cells and signals", "sizes and forgetting"), strict=True):
        if ax is axes[1] and "push-pull" in curves:
            run = curves["push-pull"][0]
            ax.plot(run["times_s"][1:], run["angles_deg"][1:], color="0.6", label="push-pull")
        ax.axhline(LIMIT_DEG, color="0.5", lw=0.8, ls=":")
        ax.set(xscale="log", yscale="log", title=title, xlabel="simulated time (s)")
        ax.set_yticks([3, 6, 12, 25, 50, 90], ["3", "6", "12", "25", "50", "90"])
        ax.minorticks_off()
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize=8, frameon=False, loc="lower left")
    axes[0].set_ylabel("angle of B to Wᵀ (°)")
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def law_deg(n_pre: int, t_1_s: float, times_s: np.ndarray) -> np.ndarray:
    """The angle after so long if tan(angle) = √(n_pre t₁ / T)."""
    return np.degrees(np.arctan(np.sqrt(n_pre * t_1_s / times_s)))


def main(given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    given.out.mkdir(parents=True, exist_ok=True)
    curves, summaries = {}, {}
    for name in given.cases:
        curves[name] = runs_of(name, given)
        summaries[name] = summary(CASES[name], curves[name])
        if not given.json:
            last = summaries[name]["angles_deg"][-1]
            print(f"{name}: {last:.1f}° after {given.seconds:g} s", flush=True)
    draw(curves, summaries.get("push-pull", {}).get("t_1_s"), given.out / "mirror.png")
    report = {"hardware": hardware_line(), "target": given.target, "cases": summaries}
    (given.out / "mirror.json").write_text(json.dumps(report, indent=1))
    if given.json:
        print(json.dumps(report))
    else:
        show(summaries, given.seconds)
        print(hardware_line())
        print("saved", given.out / "mirror.png", "and", given.out / "mirror.json")
    return summaries


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/spiking_mirror"), metavar="FOLDER")
    parser.add_argument("--cases", nargs="+", default=tuple(CASES), choices=tuple(CASES))
    parser.add_argument("--seconds", type=float, default=120.0, help="of simulated time, each")
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2), metavar="N")
    parser.add_argument("--target", default="cpp_standalone")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    try:
        main(parser.parse_args())
    except ValueError as error:
        parser.error(str(error))
