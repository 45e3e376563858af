"""What `oneway spike` leaves in a folder is whole, or not there."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from oneway.circuits import mlp
from oneway.training.spiking import files


class Torn(Figure):
    def savefig(self, path, **how):
        super().savefig(path, **how)
        os.truncate(path, 100)
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("figure", [Figure, Torn])
def test_a_picture_is_whole_or_not_there(figure, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "figures", lambda result: {"raster": figure()})
    learned = {"x -> output": np.ones((2, 3))}
    excerpt = SimpleNamespace(data=None)
    result = SimpleNamespace(circuit=mlp((3, 2)), weights=learned, biases={}, excerpt=excerpt)
    whole = figure is Figure
    if whole:
        files.write_files(tmp_path, result, {})
    else:
        with pytest.raises(OSError, match="No space left"):
            files.write_files(tmp_path, result, {})
    expected = ["raster.png", "result.json"] if whole else []
    assert sorted(path.name for path in tmp_path.iterdir()) == [*expected, "weights.safetensors"]


def test_weights_are_whole_or_not_there(tmp_path, monkeypatch):
    write = type(tmp_path).write_bytes

    def torn(path, content):
        write(path, content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(tmp_path), "write_bytes", torn)
    with pytest.raises(OSError, match=r"weights\.safetensors"):
        files.save_weights(tmp_path / files.WEIGHTS, mlp((3, 2)), {"x": np.ones((2, 3))}, {})
    assert not list(tmp_path.iterdir())
