"""Draws the pictures of the documentation: `make images`."""

import sys
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib as mpl

mpl.use("Agg")

from oneway.circuits import mlp
from oneway.rules import parse_rule
from oneway.training import TrainConfig, load_data, train
from oneway.training.cli.run_figures import FIGURES
from oneway.training.compare import group_runs, read_runs

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from drawing import circuit_svg

IMAGES = Path(__file__).parent / "img"
DRAWN = {"kp": "kp", "asap": "asap,gate=local"}
LEARNT_FEEDBACK = ("wm,rate=0.01,decay=0.1", "kp", "ss", "fa")


def draw_matrix_angles(path: Path) -> None:
    """Two seeds of four rules on the 8×8 digits: half a minute of training."""
    data, circuit = load_data("digits"), mlp((64, 48, 48, 48, 10))
    with TemporaryDirectory() as runs:
        for rule, seed in product(LEARNT_FEEDBACK, (0, 1)):
            config = TrainConfig(epochs=20, lr=0.05, weight_decay=0.01, seed=seed)
            train(circuit, data, config, rule=parse_rule(rule), out=Path(runs) / rule / str(seed))
        FIGURES["matrix-angles"].draw(group_runs(read_runs([runs]))).savefig(path)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    for name, rule in DRAWN.items():
        wired = parse_rule(rule).wire(mlp((64, 32, 32, 10)))
        (IMAGES / f"{name}.svg").write_text(circuit_svg(wired), encoding="utf-8")
    draw_matrix_angles(IMAGES / "matrix-angles.png")
