"""One parser of options: what it writes it reads back, and its errors name what was expected."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneway.circuits import WiringError, parse_circuit
from oneway.circuits.options import Options, as_text, convert, fits, join, split

KINDS = {
    "word": Literal["initial", "1"],
    "switch": bool,
    "count": int,
    "rate": float,
    "text": str,
    "perhaps": float | None,
    "scale": Literal["initial"] | float,
    "names": Literal["none", "first"] | tuple[str, ...],
    "epochs": tuple[int, ...],
    "samples": int | tuple[int, int] | None,
}
OPTIONS = Options("mine", KINDS)
numbers = st.floats(allow_nan=False)
VALUES = {
    "word": st.sampled_from(("initial", "1")),
    "switch": st.booleans(),
    "count": st.integers(),
    "rate": numbers,
    "text": st.text(),
    "perhaps": st.none() | numbers,
    "scale": st.just("initial") | numbers,
    "names": st.sampled_from(("none", "first")) | st.lists(st.text(min_size=1)).map(tuple),
    "epochs": st.lists(st.integers()).map(tuple),
    "samples": st.none() | st.integers() | st.tuples(st.integers(), st.integers()),
}


@given(st.fixed_dictionaries({}, optional=VALUES))
def test_what_is_written_is_read_back(values):
    text = join(f"{key}={as_text(value)}" for key, value in values.items())
    assert OPTIONS.parse(split(text) if text else ()) == values
    OPTIONS.check(values)


@pytest.mark.parametrize("word", ["yes", "true", "on", "Yes", "TRUE"])
def test_words_for_yes_and_no(word):
    no = {"yes": "no", "true": "false", "on": "off"}[word.lower()]
    assert convert(word, bool) is True and convert(no, bool) is False


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["counts=3"], "mine: no option 'counts'; did you mean 'count'?"),
        (["zzz=3"], "mine: no option 'zzz'; there are word, switch, count"),
        (["count"], "mine: 'count', expected key=value, as in count="),
        (["count=1", "count=1"], "mine: option 'count' is given twice"),
        (["word=2"], "mine: word = '2', expected one of initial, 1"),
        (["switch=maybe"], "mine: switch = 'maybe', expected yes or no"),
        (["count=1.5"], "mine: count = '1.5', expected a whole number"),
        (["scale=big"], "mine: scale = 'big', expected one of initial or a number"),
        (["epochs=3,x"], "mine: epochs = '3,x', expected whole numbers, as in 30,60"),
        (["samples=1,2,3"], "mine: samples = '1,2,3', expected a whole number or 2 whole numb"),
    ],
)
def test_what_cannot_be(pairs, message):
    with pytest.raises(WiringError, match=f"^{message.replace('?', '[?]')}"):
        OPTIONS.parse(pairs)


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        *(("rate", 1, 1.0), ("perhaps", 2, 2.0), ("count", 2, 2), ("epochs", [3, 4], (3, 4))),
        *(("samples", [3, 4], (3, 4)), ("samples", "3,4", (3, 4)), ("switch", "on", True)),
    ],
)
def test_values_of_a_file(key, value, read):
    found = OPTIONS.read(key, value)
    assert found == read and type(found) is type(read)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((int, True), (int, 1.5), (float, False), (bool, 1), (str, 3), (tuple[int, ...], (1.5,))),
        *((tuple[int, int], (1,)), (Literal["a"], "b"), (Literal[1], True), (float | None, "1")),
    ],
)
def test_values_of_another_kind(kind, value):
    assert not fits(value, kind)
    with pytest.raises(WiringError, match=r"x: y = .*, expected"):
        Options("x", {"y": kind}).check({"y": value})


NETS = {
    "mlp:5-4-3": ("activation", "norm"),
    "conv2:1x6x6-3": ("width", "hidden", "activation", "norm", "padding"),
    "alexnet:1x8x8-3": ("width", "hidden", "activation", "norm", "output_norm"),
    "resnet18:1x8x8-3": ("width", "shortcut", "activation", "norm", "output_norm"),
}
CHOICES = {
    "activation": st.sampled_from(("relu", "tanh")),
    "norm": st.sampled_from(("before", "after", "none")),
    "width": st.integers(1, 3),
    "hidden": st.integers(1, 3),
    "padding": st.integers(0, 2),
    "shortcut": st.booleans(),
    "output_norm": st.booleans(),
}


@given(st.sampled_from(list(NETS)), st.data())
def test_the_name_of_a_circuit_builds_it_again(net, data):
    options = data.draw(st.fixed_dictionaries({}, optional={k: CHOICES[k] for k in NETS[net]}))
    circuit = parse_circuit(join([net, *(f"{k}={as_text(v)}" for k, v in options.items())]))
    assert parse_circuit(circuit.name) == circuit
    said = dict(pair.split("=") for pair in circuit.name.split(",")[1:])
    assert said.items() <= {k: as_text(v) for k, v in options.items()}.items()
