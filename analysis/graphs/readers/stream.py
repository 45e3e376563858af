"""The bytes of a graph file, whatever packs and encodes them, in pieces of whole lines."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO

from oneway.circuits import WiringError
from oneway.circuits.unpacking import most_unpacked

from ..reading import ReadOptions

CHUNK_BYTES = 1 << 25
# Graphs pack well, but what is this large and packs this well is something else.
LONGEST_LINE = 1 << 28
GZIP = b"\x1f\x8b"
# UTF-32 first: its mark begins with that of UTF-16.
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == GZIP


class _Bounded:
    """What a file unpacks to, as long as that is not absurdly much more than the file."""

    def __init__(self, path: Path, stream: gzip.GzipFile, most: int) -> None:
        self.path, self.stream, self.most = path, stream, most

    def read(self, size: int = -1) -> bytes:
        left = self.most - self.stream.tell()
        piece = self.stream.read(left + 1 if size < 0 else min(size, left + 1))
        if len(piece) > left:
            raise WiringError(
                f"graph file {self.path}: unpacks to more than {self.most / 1e9:.1f} GB from "
                f"{self.path.stat().st_size / 1e6:.1f} MB: if it should, unpack it first"
            )
        return piece


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The file's content, unpacked if it is gzipped, and the file itself."""
    try:
        with path.open("rb") as file:
            packed = _is_packed(path)
            if packed:
                most = most_unpacked(path.stat().st_size)
                yield _Bounded(path, gzip.GzipFile(fileobj=file), most), file  # type: ignore[misc]
            else:
                yield file, file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise WiringError(f"graph file {path}: damaged gzip file: {error}") from error
    except OSError as error:
        raise WiringError(f"graph file {path}: {error.strerror or error}") from error


def content(path: Path) -> bytes:
    with opened(path) as (stream, _):
        return stream.read()


def unpacked(path: Path) -> Path | BytesIO:
    """For libraries that read files by themselves."""
    return BytesIO(content(path)) if _is_packed(path) else path


def first_bytes(path: Path, size: int = 4096) -> bytes:
    with opened(path) as (stream, _):
        return stream.read(size)


@dataclass(frozen=True)
class TextFile:
    """Lines of a text file as UTF-8.

    Parameters
    ----------
    path : Path
    encoding : str
        By its byte-order mark, else UTF-8, unless the options name one.
    """

    path: Path
    options: ReadOptions

    @property
    def encoding(self) -> str:
        if self.options.encoding:
            try:
                name = codecs.lookup(self.options.encoding).name
                return "utf-8-sig" if name == "utf-8" else name
            except LookupError as error:
                raise WiringError(
                    f"encoding {self.options.encoding!r} is unknown; examples are utf-8, utf-16, "
                    "latin-1"
                ) from error
        start = first_bytes(self.path, 4)
        return next((name for mark, name in MARKS.items() if start.startswith(mark)), "utf-8")

    def chunks(self, size: int = CHUNK_BYTES) -> Iterator[tuple[int, bytes]]:
        """Pieces of whole lines, each ended by a newline, with the number of their first line."""
        total = self.path.stat().st_size if self.path.exists() else 0
        number, rest = 1, b""
        with opened(self.path) as (stream, file):
            for piece in self._utf8(stream, size):
                self.options.progress(file.tell(), total)
                lines, newline, rest = (rest + piece).rpartition(b"\n")
                if len(rest) > LONGEST_LINE:
                    raise WiringError(
                        f"graph file {self.path}: a line of more than {LONGEST_LINE:,} bytes: is "
                        "it text?"
                    )
                if newline:
                    lines = self._checked(lines + newline)
                    yield number, lines
                    number += lines.count(b"\n")
        if rest:
            yield number, self._checked(rest + b"\n")

    def text(self) -> str:
        return b"".join(piece for _, piece in self.chunks()).decode("utf-8")

    def _utf8(self, stream: IO[bytes], size: int) -> Iterator[bytes]:
        if self.encoding.startswith("utf-8"):
            first = stream.read(size)
            yield first.removeprefix(codecs.BOM_UTF8)
            while piece := stream.read(size):
                yield piece
            return
        decoder = codecs.getincrementaldecoder(self.encoding)()
        ended = False
        while not ended:
            piece = stream.read(size)
            ended = not piece
            try:
                yield decoder.decode(piece, final=ended).encode()
            except UnicodeError as error:
                raise self._not_text(error) from error

    def _checked(self, lines: bytes) -> bytes:
        """Valid text, its lines ended by newlines alone."""
        if b"\0" in lines:
            raise self._not_text()
        if not lines.isascii():
            try:
                lines.decode("utf-8")
            except UnicodeError as error:
                raise self._not_text(error) from error
        if b"\r" in lines:
            lines = lines.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return lines

    def _not_text(self, error: UnicodeError | None = None) -> WiringError:
        detail = f" ({error})" if error else " (it holds zero bytes)"
        return WiringError(
            f"graph file {self.path}: not {self.encoding} text{detail}: say --encoding latin-1 or "
            "utf-16 if it is such text, --format if it is no text"
        )
