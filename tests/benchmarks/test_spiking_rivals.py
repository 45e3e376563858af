"""Every network of the comparison can be wired, and its numbers are read from finished runs."""

import importlib.util
import json
import sys
from argparse import Namespace
from pathlib import Path

import pytest

pytest.importorskip("brian2")

pytestmark = pytest.mark.spiking

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "spiking_rivals.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("spiking_rivals", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def test_rivals_learn_between_the_same_cells(bench):
    for case in bench.CASES.values():
        circuit = case.circuit()
        for rival in case.rivals:
            p = circuit.projections[rival]
            assert (p.pre, p.post, p.phases) == ("delta_b", "delta_a", ())
            timed = rival in bench.windows()
            assert (p.plasticity.window is not None) == timed
        assert circuit.populations[bench.A].size == case.pre
        assert case.parameters().coding == ("baseline" if case.baseline else "push_pull")


def test_numbers_are_means_over_finished_runs(bench, tmp_path):
    runs = [
        {"seed": seed, "times_s": [0.0, 10.0, 20.0], "angles_deg": {"wm": [90.0, 20.0, last]}}
        for seed, last in ((0, 8.0), (1, 14.0))
    ]
    for run in runs:
        (tmp_path / f"50x50_seed{run['seed']}.json").write_text(json.dumps(run))
    given = Namespace(out=tmp_path, seeds=[0, 1], seconds=20.0, target="nothing")
    assert bench.runs_of("50 x 50", given) == runs
    assert bench.at_times(runs, "wm", [5.0, 20.0]) == [55.0, 11.0]
    assert bench.below_s(runs, "wm", 12) == 20.0
    assert bench.below_s(runs, "wm", 1) is None
