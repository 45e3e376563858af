"""What the complete data sets hold, so that a run can be judged without reading them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from oneway.circuits import Circuit

from ..errors import DataError


@dataclass(frozen=True)
class Official:
    """Shape of an image (C, H, W), number of classes, of training and of test images."""

    image: tuple[int, int, int]
    classes: int
    n_train: int
    n_test: int


# ImageNet's images have many sizes: the one is what networks for it are built for.
OFFICIAL = {
    "digits": Official((1, 8, 8), 10, 1437, 360),
    "mnist": Official((1, 28, 28), 10, 60_000, 10_000),
    "fashion-mnist": Official((1, 28, 28), 10, 60_000, 10_000),
    "svhn": Official((3, 32, 32), 10, 73_257, 26_032),
    "cifar10": Official((3, 32, 32), 10, 50_000, 10_000),
    "cifar100": Official((3, 32, 32), 100, 50_000, 10_000),
    "tiny-imagenet": Official((3, 64, 64), 200, 100_000, 10_000),
    "imagenet": Official((3, 224, 224), 1000, 1_281_167, 50_000),
}


def is_complete(name: str, n_train: int, n_test: int) -> bool:
    """Whether these are all samples of the data set, those held out for validation included."""
    whole = OFFICIAL.get(name)
    return whole is not None and (n_train, n_test) == (whole.n_train, whole.n_test)


def check_official_fit(name: str, circuit: Circuit) -> None:
    """Complain if the circuit's input or output does not fit a data set that is not at hand."""
    whole = OFFICIAL.get(name)
    if whole is None:
        return
    shapes = [population.shape for population in circuit.inputs]
    if shapes not in ([whole.image], [(prod(whole.image),)]) or (
        circuit.output.size != whole.classes
    ):
        raise DataError(
            f"data set {name!r} has images of shape {whole.image} and {whole.classes} classes, but "
            f"circuit {circuit.name!r} has inputs {shapes} and {circuit.output.size} output cells"
        )
