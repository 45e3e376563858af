"""What the tour prints: one table that grows by a row whenever a rule has been trained."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from .tour import RuleTour, SpikingTour, Tour

_ROW = "{rule:<{width}} {pairs:>6} {gates:>10}  {transport:<9} {modes:>6}  {accuracy}"


class TourPrinter:
    """Prints to one console, for people who wait."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.width = 24

    def start(self, tour: Tour) -> None:
        self.width = max(24, *(len(rule.label) for rule in tour.rules))
        self._say(
            f"[bold]{escape(tour.forward.name)}[/] on {tour.samples[0]:,} handwritten digits, "
            f"{len(tour.seeds)} seeds, {tour.config.epochs} epochs"
        )
        for label, sentence in list(tour.clock.items())[:1]:
            self._say(f"[dim]{escape(label)}: {escape(sentence)}[/]")
        heads = {
            "rule": "rule",
            "pairs": "pairs",
            "gates": "with gates",
            "transport": "transport",
            "modes": "phases",
            "accuracy": "test accuracy %",
        }
        self._say("\n[bold]" + _ROW.format(width=self.width, **heads) + "[/]")

    def floor(self, tour: Tour) -> None:
        blank = dict.fromkeys(("pairs", "gates", "transport", "modes"), "")
        name, accuracy = "only the output learns", f"{100 * tour.floor_mean:5.1f}"
        row = _ROW.format(rule=name, width=self.width, accuracy=accuracy, **blank)
        self._say(f"[dim]{row}[/]")

    def rule(self, rule: RuleTour) -> None:
        verdict = rule.verdict
        cells = {
            "rule": escape(rule.label),
            "pairs": verdict.papers if verdict else "",
            "gates": verdict.all if verdict else "",
            "transport": verdict.weight_transport if verdict else "",
            "modes": verdict.phases if verdict else "",
            "accuracy": _accuracy(rule),
        }
        style = "green" if verdict and verdict.ok else ""
        line = _ROW.format(width=self.width, **cells)
        self._say(f"[{style}]{line}[/]" if style else line)

    def spiking_starts(self, seconds: float) -> None:
        self._say(f"\n[dim]{seconds:g} s of spikes ...[/]")

    def spiking(self, spiking: SpikingTour) -> None:
        if spiking.record is None:
            self._say(escape(spiking.problem))
            return
        for name, angles in spiking.angles.items():
            line = f"angle of {name} to its partner: {angles[0]:.0f}° to {angles[-1]:.0f}°"
            self._say(f"{escape(spiking.label)}, spiking: {escape(line)}")

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)


def _accuracy(rule: RuleTour) -> str:
    if rule.problem:
        return escape(rule.problem)
    assert rule.mean is not None
    spread = f" ± {100 * rule.spread:.1f}" if rule.spread is not None else ""
    return f"{100 * rule.mean:5.1f}{spread}"
