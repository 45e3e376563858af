"""Arrays of one's own: what is refused before anything runs, and what trains."""

import json

import numpy as np
import pytest
import torch
from training_runs import wire_and_train

from oneway.circuits import mlp
from oneway.rules import parse_rule
from oneway.training import DataError, DataSet, TrainConfig, load_data

Y = np.arange(120) % 3
X = (np.eye(3)[Y] + 0.1 * np.random.default_rng(0).standard_normal((120, 3))).astype(np.float32)
NAN, INF = X.copy(), X.copy()
NAN[5, 0], INF[7, 1] = np.nan, np.inf


def made(train_x=X, train_y=Y, test_x=X, test_y=Y, classes=3):
    return DataSet.from_arrays("mine", (train_x, train_y), (test_x, test_y), classes)


def accuracy(data):
    settings = TrainConfig(epochs=5, lr=0.1)
    return wire_and_train(mlp((3, 8, 3)), parse_rule("kp"), data, settings).test_accuracy


GOOD = {
    "as they should be": {},
    "lists": {"train_x": X.tolist(), "train_y": Y.tolist()},
    "tensors": {"train_x": torch.from_numpy(X), "test_y": torch.from_numpy(Y)},
    "labels 0.0, 1.0": {"train_y": Y.astype(float)},
    "classes counted": {"classes": None},
    "other byte order": {"train_x": X.astype(">f4"), "train_y": Y.astype(">i2")},
    "16 bits": dict.fromkeys(("train_x", "test_x"), np.uint16(1000 + 30000 * np.clip(X, 0, 1.1))),
    "bools": dict.fromkeys(("train_x", "test_x"), X > 0.5),
    "long doubles": {"train_x": X.astype(np.longdouble)},
}  # fmt: skip


@pytest.mark.parametrize("case", GOOD)
def test_arrays_that_say_what_they_are_train(case):
    assert accuracy(made(**GOOD[case])) == 1.0


WRONG = {
    "labels from 1": (
        {"train_y": Y + 1, "test_y": Y + 1},
        r"training labels run from 1 to 3, expected 0 to 2. Number classes from 0 on \(y - 1",
    ),
    "labels from 1, uncounted": (
        {"train_y": Y + 1, "test_y": Y + 1, "classes": None},
        "training labels run from 1 to 3, expected a class 0. Take y - 1, or say classes=4",
    ),
    "labels from -1": ({"train_y": Y - 1}, "from -1 to 1, expected 0 to 2. Leave out samples"),
    "label -100": ({"test_y": np.where(Y == 2, -100, Y)}, "test labels run from -100 to 1"),
    "unknown in test": ({"test_y": Y + 1, "classes": None}, "test labels run from 1 to 3, expec"),
    "fewer labels": ({"train_y": Y[:100]}, "training part has 120 samples, but 100 labels"),
    "more labels": ({"test_y": np.r_[Y, Y]}, "test part has 120 samples, but 240 labels"),
    "labels (N, 1)": ({"train_y": Y[:, None]}, r"shape \(120, 1\), expected .*Take y\[:, 0\]"),
    "one-hot": ({"train_y": np.eye(3)[Y]}, r"shape \(120, 3\), expected \(120,\).*y.argmax\(1\)"),
    "labels .7": ({"train_y": Y + 0.7}, "training labels hold 0.7, expected whole numbers"),
    "label NaN": ({"train_y": np.where(Y == 2, np.nan, Y)}, "labels hold nan, expected whole"),
    "words": ({"train_y": np.array(["a", "b", "c"])[Y]}, "array of <U1, expected numbers"),
    "objects": ({"train_x": X.astype(object)}, "samples are an array of object, expected numbers"),
    "complex": ({"train_x": X + 0j}, "complex64, expected real numbers. Take x.real"),
    "ragged": ({"train_x": [[1.0], [1.0, 2.0]]}, "training samples are no array of numbers"),
    "NaN": ({"train_x": NAN}, "training samples: 1 of 120 hold NaN.*the first is number 5"),
    "infinite": ({"test_x": INF}, "test samples: 1 of 120 hold NaN or.*the first is number 7"),
    "narrower": ({"test_x": X[:, :2]}, r"test samples have shape \(2,\), but training.*\(3,\)"),
    "no test": ({"test_x": X[:0], "test_y": Y[:0]}, r"test samples have shape \(0, 3\), expect"),
    "no training": ({"train_x": X[:0], "train_y": Y[:0]}, "training samples .*at least one"),
    "flat": ({"train_x": X[:, 0]}, r"shape \(120,\), expected \(N, D\)"),
    "no channel": (
        {"train_x": X[:, None]},
        r"\(N, channels, rows, columns\) for images. Take x\[:, None\]",
    ),
    "other units": (
        {"train_x": np.uint8(200 * np.clip(X, 0, 1))},
        "training samples are uint8 and test samples float32, which may be in different units",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arrays_are_one_error_that_names_the_fix(case):
    arrays, complaint = WRONG[case]
    with pytest.raises(DataError, match=f"^data set 'mine': .*{complaint}") as caught:
        made(**arrays)
    assert "\n" not in str(caught.value)


def test_a_fraction_of_every_class_is_the_test():
    y = np.repeat([0, 1, 2], [60, 30, 10])
    x = np.arange(100.0)[:, None]
    data = DataSet.from_arrays("mine", (x, y), 0.2)
    assert data.test_y.bincount().tolist() == [12, 6, 2]
    assert data.train_y.bincount().tolist() == [48, 24, 8]
    both = torch.cat([data.train_x, data.test_x]).flatten()
    assert sorted(both.tolist()) == x[:, 0].tolist()
    assert torch.equal(data.test_x, DataSet.from_arrays("again", (x, y), 0.2).test_x)
    with pytest.raises(DataError, match=r"fraction of 0\.01 takes 0 of the 30 samples of class 1"):
        DataSet.from_arrays("mine", (x, y), 0.01)


# -- files -------------------------------------------------------------------------------------


def test_a_file_of_arrays_trains_from_the_command_line(oneway, tmp_path):
    np.savez(tmp_path / "mine.npz", train_x=X, train_y=Y, test_x=X, test_y=Y)
    np.savez(tmp_path / "whole.npz", x=X, y=Y, classes=np.array(3))
    arguments = "train --circuit mlp:3-8-3 --rule kp --epochs 5 --lr 0.1 --json --data".split()
    for options in (["mine.npz"], ["whole.npz", "--test-fraction", "0.25"]):
        code, out, err = oneway(*arguments, *options)
        assert code == 0, err
        (run,) = json.loads(out)["runs"]
        assert (run["data"], run["test_accuracy"]) == (options[0], 1.0)
    code, out, err = oneway(*arguments, "whole.npz", "--test-fraction", "1.5")
    assert (code, out) == (2, "") and "test_fraction = 1.5, expected a part above 0" in err
    code, out, err = oneway(*arguments, "digits", "--test-fraction", "0.2")
    assert code == 2 and "digits: has a test part of its own. Leave out the test fraction" in err


def npz(**arrays):
    return lambda path: np.savez(path, **arrays)


FILES = {
    "missing": (lambda path: None, r"no file '.*mine.npz': expected an npz file with train_x"),
    "no npz": (lambda path: path.write_bytes(b"hello"), "npz file of numbers, found"),
    "cut": (
        lambda path: (np.savez(path, x=X, y=Y), path.write_bytes(path.read_bytes()[:900])),
        "mine.npz: expected an npz file of numbers, found",
    ),
    "one array": (lambda path: np.save(path.open("wb"), X), "is a single array, expected an npz"),
    "pickled": (npz(x=X, y=Y.astype(object)), "found Python objects, which may run code"),
    "other names": (npz(a=X, b=Y), "holds the arrays a, b, expected train_x, train_y, test_x"),
    "no test": (npz(x=X, y=Y), "holds x and y and no test part. Say .* --test-fraction 0.2"),
    "classes": (npz(x=X, y=Y, classes=3.5), r"classes is array\(3.5\), expected one whole number"),
    "wrong": (
        npz(train_x=X, train_y=Y, test_x=NAN, test_y=Y),
        "'mine.npz': test samples: 1 of 120",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_wrong_files_of_arrays_are_refused(tmp_path, case):
    write, complaint = FILES[case]
    write(tmp_path / "mine.npz")
    with pytest.raises(DataError, match=complaint) as caught:
        load_data(str(tmp_path / "mine.npz"))
    assert "\n" not in str(caught.value)


def test_two_test_parts_are_refused(tmp_path):
    np.savez(tmp_path / "mine.npz", train_x=X, train_y=Y, test_x=X, test_y=Y)
    with pytest.raises(DataError, match=r"mine\.npz: has a test part of its own"):
        load_data(str(tmp_path / "mine.npz"), test_fraction=0.2)


@pytest.mark.parametrize("command", ["train", "spike"])
def test_help_has_an_example_of_every_kind_of_data(oneway, command):
    from oneway.training.data.catalogue import KNOWN

    code, out, _ = oneway(command, "--help")
    said = " ".join(out.split())
    assert code == 0
    for name in KNOWN:
        assert name in said
    for example in ("digits", "cifar10 --data-dir DATA", "folder --data-dir PHOTOS", "mine.npz"):
        assert f"--data {example}" in said
