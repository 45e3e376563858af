"""What the README, the table of rules and the page on what a circuit means say is so."""

import re
from pathlib import Path

import pytest

from oneway.analysis import check_wiring
from oneway.circuits import ROLES, parse_circuit
from oneway.rules import RULES, parse_rule

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RULE_TABLE = (ROOT / "docs" / "rule_table.md").read_text(encoding="utf-8")
MEANING = (ROOT / "docs" / "circuits.md").read_text(encoding="utf-8")


def table_rows() -> dict[str, tuple[str, ...]]:
    """Rule string -> its last four cells: phases, pairs, with gates, weight transport."""
    lines = [line for line in RULE_TABLE.splitlines() if re.match(r"\|[^|]+\| `\w", line)]
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]
    return {row[1]: tuple(row[-4:]) for row in rows if len(row) == 9}


@pytest.mark.parametrize(("rule", "cells"), table_rows().items())
def test_rule_table(rule, cells):
    verdict = check_wiring(parse_rule(rule).wire(parse_circuit("mlp:64-32-32-10")))
    found = (verdict.phases, verdict.papers, verdict.all, verdict.weight_transport)
    assert cells == tuple(map(str, found))


def test_rule_table_is_complete():
    assert set(table_rows()) == {*RULES, "asap,gate=local"}


def test_tour_runs(capsys):
    """The code block, and what it shows: a one-way circuit that learns."""
    (tour,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    names: dict = {}
    exec(compile(tour, "README.md", "exec"), names)
    assert "{'papers': 0, 'all': 0, 'output': 10, 'relays_apart': 0}" in capsys.readouterr().out
    x, y, net = names["x"][1500:], names["y"][1500:], names["net"]
    assert (net(x).argmax(1) == y).float().mean() > 0.8
    assert len(tour.splitlines()) <= 25
    assert max(map(len, tour.splitlines())) <= 100


def test_what_is_at_hand(capsys):
    """The code blocks on what a circuit means run, and print what a comment says."""
    (said,) = re.findall(r"print\(.*\)  # (.*) \(through \.\.\.\)", MEANING)
    for block in re.findall(r"```python\n(.*?)```", MEANING, flags=re.DOTALL):
        exec(compile(block, "circuits.md", "exec"), {})
    assert capsys.readouterr().out.startswith(said)


def test_every_role_has_its_row():
    rows = re.findall(r"^\| `(\w+)` \|", MEANING, flags=re.MULTILINE)
    assert set(rows) == set(ROLES)


def test_options_that_the_table_of_rules_names():
    for rule in ("asap,k=4", "fa,init=aligned", "kp,norm=own", "dfa,frozen=conv"):
        assert f"`{rule}`" in RULE_TABLE
        parse_rule(rule)
