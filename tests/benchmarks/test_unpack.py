"""Parts of a data set become its files, whatever they are packed in."""

import gzip
import hashlib
import importlib.util
import lzma
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "unpack.py"


@pytest.fixture(scope="module")
def unpack():
    spec = importlib.util.spec_from_file_location("benchmarks_unpack", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def filtered(blob, pixels):
    """A batch with prediction errors in place of its pixels, value by value as JPEG-LS predicts."""
    images = pixels.reshape(-1, 3, 32, 32).astype(int)
    r, g, b = images.transpose(1, 0, 2, 3)
    planes = np.stack([g, r - g, b - g])
    errors = np.zeros_like(planes)
    for y in range(32):
        for x in range(32):
            west = planes[:, :, y, x - 1] if x else None
            north = planes[:, :, y - 1, x] if y else None
            if west is None or north is None:
                guess = west if north is None else north
                guess = np.zeros_like(planes[:, :, 0, 0]) if guess is None else guess
            else:
                corner = planes[:, :, y - 1, x - 1]
                guess = np.median([west, north, west + north - corner], axis=0).astype(int)
            errors[:, :, y, x] = planes[:, :, y, x] - guess
    errors = (errors + 128) % 256 - 128
    coded = np.where(errors < 0, -2 * errors - 1, 2 * errors).astype(np.uint8)
    return blob.replace(pixels.tobytes(), coded.tobytes())


@pytest.fixture
def batch():
    """A pickle as Python 2 wrote CIFAR's: pixels are a string with its length in four bytes."""
    pixels = np.random.default_rng(0).integers(256, size=3 * 3072, dtype=np.uint8)
    head = pickle.dumps({"labels": [1, 2, 3]}, protocol=2)
    return head + b"T" + (3 * 3072).to_bytes(4, "little") + pixels.tobytes() + b"q\x01.", pixels


def test_prediction_errors_become_pixels(unpack, batch):
    blob, pixels = batch
    assert filtered(blob, pixels) != blob
    assert unpack.unfiltered(filtered(blob, pixels)) == blob


def test_parts_come_in_any_order(unpack, batch, tmp_path, monkeypatch, capsys):
    blob, pixels = batch
    parts, data = tmp_path / "parts", tmp_path / "data"
    place = parts / "cifar-10-batches-py"
    place.mkdir(parents=True)
    right = {"data_batch_1": {hashlib.md5(blob).hexdigest()}}
    monkeypatch.setattr(unpack, "MD5", right)
    (place / "data_batch_1.filtered.xz").write_bytes(lzma.compress(filtered(blob, pixels)))
    (place / "batches.meta").write_bytes(b"as it is")
    monkeypatch.setattr(unpack, "ProcessPoolExecutor", OneProcess)
    unpack.main([str(parts), str(data)])
    assert (data / "cifar-10-batches-py/data_batch_1").read_bytes() == blob
    out = capsys.readouterr().out
    assert "md5 right" in out and "cifar10: still missing data_batch_2, data_batch_3" in out
    (place / "data_batch_2.gz").write_bytes(gzip.compress(b"two", mtime=0))
    (place / "data_batch_3.xz").write_bytes(lzma.compress(b"three"))
    unpack.main([str(parts), str(data)])
    assert (data / "cifar-10-batches-py/data_batch_2").read_bytes() == b"two"
    assert (data / "cifar-10-batches-py/data_batch_3").read_bytes() == b"three"
    assert "data_batch_1: there already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("data_batch_1.xz", b"no archive", "cannot be unpacked"),
        ("data_batch_1.gz", gzip.compress(b"whole", mtime=0)[:-3], "cannot be unpacked"),
        ("data_batch_1.filtered.xz", lzma.compress(b"no pixels"), "no pixels of CIFAR in it"),
        ("data_batch_1", b"other bytes", "another md5 than c99cafc152244af753f735de768cd75f"),
    ],
)
def test_damage_is_one_sentence_and_leaves_nothing(
    unpack, tmp_path, monkeypatch, name, content, says
):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / name).write_bytes(content)
    monkeypatch.setattr(unpack, "ProcessPoolExecutor", OneProcess)
    with pytest.raises(SystemExit, match=says):
        unpack.main([str(tmp_path / "parts"), str(tmp_path / "data")])
    assert not list(tmp_path.glob("data/*"))


def test_an_empty_folder(unpack, tmp_path):
    with pytest.raises(SystemExit, match="expected packed data"):
        unpack.main([str(tmp_path), str(tmp_path / "data")])


class OneProcess:
    """In place of a pool, whose processes would have to import the script."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def submit(self, function, *arguments):
        result = function(*arguments)
        return type("Done", (), {"result": lambda self: result})()
