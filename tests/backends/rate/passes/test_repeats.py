"""A product with a repeated activity is the repeated product with the activity."""

import pytest
import torch

from oneway.backends.rate import RateNetwork, compiler
from oneway.backends.rate.connectors import takes_fewer_channels
from oneway.circuits import AllToAllConnector, Conv2dConnector, parse_circuit
from oneway.rules import parse_rule


def learned(wired):
    net = RateNetwork(wired, seed=1, dtype=torch.float64)
    x = torch.randn((3, *wired.inputs[0].shape), generator=torch.Generator().manual_seed(0))
    net.step(x.double(), torch.arange(3))
    return net, {name: p.grad for name, p in net.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    ("rule", "folds"), [("asap", True), ("asap,k=4", True), ("asap,gate=local,norm=own", False)]
)
def test_changes_are_the_same(rule, folds, monkeypatch):
    """In the last one gates read the shared activity too, all of its channels."""
    wired = parse_rule(rule).wire(parse_circuit("resnet18:3x16x16-4,width=2"))
    net, changes = learned(wired)
    products = [op for op in net._schedules["step"].operations if op.kind == "correlate"]
    assert any("_repeated" in repr(op.kernel) for op in products) == folds
    monkeypatch.setattr(compiler, "fold_repeats", lambda *arguments: None)
    _, expected = learned(wired)
    assert changes.keys() == expected.keys()
    for name, change in expected.items():
        torch.testing.assert_close(changes[name], change, rtol=1e-10, atol=1e-12)


def test_groups_and_dense_layers_want_all_channels():
    """A group sees its own channels, which need not be the ones that repeat."""
    for connector, fewer in (
        (Conv2dConnector(4, 3), True),
        (Conv2dConnector(4, 3, groups=2), False),
        (AllToAllConnector(), False),
    ):
        assert takes_fewer_channels((connector, (4, 5, 5), (4, 3, 3))) == fewer
