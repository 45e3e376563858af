"""Both readers of the benchmark count the same, and a reader that does not is noticed."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "graphs.py"


@pytest.fixture(scope="module")
def graphs():
    spec = importlib.util.spec_from_file_location("graphs", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("named", [False, True])
def test_readers_count_the_same_pairs(graphs, tmp_path, named):
    graphs.table(tmp_path / "t.csv", 2_000, 60, named)
    pairs = {name: read(tmp_path / "t.csv") for name, read in graphs.READERS.items()}
    assert pairs["ours"] == pairs["networkx"] > 100


def test_a_reader_that_counts_otherwise_is_noticed(graphs, tmp_path, monkeypatch):
    counts = {"ours": 1, "networkx": 2}
    monkeypatch.setattr(graphs, "measured", lambda who, path: {"pairs": counts[who]})
    with pytest.raises(SystemExit, match=r"t\.csv: readers count different pairs: \[1, 2\]"):
        graphs.compare(tmp_path / "t.csv", list(counts), 1)
