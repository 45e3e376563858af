"""Angles between what a circuit uses and what backpropagation would use.

Every function takes numpy arrays or torch tensors and computes in float64. An angle with a zero
vector is undefined and comes back as nan; means leave nan out.

Axis letters: `B` batch, `I` pre units, `J` post units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneway.circuits import Circuit, WiringError

from .arrays import as_numpy

Array = NDArray[np.float64]


def angle_deg(a: Any, b: Any) -> float:
    """Angle between two arrays of one shape, read as vectors; degrees, nan for a zero vector.

    Examples
    --------
    >>> from oneway.analysis import angle_deg
    >>> round(angle_deg([1.0, 0.0], [1.0, 1.0]), 6)
    45.0
    """
    a, b = as_numpy(a), as_numpy(b)
    _check_same_shape("angle_deg", a, b)
    return float(_row_angles(a.reshape(1, -1), b.reshape(1, -1))[0])


def weight_angles(circuit: Circuit, weight: Callable[[str], Any]) -> dict[str, float]:
    """Angle between W and Bᵀ, in degrees, for each feedback drive that has a forward partner.

    Parameters
    ----------
    weight : callable
        From a projection's name to its weights in (post, pre) orientation, as
        ``RateNetwork.weight`` gives them.

    Returns
    -------
    dict
        Name of the feedback drive -> angle, in the circuit's order. Direct feedback has no
        partner and does not appear; see `direct_angle`.
    """
    return {name: angle_deg(w, b) for name, (w, b) in _weight_pairs(circuit, weight).items()}


def sign_agreement(w: Any, b: Any) -> float:
    """Fraction of entries whose signs agree, of those where neither is zero; nan without any."""
    w, b = as_numpy(w), as_numpy(b)
    _check_same_shape("sign_agreement", w, b)
    both = (w != 0) & (b != 0)
    return float((np.sign(w) == np.sign(b))[both].mean()) if both.any() else float("nan")


def sign_agreements(circuit: Circuit, weight: Callable[[str], Any]) -> dict[str, float]:
    """`sign_agreement` of W and Bᵀ for each feedback drive that has a forward partner."""
    return {name: sign_agreement(w, b) for name, (w, b) in _weight_pairs(circuit, weight).items()}


def error_angles(errors: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, float]:
    """Angle of each population's error against the one that backpropagation gives, in degrees.

    Parameters
    ----------
    errors, reference : mappings of population name to array (B, ...)
        δ of one batch under the rule and under backpropagation.

    Returns
    -------
    dict
        Population -> mean over the batch of the angle in each sample. Samples where either error
        is zero are left out; nan if that leaves none. Names that only one side has are left out.
    """
    angles = {}
    for name in errors:
        if name in reference:
            a, b = as_numpy(errors[name]), as_numpy(reference[name])
            _check_same_shape(f"error_angles, population {name!r}", a, b)
            angles[name] = _mean(_row_angles(a.reshape(len(a), -1), b.reshape(len(b), -1)))
    return angles


def direct_angle(b: Any, activity: Any, output: Any) -> float:
    """Angle of a · Bᵀ against the output's pre-activation, in degrees, mean over the batch.

    Direct Kolen-Pollack paper, figure 2: direct feedback of use estimates the rest of the network
    by a linear map, so what Bᵀ makes of a layer's activity should point where the output points.

    Parameters
    ----------
    b : (I, J)
        Direct feedback weights in (post, pre) orientation: from the J output error cells to the I
        error cells of the layer (an image layer flattened).
    activity : (B, ...)
        Activity a of the layer, I values a sample.
    output : (B, J)
        Pre-activation of the output.
    """
    b_IJ, output_BJ = as_numpy(b), as_numpy(output)
    a_BI = as_numpy(activity).reshape(len(output_BJ), -1)
    if b_IJ.shape != (a_BI.shape[1], output_BJ.shape[1]):
        raise WiringError(
            f"direct_angle: feedback weights have shape {b_IJ.shape}, but (layer, output) = "
            f"({a_BI.shape[1]}, {output_BJ.shape[1]}). Are they in (post, pre) orientation?"
        )
    return _mean(_row_angles(a_BI @ b_IJ, output_BJ))


@dataclass(frozen=True)
class Moments:
    """Of a distribution of weights.

    Parameters
    ----------
    mean, std : float
    skew : float
        Third standardised moment; nan where all weights are equal.
    kurtosis : float
        Fourth standardised moment less 3: 0 for a normal distribution, -1.2 for a uniform one.
    """

    mean: float
    std: float
    skew: float
    kurtosis: float


def moments(w: Any) -> Moments:
    """Mean, standard deviation, skewness and excess kurtosis of all entries."""
    w = as_numpy(w).reshape(-1)
    if w.size == 0:
        raise WiringError("moments: got an array without entries, expected at least one weight")
    mean, std = float(w.mean()), float(w.std())
    # Equal weights leave a std of rounding errors, whose moments mean nothing.
    if std <= 1e-12 * abs(mean) or std == 0:
        return Moments(mean, 0.0, float("nan"), float("nan"))
    z = (w - mean) / std
    return Moments(mean, std, float((z**3).mean()), float((z**4).mean()) - 3)


def _weight_pairs(circuit: Circuit, weight: Callable[[str], Any]) -> dict[str, tuple[Array, Array]]:
    """W and Bᵀ of each feedback drive with a forward partner and weights."""
    pairs = {}
    for feedback in circuit.select(role="drive", path="feedback"):
        if feedback.weights is not None and feedback.partner is not None:
            w, b = as_numpy(weight(feedback.partner)), as_numpy(weight(feedback.name))
            # Weights of listed pairs are stored pair by pair, in the forward order on both sides.
            turned = b if b.ndim == 1 else b.swapaxes(0, 1)
            owner = f"feedback projection {feedback.name!r} against {feedback.partner!r}"
            _check_same_shape(owner, w, turned)
            pairs[feedback.name] = (w, turned)
    return pairs


def _row_angles(a_BI: Array, b_BI: Array) -> Array:
    """Angle of each row of `a_BI` to that row of `b_BI`; nan where either is zero."""
    a_unit, b_unit = _unit(a_BI), _unit(b_BI)
    # arccos of the cosine loses half of the digits near 0 and 180 degrees; this does not.
    apart = np.linalg.norm(a_unit - b_unit, axis=1)
    together = np.linalg.norm(a_unit + b_unit, axis=1)
    return np.degrees(2 * np.arctan2(apart, together))


def _unit(rows: Array) -> Array:
    # Divided by the largest entry first, so that tiny errors do not underflow when squared.
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = rows / largest
        return scaled / np.linalg.norm(scaled, axis=1, keepdims=True)


def _mean(values: Array) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _check_same_shape(owner: str, a: Array, b: Array) -> None:
    if a.shape != b.shape:
        raise WiringError(f"{owner}: shapes differ, {a.shape} and {b.shape}; expected equal ones")
