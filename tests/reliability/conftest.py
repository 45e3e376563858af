"""Long forms run where they are asked for: ``-m soak``. What is drawn is repeated by its seed."""

import os
import random

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "soak" in config.getoption("markexpr"):
        return
    left_out = [item for item in items if item.get_closest_marker("soak")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]


@pytest.fixture
def drawn() -> random.Random:
    """Random moments, with the seed in what pytest shows of a test that fails."""
    any_one = 0 if os.environ.get("CI") else random.randrange(10**6)
    seed = int(os.environ.get("ONEWAY_RELIABILITY_SEED") or any_one)
    print(f"ONEWAY_RELIABILITY_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(autouse=True)
def _no_rule_of_others(rules_as_before: None) -> None:
    """Files that are read here may define rules."""
