"""What lies in the folder of a run, to be compared bit by bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open

TIMES = ("seconds", "wall_s", "compiling_s")


def contents(folder: Path) -> dict[str, Any]:
    """File → what it holds, but for the seconds that anything took."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): _content(path) for path in files}


def assert_same(folder: Path, expected: dict[str, Any]) -> None:
    """The same files with the same content; the first that differs is named."""
    found = contents(folder)
    assert sorted(found) == sorted(expected)
    for name, content in expected.items():
        assert found[name] == content, f"{name} differs"


def _content(path: Path) -> Any:
    if path.suffix == ".safetensors":
        with safe_open(path, "pt") as file:
            about = file.metadata()
            tensors = {
                name: (tensor.dtype, tuple(tensor.shape), tensor.numpy().tobytes())
                for name in file.keys()  # noqa: SIM118
                for tensor in [file.get_tensor(name)]
            }
        about.pop("checksum", None)  # which covers the seconds
        state = about.pop("state", None)
        return about, None if state is None else _timeless(json.loads(state)), tensors
    if path.suffix == ".json":
        return _timeless(json.loads(path.read_text("utf-8")))
    if path.suffix == ".jsonl":
        return [_timeless(json.loads(line)) for line in path.read_text("utf-8").splitlines()]
    return path.read_bytes()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in TIMES}
    return [_timeless(item) for item in value] if isinstance(value, list) else value
