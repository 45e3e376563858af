"""Folders in which standalone programs are made and run: gone with their process, or where that was
killed, once another one begins."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from functools import cache
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: what a killed process leaves stays
    fcntl = None  # type: ignore[assignment]

PREFIX = "oneway_programs_"
# A folder that is younger may be about to be locked.
YOUNG_S = 60


def working_folder() -> tempfile.TemporaryDirectory[str]:
    """A new folder, in the one that this process holds a lock on as long as it lives."""
    return tempfile.TemporaryDirectory(dir=_home(os.getpid()).name)


@cache
def _home(process: int) -> tempfile.TemporaryDirectory[str]:
    remove_left_behind()
    home = tempfile.TemporaryDirectory(prefix=PREFIX)
    if fcntl is not None:
        fcntl.flock(os.open(home.name, os.O_RDONLY), fcntl.LOCK_EX)
    return home


def remove_left_behind() -> None:
    """Remove the folders of processes that were killed, which hold no lock any more."""
    known = Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if fcntl is not None else ()
    for path in known:
        try:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # somebody else's, or no folder
            continue
        try:
            if time.time() - os.fstat(folder).st_mtime > YOUNG_S:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        except OSError:  # its process lives
            pass
        finally:
            os.close(folder)
