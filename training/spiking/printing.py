"""What `oneway spike` prints for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from .result import SpikingResult


def show(result: SpikingResult, content: dict[str, Any], files: list[Path]) -> None:
    """Facts, angles, and where everything was saved."""
    console = Console()
    how = f"{content['rule'] or 'wired by hand'}, {content['dynamics']}, {content['target']}"
    console.print(f"[bold]{escape(result.circuit.name)}[/]: {escape(how)}", highlight=False)
    console.print(_facts(result, content))
    if result.angles_deg or result.error_angles_deg:
        console.print(_angles(result))
    for path in files:
        console.print(f"saved {escape(str(path))}", soft_wrap=True, highlight=False)


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
    table.add_row("time", f"{result.simulated_s:.1f} s simulated in {result.wall_s:.1f} s")
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
