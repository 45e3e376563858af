"""Download of one file: goes on where an earlier attempt stopped, and is named once it is checked.

Until then it is ``NAME.part``, and ``NAME.part.version`` holds the server's word for which version
of the file that is. The standard library suffices; pooch, which others use, does not resume.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ..errors import DataError
from ..progress import ProgressBar

MEGABYTE = 10**6
TIMEOUT_S = 60.0


def download(
    url: str, target: Path, md5: str, notify: Callable[[str], None], size: int | None = None
) -> None:
    """Bring a file that is not there; where an earlier attempt left a part of it, only the rest.

    Of a server that sends more than `size` bytes, no more than these are taken.

    Raises
    ------
    DataError
        The server cannot be reached or has no such file, sends the request to a place that is
        less safe, the disk is full, or what came is too long or has another md5. A part that can
        be gone on with stays.
    KeyboardInterrupt
        With a sentence on what is there; the part stays.
    """
    part = _Part(target, size)
    resumed = part.size
    if resumed:
        notify(f"{target.name}: going on after {resumed / MEGABYTE:.1f} MB")
    _fetch(url, part)
    if resumed and md5_of(part.path) != md5:
        notify(f"{target.name}: what was there is of another version; starting again")
        part.remove()
        _fetch(url, part)
    found = md5_of(part.path)
    if found != md5:
        part.remove()
        raise DataError(
            f"{url}: md5 is {found}, expected {md5}: the server has another file under this name, "
            "or it was damaged on the way. It was not kept; try again, or another server with "
            "--url"
        )
    part.finish()


def md5_of(path: Path) -> str:
    """md5 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(
            file,
            lambda: hashlib.md5(usedforsecurity=False),  # of accidents, not of attacks
        ).hexdigest()


class _Part:
    """The unfinished file and the version of which it is a part."""

    def __init__(self, target: Path, most: int | None = None) -> None:
        self.target, self.most = target, most
        self.path = target.with_name(f"{target.name}.part")
        self._version = target.with_name(f"{target.name}.part.version")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def version(self) -> str:
        return self._version.read_text("latin-1") if self._version.exists() else ""

    def begin(self, version: str) -> None:
        """Empty, for this version; the order is safe wherever it is cut short."""
        self.path.write_bytes(b"")
        self._version.write_text(version, "latin-1")

    def finish(self) -> None:
        os.replace(self.path, self.target)
        self._version.unlink(missing_ok=True)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)


def _fetch(url: str, part: _Part) -> None:
    """Make the part whole."""
    try:
        part.path.parent.mkdir(parents=True, exist_ok=True)
        with _opened(url, part) as response:
            if response.status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                return  # nothing is missing; the md5 tells whether it is right
            _receive(response, part)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"{part.size / MEGABYTE:.1f} MB are in {part.path}; the same command goes on from there"
        ) from None
    except HTTPError as error:
        raise DataError(
            f"{url}: the server answers {error.code} {error.reason}. Name another one with --url, "
            "or put the file there yourself"
        ) from error
    except (URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise DataError(
            f"{url}: cannot be fetched ({_reason(error)}). Give the same command again"
            f"{_going_on(part)}, or name another server with --url"
        ) from error
    except OSError as error:
        raise DataError(
            f"{part.path}: cannot be written ({error.strerror}). {_fix(error)}"
        ) from error


def _reason(error: Exception) -> str:
    """Without the class name and number that urllib puts around it."""
    inner = getattr(error, "reason", error)
    return str(getattr(inner, "strerror", None) or inner or type(error).__name__)


def _going_on(part: _Part) -> str:
    return f" to go on after {part.size / MEGABYTE:.1f} MB" if part.size else ""


def _fix(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "Make room, and the same command goes on from there"
    return "Name another folder with --data-dir"


def _opened(url: str, part: _Part) -> http.client.HTTPResponse:
    """The server's answer to a request for what is missing."""
    headers = {"User-Agent": "oneway", "Accept-Encoding": "identity"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        if part.version:
            headers["If-Range"] = part.version  # of another version, send the whole
    try:
        return build_opener(_Redirects).open(Request(url, headers=headers), timeout=TIMEOUT_S)
    except HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or not part.size:
            raise
        return error  # type: ignore[return-value]


class _Redirects(HTTPRedirectHandler):
    """Follows a server elsewhere, but not from https to http, nor to another protocol."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        there = urlsplit(newurl).scheme.lower()
        if there != "https" and there != req.type:
            raise URLError(f"it is sent on from {req.type} to {there}: {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _receive(response: http.client.HTTPResponse, part: _Part) -> None:
    if response.status != http.client.PARTIAL_CONTENT:
        # The whole: the server knows no parts, or has another version now.
        part.begin(_version(response))
    elif _start(response) != part.size:
        raise http.client.HTTPException("the server sent another part than was asked for")
    total = _total(response, part)
    _check_size(part, total)
    _check_room(part, total)
    with part.path.open("ab") as file:
        _copy(response, file, part, total)
    if total is not None and part.size < total:
        raise ConnectionError(f"the connection ended after {part.size} of {total} bytes")


def _total(response: http.client.HTTPResponse, part: _Part) -> int | None:
    """How long the file is, where the server says it."""
    length = response.headers.get("Content-Length")
    if length is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", length.strip()):
        raise http.client.HTTPException(f"the server states a length of {length!r}")
    return part.size + int(length)


def _check_size(part: _Part, size: int | None) -> None:
    if part.most is not None and size is not None and size > part.most:
        raise http.client.HTTPException(
            f"the server sends more than the {part.most} bytes that the file has"
        )


def _start(response: http.client.HTTPResponse) -> int | None:
    """Where in the file a part begins."""
    stated = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(stated[1]) if stated else None


def _version(response: http.client.HTTPResponse) -> str:
    """What If-Range takes: a strong entity tag, or else a date."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _check_room(part: _Part, total: int | None) -> None:
    missing = 0 if total is None else total - part.size
    if missing > shutil.disk_usage(part.path.parent).free:
        raise OSError(errno.ENOSPC, f"{missing / MEGABYTE:.0f} MB are missing, more than is free")


def _copy(
    response: http.client.HTTPResponse, file: BinaryIO, part: _Part, total: int | None
) -> None:
    megabytes = -(-(total or 0) // MEGABYTE)
    with ProgressBar(f"{part.target.name}, MB", megabytes) as progress:
        progress.done = part.size // MEGABYTE
        while content := response.read(MEGABYTE):
            _check_size(part, file.tell() + len(content))
            file.write(content)
            progress.advance()
