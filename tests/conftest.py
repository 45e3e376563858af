"""What every test may use: the data folder, and hypothesis settings."""

import importlib.util
import os
from pathlib import Path

import pytest
from hypothesis import settings

# No deadline: the first example of a test pays for imports and compilation.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

os.environ.setdefault("MPLBACKEND", "Agg")

HAS_BRIAN2 = importlib.util.find_spec("brian2") is not None


def pytest_runtest_setup(item: pytest.Item) -> None:
    if not HAS_BRIAN2 and item.get_closest_marker("spiking"):
        pytest.skip("brian2 is not installed: pip install 'oneway[spiking]'")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder with the real data sets in their official formats."""
    folder = os.environ.get("ONEWAY_DATA_DIR")
    if not folder:
        pytest.skip("ONEWAY_DATA_DIR names no folder with the real data sets")
    return Path(folder)
