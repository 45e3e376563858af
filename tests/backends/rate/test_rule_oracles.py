"""Each rule equals its paper's equations, step by step, on dense and convolutional chains."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from plain_networks import Chain, Layer, matched, random_path

from oneway.backends.rate import RateNetwork
from oneway.circuits import AllToAllConnector, Conv2dConnector, Wiring, mlp, parse_circuit
from oneway.rules import RULES, parse_rule

LR, DECAY, STEPS = 0.3, 0.02, 4


def dense_circuit():
    return mlp((16, 8, 8, 8, 4))


def conv_circuit():
    """x(2,8,8) → (4,8,8) → (4,8,8) → (8,4,4) → (8,4,4) → 5 classes"""
    net = Wiring("conv chain")
    cells = net.population("x", (2, 8, 8))
    for i, (channels, stride) in enumerate([(4, 1), (4, 1), (8, 2), (8, 1)], start=1):
        connector = Conv2dConnector(channels, 3, stride, 1)
        shape = connector.output_shape(cells.shape)
        post = net.population(f"h{i}", shape, activation="relu", bias=True)
        net.connect(cells, post, connector)
        cells = post
    net.connect(cells, net.population("output", (5,), bias=True), AllToAllConnector())
    return net.build()


CIRCUITS = {"dense": dense_circuit, "conv": conv_circuit}
# Which h each layer learns from under sharing with k = 2 (Woo et al., eqs. 17-20). In the dense
# net blocks start at the input; in the conv net, whose input cannot be shared, at h_1, and the
# classifier shares nothing.
SHARED = {"dense": {1: 0, 2: 0, 3: 0, 4: 2}, "conv": {1: 0, 2: 1, 3: 1, 4: 1, 5: 4}}
TWINS = {"dense": (2, 3, 4), "conv": (3, 4)}  # layers whose B is taught the shared activation


def stored(net, name):
    """Weights in the layout they are kept in."""
    return net._stored(net.circuit.projections[name]).clone()


def chain_of(net) -> Chain:
    """A plain copy of the network's weights."""
    circuit = net.circuit
    names = [p.name for p in circuit.select(role="drive", path="forward")]
    layers = [
        Layer(isinstance(c, Conv2dConnector), getattr(c, "stride", 1))
        for c in (circuit.projections[name].connector for name in names)
    ]
    W = {l: stored(net, name) for l, name in enumerate(names, start=1)}
    cells = [circuit.projections[name].post for name in names]
    b = {l: net.biases[cell].detach().clone() for l, cell in enumerate(cells, start=1)}
    against = {name: l for l, name in enumerate(names, start=1)}
    B = {}
    for p in circuit.select(role="drive", path="feedback"):
        if p.partner:
            B[against[p.partner]] = stored(net, p.name)
        else:
            B[cells.index(circuit.populations[p.post].partner) + 1] = stored(net, p.name)
    return Chain(layers, W, b, B)


def bp(chain, shared, twins):
    chain.chain_errors(chain.W)
    chain.descend_forward(chain.products(chain.own_activity()), LR, DECAY)


def fa(chain, shared, twins):
    chain.chain_errors(chain.B)
    chain.descend_forward(chain.products(chain.own_activity()), LR, DECAY)


def dfa(chain, shared, twins):
    chain.direct_errors(chain.delta[chain.L])
    chain.descend_forward(chain.products(chain.own_activity()), LR, DECAY)


def drtp(chain, shared, twins):
    chain.direct_errors(chain.y)
    chain.descend_forward(chain.products(chain.own_activity()), LR, DECAY)


def ss(chain, shared, twins):
    if not hasattr(chain, "scale"):  # λ: the scale that the layer was drawn with
        chain.scale = {l: (3 * w[0].numel()) ** -0.5 for l, w in chain.W.items()}
    chain.chain_errors({l: chain.scale[l] * torch.sign(w) for l, w in chain.W.items()})
    chain.descend_forward(chain.products(chain.own_activity()), LR, DECAY)


def kp(chain, shared, twins):
    chain.chain_errors(chain.B)
    products = chain.products(chain.own_activity())
    chain.descend_forward(products, LR, DECAY)
    chain.descend(chain.B, {l: products[l] for l in chain.B}, LR, DECAY)


def dkp(chain, shared, twins):
    chain.direct_errors(chain.delta[chain.L])
    chain.descend_forward(chain.products(chain.own_activity()), LR, DECAY)
    learned = {l: chain.h[l].flatten(1).T @ chain.delta[chain.L] for l in chain.B}
    chain.descend(chain.B, learned, LR, DECAY)


def forward_alignment(chain, shared, twins):
    chain.chain_errors(chain.W)
    read = random_path(chain, chain.h[0], chain.C)
    chain.descend_forward(chain.products(read), LR, DECAY)


def shared_activity(chain, shared):
    return {l: matched(chain.h[s], chain.h[l - 1].shape) for l, s in shared.items()}


def activation_sharing(chain, shared, twins):
    chain.chain_errors(chain.W)
    chain.descend_forward(chain.products(shared_activity(chain, shared)), LR, DECAY)


def asap(chain, shared, twins):
    chain.chain_errors(chain.B)
    products = chain.products(shared_activity(chain, shared))
    chain.descend_forward(products, LR, DECAY)
    chain.descend(chain.B, {l: products[l] for l in twins}, LR, DECAY)


REFERENCES = {
    "bp": bp,
    "fa": fa,
    "dfa": dfa,
    "drtp": drtp,
    "ss": ss,
    "wm": fa,  # engaged mode; the mirror has tests of its own
    "kp": kp,
    "dkp": dkp,
    "forward_alignment": forward_alignment,
    "as": activation_sharing,
    "asap": asap,
    "asap,signals=synapse": asap,
}


def network(rule, kind, **options):
    circuit = parse_rule(rule, **options).wire(CIRCUITS[kind]())
    return RateNetwork(circuit, seed=5, dtype=torch.float64)


def optimizer_of(net):
    settings = {"lr": LR, "weight_decay": DECAY}
    return torch.optim.SGD(net.parameter_groups(settings, settings), lr=LR)


def batches(circuit, n=6):
    generator = torch.Generator().manual_seed(11)
    for _ in range(STEPS):
        x = torch.randn((n, *circuit.inputs[0].shape), generator=generator, dtype=torch.float64)
        yield x, torch.randint(0, circuit.output.size, (n,), generator=generator)


def test_every_rule_has_a_reference():
    assert {rule.partition(",")[0] for rule in REFERENCES} == set(RULES)


@pytest.mark.parametrize("kind", CIRCUITS)
@pytest.mark.parametrize("rule", REFERENCES)
def test_rule_equals_the_papers_equations(rule, kind):
    net = network(rule, kind)
    chain, optimizer = chain_of(net), optimizer_of(net)
    chain.C = {
        l: stored(net, f"random {name}")
        for l, name in enumerate(
            [p.name for p in net.circuit.select(role="drive", path="forward")], start=1
        )
        if f"random {name}" in net.circuit.projections
    }
    for x, y in batches(net.circuit):
        chain.forward(x, y)
        REFERENCES[rule](chain, SHARED[kind], TWINS[kind])
        net.step(x, y)
        optimizer.step()
    ours = chain_of(net)
    for mine, theirs in ((ours.W, chain.W), (ours.b, chain.b)):
        for l, tensor in theirs.items():
            torch.testing.assert_close(mine[l], tensor, rtol=1e-9, atol=1e-12)
    if rule not in ("bp", "ss", "forward_alignment", "as"):
        assert ours.B.keys() == chain.B.keys() and ours.B
        for l, tensor in chain.B.items():
            torch.testing.assert_close(ours.B[l], tensor, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", ["dfa", "dkp"])
def test_direct_feedback_behind_pools_is_that_of_the_published_alexnets(rule):
    """Layer by layer by autograd: each block of convolution, ReLU and pool is cut off behind the
    pool, whose output gets B δ_L, as in the code of both papers."""
    forward = parse_circuit("alexnet:1x16x16-3,width=2,hidden=4,norm=none")
    net = RateNetwork(parse_rule(rule, attach="pools").wire(forward), seed=5, dtype=torch.float64)
    x, y = next(batches(net.circuit))
    net.step(x, y)
    w = {name: net.weights[name].detach().clone().requires_grad_() for name in net.weights}
    b = {name: bias.detach().clone().requires_grad_() for name, bias in net.biases.items()}
    h, ends = x, {}
    for i, pre in enumerate(("x", "pool1", "pool2"), start=1):
        post, pool = f"h{i}", f"pool{i}"
        a = F.relu(F.conv2d(h, w[f"{pre} -> {post}"], b[post], padding=2))
        ends[pool] = F.max_pool2d(a, 2)
        h = ends[pool].detach()
    assert ends["pool3"].shape[1:] == forward.populations["pool3"].shape == (8, 2, 2)
    for pre, post in [("pool3", "h4"), ("h4", "h5")]:
        ends[post] = F.relu(F.linear(h.flatten(1), w[f"{pre} -> {post}"], b[post]))
        h = ends[post].detach()
    output = F.linear(h, w["h5 -> output"], b["output"])
    delta = torch.autograd.grad(F.cross_entropy(output, y), output, retain_graph=True)[0]
    output.backward(delta)
    for cells, end in ends.items():
        feedback = f"delta_output -> delta_{cells}"
        end.backward((delta @ w[feedback].T).reshape(end.shape))
        if rule == "dkp":
            w[feedback].grad = end.detach().flatten(1).T @ delta
    for name, weight in net.weights.items():
        torch.testing.assert_close(weight.grad, w[name].grad, rtol=1e-10, atol=1e-13)
    for name, bias in net.biases.items():
        torch.testing.assert_close(bias.grad, b[name].grad, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("kind", CIRCUITS)
@pytest.mark.parametrize(("sharing", "plain"), [("as", "bp"), ("asap", "kp")])
def test_blocks_of_one_layer_share_nothing(sharing, plain, kind):
    """AS with k = 1 is backpropagation, ASAP with k = 1 Kolen-Pollack learning."""
    one, other = network(sharing, kind, k=1, fully_connected="share"), network(plain, kind)
    for net in (one, other):
        optimizer = optimizer_of(net)
        for x, y in batches(net.circuit):
            net.step(x, y)
            optimizer.step()
    for name, tensor in other.state_dict().items():
        assert torch.equal(one.state_dict()[name], tensor), name


@pytest.mark.parametrize("kind", CIRCUITS)
def test_kolen_pollack_gap_shrinks_exactly(kind):
    """W − Bᵀ shrinks by (1 − λ) a step, whatever the activity; λ = lr · weight decay."""
    net = network("kp", kind)
    optimizer = optimizer_of(net)
    twins = [p for p in net.circuit.select(role="drive", path="feedback")]
    assert twins

    def gaps():
        return [net.weight(b.partner) - net.weight(b.name).transpose(0, 1) for b in twins]

    for x, y in batches(net.circuit):
        before = gaps()
        net.step(x, y)
        optimizer.step()
        for gap, after in zip(before, gaps(), strict=True):
            assert gap.abs().max() > 1e-3
            torch.testing.assert_close(after, (1 - LR * DECAY) * gap, rtol=1e-12, atol=1e-15)


def test_gap_stays_open_when_only_one_path_decays():
    """The law above can fail: without decay in the feedback path the gap does not shrink."""
    net = network("kp", "dense")
    groups = net.parameter_groups({"lr": LR, "weight_decay": DECAY}, {"lr": LR})
    optimizer = torch.optim.SGD(groups, lr=LR)
    gap = net.weight("h1 -> h2") - net.weight("delta_h2 -> delta_h1").T
    net.step(*next(batches(net.circuit)))
    optimizer.step()
    after = net.weight("h1 -> h2") - net.weight("delta_h2 -> delta_h1").T
    assert not torch.allclose(after, (1 - LR * DECAY) * gap, rtol=1e-6)


@pytest.mark.parametrize(
    ("rule", "same", "circuit"),
    [
        ("asap", "fa", "conv2:1x12x12-3,width=2,hidden=6"),
        ("asap", "fa", "mlp:16-9-7-4"),
        ("asap,k=1", "kp", "mlp:16-8-8-4"),
        ("as", "bp", "mlp:16-9-7-4"),
    ],
)
def test_where_nothing_is_shared_the_circuit_says_whose_numbers_it_has(rule, same, circuit):
    forward = parse_circuit(circuit)
    nets = [
        RateNetwork(parse_rule(name).wire(forward), seed=2, dtype=torch.float64)
        for name in (rule, same)
    ]
    note = f"no activation is shared in this circuit, which so learns like {same}"
    assert note in nets[0].circuit.notes
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((5, *forward.inputs[0].shape), generator=generator, dtype=torch.float64)
    for net in nets:
        net.step(x, torch.tensor([0, 1, 2, 0, 1]))
    mine, other = ({n: p.grad for n, p in net.named_parameters()} for net in nets)
    assert mine.keys() == other.keys()
    for name, change in mine.items():
        assert (change is None) == (other[name] is None)
        torch.testing.assert_close(change, other[name], rtol=1e-12, atol=0)
    shared = parse_rule("asap").wire(mlp((16, 8, 8, 8, 4)))
    assert not any("no activation is shared" in each for each in shared.notes)


@pytest.mark.parametrize("kept", [0.05, None])
@pytest.mark.parametrize("circuit", CIRCUITS)
def test_scaling_brings_what_a_cell_receives_to_its_set_point(circuit, kept):
    """Δw = ... + λ_s w (1 − s / s₀), s the mean |w| that a cell, or channel of cells, receives."""
    wired = parse_rule("kp").wire(CIRCUITS[circuit]())
    drives = [p for p in wired.select(role="drive") if p.plasticity]

    def changed(**scaling):
        net = Wiring(wired)
        for p in drives:
            net.update(p, plasticity=replace(p.plasticity, rate=0.4, decay=0.0, **scaling))
        net = RateNetwork(net.build(), dtype=torch.float64, seed=2)
        x = torch.randn(5, *wired.inputs[0].shape, dtype=torch.float64, generator=seeded(3))
        net.step(x, torch.arange(5) % wired.output.size)
        return net

    plain, scaled = changed(), changed(scaling=0.3, set_point=kept)
    for p in drives:
        # Stored as the forward weights are: a feedback drive ends at the second axis.
        w, ends = stored(plain, p.name), 1 if p.connector.transposed else 0
        others = [axis for axis in range(w.dim()) if axis != ends]
        s = w.abs().mean(dim=others, keepdim=True)
        fan_in = w[0].numel()
        s0 = kept or 0.5 * fan_in**-0.5  # of a uniform draw in ±1/√fan_in
        grads = (net.weights[p.name].grad for net in (scaled, plain))
        difference = 0.4 * (next(grads) - next(grads))
        torch.testing.assert_close(difference, -0.3 * w * (1 - s / s0))


def seeded(number):
    return torch.Generator().manual_seed(number)
