"""Spikes and circuits in other tools' formats come back as they went."""

import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

pytest.importorskip("brian2")

from hypothesis import given
from hypothesis import strategies as st

from oneway.backends.rate import RateNetwork
from oneway.backends.spiking import PhaseInterval, Spikes, SpikingParameters
from oneway.backends.spiking.exchange.nir import from_nir, nir_losses, to_nir
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


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off", None])
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


# A pair of which one half never fires, a cell that is one, and phases.
PAIRS = SpikeData(
    {
        "x": Spikes(np.array([0.25, 0.1 + 0.2, 0.5]), np.array([1, 3, 1])),
        "delta": Spikes(np.zeros(0), np.zeros(0, int), paired=True),
        "h1": Spikes(np.array([1 / 3]), np.array([0])),
    },
    {"x": 2, "delta": 2, "h1": 1},
    0.1,
    1.1,
    (PhaseInterval("mirror", 0.1, 0.5), PhaseInterval("engaged", 0.5, 1.1)),
)


@pytest.mark.parametrize("suffix", ["npz", "nwb"])
def test_every_half_is_there_and_all_comes_back_as_it_was(tmp_path, suffix):
    if suffix == "nwb":
        pytest.importorskip("pynwb")
    path = save_spikes(tmp_path / f"a.{suffix}", PAIRS)
    read = load_spikes(path)
    for name, train in PAIRS.spikes.items():
        np.testing.assert_array_equal(read.spikes[name].times_s, train.times_s)
        np.testing.assert_array_equal(read.spikes[name].cells, train.cells)
    assert (dict(read.sizes), read.start_s, read.stop_s) == (PAIRS.sizes, 0.1, 1.1)
    assert read.intervals == PAIRS.intervals and list(read.spikes) == ["x", "delta", "h1"]
    for data in (PAIRS, read):
        units = data.units()
        assert units["unit_population"].tolist() == ["x"] * 4 + ["delta"] * 4 + ["h1"]
        assert units["unit_cell"].tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0]
        assert units["unit_sign"].tolist() == [1, 1, -1, -1, 1, 1, -1, -1, 1]


def test_nwb_is_as_others_read_and_write_it(tmp_path):
    """Units with named columns; of a foreign file the spikes, in their order."""
    pynwb = pytest.importorskip("pynwb")
    with pynwb.NWBHDF5IO(str(save_spikes(tmp_path / "a.nwb", PAIRS)), "r") as file:
        table = file.read().units.to_dataframe()
    assert table["population"].tolist() == ["x"] * 4 + ["delta"] * 4 + ["h1"]
    assert table["spike_times"][3].tolist() == [0.1 + 0.2] and table["sign"][3] == -1
    from datetime import UTC, datetime

    theirs = pynwb.NWBFile("recorded", "1", datetime(2020, 1, 1, tzinfo=UTC))
    for train in ([0.5, 0.75], [0.625]):
        theirs.add_unit(spike_times=train)
    with pynwb.NWBHDF5IO(str(tmp_path / "b.nwb"), "w") as file:
        file.write(theirs)
    read = load_spikes(tmp_path / "b.nwb")
    assert (read.sizes, read.start_s, read.stop_s) == ({"units": 2}, 0.0, 0.75)
    assert read.spikes["units"].cells.tolist() == [0, 1, 0]
    (tmp_path / "c.nwb").write_text("no HDF5")
    with pytest.raises(ValueError, match=r"c\.nwb' cannot be read as NWB"):
        load_spikes(tmp_path / "c.nwb")


@pytest.mark.parametrize("name", ["neo", "nir", "pynwb"])
def test_without_the_extra_the_error_names_the_fix(monkeypatch, tmp_path, name):
    monkeypatch.setitem(sys.modules, name, None)
    circuit, extra = parse_rule("fa").wire(mlp((3, 2))), {"pynwb": "nwb"}.get(name, name)
    writes = {
        "neo": lambda: to_neo(EXAMPLE),
        "nir": lambda: to_nir(circuit, {}, {}, SpikingParameters()),
        "pynwb": lambda: save_spikes(tmp_path / "a.nwb", EXAMPLE),
    }
    with pytest.raises(ModuleNotFoundError, match=rf'pip install "oneway\[{extra}\]"'):
        writes[name]()


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


def grouped():
    net = Wiring("grouped")
    x, h1 = net.population("x", (2, 4, 4)), net.population("h1", (4, 4, 4), activation="relu")
    net.connect(x, h1, Conv2dConnector(4, 3, padding=1, groups=2), name="x -> h1")
    return net.build()


@pytest.mark.filterwarnings("ignore:NIR export")
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
            np.testing.assert_allclose(read_arrays[name], value, rtol=1e-12)


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
        np.testing.assert_allclose({**read_weights, **read_biases}[name], value, rtol=1e-12)
    assert ("h1", "h2") in graph.edges  # a shortcut needs no node
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    assert set(kinds.values()) == {*READ_BY_OTHERS, "Input", "Output"} - {"Linear"}
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
    resting = to_nir(circuit, weights, dict.fromkeys(biases, np.zeros(1)), parameters).nodes
    current = resting["h1"].r * resting["h1"].w_in * resting["x -> h1"].bias
    np.testing.assert_allclose(
        current, resting["h1"].v_threshold
    )  # the least that lets a cell fire
    dt, x = 1e-4, np.random.default_rng(0).normal(size=4)
    unit = float(parameters.unit) * dt  # spikes in one step that are an activity of 1
    spikes_in = nodes["x -> h1"].weight @ (unit * x) + nodes["x -> h1"].bias
    current, v, mean = np.zeros(12), np.linspace(0, 1, 12), np.zeros(3)
    h = nodes["h1"]
    for step in range(10_000):
        current += dt / h.tau_syn * (h.w_in * spikes_in - current)
        v += dt / h.tau_mem * (h.v_leak - v + h.r * current)
        fired = v > h.v_threshold
        v[fired] = h.v_reset[fired]
        out = nodes["h1 -> output"].weight @ fired + nodes["h1 -> output"].bias
        mean += out / unit / 8000 * (step >= 2000)
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
        ("grouped", "'x -> h1'.*in 2 groups has no valid NIR node.*groups=1"),
    ],
)
def test_what_nir_has_no_word_for(text, message):
    pytest.importorskip("nir")
    circuit = grouped() if text == "grouped" else parse_circuit(text)
    with pytest.raises(WiringError, match=message):
        to_nir(circuit, *drawn(circuit), SpikingParameters())


def test_an_export_names_what_it_leaves_out():
    pytest.importorskip("nir")
    circuit = parse_rule("wm").wire(mlp((4, 3, 2)))
    with pytest.warns(UserWarning, match="feedback: 2 populations .delta_output, delta_h1. and"):
        to_nir(circuit, *drawn(circuit), SpikingParameters())
    assert nir_losses(circuit)[1:] == [
        "target: 1 population (target) and what joins them are left out",
        "learning: 3 plastic projections have fixed weights",
        "phases: engaged, mirror h1 do not take turns",
    ]
    assert nir_losses(mlp((4, 3, 2))) == []


# What snnTorch's importer and Norse's have in common; what else each asks of them stands below.
READ_BY_OTHERS = {"Linear", "Affine", "Conv2d", "Flatten", "CubaLIF"}


@pytest.mark.parametrize("circuit", [mlp((4, 6, 5, 3)), images()], ids=["mlp", "images"])
def test_nodes_are_as_snntorch_and_norse_read_them(circuit):
    """The conditions of both importers' code (snnTorch 1.0.0, Norse 1.1.0).

    snnTorch refuses a leak voltage and a resistance other than tau_mem / 1e-4, and takes one
    threshold for all cells; Norse lets the synaptic current leak to the voltage too.
    """
    pytest.importorskip("nir")
    graph = to_nir(circuit, *drawn(circuit), SpikingParameters())
    for node in graph.nodes.values():
        assert type(node).__name__ in {*READ_BY_OTHERS, "Input", "Output"}
        if type(node).__name__ == "CubaLIF":
            assert np.allclose(node.v_leak, 0) and np.allclose(node.r, node.tau_mem / 1e-4)
            assert len(np.unique(node.v_threshold / (node.w_in * 1e-4 / node.tau_syn))) == 1
            assert not node.v_reset.any()
        if type(node).__name__ == "Conv2d":
            assert node.groups == 1 and node.bias is not None
            assert node.weight.shape[1] == node.input_type["input"][0]
        if type(node).__name__ == "Flatten":
            assert (node.start_dim, node.end_dim) == (0, -1)
    assert len(set(graph.edges)) == len(graph.edges)


# -- graphs of other tools ------------------------------------------------------------------------


def foreign(nir, **changed):
    """As snnTorch and others export: numbered names, image, convolution, pool, cells, readout."""
    rng = np.random.default_rng(0)
    ones = np.ones
    nodes = {
        "input": nir.Input({"input": np.array((2, 6, 6))}),
        "0": nir.Conv2d((6, 6), rng.normal(size=(4, 2, 3, 5)), 1, "same", 1, 1, rng.normal(size=4)),
        "1": nir.IF(ones((4, 6, 6)), ones((4, 6, 6))),
        "2": nir.AvgPool2d(np.array((2, 3)), np.array((2, 3)), np.zeros(2, int)),
        "3": nir.Flatten({"input": np.array((4, 3, 2))}, 0, -1),
        "4.fc": nir.Affine(rng.normal(size=(5, 24)), rng.normal(size=5)),
        "5": nir.LIF(ones(5), ones(5), np.zeros(5), ones(5)),
        "6": nir.Linear(rng.normal(size=(3, 5))),
        "7": nir.LI(ones(3), ones(3), np.zeros(3)),
        "output": nir.Output({"output": np.array((3,))}),
    } | changed
    return nir.NIRGraph(nodes, [*pairwise(nodes)], type_check=False)


def test_a_foreign_graph_computes_as_its_nodes_do(tmp_path):
    """Cells as relu and sums; the same in torch's own words."""
    nir = pytest.importorskip("nir")
    nir.write(tmp_path / "a.nir", foreign(nir))
    with pytest.warns(UserWarning, match=r"'1' \(IF\), '5' \(LIF\), '7' \(LI\): time constants"):
        circuit, weights, biases = from_nir(nir.read(tmp_path / "a.nir"))
    net = RateNetwork(circuit, dtype=torch.float64)
    for mine, given_arrays in ((net.weights, weights), (net.biases, biases)):
        assert set(mine) == set(given_arrays)
        for name, value in given_arrays.items():
            mine[name].data = torch.from_numpy(np.asarray(value))
    nodes = foreign(nir).nodes
    w = {name: torch.from_numpy(nodes[name].weight) for name in ("0", "4.fc", "6")}
    b = {name: torch.from_numpy(nodes[name].bias) for name in ("0", "4.fc")}
    x = torch.randn((3, 2, 6, 6), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    h = torch.nn.functional.conv2d(x, w["0"], b["0"], padding=(1, 2)).relu()
    h = torch.nn.functional.avg_pool2d(h, (2, 3)).flatten(1)
    expected = (h @ w["4.fc"].T + b["4.fc"]).relu() @ w["6"].T
    torch.testing.assert_close(net(x), expected)
    assert [p.activation for p in circuit.populations.values()].count("relu") == 2


def test_a_batch_axis_of_one_is_none():
    nir = pytest.importorskip("nir")
    with pytest.warns(UserWarning, match="time constants"):
        circuit, _, _ = from_nir(foreign(nir, input=nir.Input({"input": np.array((1, 2, 6, 6))})))
    assert circuit.inputs[0].shape == (2, 6, 6)


def test_sums_and_shortcuts_of_a_foreign_graph_are_read():
    nir = pytest.importorskip("nir")
    w = np.diag([1.0, 2.0])
    nodes = {
        "x": nir.Input({"input": np.array((2,))}),
        "a": nir.Affine(w, np.array([1.0, 0.0])),
        "c": nir.Affine(2 * w, np.array([1.0, 5.0])),
        "cells": nir.IF(np.ones(2), np.ones(2)),
        "b": nir.Affine(3 * w, np.array([0.0, -1.0])),
        "y": nir.Output({"output": np.array((2,))}),
    }
    edges = [("x", "a"), ("a", "cells"), ("x", "c"), ("c", "cells"), ("x", "cells")]
    edges += [("cells", "b"), ("x", "b"), ("b", "y")]
    with pytest.warns(UserWarning, match=r"'cells' \(IF\)"):
        circuit, weights, biases = from_nir(nir.NIRGraph(nodes, edges))
    net = RateNetwork(circuit, dtype=torch.float64)
    for name, value in weights.items():
        net.weights[name].data = torch.from_numpy(value)
    for name, value in biases.items():
        net.biases[name].data = torch.from_numpy(value)
    x = np.array([1.0, -2.0])
    h = np.maximum(3 * w @ x + [2.0, 5.0] + x, 0)
    expected = 3 * w @ (h + x) + np.array([0.0, -1.0])
    assert net(torch.from_numpy(x[None])).tolist() == [expected.tolist()]


def wrong_graph(nir, case):
    if case == "unknown":
        return foreign(
            nir, **{"2": nir.SumPool2d(*np.full((3, 2), 2)), "7": nir.Threshold(np.ones(3))}
        )
    if case == "sizes":
        return foreign(nir, **{"4.fc": nir.Affine(np.ones((5, 4)), np.ones(5))})
    if case == "scale":
        return foreign(nir, **{"7": nir.Scale(np.full(3, 2.0))})
    graph = foreign(nir)
    if case == "cycle":
        graph.edges.append(("5", "4.fc"))
    if case == "loose":
        graph.edges.remove(("input", "0"))
    if case == "two outputs":
        graph.nodes["more"] = graph.nodes["output"]
    return graph


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("unknown", r"has what '2' \(SumPool2d\), '7' \(Threshold\) would be, expected nodes of"),
        ("sizes", r"'4\.fc' \(Affine\) has weights of shape \(5, 4\), .* expected \(5, 24\)"),
        ("scale", r"node '7' \(Scale\) multiplies by other numbers than 1"),
        ("cycle", r"'4\.fc' -> '5' form a cycle|'5' -> '4\.fc' form a cycle"),
        ("loose", "nothing reaches '0'"),
        ("two outputs", r"Output nodes \['output', 'more'\], expected exactly one"),
    ],
)
def test_what_is_wrong_with_a_foreign_graph_is_named(case, message):
    nir = pytest.importorskip("nir")
    with pytest.raises(WiringError, match=message):
        from_nir(wrong_graph(nir, case))


def test_a_graph_of_another_version_is_refused():
    pytest.importorskip("nir")
    circuit = mlp((3, 2))
    graph = to_nir(circuit, *drawn(circuit), SpikingParameters())
    graph.metadata["oneway"] = graph.metadata["oneway"].replace('"version": "2"', '"version": "1"')
    with pytest.raises(WiringError, match="has format version 1, this program reads version 2"):
        from_nir(graph)
