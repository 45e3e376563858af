"""`oneway check` of graph files: what it says, its exit codes, and the options for reading."""

import json

import pytest

TABLE = "pre,post,pre_class,post_class,kind,n\n" + "".join(
    [
        "A,B,PN,KC,chemical,5\nB,A,KC,PN,chemical,4\nB,C,KC,KC,chemical,2\n",
        "C,B,KC,KC,chemical,1\nA,C,PN,KC,gap junction,1\nA,A,PN,PN,chemical,1\n",
    ]
)
CHEMICAL = ["table.csv", "--where", "kind=chemical"]


@pytest.fixture(autouse=True)
def _files(oneway, tmp_path):
    (tmp_path / "table.csv").write_text(TABLE)
    (tmp_path / "chain.txt").write_text("a b\nb c\nc d\n")
    (tmp_path / "cells.csv").write_text("name,side\nA,left\nB,left\nC,right\n")


def test_what_was_read_is_said(oneway):
    code, out, err = oneway("check", *CHEMICAL, "--min-weight", "2")
    words = " ".join(out.split())
    assert (code, err) == (1, "")
    assert "read table, fields separated by comma" in words
    assert "pre pre, post post weights from n not read: pre_class, post_class" in words
    assert "first edge A -> B, weight 5 6 rows, 5 with kind=chemical" in words
    assert "at least 2 from cell to cell; 2 are below" in words
    assert "0 autapses and 0 multapses set aside" in words
    assert "reciprocal pairs 1 reciprocity 0.6667" in words


def test_json_has_what_was_read(oneway):
    _, out, _ = oneway("check", *CHEMICAL, "--json")
    read = json.loads(out)["read"]
    assert read["columns"] == {"pre": "pre", "post": "post", "weight": "n"}
    assert read["first"] == ["A", "B", 5.0]
    assert (read["rows"], read["taken"], read["autapses"], read["multapses"]) == (6, 5, 1, 0)
    assert (read["where"], read["min_weight"], read["notes"]) == (["kind=chemical"], None, [])


def test_findings_are_no_failure(oneway):
    assert oneway("check", *CHEMICAL)[0] == oneway("check", *CHEMICAL, "--strict")[0] == 1
    assert oneway("check", *CHEMICAL, "--strict", "--findings")[0] == 2
    code, out, _ = oneway("check", *CHEMICAL, "--findings", "--json")
    assert code == 0 and json.loads(out)["ok"] and json.loads(out)["reciprocal_pairs"] == 2


def test_progress_in_a_log(oneway, monkeypatch):
    monkeypatch.setattr("oneway.training.progress.PATIENCE_S", -1)
    _, out, err = oneway("check", *CHEMICAL, "--json")
    assert json.loads(out)["edges"] == 4
    assert set(err.splitlines()) == {"reading: 100% of 0 MB"}


def test_a_rising_list_is_suspected(oneway):
    code, out, _ = oneway("check", "chain.txt")
    assert code == 0 and "in all likelihood this is an undirected graph" in " ".join(out.split())


def test_reciprocity_by_class(oneway):
    code, out, _ = oneway("check", *CHEMICAL, "--by", "class", "--json")
    by = json.loads(out)["by"]
    assert code == 1 and by["cells"] == {"KC": 2, "PN": 1}
    assert by["within"] == {"edges": 2, "pairs": 1, "reciprocity": 1.0}
    assert by["between"]["pairs"] == 1
    words = " ".join(oneway("check", *CHEMICAL, "--nodes", "cells.csv", "--by", "side")[1].split())
    assert "cells cells.csv: 3 of 3 cells, named by 'name'" in words
    assert "left │ right │ 1 │ 1 │ 1 │ 1" in words


@pytest.mark.parametrize(
    "options",
    [
        ["--columns", "1,2"],
        ["--format", "table"],
        ["--encoding", "latin-1"],
        ["--part", "A"],
        ["--min-weight", "2"],
        ["--where", "a=b"],
        ["--by", "class"],
        ["--nodes", "cells.csv"],
        ["--findings"],
    ],
)
def test_a_circuit_takes_no_options_of_tables(oneway, options):
    code, out, err = oneway("check", "mlp:4-3-2", "--rule", "kp", *options)
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert f"is a circuit, and {options[0]} is for graph files: leave it out" in err
    assert options[0] in oneway("check", "--help")[1]


def test_refusals_are_one_line(oneway):
    code, out, err = oneway("check", "table.csv")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "take some with --where kind=chemical" in err
    assert oneway("check", "table.csv", "--format", "csv")[0] == 2
    code, out, err = oneway("check", "table.csv", "--where", "kind=chemical", "--null-seed", "-3")
    assert (code, out) == (2, "") and "--null-seed -3, expected 0 or more" in err
