"""Graph files of every kind: read right, or refused with one line that says what to say.

Most files hold the same graph, in which A and B project to each other, B to C and C to D.
"""

import csv
import gzip
import io
import json
import zipfile

import h5py
import networkx as nx
import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from oneway.analysis import check_graph, read_graph
from oneway.analysis.graphs.readers import fields, stream
from oneway.circuits import WiringError

LETTERS = [("A", "B"), ("B", "A"), ("B", "C"), ("C", "D")]
SQUARE = np.array([[0, 5, 0, 0], [2, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
RANDOM = nx.gnp_random_graph(12, 0.3, seed=0, directed=True)


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def edges(graph):
    return sorted(
        (str(graph.names[u]), str(graph.names[v]))
        for u, v in zip(*graph.adjacency.nonzero(), strict=True)
    )


def lines(form, data=LETTERS, **more):
    """One line for each edge."""
    return "\n".join(form.format(*edge, n=i + 1, **more) for i, edge in enumerate(data)) + "\n"


# -- tables ------------------------------------------------------------------------------------

TABLES = {
    "blanks.txt": lines("{0} {1}"),
    "comments.txt": "# by hand\n% too\n\n" + lines("{0}   {1} {n}.5"),
    "comma.csv": lines("{0}, {1}, {n}"),
    "semicolon.csv": lines("{0};{1};0,{n}"),
    "decimal.txt": lines("{0} {1} 0,{n}"),
    "kinds.tsv": lines("{0}\t{1}\tGABA,ACh"),
    "attributes.edgelist": lines("{0} {1} {{'w': {n}, 's': 'x, y'}}"),
    "attributes.csv": lines("{0},{1},{{'w': {n}}}"),
    "weighted.edgelist": lines("{0} {1} {n}"),
    "excel.csv": "sep=;\n" + lines("{0};{1}") + ";\n;\n",
    "above.csv": ",,\n# x\npre,post,n\n" + lines("{0},{1},{n}"),
    "crlf.csv": "pre,post\r\n" + lines("{0},{1}").replace("\n", "\r\n"),
    "cave.csv": "id,pre_pt_root_id,post_pt_root_id,size\n" + lines("{n},{0},{1},7"),
    "positions.csv": "id,pre_pt_position,post_pt_position,pre_pt_root_id,post_pt_root_id\n"
    + lines('{n},"[1, 2]","[3, 4]",{0},{1}'),
    "neuprint.csv": "type_pre,bodyId_pre,type_post,bodyId_post,weight\n" + lines("x,{0},y,{1},{n}"),
    "codex.csv": "pre_root_id,post_root_id,neuropil,syn_count,nt_type\n"
    + lines("{0},{1},LO_R,{n},ACH"),
    "sonata.csv": "source_node_id target_node_id\n" + lines("{0} {1}"),
    "order.csv": "weight,target,source\n" + lines("{n},{1},{0}"),
    "r.csv": '"","source","target"\n' + lines('"{n}","{0}","{1}"'),
    "r-table.txt": '"from" "to" "weight"\n' + lines('"{n}" "{0}" "{1}" 3'),
    "cook.csv": "Source,Target,Weight,Type\n" + lines("{0} , {1}  ,{n},chemical"),
    "white.csv": "pre post type synapses\n" + lines("{0}\t{1}\tchemical\t{n}"),
    "openworm.csv": "Origin,Target,Type,Number of Connections\n" + lines("{0},{1},Send,{n}"),
    "worm.csv": "Neuron 1,Neuron 2,Type,Nbr\n" + lines("{0},{1},S,{n}"),
    "snap.txt": "# a graph\n# FromNodeId\tToNodeId\n" + lines("{0}\t{1}"),
    "savetxt.csv": "# weight,pre,post\n" + lines("{n},{0},{1}"),
    "networkx.edgelist": lines("{0} {1} {{}}"),
    "konect.txt": "% asym\n" + lines("{0} {1}"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(tmp_path, name):
    graph = read_graph(written(tmp_path, name, TABLES[name]))
    assert edges(graph) == LETTERS
    assert (graph.rows, graph.autapses, graph.reading.rows) == (4, 0, 4)
    assert graph.reading.first[:2] == ("A", "B")


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("Neuron 1,Neuron 2\nNeuron 2,Neuron 1\n", {"Neuron 1", "Neuron 2"}),
        ("u v\nv u\nv w\n", {"u", "v", "w"}),
        ("n1 n2 5\nn2 n1 3\n", {"n1", "n2"}),
        ("cell a\tcell b\tx\ncell b\tcell a\tx\n", {"cell a", "cell b"}),
        ("MB 1\tMB 2\nMB 2\tMB 1\nMB 2\tKC 3\n", {"MB 1", "MB 2", "KC 3"}),
        ("MB 1,MB 2\nMB 2,MB 1\nMB 2,KC 3\n", {"MB 1", "MB 2", "KC 3"}),
        ('"MB, left","MB, right"\n"MB, right","MB, left"\n', {"MB, left", "MB, right"}),
        ("KC #1,KC #2\nKC #2,KC #1\n", {"KC #1", "KC #2"}),
        ("KC#1 KC#2\nKC#2 KC#1\n", {"KC#1", "KC#2"}),
        ('"MB 1" "MB 2"\n"MB 2" "MB 1"\n', {"MB 1", "MB 2"}),
        ("é ü\nü é\n", {"é", "ü"}),
        ("720575940618573696,720575940618573697\n720575940618573697,720575940618573696\n",
         {"720575940618573696", "720575940618573697"}),
        ("29,7.0\n7,29.0\n", {"29", "7"}),
    ],
)  # fmt: skip
def test_names(tmp_path, content, names):
    graph = read_graph(written(tmp_path, "names.txt", content))
    assert set(graph.names.tolist()) == names
    assert check_graph(graph).reciprocal_pairs == 1


def test_weights(tmp_path):
    graph = read_graph(written(tmp_path, "a.csv", "A;B;0,5\nA;B;1,5\nB;A;3\n"))
    assert graph.weights.toarray().tolist() == [[0, 2], [3, 0]] and graph.multapses == 1
    assert graph.reading.columns == {"pre": "1", "post": "2", "weight": "3"}


@pytest.mark.parametrize(
    ("encoding", "option"),
    [("utf-8-sig", None), ("utf-16", None), ("utf-32", None), ("latin-1", "latin-1")],
)
def test_encodings_and_gzip(tmp_path, encoding, option):
    text = "source,target\r\nNervenzelle Ä,ß\r\nß,Nervenzelle Ä\r\n".encode(encoding)
    for name, content in (("t.csv", text), ("t.csv.gz", gzip.compress(text))):
        graph = read_graph(written(tmp_path, name, content), encoding=option)
        assert edges(graph) == [("Nervenzelle Ä", "ß"), ("ß", "Nervenzelle Ä")]
    if option:
        with pytest.raises(WiringError, match=r"not utf-8 text.*--encoding latin-1"):
            read_graph(tmp_path / "t.csv")


words = st.text('ab\u00e9 #%-01,;"', max_size=20).map(str.strip)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 3).flatmap(lambda n: st.lists(st.tuples(*[words] * n), min_size=1)),
    st.sampled_from("\t,;"),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
)
def test_whole_arrays_give_what_csv_gives(rows, delimiter, quoting):
    written = io.StringIO()
    writer = csv.writer(written, delimiter=delimiter, quoting=quoting, lineterminator="\n")
    writer.writerows(rows)
    text, width = written.getvalue(), len(rows[0])
    kept = [
        row
        for row, line in zip(rows, text.splitlines(), strict=True)
        if line.strip("\t " + delimiter) and line[0] not in "#%"
    ]
    layout = fields.Layout("edges", delimiter, width)
    count, columns = fields.read_columns(text.encode(), 1, layout, range(width))
    found = [[column.values[code].strip() for code in column.codes] for column in columns.values()]
    assert count == len(kept)
    assert found == [list(column) for column in zip(*kept, strict=True)] or not kept


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("size", [3, 7, 8, 30, 1000])
def test_pieces_of_any_size(tmp_path, monkeypatch, size, quote):
    text = "pre,post\r\n" + lines("{q}{0}\u00e9{q},{q}{1}\u00e9{q}", q=quote)
    monkeypatch.setattr(stream.TextFile.chunks, "__defaults__", (size,))
    graph = read_graph(written(tmp_path, "pieces.csv", text))
    assert edges(graph) == [(u + "\u00e9", v + "\u00e9") for u, v in LETTERS]


def test_plain_lines_are_read_as_whole_arrays(monkeypatch):
    """Also in quotes, and between blanks; a comment or a quoted comma asks for the slower way."""
    monkeypatch.setattr(fields, "_one_by_one", lambda *arguments: None)

    def whole(chunk, delimiter):
        return fields.read_columns(chunk, 1, fields.Layout("edges", delimiter, 2), [0]) is not None

    assert whole(b"a,b\nc d,e\n", ",") and whole(b'"a","b"\n"c d","e"\n', ",")
    assert whole(b"a  b\n c\td \n", " ") and whole(b"sa,b\n", ",")
    assert not whole(b"a,b\n# c,d\n", ",") and not whole(b'"a,x",b\n', ",")


def test_mixed_up_bytes_are_told_apart(monkeypatch):
    """Names whose bytes mix to the same number."""
    monkeypatch.setattr(fields, "ODD", np.uint64(0))
    layout = fields.Layout("edges", ",", 2)
    chunk = b"AAAAAAAA1,BBBBBBBB1\nCCCCCCCC1,BBBBBBBB2\n"
    rows, factors = fields.read_columns(chunk, 1, layout, [0, 1])
    assert rows == 2
    assert [factors[0].values[code] for code in factors[0].codes] == ["AAAAAAAA1", "CCCCCCCC1"]


# -- refused tables, and what to say -----------------------------------------------------------

NEIGHBOURS, FIRST_TWO = {"format": "adjlist"}, {"columns": "1,2"}
REFUSED = {
    "unknown names": ("foo,bar\nA,B\nB,A\n", "'foo', 'bar', and none says", {"columns": "foo,bar"}),
    "unknown over numbers": ("foo,bar,n\nA,B,1\nB,A,2\n", "'n', and", {"columns": "bar,foo,n"}),
    "weak": ("n1,n2\nA,B\nB,A\n", "'n1', 'n2', and none says", {"columns": "n1,n2"}),
    "half known": ("pre,partner\nA,B\nB,A\n", "none says", {"columns": "pre,partner"}),
    "positions only": ("pre_x,post_x\n1,2\n2,1\n", "none says", FIRST_TWO),
    "adjacency list": ("A B C\nB A\nC\n", "3 fields|2 fields.*adjlist", NEIGHBOURS),
    "even adjacency list": ("A B C\nB A C\n", "neighbours", NEIGHBOURS),
    "numbered adjacency list": ("0 1 2\n1 0 2\n2 0 1\n4 1 2\n", "t adjlist", NEIGHBOURS),
    "networkx adjacency list": ("#x.py\n# GMT Thu\n#\nA B\nB A\n", "adjlist", NEIGHBOURS),
    "kinds between blanks": ("A B x\nB A x\n", "its kind", FIRST_TWO),
    "blanks or comma": ("1 2,5\n5 1,2\n", "comma or by blanks", None),
    "small matrix": ("0 1\n2 0\n", "matrix or a list of edges", {"format": "matrix"}),
    "not square": ("0 1 1 0\n1 0 0 1\n0 1 1 0\n", "4 columns of numbers in 3 l", FIRST_TWO),
    "missing weight": ("source,target,weight\nA,B,1\nB,A,\n", "line 3.*lacks a weight", None),
    "words for weights": ("source,target,weight\nA,B,1\nB,A,many\n", "3.*a number .*'many'", None),
    "missing cell": ("# x\nA,B,1\nB,,1\n", "line 3: 'B,,1' lacks a cell in column '2'", None),
    "rounded": ("7.2E+17,7.1E+17\n7.1E+17,7.2E+17\n", "rounded the identifiers", None),
    "electrical": ("pre,post,type\nA,B,chemical\nB,A,electrical\nA,B,electrical\n",
                   "mixes rows without direction.*--where type=chemical",
                   {"where": ["type=electrical", "type=chemical"]}),
    "received": ("Neuron 1,Neuron 2,Type\nA,B,S\nB,A,S\nA,B,R\n",
                 "mixes rows received.*Type=S", {"where": "Type=S"}),
    "gephi": ("Source,Target,Type\nA,B,Undirected\nB,A,Undirected\n", "undirected", None),
    "konect": ("% sym unweighted\n1 2\n2 1\n", "undirected", None),
    "weightless": ("A B 0\nB A 1\n", "1 connections weigh 0", {"min_weight": 0}),
    "autapses": ("A A\nB B\n", "no connection between two different cells.*2 autapses", None),
    "empty": ("source,target\n", "no edge in it", None),
    "nothing": ("\n# nothing\n", "no edge in it", None),
    "interactions": ("A\tpp\tB\nC\tpp\tD\n", "its kind", None),
    "arrows": ("A -> B\nB -> A\n", "its kind", {"columns": "1,3"}),
    "four numbers": ("1 2 5 1\n2 1 5 1\n3 1 5 1\n4 1 5 1\n", "matrix or a list", FIRST_TWO),
    "joined files": ("pre,post\nA,B\npre,post\nB,A\n", "'post' and 'pre' comes again", None),
    "lost line": ("#1\t2\n2\t#1\n2\t3\n", "is a comment, but there is a cell '#1'", None),
    "lost row": ("pre\tpost\n#1\t2\n2\t#1\n", "there is a cell '#1'", None),
    "weights in names": ("A B:3\nB A:2\n", "weight in the name of a cell", None),
    "one end": ("A 2\nB {}\nC {}\n", "edge 1: 'A 2' is no edge", None),
    "quotes": ('"A,B\nB,A\n', "quotes|fields", None),
    "text": ("Dear reader,\nthis is a letter.\nYours\n", "expected|names", None),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_tables_and_what_to_say(tmp_path, name):
    content, message, fix = REFUSED[name]
    path = written(tmp_path, "refused.txt", content)
    with pytest.raises(WiringError, match=message):
        read_graph(path)
    if fix is not None:
        assert check_graph(read_graph(path, **fix)).reciprocal_pairs >= 1


def test_a_row_that_breaks_the_layout_far_below(tmp_path, monkeypatch):
    monkeypatch.setattr("oneway.analysis.graphs.readers.layout.HEAD_LINES", 3)
    path = written(tmp_path, "long.csv", "pre,post\n" + "A,B\n" * 5 + "A,B,C\n")
    with pytest.raises(WiringError, match=r"line 7: 'A,B,C'.*3 fields.*expected 2"):
        read_graph(path)


# -- options -----------------------------------------------------------------------------------

OPTIONS = "pre,post,pre_class,post_class,kind,n\n" + "".join(
    [
        "A,B,PN,KC,S,1\nA,B,PN,KC,Sp,2\nB,A,KC,PN,S,9\n",
        "B,C,KC,KC,S,2\nC,B,KC,KC,R,2.0\nC,A,KC,PN,S,1\n",
    ]
)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"where": ["kind=S", "kind=Sp"], "min_weight": 3}, [("A", "B"), ("B", "A")]),
        ({"where": ["kind=S", "kind=Sp"]}, [("A", "B"), ("B", "A"), ("B", "C"), ("C", "A")]),
        ({"where": ["kind=R", "n=2"]}, [("C", "B")]),
        ({"where": "5=R"}, [("C", "B")]),
        ({"where": "kind=S", "min_weight": 2}, [("B", "A"), ("B", "C")]),
        ({"columns": "post,pre", "where": "kind=R"}, [("B", "C")]),
        ({"columns": "2,1,6", "where": "kind=S", "min_weight": 9}, [("A", "B")]),
    ],
)
def test_options(tmp_path, options, expected):
    graph = read_graph(written(tmp_path, "o.csv", OPTIONS), **options)
    assert edges(graph) == expected
    assert (graph.reading.rows, graph.reading.min_weight) == (6, options.get("min_weight"))


def test_multapses_above_a_threshold(tmp_path):
    graph = read_graph(
        written(tmp_path, "o.csv", OPTIONS), where=["kind=S", "kind=Sp"], min_weight=2
    )
    assert (graph.rows, graph.multapses, graph.reading.below) == (4, 1, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"where": "kind=X"}, "no row is left of 6: kind has S 4, R 1, Sp 1"),
        ({"where": "sort=S"}, "no column 'sort'; its columns are 'pre', 'post'"),
        ({"where": "kind"}, "expected COLUMN=VALUE"),
        ({"columns": "pre"}, "expected PRE,POST"),
        ({"columns": "pre,pre"}, "same column twice"),
        ({"columns": "pre,7"}, "no column '7'"),
        ({"where": "kind=S", "min_weight": 99}, "no connection of at least 99"),
        ({"format": "csv"}, "formats are text, table"),
        ({"encoding": "klingon"}, "unknown; examples are"),
        ({"min_weight": float("nan")}, "min_weight = nan, expected a finite number"),
        ({"part": "A"}, "leave out --part"),
        ({"where": "kind=S", "by": "side"}, "nothing gives cells a 'side'.*--nodes"),
        ({"where": "kind=S", "by": "kind,n"}, "cell 'A' is of two classes"),
    ],
)
def test_options_that_cannot_be(tmp_path, options, message):
    with pytest.raises(WiringError, match=message):
        read_graph(written(tmp_path, "o.csv", OPTIONS), **options)


@pytest.mark.parametrize("by", ["class", "pre_class,post_class"])
def test_classes_from_two_columns(tmp_path, by):
    graph = read_graph(written(tmp_path, "o.csv", OPTIONS), where="kind=S", by=by)
    kinds = dict(zip(graph.names.tolist(), graph.attributes[by].tolist(), strict=True))
    assert kinds == {"A": "PN", "B": "KC", "C": "KC"}


def test_classes_from_a_table_of_cells(tmp_path):
    nodes = written(tmp_path, "n.csv", ",name,class,x\n1,one,PN,0.5\n2,two,KC,1.5\n9,nine,KC,2\n")
    path = written(tmp_path, "e.csv", "1,2\n2,1\n2,3\n")
    graph = read_graph(path, nodes=nodes, by="class")
    numbered = written(tmp_path, "c.csv", "id,n,class,n\n1,3,PN,1\n2,2,KC,1\n7,1,KC,2\n8,1,PN,2\n")
    assert read_graph(path, nodes=numbered).attributes["class"].tolist() == ["PN", "KC", ""]
    assert graph.attributes["class"].tolist() == ["PN", "KC", ""]
    assert "2 of 3 cells, named by 'its first column'; 1 more" in graph.reading.cells
    assert graph.attributes["x"].tolist() == ["0.5", "1.5", ""]
    with pytest.raises(WiringError, match="no column names a cell of the graph"):
        read_graph(written(tmp_path, "f.csv", "A,B\nB,A\n"), nodes=nodes)
    written(tmp_path, "n.csv", "id,class\n1,PN\n1,KC\n")
    with pytest.raises(WiringError, match="cell '1' has several lines"):
        read_graph(path, nodes=nodes)


def test_undirected_lists_are_suspected(tmp_path):
    rising = read_graph(written(tmp_path, "r.txt", "1 2\n2 10\n9 10\n"))
    falling = read_graph(written(tmp_path, "f.txt", "B A\nC B\nC A\n"))
    neither = read_graph(written(tmp_path, "n.txt", "1 2\n10 2\n9 10\n"))
    assert "every line rises (u < v) and none has one back" in rising.reading.notes[0]
    assert "falls" in falling.reading.notes[0] and neither.reading.notes == ()


# -- matrices ----------------------------------------------------------------------------------

M = "\n".join(",".join(map(str, row)) for row in SQUARE.tolist())
NAMED = "\n".join(f"{name},{row}" for name, row in zip("ABCD", M.split("\n"), strict=True))
MATRICES = {
    "plain.csv": M,
    "blanks.txt": M.replace(",", "  "),
    "decimal.txt": M.replace(",", " ").replace("5", "0,5"),
    "above.csv": "A,B,C,D\n" + M,
    "beside.csv": NAMED,
    "both.csv": ",A,B,C,D\n" + NAMED,
    "corner.csv": "cells,A,B,C,D\n" + NAMED,
    "empty.csv": ",A,B,C,D\n" + NAMED.replace(",0", ","),
    "r.txt": '"A" "B" "C" "D"\n' + NAMED.replace(",", " "),
    "permuted.csv": ",B,A,C,D\nA,5,0,0,0\nB,0,2,1,0\nC,0,0,0,1\nD,0,0,0,0\n",
}


@pytest.mark.parametrize("name", MATRICES)
def test_matrices_of_text(tmp_path, name):
    graph = read_graph(written(tmp_path, name, MATRICES[name]))
    named = graph.names.tolist() == list("ABCD")
    letters = edges(graph) if named else [("ABCD"[int(u)], "ABCD"[int(v)]) for u, v in edges(graph)]
    assert letters == LETTERS and "matrix" in graph.reading.format
    assert named == (name not in ("plain.csv", "blanks.txt", "decimal.txt"))


def test_matrices_of_which_the_first_lines_decide(tmp_path, monkeypatch):
    monkeypatch.setattr("oneway.analysis.graphs.readers.layout.HEAD_LINES", 3)
    assert edges(read_graph(written(tmp_path, "m.csv", MATRICES["both.csv"]))) == LETTERS
    assert read_graph(written(tmp_path, "m.csv", M)).edges == 4
    with pytest.raises(WiringError, match=r"shape \(5, 4\), expected a square matrix"):
        read_graph(written(tmp_path, "m.csv", M + "\n0,0,0,1\n"))
    with pytest.raises(WiringError, match=r"line 4: a matrix holds numbers alone.*'x'"):
        read_graph(written(tmp_path, "m.csv", M.replace("0,0,0,0", "0,x,0,0")))


def test_binary_matrices(tmp_path):
    np.save(tmp_path / "m.npy", SQUARE)
    np.savez(tmp_path / "one.npz", a=SQUARE, names=np.array(list("ABCD")))
    sparse.save_npz(tmp_path / "s.npz", sparse.csr_array(SQUARE))
    cells = np.array([[np.array([c])] for c in "ABCD"], object)
    two = {"chem": sparse.csc_array(SQUARE.astype(float)), "gap": SQUARE.T, "names": cells}
    scipy.io.savemat(tmp_path / "two.mat", two)
    scipy.io.mmwrite(tmp_path / "m.mtx", sparse.coo_array(SQUARE))
    (tmp_path / "m.mtx.gz").write_bytes(gzip.compress((tmp_path / "m.mtx").read_bytes()))
    for name in ("m.npy", "one.npz", "s.npz", "m.mtx", "m.mtx.gz"):
        assert np.array_equal(read_graph(tmp_path / name).weights.toarray(), SQUARE)
    assert edges(read_graph(tmp_path / "one.npz")) == LETTERS
    with pytest.raises(WiringError, match=r"2 square matrices.*--part NAME"):
        read_graph(tmp_path / "two.mat")
    assert edges(read_graph(tmp_path / "two.mat", part="chem")) == LETTERS
    with pytest.raises(WiringError, match="leave out --where"):
        read_graph(tmp_path / "m.npy", where="a=b")


def test_matrices_that_are_none(tmp_path):
    np.save(tmp_path / "flat.npy", np.ones((3, 4)))
    np.save(tmp_path / "nan.npy", np.array([[0, np.nan], [1, 0]]))
    np.save(tmp_path / "zero.npy", np.zeros((3, 3)))
    for name, message in (
        ("flat", r"shape \(3, 4\), expected a square"),
        ("nan", "no finite numbers"),
        ("zero", "matrix of zeros"),
    ):
        with pytest.raises(WiringError, match=message):
            read_graph(tmp_path / f"{name}.npy")
    path = written(tmp_path, "names.csv", ",A,B,C\nA,0,1,0\nB,1,0,0\nD,0,0,0\n")
    with pytest.raises(WiringError):
        read_graph(path)
    with zipfile.ZipFile(tmp_path / "s.xlsx", "w") as file:
        file.writestr("xl/workbook.xml", "")
    with pytest.raises(WiringError, match="Excel workbook"):
        read_graph(tmp_path / "s.xlsx")


def test_symmetric_matrices_say_so(tmp_path):
    text = "%%MatrixMarket matrix coordinate pattern symmetric\n% x\n4 4 3\n2 1\n3 2\n4 3\n"
    graph = read_graph(written(tmp_path, "s.mtx", text))
    assert check_graph(graph).reciprocal_pairs == 3
    assert "symmetric: every entry off the diagonal counts in both" in graph.reading.notes[0]
    graph = read_graph(written(tmp_path, "s.csv", "0,1,1,1\n1,0,0,0\n1,0,0,0\n1,0,0,0\n"))
    assert "every edge has one back" in graph.reading.notes[0]


# -- other formats -----------------------------------------------------------------------------


def test_formats_of_networkx(tmp_path):
    graph = nx.relabel_nodes(RANDOM, {n: f"zelle ü {n}" for n in RANDOM})
    nx.set_edge_attributes(graph, {e: i + 1 for i, e in enumerate(graph.edges)}, "weight")
    nx.set_node_attributes(graph, {n: n[-1] for n in graph}, "class")
    nx.write_graphml(graph, tmp_path / "g.graphml")
    nx.write_gexf(graph, tmp_path / "g.gexf")
    nx.write_gml(graph, tmp_path / "g.gml")
    nx.write_pajek(graph, tmp_path / "g.net")
    (tmp_path / "g.json").write_text(json.dumps(nx.node_link_data(graph)))
    for name in ("g.graphml", "g.gexf", "g.gml", "g.net", "g.json"):
        found = read_graph(tmp_path / name, by=None if name == "g.net" else "class")
        assert edges(found) == sorted(graph.edges), name
        assert found.weights.sum() == sum(range(1, graph.number_of_edges() + 1)), name
        heavy = read_graph(tmp_path / name, min_weight=20).edges
        assert heavy == graph.number_of_edges() - 19
        (tmp_path / "packed").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
        assert edges(read_graph(tmp_path / "packed")) == edges(found)


def graphml(inside):
    return f'<graphml xmlns="http://graphml.graphdrawing.org/xmlns">{inside}</graphml>'


ONE = '<node id="A"/><node id="B"/><edge source="A" target="B"/><edge source="B" target="A"/>'
TWINS = ONE.replace("<edge", '<edge id="e"')
DIRECTED = f'<graph edgedefault="directed">{ONE}</graph>'
FOREIGN = {
    "nested.graphml": (
        graphml(f'<graph edgedefault="directed"><node id="G">{DIRECTED}</node></graph>'),
        "2 <graph> elements",
    ),
    "second.graphml": (graphml(DIRECTED * 2), "2 <graph> elements"),
    "none.graphml": (graphml(""), "0 <graph> elements"),
    "source.graphml": (graphml(DIRECTED.replace('source="A" ', "")), "edge 1 has no source"),
    "stranger.graphml": (graphml(DIRECTED.replace('source="A"', 'source="X"')), "'X', which no"),
    "empty.graphml": (graphml('<graph edgedefault="directed"><node id="A"/></graph>'), "no edge"),
    "flat.graphml": (graphml(DIRECTED.replace("directed", "undirected")), "edgedefault=.directed"),
    "mixed.graphml": (
        graphml(DIRECTED.replace('"A" target', '"A" directed="false" target')),
        "directed=false edge",
    ),
    "same.graphml": (
        graphml(DIRECTED.replace(ONE, TWINS + TWINS[TWINS.index("<edge") :])),
        "4 edges are listed, 2",
    ),
    "flat.gml": ("graph [ node [ id 0 ] node [ id 1 ] edge [ source 0 target 1 ] ]", "directed 1"),
    "flat.net": ("*Vertices 2\n1 a\n2 b\n*Edges\n1 2\n", "in place of .Edges"),
    "both.net": ("*Vertices 2\n1 a\n2 b\n*Arcs\n1 2\n*Edges\n1 2\n", r"\*arcs, \*edges"),
    "twins.net": ("*Vertices 3\n1 a\n2 b\n3 a\n*Arcs\n1 2\n2 3\n", "3 vertices, of which 2"),
    "flat.json": ('{"directed": false, "nodes": [{"id": 1}], "links": []}', "undirected"),
    "d3.json": ('{"nodes": [{"id": 1}], "links": []}', '"directed": true'),
    "stranger.json": (
        '{"directed": true, "nodes": [{"id": 1}], "links": [{"source": 1, "target": 2}]}',
        "1 nodes, but",
    ),
    "broken.json": ("[1,2\n", "line 2: not JSON"),
    "start.mtx": ("%%MatrixMarket matrix coordinate pattern general", "not MatrixMarket"),
    "other.json": ('{"a": 1}', "no node-link JSON"),
    "old.mat": ("A", "not a MATLAB file"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files_that_are_refused(tmp_path, name):
    content, message = FOREIGN[name]
    with pytest.raises(WiringError, match=message):
        read_graph(written(tmp_path, name, content))


def test_gml_without_labels(tmp_path):
    text = "graph [ directed 1 node [ id 3 ] node [ id 5 ] edge [ source 3 target 5 ] ]"
    assert edges(read_graph(written(tmp_path, "g.gml", text))) == [("3", "5")]


# -- binary tables -----------------------------------------------------------------------------


def write_sonata(path, populations):
    with h5py.File(path, "w") as file:
        for name, (source, target, pre, post) in populations.items():
            group = file.create_group(f"edges/{name}")
            for end, space, ids in (("source", source, pre), ("target", target, post)):
                data = group.create_dataset(f"{end}_node_id", data=np.array(ids, np.uint64))
                data.attrs["node_population"] = space
            group.create_dataset("0/nsyns", data=np.arange(1, len(pre) + 1))


def test_sonata(tmp_path):
    write_sonata(tmp_path / "one.h5", {"v1": ("v1", "v1", [0, 1, 1, 2], [1, 0, 2, 3])})
    graph = read_graph(tmp_path / "one.h5", min_weight=2)
    assert edges(graph) == [("1", "0"), ("1", "2"), ("2", "3")]
    (tmp_path / "h.gz").write_bytes(gzip.compress((tmp_path / "one.h5").read_bytes()))
    assert read_graph(tmp_path / "h.gz").edges == 4
    both = {"in": ("lgn", "v1", [0, 1], [0, 1]), "rec": ("v1", "v1", [0, 1], [1, 0])}
    write_sonata(tmp_path / "two.h5", both)
    graph = read_graph(tmp_path / "two.h5")
    assert edges(graph)[0] == ("lgn:0", "v1:0") and check_graph(graph).reciprocal_pairs == 1
    assert read_graph(tmp_path / "two.h5", part="in").edges == 2
    with pytest.raises(WiringError, match=r"populations in it: in, rec"):
        read_graph(tmp_path / "two.h5", part="v1")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(WiringError, match="no SONATA edges"):
        read_graph(tmp_path / "other.h5")


def test_parquet_and_feather(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import feather, parquet

    big = 720575940618573696
    columns = {
        "syn_count": [1, 2, 3],
        "pre_root_id": [big, big + 1, big + 1],
        "post_root_id": [big + 1, big, big + 2],
        "nt": ["ACH", "GABA", "ACH"],
    }
    feather.write_feather(arrow.table(columns), tmp_path / "t.feather")
    parquet.write_table(arrow.table(columns), tmp_path / "t.parquet")
    (tmp_path / "t.gz").write_bytes(gzip.compress((tmp_path / "t.parquet").read_bytes()))
    for name in ("t.feather", "t.parquet", "t.gz"):
        graph = read_graph(tmp_path / name)
        assert graph.names.tolist() == [str(big), str(big + 1), str(big + 2)]
        assert (graph.edges, check_graph(graph).reciprocal_pairs, graph.weights.sum()) == (3, 1, 6)
        assert read_graph(tmp_path / name, where="nt=ACH").edges == 2
    parquet.write_table(arrow.table({"a": [1], "b": [2]}), tmp_path / "t.parquet")
    with pytest.raises(WiringError, match="columns are 'a', 'b'"):
        read_graph(tmp_path / "t.parquet")
    kinds = arrow.array(["chemical", "gap"]).dictionary_encode()
    mixed = arrow.table({"pre": ["A", "B"], "post": ["B", "A"], "type": kinds})
    parquet.write_table(mixed, tmp_path / "t.parquet")
    with pytest.raises(WiringError, match="--where type=chemical"):
        read_graph(tmp_path / "t.parquet")
    floats = {"pre": [7.2e17, 1.0], "post": [1.0, 7.2e17]}
    parquet.write_table(arrow.table(floats), tmp_path / "t.parquet")
    with pytest.raises(WiringError, match="a number with a point"):
        read_graph(tmp_path / "t.parquet")


@pytest.mark.parametrize(("start", "library"), [(b"PAR1", "pyarrow"), (b"\x89HDF", "h5py")])
def test_missing_libraries_are_named(tmp_path, monkeypatch, start, library):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr("oneway.analysis.graphs.readers.columnar.import_module", absent)
    with pytest.raises(WiringError, match=rf"read with {library}.*pip install 'oneway\[graphs\]'"):
        read_graph(written(tmp_path, "t.bin", start))
