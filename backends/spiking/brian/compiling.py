"""From the files that Brian2 generates for C++ standalone to a program."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROGRAM = "main"
_ONCE = ("before_run_", "after_run_")
# What all of the generated files include.
_HEADERS = """
#include <stdlib.h>
#include <climits>
#include <cmath>
#include <ctime>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>
#include "objects.h"
#include "network.h"
#include "brianlib/common_math.h"
#include "brianlib/stdint_compat.h"
// glibc has an exp() of several numbers at once, but says so only where infinities are left out.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#if __GLIBC_PREREQ(2, 22)
extern "C" __attribute__((simd("notinbranch"))) double exp(double) noexcept;
#endif
#endif
"""


def compiler() -> str:
    """The C++ compiler: what CXX says, or one that is there."""
    return os.environ.get("CXX") or next(filter(shutil.which, ("g++", "clang++")), "g++")


def compile_program(folder: Path) -> None:
    """Compile what Brian2 has generated, into a few files at once instead of one by one.

    Brian2 writes a hundred small files for a network that learns. Most of the time it takes to
    compile them goes into the same headers.
    """
    made = dict(re.findall(r"^(\w+) = (.*)$", (folder / "makefile").read_text(), re.MULTILINE))
    words = shlex.split(made["CXXFLAGS"].replace("$(OPTIMISATIONS)", made["OPTIMISATIONS"]))
    sources, parallel = made["SRCS"].split(), min(os.cpu_count() or 1, 8)
    steps = [source for source in sources if source.startswith("code_objects/")]
    parts = [f"part_{number}.cpp" for number in range(parallel)]
    for number, part in enumerate(parts):
        (folder / part).write_text(_in_one(steps[number::parallel]))
    files = [*parts, *(source for source in sources if source not in steps)]
    # The longest file sets up and writes arrays, once: there optimising takes longer than it saves.
    slow = {"objects.cpp": ["-O0"]}
    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(lambda file: _call([*words, *slow.get(file, ()), file], folder), files))
    # Where two files have a function, the linker takes the first one: the optimised one.
    compiled = [Path(file).with_suffix(".o").name for file in sorted(files, key=slow.__contains__)]
    _call([*compiled, "-o", PROGRAM, *shlex.split(made["LFLAGS"])], folder)


def _in_one(files: Sequence[str]) -> str:
    """One file that includes others, each with a namespace for its own helping functions."""
    parts = [_HEADERS]
    for file in files:
        name = Path(file).stem
        space, run = f"of_{name}", f"_{name}" if name.startswith(_ONCE) else f"_run_{name}"
        parts.append(
            f'#include "code_objects/{name}.h"\nnamespace {space} {{\n#include "{file}"\n}}'
        )
        parts.append(f"void {run}() {{ {space}::{run}(); }}")
    return "\n".join(parts)


def _call(arguments: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            [compiler(), *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        code, said = done.returncode, done.stdout
    except FileNotFoundError as error:
        code, said = 127, str(error)
    if code:
        raise RuntimeError(
            f"the simulation does not compile (in {folder}); C++ standalone needs a compiler. Use "
            f"target='numpy', which needs none. It said: {said[-500:]}"
        )
