"""Transport, locality statements and Dale's law on circuits wired by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneway.analysis import dale, locality, reads_beyond, transport, weight_transport
from oneway.circuits import (
    ACTIVITY,
    AllToAllConnector,
    Conv2dConnector,
    FixedProbabilityConnector,
    Signal,
    Weights,
    Wiring,
    parse_circuit,
    taught_by,
)
from oneway.rules import parse_rule


def paired(weights):
    net = Wiring("pair")
    x, h = net.population("x", (3,)), net.population("h", (2,))
    d_x = net.population("d_x", (3,), path="feedback", partner="x")
    d_h = net.population("d_h", (2,), path="feedback", partner="h")
    net.connect(x, h, AllToAllConnector())
    net.connect(d_h, d_x, AllToAllConnector().transpose, weights=weights, partner="x -> h")
    return net


@pytest.mark.parametrize(
    ("weights", "kind"),
    [
        (Weights("tied", to="x -> h"), "full"),
        (Weights("sign-tied", to="x -> h"), "signs"),
        (Weights(), "none"),
        (Weights(start="aligned", to="x -> h"), "none"),
    ],
)
def test_transport_names_the_projection(weights, kind):
    circuit = paired(weights).build()
    assert weight_transport(circuit) == kind
    found = [(t.projection, t.to, t.kind) for t in transport(circuit)]
    assert found == ([] if kind == "none" else [("d_h -> d_x", "x -> h", kind)])


def test_statements_say_what_arrives_and_through_which_projection():
    net = paired(Weights())
    net.phase("mirror", noisy=("x",))
    net.teach("d_h", "h")
    net.mimic("x", "d_x", "mirror")
    net.learn("x -> h", pre=ACTIVITY, post=taught_by("d_h", gated=True))
    post = Signal(centred="batch")
    net.learn("d_h -> d_x", pre=ACTIVITY, post=post, phase="mirror", hebbian=True)
    forward, feedback = locality(net.build())
    assert (forward.pre.kind, forward.pre.through) == ("own", None)
    assert (forward.post.source, forward.post.through) == ("d_h", "teach: d_h -> h")
    assert "what d_h teaches it, times its own φ′" in str(forward)
    assert "Δw = −η" in str(forward)
    assert (feedback.phase, feedback.post.kind) == ("mirror", "mimicked")
    assert feedback.post.through == "mimic: x -> d_x"
    assert "less its batch mean" in str(feedback)
    assert "Δw = +η" in str(feedback)


def test_noise_is_named():
    net = Wiring("noise")
    net.connect(net.population("a", (2,)), net.population("b", (2,)), AllToAllConnector())
    net.phase("mirror", noisy=("a",))
    net.learn("a -> b", ACTIVITY, ACTIVITY, phase="mirror")
    (statement,) = locality(net.build())
    assert (statement.pre.kind, statement.post.kind) == ("noise", "own")


# -- Dale's law -----------------------------------------------------------------------------------


def test_dale_counts_over_all_outgoing_projections():
    """Cell 0 excites both targets, cell 1 inhibits, cell 2 excites one and inhibits the other."""
    net = Wiring("dale")
    a = net.population("a", (3,))
    for name in ("b", "c"):
        net.connect(a, net.population(name, (1,)), AllToAllConnector())
    weights = {"a -> b": np.array([[1.0, -1, 1]]), "a -> c": np.array([[0.0, -1, -1]])}
    report = dale(net.build(), weights.__getitem__)
    assert (report.cells, report.mixed, report.fraction) == (3, 1, pytest.approx(1 / 3))
    assert report.by_population == (("a", 1, 3),)


CONVOLUTIONS = (
    (Conv2dConnector(2, 3, padding=1), (2, 3, 3), (2, 3, 3)),
    (Conv2dConnector(4, 3, stride=2, padding=1, groups=2), (2, 4, 4), (4, 2, 2)),
    (Conv2dConnector(3, 2), (1, 3, 2), (3, 2, 1)),
    (Conv2dConnector(2, 3, padding=1, groups=2, dilation=2), (2, 4, 5), (2, 2, 3)),
)


def synapses(connector, w, pre, post):
    """Every synapse of a convolution as (pre cell, post cell, weight)."""
    for c, k, i, j in np.ndindex(*w.shape):
        group = c // (post[0] // connector.groups)
        for row, column in np.ndindex(*post[1:]):
            tap = np.array([i, j]) * connector.dilation
            y, x = np.array([row, column]) * connector.stride - connector.padding + tap
            if 0 <= y < pre[1] and 0 <= x < pre[2]:
                source = (group * w.shape[1] + k, y, x)
                cells = (
                    np.ravel_multi_index(source, pre),
                    np.ravel_multi_index((c, row, column), post),
                )
                yield (*map(int, cells), w[c, k, i, j])


@settings(max_examples=40)
@given(st.sampled_from(CONVOLUTIONS), st.integers(0, 99), st.booleans())
def test_dale_of_a_convolution_equals_listing(case, seed, backwards):
    connector, pre, post = case
    w = np.random.default_rng(seed).choice([-1.0, 0, 0, 1], connector.weight_shape(pre, post))
    net = Wiring("conv")
    a, b = net.population("a", pre), net.population("b", post)
    if backwards:
        net.connect(b, a, connector.transpose, name="w")
    else:
        net.connect(a, b, connector, name="w")
    signs: dict[int, set[float]] = {}
    for i, j, weight in synapses(connector, w, pre, post):
        signs.setdefault(j if backwards else i, set()).add(float(np.sign(weight)))
    report = dale(net.build(), lambda name: w.swapaxes(0, 1) if backwards else w)
    assert report.mixed == sum({-1.0, 1.0} <= s for s in signs.values())
    assert report.cells == sum(bool({-1.0, 1.0} & s) for s in signs.values())


@pytest.mark.parametrize("listed", [True, False])
def test_dale_of_listed_synapses(listed):
    net = Wiring("sparse")
    connector = FixedProbabilityConnector(0.6, seed=1)
    net.connect(net.population("a", (6,)), net.population("b", (5,)), connector)
    pairs = connector.pairs((6,), (5,))
    w = np.random.default_rng(0).normal(size=len(pairs))
    dense = np.zeros((5, 6))
    dense[pairs[:, 1], pairs[:, 0]] = w
    report = dale(net.build(), lambda name: w if listed else dense)
    assert report.mixed == ((dense > 0).any(0) & (dense < 0).any(0)).sum()


def beyond(rule, net="mlp:4-3-3-2"):
    said = reads_beyond(parse_rule(rule).wire(parse_circuit(net)))
    return {(one.kind, one.reader, one.of) for one in said if one.kind != "softmax"}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("kp", set()),
        ("asap,gate=local", set()),
        (
            "bp",
            {
                ("weights", "delta_h2 -> delta_h1", "h1 -> h2"),
                ("weights", "delta_output -> delta_h2", "h2 -> output"),
            },
        ),
        ("ss,last_layer=bp", {("signs", "delta_h2 -> delta_h1", "h1 -> h2")}),
        (
            "wm,decay=0,scaling=1",
            {
                ("strength", f"delta_{pre} -> delta_{post}", f"delta_{pre} -> delta_{post}")
                for pre, post in (("output", "h2"), ("h2", "h1"))
            },
        ),
    ],
)
def test_what_synapses_of_dense_nets_read_beyond_their_two_cells(rule, expected):
    found = beyond(rule)
    if rule.startswith("ss"):
        found -= {("weights", "delta_output -> delta_h2", "h2 -> output")}
    assert found == expected


def test_what_convolutions_norms_and_pools_read_beyond():
    found = beyond("kp,norm=own", "alexnet:1x8x8-3,width=2,hidden=4")
    back = "delta_h2 -> delta_pool1"
    assert {kind for kind, _, _ in found} == {"shared", "winners", "norm", "error_norm"}
    assert ("winners", "delta_pool1 -> delta_h1", "h1 -> pool1") in found
    assert ("shared", "x -> h1", "x -> h1") in found and ("shared", back, back) in found
    assert ("norm", "x -> h1", "x -> h1") in found
    assert ("error_norm", back, "pool1 -> h2") in found
    local = beyond("kp,gate=local,norm=own", "alexnet:1x8x8-3,width=2,hidden=4")
    assert not any(kind == "winners" for kind, _, _ in local)


def test_a_kernel_as_large_as_its_image_shares_no_weight():
    assert ("shared", "x -> h", "x -> h") not in {
        (one.kind, one.reader, one.of) for one in reads_beyond(kernel_of(4))
    }
    assert [one.kind for one in reads_beyond(kernel_of(3))] == ["shared"]


def kernel_of(size):
    net = Wiring("conv")
    connector = Conv2dConnector(2, size)
    x = net.population("x", (1, 4, 4))
    h = net.population("h", connector.output_shape(x.shape))
    net.connect(x, h, connector)
    return net.build()


def test_each_sentence_names_who_reads_what():
    (softmax, *tied) = reads_beyond(parse_rule("bp").wire(parse_circuit("mlp:4-3-2")))
    assert str(softmax).startswith("'delta_output' divides by the sum over all cells of 'output'")
    assert [str(one) for one in tied] == [
        "'delta_output -> delta_h1' has the weights of 'h1 -> output': weight transport"
    ]
