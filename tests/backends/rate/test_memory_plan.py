"""The plan: what a step keeps until when, against what is known by hand and what is measured."""

import pytest
import torch

from oneway.backends.rate import RateNetwork
from oneway.backends.rate.memory import LiveTensors
from oneway.backends.rate.memory_plan import describe, plan, plan_step
from oneway.backends.rate.program import Program
from oneway.circuits import FixedProbabilityConnector, Wiring, mlp, parse_circuit
from oneway.rules import RULES, parse_rule

RESNET = parse_circuit("resnet18:3x16x16-5,width=2")
MLP = mlp((12, 8, 6, 8, 4), norm="before")
SCALE = ",gate=local,norm=scale,forward_norm=scale"


def batch(circuit, n=4):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((n, *circuit.inputs[0].shape), generator=generator)
    return x, torch.randint(0, circuit.output.size, (n,), generator=generator)


def planned(rule, forward, n=4):
    circuit = parse_rule(rule).wire(forward)
    return plan_step(RateNetwork(circuit), *batch(circuit, n))


# -- a schedule by hand ------------------------------------------------------------------------
#
#   x -square-> a -loss-> e        b = a + 1 is there before the loss and read after it,
#   a -add-> b          \          result = c / 2; d is not read at all
#   b, e -times-> c -half-> result


def hand_written():
    program = Program()
    x = program.source(("x",))
    a = program.add("square", torch.square, x, label="a")[0]
    b = program.add("add", lambda t: t + 1, a, label="b")[0]
    e = program.add("loss", torch.neg, a, label="e")[0]
    program.add("idle", torch.neg, a, label="d")
    c = program.add("times", torch.mul, b, e, label="c")[0]
    half = program.add("half", lambda t: t / 2, c, label="f")[0]
    program.result(("change", "weights", "f"), half)
    return program.finish()


def test_hand_written_schedule():
    found = describe(hand_written(), {("x",): torch.ones(250)})  # 1000 bytes each
    assert found.operations == ("square a", "add b", "loss e", "times c", "half f")
    assert found.loss_at == 2
    assert found.held == (1000, 2000, 2000, 1000, 1000)
    assert found.peaks == (1000, 2000, 3000, 3000, 2000)
    assert (found.kept_bytes, found.peak_bytes, found.peak_at) == (2000, 3000, 2)
    assert found.changes_bytes == 1000
    assert [(k.kind, k.label, k.bytes, k.made, k.freed, k.readers) for k in found.kept] == [
        ("add", "b", 1000, 1, 3, (3,)),
        ("loss", "e", 1000, 2, 3, (3,)),
    ]


def test_a_view_is_one_piece_of_memory_and_lives_as_long_as_its_last_value():
    program = Program()
    x = program.source(("x",))
    a = program.add("square", torch.square, x, label="a")[0]
    flat = program.add("view", lambda t: t.view(-1), a, label="flat")[0]
    e = program.add("loss", lambda t: t.sum(), a)[0]
    first = program.add("times", torch.mul, flat, e, label="first")[0]
    second = program.add("plus", torch.add, a, e, label="second")[0]
    program.result(("change", "weights", "w"), first)
    program.result(("change", "weights", "v"), second)
    found = describe(program.finish(), {("x",): torch.ones(10, 25)})
    (kept,) = [k for k in found.kept if k.bytes == 1000]
    assert (kept.label, kept.made, kept.freed, kept.readers) == ("flat", 1, 4, (3, 4))


def test_a_view_of_the_data_is_not_kept_by_the_step():
    program = Program()
    x = program.source(("x",))
    flat = program.add("view", lambda t: t.view(-1), x, label="flat")[0]
    e = program.add("loss", lambda t: t.sum(), x, label="e")[0]
    program.result(("change", "weights", "w"), program.add("times", torch.mul, flat, e)[0])
    found = describe(program.finish(), {("x",): torch.ones(10, 25)})
    assert [k.label for k in found.kept] == ["e"]
    assert found.held == (0, 4, 1000)


# -- networks ----------------------------------------------------------------------------------


def test_mlp_keeps_each_hidden_activity_until_its_gate():
    """What W2 learns from is h1 (4 x 6 floats), read for its change and then by the gate."""
    found = planned("bp", mlp((8, 6, 3)))
    (h1,) = [k for k in found.kept if k.label == "h1"]
    assert (h1.kind, h1.shape, h1.bytes) == ("phi", (4, 6), 4 * 6 * 4)
    users = [found.operations[n].split()[0] for n in h1.readers]
    assert len(users) == 2 and users[-1] == "derivative"
    assert found.operations[h1.freed] == "derivative gate"
    changes = 8 * 6 + 6 + 6 * 3 + 3
    assert found.changes_bytes == 4 * changes


@pytest.mark.parametrize(
    ("rule", "forward"),
    [(f"{rule}{options}", MLP) for rule in RULES for options in ("", SCALE)]
    + [(rule, RESNET) for rule in ("bp", "ss", "dkp,norm=own", f"asap,k=4{SCALE}")],
)
def test_plan_is_what_the_step_was_measured_to_take(rule, forward):
    net = RateNetwork(parse_rule(rule).wire(forward))
    x, y = batch(forward)
    found = plan_step(net, x, y)
    schedule = net._schedule("step", lambda compiler: compiler.learning())
    with torch.no_grad(), LiveTensors() as live:
        results = schedule.run(net._given(x=x, y=y))
    assert found.peak_bytes == live.peak
    assert found.held[-1] == live.bytes
    left = {t.untyped_storage()._cdata: t for key, t in results.items() if key[0] == "change"}
    assert found.changes_bytes == sum(t.nbytes for t in left.values())

    assert sum(k.bytes for k in found.kept) == found.kept_bytes
    assert [k.made for k in found.kept] == sorted(k.made for k in found.kept)
    for k in found.kept:
        assert k.made <= found.loss_at
        assert k.freed is None or k.freed >= max(k.readers, default=found.loss_at)


def test_sharing_keeps_less():
    kept = {
        rule: planned(rule, RESNET, n=16).kept_bytes
        for rule in ("bp", "asap", f"asap,k=2{SCALE}", f"asap,k=4{SCALE}")
    }
    assert sorted(kept, key=kept.get, reverse=True) == list(kept)
    assert kept["asap"] < 0.85 * kept["bp"]
    assert kept[f"asap,k=2{SCALE}"] < 0.4 * kept["bp"]


def test_planning_leaves_the_network_as_it_is():
    net = RateNetwork(parse_rule("kp").wire(MLP))
    x, y = batch(net.circuit)
    net.step(x, y)
    before = {name: t.clone() for name, t in net.state_dict().items()}
    plan(net, x, y)
    assert all(torch.equal(t, before[name]) for name, t in net.state_dict().items())
    assert {p.device.type for p in net.parameters()} == {"cpu"}
    net.step(x, y)


def test_planning_does_not_take_a_networks_lists_of_pairs():
    """They lie where they were used last; meta, which has no numbers, must not be that place."""
    net = Wiring("sparse")
    x, h, output = (net.population(name, (6,)) for name in ("x", "h", "output"))
    net.connect(x, h, FixedProbabilityConnector(0.5, seed=1))
    net.connect(h, output, FixedProbabilityConnector(0.5, seed=2))
    network = RateNetwork(parse_rule("fa").wire(net.build()))
    data = batch(network.circuit)
    network.step(*data)
    assert plan_step(network, *data).peak_bytes > 0
    assert torch.isfinite(network.step(*data).loss)


def test_batches_too_large_for_memory_can_be_planned():
    net = RateNetwork(parse_rule("bp").wire(mlp((1024, 1024, 10))))
    x = torch.empty(2**28, 1024, device="meta")  # a tebibyte
    found = plan_step(net, x, torch.empty(2**28, dtype=torch.long, device="meta"))
    assert found.kept_bytes > 2**40


def test_text_for_people():
    forward = mlp((512, 256, 10))
    text = plan(RateNetwork(parse_rule("fa").wire(forward)), *batch(forward, n=512))
    lines = text.splitlines()
    header = lines[0].split("  ")
    assert header[0] == "kept for the time after the loss"
    assert header[-1] == "freed after"
    (h1,) = [line for line in lines if line.startswith("phi h1")]
    assert "512 x 256  0.500" in h1 and ", derivative  " in h1
    assert [line.split("  ")[0] for line in lines[-3:]] == [
        "held when the loss is computed",
        "peak, changes included",
        "changes left for the optimizer",
    ]
