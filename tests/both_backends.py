"""One circuit in both backends: they agree to rounding, or one of them says why it cannot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from oneway.backends.rate import RateNetwork
from oneway.backends.spiking import Changes, SpikingNetwork
from oneway.backends.spiking.sessions import oracle
from oneway.circuits import Circuit, WiringError

SAMPLES, TOLERANCE = 3, 1e-9
RATES = {"forward": (0.2, 0.1), "feedback": (0.05, 0.3)}  # η, and λ = η · weight decay


class Both:
    """A circuit as rates and as settled Brian2 equations, with equal weights and biases.

    `tolerance` is relative to the largest entry of what is compared; both sides are float64.
    """

    def __init__(
        self, circuit: Circuit, tolerance: float = TOLERANCE, rate_loss=None, **options
    ) -> None:
        self.circuit, self.tolerance = circuit, tolerance
        generator = torch.Generator().manual_seed(5)
        self.rate = RateNetwork(circuit, dtype=torch.float64, seed=1, loss=rate_loss)
        for bias in self.rate.biases.values():
            bias.data.normal_(0, 0.3, generator=generator)
        self.settled = SpikingNetwork(
            circuit,
            weights={name: self.rate.weight(name).numpy() for name in self.rate.weights},
            biases={name: bias.detach().numpy() for name, bias in self.rate.biases.items()},
            dynamics="settled",
            **options,
        )
        shape = (SAMPLES, *circuit.inputs[0].shape)
        self.x = torch.randn(shape, dtype=torch.float64, generator=generator)
        self.y = torch.arange(SAMPLES) % circuit.output.size
        self.generator = generator

    def compare(self, learning: bool) -> None:
        """Activities and errors, changes of data and of noise, and perhaps a step of one sample."""
        self.compare_data()
        if self.circuit.reading.noisy_phases:
            self.compare_noise()
        if learning:
            self._compare_learning()

    def compare_data(self) -> Changes:
        """Activities and errors of every population, and what one step changes."""
        expected = self.rate.signals(self.x, self.y)
        self.rate.step(self.x, self.y)
        signals, changes = oracle.settle(self.settled._engine, self.x.numpy(), self.y.numpy())
        self._close(signals, {name: a.numpy() for name, a in expected.items()})
        self._close_changes(changes)
        return changes

    def _close_changes(self, changes) -> None:
        for parameters, got in (
            (self.rate.weights, changes.weights),
            (self.rate.biases, changes.biases),
        ):
            grads = {n: p.grad for n, p in parameters.items() if p.grad is not None}
            expected = {}
            for name, grad in grads.items():
                p = self.circuit.projections.get(name)
                transposed = p is not None and hasattr(p.connector, "inner") and grad.dim() > 1
                expected[name] = (grad.transpose(0, 1) if transposed else grad).numpy()
            self._close(got, expected)

    def compare_noise(self) -> Changes:
        """What learning from noise changes, of the same noise."""
        drawn = {}

        def noise(name, phase, batch, generator):
            shape = (batch, *self.circuit.populations[name].shape)
            if name not in drawn:
                standard = torch.randn(shape, dtype=torch.float64, generator=self.generator)
                drawn[name] = phase.noise_mean + phase.noise_std * standard
            return drawn[name]

        self.rate._noise = noise
        self.rate.spontaneous_step(4)
        given = {name: values.numpy() for name, values in drawn.items()}
        changes = self.settled.spontaneous_changes(given)
        self._close_changes(changes)
        return changes

    def _compare_learning(self) -> None:
        rates = self.settled.rates
        (rates.forward_rate, forward), (rates.feedback_rate, feedback) = RATES.values()
        rates.forward_decay, rates.feedback_decay = (rate * decay for rate, decay in RATES.values())
        groups = self.rate.parameter_groups(
            forward={"lr": rates.forward_rate, "weight_decay": forward},
            feedback={"lr": rates.feedback_rate, "weight_decay": feedback},
        )
        if not groups:
            return
        optimizer = torch.optim.SGD(groups)
        self.rate.step(self.x[:1], self.y[:1])
        optimizer.step()
        self.settled.present(self.x[:1].numpy(), self.y[:1].numpy(), learn=True)
        self._close(
            self.settled.weights(), {n: self.rate.weight(n).numpy() for n in self.rate.weights}
        )
        self._close(
            self.settled.biases(), {n: b.detach().numpy() for n, b in self.rate.biases.items()}
        )

    def _close(self, got, expected) -> None:
        assert set(got) == set(expected)
        for name, value in expected.items():
            atol = self.tolerance * max(1e-3, float(np.abs(value).max(initial=0)))
            np.testing.assert_allclose(got[name], value, rtol=0, atol=atol, err_msg=name)


def verdict(make: Callable[[], Circuit], learning: bool = False) -> str:
    """`agree`, or the sentence with which a circuit was refused; anything else fails."""
    try:
        Both(make()).compare(learning)
    except WiringError as error:
        return str(error)
    return "agree"
