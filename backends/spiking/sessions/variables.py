"""Variables of populations and projections by name, such as `h1.v`, and where they are."""

from __future__ import annotations

from collections.abc import Iterator

from oneway.circuits import WiringError

from ..brian.model import SCHEDULE, Cells, ModelGroup, Place
from ..translation.context import cells_of, interneurons_of
from ..translation.translate import Translation

# Beside what equations say, where cells spike.
SPIKES = "spikes"


def find(translation: Translation, name: str) -> Place:
    """The place of `POPULATION.VARIABLE`, `PROJECTION.VARIABLE` or one of their parts' variables.

    Raises
    ------
    WiringError
        There is none in these phases; names what there is.
    """
    circuit = translation.context.circuit
    owners = (*circuit.populations, *circuit.projections)
    # Names may have dots themselves.
    owner = max((o for o in owners if name.startswith(f"{o}.")), key=len, default=None)
    if owner is None:
        raise WiringError(
            f"record names {name!r}, but no population or projection is called "
            f"{(name.rpartition('.')[0] or name)!r}. There are: {', '.join(owners)}"
        )
    there = dict(_variables(translation, owner))
    variable = name.removeprefix(f"{owner}.")
    if variable not in there:
        choices = ", ".join(there) or "none, since it takes no part in these phases"
        raise WiringError(
            f"record names {name!r}, but {owner!r} has no variable {variable!r}. There are: "
            f"{choices}"
        )
    return there[variable]


def groups_of(translation: Translation, owner: str) -> dict[str, ModelGroup]:
    """The groups that a population or a projection became, by part; `""` where it is one."""
    context, groups = translation.context, translation.model.groups
    if owner in context.circuit.populations:
        names = {"": cells_of(owner), "interneurons": interneurons_of(owner)}
    else:
        p = context.circuit.projections[owner]
        # In parts under Dale's law, in branches where only the strongest of several counts.
        branches = map(str, range(len(context.written(p))))
        names = {part: context.synapses_of(p, part) for part in ("", *context.parts(p), *branches)}
    return {part: groups[name] for part, name in names.items() if name in groups}


def _variables(translation: Translation, owner: str) -> Iterator[tuple[str, Place]]:
    for part, group in groups_of(translation, owner).items():
        for equation in group.equations:
            if equation.flag not in ("summed", "shared", "constant"):
                name = f"{part}.{equation.name}".lstrip(".")
                yield name, (group.name, equation.name)
        if translation.context.spikes and isinstance(group, Cells) and not part:
            yield SPIKES, (group.name, SPIKES)
        for reference in group.references:
            # What synapses share is another group's; what time it is, no one's of these.
            if reference.group != SCHEDULE and reference.index == "shared":
                name = f"{part}.{reference.variable}".lstrip(".")
                yield name, (reference.group, reference.source)
