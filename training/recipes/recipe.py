"""Recipes: everything a run needs, as a TOML file and as command-line options with the same names.

`Recipe` and `TrainConfig` are the only list of keys; the file reader, ``--set`` and the options
of ``oneway train`` are all made from their fields. What makes something of them is imported where
that is done: keys are all that ``--help`` needs, and torch takes seconds.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from ..config import TrainConfig, option
from ..data.catalogue import KINDS, check_source
from ..errors import ConfigError

if TYPE_CHECKING:
    from oneway.backends.rate import RateNetwork
    from oneway.circuits import Circuit
    from oneway.circuits.options import Options
    from oneway.rules import Rule

    from ..data.dataset import Data

MOST_SEEDS = 10_000


@dataclass(frozen=True)
class Recipe:
    """What is trained on what; how stands in `config`."""

    circuit: str = option(None, "builder string (mlp:64-128-64-10,init=kaiming_normal) or file")
    module: str | None = option(
        None,
        "your own torch module in place of a circuit, with the weights that it starts from: "
        "package.module:factory or file.py:factory, as in nets.py:make_net",
    )
    rule: str | None = option(
        None, "learning rule with its options (dkp,init=kaiming_normal), or a file"
    )
    weights: str | None = option(
        None,
        "folder of a run whose weights it starts with, under another rule too: all that both "
        "networks have",
    )
    data: str = option("digits", f"data set. {KINDS}")
    gate: str | None = option(None, "how φ′ enters the feedback path: exact, shared, local")
    norm: str | None = option(None, "how errors pass batch norm: full, scale, own")
    data_dir: str | None = option(
        None, "folder with the official files of the data set, or with your own images"
    )
    workers: int | None = option(None, "processes that decode the images of a streamed data set")
    limit: int | tuple[int, int] | None = option(
        None, "use only N training samples, or N,M with M for the test"
    )
    test_fraction: float | None = option(
        None,
        "part of each class to test on, for a folder without val or an npz file with x and y: 0.2",
    )
    seeds: int = option(1, "number of runs, with seeds seed, seed + 1, ...")
    floor: bool = option(False, "also train with hidden layers (image nets: convolutions) frozen")
    tensorboard: bool = option(False, "also write metrics for TensorBoard")
    config: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        if not (self.circuit or self.module):
            raise ConfigError("no circuit given: name one with --circuit, as in mlp:64-128-64-10")
        if self.circuit and self.module:
            raise ConfigError(
                f"circuit = {self.circuit!r} and module = {self.module!r} are two networks. Leave "
                "one of them out"
            )
        if self.seeds < 1:
            raise ConfigError(f"seeds = {self.seeds}, expected at least 1")
        if self.seeds > MOST_SEEDS:
            raise ConfigError(f"seeds = {self.seeds}, expected at most {MOST_SEEDS:,}")
        if self.workers is not None and self.workers < 0:
            raise ConfigError(f"workers = {self.workers}, expected at least 0")
        if self.test_fraction is not None and not 0 < self.test_fraction < 1:
            raise ConfigError(
                f"test_fraction = {self.test_fraction}, expected a part above 0 and below 1"
            )
        if self.tensorboard:
            from ..tensorboard import check_installed

            check_installed()

    def make_circuit(self) -> Circuit:
        from ..sources import read_circuit

        if self.module:
            raise ConfigError(
                f"module {self.module!r} is not a circuit yet: 'oneway train' makes it one, for "
                "samples of its data"
            )
        return read_circuit(self.circuit)

    def make_rule(self) -> Rule | None:
        from oneway.rules import parse_rule

        if self.rule is not None:
            return parse_rule(self.rule, gate=self.gate, norm=self.norm)
        if self.gate or self.norm:
            raise ConfigError("gate and norm belong to a rule: name one with --rule")
        return None

    def make_start(self, data: Data, rule: Rule | None, seed: int) -> RateNetwork | None:
        """The user's module as a network, wired; None where there is a circuit."""
        from ..networks import import_module

        return import_module(self.module, data.shape, rule, seed) if self.module else None

    def make_weights(self) -> RateNetwork | None:
        """The network whose weights it starts with."""
        from ..networks import load_weights

        return load_weights(self.weights) if self.weights else None

    def check_weights(self) -> None:
        """Complain if `make_weights` would find no run."""
        from ..networks import check_saved

        if self.weights:
            check_saved(self.weights)

    def load_data(self, shape: tuple[int, ...] | None) -> Data:
        from ..data.loading import load_data

        return load_data(
            self.data,
            self.data_dir,
            shape=shape,
            limit=self.limit,
            test_fraction=self.test_fraction,
            workers=self.workers,
        )


def read_recipe(path: str | Path) -> dict[str, Any]:
    """The settings in a recipe file, each checked against the list of keys."""
    return check_settings(f"recipe {str(path)!r}", read_toml(path))


def read_toml(path: str | Path) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"recipe {str(path)!r} cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"recipe {str(path)!r} is not a TOML file: {error}") from error
    except RecursionError:
        raise ConfigError(f"recipe {str(path)!r}: lists lie in each other too deeply") from None


def check_settings(where: str, content: Any) -> dict[str, Any]:
    """Settings as a TOML file has them, if each has a known key and a value of its type."""
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where}: expected settings, got {content!r}")
    options = options_of(where)
    return {options.key(key): options.read(key, value) for key, value in content.items()}


def make_recipe(settings: Mapping[str, Any]) -> Recipe:
    """A recipe of settings by name; those that are missing take their defaults."""
    own = {f.name for f in fields(Recipe)}
    config = TrainConfig(**{key: value for key, value in settings.items() if key not in own})
    return Recipe(**{key: value for key, value in settings.items() if key in own}, config=config)


def check_recipe(recipe: Recipe) -> tuple[Rule | None, Circuit]:
    """Rule and wired circuit of a recipe, if its parts fit; no data are read."""
    from ..fitting import check_decay, wire

    check_source(recipe.data)
    rule = recipe.make_rule()
    wired = wire(recipe.make_circuit(), rule)
    check_decay(wired, recipe.config)
    return rule, wired


def check_module(recipe: Recipe, data: Data) -> tuple[Rule | None, Circuit]:
    """Rule and wired circuit of a recipe that has a module, if its parts fit."""
    from ..fitting import check_decay, check_wired

    rule = recipe.make_rule()
    start = recipe.make_start(data, rule, recipe.config.seed)
    assert start is not None
    check_wired(start.circuit)
    check_decay(start.circuit, recipe.config)
    return rule, start.circuit


# -- keys and their types ----------------------------------------------------------------------


@cache
def recipe_keys() -> dict[str, Field]:
    """Every key of a recipe, in the order of the help page."""
    own = [f for f in fields(Recipe) if f.name != "config"]
    return {f.name: f for f in [*own, *fields(TrainConfig)]}


def options_of(owner: str) -> Options:
    """What recipes can say; errors name the `owner` of the settings."""
    from oneway.circuits.options import Options

    return Options(owner, _kinds(), ConfigError)


def is_switch(key: str) -> bool:
    return "bool" in str(recipe_keys()[key].type).split(" | ")


@cache
def _kinds() -> dict[str, Any]:
    hints = {**get_type_hints(Recipe), **get_type_hints(TrainConfig)}
    return {key: hints[key] for key in recipe_keys()}
