"""Trains, resumes, compares and spikes over and over in one process, and looks at what it holds.

python tests/reliability/soaking.py --minutes 20 --figure docs/img/soak.png

prints a line of JSON after each round: seconds, MiB of resident memory, open files, threads,
Python's objects, and files left in the folder for temporary ones.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from oneway.training.cli.main import main

MIB = 2**20
ROUND = (
    "train --circuit mlp:64-32-10 --rule kp --limit 500,100 --epochs 2 --out {place}/kp",
    "train --resume {place}/kp --epochs 3",
    "train --circuit conv2:1x8x8-10,width=2,hidden=8 --rule wm --spontaneous-every 4 --augment "
    "crop+flip --limit 200,60 --epochs 1 --out {place}/wm",
    "compare {place}/kp {place}/wm --plot {place}/compare.png",
    "check mlp:64-32-32-10 --rule asap,gate=local",
    "spike mlp:64-8-10 --rule kp --samples 4,2 --epochs 1 --target numpy --measurements 1 "
    "--out {place}/spikes",
)


def rounds(minutes: float) -> Iterator[dict[str, float]]:
    """What the process holds after each round."""
    began, temporary = time.monotonic(), tempfile.mkdtemp()
    atexit.register(shutil.rmtree, temporary)  # now, so that others clean up in it before
    tempfile.tempdir = temporary
    while time.monotonic() < began + 60 * minutes:
        _round(Path(temporary) / "round")
        yield {"seconds": round(time.monotonic() - began, 1), **held(Path(temporary))}


def _round(place: Path) -> None:
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        for line in ROUND:
            words = line.format(place=place).split()
            if main(words) != 0:
                raise SystemExit(f"failed: {line}")
    shutil.rmtree(place)


def held(temporary: Path) -> dict[str, float]:
    """Memory, files, threads and objects of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "memory_mib": round(pages * os.sysconf("SC_PAGE_SIZE") / MIB, 2),
        "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "objects": len(gc.get_objects()),
        "left": sum(1 for _ in temporary.rglob("*")),
    }


def draw(seen: Sequence[dict[str, float]], path: Path) -> None:
    """Memory and open files over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.8, 3.4), layout="constrained")
    minutes = [one["seconds"] / 60 for one in seen]
    memory, files = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    for ax, key in ((memory, "memory_mib"), (files, "files")):
        values = [one[key] for one in seen]
        ax.plot(minutes, values, ".-")
        ax.set_ylim(0, 1.2 * max(values))
    memory.set(ylabel="memory (MiB)", title=f"{len(seen)} rounds in one process")
    files.set(ylabel="open files", xlabel="time (minutes)")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--figure", type=Path)
    asked = parser.parse_args()
    seen = []
    for one in rounds(asked.minutes):
        seen.append(one)
        print(json.dumps(one), flush=True)
    if asked.figure:
        draw(seen, asked.figure)
    sys.exit(0 if seen else 1)
