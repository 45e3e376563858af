"""Whatever a file holds: a result, or one clear error; no traceback, no hang, no 2 GB of memory.

Short by default. ``ONEWAY_FUZZ=5000`` tries so many inputs a reader, ``-m soak`` two thousand;
``ONEWAY_FUZZ_SEED`` gives other ones. What fails is shrunk, and belongs into ``test_cases.py``.
"""

import os
import secrets
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from reliability.fuzzing import answers
from reliability.readers import KINDS

SHORT, SOAK = 20, 2000
# A gate has to say the same of the same code each time.
ANY = 0 if os.environ.get("CI") else secrets.randbelow(2**32)
SEED = int(os.environ.get("ONEWAY_FUZZ_SEED") or ANY)
READERS = {name: reader for kind in KINDS for name, reader in kind().items()}


@pytest.mark.parametrize("name", READERS)
def test_a_good_file_is_read(name, tmp_path):
    reader = READERS[name]
    for i, content in enumerate(reader.good()):
        (folder := tmp_path / str(i)).mkdir()
        path = folder / f"file{reader.suffix}"
        path.write_bytes(content)
        assert answers(lambda path=path: reader.read(path), ()) == "read"


@pytest.mark.parametrize("name", READERS)
def test_damaged_files(name):
    _fuzz(name, int(os.environ.get("ONEWAY_FUZZ") or SHORT))


@pytest.mark.soak
@pytest.mark.parametrize("name", READERS)
def test_many_damaged_files(name):
    _fuzz(name, SOAK)


def _fuzz(name: str, inputs: int) -> None:
    reader, said = READERS[name], {"read": 0, "refused": 0}

    @seed(SEED)
    @settings(
        max_examples=inputs,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(reader.inputs())
    def check(content: bytes) -> None:
        with tempfile.TemporaryDirectory(prefix="oneway-fuzz-") as folder:
            path = Path(folder) / f"file{reader.suffix}"
            path.write_bytes(content)
            said[answers(lambda: reader.read(path), reader.errors)] += 1

    try:
        check()
    finally:
        print(f"{name}: {said}, ONEWAY_FUZZ_SEED={SEED}")
