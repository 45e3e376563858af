"""`oneway spike`: a wired circuit as spikes: what it learns, how it fires, its Brian2 script."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import fields, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from oneway.circuits import Circuit, save_circuit
from oneway.rules import Rule

from ..config import TrainConfig
from ..console import Terminal
from ..data.dataset import DataSet
from ..errors import ConfigError
from ..files import whole, write_text
from ..fitting import fit, wire
from ..loop import train
from ..recipes.recipe import Recipe, check_settings, make_recipe
from ..spiking.bridge import Learned, largest_activity, rates_accuracy, read_weights
from ..spiking.config import Lesion, SpikingConfig
from ..spiking.keeping import Window
from ..spiking.result import SpikingResult
from ..spiking.run import SpikingRun, clear
from .options.spike import DATA
from .shared import given, print_json, tell

if TYPE_CHECKING:
    from oneway.backends.spiking import SpikeData, SpikingParameters

SCRIPT = "circuit.py"
# Characters of a script that has weights, connections and data in itself, at most.
INLINE = 100_000


def run(arguments: argparse.Namespace) -> int:
    with redirect_stdout(sys.stderr):  # what a rule file prints
        settings = given(arguments, ("circuit", "rule", "gate", "limit", *DATA))
        recipe, config = make_recipe(check_settings("spike", settings)), _config(arguments)
        rule = recipe.make_rule()
        wired = _delayed(wire(recipe.make_circuit(), rule), arguments.delay or [])
        data = _data(arguments, recipe, wired)
        spiking = _start(arguments, wired, rule, data, config)
    if arguments.show_code:
        _show_code(spiking, arguments.out)
        return 0
    with redirect_stdout(sys.stderr):
        _check(arguments, spiking)
        result = spiking.run()
        content = _content(arguments, spiking, rule, result)
        files = _write(arguments, result, content, rule)
    if arguments.json:
        print_json(content)
    else:
        _show(result, content, files)
    return 0


def _delayed(wired: Circuit, delays: list[str]) -> Circuit:
    """The circuit with what `--delay` says, first of all projections, then of single ones."""
    for text in sorted(delays, key=lambda text: "=" in text):
        name, _, ms = text.rpartition("=")
        try:
            delay = float(ms)
        except ValueError as error:
            raise ConfigError(
                f"--delay {text!r}: {ms!r} is no number, expected milliseconds, as in --delay 2 or "
                "--delay 'h1 -> h2=2'"
            ) from error
        wired = wired.with_delays({name: delay} if name else delay)
    return wired


def _config(arguments: argparse.Namespace) -> SpikingConfig:
    settings = given(arguments, (f.name for f in fields(SpikingConfig)))
    settings["lesions"] = tuple(map(Lesion.parse, settings.get("lesions", ())))
    if arguments.weights is not None:
        settings.setdefault("epochs", 0)
    return SpikingConfig(**settings)


def _data(arguments: argparse.Namespace, recipe: Recipe, wired: Circuit) -> DataSet | None:
    if not arguments.task:
        for name in given(arguments, (*DATA, "limit", "epochs")):
            option = {"limit": "samples"}.get(name, name).replace("_", "-")
            raise ConfigError(f"--{option} belongs to a task: leave it out, or --no-task")
        return None
    data = fit(recipe.load_data(wired.inputs[0].shape), wired)
    if not isinstance(data, DataSet):
        raise ConfigError(
            f"data set {recipe.data!r} is streamed, which is too large to be presented in "
            "spikes. Use one that is held in memory, such as digits or mnist"
        )
    return data


def _start(
    arguments: argparse.Namespace,
    wired: Circuit,
    rule: Rule | None,
    data: DataSet | None,
    config: SpikingConfig,
) -> SpikingRun:
    learned = _learned(arguments, wired) or Learned({}, {})
    fast_enough = _parameters(wired, data, learned) if data and learned.weights else None
    return SpikingRun(
        wired,
        data,
        config,
        weights=learned.weights,
        biases=learned.biases,
        parameters=fast_enough,
        notify=tell,
        keep=_window(arguments),
        label=_label(rule) or wired.name,
    )


def _window(arguments: argparse.Namespace) -> Window | None:
    """Of which time spikes are wanted, if of any."""
    if arguments.spikes is None:
        if arguments.spikes_window is not None:
            raise ConfigError("--spikes-window belongs to --spikes FILE, which is not given")
        return None
    text = arguments.spikes_window
    return Window() if text is None else Window.parse(text)


def _show_code(spiking: SpikingRun, folder: Path | None) -> None:
    """Print the Brian2 program; with a folder, also put it there with the arrays that it loads."""
    script, arrays = spiking.script(SCRIPT)
    if folder is None:
        print(_alone(spiking, script))
        return
    print(script)
    folder.mkdir(parents=True, exist_ok=True)
    save_arrays: Callable[..., None] = np.savez
    with whole((folder / SCRIPT).with_suffix(".npz")) as unfinished:
        save_arrays(unfinished, **arrays)
    write_text(folder / SCRIPT, script)
    tell(f"saved {folder / SCRIPT} and its arrays: python {SCRIPT} there runs it")


def _alone(spiking: SpikingRun, script: str) -> str:
    """A program that needs no file beside it, or on a terminal, where it is only read, any."""
    alone = spiking.script(SCRIPT, inline=True)[0]
    if len(alone) <= INLINE:
        return alone
    if not sys.stdout.isatty():
        raise ConfigError(
            f"--show-code: with the weights, connections and data of this circuit in it the script "
            f"would have {len(alone) / 1000:,.0f} kB, and the most is {INLINE // 1000} kB. Add "
            f"--out DIR, which writes {SCRIPT} there with its arrays in a file beside it"
        )
    tell("it loads its arrays from a file beside it: --out DIR writes both")
    return script


def _content(
    arguments: argparse.Namespace,
    spiking: SpikingRun,
    rule: Rule | None,
    result: SpikingResult,
) -> dict[str, Any]:
    """What `--json` prints."""
    data = spiking.data
    content = result.as_dict(
        rule=_label(rule),
        gate=rule and rule.gate,
        data=data and data.name,
        train_samples=data and data.n_train,
        test_samples=data and data.n_test,
    )
    if arguments.rates_too:
        content |= _as_rates(arguments, spiking, rule, result)
    return content


def _label(rule: Rule | None) -> str | None:
    return None if rule is None else rule.label("gate")


def _learned(arguments: argparse.Namespace, wired: Circuit) -> Learned | None:
    if arguments.weights is None:
        return None
    learned = read_weights(arguments.weights, wired)
    if learned.missing:
        tell(
            f"{arguments.weights} has no weights for {', '.join(learned.missing)}: they start "
            "from their own draw"
        )
    return learned


def _parameters(wired: Circuit, data: DataSet, learned: Learned) -> SpikingParameters:
    """Parameters with which cells can fire as fast as what was learned as rates asks for."""
    with clear():
        from oneway.backends.spiking import SpikingParameters

        p = SpikingParameters()
    largest, fastest = largest_activity(wired, data, learned), 1 / p.dt
    if largest * p.unit <= fastest:
        return p
    unit = fastest / largest
    tell(
        f"hidden activity goes up to {largest:.1f}, for which cells would have to fire at "
        f"{largest * float(p.unit):,.0f} Hz; so an activity of 1 is {float(unit):.0f} Hz here, "
        f"not {float(p.unit):.0f} Hz"
    )
    return replace(p, unit=unit)


def _as_rates(
    arguments: argparse.Namespace, spiking: SpikingRun, rule: Rule | None, result: SpikingResult
) -> dict[str, Any]:
    """Accuracy as rates: of the weights that the spikes have learned, and of weights of its own."""
    assert spiking.data is not None
    same = rates_accuracy(spiking.wired, spiking.data, result.weights, result.biases)
    content: dict[str, Any] = {"rates_accuracy_same_weights": same}
    if result.config.epochs:
        config = TrainConfig(epochs=result.config.epochs, seed=result.config.seed)
        as_rates = train(spiking.wired, spiking.data, config, rule=rule)
        content["rates_accuracy"] = as_rates.test_accuracy
    return content


def _check(arguments: argparse.Namespace, spiking: SpikingRun) -> None:
    """Complain before the run, not after it, about what could not be done with its result."""
    if arguments.rates_too and spiking.data is None:
        raise ConfigError("--rates-too compares accuracies, and without a task there is none")
    if arguments.spikes is not None and spiking.config.dynamics == "settled":
        raise ConfigError("--spikes: dynamics 'settled' has none. Use spiking or poisson")
    if arguments.spikes is not None:
        _check_spikes(arguments, spiking)
    leaky = ("spiking", "poisson", "settled")
    if arguments.nir is not None and spiking.config.dynamics not in leaky:
        raise ConfigError(
            f"--nir writes leaky cells, and dynamics {spiking.config.dynamics!r} has others. Use "
            "spiking"
        )
    for path in (arguments.spikes, arguments.nir):
        if path is not None and not path.expanduser().parent.is_dir():
            raise ConfigError(f"{str(path)!r} cannot be written: its folder is not there")
    if arguments.nir is not None:
        from oneway.backends.spiking import nir_losses

        network = spiking.network
        if losses := nir_losses(spiking.wired):
            tell(f"note: the nodes of --nir are not all of the circuit. {'; '.join(losses)}")
        _to_nir(spiking.wired, network.weights(), network.biases(), spiking.parameters, None)
    if arguments.out is not None:
        from ..spiking.files import check_free

        check_free(arguments.out)


def _check_spikes(arguments: argparse.Namespace, spiking: SpikingRun) -> None:
    window = _window(arguments) or Window()
    if window.start_s >= spiking.duration_s():
        raise ConfigError(
            f"--spikes-window {arguments.spikes_window}: the run lasts about "
            f"{spiking.duration_s():.1f} s"
        )
    if arguments.spikes.suffix == ".nwb" and find_spec("pynwb") is None:
        raise ConfigError(
            f'--spikes {arguments.spikes}: NWB needs pip install "oneway[nwb]". A name that ends '
            "in .npz does not"
        )


def _write(
    arguments: argparse.Namespace,
    result: SpikingResult,
    content: dict[str, Any],
    rule: Rule | None,
) -> dict[Path, str]:
    """Every file, and what is to be said of it."""
    files: dict[Path, str] = {}
    if arguments.out is not None:
        from ..spiking.files import SPIKES, write_files

        path = arguments.out / "circuit.json"
        with whole(path) as unfinished:
            save_circuit(result.circuit, unfinished)
        files[path] = ""
        files |= dict.fromkeys(write_files(arguments.out, result, content), "")
        if result.excerpt.data is not None:
            files[arguments.out / SPIKES] = _whose(result.excerpt.data, result)
    if arguments.spikes is not None and result.spikes is not None:
        from oneway.backends.spiking import save_spikes

        with whole(arguments.spikes.expanduser()) as unfinished:
            save_spikes(unfinished, result.spikes)
        files[arguments.spikes.expanduser()] = _whose(result.spikes, result)
    if arguments.nir is not None:
        learned = (result.weights, result.biases)
        graph = _to_nir(result.circuit, *learned, result.parameters, _label(rule))
        with whole(arguments.nir.expanduser()) as unfinished:
            import_module("nir").write(unfinished, graph)
        files[arguments.nir] = ""
    return files


def _to_nir(*what: Any) -> Any:
    from oneway.backends.spiking import to_nir

    with clear(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # its losses have been told
        return to_nir(*what)


# -- for people --------------------------------------------------------------------------------


def _show(result: SpikingResult, content: dict[str, Any], files: dict[Path, str]) -> None:
    """Facts, angles, and where everything was saved."""
    console = Terminal()
    how = f"{content['rule'] or 'wired by hand'}, {content['dynamics']}, {content['target']}"
    console.print(f"[bold]{escape(result.circuit.name)}[/]: {escape(how)}", highlight=False)
    console.print(_facts(result, content))
    if result.angles_deg or result.error_angles_deg:
        console.print(_angles(result))
    for path, remark in files.items():
        console.print(f"saved {escape(str(path))}{remark}", soft_wrap=True, highlight=False)


def _whose(data: SpikeData, result: SpikingResult) -> str:
    """Of which time spikes are."""
    fired, units = sum(map(len, data.spikes.values())), len(data.units()["unit_cell"])
    when = f"{data.start_s:.1f} to {data.stop_s:.1f} s of {result.simulated_s:.1f} s"
    return f": {fired:,} spikes of {units:,} units, {when}"


def _facts(result: SpikingResult, content: dict[str, Any]) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    if result.accuracy is not None:
        table.add_row("test accuracy", _per_cent(result.accuracy))
    if result.online_accuracy:
        online = ", ".join(_per_cent(accuracy) for accuracy in result.online_accuracy)
        table.add_row("while learning", f"{online} (epoch by epoch)")
    for key, words in (
        ("rates_accuracy_same_weights", "same weights as rates"),
        ("rates_accuracy", "trained as rates"),
    ):
        if key in content:
            table.add_row(words, _per_cent(content[key]))
    pairs = content["reciprocal_pairs"]
    table.add_row(
        "joined both ways", f"{pairs['papers']:,} pairs; {pairs['all']:,} with gates and norm"
    )
    table.add_row("weight transport", content["weight_transport"])
    if result.mean_rates_hz:
        rates = ", ".join(f"{name} {rate:.0f}" for name, rate in result.mean_rates_hz.items())
        table.add_row("mean rates (Hz)", rates)
    for repeat in result.repeats:
        table.add_row("spikes", f"{repeat}, at the end")
    took = f"{result.simulated_s:.1f} s simulated in {result.wall_s - result.compiling_s:.1f} s"
    compiled = f", after {result.compiling_s:.1f} s of compiling" if result.compiling_s else ""
    table.add_row("time", took + compiled)
    return table


def _angles(result: SpikingResult) -> Table:
    table = Table("angle (°)", "to", "at the end")
    for name, angle in result.angles_deg.items():
        table.add_row(escape(name), "its partner's weights", f"{angle:.1f}")
    for name, angle in result.error_angles_deg.items():
        table.add_row(escape(name), "backpropagation's error", f"{angle:.1f}")
    return table


def _per_cent(accuracy: float) -> str:
    return f"{100 * accuracy:.1f} %"
