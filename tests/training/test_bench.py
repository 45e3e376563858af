"""`oneway bench`: who is measured, in which order, what is counted, exit codes and keys.

No test asks how long anything took.
"""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from oneway.analysis.traffic import activation_traffic
from oneway.backends.rate import RateNetwork
from oneway.circuits import mlp, parse_circuit, save_circuit
from oneway.rules import WeightMirror, parse_rule
from oneway.training.bench import timing
from oneway.training.bench.contenders import (
    AUTOGRAD,
    SETTINGS,
    BenchConfig,
    Contender,
    model_contender,
    plain_contender,
    random_batch,
    rule_contender,
)
from oneway.training.bench.measure import Bench, RuleMeasure, bench
from oneway.training.bench.timing import Peak, Ratio, alternate, paired_ratio, peak
from oneway.training.cli.bench import noise_hint, read_rules, usual_rules
from oneway.training.cli.main import main
from oneway.training.cli.options.bench import DEFAULT_CIRCUIT, DEFAULT_RULES
from oneway.training.config import COMPILE_MODES
from oneway.training.errors import ConfigError

PER_RULE = "step_time_ratio step_time_ratio_spread peak_memory_ratio device dtype batch".split()
EXTRA = "rule step_s images_per_s traffic_ratio kept_bytes peak_memory_bytes".split()
SMALL = mlp((6, 8, 4))
QUICK = ("bench", "--circuit", "mlp:6-8-4", "--batch", "4", "--repeats", "3", "--rules")


@pytest.fixture(autouse=True)
def short_turns(monkeypatch):
    monkeypatch.setattr(timing, "TURN_S", 0.0)


@pytest.fixture
def oneway(capsys):
    def call(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as leaving:  # --help
            code = leaving.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


class Recorded:
    """An optimizer, or a part of a step, that writes down when its turn came."""

    def __init__(self, log, name):
        self.log, self.name = log, name
        self.param_groups = [{"params": []}]

    def __call__(self):
        self.log.append(self.name)

    def step(self):
        self.log.append(f"{self.name} applied")


def recorded(log, name, parts=1):
    return Contender(name, (Recorded(log, name),) * parts, Recorded(log, name))


# -- taking turns ------------------------------------------------------------------------------


def test_contenders_take_turns():
    log, turns = [], []
    contenders = [recorded(log, name) for name in "abc"]
    seconds = alternate(contenders, BenchConfig(repeats=4), turns.append)
    assert turns == list("abc") * 4
    assert {name: len(taken) for name, taken in seconds.items()} == dict.fromkeys("abc", 4)
    steps = [entry for entry in log if len(entry) == 1]
    warm_up = 3 * (timing.WARM_UP_STEPS + 1)
    assert steps[warm_up:] == list("abc") * 4


def test_short_steps_are_taken_several_times_a_turn(monkeypatch):
    monkeypatch.setattr(timing, "TURN_S", 1.0)
    monkeypatch.setattr(timing, "_seconds_a_step", lambda contender, steps, device: 0.3)
    assert timing.warm_up(recorded([], "a"), BenchConfig()) == 4


def test_every_part_of_a_step_is_applied():
    log = []
    recorded(log, "a", parts=2).step()
    assert log == ["a", "a applied"] * 2


def test_ratios_are_taken_round_by_round():
    """The machine is slow in the second round, for both: the ratio is 2 in every round."""
    ratio = paired_ratio([2.0, 20.0, 2.0], [1.0, 10.0, 1.0])
    assert (ratio.median, ratio.low, ratio.high, ratio.spread) == (2.0, 2.0, 2.0, 0.0)
    ratio = paired_ratio([1.0, 2.0, 3.0, 4.0, 5.0], [1.0] * 5)
    assert (ratio.median, ratio.low, ratio.high) == (3.0, 2.0, 4.0)
    with pytest.raises(ValueError, match="shorter"):
        paired_ratio([1.0, 2.0, 3.0], [1.0, 1.0])


# -- contenders --------------------------------------------------------------------------------


def test_both_sides_do_the_same_work():
    """Backpropagation by us and by autograd, from the same weights, ends at the same weights."""
    config = BenchConfig(batch=5, dtype="float64")
    x, y = random_batch(SMALL, config)
    ours = rule_contender("bp", parse_rule("bp").wire(SMALL), config, x, y)
    plain = plain_contender(SMALL, config, x, y)
    shapes = {tuple(p.shape): p for p in plain.parameters()}
    with torch.no_grad():
        for p in ours.parameters():
            shapes[tuple(p.shape)].copy_(p)
    for _ in range(3):
        ours.step()
        plain.step()
    for p in ours.parameters():
        torch.testing.assert_close(shapes[tuple(p.shape)], p, rtol=1e-10, atol=1e-12)
    assert plain.optimizer.defaults.items() >= SETTINGS.items()
    for group in ours.optimizer.param_groups:
        assert group.items() >= SETTINGS.items()


def test_a_mirror_batch_is_part_of_the_step():
    config = BenchConfig(batch=4)
    x, y = random_batch(SMALL, config)
    bp, wm = (rule_contender(r, parse_rule(r).wire(SMALL), config, x, y) for r in ("bp", "wm"))
    assert (len(bp.parts), len(wm.parts)) == (1, 2)
    feedback = {id(p) for group in wm.optimizer.param_groups[1:] for p in group["params"]}
    before = [p.clone() for p in wm.parameters() if id(p) in feedback]
    wm.step()
    after = [p for p in wm.parameters() if id(p) in feedback]
    assert before and not any(torch.equal(a, b) for a, b in zip(after, before, strict=True))


def test_autograd_is_drawn_without_touching_the_global_generator():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    config = BenchConfig()
    plain_contender(SMALL, config, *random_batch(SMALL, config))
    assert torch.equal(torch.rand(2), expected)


# -- memory ------------------------------------------------------------------------------------


def test_peak_leaves_out_the_changes_that_stay():
    """y = tanh(x w) keeps y and makes two errors of its size; w's change comes last and stays."""

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.randn(50, 40))

        def forward(self, x):
            return torch.tanh(x @ self.w)

    layer, x = Layer(), torch.randn(10, 50)
    contender = Contender(
        "layer", (lambda: layer(x).sum().backward(),), torch.optim.SGD(layer.parameters())
    )
    found = peak(contender, "cpu")
    activity, change = 10 * 40 * 4, 50 * 40 * 4
    assert found.total >= activity + change
    assert activity <= found.activity < change


def test_a_second_path_is_not_credited_for_its_changes():
    """Kolen-Pollack learning keeps what backpropagation keeps, and leaves twice the changes.

    In the bench, W and B share them; elsewhere each has its own.
    """
    config = BenchConfig(batch=8)
    circuit = mlp((64, 64, 64, 64, 4))
    x, y = random_batch(circuit, config)
    wired = {rule: parse_rule(rule).wire(circuit) for rule in ("bp", "kp")}
    bp, kp = (peak(rule_contender(r, w, config, x, y), "cpu") for r, w in wired.items())
    assert kp.activity == pytest.approx(bp.activity, rel=0.05)
    assert kp.total == pytest.approx(bp.total, rel=0.05)
    net = RateNetwork(wired["kp"])
    optimizer = torch.optim.SGD(net.parameter_groups(), lr=0.1)
    apart = peak(Contender("kp", (lambda: net.step(x, y),), optimizer), "cpu")
    assert apart.activity == pytest.approx(bp.activity, rel=0.05)
    assert apart.total > 1.5 * bp.total


def test_peak_of_a_step_is_that_of_its_largest_part():
    sizes = iter((100, 300, 200))
    parts = (lambda: torch.ones(next(sizes)),) * 3
    weight = nn.Parameter(torch.ones(1))
    found = peak(Contender("parts", parts, torch.optim.SGD([weight])), "cpu")
    assert found == Peak(1200, 1200)


# -- results -----------------------------------------------------------------------------------


def test_result_of_every_rule():
    rules = read_rules(["bp,asap,k=2", "wm"])
    circuit = mlp((8, 8, 8, 8, 4), norm="before")
    found = bench(circuit, rules, BenchConfig(batch=4, repeats=3))
    assert [m.rule for m in found.rules] == ["bp", "asap,k=2", "wm"]
    bp = activation_traffic(parse_rule("bp").wire(circuit))
    for m in found.rules:
        wired = activation_traffic(rules[m.rule].wire(circuit))
        assert m.traffic_ratio == wired.relative_to(bp)
        assert m.memory_ratio == m.peak.activity / found.autograd_peak.activity
        assert m.total_ratio == m.peak.total / found.autograd_peak.total
        assert 0 < m.time.low <= m.time.median <= m.time.high
        assert 0 < m.kept_bytes <= m.peak.total
    assert found.images_per_s(0.5) == 8


def test_hint_where_rounds_disagree():
    def measure(name, low, high):
        return RuleMeasure(name, 1.0, Ratio(1.0, low, high), Peak(1, 1), 1.0, 1.0, 1, 1.0)

    rules = (measure("bp", 0.99, 1.02), measure("asap,k=4", 0.9, 1.2))
    config = BenchConfig(repeats=7)
    hint = noise_hint(Bench("mlp:6-8-4", config, 1.0, Peak(1, 1), rules))
    assert hint is not None
    assert "for asap,k=4: something else" in hint and "(now 7)" in hint
    assert noise_hint(Bench("mlp:6-8-4", config, 1.0, Peak(1, 1), rules[:1])) is None


# -- the command -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["bp,fa"], ["bp", "fa"]),
        (["bp", "fa"], ["bp", "fa"]),
        (["bp,fa asap,k=2 asap,k=4"], ["bp", "fa", "asap,k=2", "asap,k=4"]),
        (["asap,k=4,gate=local,kp"], ["asap,k=4,gate=local", "kp"]),
        (["bp,asap,k=2", "asap,k=4", "dfa,frozen=conv,fa"], None),
    ],
)
def test_commas_part_rules_and_options(arguments, expected):
    expected = expected or ["bp", "asap,k=2", "asap,k=4", "dfa,frozen=conv", "fa"]
    rules = read_rules(arguments)
    assert list(rules) == expected
    assert all(rules[text] == parse_rule(text) for text in expected)


def test_json_keys(oneway):
    code, out, err = oneway(*QUICK, "bp,asap,k=2", "wm", "--json")
    content = json.loads(out)
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert list(content["rules"]) == ["bp", "asap,k=2", "wm"]
    assert {"circuit", "hardware", "repeats", "autograd"} <= set(content)
    for name, rule in content["rules"].items():
        assert {*PER_RULE, *EXTRA} <= set(rule)
        assert (rule["rule"], rule["device"], rule["dtype"]) == (name, "cpu", "float32")
        assert rule["batch"] == 4
        low, high = rule["step_time_ratio_spread"]
        assert low <= rule["step_time_ratio"] <= high
    assert content["rules"]["bp"]["traffic_ratio"] == 1.0


def test_table_for_people(oneway, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = oneway(*QUICK, "bp", "asap,gate=local,norm=scale,forward_norm=scale")
    assert (code, err) == (0, "")
    assert "mlp:6-8-4, batch 4, float32 on cpu" in out
    assert "torch " in out and AUTOGRAD in out and "asap,gate=local," in out
    assert all(len(line) <= 80 for line in out.splitlines() if line.startswith(" "))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_other_dtypes(oneway, dtype):
    code, out, _ = oneway(*QUICK, "bp", "--dtype", dtype, "--json")
    assert code == 0
    content = json.loads(out)
    assert content["rules"]["bp"]["dtype"] == content["dtype"] == dtype
    assert content["weights_dtype"] == ("float64" if dtype == "float64" else "float32")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_both_sides_do_the_same_work_in_16_bits(dtype):
    """Autograd under autocast, and our casts: the same changes in 32 bits of the same weights."""
    config = BenchConfig(batch=16, dtype=dtype, channels_last=True)
    circuit = parse_circuit("conv2:1x28x28-4")
    x, y = random_batch(circuit, config)
    ours = rule_contender("bp", parse_rule("bp").wire(circuit), config, x, y)
    plain = plain_contender(circuit, config, x, y)
    shapes = {tuple(p.shape): p for p in plain.parameters()}
    pairs = [(shapes[tuple(p.shape)], p) for p in ours.parameters() if p.dim() > 1]
    with torch.no_grad():
        shapes[(4,)].zero_()  # biases, as ours start
        for theirs, own in pairs:
            theirs.copy_(own)
    for contender in (ours, plain):
        contender.parts[0]()
    for theirs, own in pairs:
        assert theirs.dtype == own.grad.dtype == torch.float32
        assert theirs.stride() == own.stride()
        torch.testing.assert_close(own.grad, theirs.grad, rtol=1e-2, atol=1e-5)


def test_both_sides_are_compiled(oneway, monkeypatch):
    """And so are their twins that memory is measured of, unless on a CPU."""
    compiled = []

    def note(function, **options):
        compiled.append(options["mode"])
        return function

    monkeypatch.setattr(torch, "compile", note)
    code, out, _ = oneway(*QUICK, "bp", "--compile", "reduce-overhead", "--json")
    content = json.loads(out)
    assert code == 0 and compiled == ["reduce-overhead"] * 2
    assert content["compile"] == content["rules"]["bp"]["compile"] == "reduce-overhead"
    assert content["rules"]["bp"]["peak_memory_bytes"] > 0


def test_memory_is_measured_without_cuda_graphs(monkeypatch):
    config = BenchConfig(compile="reduce-overhead")
    assert config.for_memory().compile == "no"  # on a CPU
    monkeypatch.setattr(BenchConfig, "on_gpu", True)
    modes = {mode: replace(config, compile=mode).for_memory().compile for mode in COMPILE_MODES}
    assert modes == {
        "no": "no",
        "default": "default",
        "reduce-overhead": "default",
        "max-autotune": "max-autotune-no-cudagraphs",
        "max-autotune-no-cudagraphs": "max-autotune-no-cudagraphs",
    }


def test_compiled(oneway, monkeypatch):
    """As whole graphs, autograd's backward too; code is generated in tests of the rate backend."""
    compile = torch.compile

    def uncoded(function, mode, **options):
        return compile(function, backend="aot_eager", **options)

    monkeypatch.setattr(torch, "compile", uncoded)
    code, out, _ = oneway(*QUICK, "bp", "--dtype", "bfloat16", "--compile", "default", "--json")
    assert code == 0 and json.loads(out)["rules"]["bp"]["step_time_ratio"] > 0


def test_plan_is_shown_and_nothing_is_timed(oneway, monkeypatch):
    monkeypatch.setattr(timing, "_seconds_a_step", None)
    code, out, _ = oneway(*QUICK, "bp", "asap,k=2", "--plan")
    assert code == 0
    assert out.count("held when the loss is computed") == 2
    assert "mlp:6-8-4, batch 4, asap,k=2:" in out
    code, out, err = oneway(*QUICK, "bp", "--plan", "--json")
    (rule,) = json.loads(out)["rules"].values()
    assert (code, err, rule["rule"]) == (0, "", "bp")
    assert sum(kept["bytes"] for kept in rule["kept"]) == rule["kept_bytes"]
    assert rule["peak_bytes"] >= rule["kept_bytes"]


def test_help_names_the_defaults(oneway):
    code, out, _ = oneway("bench", "--help")
    words = " ".join(out.split())
    assert code == 0 and out.startswith("usage: oneway bench")
    assert f"(default: {DEFAULT_RULES[0]})" in words and f"(default: {DEFAULT_CIRCUIT})" in words
    assert "asap,k=4" in read_rules(DEFAULT_RULES)


def test_default_rules_leave_out_blocks_that_are_too_long():
    assert list(usual_rules(mlp((8, 8, 8)))) == ["bp", "fa", "kp", "dfa", "wm", "asap"]
    assert list(usual_rules(mlp((8, 8, 8, 8, 8)))) == list(read_rules(DEFAULT_RULES))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("compile", ["no", "reduce-overhead"])
def test_gpu(oneway, compile):
    options = ("--device", "cuda", "--dtype", "bfloat16", "--compile", compile)
    code, out, _ = oneway(*QUICK, "bp", "wm", *options, "--json")
    assert code == 0
    for rule in json.loads(out)["rules"].values():
        assert rule["device"] == "cuda"
        assert rule["peak_memory_bytes"] == rule["total_memory_bytes"] > 0


def test_threads_are_given_back(oneway):
    before = torch.get_num_threads()
    code, out, _ = oneway(*QUICK, "bp", "--threads", before + 1, "--json")
    assert code == 0
    assert f"{before + 1} threads" in json.loads(out)["hardware"]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["bp", "--batch", "1"], "batch 1, expected at least 2"),
        (["bp", "--batch", "99999999999"], "this takes more memory than there is (you tried to"),
        (["bp", "--repeats", "2"], "repeats 2, expected at least 3"),
        (["bp", "--threads", "0"], "threads 0, expected at least 1"),
        (["bp", "--dtype", "int8"], "dtype 'int8', expected one of float32, float64, bfloat16"),
        (["bp", "--compile", "yes"], "compile 'yes', expected one of no, default"),
        (["bp", "--device", "abacus"], "device 'abacus', expected one of cpu, cuda"),
        (["bp", "bp"], "rule 'bp' is named twice"),
        (["nonesuch"], "nonesuch"),
        (["bp,asap,j=4"], "j"),
        (["bp", "--batch", "many"], "--batch: invalid int value: 'many'"),
        (["bp", "--circuit", "nonesuch:3"], "neither a file nor a builder string"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(oneway, arguments, complaint):
    code, out, err = oneway(*QUICK, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("oneway: error: ") and err.count("\n") == 1 and complaint in err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu(oneway):
    code, _, err = oneway(*QUICK, "bp", "--device", "cuda")
    assert code == 2
    assert "device 'cuda' cannot be used here" in err and "Try --device cpu" in err


def test_wired_circuit_is_refused(oneway, tmp_path):
    path = tmp_path / "wired.json"
    save_circuit(WeightMirror().wire(SMALL), path)
    code, _, err = oneway(*QUICK, "bp", "--circuit", path)
    assert code == 2 and "is wired already: give a forward circuit" in err


def test_what_torch_cannot_run_is_said_before_any_timing(monkeypatch):
    def fail():
        raise NotImplementedError("\"conv\" not implemented for 'BFloat16'\nand a long story")

    contender = Contender("bp", (fail,), torch.optim.SGD([nn.Parameter(torch.ones(1))]))
    with pytest.raises(
        ConfigError, match=r"^bp: torch cannot take a step of 16 .*'BFloat16'\. Try"
    ):
        alternate([contender], BenchConfig())


def test_any_torch_model_can_take_part():
    config = BenchConfig(batch=4)
    x, y = random_batch(SMALL, config)
    contender = model_contender("mine", nn.Linear(6, 4), x, y)
    first = [p.clone() for p in contender.parameters()]
    contender.step()
    assert not torch.equal(first[0], contender.parameters()[0])


def test_residual_net_end_to_end(oneway):
    arguments = ("--circuit", "resnet18:3x16x16-5,width=2", "--json")
    code, out, _ = oneway(*QUICK, "bp", "asap,k=4", *arguments)
    rules = json.loads(out)["rules"]
    assert code == 0
    assert rules["bp"]["peak_memory_ratio"] <= 1.01
    assert rules["asap,k=4"]["peak_memory_ratio"] < rules["bp"]["peak_memory_ratio"]
    assert rules["asap,k=4"]["traffic_ratio"] < 0.5
