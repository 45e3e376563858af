"""Smoke sizes: a recipe made so small that it takes seconds, to see that all of it works.

Same data set, rule and optimizers; few images, two epochs, a narrow network. Accuracies of a smoke
run say nothing. Where the data set is not at hand, synthetic images of its shape stand in for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from oneway.circuits import WiringError, parse_circuit

from ..data.catalogue import OFFICIAL
from ..data.dataset import DataSet

EPOCHS, TRAIN, TEST, BATCH = 2, 128, 64, 32
NARROW = {"width": 4, "hidden": 32}
_PATHS = ("", "feedback_")


def shrunk(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a recipe at smoke size; its rates shrink in proportion to the batch."""
    small = {**settings, "epochs": EPOCHS, "limit": (TRAIN, TEST), "seeds": 1}
    if "circuit" in settings:
        small["circuit"] = narrow(settings["circuit"])
    batch = settings.get("batch_size", BATCH)
    small["batch_size"] = min(batch, BATCH)
    for path in _PATHS:
        optimizer = settings.get(f"{path}optimizer", settings.get("optimizer"))
        if f"{path}lr" in settings and optimizer != "adam":
            small[f"{path}lr"] = settings[f"{path}lr"] * small["batch_size"] / batch
        for warmup in (f"{path}warmup_epochs", f"{path}decay_warmup_epochs"):
            if settings.get(warmup):
                small[warmup] = 1
    if settings.get("spontaneous_warmup_epochs"):
        small["spontaneous_warmup_epochs"] = 1
    if settings.get("validation"):
        small["validation"] = 0.25
    return small


def narrow(circuit: str) -> str:
    """The builder string with few channels and cells, where its builder has a say in that."""
    options = {part.partition("=")[0] for part in circuit.split(",")[1:]}
    for key, value in NARROW.items():
        longer = f"{circuit},{key}={value}"
        if key not in options:
            with suppress(WiringError):
                parse_circuit(longer)
                circuit = longer
    return circuit


def synthetic(name: str, seed: int = 0) -> DataSet:
    """Noisy images of the shape of a data set: one random pattern for each of its classes."""
    whole = OFFICIAL[name]
    generator = np.random.default_rng(seed)
    C, H, W = whole.image
    blocks = generator.integers(0, 128, (whole.classes, C, 4, 4))  # a pattern is 4×4 of them

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        y = generator.integers(whole.classes, size=n)
        patterns = np.kron(blocks[y], np.ones((H // 4, W // 4), dtype=np.int64))
        noise = generator.integers(0, 128, (n, C, H, W))
        return (patterns + noise).astype(np.uint8), y

    return DataSet.from_arrays(f"synthetic {name}", draw(TRAIN), draw(TEST), whole.classes)
