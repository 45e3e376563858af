"""What closes the gap between weights that change alike: decay alone, as predicted."""

from dataclasses import replace

import pytest
from training_runs import wire_and_train

from oneway.circuits import mlp, parse_circuit
from oneway.rules import parse_rule
from oneway.training import TrainConfig, load_data

CONFIG = TrainConfig(epochs=4, lr=0.05, weight_decay=0.02, dtype="float64")
COURSES = {
    "plain": {"momentum": 0.0},
    "momentum": {"schedule": "step", "step_epochs": 1, "step_factor": 0.5},
    "nesterov": {"nesterov": True, "schedule": "cosine", "warmup_epochs": 1},
    "signs": {"optimizer": "batch_manhattan", "lr": 0.01},
}


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", limit=(240, 60))


def gaps(digits, circuit="mlp:64-12-12-10", rule="kp", **settings):
    config = replace(CONFIG, **settings)
    result = wire_and_train(parse_circuit(circuit), parse_rule(rule), digits, config)
    return [record.get("gap") for record in result.history]


@pytest.mark.parametrize("course", COURSES)
def test_the_prediction_is_exact(digits, course):
    found = gaps(digits, **COURSES[course])
    assert all(len(gap) == 2 for gap in found)
    for gap in found:
        for of in gap.values():
            assert of["measured"] == pytest.approx(of["predicted"], rel=1e-9)
    last = found[-1]["delta_output -> delta_h2"]["predicted"]
    assert last < 0.995
    if course == "plain":
        assert last == pytest.approx((1 - 0.05 * 0.02) ** 16)


def test_also_where_activations_are_shared_and_batches_normalised(digits):
    found = gaps(digits, "resnet18:1x8x8-10,width=4", "asap", epochs=2)
    assert len(found[-1]) == 18
    for of in found[-1].values():
        assert of["measured"] == pytest.approx(of["predicted"], rel=1e-9)


@pytest.mark.parametrize(
    ("rule", "settings"),
    [
        ("fa", {}),
        ("kp", {"optimizer": "adam"}),
        ("kp", {"feedback_lr": 0.01}),
        ("kp", {"feedback_schedule": "cosine"}),
        ("kp,init=aligned", {}),
        ("wm", {}),
    ],
)
def test_where_no_law_holds_there_is_no_gap(digits, rule, settings):
    assert gaps(digits, rule=rule, **settings)[-1] is None


def test_a_checkpoint_of_an_earlier_version_goes_on_without(digits, tmp_path, monkeypatch):
    from oneway.training.records import RunFolder

    run = mlp((64, 12, 10)), parse_rule("kp"), digits, CONFIG

    def old(folder, state, save=RunFolder.save):
        del state["gaps"]
        save(folder, state)
        if len(state["history"]) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "save", old)
        with pytest.raises(KeyboardInterrupt):
            wire_and_train(*run, out=tmp_path)
    history = wire_and_train(*run, out=tmp_path, resume=True).history
    assert ["gap" in record for record in history] == [True, True, False, False]
