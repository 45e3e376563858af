"""docs/rules.md, written from the wiring itself: ``python -m oneway.training.rulespage``."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from oneway.analysis.costs import HEADINGS, Costs, costs_rows, wiring_costs
from oneway.circuits import WiringError, parse_circuit
from oneway.rules import RULES, SPIKE_RULES, parse_rule

# Options that change what a rule costs in wiring.
VARIANTS = (
    *(v for rule in (*RULES, *SPIKE_RULES) for v in (rule, f"{rule},gate=local,norm=own")),
    "as,gate=shared",
    "asap,gate=shared",
    "asap,k=4",
    "asap,entrance=learned",
    "asap,signals=synapse",
)
NETS = {
    "mlp:8-8-8-8-8-8-3": "Five hidden layers of eight cells, 3 at the output",
    "alexnet:1x8x8-3,width=2,hidden=4": (
        "Three convolutions with batch norm and max-pools, two hidden dense layers"
    ),
}

INTRODUCTION = """\
# What each rule costs in wiring

Counted on two small circuits, from what the rules wire; nothing is run. This page is written by
`python -m oneway.training.rulespage`; `oneway check CIRCUIT --rules all` prints it of any circuit.

- **pairs**: cells joined both ways, other than the output's comparator. *papers* counts drives,
  teaching and mimicry, *all* gates and norms too ([constraints](constraints.md)).
- **transport**: whether feedback uses other synapses' weights (*full*) or their signs.
- **way back**: connections from a hidden cell to its error cell and back, at the shortest; 2 is a
  reciprocal pair, - no way. *with gates*: by gates and norms too.
- **projections**, **connections**: beyond the forward drives, and between how many pairs of cells.
  A gate behind a max-pool hears the whole window, to tell its strongest cell.
- **told**: the most signals that a hidden + an error cell is told besides its drives, and a synapse
  for itself.
- **phases** that the circuit takes turns in.
- **cells read**: activities that synapses read when they learn, and as a part of what BP reads.
  Errors, gates and normalisation are not counted.

Rules have `gate=exact` and `norm=full` unless they say otherwise; what does not fit a circuit is
left out there.
"""


def rules_page() -> str:
    """The page as Markdown."""
    tables = [f"## {text}: `{net}`\n\n{costs_markdown(net)}\n" for net, text in NETS.items()]
    return "\n".join([INTRODUCTION, *tables])


def costs_markdown(net: str, rules: Iterable[str] = VARIANTS, *, one_a_column: bool = False) -> str:
    """What rules cost on a net, as a table; activities read are relative to the first rule's."""
    costs = {rule: found for rule in rules if (found := _costs(net, rule)) is not None}
    rows = [(f"`{name}`", *rest) for name, *rest in costs_rows(costs)]
    table = [(*HEADINGS[:-1], "of BP's"), *rows]
    headings, *rest = zip(*table, strict=True) if one_a_column else table
    marks = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (headings, marks, *rest))


@cache
def _costs(net: str, rule: str) -> Costs | None:
    """None where the rule does not fit the net."""
    parsed = parse_rule(rule)
    try:
        return wiring_costs(parsed.wire(parse_circuit(net)))
    except WiringError:
        return None


if __name__ == "__main__":
    print(rules_page(), end="")
