"""DESIGN's table of expected verdicts, for every rule, gate and builder."""

import time
import tracemalloc

import pytest
from wirings import count_hidden

from oneway.analysis import ALL, PAPERS, check_wiring, locality, return_paths, transport
from oneway.circuits import parse_circuit
from oneway.rules import RULES, parse_rule

# Rule: (hidden pairs with drive, teach and mimic; weight transport; phases).
TABLE = {
    "bp": (0, "full", 1),
    "fa": (0, "none", 1),
    "dfa": (0, "none", 1),
    "drtp": (0, "none", 1),
    "ss": (0, "signs", 1),
    "wm": (1, "none", 2),
    "kp": (1, "none", 1),
    "dkp": (1, "none", 1),
    "forward_alignment": (0, "full", 2),
    "as": (0, "full", 2),
    "asap": (0, "none", 2),
}
BUILDERS = (
    "mlp:6-4-4-3",
    "mlp:6-4-4-3,norm=before",
    "mlp:6-4-4-3,norm=after",
    "conv2:1x6x6-3,width=2,hidden=4",
    "alexnet:1x8x8-3,width=2,hidden=4",
    "resnet18:1x8x8-3,width=2",
    "resnet18:1x8x8-3,width=2,shortcut=no",
    "resnet50:1x8x8-3,width=1",
)


def wired(circuit, rule, **options):
    forward = parse_circuit(circuit)
    return forward, parse_rule(rule, **options).wire(forward)


def weighted(forward, **ends):
    return [p for p in forward.select(role="drive", **ends) if p.weights is not None]


def learning_populations(forward):
    """Hidden populations with weights to learn; pools have none."""
    names = {p.post for p in weighted(forward)} - {forward.output.name}
    return [forward.populations[name] for name in names]


def told(rule, forward):
    """Learning populations whose error cells must be told their activity.

    All of them for KP, the weight mirror and direct KP: each sends through weights that error
    cells hold a copy of, if need be by way of a pool, which relays.
    """
    return learning_populations(forward) if rule in ("kp", "wm", "dkp") else []


@pytest.mark.parametrize("gate", ["exact", "local"])
@pytest.mark.parametrize("rule", TABLE)
def test_table_on_the_mlp(rule, gate):
    _, circuit = wired("mlp:64-32-32-10", rule, gate=gate)
    verdict = check_wiring(circuit)
    papers, weights, phases = TABLE[rule]
    gated = gate == "exact" or papers
    expected = {"papers": 64 * papers, "all": 64 if gated else 0, "output": 10}
    assert verdict.reciprocal_pairs == {**expected, "relays_apart": 64 * papers}
    assert (verdict.weight_transport, verdict.phases) == (weights, phases)
    assert verdict.ok == (papers == 0)
    assert check_wiring(circuit, "all").ok == (expected["all"] == 0)


@pytest.mark.parametrize("gate", ["exact", "local"])
@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize("rule", TABLE)
def test_table_on_every_builder(rule, builder, gate):
    """Also equal to listing every neuron."""
    forward, circuit = wired(builder, rule, gate=gate, norm="full" if gate == "exact" else "own")
    verdict = check_wiring(circuit)
    papers, weights, phases = TABLE[rule]
    reciprocal = sum(cells.size for cells in told(rule, forward))
    gated = sum(cells.size for cells in learning_populations(forward))
    assert (reciprocal > 0) == bool(papers)
    assert verdict.papers == reciprocal
    assert verdict.all == (gated if gate == "exact" else reciprocal)
    assert verdict.output == forward.output.size
    # conv2 has a single convolution after the first: there is nobody to share with.
    alone = builder.startswith("conv2") and rule in ("as", "asap")
    assert (verdict.weight_transport, verdict.phases) == (weights, 1 if alone else phases)
    assert verdict.papers == count_hidden(circuit, PAPERS)
    assert verdict.all == count_hidden(circuit, ALL)
    assert verdict.relays_apart == count_hidden(circuit, PAPERS, merged=False)


# Cells of each layer that learns, from the papers' tables of layers: channels x rows x columns.
ALEXNET = (64 * 32**2, 128 * 16**2, 256 * 8**2, 1024, 1024)
CONV2 = (32 * 28**2, 32 * 28**2, 128)
# The stem, then two blocks of two convolutions at each of four resolutions.
RESNET18 = (64 * 32**2, *4 * (64 * 32**2, 128 * 16**2, 256 * 8**2, 512 * 4**2))


@pytest.mark.parametrize(
    ("circuit", "rule", "layers", "number"),
    [
        ("alexnet:3x32x32-10", "kp", ALEXNET, 116_736),
        ("alexnet:3x32x32-10", "wm", ALEXNET, 116_736),
        ("alexnet:3x32x32-10", "dkp", ALEXNET, 116_736),
        ("alexnet:3x32x32-10", "asap,k=1", ALEXNET, 116_736),
        # Feedback alignment in dense layers: nobody tells the errors of h3 or above what h3 does.
        ("alexnet:3x32x32-10", "asap,k=1,fully_connected=fa", ALEXNET[:2], 98_304),
        ("conv2:1x28x28-10", "kp", CONV2, 50_304),
        ("resnet18:3x32x32-10", "kp", RESNET18, 557_056),
        ("resnet18:3x32x32-10", "asap,k=1", RESNET18, 557_056),
        # So here: the errors at the pool are not told what the last block does.
        ("resnet18:3x32x32-10", "asap,k=1,fully_connected=fa", RESNET18[:-1], 548_864),
    ],
)
def test_a_pool_hides_no_layer(circuit, rule, layers, number):
    """Kolen-Pollack, weight mirrors: every cell that learns is joined both ways with its error."""
    _, wired_circuit = wired(circuit, rule)
    verdict = check_wiring(wired_circuit)
    assert verdict.papers == sum(layers) == number
    assert not verdict.ok


@pytest.mark.parametrize(
    ("builder", "k"),
    [*((b, 2) for b in BUILDERS), *((b, 4) for b in BUILDERS if b.startswith("resnet"))],
)
def test_asap_is_one_way_also_through_pools(builder, k):
    _, circuit = wired(builder, "asap", k=k, gate="local", norm="own")
    verdict = check_wiring(circuit, "all")
    assert verdict.ok and verdict.papers == 0


def test_every_rule_is_in_the_table():
    assert set(RULES) >= set(TABLE)


@pytest.mark.parametrize("rule", TABLE)
def test_frozen_first_layer_drops_out(rule):
    """Nobody needs δ_1 where the first layer is random and fixed."""
    _, circuit = wired("mlp:8-5-4-3", rule, frozen="first")
    verdict = check_wiring(circuit)
    assert verdict.all == 4
    assert verdict.papers == 4 * TABLE[rule][0]


@pytest.mark.parametrize("rule", TABLE)
def test_every_rule_has_statements_for_every_plastic_synapse(rule):
    _, circuit = wired("mlp:8-4-4-3", rule)
    plastic = {p.name for p in circuit.projections.values() if p.plasticity}
    assert {statement.projection for statement in locality(circuit)} == plastic
    needed = {item.kind for item in transport(circuit)}
    assert needed == ({TABLE[rule][1]} - {"none"})


def test_return_paths_on_the_mlp():
    """Under BP a cell reaches its error cell by way of the output; KP makes it one step."""
    _, backprop = wired("mlp:8-4-4-3", "bp")
    lengths = {p.population: (p.there, p.back) for p in return_paths(backprop)}
    assert lengths == {"h1": (5, 1), "h2": (3, 1), "output": (1, 1)}
    _, kolen_pollack = wired("mlp:8-4-4-3", "kp")
    assert {p.length for p in return_paths(kolen_pollack, None)} == {2}
    gated = return_paths(backprop, roles=("drive", "teach", "mimic", "compare", "gate"))
    assert {p.length for p in gated} == {2}


def test_resnet34_is_decided_in_seconds_and_little_memory():
    """Within 5 s and 1 GB; 7.7 million neurons."""
    tracemalloc.start()
    started = time.perf_counter()
    _, circuit = wired("resnet34:3x64x64-200", "asap")
    verdict = check_wiring(circuit)
    seconds = time.perf_counter() - started
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert verdict.papers == 0
    hidden = learning_populations(parse_circuit("resnet34:3x64x64-200"))
    assert verdict.all == sum(cells.size for cells in hidden) == 3866624
    assert seconds < 5
    assert peak < 1e9
