"""The example runs on its drawn graph, and on files of the published form."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "larva_circuit.py"


@pytest.fixture(scope="module")
def larva():
    spec = importlib.util.spec_from_file_location("larva_circuit", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_files_it_draws_a_graph_of_the_same_classes(larva, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(larva, "SAMPLES", 3)
    monkeypatch.setattr(larva, "STEPS", 2)
    found = larva.main(None, tmp_path)
    words = capsys.readouterr().out
    assert len(found.cells) == len(larva.CLASSES)
    assert next(iter(found.cells)) == "sensories"
    hidden = sum(map(len, found.cells.values())) - sum(
        len(found.cells[name]) for name in ("sensories", "dVNCs")
    )
    assert f"kp: {hidden:,} hidden pairs joined both ways, weight transport none" in words
    assert "fa,gate=local: 0 hidden pairs" in words
    assert {path.name for path in tmp_path.iterdir()} == {
        f"larva_{name}.png" for name in ("triads", "edges", "reciprocity")
    }


def test_files_of_the_published_form(larva, tmp_path):
    (tmp_path / "edges.csv").write_text("29,31,9.0\n31,40,1.0\n40,29,2.0\n")
    (tmp_path / "nodes.csv").write_text(",name,simple_group\n31,a,KCs\n29,b,sensories\n40,c,unk\n")
    graph = larva.read_larva(tmp_path / "edges.csv", tmp_path / "nodes.csv")
    assert graph.names.tolist() == ["31", "29", "40"]
    assert graph.attributes["class"].tolist() == ["KCs", "sensories", "unk"]
    assert np.array_equal(graph.weights.toarray(), [[0, 0, 1], [9, 0, 0], [0, 2, 0]])
