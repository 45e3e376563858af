"""Everything but the spiking backend works without brian2.

`make rate-only` runs this file in an environment from which brian2 was removed. Elsewhere the
import is blocked, so that the tests mean the same.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("circuits", "rules", "backends", "analysis", "training")
PRELUDE = "import sys; sys.modules['brian2'] = None\n"


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter that cannot import brian2."""
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "MPLBACKEND": "Agg"},
    )


def run_oneway(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from oneway.training.cli.main import main; sys.argv[0] = 'oneway'; sys.exit(main())"
    return run(code, *arguments)


def test_every_module_but_spiking_imports():
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    modules = [
        ".".join(("oneway", *file.relative_to(ROOT).with_suffix("").parts)) for file in files
    ]
    names = [
        name.removesuffix(".__init__")
        for name in modules
        if not name.startswith("oneway.backends.spiking") and not name.endswith("__main__")
    ]
    done = run("import importlib\nfor name in sys.argv[1:]: importlib.import_module(name)", *names)
    assert done.returncode == 0, done.stderr
    assert len(names) > 20


def test_circuits_rules_and_wiring_import_neither_torch_nor_brian2():
    done = run(
        "sys.modules['torch'] = None\n"
        "import oneway.circuits, oneway.rules, oneway.analysis.wiring as w\n"
        "from oneway.rules import parse_rule\n"
        "circuit = oneway.circuits.parse_circuit('mlp:8-6-4')\n"
        "print(w.check_wiring(parse_rule('kp').wire(circuit)))"
    )
    assert done.returncode == 0, done.stderr


def test_every_rule_takes_a_step():
    done = run(
        "import torch\n"
        "from oneway.backends.rate import RateNetwork\n"
        "from oneway.circuits import parse_circuit\n"
        "from oneway.rules import RULES, parse_rule\n"
        "for rule in RULES:\n"
        "    net = RateNetwork(parse_rule(rule).wire(parse_circuit('mlp:8-6-6-4')))\n"
        "    out = net.step(torch.randn(5, 8), torch.tensor([0, 1, 2, 3, 0]))\n"
        "    assert torch.isfinite(out.loss), rule\n"
        "    assert any(p.grad is not None for p in net.parameters()), rule"
    )
    assert done.returncode == 0, done.stderr


def test_check_command():
    done = run_oneway("check", "mlp:64-32-32-10", "--rule", "asap", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["reciprocal_pairs"]["papers"] == 0


def test_check_command_says_what_would_tell_how_signals_are_carried():
    done = run_oneway("check", "mlp:8-6-4", "--rule", "bp", "--signals")
    assert done.returncode == 0, done.stderr
    assert 'pip install "oneway[spiking]"' in done.stdout
    assert "'delta_output -> delta_h1' has the weights of 'h1 -> output'" in done.stdout


def test_train_command(tmp_path):
    arguments = "--circuit mlp:64-16-10 --rule kp --data digits --set epochs=1 --json".split()
    done = run_oneway("train", *arguments, "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)["runs"]
    assert result["rule"] == "kp"
