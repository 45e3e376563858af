"""What carries signals, read off the translated model; and that a circuit alone says the same."""

import re

import numpy as np
import pytest

pytest.importorskip("brian2")

from oneway.analysis import reads_beyond
from oneway.backends.spiking import SpikingNetwork
from oneway.backends.spiking.brian.model import SCHEDULE, Joined
from oneway.circuits import (
    AllToAllConnector,
    MaxPoolConnector,
    Wiring,
    mlp,
    parse_circuit,
)
from oneway.rules import parse_rule

pytestmark = pytest.mark.spiking

CONV = parse_circuit("alexnet:1x8x8-3,width=1,hidden=2,norm=none")
NETS = {"mlp": mlp((4, 3, 3, 2)), "conv": CONV}


def models(net):
    reading = net.circuit.reading
    for phases in (reading.data_phases, reading.noisy_phases):
        if phases:
            yield net._engine.translated(phases).model


WHOSE = re.compile(
    r"(?:weights of |bias of |strength of |the strongest of each window of )?"
    r"(.+?)(?: by channel| \(.+\))?"
)


def named(group):
    """The projection or population that a group is for, by its comment."""
    return WHOSE.fullmatch(group.comment)[1]


def references(net):
    """(reader, whose) of every reference but to the schedule, itself and a synapse's two ends."""
    return {
        (named(group), named(model.groups[one.group]))
        for model in models(net)
        for group in model.groups.values()
        for one in group.references
        if one.group not in (SCHEDULE, group.name, *ends(group))
    }


def ends(group):
    return (group.pre, group.post) if isinstance(group, Joined) else ()


RULE_NAMES = ("bp", "ss", "kp", "dkp", "wm", "wm,decay=0,scaling=1", "forward_alignment", "asap")


@pytest.mark.parametrize(
    ("net", "shared", "rule"),
    [
        *(("mlp", True, rule) for rule in RULE_NAMES),
        *(("conv", True, rule) for rule in RULE_NAMES),
        *(("conv", False, rule) for rule in RULE_NAMES[:3]),
    ],
)
def test_the_model_refers_to_what_the_circuit_says_and_to_nothing_else(net, shared, rule):
    circuit = parse_rule(rule).wire(NETS[net])
    net = SpikingNetwork(circuit, shared=shared)
    # The sum of a softmax is asked for by the loss, and a cell's own synapses by no reference;
    # synapses and cells of an unshared convolution have weights and biases of their own.
    aside = {"softmax", "strength", *(() if shared else ("shared", "bias"))}
    said = reads_beyond(circuit)
    assert references(net) == {(one.reader, one.of) for one in said if one.kind not in aside}
    told = {WHOSE.fullmatch(one.reader)[1] for one in net.carriers().read}
    aside.remove("strength")
    assert told == {one.reader for one in said if one.kind not in aside}


def pooled(connector, size):
    """h1 -> pool -> output, each way back by backpropagation."""
    net = Wiring("pooled")
    x, h = net.population("x", (3,)), net.population("h", (1, size, size), activation="relu")
    side = connector.output_shape((1, size, size))
    pool, y = net.population("pool", side), net.population("y", (2,))
    net.connect(x, h, AllToAllConnector())
    net.connect(h, pool, connector)
    net.connect(pool, y, AllToAllConnector())
    return parse_rule("fa").wire(net.build())


@pytest.mark.parametrize("connector", [MaxPoolConnector(2), MaxPoolConnector(3, 2)])
def test_cells_that_tell_the_winners_hear_what_the_gate_is_said_to_join(connector):
    circuit = pooled(connector, 5)
    (model,) = models(SpikingNetwork(circuit))
    back = model.groups["drive_delta_pool_to_delta_h"]
    (winner,) = [one for one in back.references if one.variable == "winner"]
    assert winner.index == "_presynaptic_idx"
    heard = [g for g in model.synapses if g.post == winner.group]
    windows = {(i, j) for g in heard for i, j in zip(g.i, g.j, strict=True)}
    told = {(i, k) for i, j in windows for n, k in zip(back.i, back.j, strict=True) if n == j}
    gate = circuit.projections["gate: h -> delta_h"]
    listed = set(map(tuple, circuit.reading.relation(gate).listed()))
    assert told | {(i, i) for i in range(25)} == listed
    assert len(told) > 25


def test_pairs_are_counted_as_the_cells_and_synapses_that_they_would_be():
    """x, y and errors have both signs, and h has one: 4 x 3 synapses are 8 x 3 between cells."""
    carriers = SpikingNetwork(parse_rule("kp").wire(mlp((4, 3, 2)))).carriers()
    found = {one.signal: (one.synapses, one.real, one.weights) for one in carriers.doubled}
    assert found == {
        "x -> h1 (drive)": (12, 24, 12),
        "h1 -> output (drive)": (6, 12, 6),
        "delta_output -> delta_h1 (drive)": (6, 24, 6),
    }
    assert dict(carriers.pairs)["delta_h1 (3,)"] == 3


def test_spikes_traces_and_repeated_spikes():
    carriers = SpikingNetwork(parse_rule("wm").wire(mlp((4, 3, 2)))).carriers()
    found = {(one.signal, one.driven): (one.by, one.synapses) for one in carriers.carried}
    assert found["x -> h1 (drive)", "data"] == ("spikes, as a current", 12)
    assert found["teach: delta_h1 -> h1 (teach)", "data"] == ("a trace of spikes", 3)
    repeated = found["mimic: h1 -> delta_h1 (mimic)", "noise"]
    assert repeated == ("spikes, repeated by who hears them", 3)
    told = {one.what: (one.cells, one.synapses) for one in carriers.told}
    assert told["sample"] == (("x (4,)", "target (2,)"), ())
    # A mirror's own η and λ are constants of its synapses.
    assert told["forward_rate"][1] == ("x -> h1 (drive)", "h1 -> output (drive)")
    assert "feedback_rate" not in told


def test_the_sum_of_a_softmax_is_no_spike():
    circuit = parse_rule("kp").wire(mlp((4, 3, 2)))
    for loss, number in (("squared", 0), ("cross_entropy", 1)):
        carried = SpikingNetwork(circuit, loss=loss).carriers().carried
        values = [one for one in carried if one.by == "its value, in every step: no spikes"]
        assert len(values) == number
        assert all(one.signal == "the sum that a softmax divides by" for one in values)


def test_under_dales_law_the_two_cells_of_a_pair_read_each_other_s_weights():
    net = SpikingNetwork(parse_rule("fa").wire(mlp((4, 3, 2))), dale=True)
    carriers = net.carriers()
    opposite = {(one.reader, one.of) for one in carriers.read}
    there = "drive_x_to_h1_excitatory", "drive_x_to_h1_inhibitory"
    assert there in opposite and there[::-1] in opposite
    assert sum(one.by == "spikes, repeated by who hears them" for one in carriers.carried) == 3
    assert np.all([one.readers == one.values for one in carriers.read])
