"""The benchmark for GPUs, run on a CPU: everything is measured, and what fails is said."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from oneway.circuits import mlp, parse_circuit
from oneway.rules import parse_rule

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
    gpu.main(["--device", "cpu", "--quick", "--compile", "no", "--json", str(written)])
    found = json.loads(written.read_text())
    (case,) = found["cases"]
    assert (found["dtype"], found["compile"], case["batch"]) == ("bfloat16", "no", 8)
    assert list(case["steps"]) == list(gpu.QUICK[0].rules)
    for name, step in case["steps"].items():
        assert step["channels_last"] is True
        for side in (step["autograd"], step["rules"][name]):
            fraction = side["images_per_s"] * gpu.step_flops(parse_circuit(case["circuit"]))
            assert side["fraction_of_peak"] == pytest.approx(fraction / found["product_flops"])
    assert all(seconds > 0 for seconds in case["epoch_seconds"].values())
    table = capsys.readouterr().out
    assert "autograd" in table and "uncompiled step, asap: " in table and "TFLOP/s" in table


def test_products_of_a_step(gpu):
    """Each product once forward and twice backward, but nobody asks for the error of the input."""
    assert gpu.step_flops(mlp((5, 7, 3))) == 2 * (3 * 5 * 7 + 3 * 7 * 3) - 2 * 5 * 7


def test_time_of_every_kind_of_operation(gpu):
    config = gpu.BenchConfig(batch=4, dtype="bfloat16")
    seconds = gpu.breakdown(mlp((6, 8, 8, 4)), parse_rule("fa"), config, repeats=2)
    assert {"apply", "phi", "loss", "correlate", "cast", "store"} <= set(seconds)
    assert list(seconds.values()) == sorted(seconds.values(), reverse=True)
    assert min(seconds.values()) > 0


def test_what_fails_is_said_and_the_rest_goes_on(gpu, monkeypatch, capsys):
    bench = gpu.bench

    def failing(circuit, rules, config):
        if "kp" in rules:
            raise gpu.ConfigError("kp: no memory\nat all")
        return bench(circuit, rules, config)

    monkeypatch.setattr(gpu, "bench", failing)
    monkeypatch.setattr(gpu, "epoch_seconds", lambda *arguments: 1.0)
    config = gpu.BenchConfig(batch=4, repeats=3)
    report = gpu.measured(gpu.Case("mlp:6-8-4", ("bp", "kp")), ["bp", "kp"], config, 1e9)
    assert report["steps"]["kp"] == {"failed": "kp: no memory"}
    assert report["steps"]["bp"]["rules"]["bp"]["step_time_ratio"] > 0
    gpu.show(report)
    assert "kp                  kp: no memory" in capsys.readouterr().out


def test_bad_input(gpu):
    with pytest.raises(SystemExit, match=r"gpu.py: device 'abacus', expected one of cpu, cuda"):
        gpu.main(["--device", "abacus", "--quick"])
