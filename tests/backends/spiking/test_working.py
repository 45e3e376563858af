"""Folders of standalone programs: what a killed process left goes, what a living one has stays."""

import os
import tempfile
import time

import pytest

pytest.importorskip("brian2")
fcntl = pytest.importorskip("fcntl")

from oneway.backends.spiking.brian import working  # noqa: E402

pytestmark = pytest.mark.spiking


def test_folders_of_killed_processes_go_and_no_others(tmp_path, monkeypatch):
    """A lock ends with its process, however that ends; here it is as if it had a process."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    working._home.cache_clear()
    mine = working.working_folder()
    names = ("of_another", "killed", "young", "link")
    other, killed, young, link = (tmp_path / f"{working.PREFIX}{name}" for name in names)
    for folder in (other, killed, young, tmp_path / "elsewhere"):
        (folder / "program_0").mkdir(parents=True)
    link.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    lock = os.open(other, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    for path in set(tmp_path.iterdir()) - {young}:
        os.utime(path, (time.time() - 2 * working.YOUNG_S,) * 2)
    working.remove_left_behind()
    kept = [path for path in (other, killed, young, link) if path.exists()]
    assert kept == [other, young, link] and os.path.isdir(mine.name)
    assert (tmp_path / "elsewhere/program_0").is_dir()
    os.close(lock)
    working.remove_left_behind()
    assert not other.exists() and os.path.isdir(mine.name)
    working._home.cache_clear()
