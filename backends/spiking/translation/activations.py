"""φ and φ′ as Brian2 expressions; φ′ from φ's value alone, which is what an error cell hears."""

from __future__ import annotations

LEAK = 0.01
# Those of which activity has a sign.
SIGNED = ("linear", "tanh", "leaky_relu", "elu")

_PHI = {
    "linear": "{u}",
    "relu": "clip({u}, 0, inf)",
    "leaky_relu": f"clip({{u}}, 0, inf) + {LEAK} * clip({{u}}, -inf, 0)",
    "elu": "clip({u}, 0, inf) + exp(clip({u}, -inf, 0)) - 1",
    "softplus": "clip({u}, 0, inf) + log1p(exp(-abs({u})))",
    "tanh": "tanh({u})",
    "sigmoid": "1 / (1 + exp(-({u})))",
}

_DERIVATIVE = {
    "relu": "int({a} > {least})",
    "leaky_relu": f"(int({{a}} > {{least}}) + {LEAK} * int({{a}} <= {{least}}))",
    "elu": "(int({a} > {least}) + int({a} <= {least}) * ({a} + 1))",
    "softplus": "(1 - exp(-({a})))",
    "tanh": "(1 - ({a}) ** 2)",
    "sigmoid": "(({a}) * (1 - ({a})))",
}


def phi(activation: str, u: str) -> str:
    """φ of the expression `u`."""
    return _PHI[activation].format(u=u)


def derivative(activation: str, a: str, least: str = "0") -> str | None:
    """φ′ where φ has the value `a`; None where it is 1 everywhere.

    Parameters
    ----------
    least : str
        Above which value a cell counts as active, for φ that are straight on both sides of zero.
    """
    if activation == "linear":
        return None
    return _DERIVATIVE[activation].format(a=a, least=least)
