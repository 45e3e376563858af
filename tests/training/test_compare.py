"""`oneway compare`: runs read back, grouped with their like, beside floor and published figure."""

import json
from dataclasses import asdict, replace
from math import sqrt

import pytest
from training_runs import wire_and_train

from oneway.circuits import mlp
from oneway.rules import parse_rule
from oneway.training import ConfigError, DataError, TrainConfig, load_data
from oneway.training.cli.compare import _notes
from oneway.training.cli.run_pages import Overview
from oneway.training.compare import Case, curves, group_runs, read_runs
from oneway.training.records import CONFIG, METRICS, RESULT, Published, RunFolder, RunResult

CIRCUIT = mlp((64, 16, 10))
RUN_KEYS = (
    "rule circuit data epochs seed test_accuracy floor_accuracy published angles_deg seconds"
).split()


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", limit=(300, 100))


@pytest.fixture(scope="module")
def runs(tmp_path_factory, digits):
    """Two seeds of kp, one of fa that was cut short after its first epoch, and the floor."""
    folder = tmp_path_factory.mktemp("runs")
    for rule, seed in (("kp", 0), ("kp", 1), ("fa", 0), ("bp,frozen=hidden", 0)):
        config = TrainConfig(epochs=2, lr=0.02, seed=seed, validation=0.1)
        wire_and_train(CIRCUIT, parse_rule(rule), digits, config, out=folder / rule / f"seed{seed}")
    cut = folder / "fa" / "seed0"
    (cut / RESULT).unlink()
    first = (cut / METRICS).read_text().splitlines(keepends=True)[0]
    (cut / METRICS).write_text(first + '{"epoch": 2, "test_acc')  # killed while it wrote
    return folder


def made(folder, rule="kp", seed=0, test=0.5, angle=40.0, published=None, **config):
    """A finished run without any training."""
    result = RunResult(
        rule, CIRCUIT.name, "digits", TrainConfig(seed=seed, **{"epochs": 1} | config), test,
        {"b": angle}, 1.5, published=published,
    )  # fmt: skip
    files = RunFolder(folder)
    files.write_config(train_samples=300, test_samples=100, config=asdict(result.config))
    files.append_metrics({"epoch": 1, "test_accuracy": test, "angles_deg": {"b": angle}})
    files.write_result(result)


def test_runs_are_read_back_as_they_were(runs, digits):
    found = {(run.about["rule"], run.about["seed"]): run for run in read_runs([runs])}
    assert len(found) == 4
    config = TrainConfig(epochs=2, lr=0.02, seed=1, validation=0.1)
    again = wire_and_train(CIRCUIT, parse_rule("kp"), digits, config)
    saved = found["kp", 1]
    assert saved.finished and saved.samples == (270, 100)
    expected = again.as_dict()
    others = ("seconds", "format", "version")
    assert {k: v for k, v in saved.about.items() if k not in others} == json.loads(
        json.dumps({k: v for k, v in expected.items() if k not in others})
    )
    cut = found["fa", 0]
    assert not cut.finished and len(cut.history) == 1
    assert cut.about["test_accuracy"] == cut.history[0]["test_accuracy"]
    assert (cut.about["epochs"], cut.about["gate"]) == (2, "exact")


def test_each_run_counts_once_however_it_is_named(runs):
    assert len(read_runs([runs, runs / "kp", runs / "kp" / "seed0"])) == 4


def test_mean_and_spread_over_seeds(tmp_path):
    for seed, (test, angle) in enumerate(((0.5, 30), (0.7, 50), (0.9, 70))):
        made(tmp_path / str(seed), seed=seed, test=test, angle=angle)
    ((case,),) = (group.cases for group in group_runs(read_runs([tmp_path])))
    accuracies = case.values("test_accuracy")
    assert sum(accuracies) / 3 == pytest.approx(0.7) and case.label == "kp"
    assert case.angles_deg == [30, 50, 70]


def test_other_settings_are_another_case_and_named(tmp_path):
    made(tmp_path / "a", test=0.5)
    made(tmp_path / "b", test=0.6, lr=0.3)
    made(tmp_path / "c", test=0.7, seed=1, lr=0.3)
    made(tmp_path / "d", rule="fa", test=0.4)
    (group,) = group_runs(read_runs([tmp_path]))
    assert [case.label for case in group.cases] == ["kp lr=0.3", "kp lr=0.01", "fa"]
    assert [len(case.runs) for case in group.cases] == [2, 1, 1]


def test_a_shorter_schedule_is_named_beside_any_rule_and_what_has_no_effect_is_not(tmp_path):
    made(tmp_path / "a", test=0.7, epochs=4)
    made(tmp_path / "b", test=0.6, epochs=4, decay_warmup_epochs=1, warmup_weight_decay=0.02)
    made(tmp_path / "c", rule="fa", test=0.5, epochs=2)
    (group,) = group_runs(read_runs([tmp_path]))
    warm = "kp decay_warmup_epochs=1 warmup_weight_decay=0.02"
    assert [c.label for c in group.cases] == ["kp decay_warmup_epochs=0", warm, "fa epochs=2"]


def test_other_samples_are_another_group(tmp_path):
    made(tmp_path / "a")
    made(tmp_path / "b")
    about = json.loads((tmp_path / "b" / CONFIG).read_text())
    (tmp_path / "b" / CONFIG).write_text(json.dumps(about | {"train_samples": 20_000}))
    assert [group.samples[0] for group in group_runs(read_runs([tmp_path]))] == [300, 20_000]


def test_the_floor_comes_from_its_own_runs_or_from_those_beside_others(runs, tmp_path):
    (group,) = group_runs(read_runs([runs]))
    (floor,) = read_runs([runs / "bp,frozen=hidden"])
    assert group.floor == floor.about["test_accuracy"]
    made(tmp_path / "a")
    about = json.loads((tmp_path / "a" / RESULT).read_text())
    assert group_runs(read_runs([tmp_path]))[0].floor is None
    (tmp_path / "a" / RESULT).write_text(json.dumps(about | {"floor_accuracy": 0.25}))
    assert group_runs(read_runs([tmp_path]))[0].floor == 0.25
    made(tmp_path / "b", rule="bp,frozen=hidden", test=0.3)
    made(tmp_path / "c", rule="bp,frozen=hidden", test=0.2, seed=1)
    made(tmp_path / "d", rule="bp,frozen=hidden", test=0.1, lr=0.3)
    assert group_runs(read_runs([tmp_path]))[0].floor == pytest.approx(0.25)
    made(tmp_path / "e", rule="bp,frozen=conv", test=0.4)
    assert group_runs(read_runs([tmp_path]))[0].floor == 0.4


def test_curves_have_a_record_an_epoch_and_run(runs):
    (group,) = group_runs(read_runs([runs]))
    records = curves(group)
    assert len(records) == 3 * 2 + 1
    of_kp = [r["angle_deg"] for r in records if r["case"] == "kp"]
    assert len(of_kp) == 4 and all(0 < angle < 100 for angle in of_kp)
    assert all(r["angle_deg"] is None for r in records if r["case"] == "bp,frozen=hidden")


# -- folders that cannot be ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        (RESULT, "{", r"result\.json' is damaged"),
        (RESULT, "[]", r"result\.json' is damaged \(not an object\)"),
        (RESULT, "{}", r"damaged: result\.json or metrics\.jsonl has not what"),
        (METRICS, "[1]\n", r"metrics\.jsonl' is damaged \(a line is not an object\)"),
        (METRICS, '{"epoch": 1}\n', r"KeyError\('test_accuracy'\)"),
        (METRICS, "\x00\n", r"metrics\.jsonl' is damaged"),
        (CONFIG, '{"train_samples": "many"}', "is damaged"),
    ],
)
def test_damaged_files_are_one_clear_error(tmp_path, file, content, complaint):
    made(tmp_path / "run")
    (tmp_path / "run" / file).write_text(content)
    with pytest.raises(DataError, match=complaint):
        read_runs([tmp_path / "run"])


def test_an_unfinished_run_without_its_settings_is_damaged(tmp_path):
    made(tmp_path)
    (tmp_path / RESULT).unlink()
    with pytest.raises(DataError, match=r"damaged: config\.json .*KeyError\('circuit'\)"):
        read_runs([tmp_path])


def test_folders_without_a_run(tmp_path):
    with pytest.raises(ConfigError, match="'nowhere' is not there"):
        read_runs(["nowhere"])
    with pytest.raises(ConfigError, match="holds no run"):
        read_runs([tmp_path])
    (tmp_path / METRICS).touch()
    with pytest.raises(ConfigError, match="cut short before it began"):
        read_runs([tmp_path])


# -- the command ---------------------------------------------------------------------------------


def test_json_has_every_key_once_a_run(oneway, runs):
    code, out, err = oneway("compare", runs, "--json")
    content = json.loads(out)
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert len(content["runs"]) == 4
    (floor,) = (r["test_accuracy"] for r in content["runs"] if r["rule"] == "bp,frozen=hidden")
    for run in content["runs"]:
        assert set(RUN_KEYS) <= set(run) and run["floor_accuracy"] == floor
    assert sorted(run["finished"] for run in content["runs"]) == [False, True, True, True]
    (group,) = content["groups"]
    kp = next(case for case in group["cases"] if case["case"] == "kp")
    values = [r["test_accuracy"] for r in content["runs"] if r["rule"] == "kp"]
    assert kp["test_accuracy"]["mean"] == pytest.approx(sum(values) / 2)
    assert kp["test_accuracy"]["spread"] == pytest.approx(abs(values[0] - values[1]) / sqrt(2))


def test_table_says_what_is_not_finished(oneway, runs):
    code, out, _ = oneway("compare", runs / "kp", runs / "fa")
    assert code == 0 and "digits, mlp:64-16-10, 270 training and 100 test samples" in out
    assert "not finished: fa, seed 0, after epoch 1 of 2, test " in out
    assert " ± " in out and "floor" not in out and "published" not in out


def test_table_shows_the_published_figure_and_what_was_other_there(oneway, tmp_path):
    made(tmp_path / "a", published=Published(0.912, "some/row/kp", ()))
    made(tmp_path / "b", rule="fa", published=Published(0.5, "some/row/fa", ("epochs", "lr")))
    out = oneway("compare", tmp_path)[1]
    assert "91.20 " in out and "50.00*" in out
    assert "* fa: the published run had other epochs, lr" in out


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_picture(oneway, runs, tmp_path, suffix):
    made(tmp_path / "other" / "a", published=Published(0.9, "some/row/kp", ()))
    code, out, _ = oneway("compare", runs, tmp_path / "other", "--plot", f"picture.{suffix}")
    assert code == 0 and f"picture: picture.{suffix}" in out
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert (tmp_path / f"picture.{suffix}").read_bytes().startswith(begins)


def test_unfinished_runs_leave_no_empty_axes(runs, tmp_path):
    """Which says why; a run without an epoch is no row."""
    (unfinished,) = group_runs(read_runs([runs / "fa"]))
    page = Overview().draw([unfinished])
    accuracies, course, angles = page.axes
    assert not accuracies.axison and course.lines and angles.lines
    assert [text.get_text() for text in accuracies.texts] == ["no run here is finished yet"]
    (run,) = unfinished.runs
    begun = replace(unfinished, cases=(Case("fa", (replace(run, history=()),)),))
    assert Overview().draw([begun]) is None
    assert len(Overview().draw([begun, unfinished]).axes) == 3


def test_a_note_of_several_cases_is_said_once(tmp_path):
    for rule in ("kp", "fa"):
        made(tmp_path / rule, rule=rule)
    noted = [replace(run, notes=("h1 is far away",)) for run in read_runs([tmp_path])]
    (group,) = group_runs(noted)
    assert sorted(_notes(group)) in (["fa, kp: h1 is far away"], ["kp, fa: h1 is far away"])


def test_pictures_that_cannot_be_drawn(oneway, runs):
    code, out, err = oneway("compare", runs, "--plot", "picture.bmp")
    assert (code, out) == (2, "") and "ends in .png, .svg or .pdf" in err
    code, out, err = oneway("compare", runs, "--plot", "no/picture.png")
    assert (code, out) == (2, "") and "folder 'no' is not there" in err
    assert oneway("compare")[0] == 2


def test_a_rule_that_is_another_one_here_says_so_when_it_is_trained_and_compared(oneway):
    """Sizes that do not match: asap shares nothing, and its numbers are those of fa."""
    settings = "--circuit mlp:64-30-20-10 --epochs 1 --limit 60,30 --json --out".split()
    note = "no activation is shared in this circuit, which so learns like fa"
    accuracies = []
    for rule in ("asap", "fa"):
        code, out, err = oneway("train", "--rule", rule, *settings, f"runs/{rule}")
        assert code == 0 and (f"note: {note}" in err) == (rule == "asap")
        accuracies.append(json.loads(out)["test_accuracy"]["mean"])
    assert accuracies[0] == accuracies[1]
    _, out, _ = oneway("compare", "runs")
    assert f"asap: {note}" in " ".join(out.split()) and "fa: " not in out
    _, out, _ = oneway("compare", "runs", "--json")
    (group,) = json.loads(out)["groups"]
    assert {case["case"]: note in case["notes"] for case in group["cases"]} == {
        "asap": True,
        "fa": False,
    }


def test_a_rate_that_came_later_or_weights_that_were_there_make_another_case(tmp_path):
    made(tmp_path / "a", test=0.5, lr=0.1)
    made(tmp_path / "b", test=0.6, lr=0.1)
    made(tmp_path / "c", test=0.7, lr=0.1)
    change = {"after_epoch": 1, "setting": "lr", "before": 0.5, "now": 0.1}
    for name, more in (("b", {"changes": [change]}), ("c", {"weights": "mlp, taken: all"})):
        path = tmp_path / name / RESULT
        path.write_text(json.dumps(json.loads(path.read_text()) | more))
    (group,) = group_runs(read_runs([tmp_path]))
    labels = [case.label for case in group.cases]
    assert labels == ["kp weights=taken", "kp changed=lr 0.5 to 0.1 after epoch 1", "kp"]
