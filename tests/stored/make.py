"""Files of every kind that oneway writes and reads, as the version at hand writes them.

    python tests/stored/make.py tests/stored/0.1

`tests/training/test_stored_files.py` reads what lies beside this script: a folder for each version
whose files are another. `earlier` holds a circuit and a run of the first days, before files of runs
stated a format, made by the code of that time; `go_on.jsonl` is how the code that made a run went
on with it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from pathlib import Path

import nir
import numpy as np

from oneway.backends.spiking import (
    PhaseInterval,
    SpikeData,
    Spikes,
    SpikingNetwork,
    SpikingParameters,
    save_spikes,
    to_nir,
)
from oneway.circuits import mlp, save_circuit
from oneway.rules import parse_rule
from oneway.training.cli.main import main
from oneway.training.reproduction.cells import cells_of
from oneway.training.reproduction.measuring import Measure
from oneway.training.reproduction.planning import all_jobs
from oneway.training.reproduction.state import Reproduction
from oneway.training.spiking.bridge import save_weights

RUN = "--circuit mlp:64-4-10 --rule kp --data digits --limit 64,32 --lr 0.05 --seed 3".split()
TABLE = """
source = "a paper"
[common]
data = "digits"
epochs = 4
[rows.small]
circuit = "mlp:64-8-10"
published = {kp = 90.0}
[columns.kp]
rule = "kp"
[columns.bp]
rule = "bp"
always = true
"""
FORWARD = {"x -> h1": np.arange(6.0).reshape(2, 3), "h1 -> output": np.array([[-1.0, 0.5]])}
BIASES = {"h1": np.array([0.25, -0.25]), "output": np.array([2.0])}
FEEDBACK = {"delta_output -> delta_h1": np.array([[3.0], [-7.0]])}


def make(to: Path) -> None:
    to.mkdir(parents=True)
    circuit = parse_rule("kp").wire(mlp((3, 2, 1)))
    for suffix in (".json", ".graphml"):
        save_circuit(circuit, to / f"circuit{suffix}")
    save_weights(to / "weights.safetensors", circuit, FORWARD | FEEDBACK, BIASES)
    run(to)
    plan(to / "plan")
    spikes(to)


def run(to: Path) -> None:
    """A run of two epochs, and the lines of one that had three."""
    main(["train", *RUN, "--epochs", "2", "--out", str(to / "run")])
    with tempfile.TemporaryDirectory() as folder:
        main(["train", *RUN, "--epochs", "3", "--out", f"{folder}/run"])
        (to / "go_on.jsonl").write_bytes(Path(folder, "run", "metrics.jsonl").read_bytes())


def plan(to: Path) -> None:
    to.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        (table := Path(folder) / "mine.toml").write_text(TABLE)
        cells = cells_of(str(table))
    state = Reproduction(
        to, "mine.toml", cells, 2, 600.0, "oneway reproduce mine.toml", "a machine"
    )
    state.measures = {cell.name: Measure(0.5, 0.01, 1.0, 2.0, 3.0, 0.0, 10, 100) for cell in cells}
    state.jobs = all_jobs(cells, 2)[0]
    state.save()


def spikes(to: Path) -> None:
    net = SpikingNetwork(mlp((3, 2, 1)))
    net.set_weights(FORWARD)
    net.present(np.ones((2, 3)))
    net.save_state(to / "state.npz")
    seen = {
        "x": Spikes(np.array([0.01, 0.02, 0.02]), np.array([2, 0, 1])),
        "h1": Spikes(np.array([0.03]), np.array([3]), True),
    }
    sizes = {"x": 3, "h1": 2}
    phases = (PhaseInterval("engaged", 0.0, 0.05),)
    save_spikes(to / "spikes.npz", SpikeData(seen, sizes, 0.0, 0.05, phases))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says what NIR leaves out
        wired = parse_rule("kp").wire(mlp((3, 2, 1)))
        graph = to_nir(wired, FORWARD | FEEDBACK, BIASES, SpikingParameters(), "kp")
    nir.write(to / "net.nir", graph)


if __name__ == "__main__":
    os.environ.pop("ONEWAY_DATA_DIR", None)
    make(Path(sys.argv[1]))
