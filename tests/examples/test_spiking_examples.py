"""Every spiking example runs in its quick form, and shows what it says."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("brian2")

pytestmark = [pytest.mark.spiking, pytest.mark.slow]

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_weight_mirror(tmp_path):
    script = example("spiking_weight_mirror")
    angles = script.main(tmp_path, 7.0)
    assert angles["mirror"][-1] < angles["mirror"][0] - 15
    assert angles["control: W cut"][-1] > 70
    assert (tmp_path / "spiking_weight_mirror.png").stat().st_size > 10_000


def test_kolen_pollack(tmp_path, capsys):
    results = example("spiking_kolen_pollack").main(tmp_path, quick=True)
    assert set(results) == {"kp", "fa"}
    # Few digits move little; but W and B get the same change, and under FA only W moves.
    for rule, moves in (("kp", True), ("fa", False)):
        b = "delta_h2 -> delta_h1"
        moved = results[rule].weights[b] - results[rule].first_weights[b]
        assert (abs(moved).max() > 0) == moves
    assert "test digits" in capsys.readouterr().out


def test_asap_without_a_reciprocal_pair(tmp_path, capsys):
    results = example("spiking_asap_one_way").main(tmp_path, quick=True, compare=False)
    words = capsys.readouterr().out.splitlines()
    one_way = next(line for line in words if line.startswith("ASAP, one-way gates"))
    assert one_way.split()[-3:] == ["0", "0", "none"]
    assert "and 10 output cells with their error cells, as under any supervised rule" in words
    assert list(results) == ["ASAP, one-way gates"]


def test_rates_and_spikes(tmp_path, capsys):
    slopes = example("rates_and_spikes").main(tmp_path, quick=True)
    assert -0.75 < slopes["poisson"] < -0.25
    assert "the same to the last bit" in capsys.readouterr().out


def test_lesions(tmp_path, capsys):
    cut = example("spiking_lesions").main(tmp_path, quick=True)["kp"]
    whole = cut["nothing"]
    assert list(cut) == ["nothing", "teach δ → h", "teach h → δ", "gate h → δ"]
    w, b = "x -> h1", "delta_output -> delta_h1"
    for name, stopped, going_on in (("teach δ → h", w, b), ("teach h → δ", b, w)):
        assert cut[name]["moved"][stopped] < 0.9 * whole["moved"][stopped]
        assert cut[name]["moved"][going_on] > 0.9 * whole["moved"][going_on]
    # Error cells that hear no gate are silent, and teach as little as those that are not heard.
    assert cut["gate h → δ"]["moved"] == pytest.approx(cut["teach δ → h"]["moved"])
    assert "Kolen-Pollack" in capsys.readouterr().out
    assert (tmp_path / "spiking_lesions.png").stat().st_size > 10_000


def test_wake_and_sleep(tmp_path):
    result = example("spiking_wake_and_sleep").main(tmp_path, quick=True)
    phases = {part.phase for part in result.excerpt.data.intervals}
    assert phases == {"mirror h1", "mirror h2", "engaged"}
    first, last = result.curve[0]["angles_deg"], result.angles_deg
    assert all(last[drive] < first[drive] - 10 for drive in last), "the line is to fall"
    assert (tmp_path / "spiking_wake_and_sleep_raster.png").exists()


def test_mirror_animation(tmp_path):
    script = example("mirror_animation")
    run = script.main(tmp_path / "mirror.html", quick=True)
    states = [state for state, _, _ in run.stretches]
    assert states == ["asleep"] + ["awake"] * script.DIGITS_AWAKE
    assert run.angles_deg[-1] < run.angles_deg[0] - 15
    assert (tmp_path / "mirror.html").stat().st_size < 500_000
