"""φ and φ′ as Brian2 expressions; φ′ from φ's value where `circuits.PHI` says that it follows."""

from __future__ import annotations

from oneway.circuits import LEAK, PHI

# φ(u), and φ′ in terms of `a`: the value of φ, or u where φ′ does not follow from that.
_TEXTS: dict[str, tuple[str, str]] = {
    "linear": ("{u}", "1"),
    "relu": ("clip({u}, 0, inf)", "int({a} > {least})"),
    "leaky_relu": (
        f"clip({{u}}, 0, inf) + {LEAK} * clip({{u}}, -inf, 0)",
        f"int({{a}} > {{least}}) + {LEAK} * int({{a}} <= {{least}})",
    ),
    "elu": (
        "clip({u}, 0, inf) + exp(clip({u}, -inf, 0)) - 1",
        "int({a} > {least}) + int({a} <= {least}) * ({a} + 1)",
    ),
    "softplus": ("clip({u}, 0, inf) + log1p(exp(-abs({u})))", "1 - exp(-({a}))"),
    "tanh": ("tanh({u})", "1 - ({a}) ** 2"),
    "sigmoid": ("1 / (1 + exp(-({u})))", "({a}) * (1 - ({a}))"),
    "gelu": (
        "({u}) * (1 + erf(({u}) / sqrt(2))) / 2",
        "(1 + erf(({a}) / sqrt(2))) / 2 + ({a}) * exp(-({a}) ** 2 / 2) / sqrt(2 * pi)",
    ),
    "silu": (
        "({u}) / (1 + exp(-({u})))",
        "(1 + ({a}) * exp(-({a})) / (1 + exp(-({a})))) / (1 + exp(-({a})))",
    ),
}
# Functions that Brian2 does not have: φ that needs it → its name, see `brian.functions`.
FUNCTIONS = {"gelu": "erf"}


def phi(activation: str, u: str) -> str:
    """φ of the expression `u`."""
    if PHI[activation].linear:
        return u
    return "(" + _TEXTS[activation][0].format(u=u) + ")"


def derivative(activation: str, a: str, least: str = "0") -> str:
    """φ′ where φ has the value `a`, or is taken of `a` where φ′ does not follow from its value.

    A cell counts as active above `least`, for φ that are straight on both sides of zero.
    """
    return "(" + _TEXTS[activation][1].format(a=a, least=least) + ")"
