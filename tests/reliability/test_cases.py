"""Inputs that once ended in a traceback, a hang, or gigabytes: each is refused in one line now."""

import copy
import gzip
import io
import json
import os
import pickle
import re
import struct
import zipfile
import zlib
from importlib.resources import files
from urllib.error import URLError
from urllib.request import Request

import numpy as np
import pytest
import torch
from file_server import serving
from reliability.fuzzing import limits
from reliability.readers import RECIPE, finished_run, runs
from reliability.readers import spikes as readers_of_spikes
from safetensors.torch import save_file
from scipy.io import savemat

from oneway.analysis import read_graph
from oneway.circuits import (
    WiringError,
    from_json,
    load_circuit,
    mlp,
    parse_circuit,
    save_circuit,
    to_json,
)
from oneway.rules import RULES, parse_rule
from oneway.training import ConfigError, DataError
from oneway.training.checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint
from oneway.training.cli.main import main
from oneway.training.data import download as downloads
from oneway.training.data.arrays import read_arrays
from oneway.training.data.download import download
from oneway.training.data.formats import read_cifar_batch, read_idx, read_svhn
from oneway.training.data.image_folder import list_parts
from oneway.training.data.obtain import unpack_archive
from oneway.training.data.tiny_imagenet import _image, _validation
from oneway.training.recipes.tables import read_entries

DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    """Run `oneway` in an empty folder; gives its exit code, and what it printed and said."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        with limits():
            code = main([str(word) for word in words])
        return code, *capsys.readouterr()

    return call


# -- checkpoints ---------------------------------------------------------------------------------


def test_one_bit_of_a_tensors_name_is_enough_to_refuse_a_checkpoint(tmp_path):
    path = tmp_path / CHECKPOINT
    write_checkpoint(path, {"network": {"weights.a": torch.ones(2), "weights.b": torch.ones(2)}})
    content = bytearray(path.read_bytes())
    content[content.index(b'"network/weights.b"') + len("network/weights.")] ^= 1 << 4
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"is damaged: 'network/weights\.b'"):
        read_checkpoint(path)


@pytest.mark.parametrize("setting", [{"label_smoothing": ""}, {"loss": "x"}, {"loss": [1]}])
def test_a_run_whose_loss_is_none(setting, tmp_path):
    config = json.loads((finished_run() / "config.json").read_text())
    config["config"].update(setting)
    (tmp_path / "file").write_text(json.dumps(config))
    with pytest.raises(DataError, match=r"config\.json in .* is damaged"):
        runs()["run-loaded"].read(tmp_path / "file")


@pytest.mark.parametrize(
    "names",
    [
        None,
        {"places": {"a": ["weights", "x"]}, "offsets": {}},
        {"places": {}, "offsets": {"a": "b"}},
    ],
)
def test_names_of_what_a_network_has_not(names, tmp_path):
    (tmp_path / "file").write_text(json.dumps({"places": None} if names is None else names))
    with pytest.raises(
        DataError, match=r"cannot be read by this version|does not fit this version"
    ):
        runs()["run-names"].read(tmp_path / "file")


PLANS = {
    "no name": lambda p: p.update(hardware=None),
    "a folder elsewhere": lambda p: p["cells"][0].update(row="../../elsewhere"),
    "text for seconds": lambda p: p["measures"]["small/kp"].update(step_s="1"),
    "an epoch before the first": lambda p: p["jobs"][0].update(epochs=0),
    "a cell that there is not": lambda p: p["jobs"][0].update(row="large"),
    "no cells": lambda p: p.update(cells=[], jobs=None, measures={}),
    "a list": None,
}


@pytest.mark.parametrize("change", PLANS)
def test_a_crafted_plan_is_none(change, tmp_path):
    reader = runs()["plan"]
    (plan,) = copy.deepcopy(list(reader.trees))
    if PLANS[change]:
        PLANS[change](plan)
    (tmp_path / "file").write_text(json.dumps(plan if PLANS[change] else [plan]))
    with pytest.raises(DataError, match=r"plan\.json' is damaged"):
        reader.read(tmp_path / "file")


STATES = {
    "a spike at no synapse": ("drive_x_to_h1_pre", "_spikequeue", lambda q: [0, [[10**6]]]),
    "a queue that begins nowhere": ("drive_x_to_h1_pre", "_spikequeue", lambda q: [7, q[1]]),
    "a spike of no cell": ("cells_x", "_spikespace", lambda a: a.__setitem__(0, 10**6)),
    "too few membranes": ("cells_h1", "v", lambda a: a[:1]),
    "membranes of text": ("cells_h1", "v", lambda a: a.astype(str)),
}


@pytest.mark.spiking
@pytest.mark.parametrize("wrong", STATES)
def test_a_crafted_simulation_changes_nothing(wrong, tmp_path):
    pytest.importorskip("brian2")
    reader = readers_of_spikes()["spiking-state"]
    (tree,) = copy.deepcopy(list(reader.trees))
    owner, variable, change = STATES[wrong]
    (running,) = tree["content"]["mapping"]["engine"]["mapping"]["running"]
    groups = running["mapping"]["state"]["mapping"]["groups"]["mapping"]
    place = groups[owner]["mapping"]
    if variable == "_spikequeue":
        place[variable] = change(place[variable])
    else:
        name = place[variable][0]["array"]
        changed = change(tree["arrays"][name])
        tree["arrays"][name] = tree["arrays"][name] if changed is None else changed
    (tmp_path / "file.npz").write_bytes(reader.write(tree))
    with pytest.raises(ValueError, match="is damaged: no simulation goes on from it"):
        reader.read(tmp_path / "file.npz")


def test_a_tensor_that_no_state_names_is_none_of_ours(tmp_path):
    path = tmp_path / CHECKPOINT
    state = '{"a": 1}'
    about = {"format": "oneway-checkpoint", "version": "1", "state": state}
    about["checksum"] = f"{zlib.crc32(state.encode()):08x}-00000000"
    save_file({}, path, metadata=about)
    assert read_checkpoint(path) == {"a": 1}
    save_file({"b": torch.zeros(0)}, path, metadata=about)
    with pytest.raises(DataError, match="damaged"):
        read_checkpoint(path)


CRAFTED = {
    "no run": lambda s: s.pop("run"),
    "run is text": lambda s: s.update(run="x"),
    "no config": lambda s: s["run"].pop("config"),
    "history of tensors": lambda s: s.update(history=[torch.ones(2)]),
    "an epoch twice": lambda s: s["history"].append(s["history"][0]),
    "infinite seconds": lambda s: s.update(seconds=float("inf")),
    "no floor": lambda s: s.pop("floor"),
    "step is a list": lambda s: s.update(step=[1]),
    "remembers nothing": lambda s: s["optimizers"].update(remembered=None),
    "remembers text": lambda s: s["optimizers"]["remembered"]["forward"].update({"0": "x"}),
    "another shape remembered": lambda s: s["optimizers"]["remembered"]["forward"]["0"].update(
        momentum_buffer=torch.ones(3)
    ),
    "weights are text": lambda s: s["network"].update({"weights.x -> h1": "x"}),
    "short generator": lambda s: s["generators"].update(order=torch.zeros(3, dtype=torch.uint8)),
    "nested too deeply": lambda s: s.update(gaps=[[[0] * 3]]),
    "a tensor among settings": lambda s: s["run"].update(processes=torch.zeros(0)),
    "an angle of no projection": lambda s: s["history"][1]["angles_deg"].update(array=1.0),
}


@pytest.mark.parametrize("change", CRAFTED)
def test_a_crafted_checkpoint_resumes_nothing(change, tmp_path):
    state = read_checkpoint(finished_run() / CHECKPOINT)
    CRAFTED[change](state)
    write_checkpoint(tmp_path / "file", state)
    with pytest.raises((DataError, ConfigError)):
        runs()["checkpoint-resumed"].read(tmp_path / "file")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn, torch.bool])
def test_weights_of_odd_types_are_refused(dtype, tmp_path):
    net_weights = runs()["weights"]
    tensors = {"weights/x -> h1": torch.ones(4, 64).to(dtype)}
    about = {"format": "oneway-weights", "version": "1", "circuit": "x"}
    save_file(tensors, tmp_path / "w.safetensors", metadata=about)
    with pytest.raises(DataError):
        net_weights.read(tmp_path / "w.safetensors")


# -- text ----------------------------------------------------------------------------------------


def test_json_and_toml_nested_deeply_are_refused(tmp_path, command):
    for name in ("a.json", "config.json"):
        (tmp_path / name).write_text(DEEP)
    with pytest.raises(WiringError, match=r"a\.json.*too deeply"):
        load_circuit(tmp_path / "a.json")
    with pytest.raises(WiringError, match=r"a\.json.*too deeply"):
        read_graph(tmp_path / "a.json", format="json")
    code, _, said = command("compare", tmp_path)
    assert code == 2 and "config.json' is damaged (lists or objects" in said
    (tmp_path / "r.toml").write_text(f"lr = {DEEP}")
    with pytest.raises(ConfigError, match="too deeply"):
        read_entries(tmp_path / "r.toml")


@pytest.mark.parametrize(
    "foreign",
    [{}, {"rule": [1]}, {"seed": "x"}, {"selected": True}, {"notes": 3, "data": ["a"]}],
)
def test_compare_beside_foreign_json(foreign, tmp_path, command):
    result = json.loads((finished_run() / "result.json").read_text()) if foreign else {}
    (tmp_path / "result.json").write_text(json.dumps(result | foreign))
    code, _, said = command("compare", tmp_path)
    assert code == 2 and said.count("\n") == 1 and "Leave its folder out, or remove it" in said


def test_a_name_with_a_zero_byte_is_no_file(tmp_path):
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "val_annotations.txt").write_text("a\0.JPEG\tn1\n")
    with pytest.raises(DataError, match=r"line 1 is 'a\\x00.JPEG"):
        _validation(tmp_path, ["n1"])


@pytest.mark.parametrize("end", ["3 2 3\0\n", "3 2 3\x0b", "2 3 1%", "3 2 3ix coordinate "])
def test_what_scipys_reader_crashes_on(end, tmp_path):
    path = tmp_path / "a.mtx"
    path.write_text(f"%%MatrixMarket matrix coordinate real general\n%\n3 3 2\n1 2 1\n{end}")
    with pytest.raises(WiringError, match="not MatrixMarket"):
        read_graph(path)


def _matlab(**arrays):
    to = io.BytesIO()
    savemat(to, arrays)
    return to.getvalue()


WRONG_IN_MATLAB = {
    "no such kind": (b"\x09\0\0\0\x48\0\0\0", b"\x0c\x08\0\0\x48\0\0\0"),
    "an array among numbers": (b"\x09\0\0\0\x48\0\0\0", b"\x0e\0\0\0\x48\0\0\0"),
    "a wide array": (struct.pack("<2i", 3, 3), struct.pack("<2i", 2**30, 2**30)),
    "no values": (b"\x09\0\0\0\x48\0\0\0", b"\x09\0\0\0\x4f\0\0\0"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("wrong", WRONG_IN_MATLAB)
def test_what_scipys_reader_of_matlab_files_crashes_on(wrong, packed, tmp_path):
    content = _matlab(a=np.eye(3))
    head, array = content[:128], content[128:].replace(*WRONG_IN_MATLAB[wrong])
    assert head + array != content
    if packed:
        array = zlib.compress(array)
        array = struct.pack("<2I", 15, len(array)) + array
    for name, read in (("a.mat", read_graph), ("train_32x32.mat", read_svhn)):
        (tmp_path / name).write_bytes(head + array)
        with (
            limits(),
            pytest.raises((WiringError, DataError), match=r"not a .*\.?(mat|MATLAB) file"),
        ):
            read(tmp_path / name)


def test_a_matlab_file_that_unpacks_to_much_more_than_it_is(tmp_path, monkeypatch):
    content = _matlab(X=np.zeros((32, 32, 3, 400), np.uint8), y=np.ones((400, 1)))
    packed = zlib.compress(content[128:])
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(content[:128] + struct.pack("<2I", 15, len(packed)) + packed)
    monkeypatch.setattr("oneway.circuits.unpacking.FREELY", 10**5)
    with pytest.raises(DataError, match="unpacks to absurdly much more than it is"):
        read_svhn(path)


@pytest.mark.parametrize("begins", [[0, 5, 0], [0, 10**9, 3], [0, 3, 2], [0, -5, 3]])
def test_rows_of_a_sparse_matrix_that_begin_elsewhere(begins, tmp_path):
    parts = {"data": [1.0, 2.0, 3.0], "indices": [0, 1, 1], "indptr": begins, "shape": (2, 2)}
    for format in ("csr", "csc"):
        np.savez(tmp_path / "a.npz", format=format, _is_array=True, **parts)
        with limits(), pytest.raises(WiringError, match="damaged sparse matrix"):
            read_graph(tmp_path / "a.npz")


def test_a_quotation_mark_in_a_comment(tmp_path):
    (tmp_path / "a.txt").write_text('#"a comment\na b 3\nb c 1\n')
    assert read_graph(tmp_path / "a.txt").edges == 2


def test_a_graphml_file_in_no_encoding(tmp_path):
    for suffix in (".graphml", ".gexf"):
        path = tmp_path / f"a{suffix}"
        path.write_text("<?xml version='1.0' encoding='ttf-8'?><graphml/>")
        with pytest.raises(WiringError, match="ttf-8"):
            read_graph(path)
    with pytest.raises(WiringError, match="ttf-8"):
        load_circuit(tmp_path / "a.graphml")


def test_a_partner_that_there_is_not(tmp_path):
    text = to_json(parse_rule("asap,k=2").wire(parse_circuit("conv2:1x8x8-3")))
    content = json.loads(text)
    named = [p["name"] for p in content["projections"] if p.get("partner")]
    for name in named:
        content = json.loads(text)
        for projection in content["projections"]:
            if projection["name"] == name:
                projection["partner"] = "nobody"
        with pytest.raises(WiringError, match="nobody"):
            from_json(json.dumps(content))


def test_entities_are_refused(tmp_path):
    path = tmp_path / "a.graphml"
    path.write_text('<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><graphml>&b;</graphml>')
    for read in (read_graph, load_circuit):
        with pytest.raises(WiringError, match="declares an entity, 'a'"):
            read(path)


# -- data ----------------------------------------------------------------------------------------


def test_labels_that_are_lists_of_lists(tmp_path):
    batch = {"data": np.zeros((2, 3072), np.uint8), "labels": [[1], [2]]}
    (tmp_path / "batch").write_bytes(pickle.dumps(batch, protocol=2))
    with pytest.raises(DataError, match=r"labels have shape \(2, 1\), expected one whole number"):
        read_cifar_batch(tmp_path / "batch")


@pytest.mark.parametrize("put", [b"r\xff\xff\xff\x7f", b"p3000000000\n"])
def test_a_pickle_that_numbers_what_it_remembers_by_billions(put, tmp_path):
    """Python asks for room for all numbers up to that one, which no limit here would show."""
    (tmp_path / "batch").write_bytes(b"\x80\x02}" + put + b".")
    with pytest.raises(DataError, match=r"it remembers something as number [23],\d{3}"):
        read_cifar_batch(tmp_path / "batch")


def test_a_class_of_a_huge_number_takes_no_memory(tmp_path, command):
    np.savez(tmp_path / "a.npz", x=np.ones((8, 4)), y=np.array([0, 1, 0, 1, 0, 1, 2**31, 2**31]))
    network = ("--circuit", "mlp:4-3-2", "--rule", "kp", "--epochs", "1")
    code, _, said = command("train", "--data", "a.npz", "--test-fraction", "0.5", *network)
    assert code == 2 and said.count("\n") == 1 and "2147483649 classes" in said


@pytest.mark.parametrize("state", [(1, (2, 3072), None, False, b"x"), (1, (2**62, 2), 3), "x", 5])
def test_a_pickled_array_of_odd_state(state, tmp_path):
    """numpy's own arrays take such states too, and some of them crash it."""

    class Odd:
        def __reduce__(self):
            return np.zeros(0).__reduce__()[0], (np.ndarray, (0,), b"b"), state

    (tmp_path / "batch").write_bytes(pickle.dumps({"data": Odd(), "labels": [0, 1]}, protocol=2))
    with pytest.raises(DataError, match="'data' is an array, expected uint8"):
        read_cifar_batch(tmp_path / "batch")


def test_an_image_of_179_megapixels_is_not_decoded(tmp_path):
    def chunk(kind, content):
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = chunk(b"IHDR", struct.pack(">2I5B", 13_380, 13_380, 8, 2, 0, 0, 0))
    rest = chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (tmp_path / "a.JPEG").write_bytes(b"\x89PNG\r\n\x1a\n" + header + rest)
    with pytest.raises(DataError, match=r"a\.JPEG: .*(pixels|read)"):
        _image(tmp_path / "a.JPEG")


def test_a_gzip_that_holds_more_than_it_says(tmp_path):
    path = tmp_path / "labels.gz"
    head = struct.pack(">2I", 0x801, 5)
    path.write_bytes(gzip.compress(head + bytes(300_000_000), 9))
    with limits(memory=200_000_000), pytest.raises(DataError, match="at least 6 bytes"):
        read_idx(path, 1)
    path.write_bytes(gzip.compress(struct.pack(">2I", 0x801, 2**32 - 1)))
    with pytest.raises(DataError, match="4,294,967,295 bytes, in a file of"):
        read_idx(path, 1)


def test_a_graph_or_array_that_unpacks_to_much_more_than_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("oneway.circuits.unpacking.FREELY", 10**5)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n" * 10**6))
    with pytest.raises(WiringError, match=r"unpacks to more than 0\.\d GB"):
        read_graph(tmp_path / "a.csv.gz")
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((10**6, 1)), y=np.zeros(10**6))
    with pytest.raises(DataError, match=r"unpacks to 0\.0 GB"):
        read_arrays(tmp_path / "a.npz")


def test_an_archive_that_unpacks_to_much_more_than_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("oneway.circuits.unpacking.FREELY", 10**5)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("set/a", bytes(10**7))
    with pytest.raises(DataError, match=r"unpacked, from 0\.0 MB"):
        unpack_archive(tmp_path / "a.zip", "set", print)
    assert os.listdir(tmp_path) == ["a.zip"]


def test_a_file_without_a_name_in_an_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("set/a", "x")
        archive.writestr("b", "y")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    at = content.rindex(b"PK\x01\x02") + 28  # of "b" in the list: lengths of name and of the rest
    content[at : at + 4] = struct.pack("<2H", 0, 1)
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match="holds '', which lies outside"):
        unpack_archive(tmp_path / "a.zip", "set", print)


def test_links_to_folders_above_are_not_followed(tmp_path):
    for part in ("train", "val"):
        for name in ("a", "b"):
            folder = tmp_path / part / name / "deep"
            folder.mkdir(parents=True)
            (folder / "x.png").touch()
            for n in range(3):
                (folder / f"up{n}").symlink_to("../..")
                (folder / f"root{n}").symlink_to(tmp_path)
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "y.png").touch()
    (tmp_path / "train" / "a" / "linked").symlink_to(tmp_path / "beside")
    with limits(seconds=5):
        train, test, _ = list_parts(tmp_path)
    assert [len(train), len(test)] == [3, 2]


def test_wide_images_and_huge_populations_take_no_memory(command):
    code, _, said = command("check", "conv2:1x4x200000-10", "--rule", "kp")
    assert code == 2 and "more than the 2048 MB" in said
    code, _, said = command("check", "mlp:10-9999999999-10", "--rule", "kp")
    assert code == 2 and "9,999,999,999 cells, expected at most" in said
    assert command("check", "conv2:1x4x4-200000", "--rule", "kp")[0] == 1


EXTREME = (
    *("device=meta", "momentum=0.9999999999999999", "seed=99999999999999999999"),
    *("batch_size=99999999999999999999", "lr=1e308", "limit=99999999999999999999"),
    *("seeds=99999999999", "label_smoothing=0.9999999999999999", "workers=99999999"),
    *("warmup_epochs=1", "milestones=1+99999999999999999999", "weight_decay=1e300"),
    *("step_epochs=99999999999999999999", "record_every=99999999999999999999"),
)


@pytest.mark.parametrize("setting", EXTREME)
def test_extreme_settings_end_in_a_line(setting, command):
    code, _, said = command(
        *("train", "--circuit", "mlp:64-4-10", "--rule", "kp", "--limit", "20,10"),
        *("--epochs", "1", "--out", "run"),
        *((f"--{setting.split('=')[0]}".replace("_", "-"), setting.split("=")[1])),
    )
    assert code in (0, 2) and "Traceback" not in said


# -- downloads -----------------------------------------------------------------------------------


def test_a_server_that_sends_more_than_the_file_has(tmp_path):
    with serving({"a": bytes(5000)}) as server:
        with pytest.raises(DataError, match="more than the 100 bytes that the file has"):
            download(f"{server.url}/a", tmp_path / "a", "", print, 100)
        assert (tmp_path / "a.part").stat().st_size == 0
        server.length = ""
        with pytest.raises(DataError, match="more than the 100 bytes that the file has"):
            download(f"{server.url}/a", tmp_path / "a", "", print, 100)
        server.length = "abc"
        with pytest.raises(DataError, match="states a length of 'abc'"):
            download(f"{server.url}/a", tmp_path / "a", "", print, 100)


@pytest.mark.parametrize(
    ("to", "refused"),
    [("ftp://a/b", True), ("http://a/b", True), ("file:///a", True), ("https://a/c", False)],
)
def test_a_request_is_sent_on_to_nothing_less_safe(to, refused):
    redirect = downloads._Redirects()
    arguments = (Request("https://a/b"), None, 302, "Found", {}, to)
    if refused:
        with pytest.raises(URLError, match="sent on from https to"):
            redirect.redirect_request(*arguments)
    else:
        assert redirect.redirect_request(*arguments).full_url == to


def test_data_sets_come_by_https():
    known = files("oneway.training.data").joinpath("datasets.toml").read_text()
    urls = re.findall('url = "(.*)"', known)
    assert len(urls) > 10 and all(url.startswith("https://") for url in urls)


# -- terminals -----------------------------------------------------------------------------------

ESCAPE = "\x1b]0;owned\x07\x1b[2J\x9b31m"


def test_no_escape_in_a_name_reaches_the_terminal(tmp_path, command):
    (tmp_path / "g.csv").write_text(f"pre,post\na{ESCAPE},b\nb,a{ESCAPE}\n")
    (tmp_path / f"r{ESCAPE}.toml").write_text('circuit = "mlp:4-2"\nrule = "\\u001b[2Jx"\n')
    circuit = mlp((4, 3, 2))
    save_circuit(type(circuit)(**_parts(circuit, name=f"net{ESCAPE}")), tmp_path / "c.json")
    for words in (
        ("check", "g.csv"),
        ("check", f"missing{ESCAPE}"),
        ("recipes", "check", f"r{ESCAPE}.toml"),
        ("check", "c.json", "--rule", "kp"),
        ("train", f"r{ESCAPE}.toml"),
    ):
        _, shown, said = command(*words)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown + said), words


def _parts(circuit, name):
    return {
        "name": name,
        "populations": list(circuit.populations.values()),
        "projections": list(circuit.projections.values()),
        "phases": list(circuit.phases.values()),
    }


# -- code ----------------------------------------------------------------------------------------

RULE = """
from oneway.rules import KolenPollack
print("the file runs")
class Mine(KolenPollack, name="mine{}"):
    pass
"""


@pytest.mark.parametrize("key", ["rule", "module"])
@pytest.mark.parametrize("words", [("recipes", "check"), ("train",), ("reproduce",)])
def test_code_that_a_recipe_names_runs_where_it_is_allowed(key, words, tmp_path, command):
    (tmp_path / "mine.py").write_text(RULE.format(f"_{key}_{words[0]}"))
    settings = {k: v for k, v in RECIPE.items() if k not in ("rule", "circuit")}
    settings |= {"rule": "mine.py", "circuit": "mlp:64-4-10"}
    if key == "module":
        settings |= {"rule": "kp", "module": "mine.py:make"}
        del settings["circuit"]
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    head = ["[common]"] if words[0] == "reproduce" else []
    tail = ["[rows.r]", "published = {c = 1.0}", "[columns.c]"] if head else []
    (tmp_path / "r.toml").write_text("\n".join([*head, *lines, *tail]))
    code, shown, said = command(*words, "r.toml")
    assert code == 2 and "names Python code" in said and "--allow-code" in said
    assert "the file runs" not in shown + said
    _, shown, said = command(*words, "r.toml", "--allow-code")
    assert "running the Python code in 'mine.py" in said.replace("\n", " ")
    if key == "rule":
        assert "the file runs" in said


def test_a_reproduction_that_goes_on_runs_no_code_that_is_not_allowed(tmp_path, command):
    (tmp_path / "mine.py").write_text("print('the file runs')\nraise ValueError('and stops')")
    (plan,) = copy.deepcopy(list(runs()["plan"].trees))
    plan["cells"][0]["settings"]["rule"] = str(tmp_path / "mine.py")
    (tmp_path / "all").mkdir()
    (tmp_path / "all/plan.json").write_text(json.dumps(plan))
    words = ("reproduce", "--resume", "--out", "all")
    code, shown, said = command(*words)
    assert code == 2 and said.count("\n") == 1 and "the file runs" not in shown + said
    assert "'all', cell 'small/bp' names Python code" in said and "--allow-code" in said
    assert json.loads((tmp_path / "all/plan.json").read_text()) == plan
    code, shown, said = command(*words, "--allow-code")
    assert code in (1, 2) and "running the Python code" in said and "the file runs" in shown + said


def test_what_is_no_device_to_measure_on(command):
    code, shown, said = command("bench", "--device", "meta", "--circuit", "mlp:8-4-2")
    assert (code, shown) == (2, "")
    assert said == "oneway: error: device 'meta', expected one of cpu, cuda\n"


def test_code_that_the_command_line_names_runs_and_a_folder_does_not_bring_its_own(
    tmp_path, command
):
    (tmp_path / "mine.py").write_text(RULE.format("_named"))
    (tmp_path / "r.toml").write_text('circuit = "mlp:64-4-10"\nrule = "other.py"\nepochs = 1\n')
    code, _, said = command("train", "r.toml", "--rule", "mine.py", "--out", "run")
    assert code == 0 and "the file runs" in said
    code, _, said = command("train", "--resume", "run", "--epochs", "2")
    assert code == 2 and "the run in 'run' names Python code" in said
    # In a process of its own there would be no such rule yet.
    RULES.pop("mine_named")
    code, _, said = command("train", "--resume", "run", "--epochs", "2", "--allow-code")
    assert code == 0 and "running the Python code" in said
