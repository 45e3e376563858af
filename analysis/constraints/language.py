"""What a constraint is, and the report of a check.

A constraint asks one thing of a circuit, or of a plain graph, and answers with violations: where,
how many, which cells, and the shortest fix. Several are joined by ``&``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import networkx as nx

from oneway.circuits import Circuit, Role, WiringError

from ..graphs import Graph
from ..graphs.graph import as_graph
from .fixes import Fix, joined

EXAMPLES = 3

Cells = tuple[str, ...]


@dataclass(frozen=True)
class Violation:
    """One place in which a constraint does not hold.

    Parameters
    ----------
    where : tuple of str
        The populations concerned; of a graph nothing.
    count : int
        How many `what` there are.
    what : str
        What is counted: ``pairs of cells``, ``projections``, ...
    why : str
        What is wrong, for people.
    examples : tuple of tuple of str
        A few of the cells, ``h1[3]``; two where a connection is meant.
    fix : Fix, optional
        The shortest change with which it passes. None: there is none, as `no_fix` explains.
    no_fix : str
    """

    where: tuple[str, ...]
    count: int
    what: str
    why: str
    examples: tuple[Cells, ...] = ()
    fix: Fix | None = None
    no_fix: str = ""

    @property
    def remedy(self) -> str:
        """The fix in words, or why there is none."""
        return self.fix.text if self.fix else f"no fix: {self.no_fix}"

    def __str__(self) -> str:
        cells = ", ".join(" and ".join(cells) for cells in self.examples)
        shown = f", as {cells}" if cells else ""
        return f"{self.why}: {self.count:,} {self.what}{shown}"


@dataclass(frozen=True)
class Found:
    """What a constraint finds: violations, and what it set aside, in words."""

    violations: tuple[Violation, ...]
    aside: str = ""


@dataclass(frozen=True)
class Constraint:
    """One thing that is asked of a circuit.

    Parameters
    ----------
    name : str
        As on the command line; `parse_constraints` reads it back.
    says : str
        What must hold, in words; of roles, which a plain graph does not know, say `roles`.
    of_circuit : callable
        From a circuit to what is found there.
    of_graph : callable, optional
        The same of a `Graph`; None: it makes no sense there.
    roles : tuple of role
        What counts as a connection, if that matters.
    """

    name: str
    says: str
    of_circuit: Callable[[Circuit], Found]
    of_graph: Callable[[Graph], Found] | None = None
    roles: tuple[Role, ...] = ()

    @property
    def meaning(self) -> str:
        """What must hold, and by which roles."""
        return self.says + (f", by {', '.join(self.roles)}" if self.roles else "")

    def __and__(self, other: Constraint | Constraints) -> Constraints:
        return Constraints((self,)) & other

    def __iter__(self) -> Iterator[Constraint]:
        yield self

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Constraints:
    """Several constraints, all of which must hold; iterates over them."""

    parts: tuple[Constraint, ...]

    def __and__(self, other: Constraint | Constraints) -> Constraints:
        return Constraints((*self.parts, *other))

    def __iter__(self) -> Iterator[Constraint]:
        return iter(self.parts)


@dataclass(frozen=True)
class Finding:
    """What came of one constraint."""

    constraint: Constraint
    violations: tuple[Violation, ...]
    aside: str = ""

    @property
    def ok(self) -> bool:
        return not self.violations

    @property
    def fix(self) -> Fix | None:
        """All its fixes as one; None if some violation has none."""
        fixes = [violation.fix for violation in self.violations]
        found = [fix for fix in fixes if fix is not None]
        return joined(found) if found and len(found) == len(fixes) else None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.constraint.name,
            "says": self.constraint.meaning,
            "ok": self.ok,
            "violations": [
                {
                    "where": list(v.where),
                    "count": v.count,
                    "what": v.what,
                    "why": v.why,
                    "examples": [list(cells) for cells in v.examples],
                    "fix": v.fix and v.fix.text,
                    "no_fix": v.no_fix or None,
                }
                for v in self.violations
            ],
            "fix": self.fix and self.fix.text,
            "aside": self.aside or None,
        }

    def __str__(self) -> str:
        apart = f", apart from {self.aside}" if self.aside else ""
        word = "holds" if self.ok else "violated"
        lines = [f"{self.constraint.name}: {word} ({self.constraint.meaning}{apart})"]
        for remedy, alike in groupby(self.violations, key=lambda violation: violation.remedy):
            lines += [*(f"  {violation}" for violation in alike), f"    {remedy}"]
        return "\n".join(lines)


@dataclass(frozen=True)
class Report:
    """What came of a check; ``print(report)`` shows it.

    Parameters
    ----------
    subject : str
        Name of the circuit.
    findings : tuple of Finding
        One for each constraint, in the order in which they were asked.
    """

    subject: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """All constraints hold."""
        return all(finding.ok for finding in self.findings)

    @property
    def violations(self) -> tuple[Violation, ...]:
        return tuple(v for finding in self.findings for v in finding.violations)

    @property
    def fix(self) -> Fix | None:
        """All fixes as one, where there are any; `Fix.apply` makes the circuit that has them."""
        fixes = [v.fix for v in self.violations if v.fix is not None]
        return joined(fixes) if fixes else None

    def as_list(self) -> list[dict[str, Any]]:
        """For JSON, one object a constraint."""
        return [finding.as_dict() for finding in self.findings]

    def __str__(self) -> str:
        return "\n".join([self.subject, *map(str, self.findings)])


Asked = Constraint | Constraints | Sequence[Constraint]


def check(subject: Circuit | Graph | nx.DiGraph, constraints: Asked) -> Report:
    """Hold a circuit, or any directed graph, against constraints.

    Parameters
    ----------
    subject : Circuit, Graph or networkx.DiGraph
    constraints : Constraint, Constraints or sequence of Constraint
        ``no_reciprocal_pairs() & no_weight_transport()``, or a list.

    Raises
    ------
    WiringError
        A constraint cannot be asked of a plain graph.

    Examples
    --------
    >>> from oneway.analysis import check, no_reciprocal_pairs, no_weight_transport
    >>> from oneway.circuits import mlp
    >>> from oneway.rules import parse_rule
    >>> kp = parse_rule("kp").wire(mlp((6, 4, 3)))
    >>> report = check(kp, no_reciprocal_pairs() & no_weight_transport())
    >>> print(report)
    mlp:6-4-3
    papers: violated (no two cells joined both ways, by drive, teach, mimic, apart from 3 at ...)
      h1 -> delta_h1 (teach), delta_h1 -> h1 (teach): 4 pairs of cells, as ...
        drop the teaching h1 -> delta_h1, so that 'delta_output -> delta_h1' stays as drawn ...
    no-weight-transport: holds (no weights are another projection's)
    >>> check(report.fix.apply(kp), no_reciprocal_pairs()).ok
    True
    """
    if isinstance(subject, Circuit):
        found = [(c, c.of_circuit(subject)) for c in constraints]
        name = subject.name
    else:
        graph = as_graph(subject)
        found = [(replace(c, roles=()), _of_graph(c, graph)) for c in constraints]
        name = f"graph of {len(graph):,} cells"
    return Report(name, tuple(Finding(c, f.violations, f.aside) for c, f in found))


def _of_graph(constraint: Constraint, graph: Graph) -> Found:
    if constraint.of_graph is None:
        raise WiringError(
            f"constraint {constraint.name}: a plain graph does not say what it asks ("
            f"{constraint.says}). Ask it of a circuit, or leave it out"
        )
    return constraint.of_graph(graph)


def named(population: str, cells: Iterable[int]) -> list[str]:
    """Cells of a population as a report names them."""
    return [f"{population}[{int(cell)}]" for cell in cells]
