"""Options of `oneway check` for graph files: how one is read, and what it is held against."""

from __future__ import annotations

import argparse

READ_OPTIONS = ("columns", "format", "encoding", "part", "min_weight", "where", "by", "nodes")
SAMPLES = 20
# Graphs with more edges are compared with random ones on request only.
MANY_EDGES = 200_000
# As analysis.graphs has them.
FORMATS = tuple(
    "text table matrix dicts adjlist matrixmarket npy npz mat graphml gexf gml pajek json sonata "
    "parquet feather".split()
)
NULLS = ("erdos-renyi", "degree", "spatial")
EXAMPLES = (
    "oneway check herm_full_edgelist.csv --where Type=chemical",
    "oneway check synapses.csv.gz --columns cell_a,cell_b,count --min-weight 5",
    "oneway check edges.txt --columns 2,1        (second column presynaptic, no header)",
    "oneway check lines.txt --format adjlist     (a cell and those it projects to)",
    "oneway check connectome.csv --encoding latin-1 --findings --json",
    "oneway check ConnOrdered.mat --part A_init_t_ordered",
    "oneway check connections.csv --by class     (columns pre_class and post_class)",
    "oneway check edges.csv --nodes cells.csv --by hemisphere",
    "oneway check connectome.csv --triads --null degree --samples 100",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """How a graph file is read; a circuit is refused with any of them."""
    _add_reading(parser.add_argument_group("reading a graph file"))
    _add_figures(parser.add_argument_group("figures of a graph, beside those of random graphs"))


def _add_reading(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--columns",
        metavar="PRE,POST[,WEIGHT]",
        help="columns of a table, by name or by number from 1: --columns pre_id,post_id,count",
    )
    group.add_argument(
        "--format",
        choices=FORMATS,
        metavar="FORMAT",
        help=f"where the content leaves it open: {', '.join(FORMATS)} (--format matrix)",
    )
    group.add_argument("--encoding", help="of text, by default UTF-8: --encoding latin-1")
    group.add_argument(
        "--part",
        metavar="NAME",
        help="array of an npz or mat file, edge population of a SONATA file: --part A_chemical",
    )
    group.add_argument(
        "--min-weight",
        type=float,
        metavar="N",
        help="cells joined by less, over all their parallel connections, count as not joined: "
        "--min-weight 5",
    )
    group.add_argument(
        "--where",
        action="append",
        metavar="COLUMN=VALUE",
        help="only rows with this value; once more for another value, or another column: "
        "--where type=S --where type=Sp",
    )
    group.add_argument(
        "--by",
        metavar="COLUMN",
        help="reciprocity within and between classes of cells, which two columns of the table "
        "give (--by class for pre_class and post_class, --by from_type,to_type), an attribute of "
        "the file's nodes, or a column of --nodes",
    )
    group.add_argument(
        "--nodes",
        metavar="FILE",
        help="table of cells, a line each, that --by takes a column of: --nodes cells.csv",
    )
    either = group.add_mutually_exclusive_group()
    either.add_argument(
        "--strict",
        action="store_true",
        help="exit code 1 where a constraint is violated, by default `papers`: no reciprocal pair. "
        "So it is without this word too; a script may say what it relies on: --strict",
    )
    either.add_argument(
        "--findings",
        action="store_true",
        help="take what is found, reciprocal pairs too, as a finding and no failure: exit code 0, "
        "as in check connectome.csv --findings",
    )


def _add_figures(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--samples",
        type=int,
        metavar="N",
        help=f"random graphs of each kind (default: {SAMPLES}, or none beyond {MANY_EDGES:,} "
        "edges), as in --samples 100; 0: none",
    )
    group.add_argument(
        "--null",
        metavar="NAMES",
        help=f"what they keep: {', '.join(NULLS)}; erdos-renyi only the number of edges, degree "
        "each cell's edges in and out, spatial the number at each distance (default: all that "
        "positions allow), as in --null degree,spatial",
    )
    group.add_argument(
        "--triads",
        action="store_true",
        help="count how every three cells are joined, in the random graphs too, as in "
        "check brain.csv --triads --samples 100",
    )
    group.add_argument(
        "--null-seed",
        type=int,
        default=0,
        metavar="N",
        help="seed of the random graphs (default: 0), as in --null-seed 7",
    )
