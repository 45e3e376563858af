"""The benchmark of what recording costs, on a tiny net."""

import importlib.util
import re
from pathlib import Path

import pytest

from oneway.circuits import parse_circuit

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "recording.py"


def test_a_record_is_held_against_an_epoch(capsys):
    spec = importlib.util.spec_from_file_location("benchmarks_recording", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.TrainConfig(batch_size=64)
    step, record, part = module.share(parse_circuit("mlp:12-8-6"), "kp", 640, 3, 2, config)
    assert step > 0 and part == pytest.approx(record / (10 * step))
    module.main("mlp:12-8-6 --rules kp --images 640 --batch 64 --steps 3 --records 2".split())
    assert re.search(r"mlp:12-8-6 kp, .*[\d.]+% of an epoch of 640\n$", capsys.readouterr().out)
