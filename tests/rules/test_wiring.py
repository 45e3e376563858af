"""What each option of a rule wires: who gets an error, through what, and who learns from whom."""

import pytest

from oneway.analysis import check_wiring, locality
from oneway.circuits import (
    ACTIVITY,
    AllToAllConnector,
    AveragePoolConnector,
    DropoutConnector,
    MatchConnector,
    MaxPoolConnector,
    OneToOneConnector,
    Signal,
    SynapticConnector,
    TransposeConnector,
    Weights,
    Wiring,
    WiringError,
    brought_by,
    from_json,
    mlp,
    parse_circuit,
    sign_magnitude,
    taught_by,
    to_json,
)
from oneway.rules import RULES, KolenPollack, parse_rule, with_feedback_path

MLP = mlp((64, 32, 32, 10))
RESNET = parse_circuit("resnet18:3x16x16-10,width=4")


def wired(rule, forward=MLP, **options):
    return parse_rule(rule, **options).wire(forward)


def learns_from(circuit, drive):
    """The population whose activity a forward drive learns from."""
    p = circuit.projections[drive]
    mimicked = [m.pre for m in circuit.select(role="mimic", post=p.pre, phase=p.plasticity.phase)]
    return mimicked[0] if mimicked else p.pre


def feedback_learns_from(circuit, drive):
    plasticity = circuit.projections[drive].plasticity
    return plasticity and plasticity.post.source


def errors(circuit):
    return {p.partner for p in circuit.populations.values() if p.path == "feedback"}


# -- frozen layers and the last layer --------------------------------------------------------


def test_nobody_needs_the_error_of_a_fixed_first_layer():
    circuit = wired("asap", frozen="first")
    assert errors(circuit) == {"h2", "output"}
    assert circuit.projections["x -> h1"].plasticity is None
    assert circuit.populations["h1"].learns is None


def test_gains_of_a_fixed_layer_may_learn_all_the_same():
    circuit = wired("bp", RESNET, frozen="first", frozen_norm=False)
    assert circuit.projections["x -> stem"].plasticity is None
    assert circuit.populations["stem"].learns.source == "delta_stem"


def test_only_fully_connected_learn():
    circuit = wired("bp", parse_circuit("conv2:1x28x28-10"), frozen="conv")
    assert errors(circuit) == {"h3", "output"}
    learning = [p.name for p in circuit.projections.values() if p.plasticity]
    assert learning == ["pool -> h3", "h3 -> output"]


def test_floor_has_one_learning_layer():
    circuit = wired("bp", RESNET, frozen="hidden")
    assert errors(circuit) == {"output"}
    assert [p.name for p in circuit.projections.values() if p.plasticity] == ["pool -> output"]


def test_frozen_projections_by_name():
    circuit = wired("bp", frozen=("h1 -> h2",))
    assert circuit.projections["h1 -> h2"].plasticity is None
    assert circuit.projections["x -> h1"].plasticity is not None
    with pytest.raises(WiringError, match="frozen projection 'h1 -> h9' is not a weighted drive"):
        wired("bp", frozen=("h1 -> h9",))
    with pytest.raises(WiringError, match="every weight of 'mlp:64-10' is frozen"):
        wired("bp", mlp((64, 10)), frozen="first")


@pytest.mark.parametrize("rule", ["fa", "kp", "asap", "dfa", "ss", "wm"])
def test_backprop_in_the_last_layer_only(rule):
    circuit = wired(rule, last_layer="bp")
    last = circuit.projections["delta_output -> delta_h2"]
    assert last.weights.kind == "tied" and last.plasticity is None
    others = [
        p for p in circuit.select(role="drive", path="feedback") if p.weights and p is not last
    ]
    assert others and all(p.weights.kind != "tied" for p in others)


def test_aligned_start_refers_to_the_forward_weights():
    assert wired("fa", init="aligned").projections["delta_h2 -> delta_h1"].weights.to == "h1 -> h2"


def test_aligned_convolutions_leave_dense_layers_their_own_draw():
    circuit = wired("fa", parse_circuit("conv2:1x8x8-3,width=2,hidden=4"), init="aligned_conv")
    back = {p.partner: p.weights for p in circuit.select(role="drive", path="feedback")}
    assert (back["h1 -> h2"].start, back["h1 -> h2"].to) == ("aligned", "h1 -> h2")
    dense = [back["pool -> h3"], back["h3 -> output"]]
    assert [(w.start, w.to) for w in dense] == [("kaiming_uniform", None)] * 2


# -- first draws -----------------------------------------------------------------------------


def feedback_starts(circuit):
    drives = circuit.select(role="drive", path="feedback")
    return {p.name: p.weights.start for p in drives if p.weights}


@pytest.mark.parametrize("rule", ["fa", "wm", "kp", "asap"])
def test_feedback_weights_are_drawn_like_those_they_run_against_or_as_is_said(rule):
    he = mlp((64, 32, 32, 10), init="kaiming_normal")
    assert set(feedback_starts(wired(rule, he)).values()) == {"kaiming_normal"}
    named = wired(rule, he, init="kaiming_normal_fan_out")
    assert set(feedback_starts(named).values()) == {"kaiming_normal_fan_out"}
    forward = {p.weights.start for p in named.select(role="drive", path="forward")}
    assert forward == {"kaiming_normal"}


@pytest.mark.parametrize("rule", ["dfa", "drtp", "dkp"])
def test_direct_feedback_runs_against_no_drive(rule):
    he = mlp((64, 32, 32, 10), init="kaiming_normal")
    assert set(feedback_starts(wired(rule, he)).values()) == {"kaiming_uniform"}
    assert set(feedback_starts(wired(f"{rule},init=he_uniform", he)).values()) == {"he_uniform"}
    with pytest.raises(
        WiringError, match=f"{rule}: init='aligned_conv' copies forward weights, but dir"
    ):
        wired(rule, init="aligned_conv")


@pytest.mark.parametrize(("rule", "kind"), [("bp", "tied"), ("ss", "sign-tied"), ("as", "tied")])
def test_weights_of_others_have_no_draw(rule, kind):
    with pytest.raises(WiringError, match=f"{rule}: init='aligned' .* they are {kind} to the forw"):
        wired(rule, init="aligned")


def test_a_rule_may_say_itself_how_feedback_weights_start():
    class Mine(KolenPollack):
        def wire(self, forward):
            return with_feedback_path(forward, self, Weights(start="he_uniform")).build()

    assert set(feedback_starts(Mine().wire(MLP)).values()) == {"he_uniform"}


def test_sign_symmetry_takes_the_scale_of_the_forward_draw():
    circuit = wired("ss", mlp((64, 32, 32, 10), init="sign_symmetry"))
    b = circuit.projections["delta_output -> delta_h2"]
    assert sign_magnitude(circuit, b) == pytest.approx(10**-0.5)  # 10 output cells
    stated = wired("ss,scale=0.25")
    assert sign_magnitude(stated, stated.projections[b.name]) == 0.25


# -- direct feedback -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "source"), [("dfa", "delta_output"), ("dkp", "delta_output"), ("drtp", "target")]
)
def test_direct_feedback_reaches_every_hidden_population(rule, source):
    circuit = wired(rule, RESNET)
    hidden = {p.name for p in RESNET.populations.values()} - {"x", "pool", "output"}
    drives = [p for p in circuit.select(role="drive", path="feedback")]
    assert {circuit.populations[p.post].partner for p in drives} == hidden
    assert {p.pre for p in drives} == {source}
    assert all(isinstance(p.connector, AllToAllConnector) for p in drives)


def test_direct_feedback_to_block_outputs():
    circuit = wired("dfa", RESNET, attach="blocks")
    direct = {p.post for p in circuit.select(role="drive", pre="delta_output")}
    assert direct == {"delta_stem", *(f"delta_block{i}" for i in range(1, 9))}
    inner = circuit.projections["delta_block1 -> delta_block1_a"]
    assert inner.partner == "block1_a -> block1" and inner.weights.kind == "independent"


def test_direct_feedback_behind_pools_and_nowhere_else():
    """A pool stands for the population that drives it alone; the mean of a ResNet's end, too."""
    alexnet = parse_circuit("alexnet:3x32x32-10,width=4,hidden=16")
    circuit = wired("dkp", alexnet, attach="pools")
    direct = {p.post for p in circuit.select(role="drive", pre="delta_output")}
    assert direct == {f"delta_{name}" for name in ("pool1", "pool2", "pool3", "h4", "h5")}
    for i in (1, 2, 3):
        (back,) = circuit.select(role="drive", post=f"delta_h{i}")
        assert back.partner == f"h{i} -> pool{i}" and back.weights is None
        assert feedback_learns_from(circuit, f"delta_output -> delta_pool{i}") == f"pool{i}"
    blocks = wired("dfa", RESNET, attach="pools").select(role="drive", pre="delta_output")
    every = wired("dfa", RESNET).select(role="drive", pre="delta_output")
    ends, others = {p.post for p in blocks}, {p.post for p in every}
    assert (ends - others, others - ends) == ({"delta_pool"}, {"delta_block8"})


# -- sharing ---------------------------------------------------------------------------------


def test_published_sharing_straddles_residual_blocks():
    """The second convolution of a block and the first, and shortcut, of the next: one activation,
    the input of the first block (published code of Woo et al. 2021)."""
    circuit = wired("asap", RESNET, frozen="first")
    assert learns_from(circuit, "stem -> block1_a") == "stem"
    for i in range(1, 8):
        entrance = f"block{i - 1}" if i > 1 else "stem"
        assert learns_from(circuit, f"block{i}_a -> block{i}") == entrance
        assert learns_from(circuit, f"block{i} -> block{i + 1}_a") == entrance
        shortcut = circuit.projections[f"block{i} -> block{i + 1}"]
        if shortcut.weights:
            assert learns_from(circuit, shortcut.name) == entrance
        assert feedback_learns_from(circuit, f"delta_block{i} -> delta_block{i}_a") == entrance
    assert learns_from(circuit, "pool -> output") == "pool"
    assert feedback_learns_from(circuit, "delta_output -> delta_pool") is None


def test_blocks_of_four_renew_at_every_second_residual_block():
    circuit = wired("asap", parse_circuit("resnet34:3x16x16-10,width=2"), k=4, frozen="first")
    shared = [learns_from(circuit, f"block{i}_a -> block{i}") for i in range(1, 17)]
    assert shared[:6] == ["stem", "stem", "block2", "block2", "block4", "block4"]
    assert len(set(shared)) == 8


def test_shared_activations_are_matched_in_shape():
    circuit = wired("asap", RESNET, frozen="first")
    teach = circuit.projections["teach: block2 -> delta_block3_a"]
    assert isinstance(teach.connector, OneToOneConnector | MatchConnector)
    skips = [p for p in circuit.select(role="teach", path="feedback")]
    assert skips and all(p.pre != circuit.populations[p.post].partner for p in skips)


def test_dense_layers_that_cannot_match_learn_by_feedback_alignment_and_say_so():
    circuit = wired("asap", mlp((30, 20, 16, 10)))
    assert feedback_learns_from(circuit, "delta_h2 -> delta_h1") is None
    assert any("h1 -> h2 learns by feedback alignment" in note for note in circuit.notes)
    assert "h1 -> h2 learns by feedback alignment" in circuit.summary()


def test_image_nets_leave_the_classifier_to_feedback_alignment():
    forward = parse_circuit("alexnet:3x32x32-10,width=4,hidden=16")
    assert learns_from(wired("asap", forward), "h4 -> h5") == "h4"
    assert learns_from(wired("asap", fully_connected="fa"), "h1 -> h2") == "h1"
    assert learns_from(wired("asap"), "h1 -> h2") == "x"


@pytest.mark.parametrize(
    ("frozen_norm", "entrance", "pairs"),
    [
        (True, "fixed", 0),  # nobody needs delta_stem, so that there is no feedback to it
        (True, "learned", 0),
        (False, "fixed", 0),
        (False, "learned", 4 * 16 * 16),  # every cell of the stem, as in the released code
    ],
)
def test_what_learning_at_the_entrance_of_the_first_block_costs(frozen_norm, entrance, pairs):
    options = {"frozen": "first", "frozen_norm": frozen_norm, "entrance": entrance}
    circuit = wired("asap", RESNET, gate="local", norm="own", **options)
    assert check_wiring(circuit).papers == pairs
    b = circuit.projections.get("delta_block1_a -> delta_stem")
    assert (b is None) == frozen_norm
    if b is not None:
        w = circuit.projections["stem -> block1_a"]
        learned = b.plasticity and (b.plasticity.pre, b.plasticity.post)
        assert learned == ((ACTIVITY, taught_by("stem")) if entrance == "learned" else None)
        assert (w.plasticity.pre, w.pre) == (ACTIVITY, "stem")  # the same product


def test_sharing_needs_a_chain_of_layers():
    net = Wiring("two ways")
    x = net.population("x", (4,))
    left, right = (net.population(n, (4,), activation="relu") for n in ("left", "right"))
    joined, far = (net.population(n, (4,), activation="relu") for n in ("joined", "far"))
    out = net.population("output", (2,))
    for pre, post in ((x, left), (x, right), (left, joined), (right, joined), (joined, far)):
        net.connect(pre, post, AllToAllConnector())
    net.connect(far, out, AllToAllConnector())
    with pytest.raises(WiringError, match=r"joined -> far.*\['left', 'right'\]"):
        wired("asap", net.build(), frozen="first", k=2)


def test_what_synapses_learn_from_and_what_makes_that():
    """Of Kolen-Pollack learning: Δw = −η δ_{l+1} ⊗ h_l, both ways."""
    circuit = wired("kp", mlp((6, 5, 4, 3)))

    def sources(name):
        found = circuit.reading.sources(circuit.projections[name])
        return {(p.pre, p.post, p.role) for p in found}

    # h1 is made by its drive; its error is taught.
    assert sources("h1 -> h2") == {("x", "h1", "drive"), ("delta_h2", "h2", "teach")}
    assert sources("delta_h2 -> delta_h1") == {
        ("delta_output", "delta_h2", "drive"),
        ("h2", "delta_h2", "gate"),
        ("h1", "delta_h1", "teach"),
    }
    assert sources("delta_output -> delta_h2") == {
        ("output", "delta_output", "compare"),
        ("target", "delta_output", "compare"),
        ("h2", "delta_h2", "teach"),
    }


# -- gates -----------------------------------------------------------------------------------


def gates(circuit):
    return {(p.pre, p.post) for p in circuit.select(role="gate")}


def test_gates():
    pairs = {("h1", "delta_h1"), ("h2", "delta_h2")}
    assert gates(wired("fa")) == pairs
    assert gates(wired("fa", gate="local")) == set()
    shared = {("x", "delta_h1"), ("x", "delta_h2")}
    assert gates(wired("asap", gate="shared")) == gates(wired("asap", gate="local")) == shared
    assert gates(wired("asap", gate="shared", k=1)) == pairs
    assert gates(wired("asap", gate="local", k=1)) == set()
    taught = wired("asap", gate="local").projections["x -> h1"].plasticity.post
    assert taught.gated and not wired("asap").projections["x -> h1"].plasticity.post.gated
    with pytest.raises(WiringError, match="gate='shared' needs a rule that shares activations"):
        wired("kp", gate="shared")


def test_linear_cells_need_no_gate():
    assert gates(wired("bp", mlp((8, 6, 4, 2), activation="linear"))) == set()


def test_max_pool_sends_errors_to_the_winner_or_evenly():
    forward = parse_circuit("conv2:1x8x8-10")
    exact = wired("fa", forward).projections["delta_pool -> delta_h2"]
    even = wired("fa", forward, gate="local").projections["delta_pool -> delta_h2"]
    assert exact.connector == TransposeConnector(MaxPoolConnector(2))
    assert even.connector == TransposeConnector(AveragePoolConnector(2))


def test_dropout_sends_errors_to_who_was_heard_or_to_all():
    net = Wiring("dropout")
    x, h = net.population("x", (4,)), net.population("h", (5,), activation="relu")
    drop, out = net.population("drop", (5,)), net.population("output", (2,))
    net.connect(x, h, AllToAllConnector())
    net.connect(h, drop, DropoutConnector(0.5))
    net.connect(drop, out, AllToAllConnector())
    for gate, back in (
        ("exact", TransposeConnector(DropoutConnector(0.5))),
        ("local", OneToOneConnector()),
    ):
        circuit = wired("fa", net.build(), gate=gate)
        assert circuit.projections["delta_drop -> delta_h"].connector == back


# -- what a rule cannot do ---------------------------------------------------------------------


def test_a_rule_is_wired_on_a_forward_circuit_once():
    with pytest.raises(WiringError, match="populations of another path already"):
        KolenPollack().wire(wired("kp"))


@pytest.mark.parametrize("rule", ["bp", "dfa", "asap"])
def test_rules_need_one_input(rule):
    net = Wiring("two inputs")
    out = net.population("output", (2,))
    for name in ("left", "right"):
        net.connect(net.population(name, (4,)), out, AllToAllConnector())
    with pytest.raises(WiringError, match=r"input populations \['left', 'right'\], expected exact"):
        wired(rule, net.build())


def test_errors_cannot_run_back_through_a_match():
    net = Wiring("match")
    x, h = net.population("x", (4,)), net.population("h", (4,), activation="relu")
    wide, out = net.population("wide", (8,)), net.population("output", (2,))
    net.connect(x, h, AllToAllConnector())
    net.connect(h, wide, MatchConnector())
    net.connect(wide, out, AllToAllConnector())
    with pytest.raises(WiringError, match=r"'h -> wide' .*MatchConnector drive; use a pool"):
        wired("fa", net.build())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("backprop", "no rule 'backprop'; did you mean 'bp'.* there are bp, fa, dfa"),
        ("asap,k=two", "rule asap: k = 'two', expected a whole number"),
        ("asap,k=0", "block size k=0, expected at least 1"),
        ("as,k=99", r"k=99 fits no block of 'mlp:.*', in which 3 layers .* Choose k from 1 to 3"),
        ("asap,gat=local", r"rule asap: no option 'gat'; did you mean 'gate'\?"),
        ("asap,k=2,k=4", "rule asap: option 'k' is given twice"),
        ("fa,gate=open", "gate = 'open', expected one of exact, shared, local"),
        ("fa,frozen_norm=maybe", "frozen_norm = 'maybe', expected yes or no"),
        ("missing_rule.py", "rule file 'missing_rule.py' does not exist"),
    ],
)
def test_rule_strings_that_cannot_be(text, message):
    with pytest.raises(WiringError, match=message):
        wired(text)


def test_rule_files_that_cannot_be(tmp_path):
    empty, broken = tmp_path / "empty.py", tmp_path / "broken.py"
    empty.write_text("x = 1\n")
    broken.write_text("import nothing_of_that_name\n")
    with pytest.raises(WiringError, match="defines 0 rules, expected one"):
        parse_rule(str(empty))
    with pytest.raises(WiringError, match=r"does not load: ModuleNotFoundError"):
        parse_rule(str(broken))


@pytest.mark.parametrize("rule", RULES)
def test_wiring_is_the_same_every_time_and_survives_json(rule):
    from oneway.circuits import from_json, to_json

    for forward in (MLP, RESNET, parse_circuit("alexnet:3x32x32-10,width=4,hidden=16")):
        circuit = wired(rule, forward)
        assert circuit == wired(rule, forward)
        assert circuit.forward_circuit() == forward
        assert from_json(to_json(circuit)) == circuit


# -- signals of one synapse --------------------------------------------------------------------


def extra(circuit):
    """Neuron connections by which shared activations reach what W learns from."""
    populations, total = circuit.populations, 0
    for p in circuit.projections.values():
        if p.role == "mimic" or isinstance(p.connector, SynapticConnector):
            pre, post = populations[p.pre].shape, populations[p.post].shape
            total += p.connector.relation(pre, post).count()
    return total


def test_a_signal_for_each_synapse_takes_a_connection_for_each():
    """ASAP, Fig. 3b against Fig. 4: no phase, but h_s → h_{l+1} all to all instead of h_s → h_l."""
    forward = mlp((8, 8, 8, 8, 3))
    neuron, synapse = (wired("asap", forward, signals=s) for s in ("neuron", "synapse"))
    assert (len(neuron.phases), len(synapse.phases)) == (2, 1)
    # h1 -> h2 and h2 -> h3 learn from x, h3 -> output from h2.
    sharers = [p for p in synapse.select(role="drive", path="forward") if
               p.plasticity.pre.kind == "synaptic"]  # fmt: skip
    assert [p.name for p in sharers] == ["h1 -> h2", "h2 -> h3", "h3 -> output"]
    assert extra(neuron) == 3 * 8
    assert extra(synapse) == 2 * 8 * 8 + 8 * 3  # one for each synapse of the three
    verdicts = [check_wiring(circuit) for circuit in (neuron, synapse)]
    assert [v.papers for v in verdicts] == [0, 0]
    assert from_json(to_json(synapse)) == synapse
    assert "pre: brought to each synapse by x" in synapse.summary()
    (statement,) = (s for s in locality(synapse) if s.projection == "h2 -> h3")
    assert str(statement.pre).startswith("h3 has what x brings to each synapse (through 'teach: x")


def test_convolutions_bring_each_synapse_its_element():
    """A cell of a 3×3 convolution hears 9 · channels cells of the shared image, matched to size."""
    forward = parse_circuit("resnet18:1x8x8-3,width=2")
    circuit = wired("asap", forward, signals="synapse", frozen="first")
    name = "teach: stem -> synapses of block1_a -> block1"
    p, w = circuit.projections[name], circuit.projections["block1_a -> block1"]
    shapes = circuit.populations["stem"].shape, circuit.populations["block1"].shape
    joined = w.connector.relation(circuit.populations["block1_a"].shape, shapes[1])
    assert (
        p.connector.relation(*shapes).count() == joined.count()
    )  # nothing to match: W's own pairs
    smaller = circuit.projections["teach: block2 -> synapses of block3_a -> block3"]
    pre, mid, post = (circuit.populations[n].shape for n in ("block2", "block3_a", "block3"))
    match, conv = smaller.connector._match(pre), circuit.projections["block3_a -> block3"].connector
    listed = match.relation(pre, mid).listed()
    onward = conv.relation(mid, post).listed()
    expected = {(int(i), int(k)) for i, j in listed for jj, k in onward if j == jj}
    assert {(int(i), int(k)) for i, k in smaller.connector.relation(pre, post).listed()} == expected


def test_signals_of_synapses_that_do_not_arrive():
    circuit = wired("asap", signals="synapse")
    w = circuit.projections["h1 -> h2"]
    wiring = Wiring(circuit)
    wiring.learn(w, pre=brought_by("h1"), post=w.plasticity.post)
    with pytest.raises(WiringError, match=r"'h1' teaches 'h2'.*through the drive's SynapticConnec"):
        wiring.build()
    wiring.learn(w, pre=w.plasticity.pre, post=brought_by("x"))
    with pytest.raises(WiringError, match=r"'x' brings to each synapse.*Use brought_by.* for pre"):
        wiring.build()
    wiring.learn(w, pre=w.plasticity.pre, post=w.plasticity.post)
    wiring.update(wiring.populations["h2"], learns=brought_by("x"))
    with pytest.raises(WiringError, match=r"population 'h2': learns from what 'x' brings to each"):
        wiring.build()
    with pytest.raises(WiringError, match="gated and centred are made by a cell"):
        Signal("synaptic", "x", gated=True)
