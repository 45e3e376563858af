"""The command line: exit codes, JSON keys, one-line complaints, nothing else on standard output."""

import json
import subprocess
import sys
from pathlib import Path

import networkx as nx
import pytest

from oneway.circuits import mlp, save_circuit
from oneway.rules import RULES, parse_rule
from oneway.training.rulespage import rules_page

CHECK_KEYS = "circuit rule gate norm reciprocal_pairs weight_transport phases neurons ok".split()
GRAPH_KEYS = "nodes edges reciprocal_pairs reciprocity ok".split()
RUN_KEYS = (
    "rule circuit data epochs seed test_accuracy floor_accuracy published angles_deg seconds"
).split()
MLP = "mlp:64-32-32-10"
QUICK = ["train", "--circuit", "mlp:64-16-10", "--limit", "300,100", "--epochs", "2"]


# -- check -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "papers", "all_roles", "transport", "code"),
    [
        (["--rule", "bp"], 0, 64, "full", 0),
        (["--rule", "bp", "--constraint", "all"], 0, 64, "full", 1),
        (["--rule", "ss"], 0, 64, "signs", 0),
        (["--rule", "kp"], 64, 64, "none", 1),
        (["--rule", "asap,k=2", "--gate", "local"], 0, 0, "none", 0),
        (["--rule", "asap,gate=local", "--constraint", "all"], 0, 0, "none", 0),
    ],
)
def test_check_json_and_exit_code(oneway, options, papers, all_roles, transport, code):
    exit_code, out, err = oneway("check", MLP, *options, "--json")
    content = json.loads(out)
    assert set(CHECK_KEYS) <= set(content) and out.count("\n") == 1 and err == ""
    pairs = {"papers": papers, "all": all_roles, "output": 10, "relays_apart": papers}
    assert content["reciprocal_pairs"] == pairs
    assert content["weight_transport"] == transport
    assert (exit_code, content["ok"]) == (code, code == 0)


def test_check_says_how_it_was_wired(oneway):
    _, out, _ = oneway("check", MLP, "--rule", "asap", "--gate", "local", "--norm", "own", "--json")
    content = json.loads(out)
    assert (content["circuit"], content["rule"]) == (MLP, "asap")
    assert (content["gate"], content["norm"], content["phases"]) == ("local", "own", 2)


def test_check_for_people(oneway):
    code, out, _ = oneway("check", MLP, "--rule", "kp", "--locality")
    assert code == 1
    assert "h1, delta_h1" in out and "gate 32, teach 32" in out
    assert "2 connections, h1 -> delta_h1 and back" in out
    assert "'delta_h2 -> delta_h1' learns in phase 'engaged'" in out
    assert "1: everything happens at once" in out
    words = " ".join(oneway("check", MLP, "--rule", "wm")[1].split())
    assert "2, in turn: activity and errors flow; noise in place of data" in words


def test_check_headline_names_its_constraint(oneway):
    """What holds, over which roles, and what is set apart: no sentence that its numbers deny."""
    words = [
        " ".join(oneway("check", MLP, "--rule", rule, "--constraint", asked)[1].split())
        for rule, asked in (("asap", "papers"), ("asap", "all"), ("asap,gate=local", "all"))
    ]
    papers, every = "drive, teach, mimic (constraint papers)", "drive, teach, mimic, gate, norm"
    apart = "no reciprocal pair apart from the output comparator's 10"
    assert f"one-way over {papers}: {apart}" in words[0]
    assert (
        f"reciprocal over {every} (constraint all): 64 pairs of cells joined both ways" in words[1]
    )
    assert f"one-way over {every} (constraint all): {apart}" in words[2]


@pytest.mark.parametrize(
    ("asked", "code", "ok"),
    [
        ("papers,no-weight-transport", 0, [True, True]),
        ("no-sign-transport", 1, [False]),
        ("papers,no-sign-transport,fan-in=65", 1, [True, False, True]),
        ("fan-in<=64,all", 1, [False, False]),
    ],
)
def test_check_asks_what_is_asked(oneway, asked, code, ok):
    exit_code, out, _ = oneway("check", MLP, "--rule", "ss", "--constraint", asked, "--json")
    content = json.loads(out)
    assert (exit_code, content["ok"]) == (code, code == 0)
    assert [constraint["ok"] for constraint in content["constraints"]] == ok
    assert content["constraint"] == ("all" if "all" in asked else "papers")
    shown = oneway("check", MLP, "--rule", "ss", "--constraint", asked)[1]
    for constraint in content["constraints"]:
        assert constraint["ok"] or constraint["name"] + ": violated" in shown
        for violation in constraint["violations"]:
            assert violation["fix"] or violation["no_fix"]
            assert (violation["fix"] or f"no fix: {violation['no_fix']}") in shown


def test_check_asks_a_graph_too(oneway, tmp_path):
    (tmp_path / "edges.txt").write_text("a b\nb c\nc c\n")
    asked = ("--constraint", "papers,no-autapse,fan-in=1")
    code, out, _ = oneway("check", "edges.txt", *asked, "--json")
    assert code == 1
    assert [c["ok"] for c in json.loads(out)["constraints"]] == [True, False, True]
    code, out, _ = oneway("check", "edges.txt", *asked, "--findings")
    assert code == 0 and "fan-in<=1: holds: no cell hears from more than 1 others\n" in out
    assert oneway("check", "edges.txt", "--constraint", "one-to-one")[0] == 2


def test_check_compares_rules(oneway):
    """Known figures: the table of expected verdicts, and who tells whom how much."""
    code, out, _ = oneway("check", MLP, "--rules", "bp", "kp", "asap,gate=local", "--json")
    rows = json.loads(out)["rules"]
    assert code == 0
    assert [(r["rule"], r["papers"], r["all"], r["transport"]) for r in rows] == [
        ("bp", 0, 64, "full"),
        ("kp", 64, 64, "none"),
        ("asap,gate=local", 0, 0, "none"),
    ]
    assert [(r["loop"], r["loop_all"], r["told"]) for r in rows[:2]] == [
        (4, 2, [1, 1]),
        (2, 2, [1, 2]),
    ]
    # BP: feedback as dense as forward, three one-to-one teachings, two gates, two comparisons.
    assert rows[0]["connections"] == 32 * 32 + 32 * 10 + (32 + 32 + 10) + (32 + 32) + (10 + 10)
    shown = oneway("check", MLP, "--rules", "all")[1].splitlines()
    assert len(shown) > 20 and shown[1].split()[:4] == ["bp", "0", "64", "full"]
    code, _, err = oneway("check", "conv2:1x8x8-3,width=2,hidden=4", "--rules", "bp", "asap,k=4")
    assert code == 2 and "fits no block" in err


def test_page_on_what_rules_cost_is_up_to_date():
    page = Path(__file__).parents[2] / "docs" / "rules.md"
    written = page.read_text(encoding="utf-8")
    assert written == rules_page(), "write it anew: python -m oneway.training.rulespage"
    assert all(f"`{rule}`" in written for rule in RULES)


def test_check_says_what_synapses_read_beyond_their_two_cells(oneway):
    """Also of batch norm, which no spikes carry, and of more synapses than are listed."""
    conv = "alexnet:1x8x8-3,width=2,hidden=4"
    code, out, _ = oneway("check", conv, "--rule", "bp", "--signals")
    assert code == 0 and "read beyond a synapse's own two cells" in out
    assert "'delta_pool1 -> delta_h1' is told which cell of each window" in out
    assert "a mean over a batch is not at hand in a cell" in out or "oneway[spiking]" in out
    content = json.loads(oneway("check", conv, "--rule", "bp", "--locality", "--json")[1])
    assert "'x -> h1' is normalised by the mean and variance of a batch" in content["beyond"]
    assert "signals" not in content
    large = oneway("check", "mlp:900-700-10", "--rule", "bp", "--signals", "--json")[1]
    told = json.loads(large)["signals"]
    synapses = 900 * 700 + 2 * 700 * 10
    assert told["carriers"] is None and f"{synapses:,} synapses" in told["why_no_carriers"]
    assert {one["kind"] for one in told["beyond"]} == {"softmax", "weights"}
    code, _, err = oneway("check", MLP, "--rules", "bp", "kp", "--signals")
    assert code == 2 and "one wired circuit" in err


def test_check_sees_through_pools(oneway):
    """Cells of h1 and h2 in small: 2 x 8 x 8 and 4 x 4 x 4; each is told the error of its pool."""
    circuit = "alexnet:1x8x8-3,width=2,hidden=4"
    code, out, _ = oneway("check", circuit, "--rule", "asap,k=1,fully_connected=fa", "--json")
    content = json.loads(out)
    assert code == 1 and not content["ok"]
    assert content["reciprocal_pairs"]["papers"] == 2 * 8 * 8 + 4 * 4 * 4
    assert content["reciprocal_pairs"]["relays_apart"] == 0
    _, out, _ = oneway("check", circuit, "--rule", "asap,k=1,fully_connected=fa")
    words = " ".join(out.split())
    assert "pool1, pool2, pool3, delta_h3, delta_h2, delta_h1 only pass on" in words
    assert "0 pairs if they counted as neurons themselves" in words
    assert "2 connections, h1 -> delta_h1 and back, not counting those into relays" in words


@pytest.mark.parametrize("suffix", ["json", "graphml"])
def test_check_reads_a_saved_circuit(oneway, tmp_path, suffix):
    forward = save_circuit(mlp((4, 3, 2)), tmp_path / f"forward.{suffix}")
    wired = save_circuit(parse_rule("kp").wire(mlp((4, 3, 2))), tmp_path / f"wired.{suffix}")
    by_rule = json.loads(oneway("check", forward, "--rule", "kp", "--json")[1])
    as_saved = json.loads(oneway("check", wired, "--json")[1])
    assert by_rule["reciprocal_pairs"] == as_saved["reciprocal_pairs"]
    assert as_saved["rule"] is None
    code, _, err = oneway("check", wired, "--rule", "kp")
    assert code == 2 and err.startswith("oneway: error: ")


def test_check_reads_any_graph(oneway, tmp_path):
    nx.write_graphml(nx.DiGraph([("a", "b"), ("b", "a"), ("b", "c")]), tmp_path / "g.graphml")
    (tmp_path / "edges.txt").write_text("a b\nb c\n")
    code, out, _ = oneway("check", "g.graphml", "--json")
    content = json.loads(out)
    assert code == 1 and set(GRAPH_KEYS) <= set(content)
    assert (content["nodes"], content["edges"], content["reciprocal_pairs"]) == (3, 3, 1)
    assert content["reciprocity"] == pytest.approx(2 / 3)
    assert oneway("check", "edges.txt")[0] == 0
    code, _, err = oneway("check", "edges.txt", "--rule", "kp")
    assert code == 2 and "leave out --rule" in err


RULE_FILE = """
from dataclasses import dataclass
from oneway.rules import Rule, with_feedback_path
from oneway.rules.feedback import INDEPENDENT
print("hello from the rule file")

@dataclass(frozen=True)
class Mine(Rule, name="mine"):
    def wire(self, forward):
        wiring = with_feedback_path(forward, self, weights=INDEPENDENT)
        for w in wiring.learning_drives():
            wiring.learn_from_error(w)
        return wiring.build()
"""


@pytest.fixture
def rule_file(tmp_path):
    from oneway.rules import RULES

    path = tmp_path / "my_rule.py"
    path.write_text(RULE_FILE)
    yield path
    RULES.pop("mine", None)


def test_a_rule_in_a_file_is_checked_and_trained(oneway, rule_file):
    code, out, err = oneway("check", MLP, "--rule", rule_file, "--json")
    assert code == 0 and json.loads(out)["rule"] == "mine" and "hello" in err
    code, out, _ = oneway(*QUICK, "--rule", rule_file, "--json")
    assert code == 0 and json.loads(out)["runs"][0]["rule"] == "mine"


def test_a_slip_in_a_rule_file_is_one_line(oneway, rule_file):
    rule_file.write_text(
        RULE_FILE.replace("with_feedback_path(forward, self, ", "with_feedback_path(")
    )
    code, out, err = oneway("check", MLP, "--rule", rule_file)
    assert (code, out) == (2, "")
    last = err.strip().splitlines()[-1]
    assert last.startswith(
        f"oneway: error: rule mine: wire() fails in '{rule_file}', line 10: Type"
    )


# -- train -------------------------------------------------------------------------------------


def test_train_json_has_every_key_once_a_run(oneway, tmp_path):
    arguments = (*QUICK, "--rule", "kp", "--seeds", 2, "--floor", "--out", "runs/a", "--json")
    code, out, err = oneway(*arguments)
    content = json.loads(out)
    assert code == 0 and out.count("\n") == 1
    assert [run["seed"] for run in content["runs"]] == [0, 1]
    for run in content["runs"]:
        assert set(RUN_KEYS) <= set(run)
        assert 0 < run["floor_accuracy"] <= 1 and 0 < run["test_accuracy"] <= 1
        assert list(run["angles_deg"]) == ["delta_output -> delta_h1"]
        saved = json.loads((tmp_path / f"runs/a/seed{run['seed']}/result.json").read_text())
        assert saved == run
    assert err.count("converge with time constant") == 1


def test_train_table_for_people(oneway):
    code, out, _ = oneway(*QUICK, "--rule", "fa", "--seeds", 2)
    assert code == 0
    assert "fa on mlp:64-16-10, digits, 2 epochs" in out
    assert " ± " in out and "delta_output -> delta_h1" in out
    assert "metrics and results: runs/" in out


def test_recipe_set_and_options_win_in_this_order(oneway, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'circuit = "mlp:64-8-10"\nrule = "fa"\nlimit = 200\n'
        "epochs = 9\nlr = 1\nseed = 4\nmomentum = 0.5\n"
    )
    arguments = (
        "train",
        recipe,
        "--set",
        "epochs=8",
        "--set",
        "momentum=0.2",
        "--epochs",
        1,
        "--json",
    )
    (run,) = json.loads(oneway(*arguments)[1])["runs"]
    assert (run["epochs"], run["config"]["momentum"], run["seed"]) == (1, 0.2, 4)
    assert type(run["config"]["lr"]) is float  # a whole number in the file


BAD = {
    "unknown rule": (
        [*QUICK, "--rule", "kpp"],
        "no rule 'kpp'; did you mean 'kp' or 'dkp'? there are bp, fa",
    ),
    "no rule": (QUICK, "it learns nothing without a rule"),
    "rule option": ([*QUICK, "--rule", "asap,j=2"], "rule asap: no option 'j'; there are gate, n"),
    "gate": ([*QUICK, "--rule", "fa", "--gate", "open"], "gate = 'open', expected one of exact"),
    "circuit": (["check", "mlq:64-10", "--rule", "fa"], "neither a file nor a builder string"),
    "size": (["check", "mlp:64-x", "--rule", "fa"], "expected the form 64-32-32-10"),
    "forward only": (["check", MLP], "name a rule with --rule"),
    "constraint": (["check", MLP, "--rule", "fa", "--constraint", "x"], "expected one of papers"),
    "no data dir": (
        ["train", "--circuit", "mlp:784-10", "--rule", "fa", "--data", "mnist"],
        "--data-dir",
    ),
    "data dir": (
        [*QUICK, "--rule", "fa", "--data", "mnist", "--data-dir", "no"],
        "'no' is not there",
    ),
    "shape": (
        ["train", "--circuit", "mlp:65-10", "--rule", "fa"],
        "but the circuit's input has (65,)",
    ),
    "classes": (
        ["train", "--circuit", "mlp:64-9", "--rule", "fa"],
        "has 10 classes, but the output",
    ),
    "out": (
        [*QUICK, "--rule", "fa", "--out", "file/x"],
        "output folder 'file/x' cannot be written",
    ),
    "epochs": ([*QUICK, "--rule", "fa", "--epochs", "-3"], "epochs = -3, expected at least 1"),
    "number": ([*QUICK, "--rule", "fa", "--lr", "fast"], "lr = 'fast', expected a number"),
    "milestones": (
        [*QUICK, "--rule", "fa", "--schedule", "step", "--milestones", "2,x"],
        "milestones = '2,x', expected whole numbers",
    ),
    "warm-up": ([*QUICK, "--rule", "fa", "--warmup-epochs", "2"], "expected fewer than the 2"),
    "decay": (
        [*QUICK, "--rule", "kp", "--floor", "--feedback-weight-decay", "0.1"],
        "feedback_weight_decay = 0.1: they would never align",
    ),
    "limit": ([*QUICK, "--rule", "fa", "--limit", "1,2,3"], "limit = '1,2,3', expected a whole n"),
    "twice": ([*QUICK, "--set", "lr=1", "--set", "lr=2"], "--set: option 'lr' is given twice"),
    "seeds": ([*QUICK, "--rule", "fa", "--seeds", "0"], "seeds = 0, expected at least 1"),
    "diverged": ([*QUICK, "--rule", "fa", "--lr", "1e30"], "the loss is not finite any more"),
    "no recipe": (["train", "nothing.toml"], "recipe 'nothing.toml' cannot be read"),
    "recipe": (["train", "file"], "recipe 'file' is not a TOML file"),
    "key": (["train", "key.toml"], "no option 'epoch'; did you mean 'epochs'?"),
    "type": (["train", "type.toml"], "epochs = 'many', expected a whole number"),
    "set": ([*QUICK, "--rule", "fa", "--set", "lr"], "expected key=value"),
    "option": ([*QUICK, "--rule", "fa", "--epoch", "3"], "did you mean --epochs?"),
    "command": (["trian"], "invalid choice: 'trian'"),
    "nothing": ([], "required: COMMAND"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_2(oneway, tmp_path, case):
    (tmp_path / "file").write_text("this is no recipe")
    (tmp_path / "key.toml").write_text("epoch = 3")
    (tmp_path / "type.toml").write_text('epochs = "many"')
    arguments, complaint = BAD[case]
    code, out, err = oneway(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("oneway: error: ") and err.count("\n") == 1
    assert complaint in err


@pytest.mark.parametrize("command", [[], ["check"], ["train"], ["demo"]])
def test_help(oneway, command):
    code, out, _ = oneway(*command, "--help")
    assert code == 0 and out.startswith("usage: oneway")


def test_run_as_a_module():
    process = subprocess.run(
        [sys.executable, "-m", "oneway.training", "--version"], capture_output=True, text=True
    )
    assert process.returncode == 0 and process.stdout.startswith("oneway ")


def test_check_does_not_wait_for_torch():
    code = (
        "import sys; from oneway.training.cli.main import main; "
        f"main(['check', '{MLP}', '--rule', 'asap', '--json']); sys.exit('torch' in sys.modules)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
