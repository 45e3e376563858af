"""The brain of a fly larva as a circuit: what runs forward, what runs back, and what learning adds.

Shows how a connectome becomes a circuit that a rule can wire: reciprocity and triads beside random
graphs, classes of cells in the order of signal flow, feedback and recurrent tracts by name, and the
forward part from sensory to descending cells under Kolen-Pollack learning and one-way feedback
alignment, trained for a few steps on noise from the weights that were counted. Pictures: triads
against chance, and edges and reciprocity between classes.

The data (Winding et al. 2023, Science 379:eadd9330; 3,013 cells, 110,706 edges, reciprocity
0.2568) are two files of github.com/neurodata/bilateral-connectome, folder data/processed-elife:
unmatched_full_edgelist.csv and unmatched_full_nodes.csv. Without them a small graph is drawn with
the same classes. Twenty seconds on an AMD EPYC with the files, ten without, most
of them for imports and pictures.

Usage: python larva_circuit.py [EDGES NODES] [--out FOLDER]     (FOLDER: by default ./out)
"""

import argparse
import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
import torch

from oneway.analysis import Graph, check_wiring
from oneway.analysis.graphs import GraphCircuit, circuit_from_graph, describe
from oneway.analysis.plots import plot_class_matrix, plot_triads
from oneway.backends.rate import RateNetwork
from oneway.circuits import Circuit
from oneway.rules import parse_rule

# The column of the class table that names classes, and cells of each class in the whole brain.
COLUMN = "simple_group"
CLASSES = {
    **{"sensories": 431, "ascendings": 44, "PNs": 206, "LNs": 110, "KCs": 153, "PNs-somato": 146},
    **{"LHNs": 202, "unk": 399, "dSEZs": 164, "pre-dSEZs": 102, "FFNs": 54, "MBINs": 28},
    **{"MBONs": 48, "pre-dVNCs": 482, "CNs": 100, "MB-FBNs": 108, "RGNs": 54, "dVNCs": 182},
}
RULES = ("kp", "fa,gate=local")
SAMPLES, STEPS = 10, 20
SOURCE = "https://github.com/neurodata/bilateral-connectome/tree/main/data/processed-elife"


def read_larva(edges: Path, nodes: Path) -> Graph:
    """Rows ``pre,post,synapses`` without a header; cells in the first column of the class table."""
    with nodes.open(newline="") as file:
        table = list(csv.DictReader(file))
    names = [next(iter(row.values())) for row in table]
    number = {name: i for i, name in enumerate(names)}
    with edges.open(newline="") as file:
        rows = [(number[u], number[v], float(w)) for u, v, w in csv.reader(file)]
    pre, post, synapses = zip(*rows, strict=True)
    classes = np.array([row[COLUMN] for row in table])
    return Graph.from_edges(pre, post, synapses, names, {"class": classes})


def drawn_larva(seed: int = 0) -> Graph:
    """A twelfth of the cells of each class; most edges lead a few classes on, some back."""
    rng = np.random.default_rng(seed)
    sizes = [max(size // 12, 3) for size in CLASSES.values()]
    place = np.repeat(np.arange(len(sizes)), sizes)
    onward = place[None, :] - place[:, None]
    chance = np.where(onward > 0, 0.25, 0.06) * np.exp(-abs(onward) / 3)
    joined = (rng.random(chance.shape) < chance) & ~np.eye(len(place), dtype=bool)
    answered = joined.T & (rng.random(chance.shape) < 0.15)
    pre, post = np.nonzero(joined | answered)
    synapses = rng.geometric(0.3, len(pre))
    names = [f"cell{i}" for i in range(len(place))]
    return Graph.from_edges(pre, post, synapses, names, {"class": np.array([*CLASSES])[place]})


def show_figures(graph: Graph, folder: Path) -> None:
    found = describe(graph, SAMPLES)
    print(f"{len(graph):,} cells, {graph.edges:,} edges")
    for null, figures in found.nulls.items():
        pairs = figures["reciprocal_pairs"]
        print(
            f"reciprocal pairs: {pairs.observed:,}; {null}: {pairs.mean:,.0f} ± {pairs.sd:.0f} in "
            f"{pairs.samples} random graphs, z = {pairs.z:.0f}"
        )
    save(plot_triads(found.nulls["degree"]), folder / "larva_triads.png")


def show_circuit(found: GraphCircuit, folder: Path) -> None:
    print(found.summary())
    for value in ("edges", "reciprocity"):
        ax = plot_class_matrix(found.matrix(value), list(found.cells), value)
        save(ax, folder / f"larva_{value}.png")


def learn(circuit: Circuit) -> tuple[float, float]:
    """Loss before and after a few steps on one batch of noise."""
    torch.manual_seed(0)
    net = RateNetwork(circuit)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    x, y = torch.rand(32, circuit.inputs[0].size), torch.arange(32) % circuit.output.size
    losses = []
    for _ in range(STEPS):
        losses.append(float(net.step(x, y).loss))
        optimizer.step()
    return losses[0], losses[-1]


def show_learning(part: Circuit) -> None:
    print(f"{part.name}: {part.inputs[0].name} to {part.output.name}")
    for note in part.notes:
        print(f"  {note}")
    for rule in RULES:
        wired = parse_rule(rule).wire(part)
        verdict = check_wiring(wired, "all")
        before, after = learn(wired)
        print(
            f"  {rule}: {verdict.all:,} hidden pairs joined both ways, weight transport "
            f"{verdict.weight_transport}; loss {before:.2f} -> {after:.2f} in {STEPS} steps"
        )


def save(ax, path: Path) -> None:
    ax.figure.savefig(path, dpi=130)
    print("saved", path)


def main(files: tuple[Path, Path] | None, folder: Path) -> GraphCircuit:
    folder.mkdir(parents=True, exist_ok=True)
    graph = read_larva(*files) if files else drawn_larva()
    if not files:
        print(f"a small graph drawn with the larva's classes; its own are two files of {SOURCE}")
    show_figures(graph, folder)
    found = circuit_from_graph(graph)
    show_circuit(found, folder)
    show_learning(found.forward_part("sensories", "dVNCs", weights="fraction"))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="EDGES and NODES")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the pictures")
    given = parser.parse_args()
    if len(given.files) not in (0, 2):
        parser.error(f"{len(given.files)} files, expected EDGES and NODES, or none")
    main(tuple(given.files) or None, given.out)
