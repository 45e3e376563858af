"""Angles, norms and moments of weights on the device, against numpy and matrices written out."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from oneway.analysis import angle_deg, moments, weight_angles
from oneway.backends.rate import RateNetwork
from oneway.backends.rate.kernels import sample_angles
from oneway.circuits import (
    AllToAllConnector,
    AveragePoolConnector,
    MatchConnector,
    MaxPoolConnector,
    Wiring,
    mlp,
    parse_circuit,
)
from oneway.rules import parse_rule
from oneway.training.recording.weights import feedback_weights, forward_weights

CONV = parse_circuit("conv2:1x8x8-10,width=3,hidden=8")
RESNET = parse_circuit("resnet18:1x8x8-6,width=2")


def network(circuit, rule, **options):
    return RateNetwork(parse_rule(rule).wire(circuit), seed=1, **options)


def floats(found):
    return {name: float(value) for name, value in found.items()}


# -- angles of samples ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7,), (3, 4, 4)])
def test_sample_angles_are_those_of_numpy(shape):
    a, b = torch.randn(
        2, 5, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    b[0], b[1], a[2] = 3 * a[0], -a[1], 0.0
    found = sample_angles(a, b)
    assert found[:2].tolist() == pytest.approx([0, 180], abs=1e-9) and found[2].isnan()
    assert sample_angles(b, a)[2].isnan()
    expected = [angle_deg(x, y) for x, y in zip(a[3:], b[3:], strict=True)]
    assert found[3:].tolist() == pytest.approx(expected, abs=1e-9)


def test_sample_angles_are_exact_near_parallel_in_long_float32_rows():
    a = torch.randn(2, 64, 32, 32, generator=torch.Generator().manual_seed(0))
    other = torch.randn(a.shape, generator=torch.Generator().manual_seed(1))
    b = 7 * (a + 1e-4 * other)
    expected = [angle_deg(x, y) for x, y in zip(a, b, strict=True)]
    assert 0.005 < expected[0] < 0.006
    for layout in (torch.contiguous_format, torch.channels_last):
        found = sample_angles(a, b.contiguous(memory_format=layout))
        assert found.tolist() == pytest.approx(expected, abs=1e-5)
    assert sample_angles(a.bfloat16(), 2 * a.bfloat16()).tolist() == [0, 0]


# -- pairs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["kp", "bp", "ss"])
def test_paired_weights_are_as_analysis_has_them(rule):
    net = network(CONV, rule, channels_last=True)
    found = feedback_weights(net)
    assert floats(found["angles_deg"]) == pytest.approx(weight_angles(net.circuit, net.weight))
    for name, ratio in found["norm_ratios"].items():
        partner = net.circuit.projections[name].partner
        norms = (np.linalg.norm(net.weight(one).numpy()) for one in (name, partner))
        assert float(ratio) == pytest.approx(np.divide(*norms))


def test_moments_are_as_analysis_has_them_with_the_papers_kurtosis():
    net = network(CONV, "kp")
    (found,) = forward_weights(net).values()
    assert list(found) == [
        p.name for p in net.circuit.select(role="drive", path="forward") if p.weights
    ]
    for name, mine in found.items():
        w = net.weight(name)
        known = moments(w)
        assert floats(mine) == pytest.approx(
            {
                "mean": known.mean,
                "std": known.std,
                "kurtosis": known.kurtosis + 3,
                "norm": float(w.norm()),
            },
            rel=1e-6,
        )
    with torch.no_grad():
        net.weights["pool -> h3"].normal_(generator=torch.Generator().manual_seed(0))
    assert 2.5 < forward_weights(net)["weights"]["pool -> h3"]["kurtosis"] < 4


# -- direct feedback -----------------------------------------------------------------------------


def matrices(net):
    """Of each forward population the product of weights from there to the output, (J, I)."""
    circuit = net.circuit
    products = {circuit.output.name: np.eye(circuit.output.size)}
    for name in reversed(circuit.order("forward")[:-1]):
        products[name] = sum(
            products[p.post] @ matrix(net, p)
            for p in circuit.select(role="drive", pre=name)
            if circuit.populations[p.post].path == "forward" and p.role == "drive"
        )
    return products


def matrix(net, p):
    """A drive as a matrix (post, pre), a max-pool as the mean of its windows."""
    if p.weights is not None:
        return net.adjacency(p.name).toarray().T
    pre, _ = net.circuit.shapes(p)
    units = torch.eye(math.prod(pre), dtype=torch.float64).reshape(-1, *pre)
    if isinstance(p.connector, MaxPoolConnector | AveragePoolConnector):
        units = F.avg_pool2d(units, p.connector.kernel, p.connector.stride, p.connector.padding)
    return units.flatten(1).T.numpy()


@pytest.mark.parametrize("rule", ["dfa", "drtp"])
@pytest.mark.parametrize(
    "circuit", [mlp((6, 5, 4, 3), norm="before"), CONV, RESNET], ids=["mlp", "conv", "resnet"]
)
def test_direct_feedback_is_held_against_the_product_of_forward_weights(circuit, rule):
    """Written out as matrices: dense, convolutional, pooled, and with shortcuts."""
    net = network(circuit, rule, dtype=torch.float64)
    products = matrices(net)
    found = feedback_weights(net, most=4)  # some outputs at a time
    direct = [p for p in net.circuit.select(role="drive", path="feedback") if not p.partner]
    assert list(found["angles_deg"]) == [p.name for p in direct] and len(direct) >= 2
    for p in direct:
        product = products[net.circuit.populations[p.post].partner]
        b = net.weight(p.name).numpy()
        assert float(found["angles_deg"][p.name]) == pytest.approx(
            angle_deg(product, b.T), abs=1e-6
        )
        ratio = np.linalg.norm(b) / np.linalg.norm(product)
        assert float(found["norm_ratios"][p.name]) == pytest.approx(ratio)
    with torch.no_grad():
        net.weights[p.name].copy_(torch.from_numpy(3 * product.T))
    assert float(feedback_weights(net, most=4)["angles_deg"][p.name]) == pytest.approx(0, abs=1e-5)


def test_where_no_product_is_defined_direct_feedback_is_left_out():
    net = Wiring("matched")
    cells = [net.population(n, (s,)) for n, s in (("x", 4), ("a", 4), ("b", 8), ("c", 6), ("o", 3))]
    for pre, post in pairwise(cells):
        matched = post.name == "b"
        net.connect(pre, post, MatchConnector() if matched else AllToAllConnector())
    wired = network(net.build(), "dfa")
    assert list(feedback_weights(wired)["angles_deg"]) == ["delta_o -> delta_c"]
