"""Report, drawings and animation in Chromium: readable at any width, in either scheme."""

from types import SimpleNamespace

import numpy as np
from browser import assert_readable, measured, needs_chromium

from oneway.analysis import check_wiring
from oneway.circuits import mlp, resnet18
from oneway.rules import parse_rule
from oneway.training import RunResult, TrainConfig
from oneway.training.cli.drawings import write_drawing
from oneway.training.demo.page import render
from oneway.training.demo.tour import RuleTour, SpikingTour, Tour
from oneway.training.spiking.animation import MirrorRecording, write_animation

pytestmark = needs_chromium

FORWARD = mlp((64, 32, 32, 10), norm="before")


def a_rule(label):
    """As after training, with angles that nobody measured."""
    wired = parse_rule(label).wire(FORWARD)
    drives = [p.name for p in wired.select(role="drive", path="feedback") if p.partner is not None]
    history = tuple({"angles_deg": dict.fromkeys(drives, angle)} for angle in (80.0, 40.0))
    runs = [
        RunResult(
            rule=label, circuit=FORWARD.name, data="digits",
            config=TrainConfig(epochs=2, seed=seed), test_accuracy=0.9 + seed / 100,
            angles_deg=history[-1]["angles_deg"], seconds=1.0, history=history,
        )
        for seed in range(3)
    ]  # fmt: skip
    about = "Some words on what this rule does, of which a phone shows nothing."
    return RuleTour(
        label, about, parse_rule(label), wired, check_wiring(wired, "all"), loop=4, runs=runs
    )


def some_spikes():
    wired = parse_rule("wm").wire(FORWARD)
    drawn = np.random.default_rng(0)
    spikes = {
        name: SimpleNamespace(times_s=drawn.uniform(0, 2, 200), cells=drawn.integers(0, 10, 200))
        for name in ("h1", "delta_h1", "h2", "delta_h2", "output", "delta_output")
    }
    intervals = [
        SimpleNamespace(phase=f"mirror h{i}", start_s=i - 1.0, stop_s=float(i)) for i in (1, 2)
    ]
    record = SimpleNamespace(
        spikes=spikes, intervals=intervals, times_s=np.array([0.0, 1.0, 2.0]), simulated_s=2.0,
        wall_s=9.0, mean_rates_hz={"h1": 60.0},
    )  # fmt: skip
    angles = {
        name: [90.0, 50.0, 20.0] for name in ("delta_h2 -> delta_h1", "delta_output -> delta_h2")
    }
    return SpikingTour("wm", wired, record, angles)


def test_the_report(tmp_path):
    shown = ("bp", "dfa", "drtp", "ss", "wm", "forward_alignment", "asap,gate=local,norm=own")
    rules = [a_rule(label) for label in shown]
    config = TrainConfig(epochs=2)
    tour = Tour(FORWARD, config, (0, 1, 2), (1437, 360), rules, [0.7, 0.72], spiking=some_spikes())
    tour.clock = {"kp": "feedback weights converge with time constant 250 steps"}
    assert_readable(measured(render(tour), tmp_path), texts=350, learners=20)


def test_the_drawing_of_a_deep_net(tmp_path):
    circuit = parse_rule("kp").wire(resnet18((3, 32, 32), 10))
    path = write_drawing(tmp_path / "drawn.html", circuit, check_wiring(circuit, "all"))
    assert_readable(measured(path.read_text(encoding="utf-8"), tmp_path), texts=100, learners=50)


def test_the_animation(tmp_path):
    run = MirrorRecording("A mirror", {"h1": 4, "delta_h1": 4})
    run.weigh(0.0, np.eye(4), -np.eye(4))
    run.stretch("asleep", 0.0, 1.0, {"h1": (np.array([0.2, 0.7]), np.array([0, 5]))})
    run.weigh(1.0, np.eye(4), np.eye(4))
    path = write_animation(tmp_path / "mirror.html", run, ["A note."])
    assert_readable(measured(path.read_text(encoding="utf-8"), tmp_path), texts=10)
