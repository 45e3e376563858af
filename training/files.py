"""Files and folders that a run writes: whole or not at all, and each run in its own."""

from __future__ import annotations

import glob
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from math import isfinite
from pathlib import Path
from typing import Any

from .errors import ConfigError


def write_json(path: Path, content: Any) -> None:
    """Write JSON as `write_text` writes."""
    write_text(path, json.dumps(jsonable(content), indent=1, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all, through a temporary name beside it."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, which becomes that file once all is written.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "picture.svg"
    >>> with whole(path) as unfinished:
    ...     _ = unfinished.write_text("<svg/>")
    >>> [each.name for each in path.parent.iterdir()]
    ['picture.svg']
    """
    # With its suffix, by which others know what to write.
    temporary = path.with_name(f".{path.name}.{os.getpid()}{path.suffix}")
    try:
        with named(path):
            yield temporary
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """An error of the system says which file it is about, which those of a write do not."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def jsonable(value: Any) -> Any:
    """The same with nan and infinity as None, which JSON has no word for."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


# Of the safetensors library, with which earlier versions wrote checkpoints.
_FOREIGN = ".tmp" + "[0-9A-Za-z]" * 6


def remove_unfinished(folder: Path, names: Iterable[str]) -> None:
    """Remove what writers of these files left beside them when they were killed."""
    for pattern in (_FOREIGN, *(f".{glob.escape(name)}.*" for name in names)):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def new_folder(name: str) -> Path:
    """A folder in ``runs`` named after the time, which nobody else gets: it is made here."""
    first = Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    for i in count(1):
        folder = first if i == 1 else first.with_name(f"{first.name}-{i}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise unwritable(folder, error) from error
        return folder
    raise AssertionError("numbers have no end")


def unwritable(folder: Path, error: OSError) -> ConfigError:
    """What to raise where an output folder cannot be made or used."""
    return ConfigError(
        f"output folder {str(folder)!r} cannot be written ({error.strerror}). Choose another one "
        "with --out"
    )
