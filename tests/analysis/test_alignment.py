"""Angles and moments against closed forms."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from oneway.analysis import (
    angle_deg,
    direct_angle,
    error_angles,
    moments,
    sign_agreement,
    sign_agreements,
    weight_angles,
)
from oneway.circuits import (
    AllToAllConnector,
    Conv2dConnector,
    FixedProbabilityConnector,
    Wiring,
    WiringError,
)

vectors = arrays(float, 5, elements=st.floats(-9, 9).filter(lambda x: x == 0 or abs(x) > 1e-3))


@given(vectors, vectors, st.floats(1e-30, 1e30))
def test_angle_is_symmetric_scale_free_and_turns_with_sign(a, b, scale):
    angle = angle_deg(a, b)
    if not (a.any() and b.any()):
        assert math.isnan(angle)
        return
    assert angle == pytest.approx(angle_deg(b, a), abs=1e-9)
    assert angle == pytest.approx(angle_deg(scale * a, b), abs=1e-9)
    assert angle + angle_deg(a, -b) == pytest.approx(180)
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert math.cos(math.radians(angle)) == pytest.approx(cosine, abs=1e-9)


@pytest.mark.parametrize("degrees", [0.0, 1e-7, 12.0, 90.0, 179.9999999, 180.0])
def test_angle_is_exact_near_parallel(degrees):
    turned = [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]
    assert angle_deg([1.0, 0.0], turned) == pytest.approx(degrees, abs=1e-12, rel=1e-6)


def test_torch_and_numpy_agree():
    a, b = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4).bfloat16()
    expected = angle_deg(a.detach().numpy(), b.float().numpy())
    assert angle_deg(a, b) == pytest.approx(expected)


def test_shapes_must_agree():
    with pytest.raises(WiringError, match=r"shapes differ, \(2,\) and \(3,\)"):
        angle_deg([1, 2], [1, 2, 3])


def feedback_circuit(connector, pre, post):
    net = Wiring("pair")
    h1, h2 = net.population("h1", pre), net.population("h2", post)
    d1 = net.population("d1", pre, path="feedback", partner="h1")
    d2 = net.population("d2", post, path="feedback", partner="h2")
    net.connect(h1, h2, connector)
    net.connect(d2, d1, connector.transpose, partner="h1 -> h2")
    return net.build()


@pytest.mark.parametrize("kind", ["dense", "conv", "sparse"])
def test_weight_angles_turn_the_feedback_weights(kind):
    """0 degrees for B = Wᵀ, 180 for -Wᵀ, 60 for a mixture made so."""
    rng = np.random.default_rng(0)
    connector, pre, post, shape = {
        "dense": (AllToAllConnector(), (4,), (3,), (3, 4)),
        "conv": (Conv2dConnector(3, 3, padding=1), (2, 4, 4), (3, 4, 4), (3, 2, 3, 3)),
        "sparse": (FixedProbabilityConnector(0.5), (4,), (4,), (9,)),
    }[kind]
    circuit = feedback_circuit(connector, pre, post)
    w, other = rng.normal(size=(2, *shape))
    other -= w * (w * other).sum() / (w * w).sum()
    other *= np.linalg.norm(w) / np.linalg.norm(other)

    def turned(weights):
        return weights if weights.ndim == 1 else weights.swapaxes(0, 1)

    mixed = math.cos(math.pi / 3) * w + math.sin(math.pi / 3) * other
    for b, degrees in ((w, 0), (-w, 180), (mixed, 60)):
        given_weights = {"h1 -> h2": w, "d2 -> d1": turned(b)}
        angles = weight_angles(circuit, given_weights.__getitem__)
        assert angles == {"d2 -> d1": pytest.approx(degrees, abs=1e-5)}
        signs = sign_agreements(circuit, given_weights.__getitem__)
        assert signs["d2 -> d1"] == pytest.approx((np.sign(w) == np.sign(b)).mean())


def test_weights_in_the_wrong_orientation_are_named():
    circuit = feedback_circuit(AllToAllConnector(), (4,), (3,))
    with pytest.raises(WiringError, match="feedback projection 'd2 -> d1' against 'h1 -> h2'"):
        weight_angles(circuit, lambda name: np.ones((3, 4)))


def test_sign_agreement_leaves_zeros_out():
    assert sign_agreement([1.0, -2.0, 0.0, 3.0], [2.0, 2.0, 5.0, 1.0]) == pytest.approx(2 / 3)
    assert math.isnan(sign_agreement([0.0], [1.0]))


def test_error_angles_are_means_of_samples():
    """Samples at 0 and 90 degrees: mean 45; the sample without error does not count."""
    errors = {"d1": [[1, 0], [0, 2], [0, 0]], "d2": [[0.0, 0.0]] * 3, "other": [[1.0]]}
    reference = {"d1": [[3, 0], [5, 0], [1, 1]], "d2": [[1.0, 0.0]] * 3}
    angles = error_angles(errors, reference)
    assert angles["d1"] == pytest.approx(45)
    assert math.isnan(angles["d2"])
    assert set(angles) == {"d1", "d2"}


def test_direct_angle_is_zero_where_feedback_estimates_the_output():
    rng = np.random.default_rng(1)
    rest_JI, a_BI = rng.normal(size=(3, 6)), rng.normal(size=(8, 6))
    output_BJ = a_BI @ rest_JI.T
    assert direct_angle(rest_JI.T, a_BI.reshape(8, 2, 3, 1), output_BJ) == pytest.approx(
        0, abs=1e-6
    )
    assert direct_angle(-rest_JI.T, a_BI, output_BJ) == pytest.approx(180, abs=1e-6)
    with pytest.raises(WiringError, match=r"shape \(3, 6\), but \(layer, output\) = \(6, 3\)"):
        direct_angle(rest_JI, a_BI, output_BJ)


def test_moments():
    two = moments([1.0, 1.0, -1.0, -1.0])
    assert (two.mean, two.std, two.skew, two.kurtosis) == (0, 1, 0, -2)
    # Bernoulli(1/4): skewness (1 - 2p)/sqrt(pq), excess kurtosis (1 - 6pq)/pq.
    rare = moments([1.0, 0.0, 0.0, 0.0])
    assert rare.skew == pytest.approx(0.5 / math.sqrt(3 / 16))
    assert rare.kurtosis == pytest.approx((1 - 18 / 16) / (3 / 16))
    assert math.isnan(moments(np.full((2, 3), 0.1)).skew)
    with pytest.raises(WiringError, match="without entries"):
        moments([])
