"""What is known of each data set: where its files are looked for, come from, and how to cite them.

The entries stand in ``datasets.toml``.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, MissingData

if TYPE_CHECKING:
    from oneway.circuits import Circuit

DATA_DIR_VARIABLE = "ONEWAY_DATA_DIR"
# How training images can be augmented.
AUGMENTATIONS = ("none", "crop", "flip", "crop+flip")


@dataclass(frozen=True)
class File:
    """A file as its reader wants it."""

    name: str
    md5: str = ""  # none is known
    packed_md5: str = ""  # with ``.gz`` behind its name, where the reader takes that too

    def forms(self) -> Iterator[tuple[str, str]]:
        """Names that it may have on disk, each with its md5."""
        yield self.name, self.md5
        if self.packed_md5:
            yield f"{self.name}.gz", self.packed_md5


@dataclass(frozen=True)
class Download:
    """A file on a server: a data file, or an archive that holds a folder of them."""

    url: str
    md5: str
    size: int  # in bytes
    folder: str = ""  # where in the data folder it is put
    unpacks: str = ""  # the folder in the archive

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class Known:
    """A data set; `places` are subfolders of the data folder, looked into in this order."""

    name: str
    samples: str
    terms: str
    citation: str = ""
    home: str = ""
    places: tuple[str, ...] = ("",)
    files: tuple[File, ...] = ()
    downloads: tuple[Download, ...] = ()  # none where it cannot be had without asking

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(download.size for download in self.downloads)

    def find(self, folder: Path, name: str) -> Path | None:
        """A file, plain or packed, in the first place that has it."""
        file = next(file for file in self.files if file.name == name)
        for place in self.places:
            for form, _ in file.forms():
                if (folder / place / form).is_file():
                    return folder / place / form
        return None

    def require(self, folder: Path, name: str) -> Path:
        path = self.find(folder, name)
        if path is None:
            file = next(file for file in self.files if file.name == name)
            names = " or ".join(form for form, _ in file.forms())
            places = ", ".join(str(folder / place) for place in self.places)
            raise MissingData(
                f"{self.name}: no file {names} in {places}. Fetch it with 'oneway data get "
                f"{self.name}', put the official files there, or name another folder with "
                "--data-dir"
            )
        return path


def _known(name: str, about: dict[str, Any]) -> Known:
    places = tuple(about.pop("places", ("",)))
    files = tuple(File(**each) for each in about.pop("files", ()))
    downloads = tuple(Download(**each) for each in about.pop("downloads", ()))
    return Known(name, places=places, files=files, downloads=downloads, **about)


_TEXT = resources.files(__package__).joinpath("datasets.toml").read_text(encoding="utf-8")
KNOWN = {name: _known(name, about) for name, about in tomllib.loads(_TEXT).items()}
STREAMED = ("imagenet", "folder")


ARRAYS = ".npz"
# Every kind of data that a run can name, each with an example.
KINDS = (
    f"{', '.join(name for name in KNOWN if name not in ('digits', *STREAMED))}: official files "
    "(--data cifar10 --data-dir DATA); digits: comes with scikit-learn (--data digits); folder: "
    "images in class folders (--data folder --data-dir PHOTOS), imagenet likewise (--data imagenet "
    "--data-dir DATA); FILE.npz: arrays of your own (--data mine.npz)"
)


def check_source(name: str) -> None:
    """Whether `name` is a known data set or a file of arrays."""
    if not name.endswith(ARRAYS):
        check_known(name, f", and FILE{ARRAYS} for arrays of your own")


def check_known(name: str, besides: str = "") -> None:
    if name not in KNOWN:
        raise DataError(f"no data set {name!r}; there are {', '.join(KNOWN)}{besides}")


def image_root(name: str, folder: Path) -> Path:
    """The first place of a streamed data set that has a training part."""
    places = [folder / place for place in KNOWN[name].places]
    return next((place for place in places if (place / "train").is_dir()), places[-1])


def data_folder(name: str, data_dir: str | Path | None) -> Path:
    """The folder that is named here or in the environment, if it is there."""
    if name == "digits":
        return Path()
    given = data_dir if data_dir is not None else os.environ.get(DATA_DIR_VARIABLE)
    if not given:
        raise MissingData(
            f"{name} is read from its official files: name their folder with --data-dir (data_dir= "
            f"in Python) or in the environment variable {DATA_DIR_VARIABLE}; 'oneway data get "
            f"{name} --data-dir DIR' fetches them or says where they are"
        )
    folder = Path(given).expanduser()
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "is not there"
        raise MissingData(
            f"data folder {str(folder)!r} {what} (for {name}). Name the right one with --data-dir"
        )
    return folder


# -- what the complete data sets hold, so that a run can be judged without reading them ------------


@dataclass(frozen=True)
class Official:
    """Shape of an image (C, H, W), number of classes, of training and of test images."""

    image: tuple[int, int, int]
    classes: int
    n_train: int
    n_test: int


# ImageNet's images have many sizes: the one is what networks for it are built for.
OFFICIAL = {
    "digits": Official((1, 8, 8), 10, 1437, 360),
    "mnist": Official((1, 28, 28), 10, 60_000, 10_000),
    "fashion-mnist": Official((1, 28, 28), 10, 60_000, 10_000),
    "svhn": Official((3, 32, 32), 10, 73_257, 26_032),
    "cifar10": Official((3, 32, 32), 10, 50_000, 10_000),
    "cifar100": Official((3, 32, 32), 100, 50_000, 10_000),
    "tiny-imagenet": Official((3, 64, 64), 200, 100_000, 10_000),
    "imagenet": Official((3, 224, 224), 1000, 1_281_167, 50_000),
}


def is_complete(name: str, n_train: int, n_test: int) -> bool:
    """Whether these are all samples of the data set, those held out for validation included."""
    whole = OFFICIAL.get(name)
    return whole is not None and (n_train, n_test) == (whole.n_train, whole.n_test)


def check_official_fit(name: str, circuit: Circuit) -> None:
    """Complain if the circuit's input or output does not fit a data set that is not at hand."""
    whole = OFFICIAL.get(name)
    if whole is None:
        return
    shapes = [population.shape for population in circuit.inputs]
    if shapes not in ([whole.image], [(prod(whole.image),)]) or (
        circuit.output.size != whole.classes
    ):
        raise DataError(
            f"data set {name!r} has images of shape {whole.image} and {whole.classes} classes, but "
            f"circuit {circuit.name!r} has inputs {shapes} and {circuit.output.size} output cells"
        )
