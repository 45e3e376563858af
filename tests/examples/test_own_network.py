"""The example with a network of one's own, at a size that takes seconds."""

import importlib.util
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples/own_network.py"


def test_it_comes_back_as_it_went_in(tmp_path, capsys, monkeypatch):
    spec = importlib.util.spec_from_file_location("example_own_network", EXAMPLE)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "find_spec", lambda name: None)  # ONNX has tests of its own
    found = script.main(epochs=1, limit=96, width=2, out=tmp_path)
    assert found["own class"] < 1e-6
    told = capsys.readouterr().out
    assert "pairs joined both ways 0 " in told and "weight transport none" in told
