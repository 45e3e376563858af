"""Step time of learning rules as published code computes them, and as ours does, on the same work.

Shows: seconds a step (forward, backward, SGD with momentum) of one residual net under

- autograd: backpropagation through torch's own layers, eager and, with --compile, compiled;
- FA, peer: feedback alignment as autograd functions with a second weight, as biotorch's layers are;
- ASAP, peer: an autograd function that also takes the shared activity, as the released code of the
  ASAP paper does: the error's way back through B, then the product with the shared activity;
- ours: the same rules in the rate backend.

Everybody takes turns in one process; ratios are to eager autograd within each round; medians and
quartiles over the rounds. Before anything is timed, peers and ours are checked to compute the same
changes from the same weights, in float64. Peers are written here, independently, after the
published ideas; no published code is run.

A quarter of a minute on one core with the defaults (resnet18 of width 16, batch 16, 15 rounds),
twice that at width 32. One process, one set of weights: a seed changes nothing that is timed.

    python benchmarks/step_time.py [--circuit C] [--batch N] [--repeats N] [--threads N]
                                   [--device D] [--compile]
"""

from __future__ import annotations

import argparse
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from oneway.backends.rate import RateNetwork
from oneway.backends.rate.autograd import PlainNetwork
from oneway.circuits import Circuit, parse_circuit
from oneway.rules import parse_rule
from oneway.training.bench.contenders import (
    BenchConfig,
    Contender,
    model_contender,
    plain_contender,
    random_batch,
    rule_contender,
)
from oneway.training.bench.timing import alternate, paired_ratio, peak
from oneway.training.hardware import hardware_line, threads
from oneway.training.progress import ProgressBar

PEERS = {"FA, peer": "fa", "ASAP k=2, peer": "asap,k=2", "ASAP k=4, peer": "asap,k=4"}
OURS = {
    "BP, ours": "bp",
    "FA, ours": "fa",
    "ASAP k=2, ours": "asap,k=2",
    "ASAP k=4, ours": "asap,k=4",
}


# -- peers -------------------------------------------------------------------------------------


class AsymmetricConv(torch.autograd.Function):
    """A convolution whose error goes back through b, and whose weights learn from `shared`."""

    @staticmethod
    def forward(ctx, x, shared, w, b, stride, padding):
        ctx.save_for_backward(shared, w, b)
        ctx.shape, ctx.geometry = x.shape, (stride, padding)
        return F.conv2d(x, w, stride=stride, padding=padding)

    @staticmethod
    def backward(ctx, error):
        shared, w, b = ctx.saved_tensors
        x_like = error.new_empty(1).expand(ctx.shape)
        to_x = _convolution_backward(ctx, error, x_like, b, (True, False, False))[0]
        change = _convolution_backward(ctx, error, shared, w, (False, True, False))[1]
        return to_x, None, change, change if ctx.needs_input_grad[3] else None, None, None


def _convolution_backward(ctx, error, x, w, mask):
    stride, padding = ctx.geometry
    return torch.ops.aten.convolution_backward(
        error, x, w, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1, mask
    )


class AsymmetricLinear(torch.autograd.Function):
    """A fully connected layer whose error goes back through b."""

    @staticmethod
    def forward(ctx, x, w, b):
        ctx.save_for_backward(x, b)
        return x @ w.T

    @staticmethod
    def backward(ctx, error):
        x, b = ctx.saved_tensors
        change = error.T @ x
        return error @ b, change, change if ctx.needs_input_grad[2] else None


class PeerNetwork(PlainNetwork):
    """The plain network with asymmetric layers, driven by autograd.

    Parameters
    ----------
    wired : Circuit
        Says for each layer whose activity it learns from and whether its feedback weights learn.
    """

    def __init__(self, wired: Circuit) -> None:
        super().__init__(wired)
        self.feedback = nn.ParameterDict()
        for w in self._weighted(wired):
            backward = self._partner(wired, w.name)
            learns = backward is not None and backward.plasticity is not None
            forward = self._layer(w.name).weight
            drawn = nn.Parameter(torch.empty_like(forward), requires_grad=learns)
            self.feedback[w.name] = nn.init.kaiming_uniform_(drawn, a=5**0.5)
        self.sources = {w.name: self._source(wired, w) for w in self._weighted(wired)}

    @staticmethod
    def _weighted(wired):
        return [p for p in wired.select(role="drive", path="forward") if p.weights is not None]

    @staticmethod
    def _partner(wired, name):
        return next((p for p in wired.select(path="feedback") if p.partner == name), None)

    @staticmethod
    def _source(wired, w):
        mimic = next(wired.select(role="mimic", post=w.pre, phase=w.plasticity.phase), None)
        return w.pre if mimic is None else mimic.pre

    def _layer(self, name):
        kinds = (nn.Conv2d, nn.Linear)
        return next(layer for layer in self.drives[name] if isinstance(layer, kinds))

    def forward(self, x: Tensor) -> Tensor:
        h: dict[str, Tensor] = {}
        for name in self.order:
            u = x
            for i, (drive, pre) in enumerate(self.incoming[name]):
                z = self._drive(drive, pre, h)
                u = z if i == 0 else u + z
            h[name] = self.phis[name](u)
        return h[name]

    def _drive(self, name: str, pre: str, h: dict[str, Tensor]) -> Tensor:
        if name not in self.sources:
            return self.drives[name](h[pre])
        z = h[pre]
        for layer in self.drives[name]:
            if isinstance(layer, nn.Conv2d):
                shared = _matched(h[self.sources[name]].detach(), z)
                geometry = (layer.stride[0], layer.padding[0])
                z = AsymmetricConv.apply(z, shared, layer.weight, self.feedback[name], *geometry)
            elif isinstance(layer, nn.Linear):
                z = AsymmetricLinear.apply(z, layer.weight, self.feedback[name])
                z = z if layer.bias is None else z + layer.bias
            else:
                z = layer(z)
        return z


def _matched(shared: Tensor, like: Tensor) -> Tensor:
    """Repeated along channels, then max-pooled, to the shape of the layer's own input."""
    copies, window = like.shape[1] // shared.shape[1], shared.shape[2] // like.shape[2]
    # repeat(1, 1, 1, 1) would copy, which no peer deserves.
    repeated = shared if copies == 1 else shared.repeat(1, copies, 1, 1)
    return repeated if window == 1 else F.max_pool2d(repeated, window)


# -- the same work -----------------------------------------------------------------------------


def check_same_changes(circuit: Circuit, rule: str) -> None:
    """Peer and ours change the same weights by the same amounts."""
    wired = parse_rule(rule).wire(circuit)
    ours, peer = RateNetwork(wired, dtype=torch.float64), PeerNetwork(wired).double()
    pairs = []
    with torch.no_grad():
        for name, feedback in peer.feedback.items():
            layer = peer._layer(name)
            weight = layer.weight
            weight.copy_(ours.weights[name])
            if layer.bias is not None:
                layer.bias.copy_(ours.biases[wired.projections[name].post])
            pairs.append((name, weight, ours.weights[name]))
            back = peer._partner(wired, name)
            if back is not None:
                feedback.copy_(ours.weights[back.name])
                pairs.append((back.name, feedback, ours.weights[back.name]))
    x, y = random_batch(circuit, BenchConfig(batch=4, dtype="float64"))
    ours.step(x, y)
    F.cross_entropy(peer(x), y).backward()
    for name, theirs, own in pairs:
        if (theirs.grad is None) != (own.grad is None):
            raise SystemExit(f"{rule}: only one side learns {name}")
        if own.grad is not None and not torch.allclose(theirs.grad, own.grad, 1e-8, 1e-12):
            raise SystemExit(f"{rule}: peer and ours differ in the change of {name}")


def contenders(circuit: Circuit, config: BenchConfig, compiled: bool) -> list[Contender]:
    x, y = random_batch(circuit, config)
    found = [plain_contender(circuit, config, x, y)]
    if compiled:
        model = torch.compile(PlainNetwork(circuit).to(x.device, x.dtype))
        found.append(model_contender("autograd, compiled", model, x, y))
    for name, rule in PEERS.items():
        model = PeerNetwork(parse_rule(rule).wire(circuit)).to(x.device, x.dtype)
        found.append(model_contender(name, model, x, y))
    for name, rule in OURS.items():
        found.append(rule_contender(name, parse_rule(rule).wire(circuit), config, x, y))
    return found


# -- the table ---------------------------------------------------------------------------------


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--circuit", default="resnet18:3x32x32-10,width=16", help="builder string")
    parser.add_argument("--batch", type=int, default=16, help="samples a step")
    parser.add_argument("--repeats", type=int, default=15, help="rounds")
    parser.add_argument("--threads", type=int, help="threads on the CPU")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--compile", action="store_true", help="torch.compile as a further peer")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    circuit = parse_circuit(chosen.circuit)
    config = BenchConfig(chosen.batch, chosen.device, repeats=chosen.repeats)
    for rule in PEERS.values():
        check_same_changes(circuit, rule)
    with threads(chosen.threads):
        print(f"{circuit.name}, batch {config.batch}, {config.dtype}, {config.repeats} rounds")
        print(hardware_line(config.device))
        entrants = contenders(circuit, config, chosen.compile)
        with ProgressBar("step time", config.repeats * len(entrants)) as progress:
            seconds = alternate(entrants, config, progress.advance)
    baseline, base_peak = seconds[entrants[0].name], peak(entrants[0], config.device)
    print(f"{'':20}{'ms':>9}{'time':>7}  {'quartiles':11}{'MiB':>8}{'memory':>8}")
    for entrant in entrants:
        taken, memory = seconds[entrant.name], peak(entrant, config.device)
        ratio = paired_ratio(taken, baseline)
        print(
            f"{entrant.name:20}{1000 * median(taken):9.2f}{ratio.median:7.2f}  "
            f"{ratio.low:.2f}-{ratio.high:.2f}  {memory.activity / 2**20:8.1f}"
            f"{memory.activity / base_peak.activity:8.2f}"
        )


if __name__ == "__main__":
    main()
