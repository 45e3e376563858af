"""From the files that Brian2 generates for C++ standalone to a program."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

_COMMON = """
#include <stdlib.h>
#include <climits>
#include <cmath>
#include <ctime>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>
#include "objects.h"
#include "brianlib/common_math.h"
#include "brianlib/stdint_compat.h"
"""
# Brian2 asks the operating system for the time before each object and after each step, to know
# whether a report is due: most of the time that a small network takes.
_REPORTING = "if (report_func)\n            {"
_SELDOM = "if (report_func && i == 0 && step++ % 256 == 0)\n            {"
_LOOP = "    while(clock && clock->running()"
_EACH_STEP = re.compile(r"clock = next_clocks\(\);\n(\s*(?:current|elapsed_realtime) = [^;]*;)+")
_AT_THE_END = "    Network::_globally_running = false;\n"


def look_at_the_clock_seldom(folder: Path) -> None:
    """Let a program ask for the time at every 256th step; what it computes stays as it is.

    Where Brian2's text is another one than expected it is left alone, which only takes longer.
    """
    file = folder / "network.cpp"
    text = file.read_text()
    each_step = _EACH_STEP.search(text)
    if each_step is None or any(text.count(part) != 1 for part in (_REPORTING, _LOOP, _AT_THE_END)):
        return
    asking = each_step[0].removeprefix("clock = next_clocks();")
    text = text.replace(each_step[0], "clock = next_clocks();")
    text = text.replace(_AT_THE_END, f"{asking}\n{_AT_THE_END}")
    text = text.replace(_LOOP, f"    unsigned long step = 0;\n{_LOOP}")
    file.write_text(text.replace(_REPORTING, _SELDOM))


def compile_program(folder: Path) -> None:
    """Compile what Brian2 has generated; what all of its files include is read once.

    Brian2 writes a hundred small files for a network that learns. Most of the time it takes to
    compile them goes into the same headers.
    """
    (folder / "common.h").write_text(_COMMON)
    made = dict(re.findall(r"^(\w+) = (.*)$", (folder / "makefile").read_text(), re.MULTILINE))
    flags = made["CXXFLAGS"].replace("$(OPTIMISATIONS)", made["OPTIMISATIONS"])
    words = [word for word in shlex.split(flags) if word != "-c"]
    compiler = os.environ.get("CXX", "g++")
    # Where a compiler knows no such thing, the header itself does.
    _said([compiler, *words, "-x", "c++-header", "common.h", "-o", "common.h.gch"], folder)
    # Not among Brian2's flags: it tries each one by itself, and drops what then fails.
    including = f"CXX={compiler} -include common.h"
    code, said = _said(["make", including, "-j", str(min(os.cpu_count() or 1, 8))], folder)
    if code:
        raise RuntimeError(
            f"the simulation does not compile (in {folder}); C++ standalone needs a compiler and "
            f"make. Use target='numpy', which needs neither. It said: {said[-500:]}"
        )


def _said(command: list[str], folder: Path) -> tuple[int, str]:
    try:
        done = subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    except FileNotFoundError as error:
        return 127, str(error)
    return done.returncode, done.stdout
