"""The benchmark of what recording costs, on a tiny net."""

import importlib.util
import re
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "recording.py"


def test_a_record_is_held_against_an_epoch(capsys):
    spec = importlib.util.spec_from_file_location("benchmarks_recording", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    line = "mlp:12-8-6 --rules kp --images 640 --batch 64 --steps 3 --records 2"
    module.main(line.split())
    (found,) = capsys.readouterr().out.splitlines()[1:]
    step, record, share = map(float, re.findall(r"([\d.]+)(?: ms|%)", found))
    assert step > 0 and abs(share - 100 * record / (10 * step)) < 0.2 * share
