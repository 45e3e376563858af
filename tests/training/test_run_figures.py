"""`oneway compare --plot --figure`: the figures of the papers from what runs recorded."""

import json
from dataclasses import asdict
from itertools import pairwise

import pytest

from oneway.circuits import conv2, mlp, resnet18, to_json
from oneway.rules import parse_rule
from oneway.training import DataError, TrainConfig
from oneway.training.cli.run_figures import FIGURES
from oneway.training.compare import group_runs, read_runs
from oneway.training.layers import by_layer
from oneway.training.records import CIRCUIT, METRICS, RESULT, Published, RunFolder, RunResult

MLP = mlp((8, 6, 5, 3))
H1, H2 = "delta_h2 -> delta_h1", "delta_output -> delta_h2"


def made(folder, rule, epochs, seed=0, circuit=MLP, published=None):
    """A finished run without any training; `epochs` has what it recorded beside the accuracy."""
    config = TrainConfig(seed=seed, epochs=len(epochs))
    result = RunResult(rule, circuit.name, "digits", config, 0.8, {}, 1.5, published=published)
    files = RunFolder(folder)
    about = {"circuit": circuit.name, "data": "digits", "rule": {"name": rule}}
    files.write_config(train_samples=300, test_samples=100, config=asdict(config), **about)
    (folder / CIRCUIT).write_text(to_json(parse_rule(rule).wire(circuit)))
    for epoch, extra in enumerate(epochs, 1):
        files.append_metrics({"epoch": epoch, "test_accuracy": 0.4 * epoch, **extra})
    files.write_result(result)


def figure(folder, name):
    return FIGURES[name].draw(group_runs(read_runs([folder])))


def columns(page):
    """Title -> y data of the lines in it, level lines left out."""
    axes = [ax for part in page.subfigs for ax in part.axes if ax.get_title() and ax.axison]
    return {
        ax.get_title(): [list(line.get_ydata()) for line in ax.lines if line.get_label()[0] != "_"]
        for ax in axes
    }


@pytest.mark.parametrize("name", ["overview", "learning"])
def test_ten_cases_have_room_for_their_names(tmp_path, name):
    """No legend leaves its page, and no name on an axis touches the next one."""
    long = "norm=scale,forward_norm=scale,init=kaiming_normal_fan_out"
    names = ("kp", "fa", "dfa", "dkp", "drtp")
    for rule in (f"{name},{gate}{long}" for name in names for gate in ("", "gate=local,")):
        made(tmp_path / rule, rule, [{"train_loss": 1.0, "train_accuracy": 0.5}])
    page = figure(tmp_path, name)
    page.draw_without_rendering()
    parts = [page, *page.subfigs]
    for ax in (ax for part in parts for ax in part.axes):
        if legend := ax.get_legend():
            box = legend.get_window_extent()
            assert box.y0 >= 0 and box.y1 <= page.bbox.height
        names = [label.get_window_extent() for label in ax.get_yticklabels() if label.get_text()]
        names.sort(key=lambda box: box.y0)
        assert all(below.y1 <= above.y0 for below, above in pairwise(names))


# -- layers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "circuit", "path"),
    [
        ("kp", MLP, "feedback"),
        ("dkp", conv2((1, 12, 12), 10), "feedback"),
        ("kp", resnet18((3, 32, 32), 10, width=4), "feedback"),
        ("kp", resnet18((3, 32, 32), 10, width=4), "forward"),
    ],
)
def test_layers_stand_from_input_to_output_in_whatever_order_they_were_recorded(
    tmp_path, rule, circuit, path
):
    wired = parse_rule(rule).wire(circuit)
    depth = {name: i for i, name in enumerate(wired.order("forward"))}

    def ends(name):
        cells = (wired.populations[end] for end in name.split(" -> "))
        return sorted(depth[cell.partner or cell.name] for cell in cells)

    names = [p.name for p in wired.select(role="drive", path=path)]
    for seed, recorded in enumerate((names, names[::-1], sorted(names))):
        folder = tmp_path / str(seed)
        made(folder, rule, [{"norm_ratios": dict.fromkeys(recorded, 1.0)}], seed, circuit)
        ((case,),) = (group.cases for group in group_runs(read_runs([folder])))
        layers = list(by_layer(case, "norm_ratios"))
        assert sorted(layers) == sorted(names)
        assert [ends(name) for name in layers] == sorted(ends(name) for name in names)


def test_names_that_no_circuit_has_keep_their_order(tmp_path):
    made(tmp_path, "kp", [{"norm_ratios": {"b": 1.0, "a": None, "c": 2.0, H2: 3.0, H1: 4.0}}])
    ((case,),) = (group.cases for group in group_runs(read_runs([tmp_path])))
    assert list(by_layer(case, "norm_ratios")) == [H1, H2, "b", "c"]
    (tmp_path / CIRCUIT).unlink()
    assert list(by_layer(case, "norm_ratios")) == ["b", "c", H2, H1]


def test_values_that_are_no_numbers_are_one_clear_error(tmp_path):
    made(tmp_path, "kp", [{"gap": {H1: 0.5}}])
    ((case,),) = (group.cases for group in group_runs(read_runs([tmp_path])))
    with pytest.raises(DataError, match=r"metrics\.jsonl' is damaged \('gap' of epoch 1"):
        by_layer(case, "gap", "measured")


# -- pages ---------------------------------------------------------------------------------------


def test_angles_are_a_column_a_rule_with_the_papers_bound_where_it_states_one(tmp_path):
    for seed, shift in enumerate((-2.0, 2.0)):
        angles = [{"angles_deg": {H2: 50 + shift, H1: 60 + shift}}, {}, {"angles_deg": {H1: 9.0}}]
        made(tmp_path / f"wm{seed}", "wm", angles, seed)
    made(tmp_path / "kp", "kp", [{"angles_deg": {H1: 70, H2: None}}])
    made(tmp_path / "bp", "bp", [{"angles_deg": {}}])
    page = figure(tmp_path, "matrix-angles")
    assert page.get_suptitle() == "matrix angles; weight-mirror paper Fig. 4a, c, e"
    bounded = "Weight mirror (WM)\n(dashed: published, ResNet-50: < 12°)"
    assert columns(page) == {
        bounded: [[60, 9], [50]],
        "Kolen-Pollack learning (KP),\nepochs=1": [[70]],
    }
    levels = {
        ax.get_title(): [line.get_ydata()[0] for line in ax.lines if line.get_label()[0] == "_"]
        for ax in page.subfigs[0].axes
    }
    assert levels[bounded] == [12] and levels["Kolen-Pollack learning (KP),\nepochs=1"] == []


def test_a_bound_is_of_the_rule_as_published(tmp_path):
    angles = [{"error_angles_deg": {"delta_h1": 85}}]
    made(tmp_path / "fa", "fa", angles)
    made(tmp_path / "aligned", "fa,init=aligned", angles)
    titles = set(columns(figure(tmp_path, "delta-angles")))
    assert titles == {
        "Feedback alignment (FA)\n(dashed: published, most layers: > 80°)",
        "Feedback alignment (FA),\ninit=aligned",
    }


def test_the_gap_stands_beside_what_was_predicted(tmp_path):
    made(tmp_path, "kp", [{"gap": {H1: {"measured": 0.9, "predicted": 0.8}}}])
    (ax, _key) = figure(tmp_path, "gap").subfigs[0].axes
    assert [list(line.get_ydata()) for line in ax.lines] == [[0.9], [0.8]]


def test_errors_stand_beside_the_published_one_and_top5_only_where_there_is_one(tmp_path):
    made(tmp_path / "a", "kp", [{}, {}], published=Published(0.9, "row/kp", ()))
    (panel,) = figure(tmp_path, "errors").subfigs[0].axes
    course, mark = (line.get_ydata() for line in panel.lines)
    assert list(course) == pytest.approx([0.6, 0.2]) and list(mark) == pytest.approx([0.1])
    assert "published" in [text.get_text() for text in panel.get_legend().get_texts()]
    made(tmp_path / "b", "fa", [{"test_top5": 0.75}])
    _, top5 = figure(tmp_path, "errors").subfigs[0].axes
    assert [list(line.get_ydata()) for line in top5.lines] == [[0.25]]


def test_moments_of_weights_are_means_over_layers(tmp_path):
    moments = {
        "x -> h1": {"mean": 0.1, "std": 1.0, "kurtosis": 3.0},
        "h1 -> h2": {"mean": 0.3, "std": 2.0, "kurtosis": None},
    }
    made(tmp_path, "ss", [{"weights": moments, "angles_deg": {H1: 30, H2: 40}}])
    found = columns(figure(tmp_path, "weights"))
    assert [y for ((y,),) in found.values()] == pytest.approx([35, 3.0, 0.2, 1.5])


# -- the command ---------------------------------------------------------------------------------


def test_all_writes_what_the_runs_have_and_one_figure_has_the_file_itself(oneway, tmp_path):
    made(tmp_path / "runs" / "a", "dfa", [{"direct_angles_deg": {"delta_output -> delta_h1": 80}}])
    (tmp_path / "runs" / "a" / RESULT).unlink()
    code, out, _ = oneway("compare", "runs", "--plot", "p.svg", "--figure", "all")
    expected = {"overview", "accuracy", "errors", "learning", "direct-angles"}
    assert code == 0 and {path.name for path in tmp_path.glob("*.svg")} == {
        f"p-{name}.svg" for name in expected
    }
    assert out.count("picture: ") == len(expected)
    oneway("compare", "runs", "--plot", "one.svg", "--figure", "direct-angles", "--json")
    assert "Kolen-Pollack paper Fig. 2" in (tmp_path / "one.svg").read_text()


def test_what_cannot_be_drawn(oneway, tmp_path):
    made(tmp_path / "runs" / "a", "kp", [{"angles_deg": {H1: 80}}])
    both = ("--figure", "matrix-angles", "--figure", "direct-angles")
    code, out, err = oneway("compare", "runs", "--plot", "p.svg", *both)
    assert (code, out) == (2, "") and not list(tmp_path.glob("*.svg"))
    assert "no run has 'direct_angles_deg', which figure 'direct-angles' shows: only direct" in err
    code, _, err = oneway("compare", "runs", "--figure", "gap")
    assert code == 2 and "--figure gap needs a file: --plot FILE" in err
    code, _, err = oneway("compare", "runs", "--plot", "p.svg", "--figure", "angels")
    assert code == 2 and "matrix-angles" in err
    line = json.loads((tmp_path / "runs" / "a" / METRICS).read_text())
    (tmp_path / "runs" / "a" / METRICS).write_text(json.dumps(line | {"weights": [1]}) + "\n")
    code, _, err = oneway("compare", "runs", "--plot", "p.svg", "--figure", "weights")
    assert code == 2 and "is damaged" in err
