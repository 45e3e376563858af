"""Wrong wirings raise when the circuit is built, and the message says what and how to mend it."""

import pytest
from hand_wired import kolen_pollack_by_hand
from strategies import ALL_TO_ALL

from oneway.circuits import (
    ACTIVITY,
    BatchNorm,
    Circuit,
    Conv2dConnector,
    DropoutConnector,
    MaxPoolConnector,
    OneToOneConnector,
    Phase,
    Plasticity,
    Population,
    Projection,
    ReshapeConnector,
    Signal,
    TransposeConnector,
    Weights,
    Wiring,
    WiringError,
    mlp,
    taught_by,
)

BACK = "delta_output -> delta_h1"


def change(name, **changes):
    """A wrong wiring: the hand-wired circuit with one projection changed."""
    return lambda net: net.update(net.projections[name], **changes)


def cell(name, **changes):
    return lambda net: net.update(net.populations[name], **changes)


def cycle(net):
    net.connect("output", "x", ALL_TO_ALL, name="round")


def tied_to_tied(net):
    net.connect(
        "h1", "output", ALL_TO_ALL, name="second", weights=Weights("tied", to="h1 -> output")
    )
    net.connect("h1", "output", ALL_TO_ALL, name="third", weights=Weights("tied", to="second"))


def mimic_two(net):
    net.population("other", (3,), path="auxiliary")
    net.mimic("other", "delta_h1", "mirror")


def compare_with_a_third(net):
    net.population("more", (2,))
    net.connect("more", "delta_output", role="compare")


def pool_backwards(net):
    image, pooled = net.population("image", (1, 4, 4)), net.population("pooled", (1, 2, 2))
    pool = net.connect(image, pooled, MaxPoolConnector(2))
    net.population("delta_image", (1, 4, 4), path="feedback", partner="image")
    net.population("delta_pooled", (1, 2, 2), path="feedback", partner="pooled")
    back = TransposeConnector(pool.connector)
    net.connect("delta_pooled", "delta_image", back, partner=pool.name)


def dropout_backwards(net):
    more = net.population("more", (3,))
    dropout = net.connect("h1", more, DropoutConnector(0.5))
    net.population("delta_more", (3,), path="feedback", partner="more")
    back = dropout.connector.transpose
    net.connect("delta_more", "delta_h1", back, partner=dropout.name)
    net.update(net.projections["gate: h1 -> delta_h1"], pre="delta_more")


def normalised_by(pre, post):
    """Batch norm's derivative at delta_output, told of something else."""

    def wire(net):
        net.update(net.projections[BACK], error_norm="full")
        net.connect(pre, post, role="norm")

    return wire


def learning(pre=ACTIVITY, post=ACTIVITY, phase="engaged"):
    return {"plasticity": Plasticity(pre, post, phase)}


WRONG = {
    "partner unknown": (
        cell("delta_h1", partner="h7"),
        r"'delta_h1': its partner 'h7' is not in the circuit. Populations: x, h1",
    ),
    "partner of another shape": (
        cell("delta_h1", partner="output"),
        r"'delta_h1' has shape \(3,\), but its partner 'output' has \(2,\): .*cell by cell",
    ),
    "bias learns from nobody": (
        cell("h1", learns=taught_by("target")),
        r"population 'h1': learns from what 'target' teaches 'h1'.*Taught by: delta_h1",
    ),
    "gain and shift after φ": (
        cell("h1", norm=BatchNorm()),
        r"'h1': normalisation after φ needs BatchNorm\(affine=False\)",
    ),
    "noisy population unknown": (
        lambda net: net.phase("dream", noisy=("h9",)),
        r"phase 'dream': noisy population 'h9' is not in the circuit. Populations: x",
    ),
    "end unknown": (
        lambda net: net.connect("h9", "output", ALL_TO_ALL),
        r"'h9 -> output' \('h9' -> 'output', drive\): there is no population 'h9'. Populations: x",
    ),
    "shapes": (
        change("x -> h1", connector=OneToOneConnector(), weights=None),
        r"pre 'x' \(4,\) and post 'h1' \(3,\). OneToOneConnector needs equal shapes.*Use AllToAll",
    ),
    "shapes of a teach projection": (
        lambda net: net.teach("delta_output", "h1"),
        r"'delta_output' -> 'h1', teach\): .*pre 'delta_output' \(2,\) and post 'h1' \(3,\)",
    ),
    "gate without derivative": (
        change("gate: h1 -> delta_h1", derivative=None),
        r"\('h1' -> 'delta_h1', gate\): a gate needs derivative=",
    ),
    "phase unknown": (
        change("x -> h1", phases=("engaged", "sleep")),
        r"'x -> h1' .*: phase 'sleep' is not one of the circuit's phases engaged, mirror",
    ),
    "phase of learning unknown": (
        change("x -> h1", **learning(phase="sleep")),
        "phase 'sleep' is not one of the circuit's phases engaged, mirror",
    ),
    "weights missing": (
        change("x -> h1", weights=None),
        "its AllToAllConnector has weights, but weights = None",
    ),
    "weights too many": (
        lambda net: net.connect("h1", "h1", weights=Weights(), name="self"),
        r"its OneToOneConnector has no weights, but weights = Weights\(",
    ),
    "weighted teach": (
        lambda net: net.connect("x", "h1", ALL_TO_ALL, role="teach", weights=Weights()),
        "only a drive has weights; use OneToOneConnector or MatchConnector",
    ),
    "tied to nothing": (
        change(BACK, weights=Weights("tied"), plasticity=None),
        r"Weights\(kind='tied'.* must name a projection in to=",
    ),
    "aligned with nothing": (
        change(BACK, weights=Weights(start="aligned")),
        r"start='aligned'.* must name a projection in to=",
    ),
    "a copy of a copy": (
        change(BACK, weights=Weights(start="aligned", to=BACK)),
        r"start='aligned' copies .*, which is itself a copy of 'delta_output -> delta_h1'",
    ),
    "tied to an unknown projection": (
        change(BACK, weights=Weights("tied", to="a -> b"), plasticity=None),
        "weights refer to 'a -> b', which is not a projection of this circuit",
    ),
    "tied to weights of another shape": (
        change(BACK, weights=Weights("tied", to="x -> h1"), plasticity=None),
        r"weights of shape \(2, 3\) refer to projection 'x -> h1' .* of shape \(3, 4\). Use the",
    ),
    "tied to what is not transposed": (
        change(BACK, connector=ALL_TO_ALL),
        r"weights of shape \(3, 2\) refer to .*'h1 -> output' .* of shape \(2, 3\). Use the transp",
    ),
    "tied to itself": (
        change(BACK, weights=Weights("tied", to=BACK), plasticity=None),
        "whose own are tied to 'delta_output -> delta_h1'. Refer to the projection that owns",
    ),
    "tied to tied": (
        tied_to_tied,
        "projection 'third' .* refer to projection 'second' .* tied to 'h1 -> output'. Refer to",
    ),
    "norm of a drive that reshapes": (
        lambda net: net.connect("h1", "h1", ReshapeConnector(), norm=BatchNorm(), name="self"),
        "normalisation belongs to an all-to-all, listed, conv or one-to-one drive",
    ),
    "error norm without norm": (
        change("x -> h1", error_norm="full"),
        "error_norm 'full' needs a normalised forward drive, but 'x -> h1' has no norm",
    ),
    "error norm of a feedback drive without norm": (
        change(BACK, partner="x -> h1"),
        "'delta_output -> delta_h1' .*error_norm 'scale' .* but 'x -> h1' has no norm",
    ),
    "max-pool backwards without a gate": (
        pool_backwards,
        "cells of 'delta_image' need partner= .* and a gate projection",
    ),
    "dropout backwards without a gate": (
        dropout_backwards,
        "through dropout the cells of 'delta_h1' need partner= .* and a gate projection from its",
    ),
    "partner of a projection unknown": (
        change("x -> h1", partner="a -> b"),
        "'x -> h1' .*: its partner 'a -> b' is not in the circuit",
    ),
    "error norm of cells whose partner has none": (
        cell("delta_h1", error_norm="own"),
        "'delta_h1': error_norm 'own' needs a partner that is normalised, but 'h1' has no norm",
    ),
    "norm of a drive of error cells": (
        lambda net: net.connect("delta_h1", "delta_h1", name="self", norm=BatchNorm()),
        "a drive of error cells has no norm of its own. Say with error_norm=",
    ),
    "gates both ways": (
        lambda net: net.gate("delta_h1", "h1", derivative="tanh"),
        "in phase 'engaged' activities form a loop .*: h1 -> output -> .* -> delta_h1 -> h1$",
    ),
    "plasticity without weights": (
        lambda net: net.connect("h1", "h1", name="self", **learning()),
        r"'self' .*: it has no weights that could learn",
    ),
    "plasticity of tied weights": (
        change(BACK, weights=Weights("tied", to="h1 -> output")),
        "its weights are tied to 'h1 -> output' and learn only there",
    ),
    "post signal does not arrive": (
        change("x -> h1", **learning(post=taught_by("delta_output"))),
        r"what 'delta_output' teaches 'h1', but no teach projection .* Taught by: delta_h1. "
        r"Wire it with teach\('delta_output', 'h1'\)",
    ),
    "pre signal does not arrive": (
        change("x -> h1", **learning(pre=taught_by("h1"))),
        "what 'h1' teaches 'x', .*Taught by: nobody",
    ),
    "signal arrives in another phase": (
        change("teach: h1 -> delta_h1", phases=("engaged",)),
        "no teach projection 'h1' -> 'delta_h1' is active in phase 'mirror'",
    ),
    "normalised input does not arrive": (
        change(BACK, error_norm="full"),
        r"needs the normalised input of 'output' at 'delta_output', but no norm projection",
    ),
    "normalised input of a cell's own norm does not arrive": (
        lambda net: [
            net.update(net.populations["h1"], norm=BatchNorm(affine=False)),
            net.update(net.populations["delta_h1"], error_norm="full"),
            net.update(net.projections["norm: h1 -> delta_h1"], role="gate", derivative="tanh"),
        ],
        "population 'delta_h1': error_norm 'full' needs the normalised input of 'h1' at 'delta_h1'",
    ),
    "normalised input of another": (
        normalised_by("target", "delta_output"),
        "needs the normalised input of 'output' at 'delta_output', but no norm projection",
    ),
    "normalised input to another": (
        normalised_by("output", "target"),
        "needs the normalised input of 'output' at 'delta_output', but no norm projection",
    ),
    "mimics two at once": (
        mimic_two,
        "'delta_h1' would mimic h1 and other at once in phase 'mirror'",
    ),
    "three compare": (
        compare_with_a_third,
        "exactly two compare projections, .*found compare: output -> delta_output, compare: target",
    ),
    "cycle": (cycle, "drives form a cycle: x -> h1 -> output -> x"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_wiring(case):
    wire, message = WRONG[case]
    net = Wiring(kolen_pollack_by_hand())
    wire(net)
    with pytest.raises(WiringError, match=message):
        net.build()


def test_the_circuit_that_the_wrong_ones_start_from_is_right():
    assert Wiring(kolen_pollack_by_hand()).build() == kolen_pollack_by_hand()


def test_max_pool_backwards_with_a_gate():
    net = Wiring("pool")
    pool_backwards(net)
    net.gate("image", "delta_image", derivative="linear")
    assert "delta_pooled -> delta_image" in net.build().projections


def test_nothing_wired():
    with pytest.raises(WiringError, match="circuit 'empty' has no population"):
        Wiring("empty").build()


@pytest.mark.parametrize("kind", ["population", "projection", "phase"])
def test_names_are_unique(kind):
    x = Population("x", (2,))
    parts = {"population": [x], "projection": [], "phase": [Phase()]}
    if kind == "projection":
        y = Population("y", (2,))
        parts["population"].append(y)
        parts["projection"].append(Projection("p", "x", "y", OneToOneConnector()))
    parts[kind] = parts[kind] * 2
    with pytest.raises(WiringError, match=f"two {kind}s are named .*: names must be unique"):
        Circuit("twice", parts["population"], parts["projection"], parts["phase"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Population("2nd", (3,)), "population '2nd': a name is letters"),
        (lambda: Population("h 1", (3,)), "population 'h 1': a name is letters"),
        (
            lambda: Population("h", (3, 4)),
            r"population 'h': shape \(3, 4\), expected \(N,\) or",
        ),
        (lambda: Population("h", (3, 0, 4)), r"shape \(3, 0, 4\), .*positive sizes"),
        (
            lambda: Population("h", (3,), path="sideways"),
            "path 'sideways', expected one of for",
        ),
        (
            lambda: Population("h", (3,), activation="swash"),
            "activation 'swash', expected one of l",
        ),
        (
            lambda: Population("h", (3,), error_norm="half"),
            "error_norm 'half', expected one of",
        ),
        (lambda: Weights("shared"), "kind 'shared', expected one of independent, tied, sign-tied"),
        (lambda: Weights(start="zeros"), "start 'zeros', expected one of kaiming_uniform"),
        (lambda: Signal("told"), "kind 'told', expected one of activity, taught"),
        (lambda: Signal(centred="mean"), "centred 'mean', expected one of no, batch, baseline"),
        (lambda: Signal("taught"), "'taught' with source None: what is taught has a source"),
        (lambda: Signal(source="h1"), "'activity' with source 'h1'.* Use taught_by"),
        (
            lambda: Plasticity(ACTIVITY, ACTIVITY, reduction="max"),
            "reduction 'max', expected one",
        ),
        (
            lambda: Projection("p", "a", "b", ALL_TO_ALL, role="push"),
            "role 'push', expected one",
        ),
        (lambda: Projection("p", "a", "b", ALL_TO_ALL, error_norm="x"), "'p': error_norm 'x'"),
        (lambda: Projection("p", "a", "b", ALL_TO_ALL, derivative="x"), "'p': derivative 'x'"),
        (lambda: Phase("mirror", noise_std=0), "phase 'mirror': noise_std 0, expected > 0"),
    ],
)
def test_parts_that_cannot_be(make, message):
    with pytest.raises(WiringError, match=message):
        make()


def test_conv_that_does_not_fit_names_populations_and_shapes():
    net = Wiring("conv")
    x, h = net.population("x", (3, 8, 8)), net.population("h", (4, 8, 8))
    net.connect(x, h, Conv2dConnector(4, 3))
    message = (
        r"'x -> h' \('x' -> 'h', drive\): shapes do not fit, pre 'x' \(3, 8, 8\) and post 'h' "
        r"\(4, 8, 8\). Conv2dConnector turns pre \(3, 8, 8\) into \(4, 6, 6\), but post has"
    )
    with pytest.raises(WiringError, match=message):
        net.build()


def test_forward_circuits_need_no_comparison():
    assert mlp((3, 2)).output_error is None
