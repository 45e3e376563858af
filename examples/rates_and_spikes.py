"""The same circuit as rates and as spikes: weights go over by name, and spikes average out.

Shows that a circuit that has learned as rates answers as spikes with the same weights, carried over
by the names of projections, and back again without a change; and how the spiking output differs
from the rates when it is averaged over a time T. The error has two parts. One is random: windows of
length T differ from each other. For cells that fire at random it falls as 1/√T, the slope -1/2 in
the picture, as any count of independent spikes does; integrate-and-fire cells fire regularly, and
theirs is small from the start. The other is what dynamics leave however long one waits.

Prints accuracies, both parts and the fitted slope; draws them over T.

One seed, numpy target, one CPU minute on a two-core Intel Xeon.

Usage: python rates_and_spikes.py [FOLDER] [--quick]     (FOLDER: by default ./out)
"""

import argparse
from dataclasses import replace
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from brian2 import second

from oneway.backends.rate import RateNetwork
from oneway.backends.spiking import SpikingNetwork, SpikingParameters
from oneway.circuits import Circuit, mlp
from oneway.rules import parse_rule
from oneway.training import DataSet, load_data
from oneway.training.loss import SquaredError

SIZES = (64, 48, 48, 10)
STEPS = 400
SETTLED_S = 0.2
READ_EVERY_S = 0.01


def learn_as_rates(circuit: Circuit, data: DataSet) -> RateNetwork:
    """A few epochs of SGD on squared errors, so that activity stays near 1; no spikes yet."""
    net = RateNetwork(circuit, dtype=torch.float64, seed=0, loss=SquaredError())
    sgd = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    rows = torch.randint(data.n_train, (STEPS, 32), generator=torch.Generator().manual_seed(0))
    for batch in rows:
        net.step(data.normalise(data.train_x[batch], torch.float64), data.train_y[batch])
        sgd.step()
    return net


def carry_over(net: RateNetwork, into: SpikingNetwork) -> None:
    """From rates to spikes, by name."""
    into.set_weights({name: net.weight(name).numpy() for name in net.weights})
    into.set_biases({name: bias.detach().numpy() for name, bias in net.biases.items()})


@torch.no_grad()
def carry_back(spikes: SpikingNetwork, into: RateNetwork) -> None:
    """From spikes to rates, by name."""
    for name, weight in spikes.weights().items():
        into.weight(name).copy_(torch.as_tensor(weight))  # a view of what is stored
    for name, bias in spikes.biases().items():
        into.biases[name].copy_(torch.as_tensor(bias))


def forward_only(net: RateNetwork, parameters: SpikingParameters, dynamics: str) -> SpikingNetwork:
    """The forward path alone, with the weights of those names."""
    spikes = SpikingNetwork(net.circuit.forward_circuit(), parameters, dynamics=dynamics, seed=1)
    spikes.set_weights({name: net.weight(name).numpy() for name in spikes.weights()})
    spikes.set_biases({name: net.biases[name].detach().numpy() for name in spikes.biases()})
    return spikes


def output_over_time(net: SpikingNetwork, x: np.ndarray) -> tuple[np.ndarray, float]:
    """Output activity of each sample once cells have settled, and the interval between two times.

    Returns
    -------
    activity : array (samples, times, classes)
    step_s : float
    """
    output = net.circuit.output.name
    shown = net.present(x, record=(output,), record_every_s=READ_EVERY_S)
    times = shown.activity_times_s
    stop_s = float(net.parameters.present_time) - 1e-9
    parts = []
    for onset in shown.onsets_s:
        since = times - onset
        parts.append(shown.activity[output][(since > SETTLED_S) & (since < stop_s)])
    shortest = min(map(len, parts))
    return np.stack([part[:shortest] for part in parts]), float(times[1] - times[0])


def windows(activity: np.ndarray, length: int) -> np.ndarray:
    """Means over consecutive windows of so many times: (samples, windows, classes)."""
    n = activity.shape[1] // length
    cut = activity[:, : n * length]
    return cut.reshape(len(cut), n, length, -1).mean(axis=2)


def random_parts(activity: np.ndarray, step_s: float, scale: float) -> dict[float, float]:
    """How much windows of each length T differ from each other, relative to the rates."""
    longest_s = activity.shape[1] * step_s / 4
    times = [0.2 * 2**i for i in range(20) if 0.2 * 2**i <= 1.01 * longest_s]
    spreads = {T: windows(activity, round(T / step_s)).std(axis=1, ddof=1) for T in times}
    return {T: float(np.sqrt(np.mean(spread**2)) / scale) for T, spread in spreads.items()}


def slope(parts: dict[float, float]) -> float:
    """Of the random part over T, both logarithmic."""
    return float(np.polyfit(np.log(list(parts)), np.log(list(parts.values())), 1)[0])


def draw(found: dict[str, dict[float, float]], systematic: dict[str, float], path: Path) -> None:
    figure, ax = plt.subplots(figsize=(6.8, 4.4), layout="constrained")
    for (name, parts), colour in zip(found.items(), ("#0072B2", "#D55E00"), strict=True):
        label = f"{name}, random: slope {slope(parts):.2f}"
        ax.loglog(list(parts), list(parts.values()), "o-", color=colour, label=label)
        ax.axhline(systematic[name], color=colour, ls=":", label=f"{name}, systematic")
    times = np.array(list(found["poisson"]))
    guide = found["poisson"][times[0]] * np.sqrt(times[0] / times)
    ax.loglog(times, guide, color="#8C8C8C", ls="--", lw=1, label="1/√T")
    ax.set_xlabel("averaging time T (s)")
    ax.set_ylabel("error of the output, relative to the rates")
    ax.grid(True, which="both", color="#E6E6E6", lw=0.6)
    ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main(folder: Path, quick: bool) -> dict[str, float]:
    folder.mkdir(parents=True, exist_ok=True)
    data = load_data("digits", shape=SIZES[:1])
    circuit = parse_rule("kp").wire(mlp(SIZES))
    rates = learn_as_rates(circuit, data)
    samples, length_s, tested = (2, 2.4, 2) if quick else (4, 6.4, 40)
    x = data.normalise(data.test_x, torch.float64)
    wanted, y = rates(x).numpy(), data.test_y.numpy()
    print(f"as rates: {100 * np.mean(wanted.argmax(1) == y):.1f} % of {len(y)} test digits")

    spikes = SpikingNetwork(circuit, seed=1)
    carry_over(rates, spikes)
    answers = spikes.present(x[:tested].numpy()).answers
    agree = 100 * np.mean(answers == wanted[:tested].argmax(1))
    print(f"as spikes, 100 ms a digit: {agree:.0f} % of {tested} answers are those of the rates")
    back = RateNetwork(circuit, dtype=torch.float64, seed=99)
    carry_back(spikes, back)
    same = all(torch.equal(back.weight(name), rates.weight(name)) for name in rates.weights)
    print(f"carried back by name, the weights are {'the same to the last bit' if same else 'not'}")

    found, systematic = {}, {}
    scale = float(np.sqrt(np.mean(wanted[:samples] ** 2)))
    parameters = replace(SpikingParameters(), present_time=(length_s + SETTLED_S) * second)
    for dynamics in ("poisson", "spiking"):
        net = forward_only(rates, parameters, dynamics)
        activity, step_s = output_over_time(net, x[:samples].numpy())
        found[dynamics] = random_parts(activity, step_s, scale)
        left = activity.mean(axis=1) - wanted[:samples]
        systematic[dynamics] = float(np.sqrt(np.mean(left**2)) / scale)
        shown = ", ".join(f"{error:.3f} at {T:g} s" for T, error in found[dynamics].items())
        print(f"{dynamics}: random part {shown}; slope {slope(found[dynamics]):.2f}")
        print(f"  systematic part {systematic[dynamics]:.3f}")
    path = folder / "rates_and_spikes.png"
    draw(found, systematic, path)
    print("saved", path)
    return {name: slope(parts) for name, parts in found.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("out"))
    parser.add_argument("--quick", action="store_true", help="fewer digits and shorter times")
    given = parser.parse_args()
    main(given.folder, given.quick)
