"""Which columns of a table are the two cells and the weight of a connection, by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# Words that tell the two ends of a connection apart, as table headers use them.
ENDS = (
    *(("pre", "post"), ("presynaptic", "postsynaptic"), ("presyn", "postsyn")),
    *(("source", "target"), ("src", "dst"), ("src", "tgt"), ("src", "dest")),
    *(("from", "to"), ("sender", "receiver"), ("sending", "receiving"), ("start", "end")),
    *(("origin", "target"), ("source", "destination"), ("source", "dest")),
    *(("upstream", "downstream"), ("origin", "destination"), ("tail", "head")),
    *(("row", "col"), ("row", "column"), ("i", "j"), ("u", "v"), ("1", "2"), ("a", "b")),
)
# Cells may be called `u` and `v`, or `n1` and `n2`: these make a header only with more to say so.
WEAK = ("i", "u", "1", "a")
# What else may stand in the name of a column of cells, the most telling first.
IDENTITIES = (
    *("", "id", "rootid", "ptrootid", "bodyid", "nodeid", "cellid", "neuronid", "skeletonid"),
    *("skid", "segmentid", "segid", "segment", "body", "ptid", "gid", "index", "idx"),
    *("neuron", "cell", "node", "vertex", "name", "neuronname", "cellname", "nodename", "label"),
    *("instance", "n", "v", "var", "synapticneuron", "synapticid", "synapticcell"),
    "endnodes",  # MATLAB's digraph.Edges
)
WEIGHTS = (
    *("weight", "weights", "w", "syncount", "synapses", "synapsecount", "nsyn", "nsyns"),
    *("nsynapses", "numsynapses", "numsyn", "numberofsynapses", "numberofconnections"),
    *("synweight", "edgeweight"),
    *("count", "counts", "n", "nbr", "number", "value", "strength"),
)
# Of a table whose rows are of different kinds, as word of the header.
NO_DIRECTION = {"electrical", "gap", "gap junction", "gapjunction", "gj", "ej", "undirected"}
SENT, RECEIVED = {"s", "sp", "send", "sent"}, {"r", "rp", "receive", "received"}
FROM_WORM = SENT | RECEIVED | NO_DIRECTION | {"nmj"}


@dataclass(frozen=True)
class Roles:
    """Positions of the columns that a graph is read from."""

    pre: int
    post: int
    weight: int | None = None


def words(name: str) -> list[str]:
    """``bodyId_pre`` is body, id, pre."""
    return [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+", name)]


def pairs(
    header: Sequence[str], shared: Sequence[str] | None = None, weak: bool = True
) -> list[tuple[str, int, int]]:
    """Columns that differ in the word for the end alone, with what they share.

    Parameters
    ----------
    shared : sequence of str, optional
        By default anything; ``class`` finds ``pre_class`` and ``post_class``.
    weak : bool
        Whether ``neuron 1, neuron 2`` is such a pair, which may be the names of two cells.
    """
    places = {"".join(words(name)): i for i, name in reversed(list(enumerate(header)))}
    found = []
    for i, name in enumerate(header):
        for there, back in ENDS:
            for rest, partner in _partners(words(name), there, back):
                if there in WEAK and not (weak and rest):
                    continue
                j = places.get(partner)
                if j is not None and j != i and (shared is None or rest in shared):
                    found.append((rest, i, j))
    return list(dict.fromkeys(found))


def _partners(name: list[str], there: str, back: str) -> list[tuple[str, str]]:
    """What is left of a name without its end, and the name of the other end's column."""
    if there in name:
        at = name.index(there)
        rest, partner = name[:at] + name[at + 1 :], [*name[:at], back, *name[at + 1 :]]
        return [("".join(rest), "".join(partner))]
    joined = "".join(name)
    if len(there) > 1 and joined.startswith(there):  # preid, sourceid
        rest_text = joined.removeprefix(there)
        return [(rest_text, back + rest_text)] if rest_text in IDENTITIES else []
    return []


def cells(header: Sequence[str], weak: bool = False) -> tuple[int, int] | None:
    """The columns of cells, or None where no pair of names, or more than one, says so."""
    named = pairs(header, IDENTITIES, weak)
    found = sorted((IDENTITIES.index(rest), i, j) for rest, i, j in named)
    if not found or (len(found) > 1 and found[0][0] == found[1][0]):
        return None
    return found[0][1:]


def weight(header: Sequence[str]) -> int | None:
    names = ["".join(words(name)) for name in header]
    return next((names.index(known) for known in WEIGHTS if known in names), None)


def telling(header: Sequence[str]) -> bool:
    """Some field is a word that headers use, rather than the name of a cell."""
    ends = {end for pair in ENDS for end in pair if len(end) > 1}
    alone = {word for word in WEIGHTS if len(word) > 1} | {"type", "id"}
    split = [words(name) for name in header]
    return any(ends & set(name) or "".join(name) in alone for name in split)
