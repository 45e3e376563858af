"""Synaptic delays are part of the description, and seen only where there are some."""

import io
import json

import networkx as nx
import pytest

from oneway.circuits import Circuit, WiringError, from_graphml, from_json, mlp, to_graphml, to_json
from oneway.rules import parse_rule

WIRED = parse_rule("kp").wire(mlp((4, 3, 2)))


def test_delays_travel_with_the_circuit():
    delayed = WIRED.with_delays({"x -> h1": 2.0, "teach: h1 -> delta_h1": 0.5})
    assert delayed != WIRED
    assert from_json(to_json(delayed)) == delayed
    buffer = io.BytesIO()
    to_graphml(delayed, buffer)
    buffer.seek(0)
    edges = {d["name"]: d for _, _, d in nx.read_graphml(buffer).edges(data=True)}
    assert edges["x -> h1"]["delay"] == 2.0 and "delay" not in edges["h1 -> output"]
    buffer.seek(0)
    assert from_graphml(buffer) == delayed
    assert delayed.forward_circuit().projections["x -> h1"].delay == 2.0
    assert "2 ms" in delayed.summary() and "[after 0.5 ms]" in delayed.summary()


def test_circuits_without_delays_are_written_as_before_there_were_any():
    assert "delay" not in to_json(WIRED)
    assert WIRED.with_delays(0.0) == WIRED
    written = json.loads(to_json(WIRED.with_delays({"x -> h1": 2})))["projections"]
    assert [p["name"] for p in written if "delay" in p] == ["x -> h1"]


def test_rules_keep_the_delays_of_what_they_wire():
    forward = mlp((4, 3, 2)).with_delays(1.0)
    wired = parse_rule("asap").wire(forward)
    assert wired.projections["h1 -> output"].delay == 1.0
    assert {p.delay for p in wired.with_delays(3.0).projections.values()} == {3.0}


@pytest.mark.parametrize(
    ("delays", "message"),
    [
        ({"x -> h1": -1.0}, "'x -> h1': delay = -1.0, expected milliseconds >= 0"),
        ({"x -> h1": float("inf")}, "delay = inf"),
        ({"x -> h7": 1.0}, "'x -> h7', which is no projection .* There are: x -> h1, "),
    ],
)
def test_nonsense_is_refused(delays, message):
    with pytest.raises(WiringError, match=message):
        mlp((4, 3, 2)).with_delays(delays)


def test_a_file_with_a_delay_that_is_no_number_is_refused():
    spoilt = to_json(mlp((4, 2)).with_delays(2.0)).replace('"delay": 2.0', '"delay": "2 ms"')
    with pytest.raises(WiringError, match=r"projections\[0\].delay: '2 ms', expected float"):
        from_json(spoilt)
    assert isinstance(from_json(to_json(mlp((4, 2)))), Circuit)
