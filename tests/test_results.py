"""What lies in `results/`: tables are made of the runs beside them, and networks can be loaded."""

import json
from pathlib import Path

import pytest
import torch

from oneway.training import load_run
from oneway.training.reproduction.report import BEGUN, DONE, as_markdown, table
from oneway.training.reproduction.state import Reproduction

RESULTS = Path(__file__).parents[1] / "results"
TABLES = sorted(path.parent for path in RESULTS.glob("*/plan.json"))
NETWORKS = sorted(path.parent for path in RESULTS.rglob("checkpoint.safetensors"))
# Of all networks together.
MOST_BYTES = 8 * 2**20


@pytest.mark.parametrize("folder", TABLES, ids=lambda path: path.name)
def test_a_table_says_what_its_runs_do(folder, monkeypatch):
    monkeypatch.chdir(RESULTS.parent)
    state = Reproduction.load(folder.relative_to(RESULTS.parent))
    content = table(state)
    assert any(line["status"] in (DONE, BEGUN) for line in content["cells"])
    assert not any(Path(c.settings.get("data_dir", "")).is_absolute() for c in state.cells)
    assert content == json.loads((folder / "table.json").read_text(encoding="utf-8"))
    assert as_markdown(content) == (folder / "table.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", TABLES, ids=lambda path: path.name)
def test_the_documentation_says_what_the_table_does(folder):
    page = (RESULTS.parent / "docs" / "results.md").read_text(encoding="utf-8")
    lines = json.loads((folder / "table.json").read_text(encoding="utf-8"))["cells"]
    for line in (line for line in lines if line["status"] == DONE):
        assert f"{100 * line['test_accuracy']['mean']:.2f}" in page, line["cell"]


@pytest.mark.parametrize("folder", NETWORKS, ids=lambda path: str(path.relative_to(RESULTS)))
def test_a_network_can_be_loaded(folder):
    net = load_run(folder).eval()
    output = net(torch.zeros(2, *net.circuit.inputs[0].shape))
    assert output.shape == (2, net.circuit.output.size) and output.isfinite().all()


def test_there_are_some_and_they_are_small():
    assert len(TABLES) >= 4 and len(NETWORKS) >= 3
    sizes = [(folder / "checkpoint.safetensors").stat().st_size for folder in NETWORKS]
    assert sum(sizes) <= MOST_BYTES
