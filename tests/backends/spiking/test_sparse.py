"""Many cells and few synapses: memory and time are those of the synapses."""

import tracemalloc

import pytest
import torch

from oneway.analysis import check_wiring
from oneway.backends.rate import RateNetwork
from oneway.backends.spiking import SpikingNetwork
from oneway.circuits import (
    AllToAllConnector,
    FixedProbabilityConnector,
    Wiring,
    WiringError,
    adjacency,
    from_json,
    to_json,
)
from oneway.rules import parse_rule

pytestmark = pytest.mark.spiking


def sparse(cells, p_connect, rule):
    net = Wiring("sparse")
    x = net.population("x", (1,))
    h1, h2 = (net.population(name, (cells,), activation="relu") for name in ("h1", "h2"))
    output = net.population("output", (2,))
    net.connect(x, h1, AllToAllConnector())
    net.connect(h1, h2, FixedProbabilityConnector(p_connect))
    net.connect(h2, output, AllToAllConnector())
    return parse_rule(rule).wire(net.build())


@pytest.mark.parametrize("rule", ["kp", "asap"])
def test_no_step_from_description_to_brian2_makes_a_matrix_of_all_pairs(rule):
    """One byte for each pair of 20,000 cells would be 381 MiB."""
    cells = 20_000
    tracemalloc.start()
    circuit = from_json(to_json(sparse(cells, 1e-6, rule)))
    verdict, listed = check_wiring(circuit), adjacency(circuit)
    net = SpikingNetwork(circuit)
    net._engine.prepare(circuit.reading.data_phases)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * 2**20
    assert verdict.reciprocal_pairs["all"] == 2 * cells
    assert listed.shape[0] == verdict.neurons
    assert net.adjacency("h1 -> h2").nnz == len(net.weight("h1 -> h2")) > 300


def test_rates_say_that_they_take_a_whole_matrix():
    with pytest.raises(WiringError, match=r"40,000 and 40,000 cells.* 6.0 GiB .* at most 4 GiB"):
        RateNetwork(sparse(40_000, 1e-7, "fa")).step(
            torch.ones(1, 1), torch.zeros(1, dtype=torch.long)
        )
