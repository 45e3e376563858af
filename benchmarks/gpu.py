"""What the rate backend does on a GPU: one command, a budget in minutes, the worthiest first.

Shows, in bfloat16 with float32 weights, channels last, both sides compiled:

- the fastest matrix product and copy of this device, against which fractions are taken;
- with --verify, errors and changes of every distinct convolution of ResNet-18, and of its whole
  step, against the same on the CPU in float64 (some convolutions were seen to be wrong on GPUs);
- every rule's step against plain autograd's (same net, type, layout, optimizer): ratio of times
  with quartiles, images a second, fraction of the peak, how far its compiled changes are from its
  uncompiled ones, peak memory;
- seconds of a training epoch with augmentation, learning and evaluation apart, after one that
  compiles;
- where a compiled step spends its time, kernel by kernel, and an uncompiled one, by kind of
  operation;
- with --data-dir and --out, accuracy: all of that takes a third of the budget, and what is left
  goes to `oneway reproduce`, to ResNet-18 on CIFAR-10 by ASAP at full length if that fits, else as
  long as fits, then by others.

Every line is printed, and written to the file of --json, as soon as it is known. Before each
measurement the time of the last one of its kind is held against what is left of --budget; what does
not fit is named and left out, as is what fails, with its reason. Images are noise: only shapes
matter. Fractions of the peak count the products of autograd's step (forward once, backward twice)
and nothing else, whatever a rule computes. One process, one set of weights: a seed changes nothing
that is timed.

    python benchmarks/gpu.py [--budget MINUTES] [--verify] [--device D] [--dtype T]
                             [--compile MODE] [--batch N N] [--repeats N] [--rules R ...]
                             [--only measure|train] [--data-dir DATA --out DIR] [--json FILE]
                             [--quick]
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from oneway.backends.rate import RateNetwork
from oneway.backends.rate.autograd import PlainNetwork
from oneway.backends.rate.connectors import rate_connector
from oneway.circuits import Circuit, Conv2dConnector, parse_circuit
from oneway.rules import RULES, parse_rule
from oneway.training import ConfigError, DataSet, TrainConfig, TrainingError
from oneway.training.bench.contenders import (
    AUTOGRAD,
    DTYPES,
    BenchConfig,
    Contender,
    plain_contender,
    random_batch,
    rate_network,
    rule_contender,
)
from oneway.training.bench.timing import alternate, paired_ratio, peak, warm_up
from oneway.training.cli.main import main as oneway
from oneway.training.config import COMPILE_MODES
from oneway.training.hardware import fastest_kernels, hardware_line
from oneway.training.loss import make_loss
from oneway.training.progress import ProgressBar
from oneway.training.recording.accuracy import accuracies
from oneway.training.training_run import TrainingRun

WORTHY = ("bp", "asap", "kp")
EVERY = tuple(dict.fromkeys((*WORTHY, *RULES, "asap,k=4")))
# Relative errors that are allowed, by type. float32 is computed without TF32 to be judged.
ALLOWED = {"float32": 1e-4, "bfloat16": 2e-2}


@dataclass(frozen=True)
class Case:
    """A net, the batch and rules that it is measured with, and how many images an epoch has."""

    circuit: str
    batch: int
    rules: tuple[str, ...]
    epoch: tuple[int, int] = (50_000, 10_000)  # images to learn and to test


RESNET, TINY = "resnet18:3x32x32-10", (100_000, 10_000)
CASES = (
    Case(RESNET, 512, WORTHY),
    Case(RESNET, 128, WORTHY),
    Case(RESNET, 512, EVERY[len(WORTHY) :]),
    Case("resnet34:3x32x32-10", 512, WORTHY),
    Case("resnet18:3x64x64-200", 256, WORTHY, TINY),
    Case("resnet34:3x64x64-200", 256, WORTHY, TINY),
)
QUICK = (Case("resnet18:3x16x16-4,width=2", 8, ("bp", "wm", "asap"), (64, 16)),)
# What is trained, by worth; each line is a call, which shortens its cells alike if it must.
TABLE, LINES = "asap-table1/cifar10-resnet18", (("asap",), ("bp", "kp", "fa"))
QUICK_TABLE = """
[common]
data = "digits"
limit = "64,32"
epochs = 2
[columns]
bp = { rule = "bp", always = true }
kp = { rule = "kp", always = true }
fa = { rule = "fa", always = true }
asap = { rule = "asap", always = true }
[rows.digits]
circuit = "conv2:1x8x8-10,width=2,hidden=8"
"""


# -- one measurement each ----------------------------------------------------------------------


def ceilings(config: BenchConfig, n: int, repeats: int = 10) -> dict[str, float]:
    """The most operations a second in products of matrices, bytes a second in a copy."""
    dtype = config.computed or config.stored
    a, b = (torch.randn(n, n, device=config.device, dtype=dtype) for _ in range(2))
    product = min(_seconds(lambda: a @ b, config) for _ in range(repeats))
    large = torch.empty(8 * n * n, device=config.device, dtype=dtype)
    copy = min(_seconds(large.clone, config) for _ in range(repeats))
    moved = 2 * large.numel() * large.element_size()
    return {"product_flops": 2 * n**3 / product, "copy_bytes_per_s": moved / copy}


def step_flops(circuit: Circuit) -> int:
    """Of autograd's step for one image, products alone."""
    x = torch.empty(2, *circuit.inputs[0].shape, device="meta")
    with FlopCounterMode(display=False) as counted:
        PlainNetwork(circuit).to("meta")(x).sum().backward()
    return counted.get_total_flops() // 2


class Rivals:
    """Rules against autograd, which stays while they come and go, so that it is compiled once."""

    def __init__(self, circuit: Circuit, config: BenchConfig) -> None:
        self.circuit, self.config = circuit, config
        self.x, self.y = random_batch(circuit, config)
        self._compiled: dict[str, Contender] = {}
        self._peaks: dict[str, int] = {}

    def contender(self, name: str) -> Contender:
        """Autograd, or the rule that was asked for last: those before it are forgotten."""
        if name not in self._compiled:
            plain = {AUTOGRAD: self._compiled[AUTOGRAD]} if AUTOGRAD in self._compiled else {}
            self._compiled = plain | {name: self._made(name, self.config)}
        return self._compiled[name]

    def _made(self, name: str, config: BenchConfig) -> Contender:
        if name == AUTOGRAD:
            return plain_contender(self.circuit, config, self.x, self.y)
        return rule_contender(name, self.wired(name), config, self.x, self.y)

    def start(self, name: str) -> dict[str, float]:
        """Seconds until a side has made its first steps, which compile."""
        began = time.perf_counter()
        warm_up(self.contender(name), self.config)
        return {"seconds": time.perf_counter() - began}

    def step(self, name: str, product_flops: float) -> dict[str, Any]:
        """Time of a rule's step, and the ratio of it to autograd's."""
        sides = [self.contender(side) for side in (AUTOGRAD, name)]
        seconds = alternate(sides, self.config)
        ratio = paired_ratio(seconds[name], seconds[AUTOGRAD])
        flops = step_flops(self.circuit) * self.config.batch
        sides = {
            side: {
                "step_s": median(taken),
                "images_per_s": self.config.batch / median(taken),
                "fraction_of_peak": flops / median(taken) / product_flops,
            }
            for side, taken in seconds.items()
        }
        return sides | {"ratio": ratio.median, "quartiles": [ratio.low, ratio.high]}

    def compiled_against_plain(self, name: str) -> dict[str, float]:
        """How far the changes of a compiled step are from those of an uncompiled one."""
        nets = [rate_network(self.wired(name), self.config) for _ in range(2)]
        nets[0].compile(mode=self.config.compile)
        for net in nets:
            net.step(self.x, self.y)
        pairs = zip(*(net.named_parameters() for net in nets), strict=True)
        errors = [
            relative_error(a.grad, b.grad.double())
            for (_, a), (_, b) in pairs
            if a.grad is not None and b.grad is not None
        ]
        return {"median": median(errors), "largest": max(errors)}

    def memory(self, name: str) -> dict[str, float]:
        """Peak bytes of a step; the ratio to autograd's."""
        config = self.config.for_memory()
        for side in (AUTOGRAD, name):
            if side not in self._peaks:
                contender = self._made(side, config)
                warm_up(contender, config)
                self._peaks[side] = peak(contender, config.device).total
        bytes_ = {side: self._peaks[side] for side in (AUTOGRAD, name)}
        return {**bytes_, "ratio": bytes_[name] / bytes_[AUTOGRAD]}

    def wired(self, name: str) -> Circuit:
        return parse_rule(name).wire(self.circuit)

    def kernels(self, name: str, steps: int = 5, most: int = 40) -> dict[str, Any]:
        """The longest kernels of a step as it is measured, and all together; ms a step."""
        contender = self.contender(name)
        warm_up(contender, self.config)
        with torch.profiler.profile() as profile:
            for _ in range(steps):
                contender.step()
            _wait(self.config)
        spent = [
            (_own_us(event, self.config) / 1000 / steps, event.count / steps, event.key)
            for event in profile.key_averages()
        ]
        spent.sort(reverse=True)
        longest = [{"ms": ms, "calls": n, "kernel": key[:120]} for ms, n, key in spent[:most]]
        return {"busy_ms": sum(ms for ms, _, _ in spent), "longest": longest}


def _own_us(event: Any, config: BenchConfig) -> float:
    if not config.on_gpu:
        return event.self_cpu_time_total
    # A CPU operator is charged with the kernels that it started; count each once.
    on_gpu = event.device_type == torch.autograd.DeviceType.CUDA
    return event.self_device_time_total if on_gpu else 0.0


def epoch_seconds(
    circuit: Circuit, name: str, images: tuple[int, int], config: BenchConfig, epochs: int = 3
) -> dict[str, float]:
    """Of the last epoch, learning and evaluation apart; the first one compiles."""
    generator = np.random.default_rng(0)
    shape, classes = circuit.inputs[0].shape, circuit.output.size
    x = generator.integers(256, size=(sum(images), *shape), dtype=np.uint8)
    y = generator.integers(classes, size=sum(images))
    n = images[0]
    data = DataSet.from_arrays("noise", (x[:n], y[:n]), (x[n:], y[n:]), classes)
    settings = TrainConfig(
        epochs=epochs,
        batch_size=config.batch,
        lr=1e-4,
        augment="crop+flip",
        device=config.device,
        dtype=config.dtype,
        channels_last=config.channels_last,
        compile=config.compile,
    )
    run = TrainingRun(parse_rule(name).wire(circuit), data, settings, make_loss(settings))
    with ProgressBar(f"epoch, {name}", epochs * -(-n // config.batch)) as progress:
        for epoch in range(1, epochs + 1):
            started = time.perf_counter()
            run.learn(epoch, progress)
            _wait(config)
            learned = time.perf_counter()
            accuracies(run.network, run.data, settings.torch_dtype, run.processes)
            _wait(config)
    return {"learning": learned - started, "evaluation": time.perf_counter() - learned}


def breakdown(circuit: Circuit, name: str, config: BenchConfig, repeats: int = 5) -> dict:
    """Kind of operation → seconds of an uncompiled step, the longest first."""
    net = rate_network(parse_rule(name).wire(circuit), config)
    x, y = random_batch(circuit, config)
    net.step(x, y)
    clock = Clock(config)
    schedule = net._schedules["step"]
    timed = replace(
        schedule,
        operations=[
            replace(op, kernel=clock.around(op.kind, op.kernel)) for op in schedule.operations
        ],
    )
    with torch.no_grad():
        for _ in range(repeats):
            timed.run(net._given(x=x, y=y))
    seconds = {kind: spent / repeats for kind, spent in clock.seconds().items()}
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


class Clock:
    """Adds up the time of calls by kind; on a GPU by events in its own queue."""

    def __init__(self, config: BenchConfig) -> None:
        self.config = config
        self.spans: list[tuple[str, Any, Any]] = []

    def around(self, kind: str, kernel: Callable) -> Callable:
        def timed(*inputs: Any) -> Any:
            start = self._now()
            result = kernel(*inputs)
            self.spans.append((kind, start, self._now()))
            return result

        return timed

    def _now(self) -> Any:
        if not self.config.on_gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self) -> dict[str, float]:
        _wait(self.config)
        total: dict[str, float] = {}
        for kind, start, end in self.spans:
            spent = start.elapsed_time(end) / 1000 if self.config.on_gpu else end - start
            total[kind] = total.get(kind, 0.0) + spent
        return total


def _seconds(call: Callable[[], Any], config: BenchConfig) -> float:
    clock = Clock(config)
    clock.around("call", call)()
    return clock.seconds()["call"]


def _wait(config: BenchConfig) -> None:
    if config.on_gpu:
        torch.cuda.synchronize(config.device)


# -- against the CPU in float64 ----------------------------------------------------------------


def relative_error(found: Tensor, right: Tensor) -> float:
    """‖found − right‖ / ‖right‖; what is not finite is infinitely wrong."""
    right = right.double().cpu()
    error = float((found.double().cpu() - right).norm() / right.norm())
    return error if isfinite(error) else float("inf")


def convolutions(circuit: Circuit) -> list[tuple[Conv2dConnector, tuple, tuple]]:
    """Each distinct convolution of the forward path: connector, shape before, shape behind."""
    drives = circuit.select(role="drive", path="forward")
    shapes = [(p.connector, *circuit.shapes(p)) for p in drives]
    return list(dict.fromkeys(s for s in shapes if isinstance(s[0], Conv2dConnector)))


def verify_convolution(
    convolution: tuple[Conv2dConnector, tuple, tuple], config: BenchConfig
) -> dict[str, dict[str, float]]:
    """Activity, error and change of one convolution in each type, on inputs that all hold."""
    connector, pre, post = convolution
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    generator = torch.Generator().manual_seed(0)
    sizes = connector.weight_shape(pre, post), (config.batch, *pre), (config.batch, *post)
    given = [torch.randn(size, generator=generator).bfloat16() for size in sizes]

    def results(device: str, dtype: torch.dtype) -> dict[str, Tensor]:
        w, x, error = (t.to(device, dtype).contiguous(memory_format=layout) for t in given)
        half = rate_connector(connector, pre, post, layout)
        assert half.joint is not None
        back, change = half.joint(w, error, x)
        alone = half.correlate(error, x, w)
        return {"activity": half.apply(w, x), "error": back, "change": change, "alone": alone}

    right = results("cpu", torch.float64)
    errors = {}
    for dtype in ALLOWED:
        found = results(config.device, getattr(torch, dtype))
        errors[dtype] = {what: relative_error(found[what], right[what]) for what in right}
    return errors


def verify_step(circuit: Circuit, name: str, config: BenchConfig) -> dict[str, dict[str, float]]:
    """Changes of a whole uncompiled step in float32, against the CPU in float64."""
    x, y = random_batch(circuit, config)
    wired = parse_rule(name).wire(circuit)

    def changes(device: str, dtype: torch.dtype) -> dict[str, Tensor]:
        net = RateNetwork(wired, dtype=dtype, channels_last=config.channels_last, device=device)
        # Both start from what float32 holds.
        net.load_state_dict({k: v.to(dtype) for k, v in start.items()})
        net.step(x.to(device, dtype), y.to(device))
        return {key: p.grad for key, p in net.named_parameters() if p.grad is not None}

    start = RateNetwork(wired, dtype=torch.float32).state_dict()
    right, found = changes("cpu", torch.float64), changes(config.device, torch.float32)
    errors = [relative_error(found[key], change) for key, change in right.items()]
    return {"float32": {"median": median(errors), "largest": max(errors)}}


# -- all of them, by worth ---------------------------------------------------------------------


@dataclass
class Plan:
    """Measures what fits into the budget, prints and writes each result as it comes."""

    budget_s: float = float("inf")
    json: Path | None = None
    found: dict[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    _took: dict[str, float] = field(default_factory=dict)

    @property
    def left_s(self) -> float:
        return self.budget_s - (time.monotonic() - self.started)

    def measure(self, kind: str, where: Sequence[str], ask: Callable[[], Any], show: Show) -> Any:
        """One measurement, kept under the names in `where`; None where there is none."""
        label, left = ", ".join(where), self.left_s
        took = self._took.get(kind, 0.0)
        if took >= left:
            print(f"left out: {label} (took {took:.0f} s before, {max(0, left):.0f} s left)")
            self._keep(where, {"left_out": True})
            return None
        began = time.monotonic()
        result = _or_reason(ask)
        self._took[kind] = time.monotonic() - began
        self._keep(where, result)
        failed = isinstance(result, Mapping) and "failed" in result
        print(f"{label}: {result['failed']}" if failed else show(label, result), flush=True)
        return None if failed else result

    def _keep(self, where: Sequence[str], result: Any) -> None:
        inside = self.found
        for name in where[:-1]:
            inside = inside.setdefault(name, {})
        inside[where[-1]] = result
        if self.json:  # so that a run cut short leaves what it found
            text = json.dumps(self.found, indent=1, default=str)
            self.json.write_text(text, encoding="utf-8")


Show = Callable[[str, Any], str]


def _or_reason(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except (ConfigError, TrainingError, RuntimeError) as error:  # out of memory among them
        return {"failed": str(error).splitlines()[0]}
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def train(plan: Plan, chosen: argparse.Namespace) -> None:
    """Accuracies, as `oneway reproduce` writes them: after every epoch, after every run."""
    table = TABLE
    if chosen.quick:
        chosen.out.mkdir(parents=True, exist_ok=True)
        table = str(chosen.out / "quick.toml")
        Path(table).write_text(QUICK_TABLE, encoding="utf-8")
    how = ["--device", chosen.device, "--dtype", chosen.dtype, "--channels-last"]
    how += ["--compile", chosen.compile, "--data-dir", str(chosen.data_dir)]
    for rules in LINES:
        budget = [] if plan.left_s == float("inf") else ["--budget", f"{plan.left_s:.0f}s"]
        if plan.left_s < 1:
            print(f"left out: {table}, {', '.join(rules)} (the budget is spent)")
            continue
        out = ["--out", str(chosen.out / "-".join(rules))]
        code = oneway(["reproduce", table, "--rules", *rules, *budget, *out, *how])
        plan.found.setdefault("trained", {})["-".join(rules)] = {"exit code": code}
        torch.compiler.reset()


def measure(plan: Plan, chosen: argparse.Namespace) -> None:
    config = BenchConfig(
        2, chosen.device, chosen.dtype, chosen.repeats, channels_last=True, compile=chosen.compile
    )
    plan.found |= {
        "hardware": hardware_line(config.device),
        "dtype": config.dtype,
        "compile": config.compile,
        "tf32_in_convolutions": torch.backends.cudnn.allow_tf32,
    }
    print(plan.found["hardware"])
    n = 256 if chosen.quick else 8192
    limits = plan.measure("ceilings", ["ceilings"], lambda: ceilings(config, n), show_ceilings)
    if limits is None:
        raise ConfigError("not even a product of matrices can be measured on this device")
    cases = QUICK if chosen.quick else CASES
    if chosen.verify:
        verify(plan, cases[0], replace(config, batch=8 if chosen.quick else 64))
    if chosen.batch:
        cases = tuple(replace(case, batch=n) for n in chosen.batch for case in cases)
    for case in dict.fromkeys(cases):
        rules = tuple(chosen.rules or case.rules)
        # Other batches may repeat a net, and a rule's line comes once.
        compare(plan, replace(case, rules=rules), replace(config, batch=case.batch), limits)
        torch.compiler.reset()


def verify(plan: Plan, case: Case, config: BenchConfig) -> None:
    """Convolutions one by one in both types, then whole steps."""
    circuit, tf32 = parse_circuit(case.circuit), torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        for convolution in convolutions(circuit):
            connector, pre, post = convolution
            name = f"{connector.kernel}x{connector.kernel} {pre}->{post}"
            ask = partial(verify_convolution, convolution, config)
            plan.measure("verify", ["verify", name], ask, show_errors)
        # Smooth cells: at two sides of a ReLU's kink float32 and float64 are both right.
        smooth = parse_circuit(f"{case.circuit},activation=softplus")
        for rule in case.rules:
            ask = partial(verify_step, smooth, rule, config)
            plan.measure("verify step", ["verify", "whole step", rule], ask, show_errors)
    finally:
        torch.backends.cudnn.allow_tf32 = tf32


def compare(plan: Plan, case: Case, config: BenchConfig, limits: Mapping[str, float]) -> None:
    """All that is measured of one net at one batch size."""
    circuit = parse_circuit(case.circuit)
    place = [case.circuit, f"batch {case.batch}"]
    with fastest_kernels(config.device):
        rivals = Rivals(circuit, config)
        some = [rule for rule in case.rules if rule in (*WORTHY, case.rules[0])]
        # Compiled first: what a rule's step takes is then known from the step of another rule.
        ask = partial(rivals.start, AUTOGRAD)
        plan.measure("start", [*place, "start", AUTOGRAD], ask, show_start)
        for rule in case.rules:
            ask = partial(rivals.step, rule, limits["product_flops"])
            step = plan.measure("step", [*place, "step", rule], ask, show_step)
            sides = [AUTOGRAD, rule] if rule == case.rules[0] else [rule]
            for side in sides if rule in some and step else []:
                ask = partial(rivals.kernels, side)
                plan.measure("kernels", [*place, "kernels", side], ask, show_kernels)
        for rule in some:
            ask = partial(epoch_seconds, circuit, rule, case.epoch, config)
            plan.measure("epoch", [*place, "epoch", rule], ask, show_epoch)
        for rule in case.rules:
            plan.measure(
                "memory", [*place, "memory", rule], partial(rivals.memory, rule), show_memory
            )
        for rule in some:
            if config.compile != "no":
                ask = partial(rivals.compiled_against_plain, rule)
                plan.measure("compiled", [*place, "compiled", rule], ask, show_compiled)
            ask = partial(breakdown, circuit, rule, config)
            plan.measure("breakdown", [*place, "breakdown", rule], ask, show_breakdown)


# -- lines -------------------------------------------------------------------------------------


def show_ceilings(label: str, found: Mapping[str, float]) -> str:
    products, copy = found["product_flops"] / 1e12, found["copy_bytes_per_s"] / 1e12
    return f"products {products:.2f} TFLOP/s, copy {copy:.3f} TB/s (bytes read and written)"


def show_errors(label: str, found: Mapping[str, Mapping[str, float]]) -> str:
    parts = [f"{dtype} {_listed(errors, '.1e')}" for dtype, errors in found.items()]
    wrong = [dtype for dtype, errors in found.items() if max(errors.values()) > ALLOWED[dtype]]
    most = ", ".join(f"{ALLOWED[dtype]:g} in {dtype}" for dtype in wrong)
    return f"{label}: {'; '.join(parts)}: {f'WRONG, at most {most}' if wrong else 'right'}"


def show_start(label: str, found: Mapping[str, float]) -> str:
    return f"{label}: {found['seconds']:.0f} s"


def show_step(label: str, found: Mapping[str, Any]) -> str:
    (name,) = found.keys() - {AUTOGRAD, "ratio", "quartiles"}
    low, high = found["quartiles"]
    sides = (f"{side} {_speed(found[side])}" for side in (name, AUTOGRAD))
    return f"{label}: {', '.join(sides)}: {found['ratio']:.3f} ({low:.3f} to {high:.3f})"


def _speed(side: Mapping[str, float]) -> str:
    return (
        f"{1000 * side['step_s']:.2f} ms, {side['images_per_s']:,.0f} images/s, "
        f"{side['fraction_of_peak']:.1%} of the peak"
    )


def show_epoch(label: str, found: Mapping[str, float]) -> str:
    return f"{label}: {_listed(found, '.3f')} s"


def show_memory(label: str, found: Mapping[str, float]) -> str:
    return f"{label}: {found['ratio']:.3f} of autograd's {found[AUTOGRAD] / 2**20:,.0f} MiB"


def show_compiled(label: str, found: Mapping[str, float]) -> str:
    return f"{label} against uncompiled: {_listed(found, '.1e')}"


def show_kernels(label: str, found: Mapping[str, Any]) -> str:
    rows = (
        f"  {k['ms']:8.3f} ms {k['calls']:6.1f} x {k['kernel'][:90]}" for k in found["longest"][:12]
    )
    return "\n".join([f"{label}: busy {found['busy_ms']:.2f} ms a step", *rows])


def show_breakdown(label: str, kinds: Mapping[str, float]) -> str:
    whole = sum(kinds.values())
    shares = (f"{kind} {spent / whole:.0%}" for kind, spent in kinds.items())
    return f"{label}, uncompiled, {1000 * whole:.1f} ms: {', '.join(shares)}"


def _listed(found: Mapping[str, float], form: str) -> str:
    return ", ".join(f"{name} {value:{form}}" for name, value in found.items())


# -- command line ------------------------------------------------------------------------------


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--budget", type=float, default=float("inf"), metavar="MINUTES")
    parser.add_argument("--verify", action="store_true", help="first, against float64 on the CPU")
    parser.add_argument("--device", default="cuda", help="cuda, one GPU (cuda:1) or cpu")
    parser.add_argument("--dtype", default="bfloat16", choices=tuple(DTYPES))
    parser.add_argument("--compile", default="reduce-overhead", choices=COMPILE_MODES)
    parser.add_argument("--batch", type=int, nargs="+", help="in place of each net's own")
    parser.add_argument("--repeats", type=int, default=15, help="rounds")
    parser.add_argument("--rules", nargs="+", help="these in place of each net's own")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers here")
    parser.add_argument("--only", choices=("measure", "train"), help="one of the two")
    parser.add_argument("--data-dir", type=Path, metavar="DATA", help="with the files of CIFAR-10")
    parser.add_argument("--out", type=Path, metavar="DIR", help="train too, into folders in it")
    parser.add_argument("--quick", action="store_true", help="a tiny net: does everything run?")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.repeats = 3
    return chosen


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options(arguments)
    try:
        if not chosen.budget > 0:
            raise ConfigError(f"--budget {chosen.budget:g}, expected minutes above 0")
        if bool(chosen.out) != bool(chosen.data_dir) or (chosen.only == "train" and not chosen.out):
            raise ConfigError("to train, name both: --data-dir with the data, --out for the runs")
        trains = chosen.out and chosen.only != "measure"
        whole = 60 * chosen.budget
        plan = Plan(whole / 3 if trains else whole, chosen.json)
        if chosen.only != "train":
            measure(plan, chosen)
        plan.budget_s = whole
        if trains:
            train(plan, chosen)
    except ConfigError as error:
        raise SystemExit(f"gpu.py: {error}") from error


if __name__ == "__main__":
    main()
