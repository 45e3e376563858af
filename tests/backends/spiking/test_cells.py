"""Cell models: input settles to its rate, nets come near rates, apical errors, own cells."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

pytest.importorskip("brian2")

from brian2 import ms, mV, second

from oneway.backends.spiking import (
    Dynamics,
    SpikingNetwork,
    SpikingParameters,
    adaptive,
    conductance,
    two_compartment,
)
from oneway.backends.spiking.brian.curves import measure
from oneway.circuits import AllToAllConnector, Wiring, WiringError, mlp
from oneway.rules import parse_rule

pytestmark = pytest.mark.spiking

ACTIVITIES = np.array([0.1, 0.2, 0.5, 1.0, 1.5, -0.5])
REST, THRESHOLD, TAU = -0.070, -0.050, 0.020  # volt, volt, second: the usual parameters


def biased_cells(activities=ACTIVITIES):
    """Cells with relu that nothing but their bias drives: a constant input each."""
    net = Wiring("constant")
    net.population("x", (1,))
    net.population("h1", activities.shape, activation="relu", bias=True)
    net.population("output", (1,))
    net.connect("x", "h1", AllToAllConnector())
    net.connect("h1", "output", AllToAllConnector())
    silent = {
        "x -> h1": np.zeros((activities.size, 1)),
        "h1 -> output": np.zeros((1, activities.size)),
    }
    return {"circuit": net.build(), "weights": silent, "biases": {"h1": activities}}


def late_rates(net, start_s=0.5, length_s=1.5):
    """Spikes of each hidden cell a second, after they have settled."""
    spikes = net.present(np.zeros((1, 1)), record=["h1"]).spikes["h1"]
    late = spikes.cells[spikes.times_s >= start_s]
    return np.bincount(late, minlength=net.circuit.populations["h1"].size) / (length_s - start_s)


LONG = SpikingParameters(dt=1 * ms, present_time=1.5 * second, read_from=0.5 * second)


@pytest.mark.parametrize("dynamics", ["spiking", "adaptive", "conductance", "two_compartment"])
def test_constant_input_settles_to_the_rate_that_stands_for_it(dynamics):
    net = SpikingNetwork(**biased_cells(), parameters=LONG, dynamics=dynamics)
    expected = 200 * np.clip(ACTIVITIES, 0, None)
    np.testing.assert_allclose(late_rates(net), expected, atol=3)


# -- the curve of rate against drive, solved without us ---------------------------------------


def interval(derivative, state, reset):
    """The interval between two spikes, once it stays the same, integrated with solve_ivp."""
    crossing = lambda t, y: y[0] - THRESHOLD  # noqa: E731
    crossing.terminal, crossing.direction = True, 1
    before, now = 0.0, 1.0
    while abs(now - before) > 1e-4 * now:
        run = solve_ivp(derivative, (0, 3), state, events=crossing, rtol=1e-7, atol=1e-10)
        before, now, state = now, run.t_events[0][0], reset(run.y_events[0][0])
    return now


def adaptive_interval(c, b=0.1, tau_a=0.1):
    size = THRESHOLD - REST
    return interval(
        lambda t, y: [(REST + size * (c - y[1]) - y[0]) / TAU, -y[1] / tau_a],
        [REST, 0.0],
        lambda y: [y[0] - size, y[1] + b],
    )


def conductance_interval(g, e=0.0):
    return interval(
        lambda t, y: [(REST - y[0] + g * (e - y[0])) / TAU],
        [REST],
        lambda y: [y[0] - (THRESHOLD - REST)],
    )


@pytest.mark.parametrize(
    ("model", "alone"), [(adaptive, adaptive_interval), (conductance, conductance_interval)]
)
def test_the_measured_drive_makes_a_cell_fire_at_the_rate_when_integrated_exactly(model, alone):
    """With short steps the measured curve is nearly that of the differential equations."""
    p = SpikingParameters(dt=0.5 * ms)
    dynamics = model(p)
    constants = {**p.constants(), **dynamics.constants}
    curve = measure(dynamics, constants, {}, p.dt, 1000.0)
    rates = curve.first_hz + curve.step_hz * np.arange(len(curve.drives))
    for rate in (20.0, 60.0, 150.0):
        drive = np.interp(rate, rates, curve.drives)
        assert 1 / alone(drive) == pytest.approx(rate, rel=0.02)


# -- nets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dynamics", ["adaptive", "conductance", "two_compartment"])
def test_spike_counts_of_a_net_come_near_its_rates(dynamics):
    forward, x = mlp((6, 12, 4)), np.random.default_rng(0).normal(size=(2, 6))
    expected = SpikingNetwork(forward, dynamics="settled").signals(x)
    p = SpikingParameters.precise(dt=1 * ms)
    shown = SpikingNetwork(forward, p, dynamics=dynamics).present(x, record=["h1"])
    assert np.abs(expected["h1"]).max() > 0.5
    np.testing.assert_allclose(counted(shown.spikes["h1"], 12), expected["h1"], atol=0.03)
    np.testing.assert_allclose(shown.outputs, expected["output"], atol=0.05)


def counted(spikes, size, present_s=2.0, from_s=1.0, unit_hz=200):
    sample, since = np.divmod(spikes.times_s, present_s)
    late = since >= from_s
    counts = np.zeros((2, size))
    np.add.at(counts, (sample[late].astype(int), spikes.cells[late]), 1)
    return counts / (present_s - from_s) / unit_hz


# -- two compartments ----------------------------------------------------------------------------

WIRED = parse_rule("fa").wire(mlp((6, 12, 4)))


def shown(dynamics, y, learn=False):
    net = SpikingNetwork(WIRED, dynamics=dynamics)
    x = np.random.default_rng(0).normal(size=(2, 6))
    record = net.present(x, y, learn=learn, record=["h1", "delta_h1"])
    return net, record


def trains(record):
    return record.spikes["h1"].times_s.tolist(), record.spikes["h1"].cells.tolist()


def test_what_is_taught_arrives_at_the_apical_compartment_and_fires_nothing():
    """Uncoupled, somata fire as leaky cells do, whatever the error; coupled, they feel it."""
    (_, leaky), (_, one), (_, other) = (
        shown(dynamics, np.array(y))
        for dynamics, y in [
            ("spiking", [0, 1]),
            ("two_compartment", [0, 1]),
            ("two_compartment", [2, 3]),
        ]
    )
    assert trains(leaky) == trains(one) == trains(other)
    assert len(leaky.spikes["h1"]) > 20
    felt = [shown(two_compartment(coupling=0.5), np.array(y))[1] for y in ([0, 1], [2, 3])]
    assert trains(felt[0]) != trains(felt[1])


def test_synapses_learn_from_the_apical_potential():
    """With a fast apical membrane its potential is the error's trace, and learning is the same."""
    y = np.array([0, 1])
    before = SpikingNetwork(WIRED).weight("x -> h1")
    leaky, fast, slow = (
        shown(dynamics, y, learn=True)[0].weight("x -> h1") - before
        for dynamics in (
            "spiking",
            two_compartment(tau_apical=1 * ms),
            two_compartment(tau_apical=1 * second),
        )
    )
    assert np.abs(leaky).max() > 0
    assert np.corrcoef(leaky.ravel(), fast.ravel())[0, 1] > 0.98
    assert np.abs(slow).max() < 0.5 * np.abs(leaky).max()


def test_an_apical_compartment_cannot_tell_teachers_apart():
    net = Wiring(WIRED)
    net.teach("h1", "h1")
    with pytest.raises(WiringError, match=r"'h1' is taught by delta_h1 and h1, .*two_compartment"):
        SpikingNetwork(net.build(), dynamics="two_compartment").present(np.zeros((1, 6)))


# -- own cells -----------------------------------------------------------------------------------


def quadratic(**changes):
    """Ermentrout and Kopell's cell: dv/dt grows with the square of v."""
    how = {
        "equations": "dv/dt = ((v - v_rest) * (v - v_c) / (v_c - v_rest) + drive) / tau_mem : volt",
        "threshold": "v > v_peak",
        "reset": "v = v_rest",
        "constants": {"v_c": -60 * mV, "v_peak": -30 * mV},
        "start": {"v": "v_rest"},
        "drive": (-10 * mV, 400 * mV),
    }
    return Dynamics("quadratic", **how | changes)


def test_a_cell_of_ones_own_fires_at_the_rate_that_stands_for_its_input():
    """Set back to one value, it fires in whole steps: at 20, 40, 100 and 200 Hz, for instance."""
    activities = np.array([0.1, 0.2, 0.5, 1.0, -0.5])
    net = SpikingNetwork(**biased_cells(activities), parameters=LONG, dynamics=quadratic())
    np.testing.assert_allclose(late_rates(net), 200 * np.clip(activities, 0, None), atol=4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"equations": "dv/dt = -v / : volt"}, "'quadratic': its equations cannot be read"),
        ({"threshold": "v > v_top"}, "names 'v_top', which is nowhere. There are: rate, drive"),
        ({"constants": {"tau_mem": 5 * ms}}, "defines 'tau_mem', which SpikingParameters has"),
        ({"constants": {"rate": 5 * ms}}, "defines 'rate', which cells are given"),
        ({"drive": None}, "drive = None, and its equations read it. State the least"),
        ({"drive": (1 * mV, 1)}, "expected a lower and a higher one of the same unit"),
        ({"start": {"u": 0.0}}, "start has 'u', which no equation defines"),
        ({"pairs": quadratic()}, "its pairs have no side"),
    ],
)
def test_models_are_checked_when_they_are_stated(changes, message):
    with pytest.raises(ValueError, match=message):
        quadratic(**changes)


def test_a_drive_that_no_cell_fires_for_is_refused():
    feeble = quadratic(drive=(-10 * mV, 1 * mV))
    with pytest.raises(ValueError, match=r"no drive from -10. mV to 1. mV makes its cells fire"):
        SpikingNetwork(mlp((3, 4, 2)), dynamics=feeble).present(np.zeros((1, 3)))


# -- constants of each cell ----------------------------------------------------------------------


def test_a_cell_with_a_membrane_of_its_own_behaves_as_one_among_its_like():
    """Spikes of each cell are those that it fires where all cells have its time constant."""
    taus = np.array([5, 20, 80]) * ms
    how, x = biased_cells(np.full(3, 0.3)), np.zeros((1, 1))
    mixed = SpikingNetwork(**how, heterogeneous={"tau_mem": {"h1": taus}}).present(x, record=["h1"])
    for cell, tau in enumerate(taus):
        alike = SpikingNetwork(**how, parameters=SpikingParameters(tau_mem=tau))
        expected = alike.present(x, record=["h1"]).spikes["h1"]
        got = mixed.spikes["h1"]
        np.testing.assert_array_equal(
            got.times_s[got.cells == cell], expected.times_s[expected.cells == cell]
        )
    assert got.cells.size > 10


def test_both_cells_of_a_unit_that_is_two_have_its_constants():
    """Where pairs are apart; so the answer is that of pairs that share a membrane."""
    own = {"v_rest": {"x": np.array([-72, -70, -68]) * mV}}
    how = {"circuit": mlp((3, 4, 2)), "heterogeneous": own}
    x = np.array([[3.0, -2.0, 1.0]])
    trains = [
        SpikingNetwork(**how, pairs=pairs).present(x, record=["x"]).spikes["x"]
        for pairs in ("shared", "independent")
    ]
    shared, apart = (sorted(zip(t.times_s.round(6), t.cells, strict=True)) for t in trains)
    assert shared == apart and len(shared) > 50


def test_each_cell_has_a_curve_of_its_own_where_its_constants_differ():
    thresholds = np.linspace(-58, -42, 6) * mV
    how = {"parameters": LONG, "dynamics": "conductance"}
    own = {"v_threshold": {"h1": thresholds}}
    rates = late_rates(SpikingNetwork(**biased_cells(np.full(6, 0.5)), **how, heterogeneous=own))
    np.testing.assert_allclose(rates, 100, atol=3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tau": {"h1": np.ones(6)}}, "names 'tau', which is no constant of these cells"),
        ({"tau_mem": {"h2": np.ones(6) * ms}}, "'tau_mem' of 'h2': there is no such population"),
        ({"tau_mem": {"h1": np.ones(6)}}, "has another unit than 20. ms"),
        ({"tau_mem": {"h1": np.ones(5) * ms}}, r"values of shape \(5,\), expected .*\(6,\)"),
        ({"tau_mem": {"h1": np.arange(6) * ms}}, "goes down to 0, expected > 0"),
        ({"tau_mem": {"h1": np.full(6, 0.7) * ms}}, "time steps of dt = .* are too long for it"),
        ({"v_rest": {"h1": np.full(6, -40) * mV}}, "in some cells rest is not below"),
    ],
)
def test_constants_of_cells_are_checked(given, message):
    with pytest.raises(ValueError, match=message):
        SpikingNetwork(**biased_cells(), heterogeneous=given)


def test_a_constant_that_cells_do_not_read_is_refused():
    own = {"tau_mem": {"output": np.full(1, 10) * ms}}
    with pytest.raises(WiringError, match=r"'tau_mem' of 'output'.*do not read it.*tau_mem_signed"):
        SpikingNetwork(**biased_cells(), heterogeneous=own).present(np.zeros((1, 1)))


def test_noise_that_a_model_does_not_read_is_refused():
    p = SpikingParameters(noise=1 * mV)
    net = SpikingNetwork(mlp((3, 4, 2)), p, dynamics=quadratic())
    with pytest.raises(WiringError, match=r"noise = 1. mV, but .* 'quadratic' do not read it"):
        net.present(np.zeros((1, 3)))


def test_the_cell_that_the_page_shows_runs():
    page = (Path(__file__).parents[3] / "docs" / "spiking_cells.md").read_text(encoding="utf-8")
    example, *_ = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    names = {}
    exec(compile(example, "spiking_cells.md", "exec"), names)
    assert len(names["shown"].spikes["h1"]) > 0
