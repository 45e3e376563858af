"""Rule files: a copy works wherever it lies, a label parses back, a slip is one clear error."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import oneway.rules
from oneway.circuits import WiringError, mlp, parse_circuit
from oneway.rules import RULES, SPIKE_RULES, describe_rule, new_rule, parse_rule

pytestmark = pytest.mark.usefixtures("rules_as_before")

FOLDER = Path(oneway.rules.__file__).parent
KNOWN = RULES | SPIKE_RULES
FILES = {rule.name: FOLDER / f"{rule.__module__.rpartition('.')[2]}.py" for rule in KNOWN.values()}
CIRCUITS = (mlp((8, 6, 6, 6, 3)), parse_circuit("conv2:1x8x8-3,width=2,hidden=4"))


def written(folder: Path, text: str, name: str = "mine") -> str:
    path = folder / f"{name}.py"
    path.write_text(text)
    return str(path)


# -- copies ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_a_copy_of_a_rule_file_wires_the_same(name, tmp_path):
    """`cp rules/kolen_pollack.py mine.py`, another name=, and it runs with --rule mine.py."""
    text, renamed = re.subn(
        r'\(Rule, name="\w+"\)', '(Rule, name="copied")', FILES[name].read_text()
    )
    assert renamed == 1
    copy = parse_rule(written(tmp_path, text))
    assert copy.name == "copied" and type(copy) is not KNOWN[name]
    for forward in CIRCUITS:
        assert copy.wire(forward) == parse_rule(name).wire(forward)


def test_a_copy_that_keeps_its_name_is_refused(tmp_path):
    file = written(tmp_path, FILES["kp"].read_text())
    refused = r"mine.py': there is already a rule 'kp', KolenPollack. Choose another name="
    with pytest.raises(WiringError, match=refused):
        parse_rule(file)
    assert RULES["kp"].__module__ == "oneway.rules.kolen_pollack"


def test_the_rule_to_start_from_works_as_it_stands(tmp_path):
    """Feedback alignment, and with its option Kolen-Pollack learning."""
    file = written(tmp_path, new_rule())
    for forward in CIRCUITS:
        assert parse_rule(file).wire(forward) == parse_rule("fa").wire(forward)
        assert parse_rule(f"{file},learn=yes").wire(forward) == parse_rule("kp").wire(forward)


def test_the_guide_shows_the_rule_to_start_from():
    guide = Path(__file__).parents[2] / "CONTRIBUTING.md"
    shown = re.findall(r"## Adding a rule.*?```python\n(.*?)```", guide.read_text(), re.DOTALL)
    assert shown == [new_rule()]


# -- descriptions ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", KNOWN)
def test_a_rule_is_described_whole(name):
    rule = describe_rule(KNOWN[name])
    assert rule.full_name and rule.about and rule.file == FILES[name]
    assert "Parameters" not in rule.text and len(rule.text) > 60
    assert {option.name for option in rule.options} == {f.name for f in fields(KNOWN[name])}
    for option in rule.options:
        assert len(option.meaning) > 10, option.name
        assert option.kind and f"{option.name}={option.default}" not in rule.text
        parse_rule(f"{name},{option.name}={option.default}")  # as one types it


def test_a_description_says_what_the_file_says():
    rule = describe_rule(KNOWN["asap"])
    k, *_, signals = rule.own_options
    assert (rule.full_name, rule.needs_spikes) == (
        "Activation sharing with asymmetric paths (ASAP)",
        False,
    )
    assert (k.kind, k.default) == ("whole number", "2")
    said = {"name": "k", "type": "whole number", "default": "2", "meaning": k.meaning}
    assert k.as_dict() == said | {"common": False}
    assert k.meaning.startswith("Block size; with k = 1 nothing is shared")
    assert signals.kind == "neuron, synapse" and signals.meaning.endswith("the same changes.")
    shared = next(o for o in describe_rule(KNOWN["wm"]).options if o.name == "decay")
    assert shared.meaning == "rate and decay: η_B and λ_WM of the mirror mode (appendix D.2)."
    frozen = rule.options[-2]
    assert frozen.common and frozen.kind == "none, first, conv, hidden or names joined by +"


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("kq", "'kp'"), ("weight-mirror", "'wm'"), ("Kolen_Pollack", "'kp' or 'dkp'")],
)
def test_a_rule_that_is_not_there_brings_those_that_may_be_meant(wrong, meant):
    with pytest.raises(
        WiringError, match=f"no rule '{wrong}'; did you mean {meant}.* there are bp"
    ):
        parse_rule(wrong)


# -- labels ----------------------------------------------------------------------------------

names = st.lists(st.text(min_size=1), max_size=3).map(tuple)
NUMBERS = {int: st.integers(1, 9), float: st.floats(0, 10), bool: st.booleans()}


def values_of(kind):
    """Anything that an option of this kind can be."""
    if kind in NUMBERS:
        return NUMBERS[kind]
    if getattr(kind, "__args__", None) is None:
        raise AssertionError(f"no strategy for {kind}")
    if kind.__class__.__name__ == "_LiteralGenericAlias":
        return st.sampled_from(kind.__args__)
    if kind == tuple[str, ...]:
        return names
    return st.one_of([values_of(part) for part in kind.__args__])


@given(st.sampled_from(list(KNOWN)), st.data())
def test_a_label_parses_back(name, data):
    kinds = KNOWN[name].options().kinds
    assert kinds.keys() == {f.name for f in fields(KNOWN[name])}
    values = data.draw(
        st.fixed_dictionaries({}, optional={k: values_of(v) for k, v in kinds.items()})
    )
    rule = KNOWN[name](**values)
    assert parse_rule(rule.label()) == rule
    apart = parse_rule(rule.label("gate", "norm"), gate=rule.gate, norm=rule.norm)
    assert apart == rule


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("asap,k=4,gate=local", "asap,gate=local,k=4"),
        ("wm,rate=0.1,bias-blocking=on", "wm,bias_blocking=yes"),
        ("ss,scale=0.5", "ss,scale=0.5"),
        ("bp,frozen=x -> h1+h1 -> h2", "bp,frozen=x -> h1+h1 -> h2"),
        ("bp,frozen=first+", "bp,frozen=first+"),
        ("kp,gate=exact", "kp"),
    ],
)
def test_labels_are_what_one_types(text, label):
    assert parse_rule(text).label() == label


def test_projections_to_freeze_can_be_named_in_text():
    circuit = parse_rule("bp,frozen=x -> h1+h2 -> h3").wire(CIRCUITS[0])
    assert [p.name for p in circuit.projections.values() if p.plasticity] == [
        "h1 -> h2",
        "h3 -> output",
    ]
    with pytest.raises(WiringError, match=r"'frist' is not a weighted drive .* words none, first"):
        parse_rule("bp,frozen=frist").wire(CIRCUITS[0])


# -- slips -----------------------------------------------------------------------------------

SLIP = """
from oneway.circuits import WiringError
from oneway.rules import Rule

class Slip(Rule, name="slip"):
    def wire(self, forward):
        self.helper()

    def helper(self):
        {line}
"""


def test_a_slip_in_wire_names_rule_file_and_line(tmp_path):
    file = written(tmp_path, SLIP.format(line="sorted([1, 'a'])  # in C, so this line is the last"))
    with pytest.raises(WiringError) as caught:
        parse_rule(file).wire(CIRCUITS[0])
    assert str(caught.value) == (
        f"rule slip: wire() fails in {file!r}, line 10: TypeError(\"'<' not supported between "
        "instances of 'str' and 'int'\")"
    )
    assert isinstance(caught.value.__cause__, TypeError)


def test_the_line_is_the_users_where_our_own_code_raises(tmp_path):
    file = written(tmp_path, SLIP.format(line="from oneway.circuits import mlp; mlp(None)"))
    with pytest.raises(WiringError, match=rf"{re.escape(file)}', line 10: TypeError"):
        parse_rule(file).wire(CIRCUITS[0])


def test_what_a_rule_says_on_purpose_stays(tmp_path):
    file = written(tmp_path, SLIP.format(line="raise WiringError('not on Sundays')"))
    with pytest.raises(WiringError, match=r"^not on Sundays$"):
        parse_rule(file).wire(CIRCUITS[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", r"mine.py' defines 0 rules, expected one"),
        ("\n\nimport nothing_of_that_name\n", r"mine.py', line 3 does not load: ModuleNotFound"),
        ("x = 1\ny = (\n", r"mine.py', line 2 does not load: SyntaxError"),
    ],
)
def test_files_that_do_not_load(tmp_path, text, message):
    file = written(tmp_path, text)
    with pytest.raises(WiringError, match=message):
        parse_rule(file)


def test_a_file_that_fails_half_way_leaves_no_rule_behind(tmp_path):
    file = written(tmp_path, SLIP.format(line="pass") + "\n1 / 0\n")
    with pytest.raises(WiringError, match=r"line 12 does not load: ZeroDivisionError"):
        parse_rule(file)
    assert "slip" not in RULES


def test_what_rule_files_need_is_public():
    """Everything that our own rule files import is there from `oneway.rules` or `.circuits`."""
    for file in FILES.values():
        for module, imported in re.findall(
            r"^from (oneway\.\w+)[\w.]* import (?:\(\n)?([^)\n][^)]*?)(?:\)|\n(?=\S|\n))",
            file.read_text(),
            re.MULTILINE,
        ):
            public = __import__(module, fromlist=["__all__"]).__all__
            wanted = {name for name in re.split(r"[\s,]+", imported) if name}
            assert wanted <= set(public), (file.name, module, wanted - set(public))
