"""Pages of rules are written from the rules themselves: what stands in them is so."""

import re

import pytest
from pages import DOCS, blocks, commands

from oneway.rules import RULES, SPIKE_RULES
from oneway.training.cli.main import _parser

pytest.importorskip("numpydoc")


@pytest.fixture
def written(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "_ext")
    import rule_pages

    return rule_pages


def test_every_rule_has_a_title_and_equations(written):
    for rule in {**RULES, **SPIKE_RULES}.values():
        title, about = written._titles(rule)
        assert title and about.endswith(".")
        assert re.search(r"```text\n.*=.*\n```", written._equations(rule), re.DOTALL), rule.name


@pytest.mark.parametrize(
    ("name", "runs", "says"),
    [
        (
            "kp",
            "train",
            ["64 reciprocal pairs", "no weight transport", "98.49 ± 0.02", "None of its"],
        ),
        ("stdp", "spike", ["64 reciprocal pairs", "It runs as spikes only", "`window` : "]),
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
