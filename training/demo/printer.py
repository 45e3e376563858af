"""What the tour prints: one table that grows by a row whenever a rule has been trained."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from .tour import RuleTour, SpikingDigits, SpikingTour, Tour
from .wording import course

_ROW = "{:<{width}} {:>6} {:>10}  {:<9} {:>6}  {}"
_HEADS = ("rule", "pairs", "with gates", "transport", "phases", "test accuracy %")


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
        self._say(f"\n[bold]{self._row(*_HEADS)}[/]")

    def floor(self, tour: Tour) -> None:
        accuracy = f"{100 * tour.floor_mean:5.1f}"
        self._say(f"[dim]{self._row('only the output learns', '', '', '', '', accuracy)}[/]")

    def rule(self, rule: RuleTour) -> None:
        found: tuple[object, ...] = ("", "", "", "")
        if (v := rule.verdict) is not None:
            found = (v.papers, v.all, v.weight_transport, v.phases)
        line = self._row(escape(rule.label), *found, _accuracy(rule))
        self._say(f"[green]{line}[/]" if v and v.ok else line)

    def spiking_starts(self) -> None:
        self._say("\n[dim]now as spikes ...[/]")

    def spiking(self, spiking: SpikingTour) -> None:
        if spiking.record is None:
            self._say(escape(spiking.problem))
            return
        for name, angles in spiking.angles.items():
            line = f"the angle of {name} to its partner {course(angles[0], angles[-1])}"
            self._say(f"{escape(spiking.label)}, spiking: {escape(line)}")

    def digits(self, digits: SpikingDigits) -> None:
        kind = " (a recorded run)" if digits.recorded else ""
        line = f"{100 * digits.found['accuracy']:.1f} % of the test digits named right"
        self._say(f"{escape(digits.found['rule'])}, spiking{kind}: {line}")

    def _row(self, *cells: object) -> str:
        return _ROW.format(*cells, width=self.width)

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)


def _accuracy(rule: RuleTour) -> str:
    if rule.problem:
        return escape(rule.problem)
    assert rule.mean is not None
    spread = f" ± {100 * rule.spread:.1f}" if rule.spread is not None else ""
    return f"{100 * rule.mean:5.1f}{spread}"
