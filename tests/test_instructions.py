"""What README, guides, reports and help tell a reader to do can be done, literally."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from instructions import ROOT, check_names, commands, options_of, parsed, synopses, words_of

from oneway.rules import RULES, SPIKE_RULES
from oneway.training.cli.main import COMMANDS, _parser, main
from oneway.training.demo.show import DemoSettings
from oneway.training.demo.spikes import recorded_digits
from oneway.training.demo.wording import A_RULE_OF_ONES_OWN, GOING_ON

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BAD_INPUT = 2


@pytest.fixture(autouse=True)
def _rules_as_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = [(home, dict(home)) for home in (RULES, SPIKE_RULES)]
    yield
    for home, rules in before:
        home.clear()
        home.update(rules)


def follow(lines: list[str]) -> dict[str, int]:
    """Do what the lines say, one after the other; exit code of each."""
    return {line: main(words_of(line)) for line in lines}


# -- documents ---------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_are_ones_that_there_are(page):
    text = page.read_text(encoding="utf-8")
    for command in commands(text):
        check_names(command)
    for synopsis in synopses(text):
        assert synopsis.split()[1] in COMMANDS
        assert set(re.findall(r"--[a-z][\w-]*", synopsis)) <= options_of(synopsis), synopsis


def test_commands_are_found():
    """The tests above look at something."""
    found = [command for page in PAGES[:2] for command in commands(page.read_text("utf-8"))]
    assert "oneway rules new mine.py" in found and len(found) > 8
    assert commands("    oneway check a.csv   # why\n`oneway demo` > x\n") == [
        "oneway check a.csv",
        "oneway demo",
    ]
    with pytest.raises(ValueError, match="no rule 'kpp'"):
        check_names("oneway check mlp:4-3-2 --rule kpp")
    with pytest.raises(ValueError, match="unrecognized arguments: --gaet"):
        parsed("oneway check mlp:4-3-2 --rule kp --gaet local")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_files_targets_and_extras_that_pages_name_are_there(page):
    text = page.read_text(encoding="utf-8")
    for file in re.findall(r"python ((?:examples|benchmarks|docs)/\w+\.py)", text):
        assert (ROOT / file).is_file(), file
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for target in re.findall(r"^    make ([\w-]+)|`make ([\w-]+)`", text, re.MULTILINE):
        assert "".join(target) in targets, target
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extras in re.findall(r'pip install "(?:\.|oneway)\[([\w,]+)\]"', text):
        assert set(extras.split(",")) <= set(project["optional-dependencies"])
    for target in re.findall(r"\]\((?!http)([^)#\s]+)(?:#[\w-]+)?\)", text):
        assert (page.parent / target).exists(), target


def test_short_commands_of_readme_and_guide_run(capsys):
    lines = [c for page in PAGES[:2] for c in commands(page.read_text(encoding="utf-8"))]
    short = [c for c in lines if re.match(r"oneway (check \w+:|recipes|rules list)", c)]
    codes = follow([c for c in dict.fromkeys(short) if ".py" not in c])
    assert codes and max(codes.values()) < BAD_INPUT, codes


def test_the_guide_to_a_rule_of_ones_own_is_followed(capsys):
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    part = guide.partition("## Adding a rule")[2].partition("\n## ")[0]
    lines = [command for command in commands(part) if not command.endswith("show mine.py")]
    codes = follow([*lines, "oneway rules show mine.py"])
    assert len(codes) >= 4 and not any(codes.values()), codes


# -- report and help ---------------------------------------------------------------------------


def test_the_report_s_instructions_are_followed(capsys):
    """In the order in which they stand, in an empty folder."""
    codes = follow([command for command, _ in GOING_ON])
    kp, *others = codes.values()
    assert kp == 1  # the cells that it asks about are there
    assert max(others) < BAD_INPUT, codes
    assert codes["oneway check mlp:64-32-32-10 --rule mine.py"] == 0
    assert Path("runs").is_dir()
    # The sentence below the commands counts them, and names one more.
    assert GOING_ON[3][0].startswith("oneway rules new") and "fourth command" in A_RULE_OF_ONES_OWN
    follow(re.findall(r"'(oneway [^']*)'", A_RULE_OF_ONES_OWN))
    assert "kolen_pollack.py" in capsys.readouterr().out


def test_the_run_that_is_recorded_is_the_one_that_the_command_makes():
    digits, settings = recorded_digits(), DemoSettings()
    check_names(digits.command)
    size = "-".join(map(str, settings.sizes))
    assert digits.command == (
        f"oneway spike mlp:{size} --rule {settings.digits} --epochs {settings.digits_epochs}"
    )
    assert json.loads(json.dumps(digits.as_dict()))["recorded"]


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_of_help_parse(command):
    (choices,) = [a.choices for a in _parser([command])._actions if isinstance(a.choices, dict)]
    examples = commands(choices[command].epilog.replace("  oneway", "    oneway"))
    assert len(examples) >= 2
    for example in examples:
        check_names(example)
