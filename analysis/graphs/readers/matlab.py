"""MATLAB's files, looked over before scipy's reader has them: that one believes what they say of
themselves, and a wrong type or size in one makes it end the process, or ask for all memory."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from io import BytesIO
from math import prod
from typing import Any

import numpy as np
import scipy.io
from scipy.io.matlab import matfile_version

from oneway.circuits.unpacking import most_unpacked

HEADER = 128
DEEPEST = 50
# Kinds of elements: numbers and text, a whole array, and one that is packed.
NUMBERS = {*range(1, 8), 9, 12, 13, 16, 17, 18}
FLAGS, ARRAY, PACKED = 6, 14, 15
# Classes of arrays: those of other arrays, and what all others need after their flags, which is
# sizes, a name and values, or sizes, a name, rows, columns and values.
OF_ARRAYS, SPARSE, OPAQUE = {1, 2, 3, 16, 17}, 5, 17
COMPLEX = 1 << 11


def load_mat(content: bytes, names: Sequence[str] | None = None) -> dict[str, Any]:
    """The arrays of a file as `scipy.io.loadmat` gives them.

    Parameters
    ----------
    content : bytes
        Of the file.
    names : sequence of str, optional
        Which arrays to read; all by default.

    Raises
    ------
    ValueError
        The file is damaged, or unpacks to absurdly much more than it is.
    NotImplementedError
        It is of MATLAB 7.3.
    """
    if len(content) > HEADER and matfile_version(BytesIO(content))[0] == 1:
        content = _looked_over(content)
    return scipy.io.loadmat(BytesIO(content), variable_names=names, spmatrix=False)


def _looked_over(content: bytes) -> bytes:
    """The same file, unpacked."""
    order = "<" if content[126:128] == b"IM" else ">"
    most = most_unpacked(len(content))
    pieces: list[bytes | memoryview] = [content[:HEADER]]
    for kind, data in _elements(memoryview(content)[HEADER:], order, padded=False):
        left = most - sum(map(len, pieces))
        array = _unpacked(data, left, order) if kind == PACKED else data
        if kind not in (PACKED, ARRAY):
            raise ValueError(f"an element of kind {kind} stands where an array should")
        _check_array(array, order, DEEPEST)
        pieces += [struct.pack(f"{order}2I", ARRAY, len(array)), array]
    return b"".join(pieces)


def _unpacked(packed: memoryview, most: int, order: str) -> memoryview:
    """The one array that an element packs."""
    try:
        data = zlib.decompressobj().decompress(packed, max(most, 0) + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(data) > most:
        raise ValueError(
            "it unpacks to absurdly much more than it is: if it should, save it with -v6, unpacked"
        )
    found = list(_elements(memoryview(data), order, padded=False))
    if [kind for kind, _ in found] != [ARRAY]:
        raise ValueError("what is packed in it is no array")
    return found[0][1]


def _elements(
    data: memoryview, order: str, padded: bool = True
) -> Iterator[tuple[int, memoryview]]:
    """Kind and content of each element, which all lie within `data`."""
    at = 0
    while at < len(data):
        if len(data) - at < 8:
            raise ValueError("it is cut short")
        kind, size = struct.unpack_from(f"{order}2I", data, at)
        begin = at + 8
        end = begin + size + (-size % 8 if padded else 0)
        if kind >> 16:  # a small one, all of it in eight bytes
            kind, size, begin, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        if begin + size > min(len(data), end):
            raise ValueError("it is cut short, or states wrong sizes")
        at = end
        yield kind, data[begin : begin + size]


def _check_array(data: memoryview, order: str, deepest: int) -> None:
    """Complain of an array that does not consist of what arrays of its class consist of."""
    if not data:  # as MATLAB writes an empty one within another
        return
    parts = list(_elements(data, order))
    if parts[0][0] != FLAGS or len(parts[0][1]) != 8:
        raise ValueError("an array does not begin with its flags")
    flags = struct.unpack_from(f"{order}I", parts[0][1])[0]
    of, kinds = flags & 0xFF, [kind for kind, _ in parts[1:]]
    needed = 0 if of in OF_ARRAYS else (5 if of == SPARSE else 3) + bool(flags & COMPLEX)
    allowed = NUMBERS | ({ARRAY} if of in OF_ARRAYS else set())
    if not 0 < of < 18 or len(kinds) < needed or not allowed.issuperset(kinds):
        raise ValueError(f"an array of class {of} has parts of the kinds {kinds[:9]}")
    if of not in (SPARSE, OPAQUE):
        _check_sizes(parts[1][1] if kinds else b"", order, len(data))
    for kind, inside in parts:
        if kind == ARRAY:
            if deepest == 0 or len(inside) % 8:
                raise ValueError("arrays lie in each other too deeply, or are cut short")
            _check_array(inside, order, deepest - 1)


def _check_sizes(sizes: memoryview | bytes, order: str, room: int) -> None:
    """A value takes a byte or more; memory for it is asked for before that is looked at."""
    stated = np.frombuffer(sizes[: len(sizes) // 4 * 4], f"{order}i4").tolist()
    if min(stated, default=0) < 0 or prod(stated) > room:
        raise ValueError(f"an array of sizes {tuple(stated[:9])} is said to lie in {room} bytes")
