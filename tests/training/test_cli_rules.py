"""`oneway rules`: list, show, and a rule of one's own that works at once."""

import json

import pytest

from oneway.rules import RULES, SPIKE_RULES, describe_rule
from oneway.training.cli.main import main

pytestmark = pytest.mark.usefixtures("rules_as_before")

KNOWN = RULES | SPIKE_RULES
NET = "mlp:64-32-32-10"


def test_list_has_every_rule_with_every_option(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    assert main(["rules"]) == 0
    listed = capsys.readouterr().out
    assert all(len(line) <= 70 for line in listed.splitlines() if not line.startswith("Options"))
    words = " ".join(listed.split())
    for rule in map(describe_rule, KNOWN.values()):
        assert f"{rule.name}: {rule.full_name}" in words
        for option in rule.options:
            assert f"{option.name}={option.default} ({option.kind}) {option.meaning}" in words


def test_rules_for_spikes_alone_are_marked(capsys):
    main(["rules", "list"])
    marked = [block for block in capsys.readouterr().out.split("\n\n") if "oneway spike" in block]
    assert [block.partition(":")[0] for block in marked] == list(SPIKE_RULES)


def test_list_as_json(capsys):
    assert main(["rules", "list", "--json"]) == 0
    rules = {rule["name"]: rule for rule in json.loads(capsys.readouterr().out)["rules"]}
    assert list(rules) == list(KNOWN)
    assert rules["stdp"]["needs_spikes"] and not rules["kp"]["needs_spikes"]
    k = {"name": "k", "type": "whole number", "default": "2", "common": False}
    assert k.items() <= rules["asap"]["options"][0].items()


def test_show_has_equations_source_costs_and_file(capsys):
    assert main(["rules", "show", "kp"]) == 0
    shown = capsys.readouterr().out
    assert "ΔB_{l+1} = −η h_l δ_{l+1}ᵀ − λ B_{l+1}  (eq. 17)" in shown
    assert "Akrout et al. 2019" in shown
    assert "64 pairs of hidden cells joined both ways" in shown
    assert shown.rstrip().endswith("kolen_pollack.py")
    assert main(["rules", "show", "kp", "--json"]) == 0
    assert "eq. 17" in json.loads(capsys.readouterr().out)["text"]


def test_a_new_rule_is_checked_trained_and_shown(tmp_path, monkeypatch, capsys):
    """What the command says comes next, literally."""
    monkeypatch.chdir(tmp_path)
    assert main(["rules", "new", "my-rule.py"]) == 0
    check, train = capsys.readouterr().out.splitlines()
    assert check == f"oneway check {NET} --rule my-rule.py"
    assert main(check.split()[1:]) == 0
    assert train.startswith("oneway train ")
    assert main([*train.split()[1:], *"--epochs 4 --lr 0.1 --json --out run".split()]) == 0
    (run,) = json.loads(capsys.readouterr().out.splitlines()[-1])["runs"]
    assert run["rule"] == "my_rule" and run["test_accuracy"] > 0.5
    assert main(["check", NET, "--rule", "my-rule.py,learn=yes"]) == 1
    assert main(["rules", "show", "my-rule.py"]) == 0
    assert "learn=no  (yes or no)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "kq"], "no rule 'kq'; did you mean 'kp'? there are bp, fa"),
        (["show"], "rules show: expected the name of a rule"),
        (["list", "kp"], "rules list takes no name, got 'kp': rules show kp"),
        (["new"], "rules new: expected the file to write"),
        (["new", "there.py"], "'there.py' is there already"),
        (["new", "kp.py"], "'kp.py': there is already a rule 'kp'"),
        (["new", "mine"], "expected a name that ends in .py"),
        (["new", "no/mine.py"], "no/mine.py: No such file or directory"),
    ],
)
def test_what_cannot_be(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.py").write_text("kept")
    assert main(["rules", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["there.py"]
    assert (tmp_path / "there.py").read_text() == "kept"
