"""What is known of each φ. The functions themselves stand once in each backend.

A new φ is an entry here and one in the table of each backend that can compute it.
"""

from __future__ import annotations

from dataclasses import dataclass

LEAK = 0.01  # slope of leaky_relu below zero, as torch has it


@dataclass(frozen=True)
class Activation:
    """Facts about one φ.

    Parameters
    ----------
    signed : bool
        Whether its value can be negative.
    slope_below : float, optional
        φ′ below zero of a φ that is straight on either side of it, with φ′ = 1 above: there the
        sign of the value says all.
    from_value : bool
        Whether φ′ follows from the value of φ. It does where φ is monotone; elsewhere a gate has
        to bring what φ is taken of.
    """

    signed: bool
    slope_below: float | None = None
    from_value: bool = True

    @property
    def linear(self) -> bool:
        """Whether φ′ = 1 everywhere, so that nobody needs to be told of it."""
        return self.slope_below == 1.0


PHI: dict[str, Activation] = {
    "linear": Activation(signed=True, slope_below=1.0),
    "relu": Activation(signed=False, slope_below=0.0),
    "leaky_relu": Activation(signed=True, slope_below=LEAK),
    "elu": Activation(signed=True),
    "softplus": Activation(signed=False),
    "tanh": Activation(signed=True),
    "sigmoid": Activation(signed=False),
    "gelu": Activation(signed=True, from_value=False),
    "silu": Activation(signed=True, from_value=False),
}
ACTIVATIONS = tuple(PHI)
