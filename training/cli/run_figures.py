"""`oneway compare --plot`: the figures of the papers, drawn from what runs recorded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oneway.analysis import check_wiring
from oneway.circuits import load_circuit

from ..compare import Group, group_runs, read_runs
from ..errors import ConfigError
from ..files import whole
from ..progress import ProgressBar
from ..records import CIRCUIT
from .drawings import write_drawing
from .layer_pages import LayerPage, above, below
from .options.compare import ALL
from .run_pages import CurvePage, Overview, Panel

SUFFIXES = (".png", ".svg", ".pdf")
_TRAINED = "a run has it from its first epoch on"
_FEEDBACK = "rules with feedback weights record it"
FIGURES: dict[str, Overview | CurvePage | LayerPage] = {
    "overview": Overview(),
    "accuracy": CurvePage(
        _TRAINED, (Panel("test_accuracy", "test accuracy (%)", "test accuracy; ASAP paper Fig. 5"),)
    ),
    "errors": CurvePage(
        _TRAINED,
        (
            Panel(
                "test_error",
                "top-1 error (%)",
                "top-1 error; sign-symmetry paper Fig. 1,\nweight-mirror paper Fig. 3",
            ),
            Panel("top5_error", "top-5 error (%)", "top-5 error; sign-symmetry paper Fig. 1"),
        ),
    ),
    "learning": CurvePage(
        _TRAINED,
        (
            Panel("train_loss", "training loss (nats)", "training loss"),
            Panel("train_accuracy", "training accuracy (%)", "training accuracy"),
            Panel("test_accuracy", "test accuracy (%)", "test accuracy"),
        ),
        "direct Kolen-Pollack paper Figs. 3, 4",
    ),
    "matrix-angles": LayerPage(
        "matrix angles; weight-mirror paper Fig. 4a, c, e",
        "angles_deg",
        _FEEDBACK,
        "angle between W and Bᵀ (°)",
        bounds={"wm": below(12), "fa": above(80)},
    ),
    "delta-angles": LayerPage(
        "δ angles to backpropagation's; weight-mirror paper Fig. 4b, d, f",
        "error_angles_deg",
        "rules that send errors to hidden layers record it",
        "angle between the two δ (°)",
        bounds={"wm": below(25), "fa": above(80)},
    ),
    "direct-angles": LayerPage(
        "angle of aBᵀ to the output h; direct Kolen-Pollack paper Fig. 2",
        "direct_angles_deg",
        "only direct rules (dfa, drtp, dkp) record it",
        "angle between aBᵀ and h (°)",
    ),
    "weights": CurvePage(
        "rules with weights that learn record it",
        (
            Panel("angle_deg", "mean angle between W and Bᵀ (°)", "(a) mean angle"),
            Panel("weight_kurtosis", "mean kurtosis of W (Gaussian: 3)", "(a) mean kurtosis"),
            Panel("weight_mean", "mean of W", "(b) mean of weights"),
            Panel("weight_std", "standard deviation of W", "(c) standard deviation"),
        ),
        "means over layers; sign-symmetry paper Fig. 3",
        needs="weights",
    ),
    "norm-ratios": LayerPage(
        "norm of feedback over norm of forward weights",
        "norm_ratios",
        _FEEDBACK,
        "|B| / |W|",
        log=True,
        level=1.0,
    ),
    "gap": LayerPage(
        "gap between W and Bᵀ, predicted dashed; weight-mirror paper eq. 13, 14",
        "gap",
        "only rules that change W and B alike (kp, asap) record it",
        "|W − Bᵀ| / that at the start",
        part="measured",
        expected="predicted",
        log=True,
    ),
}


def check_options(plot: Path | None, names: Sequence[str] | None) -> None:
    """Before anything is read.

    Raises
    ------
    ConfigError
        The file cannot be written, or there is none.
    """
    if plot is None:
        if names:
            raise ConfigError(f"--figure {names[0]} needs a file: --plot FILE")
        return
    if plot.suffix not in SUFFIXES:
        raise ConfigError(f"--plot {str(plot)!r}: expected a file that ends in .png, .svg or .pdf")
    if not plot.parent.is_dir():
        raise ConfigError(f"--plot {str(plot)!r}: folder {str(plot.parent)!r} is not there")


def draw(groups: Sequence[Group], plot: Path | None, names: Sequence[str] | None) -> list[Path]:
    """Draw figures into files; gives the files.

    Raises
    ------
    ConfigError
        No run has what one of them shows; nothing is written then.
    """
    if plot is None:
        return []
    pages = _pages(groups, list(dict.fromkeys(names or ["overview"])))
    several = len(names or ()) > 1 or ALL in (names or ())
    files = {
        plot.with_name(f"{plot.stem}-{name}{plot.suffix}") if several else plot: page
        for name, page in pages.items()
    }
    with ProgressBar("pictures", len(files)) as bar:
        for path, page in files.items():
            with whole(path) as unfinished:
                page.savefig(unfinished)
            bar.advance(path.name)
    return list(files)


def write_pictures(folder: Path) -> list[Path]:
    """Into the folder of finished runs: their circuit, and how accuracies and angles went."""
    runs = read_runs([folder])
    circuit = load_circuit(runs[0].folder / CIRCUIT)
    drawing = write_drawing(folder / "circuit.html", circuit, check_wiring(circuit, "all"))
    return [drawing, *draw(group_runs(runs), folder / "overview.png", None)]


def _pages(groups: Sequence[Group], names: Sequence[str]) -> dict[str, Any]:
    """A matplotlib figure for each name."""
    drawn = {name: FIGURES[name].draw(groups) for name in (FIGURES if ALL in names else names)}
    missing = [name for name, page in drawn.items() if page is None]
    if missing and ALL not in names:
        figure = FIGURES[missing[0]]
        raise ConfigError(
            f"no run has {figure.needs!r}, which figure {missing[0]!r} shows: {figure.source}"
        )
    return {name: page for name, page in drawn.items() if page is not None}
