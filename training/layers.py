"""What runs recorded of every layer, epoch by epoch; layers in order from input to output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from oneway.circuits import Circuit, load_circuit

from .compare import WITHOUT_IT, Case, SavedRun
from .errors import DataError
from .records import CIRCUIT, METRICS

# Layer -> epoch -> one value a run.
Courses = dict[str, dict[float, list[float]]]


def by_layer(case: Case, key: str, part: str | None = None) -> Courses:
    """What the runs of a case have in ``metrics.jsonl`` under a key, layer by layer.

    Parameters
    ----------
    key : str
        ``angles_deg``, ``norm_ratios``...: a mapping of drives or populations to numbers.
    part : str, optional
        Where these are not numbers but mappings, the one to take: "std" of ``weights``, say.

    Returns
    -------
    dict
        Layer -> epoch -> values of the runs that have one, from the layer nearest to the input on;
        empty where no run recorded the key.
    """
    courses: Courses = {}
    for run in case.runs:
        for epoch, layer, value in _values(run, key, part):
            courses.setdefault(layer, {}).setdefault(epoch, []).append(value)
    return {name: courses[name] for name in in_order(courses, case.runs)}


def _values(run: SavedRun, key: str, part: str | None) -> Iterator[tuple[int, str, float]]:
    for record in run.history:
        try:
            for layer, found in (record.get(key) or {}).items():
                value = found if part is None else found.get(part)
                if value is not None:
                    yield record["epoch"], layer, float(value)
        except (AttributeError, TypeError, ValueError) as error:
            raise DataError(
                f"{str(run.folder / METRICS)!r} is damaged ({key!r} of epoch {record['epoch']}: "
                f"{error}). {WITHOUT_IT}"
            ) from error


def in_order(layers: Iterable[str], runs: Iterable[SavedRun]) -> list[str]:
    """Drives and populations from input to output, by the circuits that the runs left.

    A drive stands where its end nearer to the input does. Names that no circuit has keep their
    order, behind the others.
    """
    depths: dict[str, Sequence[int]] = {}
    for run in runs:
        path = run.folder / CIRCUIT
        # A run that was cut short early has none, nor has a run of an old version.
        depths |= _depths(load_circuit(path)) if path.exists() else {}
    unknown = (len(depths),)
    return sorted(layers, key=lambda name: tuple(depths.get(name, unknown)))


def _depths(circuit: Circuit) -> Mapping[str, Sequence[int]]:
    """Of populations and drives; an error population stands where its partner does."""
    forward = {name: depth for depth, name in enumerate(circuit.order("forward"))}

    def depth(name: str) -> int:
        return forward.get(circuit.populations[name].partner or name, len(forward))

    cells: dict[str, Any] = {name: (depth(name),) for name in circuit.populations}
    drives = circuit.select(role="drive")
    return cells | {p.name: sorted((depth(p.pre), depth(p.post))) for p in drives}
