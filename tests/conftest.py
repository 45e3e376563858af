"""What every test may use: the data folder, and hypothesis settings."""

import gc
import importlib.util
import inspect
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# `python -m pytest` puts the folder it runs in on the path, where `rules` is ours, not tests/rules.
ROOT = Path(__file__).resolve().parents[1]
sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != ROOT]

# No deadline: the first example of a test pays for imports and compilation.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, max_examples=50)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

os.environ.setdefault("MPLBACKEND", "Agg")

HAS_BRIAN2 = importlib.util.find_spec("brian2") is not None


def pytest_collection_finish() -> None:
    if HAS_BRIAN2 and "brian2" in sys.modules:
        logging.getLogger("brian2").setLevel("INFO")  # thousands of messages a run, to be captured
        # Hashing every variable of a group takes longer than what is remembered by it.
        translation = sys.modules["brian2.codegen.translation"]
        plain = inspect.unwrap(translation.make_statements)  # pytest may run twice in a process
        translation.make_statements = plain


def pytest_runtest_setup(item: pytest.Item) -> None:
    spiking = item.get_closest_marker("spiking")
    if spiking and not HAS_BRIAN2:
        pytest.skip("brian2 is not installed: pip install 'oneway[spiking]'")
    if spiking and item.path != _left.get("tests"):
        # Brian2 collects garbage at every run, and what others have imported stays: looking through
        # it takes longer than a small net.
        gc.collect()
        gc.freeze()
    _left["tests"] = item.path


_left: dict[str, Path] = {}  # where the last test was


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder with the real data sets in their official formats."""
    folder = os.environ.get("ONEWAY_DATA_DIR")
    if not folder:
        pytest.skip("ONEWAY_DATA_DIR names no folder with the real data sets")
    return Path(folder)


@pytest.fixture
def rules_as_before() -> Iterator[None]:
    """What a test defines is no rule of other tests."""
    from oneway.rules import RULES, SPIKE_RULES

    before = [(home, dict(home)) for home in (RULES, SPIKE_RULES)]
    yield
    for home, rules in before:
        home.clear()
        home.update(rules)
