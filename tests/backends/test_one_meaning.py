"""One circuit has one meaning: whatever is wired, settled cells and rates agree, or it is refused.

The circuits are not those of rules: a census changes every stated property of three of them, one
at a time, and hypothesis combines such edits at random.
"""

import pytest

pytest.importorskip("brian2")

from both_backends import verdict
from census import CENSUS, FORWARD, edited, edits
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from oneway.circuits import ACTIVATIONS, Circuit, WiringError, mlp
from oneway.rules import RULES, parse_rule

pytestmark = pytest.mark.spiking

# Edits that only a learning step shows.
OF_STEPS = ("rate", "decay", "scaling", "set point", "neither")
# What is expected to be refused, by a word of the sentence that says why.
REFUSED = {
    "error norm of": "needs a partner",
    "φ of x": "data alone", "φ of target": "data alone", "φ of delta_output": "comparison",
    "bias of x": "data alone", "bias of target": "data alone", "bias of delta_output": "comparison",
    "norm of": "BatchNorm", "normalised": "norm", "without teach": "teach",
    "h1 learns centred": "centred = 'batch'",
    ": decay": "without rate", ": rate": "give its Plasticity both",
}  # fmt: skip


# A description that refused everything would agree with itself too.
RUNS = [
    f"kp: {name}"
    for name in (
        "φ of h1: silu", "bias of delta_h1: True", "drive x -> delta_h1", "drive target -> h1",
        "gate h1 -> h2", "delta_h1 mimics h1", "engaged: about 0.3", "h1 learns its activity",
        "delta_h2 -> delta_h1: rate and decay", "h1 -> h2: scaling", "auxiliary population",
    )
]  # fmt: skip


def test_the_census_is_large():
    assert len(CENSUS) >= 150 and set(RUNS) <= set(CENSUS)


@pytest.mark.parametrize("name", CENSUS)
def test_an_edit_means_the_same_in_both_backends_or_is_refused(name):
    base, edit = CENSUS[name]
    learning = any(word in name for word in OF_STEPS)
    said = verdict(lambda: edited(base, edit), learning)
    if name in RUNS:
        assert said == "agree"
    reason = next((why for what, why in REFUSED.items() if what in name), None)
    if said != "agree" and reason is not None:
        assert reason in said


@st.composite
def circuits(draw) -> Circuit:
    """A rule on a small net, and up to four edits of the census on top of each other."""
    sizes = draw(st.tuples(*[st.integers(1, 4)] * 2))
    forward = draw(
        st.just(FORWARD)
        | st.sampled_from(ACTIVATIONS).map(lambda phi: mlp((3, *sizes, 2), activation=phi))
    )
    options = draw(st.sampled_from(("", ",gate=local", ",frozen=first", ",last_layer=bp")))
    circuit = parse_rule(draw(st.sampled_from(list(RULES))) + options).wire(forward)
    for _ in range(draw(st.integers(1, 4))):
        try:
            named = dict(edits(circuit))
        except KeyError:  # the census names what this rule has not wired
            assume(False)
        try:
            circuit = edited(circuit, named[draw(st.sampled_from(sorted(named)))])
        except (WiringError, KeyError):
            continue
    return circuit


@settings(max_examples=8, deadline=None)
@given(circuit=circuits())
def test_any_circuit_means_the_same_in_both_backends_or_is_refused(circuit):
    verdict(lambda: circuit, learning=True)
