"""The peers of the benchmark do the same work as ours, and a peer that does not is noticed."""

import importlib.util
from pathlib import Path

import pytest
import torch

from oneway.circuits import parse_circuit

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "step_time.py"
NET = parse_circuit("resnet18:3x16x16-5,width=2")


@pytest.fixture(scope="module")
def step_time():
    spec = importlib.util.spec_from_file_location("step_time", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("rule", ["fa", "asap,k=2", "asap,k=4"])
def test_peers_and_ours_make_the_same_changes(step_time, rule):
    step_time.check_same_changes(NET, rule)


def test_a_peer_that_learns_from_something_else_is_noticed(step_time, monkeypatch):
    monkeypatch.setattr(step_time, "_matched", lambda shared, like: like.detach())
    with pytest.raises(SystemExit, match=r"asap,k=2: peer and ours differ in the change of"):
        step_time.check_same_changes(NET, "asap,k=2")


def test_eager_autograd_comes_first_and_everybody_steps(step_time):
    config = step_time.BenchConfig(batch=2)
    found = step_time.contenders(NET, config, compiled=False)
    assert [c.name for c in found] == ["autograd", *step_time.PEERS, *step_time.OURS]
    for contender in found:
        contender.step()
        moved = [p for p in contender.parameters() if p.grad is not None]
        assert moved and all(torch.isfinite(p).all() for p in moved)
