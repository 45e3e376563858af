"""The same circuit in both backends, with the same weights and the same batch."""

from dataclasses import dataclass

import numpy as np
import torch

from oneway.backends.rate import RateNetwork
from oneway.backends.spiking import Changes, SpikingNetwork
from oneway.circuits import (
    AllToAllConnector,
    AveragePoolConnector,
    Circuit,
    Conv2dConnector,
    OneToOneConnector,
    TransposeConnector,
    Wiring,
)

SAMPLES = 3
TOLERANCE = 1e-12  # relative to the largest entry; both sides are float64


@dataclass
class Both:
    """A circuit as rates and as settled Brian2 equations."""

    circuit: Circuit
    rate: RateNetwork
    spiking: SpikingNetwork
    x: torch.Tensor
    y: torch.Tensor

    @classmethod
    def of(cls, circuit: Circuit, rate_loss=None, **options) -> "Both":
        generator = torch.Generator().manual_seed(5)
        rate = RateNetwork(circuit, dtype=torch.float64, seed=1, loss=rate_loss)
        for bias in rate.biases.values():
            bias.data.normal_(0, 0.3, generator=generator)
        spiking = SpikingNetwork(
            circuit,
            weights={name: rate.weight(name).numpy() for name in rate.weights},
            biases={name: bias.detach().numpy() for name, bias in rate.biases.items()},
            dynamics="settled",
            **options,
        )
        shape = (SAMPLES, *circuit.inputs[0].shape)
        x = torch.randn(shape, dtype=torch.float64, generator=generator)
        return cls(circuit, rate, spiking, x, torch.arange(SAMPLES) % circuit.output.size)

    def assert_same_signals(self) -> None:
        """Activities and errors of every population."""
        expected = self.rate.signals(self.x, self.y)
        got = self.spiking.signals(self.x.numpy(), self.y.numpy())
        assert set(got) == set(expected)
        for name, value in expected.items():
            assert_close(got[name], value.numpy(), name)

    def assert_same_changes(self) -> None:
        """What one step changes."""
        self.rate.step(self.x, self.y)
        assert_changes(self.rate, self.spiking.changes(self.x.numpy(), self.y.numpy()))


def assert_changes(rate: RateNetwork, changes: Changes) -> None:
    """Gradients of the rate backend, and nothing else, are what changes."""
    for kind, parameters, got in (
        ("weights", rate.weights, changes.weights),
        ("bias", rate.biases, changes.biases),
    ):
        expected = {name: p.grad for name, p in parameters.items() if p.grad is not None}
        assert set(got) == set(expected)
        for name, gradient in expected.items():
            value = gradient.numpy()
            if kind == "weights" and isinstance(
                rate.circuit.projections[name].connector, TransposeConnector
            ):
                value = value.swapaxes(0, 1) if value.ndim > 1 else value
            assert np.abs(value).max() > 0, f"{name} does not learn: nothing is compared"
            assert_close(got[name], value, name)


def assert_close(got: np.ndarray, expected: np.ndarray, name: str) -> None:
    np.testing.assert_allclose(
        got, expected, rtol=0, atol=TOLERANCE * max(1e-3, np.abs(expected).max()), err_msg=name
    )


def small_conv(
    activation: str = "tanh", pool=None, groups: int = 1, pixels: int = 4, dilation: int = 1
) -> Circuit:
    """Two convolutions, a pool and a shortcut between them, and a dense output.

    ::

        x ──conv──> h1 ──pool──> pool ──conv──> h2 ──> output
                                   └──1:1──────^
    """
    pool = pool or AveragePoolConnector(2)
    net = Wiring("small conv")
    x = net.population("x", (2, pixels, pixels))
    h1 = net.population("h1", (4, pixels, pixels), activation=activation, bias=True)
    net.connect(x, h1, Conv2dConnector(4, 3, 1, dilation, groups, dilation))
    pooled = net.population("pool", pool.output_shape(h1.shape))
    net.connect(h1, pooled, pool)
    h2 = net.population("h2", pooled.shape, activation=activation, bias=True)
    net.connect(pooled, h2, Conv2dConnector(4, 3, padding=1))
    net.connect(pooled, h2, OneToOneConnector(), name="shortcut")
    output = net.population("output", (3,), bias=True)
    net.connect(h2, output, AllToAllConnector())
    return net.build()
