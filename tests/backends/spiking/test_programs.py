"""Compiled programs: how their synapses are listed, and how they are kept."""

import os
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("brian2")

from oneway.backends.spiking import SpikingNetwork
from oneway.backends.spiking.brian.cache import MANIFEST, ProgramCache, key_of
from oneway.backends.spiking.brian.rows import Rows
from oneway.backends.spiking.brian.standalone import _without_held
from oneway.circuits import mlp
from oneway.rules import parse_rule

pytestmark = pytest.mark.spiking


def model_of(circuit, seed=0, **how):
    net = SpikingNetwork(circuit, seed=seed, **how)
    return net._engine.prepare(circuit.reading.data_phases).translation.model


@pytest.fixture
def program(tmp_path):
    """What stands for a program: a file of 1,000 bytes."""
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "main").write_bytes(b"x" * 1000)
    return folder


def test_a_kept_program_comes_back(tmp_path, program):
    cache = ProgramCache(tmp_path / "cache")
    assert cache.fetch("a", tmp_path / "nothing") is None
    cache.keep("a", program, ["main"], ["facts"])
    cache.keep("a", program, ["main"], ["of one that was slower"])
    assert cache.fetch("a", tmp_path / "copy") == ["facts"]
    assert (tmp_path / "copy" / "main").read_bytes() == b"x" * 1000
    assert [entry.name for entry in cache.folder.iterdir()] == ["a"]


@pytest.mark.parametrize(("file", "content"), [("main", "x"), (MANIFEST, "{"), (MANIFEST, "[]")])
def test_a_broken_entry_counts_as_not_there(tmp_path, program, file, content):
    cache = ProgramCache(tmp_path / "cache")
    cache.keep("a", program, ["main"], [])
    (cache.folder / "a" / file).write_text(content)
    assert cache.fetch("a", tmp_path / "copy") is None
    cache.keep("a", program, ["main"], [])
    assert cache.fetch("a", tmp_path / "copy") == []


def test_the_one_used_longest_ago_goes_first(tmp_path, program):
    cache = ProgramCache(tmp_path / "cache", limit_bytes=2800)
    for age, key in ((300, "a"), (200, "b")):
        cache.keep(key, program, ["main"], [])
        os.utime(cache.folder / key, (0, 10_000 - age))
    cache.fetch("a", tmp_path / "copy")
    cache.keep("c", program, ["main"], [])
    assert sorted(entry.name for entry in cache.folder.iterdir()) == ["a", "c"]


def test_without_a_folder_nothing_is_kept(tmp_path, program):
    (tmp_path / "file").write_text("")
    cache = ProgramCache(tmp_path / "file" / "cache")
    cache.keep("a", program, ["main"], [])
    assert cache.fetch("a", tmp_path / "copy") is None


def test_a_key_is_of_all_but_the_weights():
    circuit = parse_rule("kp").wire(mlp((3, 4, 2)))
    model = model_of(circuit)

    def key(model):
        return key_of(_without_held(Rows.of(model)))

    assert key(model_of(circuit, seed=1)) == key(model)
    other = replace(model, constants={**model.constants, "tau_syn": 3 * model.constants["tau_syn"]})
    assert key(other) != key(model)
    assert key(model_of(parse_rule("fa").wire(mlp((3, 4, 2))))) != key(model)


def test_rows_list_synapses_by_presynaptic_cell():
    model = model_of(parse_rule("kp").wire(mlp((3, 4, 2))), dale=True)
    rows = Rows.of(model)
    listed = {group.name: group for group in model.synapses}
    for synapses in rows.model.synapses:
        first, name = listed[synapses.name], synapses.name
        assert np.all(np.diff(synapses.i) >= 0)
        np.testing.assert_array_equal(rows.into(name, first.j), synapses.j)
        np.testing.assert_array_equal(rows.back(name, np.stack([synapses.i] * 2))[1], first.i)
    assert {(3, 4), (4, 2), (2, 4)} == set(rows.grids.values())
