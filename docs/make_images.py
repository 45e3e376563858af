"""Draws the pictures of the documentation: `make images`."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

from oneway.analysis import check_wiring
from oneway.analysis.plots import draw_circuit
from oneway.circuits import mlp
from oneway.rules import parse_rule

IMAGES = Path(__file__).parent / "img"
TITLES = {"kp": "Kolen-Pollack", "asap,gate=local": "ASAP, one-way gates"}


def draw_two_rules(path: Path) -> None:
    """One forward circuit wired by two rules; pairs joined both ways are shaded."""
    forward = mlp((64, 32, 32, 10))
    figure, axes = plt.subplots(1, len(TITLES), figsize=(13, 5), layout="constrained")
    for ax, (rule, title) in zip(axes, TITLES.items(), strict=True):
        circuit = parse_rule(rule).wire(forward)
        verdict = check_wiring(circuit, constraint="all")
        draw_circuit(circuit, ax, verdict)
        ax.set_title(f"{title}: {verdict.all} neuron pairs joined both ways")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    draw_two_rules(IMAGES / "circuit.png")
