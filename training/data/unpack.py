"""Unpacking of archives: nothing lands outside its folder, and nothing is overwritten."""

from __future__ import annotations

import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from ..errors import DataError
from ..progress import ProgressBar

_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError)


def unpack(archive: Path, folder: str, check: Callable[[Path], None]) -> None:
    """Unpack the folder that an archive (``.zip`` or a tar) holds beside it, whole or not at all.

    Parameters
    ----------
    archive : Path
    folder : str
        Name of that folder; must not be there.
    check : callable
        Looks at the folder that holds the unpacked one, and raises what is wrong with it.

    Raises
    ------
    DataError
        The archive is damaged, would write elsewhere, or lacks the folder; the disk is full.
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


def _untar(archive: Path, into: Path) -> None:
    with tarfile.open(archive) as content:
        members = content.getmembers()
        with ProgressBar(f"unpacking {archive.name}", len(members)) as progress:
            for member in members:
                # The filter refuses what would be written elsewhere, links and devices included.
                content.extract(member, into, filter="data")
                progress.advance()


def _unzip(archive: Path, into: Path) -> None:
    with zipfile.ZipFile(archive) as content:
        names = content.namelist()
        for name in names:
            # zipfile would write these too, under a name of its own.
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise DataError(f"{archive}: holds {name!r}, which lies outside. Nothing was kept")
        with ProgressBar(f"unpacking {archive.name}", len(names)) as progress:
            for name in names:
                content.extract(name, into)
                progress.advance()
