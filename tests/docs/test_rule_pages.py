"""Pages of rules are written from the rules themselves: what stands in them is so."""

import re

import pytest
from pages import DOCS, blocks, commands

from oneway.rules import RULES, SPIKE_RULES, describe_rule
from oneway.training.cli.main import _parser

pytest.importorskip("sphinx")  # with the extra docs


@pytest.fixture
def written(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "_ext")
    import rule_pages

    return rule_pages


def test_equations_keep_their_lines(written):
    for rule in {**RULES, **SPIKE_RULES}.values():
        text = written._equations(describe_rule(rule).text)
        assert re.search(r"```text\n.*=.*\n```", text, re.DOTALL), rule.name


@pytest.mark.parametrize(
    ("name", "runs", "says"),
    [
        (
            "kp",
            "train",
            ["64 reciprocal pairs", "no weight transport", "98.49 ± 0.02", "None of its"],
        ),
        (
            "stdp",
            "spike",
            [
                "64 reciprocal pairs",
                "It runs as spikes only",
                "`window=mirrored` (mirrored, stdwi)",
            ],
        ),
    ],
)
def test_a_page(written, tmp_path, name, runs, says):
    """With a verdict, what it reaches in `results`, its options, and commands that there are."""
    page = written._page(name, (RULES | SPIKE_RULES)[name], written._reached().get(name, []))
    assert [words for words in says if words not in page] == []
    (tmp_path / "page.md").write_text(page, encoding="utf-8")
    told = [words for block in blocks(tmp_path / "page.md") for words in commands(block)]
    assert [words[0] for words in told] == ["check", runs]
    for words in told:
        _parser(words).parse_args(words)
