"""Every reader of files, with small files that it reads and the errors that it may raise."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import shutil
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import networkx as nx
import numpy as np
import scipy.io
import scipy.sparse
import torch
from hypothesis import strategies as st
from PIL import Image
from reliability.fuzzing import ODD, damaged_bytes, damaged_trees

from oneway.analysis import read_graph
from oneway.circuits import WiringError, load_circuit, mlp, parse_circuit, to_graphml, to_json
from oneway.rules import parse_rule
from oneway.training import (
    ConfigError,
    DataError,
    TrainConfig,
    TrainingError,
    load_data,
    load_run,
    train,
)
from oneway.training.checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint
from oneway.training.cli.main import main
from oneway.training.data.arrays import read_arrays
from oneway.training.data.dataset import DataSet
from oneway.training.data.formats import read_cifar_batch, read_idx_pair, read_svhn
from oneway.training.data.loading import _own_arrays
from oneway.training.data.obtain import unpack_archive
from oneway.training.data.pixels import Pixels, read_image
from oneway.training.data.tiny_imagenet import _cached, _stamp, list_images
from oneway.training.loop import train as go_on
from oneway.training.recipes.recipe import check_recipe, make_recipe
from oneway.training.recipes.tables import read_entries
from oneway.training.recipes.written import recipe_settings, write_recipe
from oneway.training.records import RECIPE as RECIPE_FILE
from oneway.training.reproduction.cells import cells_of
from oneway.training.reproduction.measuring import Measure
from oneway.training.reproduction.planning import all_jobs
from oneway.training.reproduction.report import table
from oneway.training.reproduction.state import PLAN, Reproduction
from oneway.training.spiking.bridge import read_weights

OURS = (WiringError, ConfigError, DataError, TrainingError)


@dataclass(frozen=True)
class Reader:
    """How some kind of file is read.

    Parameters
    ----------
    suffix : str
        Of the file's name.
    read : callable
        Gets the path of the file, in a folder of its own.
    files : sequence of bytes
        Good files.
    trees : sequence
        What good files say, for `write`, which makes a file of it.
    """

    suffix: str
    read: Callable[[Path], Any]
    files: Sequence[bytes] = ()
    trees: Sequence[Any] = ()
    write: Callable[[Any], bytes] = lambda tree: json.dumps(tree).encode()
    odd: Sequence[Any] = ODD
    errors: tuple[type[Exception], ...] = field(default=OURS)

    def good(self) -> list[bytes]:
        return [*self.files, *map(self.write, self.trees)]

    def inputs(self) -> st.SearchStrategy[bytes]:
        """Damaged files."""
        ways = [damaged_bytes(self.good())]
        if self.trees:
            ways.append(damaged_trees(self.trees, self.odd).map(self._written))
        return st.one_of(ways)

    def _written(self, tree: Any) -> bytes:
        try:
            return self.write(tree)
        except Exception:  # no file says that
            return b""


# -- circuits and recipes ------------------------------------------------------------------------


def circuits() -> dict[str, Reader]:
    rule = parse_rule("asap,k=2")
    wired = rule.wire(parse_circuit("conv2:1x8x8-3"))
    simple = parse_rule("kp").wire(mlp((4, 3, 2)))
    marked = io.BytesIO()
    to_graphml(simple, marked)
    trees = [json.loads(to_json(circuit)) for circuit in (wired, simple)]
    return {
        "circuit-json": Reader(".json", load_circuit, trees=trees),
        "circuit-graphml": Reader(".graphml", load_circuit, [marked.getvalue()]),
    }


RECIPE = {
    "circuit": "mlp:64-16-10",
    "rule": "asap,k=2,gate=local",
    "data": "digits",
    "lr": 0.1,
    "epochs": 2,
    "milestones": [1],
    "schedule": "step",
    "limit": [20, 10],
    "batch_size": 8,
    "feedback_lr": 0.1,
    "augment": "none",
}
TABLE = {
    "source": "a paper",
    "common": {"data": "digits", "epochs": 2},
    "rows": {"small": {"circuit": "mlp:64-8-10", "published": {"kp": 90.0}, "note": "n"}},
    "columns": {"kp": {"rule": "kp"}, "bp": {"rule": "bp", "always": True, "lr": 0.1}},
}


def _toml(tree: Any, name: str = "") -> bytes:
    """TOML enough for recipes."""
    plain = {k: v for k, v in tree.items() if not isinstance(v, dict)}
    lines = [f"[{name}]"] if name else []
    lines += [f"{json.dumps(k)} = {_toml_value(v)}" for k, v in plain.items()]
    text = "\n".join(lines).encode() + b"\n"
    for key, inside in tree.items():
        if isinstance(inside, dict):
            text += _toml(inside, f"{name}.{json.dumps(key)}".lstrip("."))
    return text


def _toml_value(value: Any) -> str:
    return repr(value) if isinstance(value, float) else json.dumps(value)


def _checked_recipes(path: Path) -> None:
    for entry in read_entries(path):
        recipe = entry.recipe()
        if not recipe.module:
            check_recipe(recipe)


def recipes() -> dict[str, Reader]:
    return {
        "recipe": Reader(".toml", _checked_recipes, trees=[RECIPE], write=_toml),
        "recipe-table": Reader(".toml", _checked_recipes, trees=[TABLE], write=_toml),
    }


# -- graphs --------------------------------------------------------------------------------------

EDGES = [("a", "b", 3), ("b", "c", 1), ("c", "a", 2), ("b", "a", 5)]


def _networks() -> dict[str, bytes]:
    graph = nx.DiGraph()
    graph.add_weighted_edges_from(EDGES)
    written = {}
    for suffix, write in (
        (".graphml", nx.write_graphml),
        (".gexf", nx.write_gexf),
        (".gml", nx.write_gml),
        (".net", nx.write_pajek),
        (".dicts", nx.write_edgelist),
    ):
        to = io.BytesIO()
        write(graph, to)
        written[suffix] = to.getvalue()
    return written


def _arrays(tree: Any) -> bytes:
    to = io.BytesIO()
    np.savez(to, **{key: np.asarray(value) for key, value in tree.items()})
    return to.getvalue()


def _saved(save: Callable[[Any, Any], Any], *content: Any) -> bytes:
    to = io.BytesIO()
    save(to, *content)
    return to.getvalue()


def _parts_of(matrix: Any) -> dict[str, Any]:
    """What scipy's npz has."""
    parts = {name: getattr(matrix, name).tolist() for name in ("data", "indices", "indptr")}
    return parts | {"shape": list(matrix.shape), "format": matrix.format, "_is_array": True}


def _packed(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Read a file of MATLAB whose one array is packed, after it was damaged."""

    def reading(path: Path) -> None:
        content = path.read_bytes()
        packed = zlib.compress(content[128:])
        path.write_bytes(content[:128] + struct.pack("<2I", 15, len(packed)) + packed)
        read(path)

    return reading


def graphs() -> dict[str, Reader]:
    table = b"pre_id,post_id,syn_count,type\n" + b"".join(
        f"{u},{v},{w},chem\n".encode() for u, v, w in EDGES
    )
    blanks = b"# a comment\n" + b"".join(f"{u} {v} {w}\n".encode() for u, v, w in EDGES)
    weights = np.array([[0, 1, 0], [2, 0, 1], [0, 3, 0]])
    matrix = b",a,b,c\na,0,1,0\nb,2,0,1\nc,0,3,0\n"
    sparse = scipy.sparse.csr_array(weights.astype(float))
    matlab = [
        _saved(scipy.io.savemat, {"a": weights, **beside})
        for beside in (
            {},
            {"names": np.array(["a", "b", "c"], dtype=object), "z": np.array([1j])},
            {"about": {"of": "me", "n": [np.zeros(0), {"deep": "x"}]}},
        )
    ]
    matlab.append(_saved(scipy.io.savemat, {"a": scipy.sparse.csc_array(sparse)}))
    node_link = nx.node_link_data(nx.DiGraph([("a", "b"), ("b", "a")]), edges="links")
    found = {
        "table": Reader(".csv", read_graph, [table, blanks, matrix, gzip.compress(table)]),
        "table-by": Reader(
            ".csv", lambda path: read_graph(path, where="type=chem", min_weight=2), [table]
        ),
        "matrix-market": Reader(".mtx", read_graph, [_saved(scipy.io.mmwrite, sparse)]),
        "npy": Reader(".npy", read_graph, [_saved(np.save, weights)]),
        "npz": Reader(
            ".npz",
            read_graph,
            [_saved(scipy.sparse.save_npz, sparse)],
            trees=[{"a": weights.tolist(), "names": ["a", "b", "c"]}],
            write=_arrays,
        ),
        "npz-sparse": Reader(
            ".npz", read_graph, trees=[_parts_of(sparse), _parts_of(sparse.tobsr())], write=_arrays
        ),
        "mat": Reader(".mat", read_graph, matlab),
        "mat-packed": Reader(".mat", _packed(read_graph), [matlab[0], matlab[-1]]),
        "node-link": Reader(".json", read_graph, trees=[node_link]),
        "adjlist": Reader(".txt", lambda path: read_graph(path, format="adjlist"), [b"a b\nb a\n"]),
    }
    for suffix, content in _networks().items():
        found[f"graph{suffix}"] = Reader(suffix, read_graph, [content])
    return found | _columnar()


def _columnar() -> dict[str, Reader]:
    try:
        import h5py
        import pyarrow
        from pyarrow import feather, parquet
    except ImportError:
        return {}
    table = pyarrow.table({"pre": ["a", "b"], "post": ["b", "a"], "weight": [1, 2]})
    sonata = io.BytesIO()
    with h5py.File(sonata, "w") as file:
        group = file.create_group("edges/all")
        for end, cells in (("source", [0, 1, 2]), ("target", [1, 2, 0])):
            ids = group.create_dataset(f"{end}_node_id", data=cells)
            ids.attrs["node_population"] = "cells"
        group.create_dataset("edge_type_id", data=np.zeros(3, int))
    return {
        "parquet": Reader(
            ".parquet", read_graph, [_saved(lambda to, t: parquet.write_table(t, to), table)]
        ),
        "feather": Reader(
            ".feather", read_graph, [_saved(lambda to, t: feather.write_feather(t, to), table)]
        ),
        "sonata": Reader(".h5", read_graph, [sonata.getvalue()]),
    }


# -- data ----------------------------------------------------------------------------------------


def _pickled(tree: Any) -> bytes:
    tree = dict(tree)
    if isinstance(tree.get("data"), list):
        tree["data"] = np.array(tree["data"], dtype=np.uint8)
    return pickle.dumps(tree, protocol=2)


def _archive(tar: bool) -> bytes:
    to = io.BytesIO()
    if tar:
        with tarfile.open(fileobj=to, mode="w:gz") as archive:
            for name in ("set/a.txt", "set/b.txt"):
                about = tarfile.TarInfo(name)
                about.size = 3
                archive.addfile(about, io.BytesIO(b"abc"))
    else:
        with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("set/a.txt", "abc" * 40)
            archive.writestr("set/b.txt", "abc")
    return to.getvalue()


def _image(format: str, mode: str = "RGB") -> bytes:
    return _saved(lambda to, image: image.save(to, format), Image.new(mode, (9, 7), 3))


def _own(path: Path) -> None:
    train, test, classes = read_arrays(path)
    DataSet.from_arrays(path.name, train, test if test is not None else 0.5, classes)


def _labelled(path: Path) -> None:
    root = path.parent
    for wnid in ("n1", "n2"):
        (root / "train" / wnid / "images").mkdir(parents=True, exist_ok=True)
        (root / "train" / wnid / "images" / "a.JPEG").touch()
    (root / "wnids.txt").write_text("n1\nn2\n")
    (root / "val" / "images").mkdir(parents=True, exist_ok=True)
    for name in ("a", "b"):
        (root / "val" / "images" / f"{name}.JPEG").touch()
    shutil.copy(path, root / "val" / "val_annotations.txt")
    _, parts = list_images(root)
    _stamp(parts)


DECODED = {
    "stamp": "s",
    "train": np.zeros((2, 3, 64, 64), np.uint8),
    "val": np.zeros((1, 3, 64, 64), np.uint8),
}


def _kept(path: Path) -> None:
    images = _cached(path, "s", (2, 1))
    if images is None:
        raise DataError("decoded anew")
    assert [x.shape for x in images] == [(2, 3, 64, 64), (1, 3, 64, 64)]


def data() -> dict[str, Reader]:
    pixels = struct.pack(">4I", 0x803, 2, 2, 3) + bytes(12)
    labels = struct.pack(">2I", 0x801, 2) + bytes(2)

    def images(path: Path) -> None:
        beside = path.with_name("labels")
        beside.write_bytes(labels)
        read_idx_pair(path, beside, (2, 3))

    def classes(path: Path) -> None:
        beside = path.with_name("images")
        beside.write_bytes(pixels)
        read_idx_pair(beside, path, (2, 3))

    batch = {"data": np.zeros((2, 3072), np.uint8), "labels": [0, 9], "batch_label": "x"}
    arrays = {"x": np.ones((6, 4)).tolist(), "y": [0, 1, 2, 0, 1, 2]}
    both = {
        "train_x": np.ones((4, 1, 2, 2)).tolist(),
        "train_y": [0, 1, 0, 1],
        "test_x": np.ones((2, 1, 2, 2)).tolist(),
        "test_y": [0, 1],
        "classes": 2,
    }
    digits = {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[10], [1]])}
    return {
        "idx-images": Reader("", images, [pixels]),
        "idx-images-gz": Reader(".gz", images, [gzip.compress(pixels)]),
        "idx-labels": Reader("", classes, [labels]),
        "cifar": Reader("", read_cifar_batch, trees=[batch], write=_pickled),
        "svhn": Reader(
            ".mat",
            read_svhn,
            [_saved(scipy.io.savemat, digits)],
            trees=[digits],
            write=lambda tree: _saved(scipy.io.savemat, tree),
        ),
        "npz-own": Reader(".npz", _own, trees=[arrays, both], write=_arrays),
        "npz-fraction": Reader(
            ".npz", lambda path: _own_arrays(path, 0.5), trees=[arrays], write=_arrays
        ),
        "annotations": Reader(".txt", _labelled, [b"a.JPEG\tn1\t0\t0\nb.JPEG\tn2\t0\t1\n"]),
        "image": Reader(
            ".png",
            read_image,
            [_image("PNG"), _image("JPEG"), _image("BMP"), _image("TIFF"), _image("PPM")],
        ),
        "image-grey": Reader(
            ".png", lambda path: read_image(path, Pixels(grey=True), 1), [_image("PNG", "L")]
        ),
        "decoded": Reader(".npz", _kept, trees=[DECODED], write=_arrays),
        "tar": Reader(".tar.gz", lambda path: unpack_archive(path, "set", print), [_archive(True)]),
        "zip": Reader(".zip", lambda path: unpack_archive(path, "set", print), [_archive(False)]),
    }


# -- runs ----------------------------------------------------------------------------------------

CONFIG = TrainConfig(epochs=2, batch_size=16)


@cache
def finished_run() -> Path:
    folder = Path(mkdtemp(prefix="oneway-fuzz-")) / "run"
    train(*_run(), CONFIG, rule=parse_rule("kp"), out=folder)
    return folder


@cache
def _run() -> tuple[Any, Any]:
    return parse_rule("kp").wire(mlp((64, 4, 10))), load_data("digits", shape=(64,), limit=32)


def _in_run(name: str, read: Callable[[Path], Any], without: Sequence[str] = ()) -> Callable:
    """Read a run's folder in which one file is replaced."""

    def reading(path: Path) -> None:
        folder = path.parent / "run"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(finished_run(), folder, ignore=shutil.ignore_patterns(*without))
        shutil.copyfile(path, folder / name)
        read(folder)

    return reading


def _compared(folder: Path) -> None:
    arguments = [str(folder), *(["--json"] if folder.stat().st_mtime_ns % 2 else [])]
    words = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(words):
        code = main(["compare", *arguments])
    if code:
        raise DataError(words.getvalue())


def _resumed(folder: Path) -> None:
    go_on(*_run(), CONFIG, rule=parse_rule("kp"), out=folder, resume=True)


def _plan() -> Any:
    folder = Path(mkdtemp(prefix="oneway-fuzz-"))
    (folder / "mine.toml").write_bytes(_toml(TABLE))
    state = Reproduction(folder, "mine", cells_of(str(folder / "mine.toml")), 2, 60.0, "command")
    state.measures = {cell.name: Measure(*[0.1] * 6, 4, 20) for cell in state.cells}
    state.jobs = all_jobs(state.cells, 2)[0]
    state.save()
    return json.loads((folder / PLAN).read_text())


def _planned(path: Path) -> None:
    folder = path.parent / "plan"
    folder.mkdir(exist_ok=True)
    shutil.copyfile(path, folder / PLAN)
    state = Reproduction.load(folder)
    state.move_to("another machine")
    table(state)


def _state(tree: Any) -> bytes:
    path = Path(mkdtemp(prefix="oneway-fuzz-")) / CHECKPOINT
    try:
        write_checkpoint(path, tree)
        return path.read_bytes()
    finally:
        shutil.rmtree(path.parent)


@cache
def runs() -> dict[str, Reader]:
    folder = finished_run()
    config, result = (json.loads((folder / f"{n}.json").read_text()) for n in ("config", "result"))
    lines = [(folder / "metrics.jsonl").read_bytes()]
    state = read_checkpoint(folder / CHECKPOINT)
    tensors = [torch.zeros(0), torch.zeros(3, dtype=torch.int8), torch.full((4, 64), torch.nan)]
    odd = (*ODD, *tensors)
    net, _ = _run()
    circuit = json.loads((folder / "circuit.json").read_text())
    names = {"places": {"a": ["weights", "x -> h1"]}, "offsets": {}}
    written = Path(mkdtemp(prefix="oneway-fuzz-"))
    write_recipe(written, make_recipe(RECIPE))
    recipe = [(written / RECIPE_FILE).read_bytes()]
    return {
        "run-config": Reader(".json", _in_run("config.json", _compared), trees=[config]),
        "run-config-unfinished": Reader(
            ".json", _in_run("config.json", _compared, ["result.json"]), trees=[config]
        ),
        "run-result": Reader(".json", _in_run("result.json", _compared), trees=[result]),
        "run-metrics": Reader(".jsonl", _in_run("metrics.jsonl", _compared), lines),
        "run-loaded": Reader(".json", _in_run("config.json", load_run), trees=[config]),
        "checkpoint": Reader(
            ".safetensors", _in_run(CHECKPOINT, load_run), trees=[state], write=_state, odd=odd
        ),
        "checkpoint-resumed": Reader(
            ".safetensors",
            _in_run(CHECKPOINT, _resumed, ["result.json"]),
            trees=[state],
            write=_state,
            odd=odd,
        ),
        "run-circuit": Reader(".json", _in_run("circuit.json", load_run), trees=[circuit]),
        "run-names": Reader(".json", _in_run("names.json", load_run), trees=[names]),
        "run-recipe": Reader(".toml", _in_run(RECIPE_FILE, recipe_settings), recipe),
        "plan": Reader(".json", _planned, trees=[_plan()]),
        "weights": Reader(
            ".safetensors",
            lambda path: read_weights(path, net),
            [_weights()],
            trees=[state],
            write=_state,
            odd=odd,
        ),
    }


def _weights() -> bytes:
    from oneway.training.spiking.bridge import save_weights

    net, _ = _run()
    path = Path(mkdtemp(prefix="oneway-fuzz-")) / "weights.safetensors"
    drives = {"x -> h1": np.ones((4, 64)), "h1 -> output": np.ones((10, 4))}
    save_weights(path, net, drives, {"h1": np.zeros(4), "output": np.zeros(10)})
    return path.read_bytes()


# -- spikes --------------------------------------------------------------------------------------


def _network() -> Any:
    from oneway.backends.spiking import SpikingNetwork

    return SpikingNetwork(parse_rule("kp").wire(mlp((3, 2, 2))))


def _archived(tree: Any) -> bytes:
    """A state's content and its arrays, as they are written."""
    arrays = {name: array for name, array in tree["arrays"].items()}
    text = json.dumps(tree["content"])
    return _saved(lambda to, _: np.savez(to, **tree["about"], content=text, **arrays), None)


def _state_read(net: Any, before: Any, path: Path) -> None:
    net.load_state(before)
    weights = net.weights()
    try:
        net.load_state(path)
    except (ValueError, WiringError):
        for name, w in net.weights().items():
            np.testing.assert_array_equal(w, weights[name])
        raise


@cache
def spikes() -> dict[str, Reader]:
    try:
        from oneway.backends.spiking import SpikeData, load_spikes, save_spikes
    except ImportError:
        return {}
    net, folder = _network(), Path(mkdtemp(prefix="oneway-fuzz-"))
    shown = net.present(np.ones((2, 3)))
    before = net.save_state(folder / "state")
    with np.load(before) as file:
        arrays = {name: file[name] for name in file.files}
    about = {key: arrays.pop(key) for key in ("format", "version")}
    tree = {"content": json.loads(str(arrays.pop("content"))), "arrays": arrays, "about": about}
    sizes = {name: net.circuit.populations[name].size for name in shown.spikes}
    seen = SpikeData(shown.spikes, sizes, 0.0, 0.2, tuple(shown.intervals))
    data = save_spikes(folder / "spikes", seen)
    with np.load(data) as file:
        of_spikes = {name: file[name].tolist() for name in file.files}
    odd = (*ODD, np.zeros(0), np.full(3, np.nan), np.array(2**40), np.array("x"))
    errors = (ValueError, WiringError)
    found = {
        "spiking-state": Reader(
            ".npz",
            lambda path: _state_read(net, before, path),
            trees=[tree],
            write=_archived,
            odd=odd,
            errors=errors,
        ),
        "spikes": Reader(
            ".npz", load_spikes, [data.read_bytes()], [of_spikes], _arrays, errors=errors
        ),
    }
    return found | _nir(net, folder)


def _nir(net: Any, folder: Path) -> dict[str, Reader]:
    try:
        import nir
    except ImportError:
        return {}
    from oneway.backends.spiking import from_nir, to_nir

    def written(graph: Any) -> bytes:
        nir.write(folder / "a.nir", graph)
        return (folder / "a.nir").read_bytes()

    def nodes(path: Path) -> None:
        try:
            graph = nir.read(path)
        except Exception as error:  # not ours
            raise DataError(f"NIR does not read it: {error!r}") from error
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from_nir(graph)

    def metadata(path: Path) -> None:
        from_nir(nir.NIRGraph(ours.nodes, ours.edges, metadata={"oneway": path.read_bytes()}))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = to_nir(net.circuit, net.weights(), net.biases(), net.parameters)
    foreign = nir.NIRGraph(ours.nodes, ours.edges)
    return {
        "nir": Reader(".nir", nodes, [written(ours), written(foreign)]),
        "nir-metadata": Reader(".json", metadata, trees=[json.loads(ours.metadata["oneway"])]),
    }


KINDS = (circuits, recipes, graphs, data, runs, spikes)
