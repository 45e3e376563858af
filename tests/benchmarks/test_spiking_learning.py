"""The table of learning rules says what its result files say, which are not run again."""

import importlib.util
import json
from argparse import Namespace
from pathlib import Path

import pytest

pytest.importorskip("brian2")

pytestmark = pytest.mark.spiking

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "spiking_learning.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("spiking_learning", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_table_of_finished_runs(bench, tmp_path):
    for seed, accuracy in enumerate((0.91, 0.93, 0.95)):
        found = {
            "accuracy": accuracy,
            "rates_accuracy": 0.9 + seed / 100,
            "joined": "96 (96)",
            "weight_transport": "none",
            "angles_deg": {"delta_output -> delta_h1": 40.0 + seed},
            "simulated_s": 1.0,
            "wall_s": 1.0,
        }
        (tmp_path / f"kp_dt0.5_seed{seed}.json").write_text(json.dumps(found))
    given = Namespace(
        folder=tmp_path,
        circuit="mlp:64-8-10",
        rules=["kp"],
        seeds=[0, 1, 2],
        dt=[0.5],
        epochs=1,
        quick=True,
    )
    row = bench.main(given).splitlines()[-1]
    assert row == (
        "| `kp` | 0.5 | 93.0 ± 2.0 | 91.0 93.0 95.0 | 91.0 ± 1.0 | 96 (96) | none | delta_h1 41 |"
    )
    assert row in (tmp_path / "table.md").read_text()
