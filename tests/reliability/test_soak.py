"""Training and spiking for a long time in one process: memory and open files stay what they are."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.soak, pytest.mark.slow, pytest.mark.spiking]

MINUTES = float(os.environ.get("ONEWAY_SOAK_MINUTES", 20))
FEWEST = 10  # rounds, of which a third may warm up
MIB_A_ROUND, OBJECTS_A_ROUND = 0.5, 100


def test_memory_and_open_files_stay_what_they_are():
    script = Path(__file__).with_name("soaking.py")
    asked = [sys.executable, script, "--minutes", str(MINUTES)]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(seen) >= FEWEST
    later = seen[len(seen) // 3 :]
    rise = {key: slope([one[key] for one in later]) for key in seen[0]}
    print(f"{len(seen)} rounds; at the end {seen[-1]}; more in each round: {rise}")
    assert rise["memory_mib"] < MIB_A_ROUND and rise["objects"] < OBJECTS_A_ROUND
    for key in ("files", "threads", "left"):
        assert later[-1][key] <= later[0][key], key


def slope(values):
    """Of a straight line through them, in units a round."""
    return float(np.polyfit(np.arange(len(values)), values, 1)[0])
