"""Networks that were there before a run: of a user's module, or of a finished run."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import torch

from oneway.backends.rate import RateNetwork, from_torch
from oneway.backends.rate.exchange.names import keep_of
from oneway.circuits import Circuit, WiringError
from oneway.rules import Rule

from .checkpoint import write_checkpoint
from .config import TrainConfig, stored_dtype
from .errors import ConfigError, DataError, first_line
from .files import whole
from .loss import make_loss
from .records import CHECKPOINT, CIRCUIT, CONFIG, METRICS, NAMES, RESULT, RunFolder

Factory = Callable[[], torch.nn.Module]
_FORM = "expected package.module:factory or file.py:factory, as in nets.py:make_net"


# -- a module ----------------------------------------------------------------------------------


def import_module(text: str, shape: tuple[int, ...], rule: Rule | None, seed: int) -> RateNetwork:
    """The network of the module that a factory makes, wired by a rule.

    Parameters
    ----------
    text : str
        ``package.module:factory`` or ``file.py:factory``; a factory, or class, takes no argument.
    shape : tuple of int
        Of one sample. A module that takes no such image is given a flat one.
    rule : Rule, optional
    seed : int
        The factory draws with torch's generator at this seed, feedback weights with their own.
    """
    module = _made(text, seed)
    dtype = next((p.dtype for p in module.parameters()), torch.float32)
    error: WiringError | None = None
    for form in dict.fromkeys((shape, (prod(shape),))):
        drawn = torch.randn(2, *form, generator=torch.Generator().manual_seed(seed)).to(dtype)
        try:
            return from_torch(module, drawn, rule, name=text, seed=seed)
        except WiringError as complaint:
            error = error or complaint
    assert error is not None
    raise error


def _made(text: str, seed: int) -> torch.nn.Module:
    factory = _factory(text)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            module = factory()
        except Exception as error:
            raise ConfigError(f"module {text!r} fails when it is made: {_said(error)}") from error
    if not isinstance(module, torch.nn.Module):
        raise ConfigError(
            f"module {text!r} makes a {type(module).__name__}, expected a torch.nn.Module"
        )
    return module


def _factory(text: str) -> Factory:
    home, _, name = text.rpartition(":")
    if not home or not name.isidentifier():
        raise ConfigError(f"module {text!r}: {_FORM}")
    try:
        found = _from_file(Path(home)) if home.endswith(".py") else _from_package(home)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"module {text!r} does not load: {_said(error)}") from error
    factory = getattr(found, name, None)
    if not callable(factory):
        there = [key for key, value in vars(found).items() if callable(value) and key[0] != "_"]
        raise ConfigError(
            f"module {text!r}: there is no factory {name!r} in {home}, which has "
            f"{', '.join(there) or 'none'}"
        )
    return factory


def _from_file(path: Path) -> Any:
    path = path.expanduser()
    if not path.is_file():
        raise ConfigError(f"module file {str(path)!r} does not exist; {_FORM}")
    spec = importlib.util.spec_from_file_location(f"oneway_module_{path.stem}", path)
    assert spec is not None and spec.loader is not None  # a .py file always has both
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    sys.path.insert(0, str(path.parent.resolve()))  # as Python does for a script
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module


def _from_package(name: str) -> Any:
    sys.path.insert(0, str(Path.cwd()))  # as python -m does
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {first_line(error)}"


# -- a run -------------------------------------------------------------------------------------


def load_run(path: str | Path, **options: Any) -> RateNetwork:
    """The network of a finished run, with the weights of its last epoch.

    Parameters
    ----------
    path : path
        Folder of the run, as ``oneway train --out`` or ``train(out=...)`` wrote it.
    **options
        Of `RateNetwork`; by default dtype and loss of the run, on the CPU.

    Returns
    -------
    RateNetwork
        In evaluation mode. Samples go in normalised, as `Data.normalise` does it.

    Raises
    ------
    ConfigError
        There is no run, it is not finished, or there are several.
    DataError
        Its files are damaged or of another version.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from oneway.circuits import mlp
    >>> from oneway.rules import parse_rule
    >>> from oneway.training import TrainConfig, load_data, load_run, train
    >>> circuit, folder = parse_rule("kp").wire(mlp((64, 16, 10))), mkdtemp()
    >>> result = train(circuit, load_data("digits"), TrainConfig(epochs=1), out=folder)
    >>> load_run(folder).circuit == circuit
    True
    """
    path = Path(path)
    _check_finished(path)
    return _loaded(path, **options)


def load_weights(path: str | Path) -> RateNetwork:
    """The network of a run as its last checkpoint has it, finished or not: to start another from.

    Raises
    ------
    ConfigError, DataError
        As `load_run` does, but for runs that are not finished.
    """
    check_saved(path)
    return _loaded(Path(path).expanduser())


def check_saved(path: str | Path) -> None:
    """Complain if a folder does not hold one run, with a checkpoint."""
    _check_one(Path(path).expanduser())
    _check_complete(Path(path).expanduser())


def _loaded(path: Path, **options: Any) -> RateNetwork:
    folder = RunFolder.to_read(path)
    config = _config(folder)
    state = folder.saved()
    assert state is not None  # checked above
    circuit, names = _circuit(folder)
    usual = {
        "dtype": stored_dtype(config["dtype"]),
        "seed": config["seed"],
        "loss": _loss(folder, config),
    }
    net = RateNetwork(circuit, **{**usual, **options})
    net.names = names
    keep_of(net, state["network"])
    try:
        net.load_state_dict(state["network"])
        if names is not None:
            names.check(net)
    except (RuntimeError, LookupError, AttributeError, TypeError) as error:
        raise DataError(
            f"checkpoint in {str(path)!r} does not fit this version of the network "
            f"({first_line(error)}). Train it again in another folder"
        ) from error
    return net.eval()


def copy_run(path: str | Path, to: str | Path) -> None:
    """A finished run in a folder of its own, without what only going on with it needs.

    Its files are the same, but the checkpoint has the network alone, a half of it or less:
    `load_run` reads it, and ``--resume`` does not.

    Raises
    ------
    ConfigError
        There is no finished run, or something is in the way.
    DataError
        Its files are damaged.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from oneway.circuits import mlp
    >>> from oneway.rules import parse_rule
    >>> from oneway.training import TrainConfig, copy_run, load_data, load_run, train
    >>> folder, copy = mkdtemp(), mkdtemp() + "/lean"
    >>> settings = (mlp((64, 16, 10)), load_data("digits"), TrainConfig(epochs=1))
    >>> result = train(*settings, rule=parse_rule("kp"), out=folder)
    >>> copy_run(folder, copy)
    >>> bool((load_run(copy).weight("x -> h1") == load_run(folder).weight("x -> h1")).all())
    True
    """
    path, to = Path(path), Path(to)
    _check_finished(path)
    state = RunFolder.to_read(path).saved()
    assert state is not None  # checked above
    RunFolder.check_free(to)
    for name in (CONFIG, CIRCUIT, NAMES, METRICS):
        if (path / name).exists():
            shutil.copyfile(path / name, to / name)
    write_checkpoint(to / CHECKPOINT, {key: state[key] for key in ("run", "step", "network")})
    with whole(to / RESULT) as unfinished:  # last of all: where it is, the others are complete
        shutil.copyfile(path / RESULT, unfinished)


def _check_finished(path: Path) -> None:
    _check_one(path)
    if not (path / RESULT).exists():
        metrics = path / METRICS
        done = len(metrics.read_text("utf-8").splitlines()) if metrics.exists() else 0
        raise ConfigError(
            f"the run in {str(path)!r} is not finished, {done} epochs are done: go on with "
            f"{RunFolder.to_read(path).go_on()}"
        )
    _check_complete(path)


def _check_one(path: Path) -> None:
    if not RunFolder.holds_run(path):
        several = sorted(seed.name for seed in path.glob("seed*") if RunFolder.holds_run(seed))
        if several:
            raise ConfigError(
                f"folder {str(path)!r} holds {len(several)} runs: name one of them, as "
                f"{str(path / several[0])!r}"
            )
        raise ConfigError(
            f"folder {str(path)!r} holds no run: name one that 'oneway train --out' wrote"
        )


def _check_complete(path: Path) -> None:
    missing = [name for name in (CONFIG, CHECKPOINT, CIRCUIT) if not (path / name).exists()]
    if missing:
        raise DataError(
            f"the run in {str(path)!r} has no {missing[0]}: it is of another kind, or of an "
            "earlier version, or it was taken away, as weights are where only the figures are "
            "kept. Train it again in another folder"
        )


def _circuit(folder: RunFolder) -> tuple[Circuit, Any]:
    try:
        circuit, names = folder.circuit()
    except (WiringError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"the circuit of the run in {str(folder.path)!r} cannot be read by this version "
            f"({first_line(error)}). Train it again in another folder"
        ) from error
    if folder.wiring() != folder.settings().get("wiring"):
        raise DataError(
            f"{CIRCUIT} in {str(folder.path)!r} is not the circuit that {CONFIG} there speaks of. "
            "Train it again in another folder"
        )
    return circuit, names


def _config(folder: RunFolder) -> dict[str, Any]:
    """Settings of the run, those that its network is made of in order."""
    config = folder.settings().get("config", {})
    seed, dtype = config.get("seed"), config.get("dtype")
    if not (type(seed) is int and 0 <= seed < 2**63 and isinstance(dtype, str)):
        raise DataError(
            f"{CONFIG} in {str(folder.path)!r} is damaged: seed is {seed!r} and dtype {dtype!r}. "
            "Train it again in another folder"
        )
    return config


def _loss(folder: RunFolder, config: dict[str, Any]) -> torch.nn.Module:
    own = {key: config[key] for key in ("loss", "label_smoothing") if key in config}
    try:
        return make_loss(TrainConfig(**own))
    except (ConfigError, TypeError) as error:
        raise DataError(
            f"{CONFIG} in {str(folder.path)!r} is damaged: {first_line(error)}. Train it again in "
            "another folder"
        ) from error
