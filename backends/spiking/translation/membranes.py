"""The membrane of a population: the equations of its cell model, and what they read of ours."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property

from brian2.equations.equations import DIFFERENTIAL_EQUATION, PARAMETER

from ..brian.curves import measure
from ..brian.model import Cells
from ..dynamics import unit_text
from .context import TRAINS, Context


class Membrane:
    """Cells of a population that fire on their own account, as their model has it."""

    def __init__(self, context: Context, name: str) -> None:
        self.context, self.name = context, name
        self.turns, self.when = context.turns, context.when
        self.model, self.unit = context.model_of(name), f"{context.path(name)}_unit"

    @property
    def refractory(self) -> str:
        """For how long they fire no more; empty for no time."""
        return self.model.refractory

    @property
    def threshold(self) -> str:
        """When they fire."""
        return self._in_our_words(self.model.threshold)

    @property
    def side(self) -> str:
        """Which cell of a pair does; a model of one sign fires for positive activity."""
        return self._in_our_words(self.model.side or "1")

    def resets(self, condition: str | None) -> list[str]:
        """What a spike does to them while a condition is true."""
        return [self._in_our_words(line) for line in self.model.resets(condition)]

    @property
    def limit(self) -> str:
        """Where they would fire more often than they can; empty where that is not stated."""
        return self._in_our_words(self.model.limit)

    def to_partner(self, condition: str | None) -> list[str]:
        """What a spike of one cell of a pair that is apart does to the other, for a synapse."""
        own = re.compile(rf"\b({'|'.join(self.model.parsed.names)})\b")
        lines = replace(self.model, reset=self.model.partner).resets(condition)
        return [own.sub(r"\1_post", self._in_our_words(line)) for line in lines]

    def complete(self, cells: Cells) -> None:
        """Give cells the equations of the model."""
        reads = self.model.reads
        if reads & {"rate", "drive"}:
            cells.add("rate", self._rate(), unit="Hz")
        if "tone" in reads:
            cells.add("tone", self._tone())
        if "taught" in reads:
            teaches = self.turns.select(role="teach", post=self.name)
            cells.add("taught", " + ".join(map(self.context.input_of, teaches)) or "0")
        if "drive" in reads:
            self._drive(cells)
        for equation in self.model.parsed.values():
            self._equation(cells, equation)
        if self.model.apical:
            apical = self._in_our_words(self.model.apical)
            cells.add("apical", apical, comment="what synapses onto the cell learn from")

    def _equation(self, cells: Cells, equation) -> None:
        name, kind, model = equation.varname, equation.type, self.model
        values = {**self.context.constants, **self.context.varied.get(self.name, {})}
        cells.add(
            name,
            "" if equation.expr is None else self._in_our_words(str(equation.expr)),
            model.first(name, cells.size, values) if name in model.start else None,
            unit=equation.var_type if equation.var_type != "float" else unit_text(equation.unit),
            flag=", ".join(equation.flags),
            integrated=kind == DIFFERENTIAL_EQUATION,
            kept=kind == DIFFERENTIAL_EQUATION or (kind == PARAMETER and not equation.flags),
            comment=model.comments.get(name, ""),
        )

    def _in_our_words(self, text: str) -> str:
        text = re.sub(r"\bunit\b", self.unit, text)
        return re.sub(r"\bown\b", f"(own{self._gain})", text) if self._gain else text

    # -- what equations read ---------------------------------------------------------------

    def _rate(self) -> str:
        """The rate of cells of one sign: about the baseline, if they have one."""
        own = f"{self.unit} * own{self._gain}"
        about = self.context.about_baseline
        return f"clip(baseline + {own}, 0 * Hz, max_rate)" if about else own

    def _drive(self, cells: Cells) -> None:
        """The drive for the cells' rate, from a curve that is measured."""
        context, p, model = self.context, self.context.parameters, self.model
        assert model.drive is not None
        fastest_hz, varied = float(p.max_rate), context.varied.get(self.name, {})
        curve = measure(model, context.constants, varied, p.dt, fastest_hz)
        unit, table = unit_text(model.drive[0]), f"drive_of_{self.name}"
        text = curve.text(cells.draw(table, curve.drives), unit)
        cells.add("drive", text, unit=unit, comment="for the rate, from a curve that was measured")

    @cached_property
    def _gain(self) -> str:
        """By how much more strongly cells respond where noise drives the circuit."""
        if not (self.model.gain and self._responding):
            return ""
        return f" * ({self.when.either(self._responding, 'noise_gain', '1')})"

    def _tone(self) -> str:
        heard = self._responding and not self.context.about_baseline
        return self.when.times_if(self._responding, "noise_tone") if heard else "0"

    @cached_property
    def _responding(self) -> list[str]:
        phases = self.turns.circuit.phases
        return [driven for driven in self.turns.driven(self.name) if phases[driven].noisy]


class Replay(Membrane):
    """Cells of the input that fire when a list says so, each of its unit's spikes in turn."""

    refractory = ""
    threshold = "t - begin > fires_at - dt / 2"
    side = "sign_of_next"
    limit = "False"

    def resets(self, condition: str | None) -> list[str]:
        return ["next_spike += 1"]

    def complete(self, cells: Cells) -> None:
        at = "((next_spike + 0.5) * second, 0)"
        cells.add("next_spike", unit="integer", comment="where in the list of all spikes")
        cells.add("fires_at", f"{cells.look_up('train_times', 1)}{at} * second", unit="second")
        if self.context.paired(self.name):
            cells.add("sign_of_next", f"{cells.look_up('train_signs', 1)}{at}")


def membrane_of(context: Context, name: str) -> Membrane:
    """The membrane of a population, or what stands for it where spikes are given."""
    trains = context.given == TRAINS and context.is_given(name)
    return Replay(context, name) if trains else Membrane(context, name)
