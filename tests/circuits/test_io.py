"""JSON and GraphML: what is read equals what was written; what is not ours is refused."""

import io
import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass

import networkx as nx
import pytest
from hand_wired import kolen_pollack_by_hand, sparse_by_hand
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import fits, forward_circuits

from oneway.circuits import (
    Circuit,
    MaxPoolConnector,
    OneToOneConnector,
    Population,
    Weights,
    Wiring,
    WiringError,
    from_graphml,
    from_json,
    load_circuit,
    mlp,
    resnet18,
    resnet50,
    save_circuit,
    to_graphml,
    to_json,
)
from oneway.circuits.xml_text import check_xml

CIRCUITS = {
    "all roles": kolen_pollack_by_hand,
    "sparse": sparse_by_hand,
    "resnet18": resnet18,
    "resnet50": lambda: resnet50(norm="after", shortcut=False),
}


def through_graphml(circuit):
    buffer = io.BytesIO()
    to_graphml(circuit, buffer)
    buffer.seek(0)
    return from_graphml(buffer)


@given(forward_circuits())
def test_round_trip_of_random_circuits(circuit):
    assert from_json(to_json(circuit)) == circuit
    assert through_graphml(circuit) == circuit


@pytest.mark.parametrize("make", CIRCUITS.values(), ids=CIRCUITS)
@pytest.mark.parametrize("suffix", [".json", ".graphml", ".JSON"])
def test_round_trip_through_files(make, suffix, tmp_path):
    circuit = make()
    path = save_circuit(circuit, tmp_path / f"circuit{suffix}")
    loaded = load_circuit(str(path))
    assert loaded == circuit and hash(loaded) == hash(circuit)


@settings(max_examples=100)
@given(fits(), st.booleans())
def test_round_trip_of_every_connector_and_its_transpose(fit, back):
    pre, post, connector = fit
    if back and not isinstance(connector, MaxPoolConnector):  # that would need a gate
        pre, post, connector = post, pre, connector.transpose
    net = Wiring("one")
    net.population("a", pre)
    net.population("b", post)
    net.connect("a", "b", connector)
    circuit = net.build()
    read = from_json(to_json(circuit)).projections["a -> b"].connector
    assert read == connector and type(read) is type(connector)
    assert through_graphml(circuit) == circuit


@given(name=st.text(), drive=st.text(), note=st.text(), scale=st.floats(allow_nan=False))
def test_any_text_and_any_number_survive(name, drive, note, scale):
    net = Wiring(name)
    net.population("aä", (2,))
    net.population("b", (2,))
    net.connect("aä", "b", name=drive, weights=None)
    net.phase("more", noise_mean=scale)
    net.note(note)
    circuit = net.build()
    assert from_json(to_json(circuit)) == circuit
    assert through_graphml(circuit) == circuit


def test_json_is_plain_and_ascii():
    text = to_json(kolen_pollack_by_hand())
    content = json.loads(text)
    assert text.isascii()
    assert content["format"] == "oneway-circuit" and content["version"] == 1
    assert content["populations"][0]["shape"] == [4]
    assert content["projections"][0]["connector"] == {"type": "AllToAllConnector"}


# -- what other tools see ------------------------------------------------------------------


def test_other_tools_read_plain_attributes():
    buffer = io.BytesIO()
    circuit = kolen_pollack_by_hand()
    to_graphml(circuit, buffer)
    buffer.seek(0)
    graph = nx.read_graphml(buffer, force_multigraph=True)
    assert graph.is_directed() and set(graph) == set(circuit.populations)
    assert graph.nodes["h1"] == {
        "path": "forward",
        "shape": "3",
        "size": 3,
        "activation": "tanh",
        "bias": True,
        "normalised": False,
    }
    assert graph.nodes["delta_h1"]["partner"] == "h1"
    edges = {data["name"]: data for _, _, data in graph.edges(data=True)}
    assert set(edges) == set(circuit.projections)
    assert edges["h1 -> output"]["role"] == "drive"
    assert edges["h1 -> output"]["connector"] == "AllToAll"
    assert edges["teach: h1 -> delta_h1"]["phases"] == "engaged, mirror"
    assert edges["h1 -> output"]["learns_from"].startswith("pre: activity, post: taught by")


def test_edge_ids_are_unique_tokens():
    buffer = io.BytesIO()
    to_graphml(kolen_pollack_by_hand(), buffer)
    edges = ET.fromstring(buffer.getvalue()).findall(".//{*}edge")
    ids = [edge.get("id") for edge in edges]
    assert len(set(ids)) == len(ids) and all(i.isalnum() for i in ids)


# -- what is refused -----------------------------------------------------------------------


def test_files_from_when_one_switch_blocked_biases_and_norms():
    content = json.loads(to_json(kolen_pollack_by_hand()))
    for phase, blocked in zip(content["phases"], (False, True), strict=True):
        del phase["norm_blocked"]
        phase["bias_blocked"] = blocked
    engaged, mirror = from_json(json.dumps(content)).phases.values()
    assert (engaged.bias_blocked, engaged.norm_blocked) == (False, False)
    assert (mirror.bias_blocked, mirror.norm_blocked) == (True, True)


def spoilt(path, value):
    """JSON of a circuit in which the entry at `path` has another value (or is gone)."""
    content = json.loads(to_json(kolen_pollack_by_hand()))
    *way, last = path
    place = content
    for step in way:
        place = place[step]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return json.dumps(content)


GONE = object()
CONNECTOR = ("projections", 0, "connector")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "this is not JSON: .*line 1"),
        ("[1, 2]", 'not a circuit: expected an object with "format": "oneway-circuit"'),
        ('{"nodes": []}', "this JSON is not a circuit"),
        (spoilt(["version"], 2), "format version 2, this program reads version 1"),
        (spoilt(["version"], GONE), "format version None"),
        (spoilt(["phases"], GONE), "the circuit lacks phases"),
        (spoilt(["name"], 3), "name: 3, expected text"),
        (spoilt(["populations"], {}), "populations: {}, expected a list"),
        (spoilt(["populations", 1], "h1"), r"populations\[1\]: 'h1', expected a Population"),
        (spoilt(["notes", 0], 3), r"notes\[0\]: 3, expected a str"),
        (spoilt(["populations", 1, "name"], GONE), r"populations\[1\]: missing key 'name'"),
        (spoilt(["populations", 1, "colour"], 3), r"\[1\]: unknown key 'colour'; Population has n"),
        (spoilt(["populations", 1, "shape"], "3"), r"populations\[1\].shape: '3', expected tuple"),
        (spoilt(["populations", 1, "shape"], [3.5]), r"populations\[1\].shape: \[3.5\], expected"),
        (spoilt(["populations", 1, "shape"], [True]), r"\[1\].shape: \[True\], expected tuple"),
        (spoilt(["populations", 1, "shape"], [0]), r"populations\[1\]: .*'h1': shape \(0,\)"),
        (spoilt(["populations", 1, "bias"], 1), r"populations\[1\].bias: 1, expected bool"),
        (spoilt(["populations", 1, "norm"], "batch"), "norm: 'batch', expected BatchNorm | None"),
        (
            spoilt([*CONNECTOR, "type"], "Wires"),
            r"\[0\].connector: unknown type 'Wires'.*AllTo",
        ),
        (spoilt([*CONNECTOR, "type"], ["x"]), r"\[0\].connector: unknown type \['x'\]"),
        (
            spoilt(CONNECTOR, {"type": "Signal"}),
            r"\[0\].connector: .*expected Connector",
        ),
        (spoilt(CONNECTOR, {}), r"projections\[0\].connector: unknown type None"),
        (spoilt(["projections", 0, "post"], "h9"), "there is no population 'h9'"),
        (spoilt(["projections", 0, "weights", "kind"], "lost"), "kind: 'lost', expected Literal"),
    ],
)
def test_bad_json_says_where(text, message):
    with pytest.raises(WiringError, match=message):
        from_json(text)


def test_unknown_connectors_cannot_be_saved():
    @dataclass(frozen=True)
    class Homemade(OneToOneConnector):
        pass

    net = Wiring("new")
    net.population("a", (2,))
    net.population("b", (2,))
    net.connect("a", "b", Homemade())
    with pytest.raises(WiringError, match="Homemade cannot be saved; there are Population"):
        to_json(net.build())


def test_graphml_of_others_is_refused(tmp_path):
    path = tmp_path / "connectome.graphml"
    nx.write_graphml(nx.complete_graph(3, nx.DiGraph), path)
    message = r"connectome.graphml is GraphML \(3 nodes\) but no circuit of ours"
    with pytest.raises(WiringError, match=message):
        load_circuit(path)


@pytest.mark.parametrize("content", ["not xml", "<graph/>", "<?xml version='1.0'?><a><b/></a>"])
def test_what_is_no_graphml_is_refused(content, tmp_path):
    path = tmp_path / "broken.graphml"
    path.write_text(content)
    with pytest.raises(WiringError, match=r"broken\.graphml is not GraphML"):
        load_circuit(path)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00"])
def test_json_file_errors_name_the_file(content, tmp_path):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(WiringError, match=r"broken\.json: "):
        load_circuit(path)


def test_graphml_with_a_spoilt_description_names_the_file(tmp_path):
    path = save_circuit(mlp((4, 3, 2)), tmp_path / "spoilt.graphml")
    path.write_text(path.read_text().replace("AllToAllConnector", "Wires"))
    with pytest.raises(WiringError, match=r"spoilt.graphml: .*unknown type 'Wires'"):
        load_circuit(path)


@pytest.mark.parametrize("call", [lambda p: save_circuit(mlp((2, 2)), p), load_circuit])
def test_unknown_suffix(call):
    with pytest.raises(WiringError, match=r"c.yaml: suffix '.yaml', expected one of .json, .graph"):
        call("c.yaml")


def test_missing_files_are_missing_files(tmp_path):
    for name in ("none.json", "none.graphml"):
        with pytest.raises(FileNotFoundError):
            load_circuit(tmp_path / name)


def test_all_fields_are_written():
    """A property that is forgotten would come back as its default."""
    content = json.loads(to_json(Circuit("c", [Population("a", (1,))], [])))
    assert set(content["populations"][0]) == {"type", *Population.__dataclass_fields__}
    assert from_json(to_json(sparse_by_hand())).projections["delta_y -> delta_x"].weights == (
        Weights("sign-tied", to="x -> y", scale=0.25)
    )


@pytest.mark.parametrize("data", [b"<graphml><graph>", b"<graphml>", b"", b"<a></b>"])
def test_xml_that_ends_too_early_is_refused(data):
    check_xml(b"<graphml><graph></graph></graphml>")
    with pytest.raises(ValueError):
        check_xml(data)
