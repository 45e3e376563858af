"""Tiny ImageNet's folder: the same class numbers in both parts, grey images, the cache."""

import shutil

import numpy as np
import pytest
from official_files import TINY_COLOURS, write_tiny_imagenet
from PIL import Image

from oneway.training import DataError, load_data
from oneway.training.data.tiny_imagenet import CACHE, PIXELS


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "tiny-imagenet-200"
    write_tiny_imagenet(root)
    return root


def load(folder):
    return load_data("tiny-imagenet", folder)


def forbid_decoding(monkeypatch):
    monkeypatch.setattr("oneway.training.data.tiny_imagenet._image", None)


@pytest.mark.parametrize("place", ["above", "itself"])
def test_a_class_has_one_number_in_both_parts(folder, place):
    data = load(folder.parent if place == "above" else folder)
    assert data.classes == 3 and data.shape == (3, *PIXELS)
    assert data.train_y.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert data.test_y.tolist() == [2, 0, 1, 2, 0, 1]
    for x, y in ((data.train_x, data.train_y), (data.test_x, data.test_y)):
        for image, number in zip(x, y.tolist(), strict=True):
            colour = np.broadcast_to(TINY_COLOURS[sorted(TINY_COLOURS)[number]], 3)
            np.testing.assert_allclose(image.float().mean((1, 2)), colour, atol=3)


def test_images_stand_upright(folder):
    ramp = np.arange(64, dtype=np.uint8)[:, None] * np.ones((1, 64), dtype=np.uint8)
    path = folder / "train" / "n01" / "images" / "n01_0.JPEG"
    Image.fromarray(ramp).save(path, "JPEG", quality=95)
    image = load(folder).train_x[0].float()
    assert (image.mean(2).diff() > 0).all() and image.std(2).max() < 2


def test_images_are_decoded_once(folder, monkeypatch):
    first = load(folder)
    forbid_decoding(monkeypatch)
    again = load(folder)
    assert (again.train_x == first.train_x).all() and (again.test_x == first.test_x).all()
    assert (again.test_y == first.test_y).all()
    assert [path.name for path in folder.glob("*.npz")] == [CACHE]


def test_a_changed_folder_is_decoded_again(folder):
    load(folder)
    shutil.copy(folder / "train/n02/images/n02_0.JPEG", folder / "train/n02/images/n02_3.JPEG")
    assert load(folder).train_y.tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2]
    grey = folder / "train/n03/images/n03_0.JPEG"
    shutil.copy(folder / "train/n01/images/n01_0.JPEG", grey)  # same name, other image
    assert abs(float(load(folder).train_x[7, 0].float().mean()) - 20) < 3


@pytest.mark.parametrize("content", [b"", b"hello", "cut"])
def test_a_damaged_cache_is_made_again(folder, content, monkeypatch):
    first, cache = load(folder), folder / CACHE
    cache.write_bytes(cache.read_bytes()[:-50] if content == "cut" else content)
    assert (load(folder).train_x == first.train_x).all()
    forbid_decoding(monkeypatch)
    assert (load(folder).train_x == first.train_x).all()


def test_a_folder_that_cannot_be_written_does_without_a_cache(folder, monkeypatch):
    def read_only(*arguments, **options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("oneway.training.data.tiny_imagenet.np.savez", read_only)
    assert load(folder).classes == 3
    assert not list(folder.glob("*.npz")) and not list(folder.glob(".*"))


def _no_annotations(folder):
    (folder / "val" / "val_annotations.txt").unlink()


def _damaged_image(folder):
    path = folder / "val" / "images" / "val_1.JPEG"
    path.write_bytes(path.read_bytes()[:-200])


def _write(name, text):
    return lambda folder: (folder / name).write_text(text)


def _small_image(folder):
    Image.new("RGB", (32, 64)).save(folder / "train/n01/images/n01_1.JPEG")


ANNOTATIONS = "val/val_annotations.txt"
WRONG = {
    "no wnids": (lambda f: (f / "wnids.txt").unlink(), "no file wnids.txt in"),
    "empty wnids": (_write("wnids.txt", ""), "names 0 classes and train holds 3 folders"),
    "no class": (lambda f: shutil.rmtree(f / "train/n02"), "names 3 .* 2 folders; .* in n02"),
    "empty class": (lambda f: shutil.rmtree(f / "train/n02/images"), "train/n02/images holds no"),
    "no annotations": (_no_annotations, r"val_annotations\.txt: cannot be read \(No such file"),
    "other class": (_write(ANNOTATIONS, "val_0.JPEG\tn9\n"), "line 1 is 'val_0.*one of the 3"),
    "no tab": (_write(ANNOTATIONS, "val_0.JPEG n01\n"), "expected a file name, a tab and"),
    "outside": (_write(ANNOTATIONS, "../x.JPEG\tn01\n"), r"line 1 is '\.\./x"),
    "no line": (_write(ANNOTATIONS, ""), "names no image"),
    "binary": (lambda f: (f / ANNOTATIONS).write_bytes(b"\xff\xfe"), "is no text file"),
    "no image": (_write(ANNOTATIONS, "val_77.JPEG\tn01\n"), r"val_77\.JPEG: cannot be read \(No s"),
    "damaged": (_damaged_image, r"val_1\.JPEG: cannot be read \(.*(?i:truncated)"),
    "not an image": (_write("train/n01/images/n01_0.JPEG", "a"), r"n01_0\.JPEG: is no image"),
    "size": (_small_image, r"n01_1\.JPEG: \(64, 32\) pixels, expected \(64, 64\)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_folder_is_refused(folder, case):
    damage, complaint = WRONG[case]
    damage(folder)
    with pytest.raises(DataError, match=complaint):
        load(folder)
