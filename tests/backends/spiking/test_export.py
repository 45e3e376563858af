"""Spikes and circuits in other tools' formats come back as they went."""

import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("brian2")

from hypothesis import given
from hypothesis import strategies as st

from oneway.backends.spiking import PhaseInterval, Spikes, SpikingParameters
from oneway.backends.spiking.exchange.nir import from_nir, to_nir
from oneway.backends.spiking.exchange.spikes import (
    SpikeData,
    from_neo,
    load_spikes,
    save_spikes,
    to_neo,
)
from oneway.circuits import (
    AllToAllConnector,
    AveragePoolConnector,
    Conv2dConnector,
    FixedProbabilityConnector,
    Wiring,
    WiringError,
    mlp,
    parse_circuit,
)
from oneway.rules import parse_rule

pytestmark = pytest.mark.spiking


# -- spikes ---------------------------------------------------------------------------------


@st.composite
def recordings(draw) -> SpikeData:
    """Up to three populations of one cell a unit, or of two, some of them silent."""
    spikes, sizes = {}, {}
    for name in draw(st.lists(st.sampled_from(["x", "h1", "delta_h1"]), unique=True, min_size=1)):
        sizes[name] = draw(st.integers(1, 4))
        cell = st.integers(0, draw(st.sampled_from([1, 2])) * sizes[name] - 1)
        # Whole milliseconds, each cell once in each: as a simulation has them.
        events = sorted(draw(st.sets(st.tuples(st.integers(0, 500), cell), max_size=12)))
        times = np.array([t for t, _ in events]) * 1e-3
        spikes[name] = Spikes(times, np.array([c for _, c in events], int))
    intervals = (PhaseInterval("mirror", 0.0, 0.2), PhaseInterval("engaged", 0.2, 0.5))
    return SpikeData(spikes, sizes, 0.0, 0.5, intervals[: draw(st.integers(0, 2))])


def assert_same(a: SpikeData, b: SpikeData) -> None:
    assert dict(a.sizes) == dict(b.sizes)
    assert list(a.spikes) == list(b.spikes)
    for name in a.spikes:
        np.testing.assert_allclose(a.spikes[name].times_s, b.spikes[name].times_s, atol=1e-12)
        np.testing.assert_array_equal(a.spikes[name].cells, b.spikes[name].cells)
    assert (a.start_s, a.stop_s) == (b.start_s, b.stop_s)
    assert [i.phase for i in a.intervals] == [i.phase for i in b.intervals]
    ends = [[(i.start_s, i.stop_s) for i in data.intervals] for data in (a, b)]
    np.testing.assert_allclose(*ends, atol=1e-12)


@given(recordings())
def test_npz_and_back(tmp_path_factory, data):
    path = save_spikes(tmp_path_factory.mktemp("spikes") / "run", data)
    assert path.suffix == ".npz"
    assert_same(load_spikes(path), data)


@given(recordings())
def test_neo_and_back(data):
    pytest.importorskip("neo")
    assert_same(from_neo(to_neo(data)), data)


SILENT = Spikes(np.zeros(0), np.zeros(0, int))
EXAMPLE = SpikeData(
    {"h1": Spikes(np.array([0.1, 0.2, 0.3]), np.array([1, 0, 1])), "delta": SILENT},
    {"h1": 2, "delta": 3},
    0.0,
    1.0,
)


def test_npz_has_the_documented_keys(tmp_path):
    """As NWB's ragged columns: unit 0 fired once, unit 1 twice, the three of delta never."""
    with np.load(save_spikes(tmp_path / "a.npz", EXAMPLE)) as file:
        assert file["spike_times"].tolist() == [0.2, 0.1, 0.3]
        assert file["spike_times_index"].tolist() == [1, 3, 3, 3, 3]
        assert file["unit_population"].tolist() == ["h1", "h1", "delta", "delta", "delta"]
        assert file["unit_cell"].tolist() == [0, 1, 0, 1, 2]
        assert set(file["unit_sign"]) == {1}
        for key in ("epoch_label", "epoch_start", "epoch_stop", "populations", "sizes", "start"):
            assert key in file.files


def test_negative_halves_are_units_of_their_own():
    data = SpikeData({"d": Spikes(np.array([0.1]), np.array([3]))}, {"d": 2}, 0.0, 1.0)
    assert data.units()["unit_sign"].tolist() == [1, 1, -1, -1]
    assert [len(train) for train in data.trains()] == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": {"h1": 2}}, "'delta' has spikes, but sizes="),
        ({"sizes": {"h1": 0, "delta": 3}}, "cells 0 to 1, expected 0 to -1"),
        ({"stop_s": 0.25}, "spikes from 0.1 to 0.3 s.*stop_s = 0.25"),
    ],
)
def test_spikes_that_do_not_fit_say_why(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(EXAMPLE, **changes)


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "a.npz"
    if content is None:
        np.savez(path, spikes=np.zeros(3))
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npz"):
        load_spikes(path)


def test_neo_trains_have_units_and_names():
    neo, pq = pytest.importorskip("neo"), pytest.importorskip("quantities")
    segment = to_neo(replace(EXAMPLE, spikes={"h1": EXAMPLE.spikes["h1"]}))
    train = segment.spiketrains[1]
    assert train.units == pq.s and train.rescale("ms").units == pq.ms
    assert train.rescale("ms").magnitude.tolist() == [100.0, 300.0]
    assert (train.t_start, train.t_stop) == (0 * pq.s, 1 * pq.s)
    assert (train.annotations["population"], train.annotations["cell"]) == ("h1", 1)
    # Trains of other tools have no annotations of ours, and may be in other units.
    other = neo.Segment()
    other.spiketrains.append(neo.SpikeTrain([5.0, 7.0], units="ms", t_stop=10.0))
    read = from_neo(other)
    assert read.spikes["units"].times_s.tolist() == [0.005, 0.007]
    with pytest.raises(ValueError, match="no spike trains"):
        from_neo(neo.Segment(name="empty"))


@pytest.mark.parametrize("name", ["neo", "nir"])
def test_without_the_extra_the_error_names_the_fix(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    circuit = parse_rule("fa").wire(mlp((3, 2)))
    with pytest.raises(ModuleNotFoundError, match=rf'pip install "oneway\[{name}\]"'):
        to_neo(EXAMPLE) if name == "neo" else to_nir(circuit, {}, {}, SpikingParameters())


# -- NIR ------------------------------------------------------------------------------------


def drawn(circuit, seed=0):
    """Some weights and biases, in (post, pre, ...) orientation."""
    rng = np.random.default_rng(seed)
    weights = {}
    for p in circuit.select(role="drive"):
        if p.weights is not None:
            ends = (circuit.populations[end].shape for end in (p.pre, p.post))
            shape = p.connector.weight_shape(*ends)
            weights[p.name] = rng.normal(size=shape).round(3)
    cells = circuit.populations.values()
    biases = {c.name: rng.normal(size=c.shape[0]).round(3) for c in cells if c.bias}
    return weights, biases


def images():
    """Convolution, average pool, sparse and dense cells, and a shortcut."""
    net = Wiring("images")
    x = net.population("x", (1, 6, 6))
    h1 = net.population("h1", (2, 6, 6), activation="relu", bias=True)
    h2 = net.population("h2", (2, 6, 6), activation="relu")
    pool = net.population("pool", (2, 3, 3))
    h3 = net.population("h3", (7,), activation="relu", bias=True)
    h4 = net.population("h4", (5,), activation="relu", bias=True)
    output = net.population("output", (3,), bias=True)
    net.connect(x, h1, Conv2dConnector(2, kernel=3, padding=2, dilation=2))
    net.connect(h1, h2, Conv2dConnector(2, kernel=3, padding=1))
    net.connect(h1, h2, name="shortcut")  # one to one
    net.connect(h2, pool, AveragePoolConnector(2))
    net.connect(pool, h3, AllToAllConnector())
    net.connect(h3, h4, FixedProbabilityConnector(0.5, seed=1))
    net.connect(h4, output, AllToAllConnector())
    return net.build()


@pytest.mark.parametrize("rule", ["kp", "asap,gate=local", "wm", "bp"])
def test_a_wired_circuit_survives_nir(tmp_path, rule):
    nir = pytest.importorskip("nir")
    circuit = parse_rule(rule).wire(mlp((6, 5, 4, 3)))
    weights, biases = drawn(circuit)
    weights = {n: w for n, w in weights.items() if circuit.projections[n].weights.kind != "tied"}
    nir.write(tmp_path / "a.nir", to_nir(circuit, weights, biases, SpikingParameters(), rule))
    read, read_weights, read_biases = from_nir(nir.read(tmp_path / "a.nir"))
    assert read == circuit
    for given_arrays, read_arrays in ((weights, read_weights), (biases, read_biases)):
        assert set(given_arrays) == set(read_arrays)
        for name, value in given_arrays.items():
            np.testing.assert_allclose(read_arrays[name], value, rtol=1e-14)


def test_images_and_sparse_cells_survive_nir(tmp_path):
    nir = pytest.importorskip("nir")
    circuit = images()
    weights, biases = drawn(circuit)
    nir.write(tmp_path / "a.nir", to_nir(circuit, weights, biases, SpikingParameters()))
    graph = nir.read(tmp_path / "a.nir")
    read, read_weights, read_biases = from_nir(graph)
    assert read == circuit
    assert {name: w.shape for name, w in read_weights.items()} == {
        name: w.shape for name, w in weights.items()
    }
    for name, value in {**weights, **biases}.items():
        np.testing.assert_allclose({**read_weights, **read_biases}[name], value, rtol=1e-14)
    assert ("h1", "h2") in graph.edges  # a shortcut needs no node
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    assert (kinds["x -> h1"], kinds["pool"], kinds["output"]) == ("Conv2d", "Scale", "CubaLI")
    assert np.all(graph.nodes["x -> h1"].dilation == 2)


def test_what_another_tool_has_learned_is_read():
    pytest.importorskip("nir")
    circuit = mlp((3, 2))
    weights, biases = drawn(circuit)
    graph = to_nir(circuit, weights, biases, SpikingParameters())
    graph.nodes["x -> output"].weight[:] = 7.0
    _, read, _ = from_nir(graph)
    assert (read["x -> output"] == 7.0).all()


def test_the_graph_computes_what_the_rates_do():
    """Its equations, integrated here as NIR defines them, settle near the rates."""
    pytest.importorskip("nir")
    circuit = mlp((4, 12, 3))
    weights, biases = drawn(circuit, seed=2)
    parameters = SpikingParameters()
    nodes = to_nir(circuit, weights, biases, parameters).nodes
    unit, dt = float(parameters.unit), 1e-4
    x = np.random.default_rng(0).normal(size=4)
    spikes_in = unit * (nodes["x -> h1"].weight @ x) + nodes["x -> h1"].bias
    current, v, fed = np.zeros(12), np.linspace(0, 1, 12), np.zeros(3)
    out, mean = np.zeros(3), np.zeros(3)
    h, output = nodes["h1"], nodes["output"]
    for step in range(10_000):
        current += dt / h.tau_syn * (h.w_in * spikes_in - current)
        v += dt / h.tau_mem * (h.v_leak - v + h.r * current)
        fired = v > h.v_threshold
        v[fired] = h.v_reset[fired]
        arriving = nodes["h1 -> output"].weight @ (fired / dt) + nodes["h1 -> output"].bias
        fed += dt / output.tau_syn * (output.w_in * arriving - fed)
        out += dt / output.tau_mem * (output.v_leak - out + output.r * fed)
        mean += out / 8000 * (step >= 2000)
    h_rate = np.maximum(weights["x -> h1"] @ x + biases["h1"], 0)
    expected = weights["h1 -> output"] @ h_rate + biases["output"]
    # Cells on a current at threshold fire a little more than linear: up to 1/8 of an activity.
    bound = 0.15 * np.abs(weights["h1 -> output"]).sum(axis=1)
    assert (np.abs(mean - expected) < bound).all()
    assert np.corrcoef(mean, expected)[0, 1] > 0.9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mlp:4-3-2,norm=before", "'x -> h1'.*NIR has no batch norm.*norm=none"),
        ("mlp:4-3-2,activation=tanh", "'h1': NIR has no cells with activation 'tanh'.*relu"),
        ("conv2:1x8x8-3,width=2,hidden=6,norm=none", "MaxPoolConnector.*average-pools"),
    ],
)
def test_what_nir_has_no_word_for(text, message):
    pytest.importorskip("nir")
    circuit = parse_circuit(text)
    with pytest.raises(WiringError, match=message):
        to_nir(circuit, *drawn(circuit), SpikingParameters())


def test_foreign_graphs_are_refused():
    nir = pytest.importorskip("nir")
    graph = nir.NIRGraph.from_list(nir.Linear(np.ones((2, 3))))
    with pytest.raises(ValueError, match=r"metadata \[\], expected 'oneway'"):
        from_nir(graph)
