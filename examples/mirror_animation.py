"""A weight mirror asleep and awake, as a page for a slide: spikes and weights side by side.

Records a run in Brian2 and writes a page that plays it: awake, digits drive the cells and forward
weights W learn; asleep, hidden cells fire noise and feedback weights B learn what W is, from the
spikes of their own two cells (Akrout et al. 2019). In between W moves, and B follows.

The page holds the recorded numbers and needs no network: play, stop, scrub; Space and arrow keys.

Usage: python mirror_animation.py [FILE.html] [--quick]     (FILE: by default mirror.html)
"""

import argparse
from pathlib import Path

import numpy as np
from brian2 import Hz, second

from oneway.backends.spiking import Spikes, SpikingNetwork, SpikingParameters
from oneway.circuits import mlp
from oneway.rules import parse_rule
from oneway.training import load_data
from oneway.training.spiking.animation import MirrorRecording, write_animation

W, B = "h1 -> output", "delta_output -> delta_h1"
SHOWN = ("output", "delta_output", "h1", "delta_h1")
DIGITS_AWAKE = 6
# Seconds of sleep before each time awake; the first lets running means settle.
SLEEPS, QUICK_SLEEPS = (6.0, 2.0, 2.0), (1.5,)
PER_SECOND = 5


def trains(spikes: dict[str, Spikes]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {name: (spikes[name].times_s, spikes[name].cells) for name in SHOWN if name in spikes}


def sleep(net: SpikingNetwork, run: MirrorRecording, seconds: float) -> None:
    start_s = net.simulated_s
    record = net.run_spontaneous(seconds, 1 / PER_SECOND, slowing_s=2.0)
    run.stretch("asleep", start_s, net.simulated_s, trains(record.spikes))
    for at_s, b_IJ in zip(record.times_s, record.weights[B], strict=True):
        run.weigh(float(at_s), net.weight(W), b_IJ)


def wake(net: SpikingNetwork, run: MirrorRecording, x: np.ndarray, y: np.ndarray) -> None:
    for sample, label in zip(x, y, strict=True):
        start_s = net.simulated_s
        shown = net.present(sample[None], label[None], learn=True, record=SHOWN)
        run.stretch("awake", start_s, net.simulated_s, trains(shown.spikes))
        run.weigh(net.simulated_s, net.weight(W), net.weight(B))


def record(sleeps: tuple[float, ...]) -> MirrorRecording:
    data = load_data("digits", shape=(64,), limit=(DIGITS_AWAKE * len(sleeps), 4))
    circuit = parse_rule("wm").wire(mlp((64, 16, 10)))
    # Errors of untrained cells are large: at 1 kHz for an error of 1 they could not be fired.
    parameters = SpikingParameters(batch_time=1 * second, error_unit=300 * Hz)
    net = SpikingNetwork(circuit, parameters, seed=0)
    sizes = {name: circuit.populations[name].size for name in SHOWN}
    run = MirrorRecording("A weight mirror, asleep and awake", sizes)
    run.weigh(0.0, net.weight(W), net.weight(B))
    for i, seconds in enumerate(sleeps):
        sleep(net, run, seconds)
        rows = slice(i * DIGITS_AWAKE, (i + 1) * DIGITS_AWAKE)
        x = data.normalise(data.train_x[rows]).reshape(DIGITS_AWAKE, -1)
        wake(net, run, x.numpy(), data.train_y[rows].numpy())
    return run


def main(path: Path, quick: bool = False) -> MirrorRecording:
    run = record(QUICK_SLEEPS if quick else SLEEPS)
    last = run.stretches[-1][2]
    angles = run.angles_deg
    write_animation(
        path,
        run,
        [
            f"{last:.1f} s of leaky integrate-and-fire cells in Brian2, 64-16-10 cells and their "
            "error cells, one seed. Recorded by examples/mirror_animation.py."
        ],
    )
    print(
        f"angle between W and Bᵀ: {angles[0]:.0f}° at first, {angles[-1]:.0f}° after {last:.1f} s"
    )
    print(f"saved {path}, {path.stat().st_size / 1000:.0f} kB")
    return run


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, default=Path("mirror.html"))
    parser.add_argument("--quick", action="store_true", help="one short sleep")
    given = parser.parse_args()
    main(given.file, given.quick)
