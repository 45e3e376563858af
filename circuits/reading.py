"""What a wired circuit means: who is driven, held or silent in a phase, and what is at hand where.

A cell's own activity is one law, whatever its path:

    own = φ(Σ drives, past the partner's normalisation, + bias), normalised, · Π φ′ of its gates

A drive conveys the activity of its presynaptic cell: what that mimics in the phase, or else its
own. Validation, analysis, the clock and every backend read here; none works it out again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from .assembly import Assembly
from .connectors import Connector, SynapticConnector
from .elements import Phase, Population, Projection, Signal
from .errors import WiringError
from .relation import Relation
from .winners import with_winners


@dataclass(frozen=True)
class SignalAtHand:
    """One signal that a synapse or a cell learns from, and how it comes to be at that cell.

    Parameters
    ----------
    cell : str
        The population that has it.
    kind : {"own", "noise", "mimicked", "taught", "synaptic"}
        Its own activity, the noise it fires in that phase, the activity that it takes over from
        `source`, what `source` teaches it, or what `source` brings to each of its synapses.
    source : str, optional
        The population that it comes from, if not the cell itself.
    through : str, optional
        The projection through which it arrives.
    gated : bool
        Multiplied by the cell's own φ′.
    centred : {"no", "batch", "baseline"}
        What the cell subtracts.
    error : bool
        Whether it is proportional to the error, or to the target in its place.
    """

    cell: str
    kind: Literal["own", "noise", "mimicked", "taught", "synaptic"]
    source: str | None = None
    through: str | None = None
    gated: bool = False
    centred: Literal["no", "batch", "baseline"] = "no"
    error: bool = False

    @property
    def origin(self) -> str:
        """The population whose activity it is."""
        return self.source or self.cell

    def __str__(self) -> str:
        what = {
            "own": "its own activity",
            "noise": "the noise that it fires",
            "mimicked": f"the activity of {self.source} that it mimics",
            "taught": f"what {self.source} teaches it",
            "synaptic": f"what {self.source} brings to each synapse",
        }[self.kind]
        if self.gated:
            what += ", times its own φ′"
        if self.centred != "no":
            what += ", less its batch mean" if self.centred == "batch" else ", less its baseline"
        return f"{self.cell} has {what}" + (f" (through {self.through!r})" if self.through else "")


class Reading:
    """Answers what a circuit does in a phase.

    Parameters
    ----------
    circuit : Assembly
        Nothing is looked up before it is asked for.
    """

    def __init__(self, circuit: Assembly) -> None:
        self.circuit = circuit
        self._firing: dict[str, frozenset[str]] = {}

    # -- phases ----------------------------------------------------------------------------

    @property
    def data_phases(self) -> tuple[str, ...]:
        """Phases that data drives, in order."""
        return tuple(phase.name for phase in self.circuit.phases.values() if not phase.noisy)

    @property
    def noisy_phases(self) -> tuple[str, ...]:
        """Phases that noise drives, in order."""
        return tuple(phase.name for phase in self.circuit.phases.values() if phase.noisy)

    # -- who does what ---------------------------------------------------------------------

    def firing(self, phase: str) -> frozenset[str]:
        """Populations that are awake: all but in a noisy phase, where noise must reach them.

        It does so in any number of steps, through drives and mimicry. A noisy cell follows nobody,
        and a mimicking cell only the one that it mimics.
        """
        if phase not in self._firing:
            period = self.circuit.phases[phase]
            everybody = frozenset(self.circuit.populations)
            self._firing[phase] = self._reached(period) if period.noisy else everybody
        return self._firing[phase]

    def _reached(self, phase: Phase) -> frozenset[str]:
        active = list(self.circuit.select(phase=phase.name))
        mimicking = {p.post for p in active if p.role == "mimic"}
        firing = set(phase.noisy)
        while True:
            reached = {
                p.post
                for p in active
                if p.pre in firing
                and p.post not in phase.noisy
                and (p.role == "mimic" or (p.role == "drive" and p.post not in mimicking))
            }
            if reached <= firing:
                return frozenset(firing)
            firing |= reached

    def noisy(self, name: str, phase: str) -> bool:
        """Whether a population fires noise instead of following its input."""
        return name in self.circuit.phases[phase].noisy

    def given(self, name: str) -> bool:
        """Whether data says what a population fires: the input and the target."""
        cell = self.circuit.populations[name]
        return cell.path == "target" or any(cell is one for one in self.circuit.inputs)

    def compares(self, name: str) -> bool:
        """Whether a population is an error population that compares output and target."""
        return any(self.circuit.select(role="compare", post=name))

    def driven(self, name: str, phase: str) -> bool:
        """Whether its input acts on a population: drives, or the comparison."""
        if self.noisy(name, phase):
            return False
        if not self.circuit.phases[phase].noisy and any(
            self.circuit.select(role="compare", post=name, phase=phase)
        ):
            return True
        return any(True for _ in self._awake_drives(name, phase))

    def drives(self, name: str, phase: str) -> list[Projection]:
        """Drives whose input counts in a population in a phase."""
        return list(self._awake_drives(name, phase)) if self.driven(name, phase) else []

    def carries(self, p: Projection, phase: str) -> bool:
        """Whether what a drive brings counts in a phase."""
        return p in self.drives(p.post, phase)

    def _awake_drives(self, name: str, phase: str) -> Iterator[Projection]:
        firing = self.firing(phase)
        for p in self.circuit.select(role="drive", post=name, phase=phase):
            if p.pre in firing:
                yield p

    def mimicked(self, name: str, phase: str) -> Projection | None:
        """The projection that brings what a population mimics in a phase."""
        return next(self.circuit.select(role="mimic", post=name, phase=phase), None)

    def gates(self, name: str, phase: str) -> list[Projection]:
        """Gates whose φ′ multiplies the output of a population in a phase."""
        return list(self.circuit.select(role="gate", post=name, phase=phase))

    def settles(self, name: str, phase: str) -> bool:
        """Whether a population gets its activity in a phase, rather than holding or sleeping."""
        if self.circuit.phases[phase].noisy:
            return self.noisy(name, phase) or self.driven(name, phase)
        return self.given(name) or self.driven(name, phase)

    def when(self, name: str, phase: str) -> str:
        """The phase whose input a population's own activity in `phase` is made of.

        That phase itself; or, where nothing drives the cells there, the last one before it in
        which something did: they hold their activity, as cells do that go on firing on a
        persistent current. In a noisy phase nobody holds anything.

        Raises
        ------
        WiringError
            There is no such phase.
        """
        noisy = bool(self.circuit.phases[phase].noisy)
        order = (phase,) if noisy else self.data_phases
        for earlier in reversed(order[: order.index(phase) + 1]):
            if self.settles(name, earlier):
                return earlier
        raise WiringError(
            f"population {name!r} is silent in phase {phase!r}: nothing drives it there"
            f"{'' if noisy else ' or in an earlier phase'}, but its activity is asked for. Make a "
            f"drive to {name!r} active in {phase!r}"
        )

    # -- what drives convey ----------------------------------------------------------------

    def baseline(self, p: Projection, phase: str) -> float:
        """β that a drive takes from what it conveys (Akrout et al. 2019, eq. 23).

        In a noisy phase, from cells that fire noise about it. In a phase that data drives, from
        every cell before forward weights: y_{l+1} = φ(W (y_l − β) + b).
        """
        period = self.circuit.phases[phase]
        if period.noisy:
            return period.noise_mean if p.pre in period.noisy else 0.0
        forward = {self.circuit.populations[end].path for end in (p.pre, p.post)} <= {
            "forward",
            "auxiliary",
        }
        return period.noise_mean if forward and p.weights is not None else 0.0

    def biased(self, name: str, phase: str) -> bool:
        """Whether a bias current flows into a population."""
        return self.circuit.populations[name].bias and not self.circuit.phases[phase].bias_blocked

    def normalises(self, phase: str) -> bool:
        """Whether normalisation acts in a phase."""
        return not self.circuit.phases[phase].norm_blocked

    def error_passes(self, p: Projection) -> Projection:
        """Whose normalisation an error at a drive passes: a feedback drive's, of its partner."""
        feedback = self.circuit.populations[p.pre].path == "feedback"
        return self.circuit.projections[p.partner] if feedback and p.partner else p

    # -- who is joined ---------------------------------------------------------------------

    def connector(self, p: Projection) -> Connector:
        """What a projection has to join: its connector, and at the back of a max-pool more.

        A gate to error cells that a max-pool's errors come back to brings word of who was the
        strongest, so that each of them hears from every cell of its windows.
        """
        return with_winners(self.circuit, p) if p.role == "gate" else p.connector

    def relation(self, p: Projection) -> Relation:
        """The neuron pairs, as (pre index, post index), that a projection has to join."""
        return self.connector(p).relation(*self.circuit.shapes(p))

    # -- weights ---------------------------------------------------------------------------

    def owner(self, p: Projection) -> Projection:
        """The projection that stores the weights of a drive: itself, or what it is tied to.

        Both lay them out alike, so that a transpose shares the storage of its partner.
        """
        if p.weights is None or p.weights.kind == "independent":
            return p
        return self.circuit.projections[p.weights.to or ""]

    # -- what is learned from --------------------------------------------------------------

    def at_hand(
        self, cell: str, signal: Signal, phase: str, drive: Projection | None = None
    ) -> SignalAtHand:
        """Where a signal at a cell, or at the synapses of a drive to it, comes from in a phase.

        Raises
        ------
        WiringError
            Nobody teaches the cell what the signal names.
        """
        kind: Literal["own", "noise", "mimicked", "taught", "synaptic"] = "own"
        through: Projection | None = None
        if signal.kind != "activity":
            kind, through = signal.kind, self._teach(cell, signal, phase, drive)
        elif (mimic := self.mimicked(cell, phase)) is not None:
            kind, through = "mimicked", mimic
        elif self.noisy(cell, phase):
            kind = "noise"
        source = through.pre if through else None
        path = self.circuit.populations[source or cell].path
        return SignalAtHand(
            cell,
            kind,
            source,
            through.name if through else None,
            signal.gated,
            signal.centred,
            error=path in ("feedback", "target") and not self.circuit.phases[phase].noisy,
        )

    def _teach(self, cell: str, signal: Signal, phase: str, drive: Projection | None) -> Projection:
        synaptic = None
        if signal.kind == "synaptic" and drive is not None:
            synaptic = SynapticConnector(drive.connector, self.circuit.populations[drive.pre].shape)
        for teach in self.circuit.select(role="teach", pre=signal.source, post=cell, phase=phase):
            own = teach.connector if isinstance(teach.connector, SynapticConnector) else None
            if own == synaptic:
                return teach
        raise WiringError(self.untaught(cell, signal, f" in phase {phase!r}"))

    def untaught(self, cell: str, signal: Signal, when: str = "") -> str:
        """What is wrong where a cell learns from what nobody teaches it."""
        arriving = [p.pre for p in self.circuit.select(role="teach", post=cell)]
        return (
            f"learns from what {signal.source!r} teaches {cell!r}, but no teach projection "
            f"{signal.source!r} -> {cell!r} is active{when}. Taught by: "
            f"{', '.join(arriving) or 'nobody'}. Wire it with teach({signal.source!r}, {cell!r})"
            + (", through the drive's SynapticConnector" if signal.kind == "synaptic" else "")
        )

    def ends(self, p: Projection) -> tuple[SignalAtHand, SignalAtHand]:
        """What the synapses of a plastic drive learn from: their two factors, pre and post."""
        assert p.plasticity is not None
        (pre_cell, pre), (post_cell, post) = p.factors
        phase = p.plasticity.phase
        return self.at_hand(pre_cell, pre, phase, p), self.at_hand(post_cell, post, phase)

    def sources(self, p: Projection) -> list[Projection]:
        """The projections that a plastic drive learns from.

        Those that bring a signal to its cells; and where it is a cell's own activity, those that
        make it: drives, gates and comparisons that act on the cell then.
        """
        found: dict[str, Projection] = {}
        for signal in self.ends(p):
            if signal.through is not None:
                found[signal.through] = self.circuit.projections[signal.through]
            elif signal.kind == "own" and p.plasticity is not None:
                phase = self.when(signal.cell, p.plasticity.phase)
                for q in self.circuit.select(post=signal.cell, phase=phase):
                    if q.role in ("gate", "compare") or self.carries(q, phase):
                        found[q.name] = q
        return list(found.values())

    def learning_phase(self, cell: Population) -> str | None:
        """In which phase bias, gain and shift of a population learn; None: they do not.

        The first that data drives and in which what they learn from is there.
        """
        if cell.learns is None:
            return None
        for phase in self.data_phases:
            if cell.learns.kind == "activity" or any(
                self.circuit.select(
                    role="teach", pre=cell.learns.source, post=cell.name, phase=phase
                )
            ):
                return phase
        return None

    # -- what can run ----------------------------------------------------------------------

    def check(self, phases: Sequence[str]) -> None:
        """Raise `WiringError` where a circuit has no meaning in some phases.

        A circuit may be built for its wiring alone; every backend asks this before it runs one.
        """
        for name in self.circuit.populations:
            self._check_given(name)
        for phase in phases:
            for p in self.circuit.select(phase=phase):
                if p.role in ("teach", "mimic", "gate", "norm", "compare") or (
                    p.role == "drive" and self.carries(p, phase)
                ):
                    self._check_there(p, phase)
        for p in self.circuit.select(role="drive"):
            if p.plasticity is not None and p.plasticity.phase in phases:
                self._check_learning(p, p.plasticity.phase)

    def _check_there(self, p: Projection, phase: str) -> None:
        """What a projection conveys must be there, where anybody is awake to hear it."""
        firing = self.firing(phase)
        if p.pre not in firing and self.circuit.phases[phase].noisy:
            return
        mimic = self.mimicked(p.pre, phase) if p.role == "drive" else None
        self.when(mimic.pre if mimic else p.pre, phase)

    def _check_learning(self, p: Projection, phase: str) -> None:
        how = p.plasticity
        if how is not None and how.decay is not None and how.rate is None:
            raise WiringError(
                f"{p.label}: decay = {how.decay:g} without rate. A synapse that decays by itself "
                "learns by itself: give its Plasticity both, or leave decay to the optimizer's "
                "weight_decay"
            )
        for signal in self.ends(p):
            if signal.origin not in self.firing(phase):
                raise WiringError(
                    f"{p.label}: learns in phase {phase!r}, in which {signal.origin!r} is silent. "
                    f"Let {signal.cell!r} mimic a population that fires there, or make a drive to "
                    f"{signal.origin!r} active in that phase"
                )
            self.when(signal.origin, phase)
            if signal.gated:
                self.when(signal.cell, phase)

    def _check_given(self, name: str) -> None:
        """Cells that data or a comparison sets have nothing that would act on their input."""
        compares = self.compares(name)
        if not (compares or self.given(name)):
            return
        cell, arriving = self.circuit.populations[name], list(self.circuit.select(post=name))
        having = [f"φ {cell.activation!r}"] * (cell.activation != "linear")
        having += ["a bias"] * cell.bias + ["a norm"] * (cell.norm is not None)
        having += ["an error_norm"] * (cell.error_norm != "none")
        having += [f"a {p.role} from {p.pre!r}" for p in arriving if p.role in ("drive", "gate")]
        if having:
            whose = "the comparison of output and target" if compares else "data"
            raise WiringError(
                f"population {name!r} has {' and '.join(having)}, but {whose} alone says what its "
                "cells fire. Give that to a population that it drives"
            )
