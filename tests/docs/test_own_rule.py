"""A stranger's path: from a clone to an own rule that is checked, trained, drawn and run as spikes.

By what `docs/start/own_rule.md` says and nothing else, command by command.
"""

import json
from time import perf_counter

import pytest
from pages import DOCS, blocks, commands

from oneway.rules import RULES
from oneway.training.cli.main import main

PAGE = DOCS / "start" / "own_rule.md"
# Seconds of all commands together; about 12 on one idle core, without what torch takes to load.
PATIENCE = 90
# What a command exits with where a pair breaks the constraint that papers ask for.
VIOLATED = ["check", "mlp:64-32-32-10", "--rule", "my_rule.py"]
DRAWN = [*VIOLATED, "--draw", "my_rule.html"]


@pytest.mark.spiking
def test_from_a_clone_to_a_rule_of_ones_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    took = {}
    for block in blocks(PAGE):
        if block.language == "python":
            name = block.text.split("\n")[0].removeprefix("# ")
            (tmp_path / name).write_text(block.text, encoding="utf-8")
        for words in commands(block):
            start = perf_counter()
            code = main(words)
            took[" ".join(words)] = perf_counter() - start
            assert code == (1 if words in (VIOLATED, DRAWN) else 0), (words, capsys.readouterr())
    RULES.pop("my_rule", None)

    assert "32 pairs of cells joined both ways" in " ".join(capsys.readouterr().out.split())
    trained = json.loads((tmp_path / "runs/mine/result.json").read_text())
    assert trained["rule"].startswith("my_rule") and trained["test_accuracy"] > 0.8
    for drawn in ("my_rule.html", "runs.png", "angles.png"):
        assert (tmp_path / drawn).stat().st_size > 10_000
    compile((tmp_path / "brian/circuit.py").read_text(), "circuit.py", "exec")
    assert len(took) >= 8 and sum(took.values()) < PATIENCE, took
