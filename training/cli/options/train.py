"""Options of `oneway train`: every key of a recipe, and what is done with the run."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from ...config import PATIENCE_S
from ...recipes.recipe import is_switch, recipe_keys
from .shared import add_allow_code, add_examples, add_json, explained

FEEDBACK = "the feedback path, where it differs"
# Title → keys of recipes; every key is in one group.
GROUPS = {
    "what is trained on what": (
        "circuit module rule gate norm weights data data_dir workers limit test_fraction augment "
        "validation"
    ),
    "how it learns": (
        "epochs batch_size lr momentum nesterov weight_decay optimizer schedule step_epochs "
        "step_factor milestones warmup_epochs decay_warmup_epochs warmup_weight_decay loss "
        "label_smoothing unequal_decay"
    ),
    FEEDBACK: " ".join(name for name in recipe_keys() if name.startswith("feedback_")),
    "spontaneous activity, for rules with a mirror phase": (
        "spontaneous_every spontaneous_batches spontaneous_warmup_epochs"
    ),
    "runs, and what is recorded of them": "seed seeds floor record_every tensorboard",
    "hardware and speed": "device dtype channels_last compile sync_batch_norm",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.usage = "%(prog)s [RECIPE] [--circuit CIRCUIT --rule RULE --data DATA] [options]"
    parser.add_argument(
        "recipe",
        nargs="?",
        metavar="RECIPE",
        help="a recipe that 'oneway recipes' lists, or a TOML file with any of the options below "
        "as keys (lr = 0.1)",
    )
    _add_run(parser)
    for title, names in GROUPS.items():
        _add_keys(parser.add_argument_group(title), names.split())
    add_allow_code(parser)
    add_json(parser)
    add_examples(
        parser,
        "oneway train --circuit mlp:64-32-32-10 --rule asap,gate=local --out runs/asap",
        "oneway train --circuit mlp:64-32-32-10 --rule my_rule.py --seeds 3 --floor",
        "oneway train asap-table1/cifar10-resnet18/asap --smoke",
        "oneway train asap-table1/cifar10-resnet18/asap --data-dir DATA --seeds 3",
        "oneway train my_recipe.toml --set lr=0.05 --set epochs=40",
        "oneway train --resume runs/asap               (go on, as it was started)",
        "oneway train --resume runs/asap --epochs 40   (longer; --set lr=0.01: at another rate)",
        "oneway train --circuit mlp:64-32-32-10 --rule dfa --weights runs/asap",
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="the recipe at a size that takes seconds: few images, two epochs, a narrow network; "
        "on synthetic images where the data set is not at hand",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a key of the recipe; may be given several times",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for metrics and result, without a run in it (default: a new one in runs/)",
    )
    parser.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="DIR",
        help="go on with the run in DIR after its last finished epoch, with the settings that it "
        "was started with; --set lr=0.01, --epochs and the like change what may change. Without "
        "DIR, behind the command that started it: with the run in --out",
    )
    parser.add_argument(
        "--quiet", action="store_true", help="no progress and no notes: the result, and errors"
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=PATIENCE_S,
        metavar="SECONDS",
        help="how long processes that train together (torchrun) wait for one that does not answer "
        "(default: %(default).0f); then they end, and one says which",
    )
    parser.add_argument(
        "--plot",
        action="store_true",
        help="also draw the wired circuit (circuit.html) and the run's course (overview.png) into "
        "its folder",
    )


def _add_keys(group: argparse._ArgumentGroup, names: Iterable[str]) -> None:
    for key in names:
        described = recipe_keys()[key]
        option, help = "--" + key.replace("_", "-"), explained(described)
        if is_switch(key):
            switch = argparse.BooleanOptionalAction
            group.add_argument(option, action=switch, default=None, help=help)
        else:
            group.add_argument(option, metavar=key.rpartition("_")[2].upper(), help=help)
