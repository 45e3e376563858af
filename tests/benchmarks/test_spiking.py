"""The script by hand is the same network as ours, and one that is not is noticed."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("brian2")

pytestmark = [pytest.mark.spiking, pytest.mark.slow]

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "spiking.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("spiking_bench", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_learn_the_same_twice_in_a_row(bench):
    ours, by_hand = bench.contenders("numpy")
    x, y = bench.random_task(bench.SIZES, 2)
    before = ours.weight("delta_output -> delta_h1")
    for _ in range(2):
        ours.present(x, y, learn=True)
        by_hand.learn(x, y)
        bench.check_same_weights(ours, by_hand)
    assert (ours.weight("delta_output -> delta_h1") != before).any()


def test_another_network_is_noticed(bench):
    ours, by_hand = bench.contenders("numpy")
    synapses, _ = by_hand.w["x -> h1"]
    synapses.w[0] = 5.0
    with pytest.raises(SystemExit, match="x -> h1: ours and the one by hand differ"):
        bench.check_same_weights(ours, by_hand)


def test_sizes_are_counted(bench):
    measured = bench.measure(4, "numpy", 1)
    assert measured["cells"] == 4 + 4 + 10 + 10 + 10 + 4
    assert measured["synapses"] == 16 + 40 + 40
    assert measured["seconds_per_second"] > 0 and measured["peak_mib"] > 10
