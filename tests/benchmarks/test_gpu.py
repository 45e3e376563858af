"""The benchmark for GPUs, run on a CPU: everything is measured, and what fails is said."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

from oneway.circuits import mlp, parse_circuit

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.fixture(scope="module")
def gpu():
    spec = importlib.util.spec_from_file_location("benchmarks_gpu", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look for their annotations
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_all_of_it_runs(gpu, tmp_path, capsys):
    written = tmp_path / "gpu.json"
    gpu.main(["--device", "cpu", "--quick", "--verify", "--compile", "no", "--json", str(written)])
    found = json.loads(written.read_text())
    (case,) = gpu.QUICK
    circuit = parse_circuit(case.circuit)
    batch = found[case.circuit][f"batch {case.batch}"]
    assert (found["dtype"], found["compile"]) == ("bfloat16", "no")
    assert list(batch["step"]) == list(batch["memory"]) == list(case.rules)
    for name, step in batch["step"].items():
        for side in (step["autograd"], step[name]):
            fraction = side["images_per_s"] * gpu.step_flops(circuit)
            expected = fraction / found["ceilings"]["product_flops"]
            assert side["fraction_of_peak"] == pytest.approx(expected)
    assert all(min(seconds.values()) > 0 for seconds in batch["epoch"].values())
    assert set(batch["kernels"]) == {"autograd", "bp", "asap"}
    assert batch["start"]["autograd"]["seconds"] > 0
    whole = found["verify"].pop("whole step")
    assert len(found["verify"]) == len(gpu.convolutions(circuit)) == 11
    assert list(whole) == list(case.rules)
    table = capsys.readouterr().out
    assert "WRONG" not in table and "failed" not in table and "TFLOP/s" in table


def test_products_of_a_step(gpu):
    """Each product once forward and twice backward, but nobody asks for the error of the input."""
    assert gpu.step_flops(mlp((5, 7, 3))) == 2 * (3 * 5 * 7 + 3 * 7 * 3) - 2 * 5 * 7


def test_time_of_every_kind_of_operation(gpu):
    config = gpu.BenchConfig(batch=4, dtype="bfloat16")
    seconds = gpu.breakdown(mlp((6, 8, 8, 4)), "fa", config, repeats=2)
    assert {"apply", "phi", "loss", "correlate", "cast", "store"} <= set(seconds)
    assert list(seconds.values()) == sorted(seconds.values(), reverse=True)
    assert min(seconds.values()) > 0


def test_autograd_is_compiled_once_and_rules_come_and_go(gpu):
    rivals = gpu.Rivals(mlp((6, 8, 4)), gpu.BenchConfig(batch=4))
    plain, first = rivals.contender("autograd"), rivals.contender("bp")
    assert rivals.contender("bp") is first
    rivals.contender("kp")
    assert rivals.contender("autograd") is plain and rivals.contender("bp") is not first


def test_a_wrong_convolution_is_seen(gpu, monkeypatch):
    circuit = parse_circuit("conv2:1x6x6-3,width=2")
    config = gpu.BenchConfig(batch=4)
    convolution = gpu.convolutions(circuit)[0]
    assert gpu.show_errors("", gpu.verify_convolution(convolution, config)).endswith("right")
    right = gpu.rate_connector

    def wrong(*arguments):
        half = right(*arguments)
        apply = half.apply
        half.apply = lambda w, x: apply(w, x) * (1.001 if x.dtype == torch.float32 else 1)
        return half

    monkeypatch.setattr(gpu, "rate_connector", wrong)
    said = gpu.show_errors("", gpu.verify_convolution(convolution, config))
    assert said.endswith("WRONG, at most 0.0001 in float32")


# -- what fits, what fails -------------------------------------------------------------------------


def test_a_plan_leaves_out_what_does_not_fit_and_says_so(gpu, tmp_path, monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(gpu.time, "monotonic", lambda: now[0])
    plan = gpu.Plan(100.0, tmp_path / "found.json", started=0.0)

    def takes(seconds):
        now[0] += seconds
        return seconds

    def show(label, result):
        return f"{label}: {result} s"

    for name, seconds in [("a", 40), ("b", 45), ("c", 1)]:
        plan.measure("step", ["net", "step", name], lambda s=seconds: takes(s), show)
        held = json.loads((tmp_path / "found.json").read_text())
        assert list(held["net"]["step"])[-1] == name  # after every line
    assert plan.found["net"]["step"] == {"a": 40, "b": 45, "c": {"left_out": True}}
    plan.measure("short", ["net", "short"], lambda: takes(20), show)  # none of its kind came yet
    plan.measure("short", ["net", "late"], lambda: takes(0), show)
    out = capsys.readouterr().out
    assert "left out: net, step, c (took 45 s before, 15 s left)" in out
    assert "left out: net, late (took 20 s before, 0 s left)" in out


def test_what_fails_is_said_and_the_rest_goes_on(gpu, monkeypatch, capsys):
    contender = gpu.rule_contender

    def failing(name, *arguments):
        if name == "kp":
            raise gpu.ConfigError("kp: no memory\nat all")
        return contender(name, *arguments)

    monkeypatch.setattr(gpu, "rule_contender", failing)
    monkeypatch.setattr(gpu, "epoch_seconds", lambda *arguments: {"learning": 1.0})
    plan, config = gpu.Plan(), gpu.BenchConfig(batch=4, repeats=3)
    case = gpu.Case("mlp:6-8-4", 4, ("bp", "kp"))
    gpu.compare(plan, case, config, {"product_flops": 1e9})
    steps = plan.found["mlp:6-8-4"]["batch 4"]["step"]
    assert steps["kp"] == {"failed": "kp: no memory"} and steps["bp"]["ratio"] > 0
    assert set(plan.found["mlp:6-8-4"]["batch 4"]["kernels"]) == {"autograd", "bp"}
    assert "mlp:6-8-4, batch 4, step, kp: kp: no memory" in capsys.readouterr().out


@pytest.mark.slow
def test_it_trains_with_what_is_left(gpu, tmp_path, capsys):
    common = ["--device", "cpu", "--quick", "--dtype", "float32", "--compile", "no"]
    train = [*common, "--only", "train", "--data-dir", str(tmp_path), "--out", str(tmp_path / "o")]
    gpu.main([*train, "--budget", "10"])
    for rules in gpu.LINES:
        table = json.loads((tmp_path / "o" / "-".join(rules) / "table.json").read_text())
        cells = {cell["column"]: cell for cell in table["cells"]}
        assert set(cells) == set(rules), table
    with pytest.raises(SystemExit, match="name both: --data-dir with the data, --out"):
        gpu.main([*common, "--only", "train"])


def test_bad_input(gpu):
    with pytest.raises(SystemExit, match=r"gpu.py: device 'abacus', expected one of cpu, cuda"):
        gpu.main(["--device", "abacus", "--quick"])
    with pytest.raises(SystemExit, match=r"gpu.py: --budget 0"):
        gpu.main(["--device", "cpu", "--quick", "--budget", "0"])
