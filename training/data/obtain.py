"""`get_data`: the official files of a data set, from their server to the data folder."""

from __future__ import annotations

import errno
import lzma
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from oneway.circuits.unpacking import most_unpacked

from ..errors import DataError
from ..progress import ProgressBar, keep_quiet
from .catalogue import KNOWN, Download, Known, check_known
from .checking import MISSING, Finding, check_files
from .download import download, md5_of

NOT_FOR_DOWNLOAD = {
    "digits": "digits come with scikit-learn: there is nothing to download",
    "folder": "a folder of images is yours: lay it out as train/CLASS/*.JPEG and val/CLASS/*.JPEG "
    "and name it with --data-dir",
    "imagenet": "ImageNet cannot be downloaded without an account: register at "
    "https://image-net.org/download.php, get ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar, "
    "and unpack them as imagenet/train/WNID/*.JPEG and imagenet/val/WNID/*.JPEG in the data folder "
    "(the script extract_ILSVRC.sh of PyTorch's examples does that); then 'oneway data check "
    "imagenet' counts them",
}


def get_data(
    name: str,
    folder: Path,
    server: str | None = None,
    notify: Callable[[str], None] = keep_quiet,
) -> None:
    """Download what is missing of a data set, and unpack it; what is there is never replaced.

    Parameters
    ----------
    name : str
    folder : Path
        The data folder, made if need be.
    server : str, optional
        Address of a folder with files of the same names, to be used in place of the official one.
    notify : callable
        Gets what a person should know, a sentence at a time.

    Raises
    ------
    DataError
        It cannot be downloaded, or other files are in the way; see `download`, `unpack_archive`.
    """
    check_known(name)
    if name in NOT_FOR_DOWNLOAD:
        raise DataError(NOT_FOR_DOWNLOAD[name])
    if server and not server.startswith(("http://", "https://")):
        raise DataError(f"--url {server}: expected an address that begins with https:// or http://")
    known, folder = KNOWN[name], _made(folder)
    there = check_files(name, folder)
    if all(finding.good for finding in there):
        notify(f"{name} is complete in {folder}")
        return
    _refuse_others(known, there, folder)
    for each in known.downloads:
        _get(known, each, folder, server, notify)
    notify(f"{name} is in {folder}. Terms: {known.terms}. Cite: {known.citation}")


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror if error.errno != errno.EEXIST else "there is a file of this name"
        raise DataError(
            f"data folder {str(folder)!r} cannot be made ({reason}). Name another one with "
            "--data-dir"
        ) from error
    return folder


def _refuse_others(known: Known, there: Sequence[Finding], folder: Path) -> None:
    """Complain of what is there and would have to be replaced."""
    in_the_way = [f"{f.name} ({f.note})" for f in there if not f.good and f.state != MISSING]
    for each in known.downloads:
        if each.unpacks and (folder / each.unpacks).exists():
            lacking = [finding.name for finding in there if finding.state == MISSING]
            lacks = f" (without {', '.join(lacking[:3])})" if lacking else ""
            in_the_way.append(f"{folder / each.unpacks}{lacks}")
    if in_the_way:
        raise DataError(
            f"{known.name}: not the official files are in the way: {'; '.join(in_the_way)}. Move "
            "them elsewhere, or name another folder with --data-dir; nothing was changed"
        )


def _get(
    known: Known, each: Download, folder: Path, server: str | None, notify: Callable[[str], None]
) -> None:
    if not each.unpacks and known.find(folder, each.name.removesuffix(".gz")):
        return
    target = folder / each.folder / each.name
    if not target.exists():
        url = f"{server.rstrip('/')}/{each.name}" if server else each.url
        notify(f"{each.name}: {each.size / 1e6:.1f} MB from {url}")
        download(url, target, each.md5, notify, each.size)
    elif md5_of(target) != each.md5:
        raise DataError(
            f"{target}: has not the md5 of the official file, {each.md5}. Move it elsewhere; "
            "nothing was changed"
        )
    if each.unpacks:
        unpack_archive(target, each.unpacks, lambda place: _check_unpacked(known.name, place))


def _check_unpacked(name: str, place: Path) -> None:
    bad = [f"{f.name} {f.state} {f.note}" for f in check_files(name, place) if not f.good]
    if bad:
        raise DataError(f"{name}: the archive does not hold the official files: {'; '.join(bad)}")


# -- archives: nothing lands outside its folder, and nothing is overwritten ------------------------

_DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError),
    # What the headers of an archive can be damaged to: encryption, other compression, odd names.
    *(RuntimeError, NotImplementedError, ValueError, OverflowError, struct.error),
)


def unpack_archive(archive: Path, folder: str, check: Callable[[Path], None]) -> None:
    """Unpack the folder that an archive (``.zip`` or a tar) holds beside it, whole or not at all.

    The folder must not be there; `check` looks at the place in which it was unpacked, and raises
    what is wrong with it. So does this where the archive is damaged, would write elsewhere, or
    lacks the folder, or the disk is full.
    """
    unfinished = archive.with_name(f".{archive.name}.unpacking")
    shutil.rmtree(unfinished, ignore_errors=True)  # what an earlier attempt left
    try:
        unfinished.mkdir()
        (_unzip if archive.suffix == ".zip" else _untar)(archive, unfinished)
        if not (unfinished / folder).is_dir():
            raise DataError(f"{archive}: holds no folder {folder!r}. Is it the official archive?")
        check(unfinished)
        (unfinished / folder).rename(archive.parent / folder)
    except DataError:
        raise
    except _DAMAGED as error:
        raise DataError(f"{archive}: cannot be unpacked ({error}). Download it again") from error
    except OSError as error:
        reason = error.strerror or error
        raise DataError(
            f"{archive}: cannot be unpacked ({reason}). Make room, or name another folder with "
            "--data-dir; the archive is kept"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _check_unpacked_size(archive: Path, size: int) -> None:
    """Before anything is written: a small archive can hold more than there is disk."""
    packed = archive.stat().st_size
    if size > most_unpacked(packed):
        raise DataError(
            f"{archive}: would be {size / 1e9:,.1f} GB unpacked, from {packed / 1e6:,.1f} MB. "
            "Is it the official archive? Nothing was kept"
        )


def _untar(archive: Path, into: Path) -> None:
    with tarfile.open(archive) as content:
        members = content.getmembers()
        _check_unpacked_size(archive, sum(member.size for member in members))
        with ProgressBar(f"unpacking {archive.name}", len(members)) as progress:
            for member in members:
                # The filter refuses what would be written elsewhere, links and devices included.
                content.extract(member, into, filter="data")
                progress.advance()


def _unzip(archive: Path, into: Path) -> None:
    with zipfile.ZipFile(archive) as content:
        names = content.namelist()
        _check_unpacked_size(archive, sum(about.file_size for about in content.infolist()))
        for name in names:
            # zipfile would write these too, under a name of its own.
            parts = PurePosixPath(name).parts
            if not parts or PurePosixPath(name).is_absolute() or ".." in parts:
                raise DataError(f"{archive}: holds {name!r}, which lies outside. Nothing was kept")
        with ProgressBar(f"unpacking {archive.name}", len(names)) as progress:
            for name in names:
                content.extract(name, into)
                progress.advance()
