"""Puts a data set together from packed parts, as far as they have come.

Where a link carries little at a time, a data set may arrive in parts, and a part may be packed:
``.gz``, ``.xz``, or ``.filtered.xz``, a batch of CIFAR whose pixels were replaced by what a simple
prediction gets wrong, which packs to two thirds. Every part that is there is unpacked to the same
place below DATA, checked against the md5 that is known of its file, and moved to its name when it
is whole. What is there already is left alone, so parts may come in any order, in several calls.

    python benchmarks/unpack.py PARTS DATA

ends with a line for each data set that has some of its files: complete, or what is missing.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import lzma
import os
import struct
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oneway.training.data.catalogue import KNOWN

SIDE = 32
# The pickle opcode of CIFAR's pixels, before their length in bytes.
PIXELS = b"T"


def unfiltered(blob: bytes) -> bytes:
    """A batch of CIFAR with its pixels in place of prediction errors.

    The errors are bytes (3, N, 32, 32), of the planes G, R - G and B - G, zigzag-coded modulo 256
    (0, -1, 1, -2, ...), against the prediction of JPEG-LS: the median of west, north, and west +
    north - northwest.
    """
    start = next(_pixel_blocks(blob))
    size = struct.unpack("<I", blob[start - 4 : start])[0]
    errors = np.frombuffer(blob[start : start + size], np.uint8).reshape(3, -1, SIDE, SIDE)
    return blob[:start] + _pixels(errors).tobytes() + blob[start + size :]


def _pixel_blocks(blob: bytes) -> Iterator[int]:
    """Where a block of whole images starts."""
    at = blob.find(PIXELS)
    while at >= 0 and at + 5 <= len(blob):
        size = struct.unpack("<I", blob[at + 1 : at + 5])[0]
        if size and size % (3 * SIDE * SIDE) == 0 and at + 5 + size <= len(blob):
            yield at + 5
        at = blob.find(PIXELS, at + 1)
    raise ValueError("no pixels of CIFAR in it")


def _pixels(errors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels (N, 3, 32, 32) in the order R, G, B."""
    coded = np.ascontiguousarray(errors.transpose(2, 3, 0, 1)).astype(np.int16)
    errors_YXPN = (coded >> 1) ^ -(coded & 1)
    planes = np.zeros_like(errors_YXPN)
    for y, x in np.ndindex(SIDE, SIDE):
        green, *others = (_predicted(planes, y, x) + errors_YXPN[y, x]) & 255
        # Differences of two bytes: with their sign, as they are predicted from.
        planes[y, x] = green, *((((plane + green) & 255) - green) for plane in others)
    red, blue = planes[:, :, 1] + planes[:, :, 0], planes[:, :, 2] + planes[:, :, 0]
    image = np.stack([red, planes[:, :, 0], blue], axis=2).astype(np.uint8)
    return np.ascontiguousarray(image.transpose(3, 2, 0, 1))


def _predicted(planes: NDArray[np.int16], y: int, x: int) -> NDArray[np.int16]:
    if y == 0 or x == 0:
        return planes[y, x - 1] if x else planes[y - 1, x] if y else np.zeros_like(planes[0, 0])
    west, north, corner = planes[y, x - 1], planes[y - 1, x], planes[y - 1, x - 1]
    return np.clip(west + north - corner, np.minimum(west, north), np.maximum(west, north))


# The longest first: each ends of a name, and what makes the file of it.
FORMS: dict[str, Callable[[bytes], bytes]] = {
    ".filtered.xz": lambda packed: unfiltered(lzma.decompress(packed)),
    ".xz": lzma.decompress,
    ".gz": gzip.decompress,
    "": lambda plain: plain,
}
# Several data sets call their files alike.
MD5: dict[str, set[str]] = {}
for _file in (file for known in KNOWN.values() for file in known.files if file.md5):
    MD5.setdefault(_file.name, set()).add(_file.md5)


def unpack(part: Path, parts: Path, data: Path) -> str:
    """Unpack one part; says what was done."""
    form = next(form for form in FORMS if part.name.endswith(form))
    relative = part.relative_to(parts)
    target = data / relative.with_name(relative.name.removesuffix(form))
    if target.exists():
        return f"{target}: there already"
    try:
        content = FORMS[form](part.read_bytes())
    except (OSError, EOFError, ValueError, lzma.LZMAError) as error:
        raise SystemExit(f"unpack.py: {part} cannot be unpacked ({error})") from error
    right = MD5.get(target.name)
    if right and hashlib.md5(content).hexdigest() not in right:
        expected = " or ".join(sorted(right))
        raise SystemExit(f"unpack.py: {part} unpacks to a file with another md5 than {expected}")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    unfinished.write_bytes(content)
    os.replace(unfinished, target)
    return f"{target}: {len(content):,} bytes{', md5 right' if right else ''}"


def state(data: Path) -> Iterator[str]:
    """Each data set that has some of its files, and what is missing."""
    for known in KNOWN.values():
        missing = [file.name for file in known.files if known.find(data, file.name) is None]
        if len(missing) < len(known.files):
            left = f"still missing {', '.join(missing)}" if missing else "complete"
            yield f"{known.name}: {left}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("parts", type=Path, metavar="PARTS", help="folder with what has come")
    parser.add_argument("data", type=Path, metavar="DATA", help="folder that --data-dir will name")
    chosen = parser.parse_args(arguments)
    packed = sorted(path for path in chosen.parts.rglob("*") if path.is_file())
    if not packed:
        raise SystemExit(f"unpack.py: no file in {str(chosen.parts)!r}, expected packed data")
    with ProcessPoolExecutor() as pool:
        jobs = [pool.submit(unpack, part, chosen.parts, chosen.data) for part in packed]
        for job in jobs:
            print(job.result())
    for line in state(chosen.data):
        print(line)


if __name__ == "__main__":
    main(sys.argv[1:])
