"""Streamed image folders: listing, views, and batches that do not depend on who decodes them."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from training_runs import wire_and_train

from oneway.circuits import parse_circuit
from oneway.rules import parse_rule
from oneway.training import DataError, TrainConfig, load_data
from oneway.training.data.dataset import WHOLE, Part
from oneway.training.data.streaming import (
    AREA,
    RATIO,
    StreamedData,
    centre_box,
    default_workers,
    random_box,
    view,
)
from oneway.training.data.subsets import sample
from oneway.training.recording.errors import fixed_batch

CLASSES = {"cat": (200, 30, 40), "ant": (20, 180, 60), "dog": (30, 60, 220)}
CIRCUIT = parse_circuit("conv2:3x16x16-3,width=3,hidden=8")


def save(path, colour, size=(20, 24), mode="RGB", noise=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, colour)
    if noise is not None:
        pixels = noise.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
        image = Image.fromarray(pixels)
    image.convert(mode).save(path, quality=95)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Noise with a tint, of many sizes; each class lies in its folder in another way."""
    root, noise = tmp_path_factory.mktemp("data") / "imagenet", np.random.default_rng(0)
    for part, n in (("train", 9), ("val", 4)):
        for name, colour in CLASSES.items():
            for i in range(n):
                below = "images" if name == "dog" else "."
                place = root / part / name / below / f"{name}_{i}.{'png' if i == 1 else 'JPEG'}"
                size = tuple(int(s) for s in noise.integers(18, 40, 2))
                save(place, colour, size, "L" if i == 2 else "RGB", noise if i % 2 else None)
        (root / part / name / "readme.txt").write_text("no image")
    return root


@pytest.fixture
def data(folder):
    return load_data("folder", folder, shape=(3, 16, 16), workers=0)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def epoch(data, order=0, augmentation=0, kind="crop+flip", part=WHOLE, size=4):
    order = order if isinstance(order, torch.Generator) else seeded(order)
    drawn = augmentation if isinstance(augmentation, torch.Generator) else seeded(augmentation)
    return list(data.train_batches(size, order, drawn, kind, part))


def joined(batches):
    return [torch.cat(each) for each in zip(*batches, strict=True)]


def alike(one, other):
    return len(one) == len(other) and all(
        torch.equal(a, b)
        for left, right in zip(one, other, strict=True)
        for a, b in zip(left, right, strict=True)
    )


# -- which file is of which class --------------------------------------------------------------


def test_classes_are_numbered_by_the_sorted_names_of_their_folders(folder):
    data = load_data("imagenet", folder.parent, workers=0)
    assert isinstance(data, StreamedData) and data.shape == (3, 224, 224)
    assert (data.n_train, data.n_test, data.n_validation, data.classes) == (27, 12, 0, 3)
    for row, label in enumerate(data.train.labels.tolist()):
        name = sorted(CLASSES)[label]
        path = data.train.path(row)
        assert path.is_file() and path.relative_to(folder / "train").parts[0] == name
    assert Counter(data.test.labels.tolist()) == {0: 4, 1: 4, 2: 4}


def test_validation_images_without_class_folders_are_explained(folder, tmp_path):
    shutil.copytree(folder / "train", tmp_path / "train")
    for i in range(3):
        save(tmp_path / "val" / f"ILSVRC2012_val_{i}.JPEG", (1, 2, 3))
    with pytest.raises(DataError, match=r"val: holds 3 images and no class folder.*Move each"):
        load_data("folder", tmp_path)


def test_wrong_folders_are_named(folder, tmp_path):
    with pytest.raises(DataError, match=r"train: cannot be read \(No such file or dir.*--data-dir"):
        load_data("imagenet", tmp_path)
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy/val/emu").mkdir()
    with pytest.raises(DataError, match="train has 3 class folders and val 4; they differ in emu"):
        load_data("folder", tmp_path / "copy")
    (tmp_path / "copy/train/emu").mkdir()
    with pytest.raises(DataError, match="emu: holds no image"):
        load_data("folder", tmp_path / "copy")


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 16, 20), (768,)])
def test_only_colour_squares_fit(data, shape):
    with pytest.raises(DataError, match=r"fit an input of \(3, S, S\), but .* 3x224x224"):
        data.fitted(shape)


# -- views -------------------------------------------------------------------------------------


@given(st.integers(1, 600), st.integers(1, 600), st.integers(0, 2**62))
def test_a_random_part_lies_in_the_image_and_has_an_allowed_form(width, height, seed):
    left, top, right, bottom = random_box(width, height, np.random.default_rng(seed))
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    if min(width, height) >= 100:  # of smaller ones, rounding shifts both
        part = (right - left) * (bottom - top) / (width * height)
        ratio = (right - left) / (bottom - top)
        assert RATIO[0] * 0.9 < ratio < RATIO[1] * 1.1
        assert part > AREA[0] * 0.9 or max(width, height) > 4 * min(width, height)


def test_a_part_of_a_long_image_is_the_largest_of_allowed_form():
    assert random_box(1000, 1, np.random.default_rng(0))[1::2] == (0, 1)
    left, _, right, _ = random_box(4000, 30, np.random.default_rng(0))
    assert right - left == 40  # 4:3


def test_a_test_sees_the_centre(tmp_path):
    """As if the shorter side had been scaled to 256 and 224 cut out."""
    assert centre_box(256, 512) == (16, 144, 240, 368)
    x = np.zeros((32, 48, 3), dtype=np.uint8)
    x[2:30, 10:38] = 200
    Image.fromarray(x).save(tmp_path / "a.png")
    assert (view(tmp_path / "a.png", 28, "crop+flip", None) == 200).all()
    assert (view(tmp_path / "a.png", 32, "none", np.random.default_rng(0)) >= 190).mean() > 0.85


def test_flip_mirrors_about_half(tmp_path):
    x = np.arange(0, 160, 10, dtype=np.uint8)[None, :, None].repeat(16, 0).repeat(3, 2)
    Image.fromarray(x).save(tmp_path / "a.png")
    rising = [
        view(tmp_path / "a.png", 14, "flip", np.random.default_rng(seed))[0, 0, 0] < 75
        for seed in range(300)
    ]
    assert 120 < sum(rising) < 180
    plain = [view(tmp_path / "a.png", 14, "crop", np.random.default_rng(s)) for s in range(50)]
    assert all(each[0, 0, 0] < each[0, 0, -1] for each in plain)


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB", "P", "RGBA"])
def test_every_kind_of_image_becomes_colour(tmp_path, mode):
    path = tmp_path / ("a.png" if mode in ("P", "RGBA") else "a.jpeg")
    save(path, (120, 120, 120), mode=mode)
    seen = view(path, 8, "crop", np.random.default_rng(0))
    assert seen.shape == (3, 8, 8) and abs(seen.astype(int) - 120).max() <= 3


# -- batches -----------------------------------------------------------------------------------


def test_every_image_comes_once_with_its_label(data):
    x, y = joined(epoch(data, kind="none"))
    assert x.dtype == torch.uint8 and x.shape == (27, 3, 16, 16)
    assert y.bincount().tolist() == [9, 9, 9]
    tinted = [colour for name, colour in sorted(CLASSES.items())]
    plain = x.float().flatten(2).std(2).max(1).values < 3  # the images without noise
    means = x.float().mean((2, 3))
    coloured = plain & (means.max(1).values - means.min(1).values > 10)
    assert int(coloured.sum()) == 3 * 4  # images 0, 4, 6, 8 of each class
    for mean, label in zip(means[coloured], y[coloured].tolist(), strict=True):
        torch.testing.assert_close(mean, torch.tensor(tinted[label]).float(), atol=4, rtol=0)


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_do_not_depend_on_the_number_of_workers(data, workers):
    many = epoch(replace(data, workers=workers))
    assert alike(epoch(data), many)
    assert alike(list(data.test_batches(5)), list(replace(data, workers=workers).test_batches(5)))


def test_the_processes_shares_make_up_the_whole(data):
    whole = epoch(data, size=23)  # and a last one of four
    shares = [epoch(data, part=Part(rank, 2), size=23) for rank in (0, 1)]
    for i, (x, y) in enumerate(whole):
        for rank in (0, 1):
            assert torch.equal(shares[rank][i][0], x[rank::2])
            assert torch.equal(shares[rank][i][1], y[rank::2])
    _, y = joined([*data.test_batches(5, Part(0, 2)), *data.test_batches(5, Part(1, 2))])
    assert y.bincount().tolist() == [4, 4, 4]


def test_each_epoch_draws_anew_and_a_seed_repeats_it(data):
    order, drawn = seeded(1), seeded(2)
    first, second = epoch(data, order, drawn), epoch(data, order, drawn)
    assert alike(first, epoch(data, 1, 2)) and not alike(first, second)
    again, drawn_again = seeded(1), seeded(2)
    epoch(data, again, drawn_again, part=Part(1, 3))  # whatever the share, the state goes on
    assert alike(second, epoch(data, again, drawn_again))
    same_order = epoch(data, 1, 3)
    assert torch.equal(joined(same_order)[1], joined(first)[1]) and not alike(same_order, first)


def test_each_image_has_a_draw_of_its_own(data):
    same = replace(data.train, names=data.train.names[[1] * 9], labels=data.train.labels[:9])
    x, _ = joined(epoch(replace(data, train=same), kind="crop"))
    assert len(x.flatten(1).unique(dim=0)) == 9


def test_test_batches_are_small_where_images_are_large(data, monkeypatch):
    monkeypatch.setattr("oneway.training.data.streaming.MOST_BYTES", 5 * 3 * 16 * 16)
    assert [len(y) for _, y in data.test_batches(1000)] == [5, 5, 2]


def test_torch_own_generator_is_left_alone(data):
    before = torch.random.get_rng_state()
    epoch(data)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_validation_and_limits_are_fixed(data):
    held = data.with_validation(0.25)
    assert (held.n_train, held.n_validation) == (20, 7)
    names = [set(listing.names.tolist()) for listing in (held.train, held.validation)]
    assert not names[0] & names[1] and names[0] | names[1] == set(data.train.names.tolist())
    assert len(joined(held.validation_batches(4))[1]) == 7
    few = data.limited(6, 2)
    assert (few.n_train, few.n_test) == (6, 2) and few.fingerprint() != data.fingerprint()
    assert few.fingerprint() == data.limited(6, 2).fingerprint()
    with pytest.raises(DataError, match="limit of 28 training samples, expected 1 to 27"):
        data.limited(28)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_named(folder, tmp_path, workers):
    shutil.copytree(folder, tmp_path / "copy")
    damaged = tmp_path / "copy/train/ant/ant_3.JPEG"
    damaged.write_bytes(damaged.read_bytes()[:300])
    data = load_data("folder", tmp_path / "copy", shape=(3, 16, 16), workers=workers)
    with pytest.raises(DataError, match=r"ant_3\.JPEG: is no image that can be read") as caught:
        epoch(data)
    assert "Traceback" not in str(caught.value)


def test_a_worker_that_dies_is_one_clear_error(data, monkeypatch):
    def die(*_):
        import os

        os._exit(1)

    monkeypatch.setattr("oneway.training.data.streaming.view", die)
    with pytest.raises(DataError, match=r"decodes images ended early .*--workers"):
        epoch(replace(data, workers=1))


def test_workers_share_the_cores_of_a_machine(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(6)), raising=False)
    assert default_workers() == 6
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert default_workers() == 3


# -- training ----------------------------------------------------------------------------------


def test_a_resumed_run_is_as_an_uninterrupted_one(data, tmp_path):
    settings = TrainConfig(epochs=3, batch_size=8, augment="crop+flip", validation=0.2)
    run = (CIRCUIT, parse_rule("asap,k=2"), data)
    whole = wire_and_train(*run, settings, out=tmp_path / "whole")

    class Stopped(Exception):
        pass

    class Stopping(StreamedData):
        def train_batches(self, *arguments):
            yield from super().train_batches(*arguments)
            # The first epoch, the samples on which errors are compared, the second epoch.
            if calls.append(1) or len(calls) == 3:
                raise Stopped

    calls = []
    stopping = Stopping(**{name: getattr(data, name) for name in data.__dataclass_fields__})
    with pytest.raises(Stopped):
        wire_and_train(*run[:2], stopping, settings, out=tmp_path / "cut")
    resumed = wire_and_train(*run, settings, out=tmp_path / "cut", resume=True)
    drop = [{**record, "seconds": 0} for record in resumed.history]
    assert drop == [{**record, "seconds": 0} for record in whole.history]
    assert whole.selected == resumed.selected


def test_it_trains_from_the_command_line(oneway, folder):
    arguments = "train --circuit conv2:3x16x16-3,width=3,hidden=8 --rule fa --data folder".split()
    options = "--epochs 1 --batch-size 8 --augment crop+flip --workers 0 --json".split()
    code, out, err = oneway(*arguments, "--data-dir", folder, *options)
    assert code == 0, err
    run = json.loads(out)["runs"][0]
    assert run["data"] == "folder" and 0 <= run["test_accuracy"] <= 1
    assert (
        json.loads(Path(json.loads(out)["out"], "config.json").read_text())["train_samples"] == 27
    )
    code, _, err = oneway(*arguments, "--data-dir", folder, "--workers", "-1")
    assert code == 2 and "workers = -1, expected at least 0" in err


@pytest.mark.data
def test_real_images(data_dir, tmp_path):
    """Tiny ImageNet's training folder has this layout; its validation images lie in one folder."""
    root = next(data_dir.glob("tiny-imagenet-200*"), None)
    if root is None:
        pytest.skip("no part of Tiny ImageNet is there")
    with pytest.raises(DataError, match=r"class folders and val 1; they differ in images"):
        load_data("folder", root)
    for part in ("train", "val"):
        (tmp_path / part).symlink_to(root / "train")
    data = load_data("folder", tmp_path, shape=(3, 56, 56), limit=(300, 200), workers=2)
    x, _ = joined(epoch(data, kind="none", size=64))
    assert 0.5 < float(data.normalise(x).std()) < 2 and abs(float(data.normalise(x).mean())) < 0.5


# -- grey and deep images, and folders without a test part ---------------------------------------


def save_grey(root, bits, parts=("train", "val")):
    """Class 0 is bright on the left and class 1 on the right: of values 800 to 3,200, or a 16th."""
    draw = np.random.default_rng(0)
    for part in parts:
        for label in (0, 1):
            (root / part / f"c{label}").mkdir(parents=True)
            for i in range(8):
                values = draw.integers(800, 1200, (16, 16)).astype(np.uint16)
                values[:, label * 8 :][:, :8] += 2000
                pixels = values if bits == 16 else (values // 16).astype(np.uint8)
                Image.fromarray(pixels).save(root / part / f"c{label}" / f"{i}.png")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [8, 16])
def test_grey_images_keep_their_range(tmp_path, bits, channels):
    save_grey(tmp_path, bits)
    data = load_data("folder", tmp_path, workers=0)
    assert data.shape == (1, 224, 224)
    data = data.fitted((channels, 16, 16))
    x, _ = joined(epoch(data, kind="none"))
    assert x.shape == (16, channels, 16, 16)
    assert x.max() - x.min() > {8: 110, 16: 1800}[bits]
    z = data.normalise(x)
    assert abs(float(z.mean())) < 0.1 and 0.8 < float(z.std()) < 1.1
    circuit = parse_circuit(f"conv2:{channels}x16x16-2,width=4,hidden=16")
    settings = TrainConfig(epochs=8, batch_size=4)
    assert wire_and_train(circuit, parse_rule("kp"), data, settings).test_accuracy == 1.0


def test_images_of_different_kinds_are_not_mixed(tmp_path):
    save_grey(tmp_path, 8)
    data = load_data("folder", tmp_path, shape=(1, 16, 16), workers=0)
    save(tmp_path / "train/c1/3.png", (9, 99, 200), (16, 16))
    with pytest.raises(DataError, match=r"3\.png: is colour of 8 bits, but .* is grey of 8 bits"):
        epoch(data)
    colour = load_data("folder", tmp_path, workers=0)  # of which most are grey
    assert colour.shape == (3, 224, 224)
    assert len(epoch(colour.fitted((3, 16, 16)))) == 4
    Image.fromarray(np.full((16, 16), 3000, np.uint16)).save(tmp_path / "train/c1/3.png")
    with pytest.raises(DataError, match=r"3\.png: is grey of more than 8 bits, but .* of 8 bits"):
        load_data("folder", tmp_path, workers=0)


@pytest.mark.parametrize("below", ["train", "."])
def test_a_folder_without_a_test_part_is_split(tmp_path, below):
    save_grey(tmp_path, 8, [below])
    with pytest.raises(DataError, match=r"or CLASS/\*\.JPEG with --test-fraction 0\.2"):
        load_data("folder", tmp_path)
    data = load_data("folder", tmp_path, workers=0, test_fraction=0.25)
    assert data.train.labels.bincount().tolist() == [6, 6]
    assert data.test.labels.bincount().tolist() == [2, 2]
    files = {*map(data.train.path, range(12)), *map(data.test.path, range(4))}
    assert len(files) == 16 and all(path.is_file() for path in files)
    (tmp_path / "val").mkdir()
    with pytest.raises(DataError, match=r"has a test part of its own, val\. Leave out"):
        load_data("folder", tmp_path, test_fraction=0.25)


def test_what_is_recorded_sees_a_fixed_batch_as_a_test_would(data):
    """Centres of the same images each time, whoever decodes them; nothing is drawn."""
    drawn = torch.random.get_rng_state()
    x, y = fixed_batch(data, 12)
    again, _ = fixed_batch(replace(data, workers=1), 12)
    assert torch.equal(x, again) and torch.equal(torch.random.get_rng_state(), drawn)
    rows = sample(data.n_train, 12).tolist()
    seen = [view(data.train.path(row), 16, "none", None).tobytes() for row in rows]
    expected = sorted(zip(seen, data.train.labels[rows].tolist(), strict=True))
    images = [image.numpy().tobytes() for image in x]
    assert sorted(zip(images, y.tolist(), strict=True)) == expected
