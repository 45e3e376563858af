"""Plasticity statements as pairs of spikes: K(t_post − t_pre), summed over all of them.

Each cell keeps a trace of the spikes that one of its synapses learns from for every time constant
of the synapse's window. When such a spike comes at one end, the synapse changes by the traces at
the other; two spikes within one step have no order and do not count.
"""

from __future__ import annotations

from collections.abc import Iterator

from oneway.circuits import Plasticity, Population, Projection, Signal, WiringError
from oneway.circuits.timing import Lobe

from ..brian.model import SPIKE, WHOLE, Cells, Event, Joined, ModelGroup, Pathway
from .context import Context
from .lesions import intact, times
from .plasticity import _change, _keep_up_with_rest, _learn, _scaling, _stated, carrier


def learn_from_pairs(
    context: Context, p: Projection, joined: Joined, owner: ModelGroup, part: str = WHOLE
) -> list[Cells]:
    """Δw = η Σ K, at each spike of either cell, and − λ w + λ_s w (1 − Σ|w| / Σ₀) at every tick."""
    how = p.plasticity
    assert how is not None and how.window is not None
    more, scaling = _scaling(context, p, joined, owner, part)
    learn = times(intact(context, p, joined), _learn(context, how.phase, joined))
    rest = _keep_up_with_rest(context, p, "step", part)
    if how.decay or scaling:
        decay = _stated(context, p, "decay", joined)
        lost = f"({decay} - {scaling})" if scaling else decay
        joined.at_tick(f"step = -{_change(context, p, joined)} * {lost} * w", "w += step", *rest)
    rate = f"{learn} * {_each_pair(context, how)!r}"
    pre = Heard(context, p.pre, how.pre, how.phase)
    post = Heard(context, p.post, how.post, how.phase)
    before = _total(how.window.before, post, "_post"), pre.sign("_pre")
    after = _total(how.window.after, pre, "_pre"), post.sign("_post")
    for end, event, (total, sign) in (("pre", pre.event, before), ("post", post.event, after)):
        if total:
            code = [f"step = {rate} * {sign}({total})", "w += step", *rest]
            joined.pathways.append(Pathway(f"pairs_at_{end}", end, "\n".join(code), event))
    return more


def _total(lobes: tuple[Lobe, ...], traced: Heard, end: str) -> str:
    """What all earlier spikes of the cell at one end count, when one comes at the other."""
    return " + ".join(f"{a!r} * {traced.trace(tau_ms)}{end}" for a, tau_ms in lobes)


def _each_pair(context: Context, how: Plasticity) -> float:
    """η, by the part of a batch or of a sample that a tick counts where synapses learn fully."""
    p = context.parameters
    data = not context.circuit.phases[how.phase].noisy
    full = 1 / p.learn_ticks if data else float(p.plasticity_dt / p.batch_time)
    assert how.rate is not None
    return how.rate / full


class Heard:
    """The spikes that a signal at a cell is made of: its own, or those that a projection brings."""

    def __init__(self, context: Context, cell: str, stated: Signal, phase: str) -> None:
        self.context, self.brought = context, carrier(context, stated, cell, phase)
        self.source = cell if self.brought is None else self.brought.pre
        self.name = "spikes" if self.brought is None else context.input_of(self.brought)

    @property
    def event(self) -> str:
        """What Brian2 calls it when one comes."""
        return SPIKE if self.brought is None else f"{self.name}_heard"

    def sign(self, end: str = "") -> str:
        """Of a spike of a pair: which of its two cells has fired, as a factor."""
        if not self.context.sided(self.source):
            return ""
        return f"side{end} * " if self.brought is None else f"{self.name}_side{end} * "

    def trace(self, tau_ms: float) -> str:
        """The variable of its cell that such spikes add to, and that fades with τ."""
        tau = repr(float(tau_ms)).removesuffix(".0").translate(str.maketrans(".-+", "___"))
        return f"{self.name}_{tau}ms"


# -- at the cells --------------------------------------------------------------------------------


def trace_spikes(context: Context, population: Population, cells: Cells) -> None:
    """Give cells a trace for each time constant with which their synapses look back on a spike."""
    for heard, taus_ms in _looked_back_on(context, population.name):
        code = []
        for tau_ms in taus_ms:
            name = heard.trace(tau_ms)
            # Euler's step of this length is exactly exp(−dt / τ).
            cells.integrate(name, f"-{name} * (1 - exp(-dt / ({float(tau_ms)!r} * ms))) / dt")
            code.append(f"{name} += {heard.sign()}1")
        if heard.brought is None:
            # First, since a spike's sign depends on the membrane, which is set back last.
            cells.reset = "\n".join([*code, cells.reset or ""])
        else:
            _hear(cells, heard, code)


def _hear(cells: Cells, heard: Heard, code: list[str]) -> None:
    name = heard.name
    comment = f"when {heard.source} has told it of a spike"
    cells.add(f"{name}_at", start=-1.0, unit="second", kept=True, comment=comment)
    if heard.sign():
        cells.add(f"{name}_of")
        # What is heard now is for the next step.
        cells.add(f"{name}_side", f"{name}_of", flag="constant over dt")
    event = Event(heard.event, f"abs(t - dt - {name}_at) < dt / 2", "\n".join(code))
    if event not in cells.events:
        cells.events.append(event)


def told_of(context: Context, p: Projection, passing: str | None) -> str:
    """What synapses of a projection that brings spikes to be paired do beside their trace."""
    never = "" if passing is None else f" - (1 - {passing}) * second"
    for heard, _ in _looked_back_on(context, p.post):
        if heard.brought is p:
            sent = context.side_sent(p.pre, context.delay_steps(p))
            side = f"\n{heard.name}_of_post = {sent}" if heard.sign() else ""
            return f"\n{heard.name}_at_post = {times(passing, 't')}{never}{side}"
    return ""


def _looked_back_on(context: Context, cell: str) -> Iterator[tuple[Heard, list[float]]]:
    """The spikes at a cell that its synapses pair with others, and how long they are traced."""
    found: dict[str, tuple[Heard, list[float]]] = {}
    for p in context.turns.select():
        how = p.plasticity
        if how is None or how.window is None or not context.turns.learns(p):
            continue
        for at, stated, lobes in (
            (p.pre, how.pre, how.window.after),
            (p.post, how.post, how.window.before),
        ):
            if at == cell:
                heard = Heard(context, cell, stated, how.phase)
                _, taus_ms = found.setdefault(heard.name, (heard, []))
                taus_ms += [tau_ms for _, tau_ms in lobes if tau_ms not in taus_ms]
    yield from found.values()


# -- what cannot be ------------------------------------------------------------------------------


def check_pairs(context: Context, p: Projection) -> None:
    """Raise `WiringError` where there are no pairs of spikes to learn from."""
    owner = f"{p.label}: its synapses learn from pairs of spikes"
    if not context.spikes:
        raise WiringError(
            f"{owner}, and cells that are {context.dynamics!r} have none. Use dynamics = 'spiking' "
            "or 'poisson'"
        )
    if context.tallying:
        raise WiringError(
            f"{owner}, whose change is not that of a batch. Let them learn: present(..., "
            "learn=True) or run_spontaneous(...)"
        )
    if context.holding.dale:
        raise WiringError(
            f"{owner}, which have no translation under Dale's law, where each excites and an "
            "interneuron inhibits. Leave dale out (--dale)"
        )
    if context.pairs(p).shared:
        raise WiringError(
            f"{owner}, but share their weights along an image, and a pair of spikes is one "
            "synapse's. Use shared=False (--unshared)"
        )
