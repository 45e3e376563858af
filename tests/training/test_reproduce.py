"""A table run again: what is planned for a budget, at which length, and what is left behind."""

import json
import re
import time
from contextvars import Context
from io import StringIO
from shutil import rmtree

import numpy as np
import pytest
from rich.console import Console

from oneway.backends.rate import RateNetwork
from oneway.training import TrainConfig, load_data, locking, progress
from oneway.training.cli.reproduction_shown import show_table
from oneway.training.compare import read_runs
from oneway.training.locking import LOCK, locked
from oneway.training.optimization.schedules import rate_factor
from oneway.training.recipes.recipe import Recipe, make_recipe
from oneway.training.reproduction import running
from oneway.training.reproduction.cells import Cell, cells_of, in_order
from oneway.training.reproduction.lengths import at_length
from oneway.training.reproduction.measuring import Measure, measure
from oneway.training.reproduction.planning import RESERVE, plan

TABLE = """
source = "a thesis, Table 3"
[common]
data = "digits"
limit = [240, 60]
epochs = 4
lr = 0.02
validation = 0.1
schedule = "cosine"
[columns]
kp = { rule = "kp", note = "seen once" }
bp = { rule = "bp" }
floor = { rule = "bp,frozen=hidden", always = true }
[rows.small]
circuit = "mlp:64-8-10"
published = { bp = 97.5, kp = 96 }
[rows.deep]
circuit = "mlp:64-8-8-10"
published = { bp = 98, kp = 97.0 }
"""
ORDER = ["small/bp", "small/floor", "small/kp", "deep/bp", "deep/floor", "deep/kp"]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TABLE)
    return path


@pytest.fixture
def quick(monkeypatch):
    """Every epoch is measured as a thousand seconds long, whatever the cell."""
    asked = []

    def thousand_seconds(recipe, rule, wired, data, folder):
        asked.append(recipe.rule)
        return Measure(100.0, 0.0, 0.0, 0.0, 0.0, 0.0, steps=10, evaluated=60)

    monkeypatch.setattr(running, "measure", thousand_seconds)
    return asked


def contents(folder):
    return json.loads((folder / "table.json").read_text())


def finished(folder):
    return sorted(folder.rglob("result.json"))


def metrics(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


# -- plans ---------------------------------------------------------------------------------------


def cell(row, column, epochs=10, seeds=1):
    part = {"bp": "bp", "fc-only": "floor"}.get(column)
    rule = {"fc-only": "bp,frozen=conv"}.get(column, column)
    settings = {"circuit": "conv2:1x8x8-10", "rule": rule, "epochs": epochs, "seeds": seeds}
    return Cell("t", row, column, settings, part=part)


COSTS = {"kp": 3.0, "bp": 2.0, "fc-only": 1.0}  # seconds an epoch


def planned(budget_s, seeds=1, epochs=None):
    cells = in_order(cell(row, column, seeds=seeds) for row in "ab" for column in COSTS)
    jobs = plan(cells, lambda c, n: n * COSTS[c.column], budget_s, epochs)
    return " ".join(f"{j.name}{'' if j.epochs == 10 else f'@{j.epochs}'}:{j.seed}" for j in jobs)


A, B = (f"{row}/bp:0 {row}/fc-only:0 {row}/kp:0" for row in "ab")


@pytest.mark.parametrize(
    ("usable_s", "expected"),
    [
        (120, f"{A} {B}"),
        # 119 - 60 hold bp and the floor of b at full length; the rest, 29, four epochs of all of b
        (119, f"{A} b/bp:0 b/fc-only:0 b/bp@4:0 b/fc-only@4:0 b/kp@4:0"),
        (60, A),
        (66, f"{A} b/bp@1:0 b/fc-only@1:0 b/kp@1:0"),
        (20.5, "a/bp:0"),
        (29, "a/bp:0 a/bp@1:0 a/fc-only@1:0 a/kp@1:0"),
        (12, "a/fc-only:0"),
        (9, "a/bp@1:0 a/fc-only@1:0 a/kp@1:0"),
        (5, ""),
    ],
)
def test_rows_that_fit_then_one_row_shortened(usable_s, expected):
    assert planned(usable_s / (1 - RESERVE)) == expected


def test_every_cell_has_its_first_seed_before_any_has_its_second():
    second = f"{A} {B}".replace(":0", ":1")
    assert planned(None, seeds=2) == f"{A} {B} {second}"
    # of a second seed nothing is shortened
    assert planned(150 / (1 - RESERVE), seeds=2) == f"{A} {B} a/bp:1 a/fc-only:1"
    assert planned(129 / (1 - RESERVE), seeds=2) == f"{A} {B}"


def test_a_length_that_was_asked_for_is_not_shortened_further():
    assert planned(13.5 / (1 - RESERVE), epochs=2) == "a/bp@2:0 a/fc-only@2:0 a/kp@2:0"
    assert planned(5 / (1 - RESERVE), epochs=2) == "a/bp@2:0"


def test_a_cell_that_was_not_measured_fits_no_budget():
    cells = [cell("a", "bp"), cell("a", "kp")]
    jobs = plan(cells, lambda c, n: 1.0 if c.column == "bp" else None, 1e9)
    assert [job.column for job in jobs] == ["bp"]


# -- lengths -------------------------------------------------------------------------------------

COURSES = {
    "cosine": {"schedule": "cosine"},
    "milestones": {"schedule": "step", "milestones": (30, 60)},
    "steps": {"schedule": "step", "step_epochs": 30},
    "steps of one epoch": {"schedule": "step", "step_epochs": 1, "step_factor": 0.9},
    "warm-up": {"schedule": "cosine", "warmup_epochs": 9},
    "feedback": {"feedback_schedule": "step", "feedback_step_epochs": 3},
}


@pytest.mark.parametrize("course", COURSES)
@pytest.mark.parametrize("path", ["forward", "feedback"])
def test_a_shortened_schedule_has_the_same_course(course, path):
    """At epoch e of 30 a rate is what it is at epoch 3e of 90."""
    settings = {"circuit": "mlp:64-8-10", "rule": "kp", "epochs": 90, **COURSES[course]}
    short, full = (make_recipe(s).config for s in (at_length(settings, 30), settings))
    assert short.epochs == 30
    rates = [rate_factor(short, path)(epoch) for epoch in range(30)]
    expected = [rate_factor(full, path)(3 * epoch) for epoch in range(30)]
    if course == "warm-up":  # which rises to the same height, in steps of another size
        rates, expected = rates[3:], expected[3:]
    assert rates == pytest.approx(expected)


def test_where_steps_would_come_more_often_than_epochs_each_takes_all_that_fall_on_it():
    settings = {"circuit": "mlp:64-8-10", "epochs": 50, "feedback_schedule": "step"}
    settings |= {"feedback_step_epochs": 1, "feedback_step_factor": 0.85, "milestones": (1, 2, 40)}
    settings |= {"schedule": "step", "spontaneous_warmup_epochs": 2}
    short = at_length(settings, 10)
    assert short["feedback_step_factor"] == pytest.approx(0.85**5)
    assert short["milestones"] == (1, 2, 8) and short["spontaneous_warmup_epochs"] == 1
    assert at_length(settings, 50) == settings
    assert at_length(settings, 1)["milestones"] == ()


def test_another_length_is_another_cell():
    dkp = cells_of("direct-kp-table1/cifar10/dkp")[0]
    assert (dkp.label(50), dkp.label(30)) == ("cifar10/dkp", "cifar10/dkp @ 30 epochs")
    assert dkp.folder(50, 0).as_posix() == "cifar10/dkp/seed0"
    assert dkp.folder(30, 1).as_posix() == "cifar10/dkp@30/seed1"
    assert dkp.figure(50).differs == () and "epochs" in dkp.figure(30).differs


def test_backpropagation_and_floor_come_first():
    cells = cells_of("direct-kp-table1")
    assert [c.column for c in cells[:3]] == ["bp", "fc-only", "kp"]
    assert [c.part for c in cells[:3]] == ["bp", "floor", None]


# -- measuring -----------------------------------------------------------------------------------


def test_a_prediction_adds_up_what_was_measured():
    taken = Measure(0.1, 0.01, 1.0, 5.0, 99.0, 0.2, steps=100, evaluated=200)
    config = TrainConfig(epochs=3, spontaneous_warmup_epochs=2)
    assert taken.predict(config) == pytest.approx(5 + 2 * 100 * 0.2 + 3 * (10 + 2 + 1))


@pytest.mark.parametrize("rule", ["bp", "wm"])
def test_a_measure_is_of_the_whole_run(tmp_path, rule):
    """A few steps are taken, and counted are those of all samples, held-out ones aside."""
    settings = {"circuit": "mlp:64-8-10", "rule": rule, "validation": 0.1, "batch_size": 32}
    recipe = make_recipe(settings | {"lr": 1e30})  # where a run blows up, the clock still runs
    wired = recipe.make_rule().wire(recipe.make_circuit())
    data = load_data("digits", shape=(64,))
    found = measure(recipe, recipe.make_rule(), wired, data, tmp_path / "x")
    assert (found.steps, found.evaluated) == (41, 360 + 144)  # 1,437 - 144 in batches of 32
    assert 0 < found.step_s < 1 and 0 < found.sample_s < 0.1 and 0 <= found.epoch_s < 10
    assert (found.warmup_step_s > 0) == (rule == "wm")
    assert found.step_bytes > 4 * 32 * (64 + 8 + 10)  # its activity alone takes that


# -- runs ----------------------------------------------------------------------------------------


def test_a_table_is_run_and_written(oneway, table, quick, tmp_path, monkeypatch):
    loads = []
    load = Recipe.load_data
    monkeypatch.setattr(Recipe, "load_data", lambda *a: loads.append(a) or load(*a))
    arguments = ("--rows", "small", "--epochs", "2", "--seeds", "2", "--out", "out", "--json")
    code, out, err = oneway("reproduce", table, *arguments)
    assert code == 0, err
    assert len(loads) == 1  # one row, one shape: read once for all six runs
    content = json.loads(out)
    assert content == contents(tmp_path / "out")
    bp, floor, kp = (line for line in content["cells"] if line["planned"])
    assert [line["cell"] for line in (bp, floor, kp)] == [
        f"small/{name} @ 2 epochs" for name in ("bp", "floor", "kp")
    ]
    assert kp["n"] == 2 and kp["runs"] == [f"runs/small/kp@2/seed{i}" for i in (0, 1)]
    runs = read_runs([tmp_path / "out/runs/small/kp@2"])
    accuracies = [run.about["test_accuracy"] for run in runs]
    assert kp["test_accuracy"]["values"] == accuracies
    assert kp["selected"]["values"] == [run.about["selected"]["test_accuracy"] for run in runs]
    mean = sum(accuracies) / 2
    assert kp["difference"] == pytest.approx(100 * (mean - 0.96))
    assert kp["behind_bp"] == pytest.approx(100 * (mean - bp["test_accuracy"]["mean"]))
    assert kp["behind_bp_published"] == pytest.approx(-1.5)
    assert kp["floor_accuracy"] == floor["test_accuracy"]["mean"] and floor["published"] is None
    assert kp["unlike_published"] == ["epochs"] and 0 < kp["weight_angle_deg"]["mean"] < 100
    hidden = [run.history[-1]["error_angles_deg"]["delta_h1"] for run in runs]
    assert kp["error_angle_deg"]["values"] == hidden and min(hidden) > 0
    assert runs[0].about["published_recipe"] == "mine/small/kp"
    page = (tmp_path / "out/table.md").read_text()
    assert content["command"] in page and "| kp @ 2 | 2 |" in page and "96.00*" in page
    assert content["versions"]["torch"] in page and content["hardware"][0] in page
    assert page.count("seen once") == 1 and "6 runs to do, about 3.3 h" in err
    assert oneway("compare", "out")[0] == 0
    seen = Console(file=StringIO(), width=1000)
    kp["error_angle_deg"] = kp["weight_angle_deg"]
    show_table(seen, content)
    (widest,) = [row for row in seen.file.getvalue().splitlines() if row.startswith(" kp @ 2")]
    assert "±" in widest and len(widest) <= 94  # of 100, the longest rule has six letters more


@pytest.mark.usefixtures("saved_each_epoch")
@pytest.mark.parametrize("moment", ["measuring", "first epoch", "second run"])
def test_goes_on_where_it_was_interrupted(oneway, table, quick, tmp_path, monkeypatch, moment):
    start = ("reproduce", table, "--rows", "small", "--rules", "bp,kp")
    assert oneway(*start, "--out", "whole")[0] == 0
    steps = {"measuring": 0, "first epoch": 2, "second run": 4 * 4 + 4 + 2}[moment]

    def interrupted(self, *given, step=RateNetwork.step, **options):
        nonlocal steps
        steps -= 1
        if steps < 0:
            raise KeyboardInterrupt
        return step(self, *given, **options)

    with monkeypatch.context() as patched:
        patched.setattr(RateNetwork, "step", interrupted)
        if moment == "measuring":
            patched.setattr(running, "measure", lambda *a: interrupted(None))
        code, _, err = oneway(*start, "--out", "cut")
    assert code == 130 and "oneway reproduce --resume --out cut" in err
    unfinished = [".plan.json.99.json", ".table.md.99.md"]  # as of a process that was killed
    if moment == "second run":
        unfinished.append("runs/small/bp/seed0/.reproduction.json.99.json")
    for name in unfinished:
        (tmp_path / "cut" / name).touch()
    code, out, err = oneway("reproduce", "--resume", "--out", "cut")
    assert code == 0, err
    assert not list((tmp_path / "cut").rglob(".*.99.*"))
    left = {"measuring": "2.2 h", "first epoch": "2.2 h", "second run": "50.0 min"}[moment]
    assert f"to do, about {left}\n" in out
    assert ("goes on after epoch 1 of 4" in err) == (moment == "second run")
    for run in ("bp/seed0", "kp/seed0"):
        whole, cut = (tmp_path / name / "runs/small" / run for name in ("whole", "cut"))
        assert metrics(whole) == metrics(cut) and len(metrics(cut)) == 4
    assert [line["status"] for line in contents(tmp_path / "cut")["cells"]] == ["done"] * 2
    # all is done: nothing is trained again
    with monkeypatch.context() as patched:
        patched.setattr(RateNetwork, "step", None)
        assert oneway("reproduce", "--resume", "--out", "cut")[0] == 0


def test_a_budget_is_kept_and_what_it_left_out_is_resumed(oneway, table, quick, tmp_path):
    # Four epochs of three cells take 12,000 s, and one of each again 3,000 s: a tenth is kept.
    code, out, err = oneway("reproduce", table, "--budget", "17222s", "--out", "out")
    assert code == 0, err
    assert quick == ["bp", "bp,frozen=hidden", "kp"] * 2
    made = {str(p.parents[1].relative_to(tmp_path / "out/runs")) for p in finished(tmp_path)}
    assert made == {*ORDER[:3], "deep/bp@1", "deep/floor@1", "deep/kp@1"}
    assert "left out for the budget: deep/bp (seed 0)" in out and "3 runs are missing" in out
    before = {path: path.stat().st_mtime_ns for path in finished(tmp_path)}
    code, out, err = oneway("reproduce", "--resume", "--out", "out")
    assert code == 0 and "missing" not in out
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())
    lines = contents(tmp_path / "out")["cells"]
    short = [f"{name} @ 1 epoch" for name in ORDER[3:]]
    assert [line["cell"] for line in lines] == ORDER + short
    assert all(line["status"] == "done" for line in lines)
    # Each length is read beside backpropagation and the floor of the same length.
    accuracies = [line["test_accuracy"]["mean"] for line in lines]
    for kp, bp, floor in ((5, 3, 4), (8, 6, 7)):
        beside = lines[kp]["bp_accuracy"], lines[kp]["floor_accuracy"]
        assert beside == (accuracies[bp], accuracies[floor])
        assert lines[kp]["bp_published"] == 0.98
    assert len(quick) == 6  # measured once


def test_a_run_that_would_go_past_the_budget_is_not_begun(oneway, table, quick, tmp_path):
    assert oneway("reproduce", table, "--rows", "small", "--plan", "--out", "out")[0] == 0
    assert not (tmp_path / "out/runs").exists()
    code, out, err = oneway("reproduce", "--resume", "--out", "out", "--budget", "30s")
    assert code == 0 and err.count("not begun") == 3 and "3 runs are missing" in out


def test_what_another_machine_took_is_measured_again(oneway, table, quick, tmp_path):
    assert oneway("reproduce", table, "--rows", "small", "--plan", "--out", "out")[0] == 0
    assert oneway("reproduce", "--resume", "--out", "out", "--plan")[0] == 0 and len(quick) == 3
    path = tmp_path / "out/plan.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"hardware": "another, 96 cores; load 0.1"}))
    assert oneway("reproduce", "--resume", "--out", "out", "--plan")[0] == 0 and len(quick) == 6


def test_what_may_change_later(oneway, table, quick, tmp_path):
    """Speed, which is measured anew, and where data lie."""
    assert oneway("reproduce", table, "--rows", "small", "--plan", "--out", "out")[0] == 0
    resume = ("reproduce", "--resume", "--out", "out", "--data-dir", "elsewhere")
    assert oneway(*resume, "--plan")[0] == 0 and len(quick) == 3
    code, _, err = oneway(*resume, "--channels-last")
    assert code == 0 and len(quick) == 6, err
    plan = json.loads((tmp_path / "out/plan.json").read_text())
    for cell in plan["cells"]:
        assert cell["settings"]["data_dir"] == str(tmp_path / "elsewhere")
    runs = list((tmp_path / "out").rglob("config.json"))
    assert len(runs) == 3
    assert all(json.loads(run.read_text())["config"]["channels_last"] for run in runs)
    code, _, err = oneway("reproduce", "--resume", "--out", "out", "--compile", "banana")
    assert code == 2 and err.startswith("oneway: error: compile = 'banana', expected one of no")


def test_a_plan_for_a_gpu_goes_on_where_there_is_none(oneway, table, quick, tmp_path):
    assert oneway("reproduce", table, "--rows", "small", "--plan", "--out", "out")[0] == 0
    path = tmp_path / "out/plan.json"
    content = json.loads(path.read_text())
    for planned in content["cells"]:
        planned["settings"]["device"] = "cuda:77"
    path.write_text(json.dumps(content | {"hardware": "a GPU"}))
    resume = ("reproduce", "--resume", "--out", "out")
    code, _, err = oneway(*resume)
    assert code == 2 and err.startswith("oneway: error: device = 'cuda:77' cannot be used here")
    assert err.endswith("Try 'cpu'\n") and json.loads(path.read_text())["hardware"] == "a GPU"
    assert oneway(*resume, "--device", "cpu")[0] == 0 and len(quick) == 6
    assert {c["status"] for c in contents(tmp_path / "out")["cells"]} == {"done"}


def everything(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("look", ["--device cpu:0", "--channels-last", "elsewhere"])
def test_a_look_at_how_it_would_go_on_otherwise_changes_nothing(
    oneway, table, quick, tmp_path, look
):
    assert oneway("reproduce", table, "--rows", "small", "--out", "out")[0] == 0
    (tmp_path / "out/runs/small/kp/seed0/result.json").unlink()
    if look == "elsewhere":
        path = tmp_path / "out/plan.json"
        content = json.loads(path.read_text())
        path.write_text(json.dumps(content | {"hardware": "another machine"}))
        look = "--plan"
    before = everything(tmp_path / "out")
    resume = ("reproduce", "--resume", "--out", "out", "--plan", *look.split())
    code, out, err = oneway(*resume)
    assert code == 0 and "1 run to do" in out and "nothing in out is changed" in err
    assert everything(tmp_path / "out") == before


def test_what_is_finished_needs_no_data(oneway, table, quick, tmp_path):
    data = tmp_path / "data.npz"
    x, y = np.zeros((20, 64), np.float32), np.arange(20) % 10
    np.savez(data, train_x=x, train_y=y, test_x=x, test_y=y)
    table.write_text(TABLE.replace('data = "digits"\nlimit = [240, 60]', f'data = "{data}"'))
    run = ("reproduce", table, "--rows", "small", "--out", "out", "--rules", "bp")
    assert oneway(*run)[0] == 0
    data.unlink()
    code, out, err = oneway("reproduce", "--resume", "--out", "out")
    assert code == 0 and "0 runs to do" in out and "data.npz is not there" in out, err
    (tmp_path / "out/runs/small/bp/seed0/result.json").unlink()
    code, _, err = oneway("reproduce", "--resume", "--out", "out")
    assert code == 2 and "can be run here: small/bp: " in err


def test_where_nothing_can_be_run_the_folder_stays_free(oneway, table, tmp_path):
    """So that the same command works once the table is mended."""
    table.write_text(TABLE.replace("mlp:64-8-10", "mlp:63-8-10"))
    run = ("reproduce", table, "--rows", "small", "--epochs", "1", "--out", "out")
    code, _, err = oneway(*run)
    assert code == 2 and "nothing of" in err and not (tmp_path / "out").exists()
    table.write_text(TABLE)
    assert oneway(*run)[0] == 0


def test_rows_behind_the_budget_are_not_measured(oneway, table, quick):
    assert oneway("reproduce", table, "--budget", "13000s", "--plan")[0] == 0
    assert quick == ["bp", "bp,frozen=hidden", "kp"]


def test_a_cell_that_fails_is_marked_and_the_others_go_on(oneway, table, quick, tmp_path):
    table.write_text(TABLE.replace('rule = "bp" }', 'rule = "bp", lr = 1e30 }'))
    code, *_ = oneway("reproduce", table, "--rows", "small", "--out", "out")
    assert code == 1
    bp, floor, kp = contents(tmp_path / "out")["cells"]
    assert bp["status"] == "failed" and "the loss is not finite any more" in bp["reason"]
    assert floor["status"] == kp["status"] == "done" and bp["n"] == 0
    assert kp["bp_accuracy"] is None and kp["behind_bp"] is None
    assert "bp: failed: seed 0" in (tmp_path / "out/table.md").read_text()


def test_a_cell_that_cannot_be_measured_is_marked_too(oneway, table, monkeypatch, tmp_path):
    def measured(recipe, *rest):
        if recipe.rule == "kp":
            raise RuntimeError("out of memory\nand more")
        return Measure(0.1, 0.0, 0.0, 0.0, 0.0, 0.0, steps=1, evaluated=1)

    monkeypatch.setattr(running, "measure", measured)
    code, _, err = oneway("reproduce", table, "--rows", "small", "--out", "out", "--epochs", "1")
    assert code == 1 and "small/kp: failed: out of memory\n" in err
    kp = contents(tmp_path / "out")["cells"][2]
    assert (kp["status"], kp["reason"], kp["n"]) == ("failed", "out of memory", 0)


def test_missing_data_are_said_before_anything_starts(oneway, table, quick, tmp_path):
    mnist = TABLE.replace('mlp:64-8-8-10"', 'mlp:784-8-10"\ndata = "mnist"')
    table.write_text(mnist)
    code, out, err = oneway("reproduce", table, "--epochs", "1", "--rules", "bp", "--out", "out")
    assert code == 0
    assert re.search(r"no data for deep/bp: mnist is read from its official files", out)
    lines = contents(tmp_path / "out")["cells"]
    assert [line["status"] for line in lines] == ["done", "no data"]
    code, _, err = oneway("reproduce", table, "--rows", "deep", "--out", "none")
    assert code == 2 and "nothing of" in err and not (tmp_path / "none").exists()


def test_data_are_prepared_once():
    data = load_data("digits", limit=(240, 60))
    held = data.prepared(0.1, "cpu")
    assert held is data.prepared(0.1, "cpu") and (held.n_train, held.n_validation) == (216, 24)
    assert data.prepared(0.0, "cpu").n_train == data.n_train == 240


def test_a_log_gets_a_line_now_and_then(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.ProgressBar("kp, seed 0", 4) as bar:
        for now[0] in (1.0, 59.0, 61.0, 62.0):
            bar.advance("epoch 1")
    assert capsys.readouterr().err == "kp, seed 0 epoch 1: 3 of 4\n"


# -- nonsense ------------------------------------------------------------------------------------

WRONG = {
    "no such table": (["asap-tabel1"], "Did you mean 'asap-table1"),
    "no such row": (["T", "--rows", "smal"], "no row 'smal'; did you mean 'small'?"),
    "no such rule": (["T", "--rules", "asap"], "no rule 'asap'; there are kp, bp, floor"),
    "no budget": (["T", "--budget", "banana"], "budget 'banana', expected a time as in 25m"),
    "a budget without a unit": (["T", "--budget", "25"], "expected a time as in 25m"),
    "a budget of nothing": (["T", "--budget", "0s"], "expected a time as in 25m"),
    "no epochs": (["T", "--epochs", "0"], "epochs = 0, expected at least 1"),
    "no seeds": (["T", "--seeds", "-1"], "seeds = -1, expected at least 1"),
    "no such device": (["T", "--device", "abacus"], "device = 'abacus' cannot be used"),
    "no such type": (["T", "--dtype", "int3"], "dtype = 'int3', expected one of float32"),
    "no table": ([], "no table given"),
    "a folder of something else": (["T", "--out", "."], "holds something else (mine.toml)"),
    "nothing to resume": (["--resume", "--out", "empty"], "holds no reproduction to resume"),
    "resume where": (["--resume"], "--resume needs the folder"),
    "resume with more": (
        ["--resume", "--out", "empty", "--seeds", "3", "--compile", "default"],
        "takes no --seeds. Leave that out (what may change is --device, --channels-last,",
    ),
    "a single recipe": (["lone.toml"], "is a single recipe and no table"),
    "a budget too small": (
        ["T", "--budget", "20s"],
        "a single epoch of all in small takes 50.0 min",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_nonsense_is_one_sentence(oneway, table, quick, tmp_path, case):
    arguments, complaint = WRONG[case]
    if case == "a single recipe":
        (tmp_path / "lone.toml").write_text('circuit = "mlp:64-10"\nrule = "bp"\n')
    code, out, err = oneway("reproduce", *(table if a == "T" else a for a in arguments))
    assert code == 2 and out == ""
    last = err.splitlines()[-1]
    assert last.startswith("oneway: error: ") and complaint in last


@pytest.mark.parametrize("damage", ['{"format"', "[]", None])
def test_a_damaged_plan_is_one_sentence(oneway, table, quick, tmp_path, damage):
    assert oneway("reproduce", table, "--plan", "--out", "out")[0] == 0
    path = tmp_path / "out/plan.json"
    content = json.loads(path.read_text())
    content["jobs"][0]["rows"] = 3
    path.write_text(json.dumps(content) if damage is None else damage)
    code, _, err = oneway("reproduce", "--resume", "--out", "out")
    assert code == 2 and "plan.json' is damaged" in err and len(err.splitlines()) == 1


def test_a_damaged_run_can_be_run_anew(oneway, table, quick, tmp_path):
    go_on = ("reproduce", "--resume", "--out", "out")
    assert oneway("reproduce", table, "--rows", "small", "--out", "out")[0] == 0
    result = tmp_path / "out/runs/small/kp/seed0/result.json"
    before = metrics(result.parent)
    result.write_text("")
    code, _, err = oneway(*go_on)
    assert code == 2 and str(result.relative_to(tmp_path)) in err.splitlines()[-1]
    assert "or remove it and run it anew" in err
    rmtree(result.parent)
    assert oneway(*go_on)[0] == 0 and metrics(result.parent) == before


@pytest.mark.parametrize(
    ("about", "complaint"),
    [
        ('{"format": "oneway-reproduction", "version": 2}', "pip install --upgrade oneway"),
        ("{}", "it states the format None, expected 'oneway-reproduction'"),
    ],
)
def test_a_plan_of_another_version_is_not_damaged(oneway, tmp_path, about, complaint):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/plan.json").write_text(about)
    code, _, err = oneway("reproduce", "--resume", "--out", "out")
    assert code == 2 and complaint in err and "damaged" not in err and len(err.splitlines()) == 1


def test_a_folder_is_used_once(oneway, table, quick):
    assert oneway("reproduce", table, "--plan", "--out", "out")[0] == 0
    code, _, err = oneway("reproduce", table, "--out", "out")
    assert code == 2 and "holds a reproduction already" in err


# -- several calls ---------------------------------------------------------------------------------

RESUME = ("reproduce", "--resume", "--out", "out")


def test_one_call_plans_and_the_others_wait(oneway, table, quick, tmp_path, monkeypatch):
    import fcntl

    assert oneway("reproduce", table, "--rows", "small", "--plan", "--out", "out")[0] == 0
    plan = tmp_path / "out/plan.json"
    before, waited, sleep = plan.read_bytes(), [], time.sleep
    other = (tmp_path / "out" / LOCK).open("w")
    fcntl.flock(other, fcntl.LOCK_EX)
    other.write("process 3 on elsewhere")
    other.flush()

    def wait(seconds):
        waited.append((seconds, plan.read_bytes() == before))
        if len(waited) == 3:
            other.close()
        sleep(0)

    monkeypatch.setattr(locking.time, "sleep", wait)
    code, out, err = oneway(*RESUME, "--plan")
    assert code == 0 and "3 runs to do" in out and len(waited) == 3, err
    assert all(unchanged for _, unchanged in waited)
    assert err.splitlines()[0] == "waiting: folder 'out' is being written by process 3 on elsewhere"
    assert err.count("waiting") == 1


def test_what_another_call_is_at_is_left_to_it(oneway, table, quick, tmp_path):
    assert oneway("reproduce", table, "--rows", "small", "--plan", "--out", "out")[0] == 0
    theirs = tmp_path / "out/runs/small/bp/seed0"
    theirs.mkdir(parents=True)
    with locked(theirs):
        code, out, err = Context().run(oneway, *RESUME)  # as another process would
        assert code == 0 and "small/bp, seed 0: another call is at it" in err
        assert "1 run is missing (another call is at 1 of them); go on with" in out
        assert {path.name for path in theirs.iterdir()} == {LOCK} and len(finished(tmp_path)) == 2
    code, out, _ = oneway(*RESUME)
    assert code == 0 and "missing" not in out and len(finished(tmp_path)) == 3


def test_what_failed_in_another_call_is_not_tried_again(
    oneway, table, quick, tmp_path, monkeypatch
):
    arguments = (table, "--rows", "small", "--rules", "bp,kp", "--plan", "--out", "out")
    assert oneway("reproduce", *arguments)[0] == 0
    failed = tmp_path / "out/runs/small/kp/seed0/reproduction.json"
    train = running.train_seed

    def meanwhile(*given, **options):
        failed.parent.mkdir(parents=True)
        failed.write_text('{"failed": "a loss of nan"}')
        return train(*given, **options)

    monkeypatch.setattr(running, "train_seed", meanwhile)
    code, _, err = oneway(*RESUME)
    assert code == 1 and "small/kp, seed 0: another call has done it" in err
    assert [line["reason"] for line in contents(tmp_path / "out")["cells"]] == [
        "",
        "seed 0: a loss of nan",
    ]
    monkeypatch.setattr(running, "train_seed", train)
    assert oneway(*RESUME)[0] == 0 and len(finished(tmp_path)) == 2  # what had failed before is
