"""`oneway spike`: JSON keys, files, the way from rates to spikes, one-line complaints."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("brian2")

from oneway.circuits import load_circuit, mlp, save_circuit
from oneway.rules import parse_rule
from oneway.training.errors import DataError
from oneway.training.signals import MARK, signals_tables
from oneway.training.spiking.bridge import read_weights, save_weights
from oneway.training.spiking.config import SpikingConfig
from oneway.training.spiking.probe import Probe
from oneway.training.spiking.run import SpikingRun, samples

pytestmark = pytest.mark.spiking

KEYS = "rule angles_deg accuracy simulated_s wall_s mean_rate_hz".split()
NET = "mlp:64-8-10"
QUICK = ["--samples", "8,6", "--epochs", "1", "--measurements", "1", "--target", "numpy"]
SPIKE = ["spike", NET, *QUICK]


@pytest.fixture(autouse=True)
def few_samples_are_probed(monkeypatch):
    """Every one is presented before, between and after the samples that are learned."""
    monkeypatch.setattr("oneway.training.spiking.probe.PROBE", 3)


# -- results -----------------------------------------------------------------------------------


def test_json_has_every_key_and_files_hold_the_same(oneway, tmp_path):
    pytest.importorskip("nir")
    out = tmp_path / "run"
    code, text, err = oneway(
        *SPIKE, "--rule", "kp", "--out", out, "--nir", "a.nir", "--spikes", "a.npz", "--json"
    )
    content = json.loads(text)
    assert (code, text.count("\n"), err.count("\n")) == (0, 1, 1)
    assert "--nir are not all of the circuit. feedback: 2 populations (delta_output" in err
    assert set(KEYS) <= set(content)
    assert (content["rule"], content["data"]) == ("kp", "digits")
    assert (content["train_samples"], content["test_samples"]) == (8, 6)
    assert list(content["angles_deg"]) == ["delta_output -> delta_h1"]
    assert 0 <= content["accuracy"] <= 1 and content["simulated_s"] > 1.4
    assert content["mean_rate_hz"] > 1 and content["mean_rates_hz"]["h1"] > 0
    assert content["reciprocal_pairs"] == {"papers": 8, "all": 8, "output": 10, "relays_apart": 8}
    assert json.loads((out / "result.json").read_text()) == content
    assert load_circuit(out / "circuit.json") == parse_rule("kp").wire(mlp((64, 8, 10)))
    for name in "raster rates alignment errors weights".split():
        assert (out / f"{name}.png").stat().st_size > 1000
    assert_exports(tmp_path, out, content)
    code, _, err = oneway(*SPIKE, "--rule", "kp", "--out", out)
    assert code == 2 and "holds a run already" in err


def assert_exports(tmp_path, out, content):
    from oneway.backends.spiking.exchange.spikes import load_spikes

    nir = pytest.importorskip("nir")
    spikes = load_spikes(tmp_path / "a.npz")
    assert spikes.sizes["h1"] == 8 and len(spikes.spikes["h1"])
    # Of the whole run, without a gap; the picture's are its end.
    assert (spikes.start_s, spikes.stop_s) == (0, pytest.approx(content["simulated_s"]))
    busy = np.bincount((spikes.spikes["x"].times_s * 10).astype(int))
    assert len(busy) == round(10 * content["simulated_s"]) and busy.min() > 0
    # Both halves of output cells, also of those that never fired.
    assert (spikes.units()["unit_population"] == "output").sum() == 20
    shown = load_spikes(out / "spikes.npz")
    assert shown.stop_s - shown.start_s == pytest.approx(0.3)
    for name, train in shown.spikes.items():
        same = spikes.spikes[name].between(shown.start_s, shown.stop_s)
        np.testing.assert_array_equal(train.cells, same.cells)
    wired = load_circuit(out / "circuit.json")
    learned = read_weights(out, wired)
    node = nir.read(tmp_path / "a.nir").nodes["x -> h1"]
    np.testing.assert_array_equal(node.weight, learned.weights["x -> h1"])


def test_fewer_samples_than_measurements(oneway):
    """One measurement before and one after each sample: there is nothing to look at in between."""
    few = ["--rule", "dkp", "--dynamics", "settled", "--samples", "3,2", "--measurements", "10"]
    cut = ["--lesion", "h1 -> output@0.001", "--lesion", "teach: delta_h1 -> h1@0"]
    code, text, err = oneway(*SPIKE, *few, *cut, "--json")
    assert (code, err) == (0, "")
    content = json.loads(text)
    assert len(content["curve"]) == 1 + 3
    assert content["lesions"] == {"h1 -> output": 0.001, "teach: delta_h1 -> h1": 0.0}


@pytest.mark.parametrize(
    ("lesions", "message"),
    [
        (["teach: delta_h2 -> h1@1"], "did you mean 'teach: delta_h1 -> h1', "),
        (["x -> h1@1", "x -> h1@2"], "lesions name 'x -> h1' twice"),
        (["x -> h1@-1"], "lesion of 'x -> h1' at -1 s, expected at least 0"),
        (["x -> h1@99"], "at 99 s, but the run ends after about 4.4 s"),
        (["x -> h1"], "lesion 'x -> h1', expected PROJECTION@SECONDS"),
    ],
)
def test_lesions_that_cannot_be(oneway, lesions, message):
    options = [word for lesion in lesions for word in ("--lesion", lesion)]
    code, _, err = oneway(*SPIKE, "--rule", "kp", *options)
    assert (code, err.count("\n")) == (2, 1) and message in err


def test_angles_and_weights_are_those_of_the_network():
    """Numbers of the result against the network's own, computed anew."""
    from oneway.analysis import angle_deg
    from oneway.training import load_data

    wired = parse_rule("kp").wire(mlp((64, 8, 10)))
    data = load_data("digits", shape=(64,), limit=(8, 6))
    config = SpikingConfig(epochs=1, measurements=1, target="numpy", rate=0.05)
    run = SpikingRun(wired, data, config)
    result = run.run()
    w_JI, b_IJ = result.weights["h1 -> output"], result.weights["delta_output -> delta_h1"]
    assert result.angles_deg == {"delta_output -> delta_h1": pytest.approx(angle_deg(b_IJ.T, w_JI))}
    assert (w_JI != result.first_weights["h1 -> output"]).any()
    # Both get the same change, so that their difference only fades.
    gap = w_JI - b_IJ.T
    before = (
        result.first_weights["h1 -> output"] - result.first_weights["delta_output -> delta_h1"].T
    )
    assert np.corrcoef(gap.ravel(), before.ravel())[0, 1] > 0.999
    x, y = samples(data, "test")
    assert result.accuracy == pytest.approx(run.network.evaluate(x, y), abs=0.35)


def test_noise_alone_aligns(oneway, tmp_path):
    arguments = ["--no-task", "--seconds", "8", "--target", "numpy", "--json", "--out", "o"]
    window = ["--spikes", "w.npz", "--spikes-window", "2.5:3"]
    code, text, _ = oneway("spike", "mlp:4-8-6", "--rule", "wm", *arguments, *window)
    content = json.loads(text)
    with np.load(tmp_path / "w.npz") as file:
        times, ends = file["spike_times"], (file["start"], file["stop"])
        assert 2.5 <= times.min() < 2.55 and 2.95 < times.max() < 3 and ends == (2.5, 3)
    assert code == 0 and content["accuracy"] is None and content["data"] is None
    first, last = (record["angles_deg"] for record in (content["curve"][0], content["curve"][-1]))
    drive = "delta_output -> delta_h1"
    assert last[drive] < first[drive] - 10
    assert content["simulated_s"] >= 8
    assert not (tmp_path / "o/errors.png").exists()  # there were none


def test_for_people(oneway):
    code, text, err = oneway(*SPIKE, "--rule", "fa", "--rates-too", "--spikes", "a.npz")
    assert (code, err) == (0, "")
    assert re.search(r"saved a.npz: [\d,]+ spikes of 212 units, 0.0 to (.*) s of \1 s", text)
    assert "mlp:64-8-10: fa, spiking, numpy" in text
    assert "joined both ways" in text and "same weights as rates" in text
    assert "backpropagation's error" in text


# -- weights over the bridge -------------------------------------------------------------------


def test_what_was_learned_as_rates_answers_as_spikes(oneway, tmp_path):
    """Most digits, with the weights of a run as rates and not a single spike of learning."""
    train = ["train", "--circuit", "mlp:64-24-10", "--epochs", "8", "--lr", "0.05"]
    assert oneway(*train, "--rule", "kp", "--out", "rates", "--json")[0] == 0
    arguments = ["--weights", "rates", "--samples", "9,24", "--target", "numpy", "--json"]
    code, text, err = oneway(
        "spike", "mlp:64-24-10", "--rule", "kp", *arguments, "--rates-too", "--out", "s"
    )
    content = json.loads(text)
    assert code == 0, err
    assert content["config"]["epochs"] == 0 and content["online_accuracy"] == []
    assert content["rates_accuracy_same_weights"] > 0.85
    assert content["accuracy"] > 0.75
    assert "rates_accuracy" not in content  # nothing was trained
    # And on from there, under another rule: its feedback weights are not in the file.
    settled = ["--dynamics", "settled", "--samples", "5,5", "--json"]
    code, _, err = oneway("spike", "mlp:64-24-10", "--rule", "dfa", "--weights", "s", *settled)
    assert code == 0 and err.count("start from their own draw") <= 1


def test_both_files_hold_the_same_weights(tmp_path):
    from oneway.backends.rate import RateNetwork
    from oneway.training.checkpoint import write_checkpoint

    wired = parse_rule("kp").wire(mlp((4, 3, 2)))
    rates = RateNetwork(wired, dtype=torch.float64, seed=3)
    with torch.no_grad():
        rates.biases["h1"].add_(0.5)
    state = {"run": {"config": {}}, "step": 0, "network": rates.state_dict()}
    write_checkpoint(tmp_path / "checkpoint.safetensors", state)
    first = read_weights(tmp_path, wired)
    path = save_weights(tmp_path / "w.safetensors", wired, first.weights, first.biases)
    second = read_weights(path, wired)
    assert set(first.weights) == set(second.weights) == set(rates.weights)
    for name in rates.weights:
        np.testing.assert_array_equal(first.weights[name], rates.weight(name).numpy())
        np.testing.assert_array_equal(first.weights[name], second.weights[name])
    np.testing.assert_array_equal(second.biases["h1"], 0.5)
    assert first.missing == []
    assert read_weights(path, parse_rule("bp").wire(mlp((4, 3, 2)))).missing == []
    with pytest.raises(DataError, match=r"shape \(3, 4\), expected \(3, 5\)"):
        read_weights(path, parse_rule("kp").wire(mlp((5, 3, 2))))
    with pytest.raises(DataError, match="no weights for projection 'h1 -> h2'"):
        read_weights(path, parse_rule("kp").wire(mlp((4, 3, 3, 2))))


# -- parts -------------------------------------------------------------------------------------


def test_the_script_runs_without_us(oneway, tmp_path):
    code, text, err = oneway("spike", NET, "--rule", "kp", *QUICK[:2], "--show-code", "--out", "s")
    assert (code, err.startswith("saved")) == (0, True)
    assert (tmp_path / "s/circuit.py").read_text().strip() == text.strip()
    assert "oneway" not in "".join(line for line in text.splitlines() if "import" in line)
    compile(text, "circuit.py", "exec")
    for word in ("NeuronGroup", "Synapses", "delta_h1"):
        assert word in text


def test_a_small_script_has_its_arrays_in_it(oneway, tmp_path):
    """`oneway spike ... --show-code > wm.py`, and then it runs where there is nothing else."""
    code, text, err = oneway("spike", "mlp:8-4-3", "--rule", "wm", "--no-task", "--show-code")
    assert (code, err) == (0, "") and "npz" not in text and len(text) < 10_000
    assert not re.findall(r"^(?:from|import) oneway", text, re.MULTILINE)
    short = re.sub(r"network\.run\(\d+", "network.run(20", text)
    run = subprocess.run(
        [sys.executable, "-c", short], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "'cells_h1'" in run.stdout


def test_a_large_script_wants_a_folder(oneway):
    code, text, err = oneway("spike", "mlp:64-64-64-10", "--rule", "kp", *QUICK[:2], "--show-code")
    assert (code, text) == (2, "")
    assert re.search(r"would have \d+ kB, and the most is 100 kB. Add --out DIR", err)


def test_the_script_shows_how_samples_follow_and_what_synapses_hold(oneway):
    shown = [*QUICK[:2], "--rule", "kp", "--show-code"]
    _, plain, _ = oneway("spike", NET, *shown)
    assert not any(word in plain for word in ("onset", "interneurons"))
    _, text, _ = oneway("spike", NET, *shown, "--presentation", "trials", "--dale")
    assert "(1 - onset) * v" in text and "interneurons_h1 = NeuronGroup(" in text
    conv = "conv2:1x8x8-10,norm=none,width=2,hidden=6"
    _, shared, _ = oneway("spike", conv, *shown, "--out", "shared")
    _, alone, _ = oneway("spike", conv, *shown, "--unshared", "--out", "unshared")
    assert "weights_drive_x_to_h1 = " in shared and "weights_" not in alone


def test_settled_errors_under_backpropagation_are_backpropagation_s():
    """With tied weights and no spikes, the angle to backpropagation's error is 0."""
    from oneway.backends.spiking import SpikingNetwork
    from oneway.training import load_data

    wired = parse_rule("bp").wire(mlp((64, 6, 5, 10)))
    data = load_data("digits", shape=(64,), limit=(8, 6))
    network = SpikingNetwork(wired, dynamics="settled")
    angles = Probe(wired, data, "settled").error_angles(network)
    assert set(angles) == {"delta_h1", "delta_h2", "delta_output"}
    assert max(angles.values()) < 1e-4
    other = SpikingNetwork(parse_rule("fa").wire(mlp((64, 6, 5, 10))), dynamics="settled")
    assert Probe(other.circuit, data, "settled").error_angles(other)["delta_h1"] > 20


# -- complaints --------------------------------------------------------------------------------

BAD = {
    "no rule": (["spike", NET], "learns nothing without a rule"),
    "rule": (["spike", NET, "--rule", "kpp"], "no rule 'kpp'"),
    "gate": (["spike", NET, "--gate", "local"], "name one with --rule"),
    "batch norm": (
        ["spike", f"{NET},norm=before", "--rule", "kp", *QUICK],
        "BatchNorm has no spiking translation",
    ),
    "shape": (["spike", "mlp:65-10", "--rule", "fa", *QUICK], "but the circuit's input has (65,)"),
    "classes": (["spike", "mlp:64-9", "--rule", "fa", *QUICK], "has 10 classes, but the output"),
    "dynamics": ([*SPIKE, "--rule", "kp", "--dynamics", "lif"], "expected one of spiking, poisson"),
    "target": ([*SPIKE, "--rule", "kp", "--target", "cuda"], "expected one of auto, numpy"),
    "number": ([*SPIKE, "--rule", "kp", "--rate", "fast"], "invalid float value: 'fast'"),
    "negative": ([*SPIKE, "--rule", "kp", "--rate", "-1"], "rate = -1.0, expected at least 0"),
    "samples": ([*SPIKE, "--rule", "kp", "--samples", "many"], "limit = 'many', expected"),
    "data of no task": (
        [*SPIKE, "--rule", "wm", "--no-task", "--data", "digits"],
        "--data belongs to a task: leave it out, or --no-task",
    ),
    "no task": (
        ["spike", NET, "--rule", "kp", "--no-task"],
        "Leave out --no-task, or use a rule that has one: wm",
    ),
    "no layer to mirror": (
        ["spike", "mlp:64-10", "--rule", "wm", "--no-task"],
        "without a task nothing happens. Leave out --no-task\n",
    ),
    "no epochs": (["spike", NET, "--rule", "wm", "--no-task", "--epochs", "2"], "--epochs belongs"),
    "weights": ([*SPIKE, "--rule", "kp", "--weights", "nowhere"], "'nowhere' holds no weights"),
    "damaged": ([*SPIKE, "--rule", "kp", "--weights", "file"], "cannot be read as safetensors"),
    "folder": ([*SPIKE, "--rule", "kp", "--nir", "no/a.nir"], "its folder is not there"),
    "out": ([*SPIKE, "--rule", "kp", "--out", "file/x"], "cannot be written"),
    "typo": ([*SPIKE, "--rule", "kp", "--epoch", "3"], "did you mean --epochs?"),
    "presentation": ([*SPIKE, "--rule", "kp", "--presentation", "trial"], "of sequence, trials"),
    "unshared": ([*SPIKE, "--rule", "kp", "--unshared"], "has no convolution"),
    "dale": (
        ["spike", "conv2:1x8x8-10,norm=none,width=2", "--rule", "kp", *QUICK, "--dale"],
        "under Dale's law each synapse needs a weight of its own",
    ),
    "scaling": (["spike", NET, "--rule", "wm,scaling=2", *QUICK], "at most 1"),
    "window": (
        [*SPIKE, "--rule", "kp", "--spikes", "a.npz", "--spikes-window", "3-4"],
        "--spikes-window '3-4', expected START:END in simulated seconds",
    ),
    "window's order": (
        [*SPIKE, "--rule", "kp", "--spikes", "a.npz", "--spikes-window", "4:3"],
        "expected 0 <= START < END",
    ),
    "window's place": (
        [*SPIKE, "--rule", "kp", "--spikes", "a.npz", "--spikes-window", "99:"],
        "--spikes-window 99:: the run lasts about",
    ),
    "window alone": ([*SPIKE, "--rule", "kp", "--spikes-window", "1:2"], "belongs to --spikes"),
    "settled input": (
        [*SPIKE, "--rule", "kp", "--input", "poisson", "--dynamics", "settled"],
        "--input poisson: dynamics 'settled' has no spikes",
    ),
    "delay": ([*SPIKE, "--rule", "kp", "--delay", "soon"], "'soon' is no number"),
    "delay of": ([*SPIKE, "--rule", "kp", "--delay", "x -> h9=2"], "which is no projection"),
    "delay steps": ([*SPIKE, "--rule", "kp", "--delay", "0.3"], "no multiple of the time step"),
    "nir of": (
        [*SPIKE, "--rule", "kp", "--nir", "a.nir", "--dynamics", "adaptive"],
        "--nir writes leaky cells",
    ),
    "settled noise": (
        ["spike", NET, "--rule", "wm", "--no-task", "--dynamics", "settled"],
        "run_spontaneous needs cells that spike",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_2(oneway, tmp_path, case):
    (tmp_path / "file").write_text("nothing of use")
    arguments, complaint = BAD[case]
    code, out, err = oneway(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("oneway: error: ") and err.count("\n") == 1
    assert complaint in err


def test_a_wired_circuit_needs_no_rule(oneway, tmp_path):
    path = save_circuit(parse_rule("fa").wire(mlp((64, 4, 10))), tmp_path / "wired.json")
    settled = ["--dynamics", "settled", "--samples", "3,3", "--json"]
    code, text, _ = oneway("spike", path, *QUICK[2:], *settled)
    assert code == 0 and json.loads(text)["rule"] is None
    code, _, err = oneway("spike", path, "--rule", "fa")
    assert code == 2 and "is wired already" in err


def test_without_brian2_the_fix_is_named(oneway, monkeypatch):
    for module in [name for name in sys.modules if name.startswith("oneway.backends.spiking")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "brian2", None)
    code, out, err = oneway("spike", NET, "--rule", "kp")
    assert (code, out) == (2, "")
    assert 'pip install "oneway[spiking]"' in err and err.count("\n") == 1


def test_compiling_is_told_apart_from_running(oneway, monkeypatch):
    """As if the program had been compiled when it first ran."""
    compiling_s = property(lambda network: 31.0 if network.simulated_s else 0.0)
    from oneway.backends.spiking import SpikingNetwork

    monkeypatch.setattr(SpikingNetwork, "compiling_s", compiling_s)
    code, out, err = oneway(*SPIKE, "--rule", "kp", "--json")
    assert code == 0 and json.loads(out)["compiling_s"] == 31
    assert err.count("compiled in 31 s") == 1
    assert "after 31.0 s of compiling" in oneway(*SPIKE, "--rule", "kp")[1]


# -- signals -----------------------------------------------------------------------------------


def test_check_says_what_carries_each_signal(oneway):
    code, out, _ = oneway("check", "mlp:4-3-2", "--rule", "wm", "--signals")
    rows = [line.split("  ") for line in out.splitlines()]
    found = {tuple(cell.strip() for cell in row if cell.strip()) for row in rows}
    assert code == 1  # pairs joined both ways
    assert ("teach: delta_h1 -> h1 (teach)", "a trace of spikes", "3", "data") in found
    assert ("delta_output -> delta_h1 (drive)", "6", "24", "6", "data and noise") in found
    told = json.loads(oneway("check", "mlp:4-3-2", "--rule", "wm", "--signals", "--json")[1])
    assert told["signals"]["carriers"]["pairs"][0] == ["x (4,)", 4]


def test_page_on_what_carries_signals_is_up_to_date():
    page = Path(__file__).parents[2] / "docs" / "spiking_signals.md"
    written = page.read_text(encoding="utf-8").partition(MARK)
    new = f"write it anew: python -m oneway.training.signals {page.relative_to(page.parents[1])}"
    assert "".join(written[1:]) == signals_tables(), new
