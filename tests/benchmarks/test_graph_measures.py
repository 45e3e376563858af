"""The benchmark's graph is what it says, and both sides are checked to find the same."""

import importlib.util
from pathlib import Path

import pytest

from oneway.analysis.graphs import reciprocity

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "graph_measures.py"


@pytest.fixture(scope="module")
def graph_measures():
    spec = importlib.util.spec_from_file_location("graph_measures", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_sides_find_the_same_and_a_difference_is_noticed(graph_measures, monkeypatch):
    graph = graph_measures.brain_like(1500)
    assert abs(graph.edges - 1500) < 60 and reciprocity(graph) > 0.2
    graph_measures.check_same(graph)
    for peer, own in graph_measures.pairs_of_work(graph).values():
        assert peer() is not None and own() is not None
    monkeypatch.setattr(graph_measures, "triad_census", lambda g: {"003": 1})
    with pytest.raises(SystemExit, match="triad census: networkx and ours differ"):
        graph_measures.check_same(graph)
