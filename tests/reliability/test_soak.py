"""Training and spiking for a long time in one process: memory and open files stay what they are."""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

pytestmark = [pytest.mark.soak, pytest.mark.slow, pytest.mark.spiking]

MINUTES = float(os.environ.get("ONEWAY_SOAK_MINUTES", 20))
FEWEST = 9  # rounds, of which the first third warms up
RISE = 0.01  # from the second third to the last one


def test_memory_and_open_files_stay_what_they_are():
    script = Path(__file__).with_name("soaking.py")
    asked = [sys.executable, script, "--minutes", str(MINUTES)]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(seen) >= FEWEST
    third = len(seen) // 3
    middle, last = seen[third : 2 * third], seen[-third:]
    print(f"{len(seen)} rounds, in the middle {middle[0]}, at the end {last[-1]}")
    for key in ("memory_mib", "objects"):
        before, after = (median(one[key] for one in part) for part in (middle, last))
        assert after < (1 + RISE) * before, key
    for key in ("files", "threads", "left"):
        assert last[-1][key] <= middle[0][key], key
