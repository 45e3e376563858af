"""Files of named arrays: numpy's npz with a format and a version, and never a pickle."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from oneway.circuits.format_version import misread
from oneway.circuits.unpacking import most_unpacked


def write_arrays(
    path: str | Path, arrays: Mapping[str, Any], format: str, version: int, compress: bool = True
) -> Path:
    """Write arrays, with the suffix ``.npz``; a file that is there is replaced once all is well."""
    path = Path(path)
    path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
    save: Callable[..., None] = np.savez_compressed if compress else np.savez
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "wb") as file:
            save(file, format=format, version=version, **arrays)
        # What mkstemp makes is its owner's alone; a file that is written is as others are.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(unfinished, 0o666 & ~mask)
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise
    return path


def read_arrays(path: str | Path, format: str, version: int, what: str) -> dict[str, np.ndarray]:
    """The arrays of a file.

    Raises
    ------
    ValueError
        The file is damaged, or of another format or version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            unpacked = sum(about.file_size for about in file.zip.infolist())
            if unpacked > most_unpacked(Path(path).stat().st_size):
                raise ValueError("it unpacks to absurdly much more than it is")
            arrays = {key: file[key] for key in file.files}
    except FileNotFoundError:
        raise
    # A damaged file can fail anywhere in the reader, with whatever is raised there.
    except Exception as error:
        raise ValueError(
            f"{str(path)!r} is not an npz file of numbers and names, or is damaged: expected "
            f"{what} as this package writes it"
        ) from error
    about = {key: str(arrays.pop(key, None)) for key in ("format", "version")}
    if reason := misread(about, format, version):
        raise ValueError(f"{str(path)!r} cannot be read as {what}: {reason}")
    return arrays
