"""What recording costs: seconds of a record over those of an epoch, whose steps it interrupts.

Images are noise: only shapes matter. An epoch is so many steps of the median time measured here,
evaluation left out, so that the share is no less than in a run. A record is measured after a first
one, which reads samples and writes its program. On a CPU seconds are those of this process alone,
all its threads together, so that other work on the machine does not count. One process, one set of
weights.

    python benchmarks/recording.py [CIRCUIT ...] [--rules R ...] [--images N] [--batch N]
                                   [--steps N] [--records N] [--device D] [--dtype T]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch

from oneway.circuits import Circuit, parse_circuit
from oneway.rules import parse_rule
from oneway.training import DataSet, TrainConfig
from oneway.training.hardware import hardware_line
from oneway.training.loss import make_loss
from oneway.training.training_run import TrainingRun


def share(circuit: Circuit, rule: str, images: int, steps: int, records: int, config: TrainConfig):
    """Median seconds of a step and of a record, and the record's share of an epoch."""
    parsed = parse_rule(rule)
    run = TrainingRun(parsed.wire(circuit), _noise(circuit), config, make_loss(config), parsed)
    x, y = run.data.train_x[: config.batch_size], run.data.train_y[: config.batch_size]
    run.network.train()
    step = [_seconds(lambda: run._learn_batch(x, y, share=1.0), config) for _ in range(steps)]
    record = [_seconds(run.recorder.measure, config) for _ in range(records + 1)][1:]
    epoch = median(step) * images / config.batch_size
    return median(step), median(record), median(record) / epoch


def _noise(circuit: Circuit, n: int = 1024) -> DataSet:
    generator = np.random.default_rng(0)
    x = generator.integers(256, size=(n, *circuit.inputs[0].shape), dtype=np.uint8)
    y = np.arange(n) % circuit.output.size
    return DataSet.from_arrays("noise", (x, y), (x[:8], y[:8]), circuit.output.size)


def _seconds(work: Callable[[], object], config: TrainConfig) -> float:
    on_gpu = config.device.startswith("cuda")
    clock = time.perf_counter if on_gpu else time.process_time
    started = clock()
    work()
    if on_gpu:
        torch.cuda.synchronize()
    return clock() - started


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("circuits", nargs="*", default=["conv2:3x32x32-10"], metavar="CIRCUIT")
    parser.add_argument("--rules", nargs="+", default=["bp", "kp", "dkp"])
    parser.add_argument("--images", type=int, default=50_000, help="of an epoch")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--records", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    given = parser.parse_args(arguments)
    config = TrainConfig(
        batch_size=given.batch,
        lr=1e-4,
        device=given.device,
        dtype=given.dtype,
        channels_last=given.device.startswith("cuda"),
    )
    print(hardware_line(given.device))
    for circuit in given.circuits:
        for rule in given.rules:
            found = share(
                parse_circuit(circuit), rule, given.images, given.steps, given.records, config
            )
            step, record, part = found
            print(
                f"{circuit} {rule}, batch {given.batch}: step {1e3 * step:.1f} ms, record "
                f"{1e3 * record:.1f} ms, {part:.2%} of an epoch of {given.images:,}"
            )


if __name__ == "__main__":
    main()
