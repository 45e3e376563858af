"""What `oneway check GRAPH` says of figures beside random graphs, as a table and as JSON."""

import argparse
import json
from io import StringIO

import networkx as nx
import numpy as np
import pytest
from rich.console import Console

from oneway.analysis.graphs import Graph, compare_to_null
from oneway.training.cli import graph_figures
from oneway.training.cli.options import graph
from oneway.training.errors import ConfigError

GRAPH = Graph.from_networkx(nx.gnp_random_graph(60, 0.1, seed=2, directed=True))


def arguments(*words):
    parser = argparse.ArgumentParser()
    parser.add_argument("--return-paths", action="store_true")
    graph.add_options(parser)
    return parser.parse_args(words)


def as_dict(graph, *words):
    return graph_figures.find(graph, arguments(*words)).as_dict()


def shown(graph, *words):
    console = Console(width=160, record=True, file=StringIO())
    given = arguments(*words)
    graph_figures.show(console, graph, graph_figures.find(graph, given), given)
    return console.export_text()


def test_json_has_z_and_samples_by_null_and_figure():
    content = json.loads(json.dumps(as_dict(GRAPH), allow_nan=False))
    assert set(content["nulls"]) == {"erdos-renyi", "degree"}
    found = content["nulls"]["degree"]["reciprocal_pairs"]
    expected = compare_to_null(GRAPH, null="degree", samples=20)["reciprocal_pairs"]
    assert found == expected.as_dict()
    assert found["samples"] == 20 and "triads" not in content
    asked = as_dict(GRAPH, "--samples", "3", "--null", "degree", "--triads")
    assert list(asked["nulls"]) == ["degree"]
    assert asked["nulls"]["degree"]["030C"]["samples"] == 3
    assert asked["nulls"]["degree"]["030C"]["observed"] == asked["triads"]["030C"]


def test_table_for_people():
    text = shown(GRAPH, "--triads", "--samples", "4")
    heading, pairs, *_ = text.splitlines()
    assert "erdos-renyi, 4 samples" in heading and "degree, 4 samples" in heading
    expected = compare_to_null(GRAPH, null="erdos-renyi", samples=4)["reciprocal_pairs"]
    assert f"± {expected.sd:.3g}" in pairs and f"{expected.z:+.1f}" in pairs
    assert "030T" in text and "2 for " in text.splitlines()[-1]
    assert "030T" not in shown(GRAPH, "--samples", "2")


def test_large_graphs_are_compared_and_followed_on_request_only(monkeypatch):
    monkeypatch.setattr(graph_figures, "MANY_EDGES", 100)
    monkeypatch.setattr(graph_figures, "CHEAP", 100)
    text = shown(GRAPH)
    assert f"not held against random graphs, with {GRAPH.edges} edges (--samples 20)" in text
    assert "not followed in so large a graph (--return-paths)" in text
    assert as_dict(GRAPH)["nulls"] == {}
    content = as_dict(GRAPH, "--samples", "2", "--return-paths")
    assert content["nulls"]["degree"]["reciprocity"]["samples"] == 2 and content["cycles"]


def test_spatial_is_among_the_defaults_where_positions_are_known():
    placed = {"positions": np.random.default_rng(0).random((60, 3))}
    graph = Graph(GRAPH.weights, GRAPH.rows, GRAPH.names, placed)
    assert "spatial" in as_dict(graph, "--samples", "2")["nulls"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--null", "degree,lattice"], "--null 'lattice', expected some of erdos-renyi, degree"),
        (["--samples", "-1"], "--samples -1, expected 0 or more"),
    ],
)
def test_refusals(words, message):
    with pytest.raises(ConfigError, match=message):
        as_dict(GRAPH, *words)
