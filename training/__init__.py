"""Data sets, the training loop, and the `oneway` command."""

from importlib import import_module
from typing import Any

# Name → module. Imported at first use: `oneway check` must not wait two seconds for torch.
_HOME = {
    "ConfigError": "errors",
    "Data": "data.dataset",
    "DataError": "errors",
    "DataSet": "data.dataset",
    "EpochEnd": "callbacks",
    "RunResult": "records",
    "StepEnd": "callbacks",
    "StreamedData": "data.streaming",
    "TrainConfig": "config",
    "TrainingError": "errors",
    "alignment_clock": "optimization.clock",
    "backpropagation_angles": "reference",
    "copy_run": "networks",
    "floor_accuracy": "loop",
    "get_data": "data.obtain",
    "joined": "distributed",
    "load_data": "data.loading",
    "load_run": "networks",
    "train": "loop",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
