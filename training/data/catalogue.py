"""What is known of each data set: where its files are looked for, come from, and how to cite them.

The entries stand in ``datasets.toml``.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from ..errors import MissingData

DATA_DIR_VARIABLE = "ONEWAY_DATA_DIR"


@dataclass(frozen=True)
class File:
    """A file as its reader wants it.

    Parameters
    ----------
    name : str
    md5 : str
        "" where none is known.
    packed_md5 : str
        Of the file with ``.gz`` behind its name, where the reader takes that too.
    """

    name: str
    md5: str = ""
    packed_md5: str = ""

    def forms(self) -> Iterator[tuple[str, str]]:
        """Names that it may have on disk, each with its md5."""
        yield self.name, self.md5
        if self.packed_md5:
            yield f"{self.name}.gz", self.packed_md5


@dataclass(frozen=True)
class Download:
    """A file on a server: a data file, or an archive that holds a folder of them.

    Parameters
    ----------
    url : str
    md5 : str
    size : int
        Bytes.
    folder : str
        Of the data folder, in which the file is put.
    unpacks : str
        Folder in the archive.
    """

    url: str
    md5: str
    size: int
    folder: str = ""
    unpacks: str = ""

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class Known:
    """A data set.

    Parameters
    ----------
    name, samples, terms, citation, home : str
    places : tuple of str
        Subfolders of the data folder in which files are looked for, in this order.
    files : tuple of File
    downloads : tuple of Download
        Empty where it cannot be had without asking.
    """

    name: str
    samples: str
    terms: str
    citation: str = ""
    home: str = ""
    places: tuple[str, ...] = ("",)
    files: tuple[File, ...] = ()
    downloads: tuple[Download, ...] = ()

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
        raise MissingData(f"data folder {str(folder)!r} is not there (for {name})")
    return folder
