"""What two processes do together, for training/test_distributed.py: torchrun runs this file.

They start once for all cases, since starting takes longer than training.
"""

import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import torch
from training_runs import wire_and_train

from oneway.backends.rate import RateNetwork
from oneway.circuits import mlp, parse_circuit
from oneway.rules import parse_rule
from oneway.training import TrainConfig, joined, load_data
from oneway.training.cli.main import main

DENSE = mlp((64, 12, 12, 10))
NORMED = mlp((64, 12, 12, 10), norm="before")
AFTER = mlp((64, 12, 12, 10), norm="after")
CONV = parse_circuit("alexnet:1x8x8-10,width=2")
SYNC = {"sync_batch_norm": True}

# Two processes do what one does, to rounding. 211 samples: the last batch has 10 and 9.
EQUAL = {
    "kp": (DENSE, "kp", {}),
    "asap": (DENSE, "asap,gate=local", {"validation": 0.2}),
    "dkp": (DENSE, "dkp", {"optimizer": "adam", "lr": 1e-3}),
    "drtp": (DENSE, "drtp", {}),
    "signs": (DENSE, "kp", {"feedback_optimizer": "batch_manhattan", "feedback_lr": 1e-3}),
    "float32": (DENSE, "kp", {"dtype": "float32"}),
    "norm full": (NORMED, "kp,norm=full", SYNC),
    "norm scale": (NORMED, "kp,norm=scale", SYNC),
    "norm own": (NORMED, "asap,norm=own", SYNC),
    "norm after": (AFTER, "dkp,norm=full", SYNC),
    "images": (CONV, "kp,norm=full", SYNC | {"augment": "crop+flip"}),
    "images own": (CONV, "asap,norm=own", SYNC | {"augment": "crop+flip"}),
}
# Each process draws noise of its own: two do what one does with the noise of both.
MIRROR = (DENSE, "wm,centre=baseline", {"spontaneous_warmup_epochs": 1, "spontaneous_every": 2})
# Interrupted and resumed, two processes do what they would have done.
RESUMED = {
    "noise": (NORMED, "wm", {"spontaneous_warmup_epochs": 1, "spontaneous_every": 2}),
    "own statistics": (NORMED, "kp", {}),
    "all statistics": (CONV, "asap,norm=own", SYNC | {"augment": "crop+flip"}),
}
MISTAKE = "train --circuit mlp:64-10 --rule bp --batch-size 63"
SEEDS = "train --circuit mlp:64-8-10 --rule kp --epochs 1 --limit 80,20 --seeds 2 --floor --json"
EPOCHS, BATCH = 3, 64
two_processes = str(Path(__file__))  # what torchrun runs


class Killed(BaseException):
    """Nothing catches this."""


def arguments(case):
    circuit, rule, settings = case
    config = {"epochs": EPOCHS, "batch_size": BATCH, "lr": 0.1, "dtype": "float64", **settings}
    return circuit, parse_rule(rule), load_data("digits", limit=(211, 61)), TrainConfig(**config)


def killed(step, *run, **options):
    """Let a run die in its n-th step, in every process."""
    whole, left = RateNetwork.step, [step]

    def dying(self, x, y, **options):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return whole(self, x, y, **options)

    RateNetwork.step = dying
    try:
        wire_and_train(*run, **options)
    except Killed:
        pass
    finally:
        RateNetwork.step = whole


def command(line, *more):
    """What this process prints on standard output and standard error."""
    said, complained = StringIO(), StringIO()
    with redirect_stdout(said), redirect_stderr(complained):
        code = main([*line.split(), *more])
    return code, said.getvalue(), complained.getvalue()


def everything(out):
    seen = {}
    with joined() as processes:
        for name, case in {**EQUAL, "mirror": MIRROR}.items():
            wire_and_train(*arguments(case), out=out / name, processes=processes)
        for name, case in RESUMED.items():
            run = arguments(case)
            wire_and_train(*run, out=out / name / "whole", processes=processes)
            killed(5, *run, out=out / name / "cut", processes=processes)
            wire_and_train(*run, out=out / name / "cut", resume=True, processes=processes)
    seen["seeds"] = command(SEEDS, "--out", str(out / "seeds"))
    seen["resumed seeds"] = command(SEEDS, "--out", str(out / "seeds"), "--resume")
    seen["mistake"] = command(MISTAKE, "--out", str(out / "mistake"))
    with joined() as processes:
        each = processes.from_each(seen)
    # A run that fails leaves this to the end of its process, which here has more to do; threads of
    # a group that nobody ends may abort the interpreter.
    torch.distributed.destroy_process_group()
    if processes.leads:
        (out / "seen.json").write_text(json.dumps(each))


if __name__ == "__main__":
    torch.set_num_threads(1)
    everything(Path(sys.argv[1]))
