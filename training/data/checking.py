"""Whether the files of a data set are there and are the official ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .catalogue import KNOWN, OFFICIAL, STREAMED, File, Known, image_root
from .download import md5_of

# Has the official md5; none is known, but as far as names and counts tell it holds what it should;
# is of other content; is not there.
AS_OFFICIAL, COUNTED, UNLIKE, MISSING = "official", "counted", "unlike", "missing"


@dataclass(frozen=True)
class Finding:
    """What there is to say of a file or a folder."""

    name: str
    state: str
    note: str = ""

    @property
    def good(self) -> bool:
        return self.state in (AS_OFFICIAL, COUNTED)


def check_files(name: str, folder: Path) -> list[Finding]:
    """Look at every file of a data set; those with an official md5 are read for theirs."""
    known = KNOWN[name]
    findings = [_file(known, file, folder) for file in known.files]
    missing = any(finding.state == MISSING for finding in findings)
    return findings if missing else [*findings, *_counted(name, folder)]


def place_of(name: str, folder: Path | None) -> Path | None:
    """Where a data set lies, as far as names tell: its files are not read."""
    if folder is None:
        return None
    if name in STREAMED:
        root = image_root(name, folder)
        return root if all((root / part).is_dir() for part in ("train", "val")) else None
    paths = [KNOWN[name].find(folder, file.name) for file in KNOWN[name].files]
    return paths[0].parent if paths and paths[0] and None not in paths else None


def _file(known: Known, file: File, folder: Path) -> Finding:
    path = known.find(folder, file.name)
    if path is None:
        return Finding(file.name, MISSING)
    if not file.md5:
        return Finding(str(path), COUNTED)
    expected, found = dict(file.forms())[path.name], md5_of(path)
    if found == expected:
        return Finding(str(path), AS_OFFICIAL)
    return Finding(str(path), UNLIKE, f"md5 {found}, that of the official file is {expected}")


def _counted(name: str, folder: Path) -> Iterator[Finding]:
    if name in STREAMED:
        from .image_folder import list_parts  # with torch, which takes seconds

        root = image_root(name, folder)
        train, test, classes = list_parts(root)
        yield _counts(name, root, (classes, len(train), len(test)))
    elif name == "tiny-imagenet":
        from .tiny_imagenet import list_images

        root = KNOWN[name].require(folder, "wnids.txt").parent
        wnids, parts = list_images(root)
        there = [sum(path.is_file() for path in part.files) for part in parts]
        yield _counts(name, root, (len(wnids), there[0], there[1]))


def _counts(name: str, root: Path, found: tuple[int, int, int]) -> Finding:
    whole = OFFICIAL.get(name)
    expected = (whole.classes, whole.n_train, whole.n_test) if whole else found
    says = [f"{n:,} classes, {train:,} + {test:,} images" for n, train, test in (found, expected)]
    if found == expected:
        return Finding(str(root), COUNTED, says[0])
    return Finding(str(root), UNLIKE, f"{says[0]}; expected {says[1]}")
