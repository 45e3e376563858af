"""Recipes: everything a run needs, as a TOML file and as command-line options with the same names.

`Recipe` and `TrainConfig` are the only list of keys; the file reader, ``--set`` and the options
of ``oneway train`` are all made from their fields.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from oneway.circuits import Circuit
from oneway.rules import Rule, parse_rule

from ..config import TrainConfig, option
from ..data.catalogue import KNOWN, check_known
from ..data.dataset import Data
from ..data.loading import load_data
from ..errors import ConfigError
from ..fitting import check_decay, wire
from ..sources import read_circuit
from ..tensorboard import check_installed

_WORDS = {"yes": True, "true": True, "no": False, "false": False}


@dataclass(frozen=True)
class Recipe:
    """What is trained on what; how stands in `config`."""

    circuit: str = option(None, "builder string (mlp:64-128-64-10) or file")
    rule: str | None = option(None, "learning rule with its options, or a file that defines one")
    data: str = option("digits", "data set", tuple(KNOWN))
    gate: str | None = option(None, "how φ′ enters the feedback path: exact, shared, local")
    norm: str | None = option(None, "how errors pass batch norm: full, scale, own")
    data_dir: str | None = option(None, "folder with the official files of the data set")
    workers: int | None = option(None, "processes that decode the images of a streamed data set")
    limit: str | None = option(None, "use only N training samples, or N,M with M for the test")
    seeds: int = option(1, "number of runs, with seeds seed, seed + 1, ...")
    floor: bool = option(False, "also train with hidden layers (image nets: convolutions) frozen")
    tensorboard: bool = option(False, "also write metrics for TensorBoard")
    config: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        if not self.circuit:
            raise ConfigError("no circuit given: name one with --circuit, as in mlp:64-128-64-10")
        if self.seeds < 1:
            raise ConfigError(f"seeds = {self.seeds}, expected at least 1")
        if self.workers is not None and self.workers < 0:
            raise ConfigError(f"workers = {self.workers}, expected at least 0")
        if self.tensorboard:
            check_installed()

    def make_circuit(self) -> Circuit:
        return read_circuit(self.circuit)

    def make_rule(self) -> Rule | None:
        if self.rule is not None:
            return parse_rule(self.rule, gate=self.gate, norm=self.norm)
        if self.gate or self.norm:
            raise ConfigError("gate and norm belong to a rule: name one with --rule")
        return None

    def load_data(self, shape: tuple[int, ...] | None) -> Data:
        return load_data(
            self.data, self.data_dir, shape=shape, limit=self.limits(), workers=self.workers
        )

    def limits(self) -> int | tuple[int, int] | None:
        """Numbers of samples, as `load_data` takes them."""
        return _parse_limit(self.limit)


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


def check_settings(where: str, content: Any) -> dict[str, Any]:
    """Settings as a TOML file has them, if each has a known key and a value of its type."""
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where}: expected settings, got {content!r}")
    try:
        return {known(key): check(key, value) for key, value in content.items()}
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def parse_settings(pairs: Iterable[str]) -> dict[str, Any]:
    """Settings given as ``key=value`` on the command line."""
    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"--set {pair!r}: expected key=value, as in --set epochs=5")
        settings[known(key)] = parse(key, value)
    return settings


def make_recipe(settings: Mapping[str, Any]) -> Recipe:
    """A recipe of settings by name; those that are missing take their defaults."""
    own = {f.name for f in fields(Recipe)}
    config = TrainConfig(**{key: value for key, value in settings.items() if key not in own})
    return Recipe(**{key: value for key, value in settings.items() if key in own}, config=config)


def check_recipe(recipe: Recipe) -> tuple[Rule | None, Circuit]:
    """Rule and wired circuit of a recipe, if its parts fit; no data are read."""
    check_known(recipe.data)
    recipe.limits()
    rule = recipe.make_rule()
    wired = wire(recipe.make_circuit(), rule)
    check_decay(wired, recipe.config)
    return rule, wired


# -- keys and their types ----------------------------------------------------------------------


@cache
def recipe_keys() -> dict[str, Field]:
    """Every key of a recipe, in the order of the help page."""
    own = [f for f in fields(Recipe) if f.name != "config"]
    return {f.name: f for f in [*own, *fields(TrainConfig)]}


@cache
def _kinds() -> dict[str, type]:
    hints = {**get_type_hints(Recipe), **get_type_hints(TrainConfig)}
    return {name: _plain(hints[name]) for name in recipe_keys()}


def _plain(hint: Any) -> type:
    """`float` of ``float | None``, `tuple` of ``tuple[int, ...]``."""
    if get_origin(hint) is UnionType:
        hint = next(kind for kind in get_args(hint) if kind is not NoneType)
    return get_origin(hint) or hint


def known(key: str) -> str:
    """The key as the recipe spells it; hyphens may stand for underscores."""
    name = key.strip().replace("-", "_")
    if name in recipe_keys():
        return name
    near = get_close_matches(name, recipe_keys(), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(recipe_keys())}"
    raise ConfigError(f"no setting {key!r}; {hint}")


def is_switch(key: str) -> bool:
    return _kinds()[key] is bool


def parse(key: str, text: str) -> Any:
    """A value written on the command line, as the type of its key."""
    kind = _kinds()[known(key)]
    try:
        if kind is tuple:
            return tuple(int(number) for number in text.split(",") if number.strip())
        return _WORDS[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{key} = {text!r}, expected {_wanted(kind)}") from error


def check(key: str, value: Any) -> Any:
    """A value from a TOML file, if it has the type of its key; a whole number is a good float."""
    kind = _kinds()[known(key)]
    if key == "limit" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is tuple and isinstance(value, list) and all(type(item) is int for item in value):
        return tuple(value)
    if type(value) is not kind:
        raise ConfigError(f"{key} = {value!r}, expected {_wanted(kind)}")
    return value


def _wanted(kind: type) -> str:
    names = {
        int: "a whole number",
        float: "a number",
        bool: "yes or no",
        str: "text",
        tuple: "whole numbers, as in 30,60,80",
    }
    return names[kind]


def _parse_limit(text: str | None) -> int | tuple[int, int] | None:
    if text is None:
        return None
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) == 1:
        return numbers[0]
    if len(numbers) != 2:
        raise ConfigError(
            f"limit = {text!r}, expected a number of samples, or two: 20000,5000 (training, test)"
        )
    return numbers[0], numbers[1]
