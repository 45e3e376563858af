"""Push-pull pairs as two cells, as rates in plain numpy: does Kolen-Pollack or FA learn the digits?

The equations of settled cells, one sample after another, squared error, 64-48-48-10. `shared`: one
weight for all copies; `independent`: each copy learns from what its own two cells fire or are
taught; `told`: a presynaptic cell also knows what its partner fires; `unlike`: so too, but every
copy starts from a draw of its own. An accuracy of nan means that errors grew without end.

    python benchmarks/pairs_as_rates.py [--rules kp fa] [--seeds 0 1 2]
"""

from __future__ import annotations

import argparse

import numpy as np

from oneway.circuits import Circuit, first_draw, mlp
from oneway.rules import parse_rule
from oneway.training import load_data

W1, W2, W3 = "x -> h1", "h1 -> h2", "h2 -> output"
B3, B2 = "delta_output -> delta_h2", "delta_h2 -> delta_h1"
TO_PAIRS, FROM_PAIRS = {W3, B3, B2}, {W1, B3, B2}
ETA, DECAY, EPOCHS = 0.02, 1e-4, 5


class Pairs:
    """Weights and what cells fire, of one kind of pairs."""

    def __init__(self, circuit: Circuit, kind: str, seed: int) -> None:
        self.two, self.unlike = kind != "shared", kind == "unlike"
        self.told = kind in ("told", "unlike")
        self.w = {name: self._copies(circuit, name, seed) for name in (W1, W2, W3, B3, B2)}
        self.b = [np.zeros(48), np.zeros(48), np.zeros(20 if self.two else 10)]

    def _copies(self, circuit: Circuit, name: str, seed: int) -> np.ndarray:
        def drawn(copy: int) -> np.ndarray:
            p = circuit.projections[name]
            w = first_draw(circuit, p, seed + 1000 * copy * self.unlike)
            return w.T if p.connector.transposed else w

        rows, columns = (range(1 + (self.two and name in s)) for s in (TO_PAIRS, FROM_PAIRS))
        return np.block([[(-1) ** (i + j) * drawn(2 * i + j) for j in columns] for i in rows])

    def fired(self, units: np.ndarray) -> np.ndarray:
        """What each cell fires for the activity of units."""
        return np.concatenate([units, -units]).clip(0) if self.two else units

    def taught(self, units: np.ndarray) -> np.ndarray:
        """What each cell is taught."""
        return np.concatenate([units, -units]) if self.two else units

    def units(self, driven: np.ndarray) -> np.ndarray:
        """Activity of units from what drives their cells."""
        if not self.two:
            return driven
        positive, negative = np.split(driven, 2)
        return positive.clip(0) - negative.clip(0)

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Activity of both hidden populations and of the output."""
        h1 = (self.w[W1] @ self.fired(x) + self.b[0]).clip(0)
        h2 = (self.w[W2] @ h1 + self.b[1]).clip(0)
        return h1, h2, self.units(self.w[W3] @ h2 + self.b[2])

    def learn(self, x: np.ndarray, y: np.ndarray, mirror: bool, part: float) -> None:
        """One sample; `mirror`: feedback weights learn as under Kolen-Pollack."""
        h1, h2, output = self.forward(x)
        d3 = output - y
        d2 = self.units(self.w[B3] @ self.fired(d3)) * (h2 > 0)
        d1 = self.units(self.w[B2] @ self.fired(d2)) * (h1 > 0)
        traces = self.taught if self.told else self.fired
        products = {W1: (d1, traces(x)), W2: (d2, h1), W3: (self.taught(d3), h2)}
        if mirror:
            products[B3] = (self.taught(h2), traces(d3))
            products[B2] = (self.taught(h1), traces(d2))
        for name, (post, pre) in products.items():
            self.w[name] -= part * (ETA * np.outer(post, pre) + DECAY * self.w[name])
        for number, post in enumerate((d1, d2, self.taught(d3))):
            self.b[number] -= part * (ETA * post + DECAY * self.b[number])


def accuracy(rule: str, kind: str, seed: int) -> float:
    """Of the test samples, in per cent, after all epochs."""
    data = load_data("digits", shape=(64,))
    x, tests = (
        data.normalise(part).double().numpy().reshape(len(part), -1)
        for part in (data.train_x, data.test_x)
    )
    net = Pairs(parse_rule(rule).wire(mlp((64, 48, 48, 10))), kind, seed)
    rng, targets = np.random.default_rng(seed), np.eye(10)[data.train_y.numpy()]
    rows = np.concatenate([rng.permutation(len(x)) for _ in range(EPOCHS)])
    for number, row in enumerate(rows):
        net.learn(x[row], targets[row], rule == "kp", 1 - number / len(rows))
        if not np.isfinite(net.w[W1]).all():
            return float("nan")  # errors have grown without end
    answers = np.array([net.forward(one)[2].argmax() for one in tests])
    return 100 * float(np.mean(answers == data.test_y.numpy()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", nargs="+", default=("kp", "fa"), choices=("kp", "fa"))
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2))
    given = parser.parse_args()
    np.seterr(all="ignore")
    for rule in given.rules:
        for kind in ("told", "independent", "unlike", "shared"):
            found = [accuracy(rule, kind, seed) for seed in given.seeds]
            print(rule, kind, *(f"{one:.1f}" for one in found), flush=True)
