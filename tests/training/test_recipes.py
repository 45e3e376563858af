"""Shipped recipes: all are in order, hold the papers' figures, and run at smoke size."""

import json
import math
import re
import tomllib
from dataclasses import fields, replace
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from instructions import check_names

from oneway.circuits import initial_std, sign_magnitude
from oneway.rules import parse_rule
from oneway.training import ConfigError, TrainConfig, alignment_clock, load_data
from oneway.training.data.catalogue import OFFICIAL, check_official_fit, is_complete
from oneway.training.optimization.schedules import rate_factor
from oneway.training.recipes import tables
from oneway.training.recipes.recipe import check_recipe
from oneway.training.recipes.smoke import BATCH, TEST, TRAIN, narrow, shrunk, synthetic
from oneway.training.recipes.tables import find, published_figure, read_entries, shipped

# As the papers print them: a line for each row, a figure for each of the columns above it.
FIGURES = """
asap-table1 bp kp fa dfa asap asap-k4
mnist-alexnet 99.59 99.55 99.14 99.28 99.32
svhn-alexnet 94.64 93.3 82.21 87.42 88.04
svhn-resnet18-no-shortcut 96.14 95.84 84.91 85.64 93.17
svhn-resnet18 96.29 96.13 85.08 85.56 94.86
cifar10-alexnet 90.58 79.23 67.92 73.85 78.25
cifar10-resnet18-no-shortcut 94.70 94.65 71.38 75.46 83.44
cifar10-resnet18 94.93 94.76 72.47 76.0 92.19
cifar10-resnet34 95.18 94.54 66.99 73.02 93.97 93.9
cifar100-alexnet 63.61 47.43 33.32 35.38 46.99
cifar100-resnet18-no-shortcut 77.34 74.98 37.11 37.48 51.72
cifar100-resnet18 77.74 74.51 38.15 38.51 68.86
cifar100-resnet34 78.41 75.0 33.01 35.6 72.81 71.93
tiny-imagenet-resnet18 60.13 58.14 20.54 24.07 48.46
tiny-imagenet-resnet34 62.63 59.45 16.86 21.1 52.25

direct-kp-table1 bp fc-only kp fa drtp dfa dkp
fashion-mnist 92.18 91.33 91.25 91.12 89.58 91.54 91.66
cifar10 70.70 60.01 70.08 60.45 55.32 62.70 64.69

direct-kp-table2 bp fc-only kp fa drtp dfa dkp
cifar100 65.88 47.72 66.78 19.49 5.84 48.03 52.62
tiny-imagenet 49.53 29.78 51.36 9.98 2.86 32.12 35.78
"""
# Top-1 errors, in columns that a dash may leave out.
ERRORS = """
weight-mirror bp wm kp ss fa
resnet18 30.1 30.2 29.2 39.2 97.4
resnet50 22.9 23.4 23.9 33.8 98.9
resnet18-norm-before - - - 37.8
resnet50-norm-before - - - 32.6

sign-symmetry-table1 bp ss-last-bp ss fa-last-bp fa
resnet18 33.14 36.95 37.91 73.01 91.17
alexnet 49.14 - 47.57
"""


def figures(text):
    for block in text.strip().split("\n\n"):
        (table, *columns), *rows = (line.split() for line in block.splitlines())
        for row, *numbers in rows:
            for column, number in zip(columns, numbers, strict=False):
                if number != "-":
                    yield f"{table}/{row}/{column}", float(number)


PUBLISHED = {
    **{name: percent / 100 for name, percent in figures(FIGURES)},
    **{name: 1 - percent / 100 for name, percent in figures(ERRORS)},
}
# What the released code of the ASAP paper called feedback alignment started aligned.
ALIGNED = {
    f"{name}-aligned": accuracy
    for name, accuracy in PUBLISHED.items()
    if name.startswith("asap-table1") and name.endswith("/fa")
}


def test_every_figure_has_its_recipe_and_every_recipe_its_figure():
    found = {e.name: e.published for e in shipped().values() if e.published is not None}
    assert found.keys() == (PUBLISHED | ALIGNED).keys()
    assert found == pytest.approx(PUBLISHED | ALIGNED)


@pytest.mark.parametrize("table", sorted({name.partition("/")[0] for name in shipped()}))
def test_every_recipe_is_in_order(table):
    """Circuit, rule, settings and the shapes of the data set fit, without any data."""
    for entry in (e for e in shipped().values() if e.name.startswith(f"{table}/")):
        recipe = entry.recipe()
        rule, circuit = check_recipe(recipe)
        check_official_fit(recipe.data, circuit)
        assert circuit.name == recipe.circuit  # spelt as results spell it
        assert entry.source and recipe.config.validation > 0
        whole = OFFICIAL[recipe.data]
        figure = published_figure(
            recipe.data, circuit.name, rule, recipe.config, whole.n_train, whole.n_test
        )
        if entry.published is None:
            assert figure is None or figure.recipe != entry.name
        else:
            assert (figure.accuracy, figure.differs) == (entry.published, ())


def test_every_network_and_data_set_has_its_floor():
    """'Only fully connected layers learn' is a recipe beside every other, at the same settings."""
    rows = {name.rpartition("/")[0] for name in shipped()}
    for row in rows:
        floor = find(f"{row}/fc-only")
        assert floor.settings["rule"] == "bp,frozen=conv"
        bp = shipped().get(f"{row}/bp")
        assert bp is None or {**bp.settings, "rule": "", "epochs": 0} == {
            **floor.settings,
            "rule": "",
            "epochs": 0,
        }


def test_feedback_alignment_is_there_with_both_first_draws():
    for name, entry in shipped().items():
        if name.endswith("/fa"):
            aligned = shipped()[f"{name}-aligned"].settings
            # The released ASAP code aligns its convolutions (Conv2d_FA), not its Linear_FA.
            only = "_conv" if name.startswith("asap") else ""
            assert aligned["rule"] == f"fa,init=aligned{only}"
            same = [k for k in entry.settings if k not in ("rule", "epochs")]
            assert [entry.settings[k] for k in same] == [aligned[k] for k in same]


def test_settings_of_the_asap_paper():
    settings = find("asap-table1/cifar10-resnet34/asap-k4").settings
    numbers = {"epochs": 200, "batch_size": 128, "lr": 0.03, "momentum": 0.9, "weight_decay": 5e-4}
    words = {"augment": "crop+flip", "schedule": "cosine"}
    assert settings.items() >= {**numbers, **words}.items()
    wired = check_recipe(find("asap-table1/cifar10-resnet18/asap").recipe())[1]
    first, last = wired.projections["x -> stem"], wired.projections["pool -> output"]
    assert first.plasticity is None and first.norm and last.norm
    assert wired.populations["stem"].learns  # its batch norm
    assert wired.projections["delta_output -> delta_pool"].plasticity is None
    assert wired.projections["delta_block1 -> delta_block1_a"].plasticity


def test_kolen_pollack_learns_w_and_b_alike():
    """One rate by definition: nothing is set for B alone, so that the clock sees them converge."""
    recipes = [e.recipe() for e in shipped().values() if e.name.endswith("/kp")]
    assert len(recipes) >= 8
    own = [
        f.name.removeprefix("feedback_") for f in fields(TrainConfig) if f.name[:9] == "feedback_"
    ]
    for recipe in recipes:
        assert recipe.make_rule().name == "kp"
        for name in own:
            assert recipe.config.of_path("feedback", name) == recipe.config.of_path("forward", name)
        wired = check_recipe(recipe)[1]
        learning = [p for p in wired.select(role="drive", path="feedback") if p.plasticity]
        said = alignment_clock(wired, recipe.config, 100)
        assert f"({len(learning)}) converge with time constant" in said


def direct(name):
    """How a recipe is wired, and its direct feedback drives."""
    wired = check_recipe(find(name).recipe())[1]
    return wired, [p for p in wired.select(role="drive", path="feedback") if p.weights]


def test_direct_feedback_is_that_of_the_released_codes():
    """ASAP's Feedback_Receiver: normal, std √(1 / classes). It stands behind the pools of AlexNet,
    behind every ReLU of a ResNet; direct Kolen-Pollack's hooks, too, stand behind AlexNet's."""
    for row, classes in (("cifar10-resnet18", 10), ("cifar100-alexnet", 100)):
        wired, drives = direct(f"asap-table1/{row}/dfa")
        for p in drives:
            b = torch.nn.init.normal_(torch.empty(classes, 4000), std=(1 / classes) ** 0.5)
            assert initial_std(wired, p) == pytest.approx(float(b.std()), rel=0.05)
            assert p.weights.start == "lecun_normal"
    names = [wired.populations[p.post].partner for p in drives]
    assert sorted(names) == ["h4", "h5", "pool1", "pool2", "pool3"]
    for rule in ("dfa", "dkp", "drtp"):
        wired, drives = direct(f"direct-kp-table2/cifar100/{rule}")
        names = [wired.populations[p.post].partner for p in drives]
        assert sorted(names) == ["h3", "h4", "h6", "h7", "pool1", "pool2", "pool3"]
    relus = 1 + 2 * 8
    assert len(direct("asap-table1/cifar10-resnet18/dfa")[1]) == relus


def test_settings_of_the_direct_kolen_pollack_paper():
    """Section 3.1: B by He, its rate 1e-4 shrinking by 0.85, or Adam's 5e-4 in AlexNet.

    B has the shape of a·Bᵀ (figure 2), classes by cells: torch draws it so in the authors' code.
    """
    for name, own in [
        ("direct-kp-table1/cifar10/dkp", {"lr": 1e-4, "optimizer": "sgd", "step_factor": 0.85}),
        ("direct-kp-table2/cifar100/dkp", {"lr": 5e-4, "optimizer": "adam"}),
    ]:
        config = find(name).recipe().config
        assert {key: config.of_path("feedback", key) for key in own} == own
        assert config.of_path("forward", "lr") == 1e-2
        for rule in ("dkp", "dfa", "drtp"):
            wired, drives = direct(name.replace("dkp", rule))
            teacher = "target" if rule == "drtp" else "delta_output"
            assert drives and {p.pre for p in drives} == {teacher}
            for p in drives:
                b = torch.empty(wired.output.size, *wired.populations[p.post].shape)
                torch.nn.init.kaiming_normal_(b)
                assert initial_std(wired, p) == pytest.approx(float(b.std()), rel=0.1)


def test_scales_of_the_sign_symmetry_paper():
    """Footnote 2: √(2 / (kernel width · kernel height · output channels)), or √(1 / outputs)."""
    for row in ("resnet18", "alexnet"):
        wired = check_recipe(find(f"sign-symmetry-table1/{row}/ss").recipe())[1]
        signs = [
            p for p in wired.select(role="drive") if p.weights and p.weights.kind == "sign-tied"
        ]
        assert len(signs) >= 7
        for p in signs:
            forward = wired.projections[p.partner]
            kernel = getattr(forward.connector, "kernel", None)
            n = wired.populations[forward.post].shape[0]
            s = (2 / (kernel * kernel * n)) ** 0.5 if kernel else (1 / n) ** 0.5
            assert sign_magnitude(wired, p) == pytest.approx(s)
            assert initial_std(wired, forward) == pytest.approx(s)


def test_weight_mirror_counts_its_epochs_from_the_end_of_mirroring():
    config = find("weight-mirror/resnet50/wm").recipe().config
    rate = rate_factor(config, "forward")
    assert config.spontaneous_warmup_epochs == 2
    assert [round(rate(epoch - 2), 6) for epoch in (31, 32, 61, 62, 81, 82)] == [
        1, 0.1, 0.1, 0.01, 0.01, 0.001,
    ]  # fmt: skip
    assert find("weight-mirror/resnet50/ss").settings["lr"] == 0.5


# -- published figures beside runs ---------------------------------------------------------------

KP = "direct-kp-table1/fashion-mnist/kp"


def beside(name=KP, data=None, circuit=None, rule=None, n_train=60_000, n_test=10_000, **config):
    recipe = find(name).recipe()
    rule = recipe.make_rule() if rule is None else parse_rule(rule)
    settings = {**find(name).settings, **config}
    changed = shipped()[name].__class__(name, settings).recipe().config
    found = published_figure(
        data or recipe.data, circuit or recipe.circuit, rule, changed, n_train, n_test
    )
    return found and (found.accuracy, found.differs)


def test_a_figure_stands_beside_the_whole_data_set_and_its_network_and_rule_only():
    assert beside() == (0.9125, ())
    assert beside(seed=3, validation=0.0, dtype="float64") == (0.9125, ())
    assert beside(n_train=59_999) is None and beside(n_test=9_999) is None
    assert beside(data="mnist") is None
    assert beside(circuit="conv2:1x28x28-10,width=16") is None
    for rule in ("kp,gate=local", "kp,norm=own", "kp,last_layer=bp", "ss"):
        assert beside(rule=rule) is None
    assert beside(rule="bp,frozen=conv") == (0.9133, ())


def test_other_settings_are_named():
    assert beside(epochs=3, lr=0.1) == (0.9125, ("epochs", "lr"))


def test_of_two_papers_the_one_with_these_settings(monkeypatch):
    recipe = find(KP)
    other = replace(recipe, name="other", settings={**recipe.settings, "lr": 0.5}, published=0.8)
    both = {entry.name: entry for entry in (recipe, other)}
    monkeypatch.setattr(tables, "shipped", lambda: both)
    assert beside() == (0.9125, ())
    assert beside(lr=0.5) == (0.8, ())


def test_the_digits_are_as_many_as_is_said():
    data = load_data("digits")
    assert is_complete("digits", data.n_train, data.n_test)
    assert not is_complete("digits", data.n_train - 1, data.n_test)
    assert not is_complete("synthetic digits", data.n_train, data.n_test)


# -- smoke sizes ---------------------------------------------------------------------------------


def test_smoke_keeps_what_the_recipe_is_about():
    for entry in shipped().values():
        small = shrunk(entry.settings)
        kept = [key for key in entry.settings if key in ("rule", "data", "schedule", "augment")]
        assert [small[key] for key in kept] == [entry.settings[key] for key in kept]
        check_recipe(entry.__class__(entry.name, small).recipe())


def test_smoke_rates_shrink_with_the_batch():
    small = shrunk({"circuit": "mlp:4-2", "batch_size": 128, "lr": 0.03, "feedback_lr": 0.01})
    assert small["batch_size"] == BATCH
    assert math.isclose(small["lr"], 0.03 * BATCH / 128)
    assert math.isclose(small["feedback_lr"], 0.01 * BATCH / 128)
    adam = shrunk({"batch_size": 128, "feedback_optimizer": "adam", "feedback_lr": 5e-4})
    assert adam["feedback_lr"] == 5e-4


def test_smoke_networks_are_narrow_where_their_builder_allows():
    assert narrow("alexnet:1x28x28-10") == "alexnet:1x28x28-10,width=4,hidden=32"
    assert narrow("resnet18:3x32x32-10,width=2") == "resnet18:3x32x32-10,width=2"
    assert narrow("some/circuit.json") == "some/circuit.json"


@pytest.mark.parametrize("name", OFFICIAL)
def test_synthetic_images_have_the_shape_of_the_data_set(name):
    data, whole = synthetic(name), OFFICIAL[name]
    assert data.train_x.shape == (TRAIN, *whole.image) and data.n_test == TEST
    assert data.classes == whole.classes and data.name == f"synthetic {name}"
    assert not (data.train_x[0] == data.train_x[1]).all()


# -- files of one's own --------------------------------------------------------------------------

TABLE = """
source = "mine"
[common]
epochs = 3
data = "digits"
lr = 0.1
[columns]
bp = { rule = "bp", lr = 0.3 }
kp = { rule = "kp" }
floor = { rule = "bp,frozen=hidden", always = true }
[rows.small]
circuit = "mlp:64-8-10"
lr = 0.2
published = { bp = 90 }
[rows.large]
circuit = "mlp:64-32-10"
published = { bp = 95, kp = 94.5 }
columns.kp = { epochs = 7, note = "long" }
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TABLE)
    return path


def test_a_cell_has_common_row_column_and_its_own_settings_in_this_order(table):
    cells = {entry.name: entry for entry in read_entries(table)}
    assert list(cells) == [
        "mine/small/bp", "mine/small/floor", "mine/large/bp", "mine/large/kp", "mine/large/floor",
    ]  # fmt: skip
    rates = {name: cell.settings["lr"] for name, cell in cells.items()}
    assert list(rates.values()) == [0.3, 0.2, 0.3, 0.1, 0.1]
    assert cells["mine/large/kp"].settings["epochs"] == 7
    assert cells["mine/large/kp"].notes == ("long",)
    assert cells["mine/small/bp"].published == 0.9 and cells["mine/small/floor"].published is None


def test_recipes_are_found_by_name_and_in_files(table, tmp_path):
    assert find(f"{table}/large/kp").settings["rule"] == "kp"
    flat = tmp_path / "flat.toml"
    flat.write_text('circuit = "mlp:64-8-10"\nrule = "fa"\n')
    assert find(str(flat)).settings == {"circuit": "mlp:64-8-10", "rule": "fa"}
    with pytest.raises(
        ConfigError, match=r"is a table of 5: name one of its cells, as in .*toml/small/bp"
    ):
        find(str(table))
    with pytest.raises(ConfigError, match=r"Did you mean '.*mine\.toml/large/kp'"):
        find(f"{table}/large/kpp")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("epochs = 3", "epoch = 3", "common: no option 'epoch'; did you mean 'epochs'"),
        ("lr = 0.2", 'lr = "fast"', "row 'small': lr = 'fast', expected a number"),
        ("epochs = 3", 'limit = "many"', "limit = 'many', expected a whole number or 2 whole numb"),
        ("lr = 0.3", "lr2 = 1", "column 'bp': no option 'lr2'"),
        ("bp = 90", "bq = 90", "row 'small', published: no 'bq'; there are bp, kp, floor"),
        ("bp = 90", "bp = 900", "published bp = 900, expected per cent"),
        ("columns.kp", "columns.kpp", "row 'large': no 'kpp'; did you mean 'kp'"),
        ("always = true", "always = 1", "always = 1, expected true or false"),
        ("always = true", 'figure = "bq"', "figure: no 'bq'; there are bp, kp, floor"),
        ('source = "mine"', "source = 3", "source = 3, expected text"),
        ('source = "mine"', 'sources = "mine"', "no 'sources'; did you mean 'source'"),
        ("[columns]", "[columns]\nx = 3", "column 'x': expected settings, got 3"),
        ("[columns]", '[columns.".."]', "rows and columns name folders, and '..' cannot be one"),
        ("[columns]", '[columns]\n"a/b" = {}', "'a/b' cannot be one. Expected letters"),
    ],
)
def test_a_table_with_a_mistake_is_one_clear_error(table, old, new, complaint):
    table.write_text(TABLE.replace(old, new, 1))
    with pytest.raises(ConfigError, match=r"mine\.toml") as raised:
        read_entries(table)
    assert complaint in str(raised.value)


def test_the_documentation_says_what_is_there(tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert f"{len(shipped())} in all" in text
    assert all(f"`{name.partition('/')[0]}`" in text for name in shipped())
    for i, block in enumerate(re.findall(r"```toml\n(.*?)```", text, re.S)):
        (tmp_path / f"{i}.toml").write_text(block)
    flat, table = (read_entries(tmp_path / f"{i}.toml") for i in range(2))
    assert len(flat) == 1 and len(table) == 3
    for entry in (*flat, *table):
        check_recipe(entry.recipe())


def test_tables_are_installed():
    folder = Path(str(files("oneway.training.recipes"))) / "published_tables"
    tables = sorted(path.stem for path in folder.glob("*.toml"))
    assert tables == sorted({name.partition("/")[0] for name in shipped()})
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    packaged = project["tool"]["setuptools"]["package-data"]["oneway.training.recipes"]
    assert "published_tables/*.toml" in packaged


# -- the command line ----------------------------------------------------------------------------


def test_list_show_and_check(oneway, table):
    listed = json.loads(oneway("recipes", "list", "resnet34", "asap-k4", "--json")[1])["recipes"]
    assert [r["published"] for r in listed] == [0.939, 0.7193]
    assert set(listed[0]) == {"name", "data", "circuit", "rule", "epochs", "published", "source"}
    code, out, _ = oneway("recipes", "show", listed[0]["name"])
    assert code == 0 and ": 93.90 % in Woo et al. 2021" in out
    settings = tomllib.loads(out)
    assert settings["rule"].endswith("k=4") and settings["batch_size"] == 128
    shown = json.loads(oneway("recipes", "show", listed[0]["name"], "--json")[1])
    assert shown["settings"] == settings
    code, out, err = oneway("recipes", "check", table)
    assert (code, out, err) == (0, "5 recipes are in order\n", "")


def test_list_has_what_was_asked_for_and_nothing_else(oneway):
    def listed(*words):
        return json.loads(oneway("recipes", "list", *words, "--json")[1])["recipes"]

    both = listed("cifar10", "asap")
    assert both and all(r["data"] == "cifar10" for r in both)
    assert {r["rule"].partition(",")[0] for r in both} == {"asap"}
    everywhere = [r for r in listed() if r["data"] == "cifar10" and "asap" in r["rule"].split(",")]
    assert both == everywhere
    assert {r["data"] for r in listed("cifar")} == {"cifar10", "cifar100"}  # no word by itself
    assert len(listed("asap-table1", "cifar10-resnet18")) == len(listed("cifar10-resnet18"))


def test_a_table_that_has_no_room_is_folded(oneway, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    lines = oneway("recipes", "list", "cifar10", "asap")[1].splitlines()
    assert "asap-table1/cifar10-resnet18/asap" in lines  # whole, to be copied
    assert max(len(line) for line in lines[:-1]) <= 60
    monkeypatch.setenv("COLUMNS", "200")
    assert "published (%)" in oneway("recipes", "list", "cifar10", "asap")[1].splitlines()[0]


@pytest.mark.parametrize(
    ("rule", "command"),
    [
        ("kp", "oneway train --circuit mlp:64-32-32-10 --rule kp --data digits"),
        ("asap,k=4", "oneway train --circuit mlp:64-32-32-10 --rule asap,k=4 --data digits"),
        ("stdp", "oneway spike mlp:64-48-10 --rule stdp"),
    ],
)
def test_a_rule_in_place_of_a_recipe_is_told_apart(oneway, rule, command):
    code, out, err = oneway("train", rule)
    assert (code, out) == (2, "") and err.endswith(f"{rule!r} is a rule, not a recipe: {command}\n")
    check_names(command)


def test_shown_settings_are_a_recipe(oneway, tmp_path):
    for name in ("direct-kp-table2/cifar100/kp", "weight-mirror/resnet18/wm"):
        (tmp_path / "copy.toml").write_text(oneway("recipes", "show", name)[1])
        assert find(str(tmp_path / "copy.toml")).settings == find(name).settings


@pytest.mark.parametrize(
    ("recipe", "complaint"),
    [
        ("feedback_weight_decay = 0.1", "x: weights .* they would never align"),
        ('rule = "asap,k=9"', "k=9 fits no block of 'mlp:64-8-8-10'"),
        ('data = "mnits"', "no data set 'mnits'"),
        ('circuit = "resnet18:3x32x32"', "size '3x32x32' of resnet18"),
    ],
)
def test_check_finds_impossible_combinations(oneway, tmp_path, recipe, complaint):
    lines = {"circuit": '"mlp:64-8-8-10"', "rule": '"kp"', "weight_decay": "0.2"}
    key, _, value = recipe.partition(" = ")
    text = "\n".join(f"{k} = {v}" for k, v in {**lines, key: value}.items())
    (tmp_path / "x.toml").write_text(text)
    code, out, err = oneway("recipes", "check", "x.toml")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(complaint, err)
    content = json.loads(oneway("recipes", "check", "x.toml", "--json")[1])
    assert content["ok"] is False and list(content["complaints"]) == ["x"]
    code, out, err = oneway("train", "x.toml")  # before any work
    assert (code, out) == (2, "") and not (tmp_path / "runs").exists()


def test_a_misspelt_name_is_answered_with_the_nearest(oneway):
    code, _, err = oneway("train", "asap-table1/cifar10-resnet18/asp")
    assert code == 2 and "Did you mean 'asap-table1/cifar10-resnet18/asap'?" in err
    code, _, err = oneway("train", "asap-table1/mnist-alexnet")
    assert code == 2 and "is a table of 7: name one of its cells, as in asap-table1/mnist" in err
    code, _, err = oneway("recipes", "list", "nothing-like-it")
    assert code == 2 and "no recipe has nothing-like-it in its name" in err
    code, _, err = oneway("recipes", "show")
    assert code == 2 and "expected the name of one recipe, got 0" in err


def test_smoke_runs_without_the_data_and_says_so(oneway, tmp_path):
    name = "direct-kp-table1/fashion-mnist/kp"
    code, out, err = oneway("train", name, "--smoke", "--json", "--out", "run")
    (run,) = json.loads(out)["runs"]
    assert code == 0 and "SYNTHETIC IMAGES, shaped like fashion-mnist" in err
    assert "91.25 % in Learning the connections" in err and "time constant" in err
    assert run["data"] == "synthetic fashion-mnist" and run["published"] is None
    assert run["circuit"] == "conv2:1x28x28-10,width=4,hidden=32"
    assert run["selected"] is not None
    code, _, err = oneway("train", name, "--out", "other")
    assert code == 2 and "--data-dir" in err  # only smoke runs make do with less


def test_settings_on_the_command_line_win_over_the_smoke_size(oneway):
    name = "direct-kp-table1/fashion-mnist/fa"
    out = oneway("train", name, "--smoke", "--epochs", 1, "--set", "lr=0.5", "--json")[1]
    (run,) = json.loads(out)["runs"]
    assert (run["epochs"], run["config"]["lr"]) == (1, 0.5)


# Each table, kind of network and rule at least once; all of them take seven minutes.
RUN = (
    "asap-table1/mnist-alexnet/",
    "asap-table1/svhn-resnet18-no-shortcut/",
    "asap-table1/cifar100-resnet34/",
    "direct-kp-table1/fashion-mnist/",
    "direct-kp-table2/cifar100/dkp",
    "weight-mirror/resnet18/wm",
    "sign-symmetry-table1/resnet18/ss-last-bp",
)


@pytest.mark.slow
@pytest.mark.parametrize("begin", RUN)
def test_recipes_run_at_smoke_size(oneway, monkeypatch, begin):
    for part, images in (("TRAIN", 48), ("TEST", 16)):
        monkeypatch.setattr(f"oneway.training.recipes.smoke.{part}", images)
    for name in (name for name in shipped() if name.startswith(begin)):
        code, out, err = oneway("train", name, "--smoke", "--json", "--out", name)
        assert code == 0, err
        (run,) = json.loads(out)["runs"]
        assert run["rule"] == find(name).recipe().make_rule().label("gate", "norm")
        assert 0 <= run["test_accuracy"] <= 1 and run["published"] is None
