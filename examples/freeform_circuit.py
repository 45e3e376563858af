"""A free-form circuit wired by hand: two branches look at an image, and one skips ahead.

Shows that a circuit which no builder knows takes a dozen lines, prints what was wired, and saves
it as GraphML (for Gephi, networkx, igraph) and as JSON. No training; runs in under a second.

Usage: python freeform_circuit.py [FOLDER]     (FOLDER: where to save, by default ./out)
"""

import sys
from pathlib import Path

from oneway.circuits import (
    AllToAllConnector,
    AveragePoolConnector,
    Circuit,
    Conv2dConnector,
    FixedProbabilityConnector,
    MaxPoolConnector,
    Wiring,
    save_circuit,
)


def two_branches() -> Circuit:
    """A fine and a coarse view of the same image, summed, then sparse cells."""
    net = Wiring("two_branches")
    x = net.population("x", (1, 8, 8))
    fine = net.population("fine", (4, 8, 8), activation="relu", bias=True)
    coarse = net.population("coarse", (4, 4, 4), activation="tanh", bias=True)
    merged = net.population("merged", (4, 4, 4))
    hidden = net.population("hidden", (24,), activation="relu", bias=True)
    sparse = net.population("sparse", (16,), activation="sigmoid", bias=True)
    output = net.population("output", (10,), bias=True)
    net.connect(x, fine, Conv2dConnector(4, kernel=3, padding=1))
    net.connect(x, coarse, Conv2dConnector(4, kernel=4, stride=2, padding=1))
    net.connect(fine, merged, MaxPoolConnector(2))
    net.connect(coarse, merged)  # one to one: the same shape
    net.connect(merged, hidden, AllToAllConnector())
    net.connect(hidden, sparse, FixedProbabilityConnector(0.25, seed=1))
    net.connect(sparse, output, AllToAllConnector())
    pooled = net.population("pooled", (1, 2, 2))
    net.connect(x, pooled, AveragePoolConnector(4))
    net.connect(pooled, output, AllToAllConnector())  # skips everything between
    return net.build()


def main(folder: Path) -> None:
    circuit = two_branches()
    print(circuit.summary())
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in (".graphml", ".json"):
        print("saved", save_circuit(circuit, folder / f"{circuit.name}{suffix}"))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out"))
