"""The law of a mirror is found in curves that follow it, and finished runs are not run again."""

import importlib.util
import json
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("brian2")

pytestmark = pytest.mark.spiking

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "spiking_mirror.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("spiking_mirror", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def curve(bench, t_1_s, n_pre=100):
    times = np.linspace(0, 120, 61)
    angles = np.append(90, bench.law_deg(n_pre, t_1_s, times[1:]))
    rates = {"a": 100.0, "b": 140.0}
    return {
        "seed": 0,
        "times_s": times.tolist(),
        "angles_deg": angles.tolist(),
        "rates_hz": rates,
        "simulated_s": 120.0,
        "wall_s": 1.0,
    }


@pytest.mark.parametrize("t_1_s", [0.004, 0.02])
def test_the_law_is_found_in_a_curve_that_follows_it(bench, t_1_s):
    found = bench.summary(bench.Case(), [curve(bench, t_1_s)])
    assert found["exponent"] == pytest.approx(-0.5)
    assert found["t_1_s"] == pytest.approx(t_1_s)
    # tan²(12°) = n t₁ / T, at the next of the recorded times
    crossing = 100 * t_1_s / np.tan(np.radians(12)) ** 2
    assert crossing <= found["below_limit_s"] < crossing + 2


def test_a_curve_that_stays_above_the_limit_never_passes_it(bench):
    found = bench.summary(bench.Case(), [curve(bench, 1.0)])
    assert found["below_limit_s"] is None


def test_finished_runs_are_read_from_their_files(bench, tmp_path):
    stored = curve(bench, 0.01)
    (tmp_path / "push-pull_seed7.json").write_text(json.dumps(stored))
    given = Namespace(out=tmp_path, seeds=[7], seconds=120.0, target="nothing")
    assert bench.runs_of("push-pull", given) == [stored]


def test_every_case_can_be_wired(bench):
    for case in bench.CASES.values():
        circuit = case.circuit()
        assert circuit.populations["a"].size == case.pre
        assert circuit.populations["delta_b"].size == case.post
        assert case.parameters().coding == ("baseline" if case.baseline else "push_pull")
