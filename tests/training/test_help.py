"""`--help` starts at once, in groups, with examples; names that it has are those that there are."""

import subprocess
import sys
from argparse import ArgumentParser
from dataclasses import fields

import pytest

from oneway.analysis.constraints import KNOWN
from oneway.analysis.graphs import FORMATS, NULLS
from oneway.training.cli.main import COMMANDS, main
from oneway.training.cli.options import check, compare, graph, spike, train
from oneway.training.cli.run_figures import FIGURES
from oneway.training.recipes.recipe import recipe_keys
from oneway.training.spiking.config import SpikingConfig

ASK_ALL = """
import contextlib, io, sys, time
from oneway.training.cli.main import COMMANDS, main
for command in COMMANDS:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main([command, "--help"])
slow = "torch brian2 networkx scipy numpy matplotlib rich".split()
print([name for name in slow if name in sys.modules], time.process_time())
"""


def test_help_waits_for_no_library():
    run = subprocess.run(
        [sys.executable, "-c", ASK_ALL], capture_output=True, text=True, check=True
    )
    imported, _, seconds = run.stdout.strip().rpartition(" ")
    assert imported == "[]"
    assert float(seconds) < 1.5  # of CPU, all commands together


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    _, _, examples = capsys.readouterr().out.partition("\nexamples:\n")
    assert examples.count(f"  oneway {command}") >= 2


@pytest.mark.parametrize("options", [check, train, spike])
def test_commands_with_many_options_have_them_in_groups(options):
    parser = ArgumentParser()
    options.add_options(parser)
    apart = [a.option_strings[0] for a in parser._optionals._group_actions if a.option_strings]
    known = "-h --json --allow-code --smoke --set --out --resume --quiet --patience --plot".split()
    assert set(apart) <= set(known)


def test_names_are_those_that_there_are():
    assert list(check.CONSTRAINTS) == list(KNOWN)
    assert list(graph.FORMATS) == list(FORMATS)
    assert list(graph.NULLS) == list(NULLS)
    assert list(compare.FIGURES) == list(FIGURES)


def test_every_setting_is_an_option_of_one_group():
    names = " ".join(train.GROUPS.values()).split()
    assert sorted(names) == sorted(recipe_keys())
    parser = ArgumentParser()
    spike.add_options(parser)
    assert {f.name for f in fields(SpikingConfig)} <= {a.dest for a in parser._actions}
