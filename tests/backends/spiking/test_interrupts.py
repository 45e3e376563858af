"""Ctrl-C ends a simulation: what was not simulated whole never says that it was."""

import os
import signal
import threading
import time

import numpy as np
import pytest

pytest.importorskip("brian2")

import brian2
from brian2 import Network, ms

from oneway.backends.spiking import SpikingNetwork
from oneway.backends.spiking.brian.compiling import PROGRAM
from oneway.backends.spiking.brian.model import Model
from oneway.backends.spiking.brian.runs import Job, Recording
from oneway.backends.spiking.brian.standalone import Executable
from oneway.circuits import mlp
from oneway.training.cli.main import main

pytestmark = pytest.mark.spiking


@pytest.fixture(autouse=True)
def _heard(monkeypatch):
    """Ctrl-C is heard, as Brian2 hears it, also where tests run in the background."""
    monkeypatch.setattr(brian2._int_handler, "previous_handler", signal.default_int_handler)
    before = signal.signal(signal.SIGINT, brian2._int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_soon(when, sent=signal.SIGINT) -> threading.Thread:
    """A signal for this process, once `when` holds."""

    def wait() -> None:
        deadline = time.monotonic() + 20
        while not when() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(os.getpid(), sent)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_simulation_that_is_interrupted_says_nothing():
    net, seen = SpikingNetwork(mlp((4, 3))), []
    thread = interrupt_soon(lambda: seen)
    with pytest.raises(KeyboardInterrupt, match=r"Stopped at [\d.]+ s of 2000 s simulated"):
        net.present(np.ones((20_000, 4)), report=lambda *progress: seen.append(progress))
    thread.join()
    assert net.present(np.ones((1, 4))).outputs.shape == (1, 3)


def test_a_program_does_not_go_on_without_us(tmp_path):
    script = tmp_path / PROGRAM
    script.write_text("#!/bin/sh\necho $$ > pid\nexec sleep 60\n")
    script.chmod(0o755)
    program = Executable(Model("", 1 * ms, 1 * ms), tmp_path, {}, {}, 1.0)
    pid = tmp_path / "pid"
    thread = interrupt_soon(lambda: pid.exists() and pid.read_text().strip())
    with pytest.raises(KeyboardInterrupt):
        program.execute({}, Job({}, 1, 0, Recording()))
    thread.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_program_that_is_interrupted_is_no_result(tmp_path):
    script = tmp_path / PROGRAM
    script.write_text("#!/bin/sh\nkill -INT $$\n")
    script.chmod(0o755)
    with pytest.raises(KeyboardInterrupt):
        Executable(Model("", 1 * ms, 1 * ms), tmp_path, {}, {}, 1.0).execute(
            {}, Job({}, 1, 0, Recording())
        )


@pytest.mark.parametrize(
    ("sent", "code", "said"),
    [(signal.SIGINT, 130, "oneway: interrupted."), (signal.SIGTERM, 143, "oneway: terminated.")],
)
def test_the_command_ends_without_a_result(sent, code, said, tmp_path, capsys):
    command = "spike mlp:64-8-10 --rule kp --epochs 50 --target numpy --measurements 1 --out"
    thread = interrupt_soon(lambda: Network._globally_running, sent)
    assert main([*command.split(), str(tmp_path / "out")]) == code
    thread.join()
    assert capsys.readouterr().err.splitlines()[-1].startswith(said)
    assert not list(tmp_path.rglob("*.*"))
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
