"""A process that stops answering is named, after as long as the others are told to wait."""

import os
import signal
import socket
import subprocess
import sys

import pytest

RANK = """
import os, signal, sys, torch
from oneway.training import TrainingError, joined
try:
    with joined(patience_s=3) as processes:
        assert processes.total(torch.ones(1)) == 3
        if processes.part.rank == 1:
            os.kill(os.getpid(), signal.SIG{how})
        processes.total(torch.ones(1))
except TrainingError as error:
    print(error, flush=True)
sys.stdin.read()  # the first one is where all meet, as torchrun is for others
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["STOP", "KILL"])
def test_the_process_that_is_missing_is_named(how):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "3"}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK.format(how=how)],
            env={**os.environ, **meeting, "RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(3)
    ]
    try:
        for rank in (0, 2):
            said = ranks[rank].stdout.readline()
            assert said.startswith("process 1 of 3 (counted from 0) has ended or cannot be reached")
            assert said.rstrip().endswith("go on with --resume")
    finally:
        for process in ranks:
            process.send_signal(signal.SIGKILL)
            process.wait()
