"""Usual names for the parameters of a circuit that comes from no module."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import accumulate

from oneway.circuits import Circuit

from .names import BIAS, GAIN, MEAN, SHIFT, VAR, WEIGHTS, Names

# Blocks in the stages of a residual net; torchvision names its parameters by stage.
_STAGES = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
_OF_NORM = {MEAN: "running_mean", VAR: "running_var", GAIN: "weight", SHIFT: "bias"}

# Population, number of the weighted drive to it, is it an image, is it normalised -> paths of layer
# and norm.
Path = Callable[[str, int, bool, bool], tuple[str, str]]


def usual_names(circuit: Circuit) -> Names:
    """Names after populations, or those of torchvision for its residual nets.

    ``h1.weight``; where there is a norm ``h1.linear.weight`` and ``h1.norm.weight``, or
    ``h1.conv.weight``; further drives to the same cells ``h1_shortcut.conv.weight``.
    """
    stages = _STAGES.get(circuit.name.split(":")[0])
    path: Path = _by_population if stages is None else _Torchvision(circuit, stages)
    places: dict[str, tuple[str, str]] = {}
    for name in circuit.order("forward"):
        cell = circuit.populations[name]
        drives = list(circuit.select(role="drive", post=name, path="forward"))
        drives.sort(key=lambda p: p.weights is None)  # a norm by itself comes last
        biased = cell.bias
        for i, p in enumerate(p for p in drives if p.weights or p.norm):
            normed = p.norm is not None or cell.norm is not None
            layer, norm = path(name, i, p.connector.convolutional, normed)
            if p.weights is not None:
                places[f"{layer}.weight"] = (WEIGHTS, p.name)
            if biased and p.weights is not None and p.norm is None:
                places[f"{layer}.bias"], biased = (BIAS, name), False
            if p.norm is not None:
                places |= _norm_places(norm, p.name, p.norm.affine)
            elif cell.norm is not None and i == 0:
                places |= _norm_places(norm, name, cell.norm.affine)
        if biased:
            places[f"{name}_bias"] = (BIAS, name)
    return Names(places)


def _norm_places(path: str, owner: str, affine: bool) -> dict[str, tuple[str, str]]:
    kinds = list(_OF_NORM)[: 4 if affine else 2]
    return {f"{path}.{_OF_NORM[kind]}": (kind, owner) for kind in kinds}


def _by_population(name: str, number: int, image: bool, normed: bool) -> tuple[str, str]:
    base = name if number == 0 else f"{name}_shortcut{number if number > 1 else ''}"
    layer = f"{base}.{'conv' if image else 'linear'}" if normed else base
    return layer, f"{base}.norm"


class _Torchvision:
    """``layer2.0.conv1``, ``layer2.0.bn1``, ``layer2.0.downsample.0``, ``fc``."""

    def __init__(self, circuit: Circuit, stages: tuple[int, ...]) -> None:
        self.circuit, self.ends = circuit, list(accumulate(stages))

    def __call__(self, name: str, number: int, image: bool, normed: bool) -> tuple[str, str]:
        block = re.fullmatch(r"block(\d+)(_[ab])?", name)
        if block is None:
            return ("conv1", "bn1") if name == "stem" else ("fc", "bn")
        n = int(block[1]) - 1
        stage = next(i for i, end in enumerate(self.ends) if n < end)
        path = f"layer{stage + 1}.{n - (self.ends[stage - 1] if stage else 0)}"
        if number:
            return f"{path}.downsample.0", f"{path}.downsample.1"
        last = 3 if f"{name}_b" in self.circuit.populations else 2
        place = {"_a": 1, "_b": 2}.get(block[2], last)
        return f"{path}.conv{place}", f"{path}.bn{place}"
