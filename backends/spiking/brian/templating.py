"""Our templates of C++ standalone in place of some of Brian2's; all others stay as they are."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from brian2 import get_device
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject

Grid = tuple[int, int]  # presynaptic cells, postsynaptic cells


@contextmanager
def own_templates(grids: Mapping[str, Grid], prompt: Container[str]) -> Iterator[None]:
    """Let Brian2 generate code with the templates in `templates/`.

    Parameters
    ----------
    grids : mapping
        Synapses that join all to all and are listed by presynaptic cell, then postsynaptic one.
    prompt : set of str
        Pathways whose spikes arrive in the step in which they are fired.
    """

    def grid_of(owner: Any, pathway: Any = None) -> Grid | None:
        forwards = pathway is None or pathway.prepost == "pre"
        # The owner is a weak reference, and not always synapses.
        return grids.get(getattr(owner, "name", "")) if forwards else None

    before = CPPStandaloneCodeObject.templater
    CPPStandaloneCodeObject.templater = before.derive(
        __package__,
        env_globals={
            "grid_of": grid_of,
            "prompt": lambda pathway: pathway.name in prompt,
            "fired": _fired,
            "written_at": _written_at,
            "own": {"_idx"},
            "in_row": {"_idx", "_postsynaptic_idx"},
        },
    )
    try:
        yield
    finally:
        CPPStandaloneCodeObject.templater = before


def _fired(pathway: Any) -> str:
    """The array in which the cells that have just fired are listed, and last how many."""
    space = pathway.source.variables[pathway.eventspace_name]
    return get_device().get_array_name(space, access_data=False)


def _written_at(code: str | list[str]) -> set[str]:
    """The indices at which vector code writes to arrays."""
    text = code if isinstance(code, str) else "\n".join(code)
    return set(re.findall(r"\[(\w+)\] [-+*/]?= ", text))
