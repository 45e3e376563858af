"""Rule files: a copy works wherever it lies, a label parses back, a slip is one clear error."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import oneway.rules
from oneway.circuits import WiringError, mlp, parse_circuit
from oneway.rules import RULES, SPIKE_RULES, parse_rule

FOLDER = Path(oneway.rules.__file__).parent
KNOWN = RULES | SPIKE_RULES
FILES = {rule.name: FOLDER / f"{rule.__module__.rpartition('.')[2]}.py" for rule in KNOWN.values()}
CIRCUITS = (mlp((8, 6, 6, 6, 3)), parse_circuit("conv2:1x8x8-3,width=2,hidden=4"))


@pytest.fixture(autouse=True)
def _rules_as_before():
    before = [(home, dict(home)) for home in (RULES, SPIKE_RULES)]
    yield
    for home, rules in before:
        home.clear()
        home.update(rules)


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


def test_the_rule_of_the_guide_works_as_it_stands(tmp_path):
    """CONTRIBUTING.md, "Adding a rule": Kolen-Pollack learning in one file."""
    guide = Path(__file__).parents[2] / "CONTRIBUTING.md"
    (code,) = re.findall(r"## Adding a rule.*?```python\n(.*?)```", guide.read_text(), re.DOTALL)
    mine = parse_rule(written(tmp_path, code))
    for forward in CIRCUITS:
        assert mine.wire(forward) == parse_rule("kp").wire(forward)


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
