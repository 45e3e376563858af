"""A page a rule: equations, drawing, verdict, what it costs, what it reaches, options, source."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, stdev

from docstrings import is_equations
from drawing import circuit_html

from oneway.analysis import check_wiring
from oneway.circuits import parse_circuit
from oneway.rules import (
    RULES,
    SPIKE_RULES,
    Rule,
    RuleDescription,
    describe_rule,
    parse_rule,
)
from oneway.training.compare import Case, group_runs, read_runs
from oneway.training.rulespage import NETS, VARIANTS, costs_markdown

RESULTS = Path(__file__).parents[2] / "results"
DRAWN = "mlp:64-32-32-10"
INDEX = """\
# Rules

A page each: equations, drawing, verdict, what it costs in wiring, what it reaches, options, and
the source. Pairs are cells joined in both directions in `{drawn}`, which has 64 hidden cells;
the output's comparator is not counted.

| rule | | pairs, as papers count | with gates | weight transport |
|---|---|---|---|---|
{rows}

What all of them cost side by side, deep nets and convolutions included:
[What each rule costs in wiring](../../rules.md).

```{{toctree}}
:hidden:

{names}
```
"""
PAGE = """\
# {title}

{subtitle}

```sh
oneway check {drawn} --rule {name}
oneway {run}
```

## Equations

{equations}

## Drawing

```{{raw}} html
{drawing}
```

`{drawn}`, wired by `{name}`. Populations whose cells are joined in both directions stand on a band.

## Verdict

On `{drawn}`, with 64 hidden cells and 10 output cells: {verdict}. The output cells and their error
cells are joined both ways, by the comparison of output and target, under every supervised rule.

## What it costs

{costs}
What is counted is explained in [What each rule costs in wiring](../../rules.md), which has
all rules.

## What it reaches

{reached}

## Options

{options}

Options of all rules (`gate`, `norm`, `init`, `frozen`, ...) are those of
{{py:class}}`oneway.rules.Rule`.

## Source

`oneway.rules.{module}`, whole. A copy of this file under another `name=` works anywhere:
[a rule of your own](../../start/own_rule.md).

```python
{source}```
"""


def rule_pages() -> Iterator[tuple[str, str]]:
    """File name and content of each rule's page, and of their list."""
    reached = _reached()
    yield "rules/index.md", _index()
    for name, rule in {**RULES, **SPIKE_RULES}.items():
        yield f"rules/{name}.md", _page(name, rule, reached.get(name, []))


def _index() -> str:
    rows = []
    for name, rule in {**RULES, **SPIKE_RULES}.items():
        found = check_wiring(parse_rule(name).wire(parse_circuit(DRAWN)))
        link = f"[{describe_rule(rule).full_name}]({name}.md)"
        rows.append(
            f"| {link} | `{name}` | {found.papers} | {found.all} | {found.weight_transport} |"
        )
    names = "\n".join((*RULES, *SPIKE_RULES))
    return INDEX.format(drawn=DRAWN, rows="\n".join(rows), names=names)


def _page(name: str, rule: type[Rule], cases: list[tuple[str, Case]]) -> str:
    about = describe_rule(rule)
    in_spikes = f"spike {DRAWN} --rule {name} --no-task"
    as_rates = f"train --circuit {DRAWN} --data digits --rule {name} --out runs/{name}"
    return PAGE.format(
        title=about.full_name,
        subtitle=f"{about.about[0].upper()}{about.about[1:]}.",
        name=name,
        drawn=DRAWN,
        run=in_spikes if about.needs_spikes else as_rates,
        equations=_equations(about.text),
        drawing=circuit_html(parse_rule(name).wire(parse_circuit(DRAWN))),
        verdict=_verdict(name),
        costs=_costs(name),
        reached=_table(cases) if cases else _NOT_RUN[about.needs_spikes],
        options=_options(about),
        module=rule.__module__.rpartition(".")[2],
        source=inspect.getsource(sys.modules[rule.__module__]),
    )


def _equations(text: str) -> str:
    """What a docstring says; paragraphs of equations keep their lines."""
    parts = text.split("\n\n")
    return "\n\n".join(f"```text\n{p}\n```" if is_equations(p) else p for p in parts)


def _verdict(name: str) -> str:
    found = check_wiring(parse_rule(name).wire(parse_circuit(DRAWN)))
    transport = {"none": "no weight transport", "signs": "transport of signs"}
    return (
        f"{found.papers} reciprocal pairs of cells as papers count them, {found.all} with gates "
        f"and normalisation; {transport.get(found.weight_transport, 'full weight transport')}"
    )


def _costs(name: str) -> str:
    """Its variants' rows of `docs/rules.md`, below backpropagation's."""
    mine = ["bp", *(v for v in VARIANTS if v.split(",")[0] == name and v != "bp")]
    return "\n".join(
        f"{text}, `{net}`:\n\n{costs_markdown(net, mine, one_a_column=True)}\n"
        for net, text in NETS.items()
    )


_NOT_RUN = {
    False: "No finished run of it lies in the folder `results` yet. Its accuracy on the 8×8 "
    "digits, beside all other rules', is in [Results](../../results.md).",
    True: "It runs as spikes only: [Spike timing](../../spiking_stdp.md) has what was measured.",
}


def _reached() -> dict[str, list[tuple[str, Case]]]:
    """Rule -> its finished cases below `results`, each with what they learned."""
    cases: dict[str, list[tuple[str, Case]]] = {}
    for group in group_runs(read_runs([RESULTS])):
        for case in group.cases:
            if case.finished:
                name = case.runs[0].about["rule"].split(",")[0]
                cases.setdefault(name, []).append((f"`{group.circuit}`, {group.data}", case))
    return cases


def _table(cases: list[tuple[str, Case]]) -> str:
    rows = [
        "| network, data | rule | epochs | seeds | test (%) | W, Bᵀ (°) |",
        "|---|---|---|---|---|---|",
    ]
    for where, case in cases:
        epochs = case.finished[0].about["epochs"]
        test = _spread([100 * a for a in case.values("test_accuracy")], 2)
        angle = _spread(case.angles_deg, 1)
        n = len(case.finished)
        rows.append(f"| {where} | `{case.label}` | {epochs} | {n} | {test} | {angle} |")
    return "\n".join(rows) + "\n\nFrom the runs in `results`; [Results](../../results.md) says how."


def _spread(values: list[float], digits: int) -> str:
    """Mean ± standard deviation over seeds."""
    if not values:
        return "–"
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{spread}"


def _options(about: RuleDescription) -> str:
    own = [
        f"`{o.name}={o.default}` ({o.kind})\n: {o.meaning or o.kind}\n" for o in about.own_options
    ]
    return "\n".join(own) or "None of its own."
