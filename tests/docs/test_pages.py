"""Every code block of the documentation runs, and every command is one that there is."""

import ast
import re

import numpy as np
import pytest
from pages import DOCS, PAGES, Block, blocks, commands

from oneway.circuits import mlp, parse_circuit
from oneway.rules import parse_rule
from oneway.training.cli.main import _parser

pytestmark = pytest.mark.usefixtures("rules_as_before")

brian2 = pytest.importorskip("brian2")

BLOCKS = [block for page in PAGES for block in blocks(page)]
COMMANDS = [
    pytest.param(words, id=f"{block.page.stem}:{block.line}")
    for block in BLOCKS
    if block.page.parent == DOCS / "start"
    for words in commands(block)
]
MAKEFILE = (DOCS.parent / "Makefile").read_text(encoding="utf-8")


# -- commands of notebooks and tutorials; other pages': test_instructions.py -----------------------


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_are_parsed(words):
    """By the command line itself: options that went away, or never were, are an error."""
    given = _parser(words).parse_args(words)
    rule, circuit = (getattr(given, key, None) for key in ("rule", "circuit"))
    if rule and ".py" not in rule:
        parse_rule(rule)
    if circuit and ":" in circuit:
        parse_circuit(circuit)


def test_make_targets_exist():
    told = "\n".join(block.text for block in BLOCKS if block.language == "sh")
    named = set(re.findall(r"^make ([a-z-]+)", told, re.MULTILINE))
    assert "install" in named and named <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


# -- Python --------------------------------------------------------------------------------------


def test_python_is_fenced():
    """Indented blocks are commands and output; what could be run is fenced, so that it is."""

    def runs(block: Block) -> bool:
        try:
            tree = ast.parse(block.text)
        except SyntaxError:
            return False
        return any(isinstance(node, ast.Call) for node in ast.walk(tree))

    assert [b.place for b in BLOCKS if not b.language and runs(b)] == []


def a_graph(names: dict) -> None:
    """The tables that pages on graphs read: two ways between three classes of cells."""
    lines = ["pre_root_id,post_root_id,syn_count,pre_class,post_class"]
    classes = ["sensories"] * 4 + ["PNs"] * 6 + ["dVNCs"] * 3
    for i, pre in enumerate(classes):
        for j, post in enumerate(classes):
            if pre != post and (i * 7 + j * 5) % 3 and {pre, post} != {"sensories", "dVNCs"}:
                n = 9 if classes.index(pre) < classes.index(post) else 5 * (i == j + 1)
                lines += [f"{pre}{i},{post}{j},{n},{pre},{post}"] * bool(n)
    text = "\n".join(lines)
    with open("brain.csv", "w") as plain, open("connections.csv.gz", "w") as other:
        plain.write(text)
        other.write(text)


def runs_to_compare(names: dict) -> None:
    from oneway.training import TrainConfig, load_data, train

    rule = parse_rule("kp")
    data = load_data("digits", limit=64)
    train(mlp((64, 8, 10)), data, TrainConfig(epochs=2), rule=rule, out="runs/kp")


def own_module(names: dict) -> None:
    import torch
    from torch import nn

    def small():
        return nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))

    names.update(MyNet=small, x=torch.randn(2, 64))


def spikes(names: dict) -> None:
    from oneway.backends import spiking

    brian2.prefs.codegen.target = "numpy"
    names.update({name: getattr(spiking, name) for name in spiking.__all__})
    circuit = parse_rule("wm").wire(mlp((6, 4, 4, 3)))
    parameters = spiking.SpikingParameters()
    net = spiking.SpikingNetwork(circuit, parameters, seed=0)
    on, off = np.eye(6)[:2], np.zeros((2, 6))
    names.update(np=np, mlp=mlp, parse_rule=parse_rule, rng=np.random.default_rng(0), ms=brian2.ms)
    names.update(circuit=circuit, parameters=parameters, net=net, on=on, off=off, y=[0, 1])
    names.update(second=brian2.second, StateMonitor=brian2.StateMonitor)


def spikes_and_files(names: dict) -> None:
    import nir

    from oneway.backends.spiking import SpikeData, SpikingNetwork, save_spikes, to_nir

    spikes(names)
    shown = names["net"].present(names["on"], record=["x"])
    save_spikes("retina.npz", SpikeData({"x": shown.spikes["x"]}, {"x": 6}, 0.0, 0.2))
    net = SpikingNetwork(mlp((6, 4, 3)), seed=0)
    nir.write("theirs.nir", to_nir(net.circuit, net.weights(), net.biases(), net.parameters))
    names.update(nir=nir)


def a_wiring(names: dict) -> None:
    from oneway.rules import with_feedback_path

    wiring = with_feedback_path(mlp((6, 4, 3)), parse_rule("fa"))
    names.update(wiring=wiring, w=next(iter(wiring.learning_drives())))


# What a page takes for granted; others need nothing.
BEFORE = {
    "graphs": a_graph,
    "graph_measures": a_graph,
    "figures": runs_to_compare,
    "own_networks": own_module,
    "spiking": spikes_and_files,
    "spiking_cells": spikes,
    "spiking_inout": spikes_and_files,
    "spiking_lesions": spikes,
    "spiking_stdp": a_wiring,
}
# Whose blocks do not go on from each other.
APART = ("spiking_inout",)
# The README's tour has a test of its own, and a rule is a file (see test_own_rule.py).
RUNNING = [
    p
    for p in PAGES
    if p.stem not in ("README", "own_rule") and any(b.language == "python" for b in blocks(p))
]


@pytest.mark.parametrize("page", RUNNING, ids=lambda page: page.stem)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for i, block in enumerate(b for b in blocks(page) if b.language == "python"):
        if page.stem in BEFORE and (i == 0 or page.stem in APART):
            BEFORE[page.stem](names)
        said = "\n" * block.line + block.text  # so that a traceback has the page's lines
        exec(compile(said, str(page), "exec"), names)
