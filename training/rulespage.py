"""docs/rules.md, written from the wiring itself: ``python -m oneway.training.rulespage``."""

from __future__ import annotations

from collections.abc import Iterable

from oneway.analysis.costs import HEADINGS, costs_rows, wiring_costs
from oneway.circuits import Circuit, WiringError, parse_circuit
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
- **modes** that the circuit takes turns in.
- **cells read**: activities that synapses read when they learn, and as a part of what BP reads.
  Errors, gates and normalisation are not counted.

Rules have `gate=exact` and `norm=full` unless they say otherwise; what does not fit a circuit is
left out there.
"""


def wire_all(net: str, rules: Iterable[str] = VARIANTS) -> dict[str, Circuit]:
    """A circuit wired by each rule; rules that do not fit it are left out."""
    forward = parse_circuit(net)
    return {rule: wired for rule in rules if (wired := _wired(forward, rule)) is not None}


def _wired(forward: Circuit, rule: str) -> Circuit | None:
    parsed = parse_rule(rule)
    try:
        return parsed.wire(forward)
    except WiringError:
        return None


def rules_page() -> str:
    """The page as Markdown."""
    tables = [f"## {text}: `{net}`\n\n{_table(net)}\n" for net, text in NETS.items()]
    return "\n".join([INTRODUCTION, *tables])


def _table(net: str) -> str:
    costs = {rule: wiring_costs(wired) for rule, wired in wire_all(net).items()}
    rows = [(f"`{name}`", *rest) for name, *rest in costs_rows(costs)]
    marks = ["---", *["---:"] * (len(HEADINGS) - 1)]
    headings = (*HEADINGS[:-1], "of BP's")
    return "\n".join(f"| {' | '.join(row)} |" for row in (headings, marks, *rows))


if __name__ == "__main__":
    print(rules_page(), end="")
