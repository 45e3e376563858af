"""The feedback path that rules start from: error cells, and the drives that bring errors to them.

An error cell δ_l holds the error at the input of its partner h_l (before φ). Errors travel either
along the chain, one feedback drive against each forward drive, or directly from the output error
(or the target) to each hidden population.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import networkx as nx

from oneway.circuits import (
    ACTIVITY,
    ENGAGED,
    AllToAllConnector,
    AveragePoolConnector,
    Circuit,
    Connector,
    DropoutConnector,
    MatchConnector,
    MaxPoolConnector,
    OneToOneConnector,
    Population,
    Projection,
    Signal,
    Weights,
    Wiring,
    WiringError,
    scheme,
    taught_by,
)

from .base import Attach, Rule

INDEPENDENT = Weights("independent")
TIED = Weights("tied")
SIGN_TIED = Weights("sign-tied")


def with_feedback_path(
    forward: Circuit,
    rule: Rule,
    weights: Weights = INDEPENDENT,
    stand_ins: Mapping[str, str] | None = None,
) -> FeedbackWiring:
    """Add error cells and a chain of feedback drives, one against each forward drive.

    Parameters
    ----------
    forward : Circuit
    rule : Rule
        Its options decide on gates, norms, initial weights, frozen layers.
    weights : Weights
        Kind of the feedback weights.
    stand_ins : mapping, optional
        For rules that share activations: the population whose activity stands in for another's.
    """
    if weights.kind != "independent" and rule.init != "independent":
        raise WiringError(
            f"rule {rule.name}: init={rule.init!r} says how feedback weights of its own start, but "
            f"here they are {weights.kind} to the forward weights; leave init= out"
        )
    wiring = FeedbackWiring(forward, rule, stand_ins)
    wiring.add_error_cells()
    for projection in wiring.forward_drives():
        wiring.add_chain_drive(projection, weights)
    return wiring.finished()


def with_direct_feedback(
    forward: Circuit,
    rule: Rule,
    source: Literal["error", "target"],
    attach: Attach,
) -> FeedbackWiring:
    """Add error cells and a drive from the output error, or from the target, to each of them.

    Parameters
    ----------
    source : {"error", "target"}
    attach : {"all", "blocks", "pools"}
        Reach every hidden population that learns; or only those that every path to the output
        passes, where the interior of a residual block gets its error from the block's output,
        through independent weights; or every one, but where a pool is all that it drives the pool
        in its place, through which the error then comes back.
    """
    direct = _direct_targets(forward, rule, attach)
    wiring = FeedbackWiring(forward, rule, stand_ins=None, direct=direct)
    wiring.add_error_cells()
    start = "delta_" + forward.output.name if source == "error" else "target"
    for name in reversed(forward.order()):
        if name in direct and name in wiring.erring:
            wiring.add_direct_drive(start, name)
    for projection in wiring.forward_drives():
        if projection.pre not in direct:
            wiring.add_chain_drive(projection, INDEPENDENT)
    return wiring.finished()


@dataclass(frozen=True)
class Pair:
    """A forward drive and the feedback drive that runs against it (or from the output error)."""

    forward: Projection
    feedback: Projection


class FeedbackWiring(Wiring):
    """A wiring that knows which forward weights learn and which error cells that takes.

    `stand_ins` are those of `with_feedback_path`, and `direct` the populations whose error does not
    come along the chain.
    """

    def __init__(
        self,
        forward: Circuit,
        rule: Rule,
        stand_ins: Mapping[str, str] | None = None,
        direct: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(forward)
        self.forward, self.rule, self.stand_ins, self.direct = forward, rule, stand_ins, direct
        _check_forward(forward, rule, stand_ins)
        self.learning = learning_drives(forward, rule)
        self.taught = _taught(forward, rule, self.learning)
        self.erring = _erring(forward, self.taught, direct)

    # -- the path --------------------------------------------------------------------------

    def add_error_cells(self) -> None:
        """δ_l for every population that an error must reach, and the comparison at the output."""
        output = self.forward.output
        self.population("target", output.shape, path="target")
        for name in reversed(self.forward.order()):
            if name in self.erring:
                partner = self.forward.populations[name]
                how = {"partner": name, "error_norm": self.rule.norm if partner.norm else "none"}
                self.population(self.error_of(name), partner.shape, path="feedback", **how)
        self.connect(output, self.error_of(output.name), role="compare")
        self.connect("target", self.error_of(output.name), role="compare")

    def add_chain_drive(self, against: Projection, weights: Weights) -> None:
        """A feedback drive δ_{l+1} → δ_l against the forward drive h_l → h_{l+1}."""
        if against.pre not in self.erring:
            return
        self.connect(
            self.error_of(against.post),
            self.error_of(against.pre),
            self._backwards(against),
            weights=self._weights_against(against, weights),
            partner=against.name,
            error_norm=self.rule.norm if against.norm else "none",
            name=self._feedback_name(against),
        )

    def add_direct_drive(self, source: str, name: str) -> None:
        """A feedback drive from `source` straight to the error cells of `name`."""
        weights = self._own_weights(against=None)
        self.connect(source, self.error_of(name), AllToAllConnector(), weights=weights)

    def finished(self) -> FeedbackWiring:
        """Wire gates and norms, and teach the cells whose own gains learn though weights do not."""
        for name in sorted(self.erring):
            self._wire_gate(self.forward.populations[name])
            self._wire_norm(name)
        for p in self.forward_drives():
            if p.norm is not None and p.weights is None:
                self.update(self.projections[p.name], error_norm=self.rule.forward_norm)
        for name in sorted(self.taught - {w.post for w in self.learning}):
            self.teach(self.error_of(name), name)
            self._learn_own(name)
        return self

    def _backwards(self, against: Projection) -> Connector:
        connector = against.connector
        if isinstance(connector, MatchConnector):
            raise WiringError(
                f"rule {self.rule.name}: errors cannot run back against {against.label}, a "
                "MatchConnector drive; use a pool or a convolution there"
            )
        if isinstance(connector, MaxPoolConnector) and self.rule.gate != "exact":
            # Without word from h_l nobody knows the winner: the error is spread evenly.
            connector = AveragePoolConnector(connector.kernel, connector.stride, connector.padding)
        if isinstance(connector, DropoutConnector) and self.rule.gate != "exact":
            # Nor who was silenced: every cell gets the mean error.
            connector = OneToOneConnector()
        return connector.transpose

    def _weights_against(self, against: Projection, weights: Weights) -> Weights | None:
        if against.weights is None:
            return None
        if against.post == self.forward.output.name and self.rule.last_layer == "bp":
            weights = TIED
        own = weights == INDEPENDENT
        return self._own_weights(against) if own else replace(weights, to=against.name)

    def _own_weights(self, against: Projection | None) -> Weights:
        """Independent weights, which start as the rule's `init` says."""
        match self.rule.init:
            case "independent":
                copied = False
            case "aligned" | "aligned_conv" as init:
                if against is None:
                    raise WiringError(
                        f"rule {self.rule.name}: init={init!r} copies forward weights, but direct "
                        "feedback runs against none; use init='independent' or the name of a scheme"
                    )
                copied = init == "aligned" or against.connector.convolutional
            case named:
                return Weights(start=named)
        if against is None:
            return INDEPENDENT
        if copied:
            return Weights(start="aligned", to=against.name)
        return Weights(start=scheme(self.forward, against))

    def _feedback_name(self, against: Projection) -> str:
        plain = f"{against.pre} -> {against.post}"
        name = f"{self.error_of(against.post)} -> {self.error_of(against.pre)}"
        return name if against.name == plain else f"{name} [{against.name}]"

    def _wire_gate(self, cell: Population) -> None:
        pooled = any(p.connector.routed for p in self.forward.select(pre=cell.name))
        if cell.name == self.forward.output.name or (cell.activation == "linear" and not pooled):
            return
        if self.rule.gate == "exact":
            self.gate(cell, self.error_of(cell.name), derivative=cell.activation)
        elif cell.activation != "linear":
            self._gate_by_stand_in(cell)

    def _gate_by_stand_in(self, cell: Population) -> None:
        source = (self.stand_ins or {}).get(cell.name)
        if source is None or (source == cell.name and self.rule.gate == "local"):
            return
        connector: Connector = OneToOneConnector() if source == cell.name else MatchConnector()
        if connector.misfit(self.forward.populations[source].shape, cell.shape) is None:
            self.gate(source, self.error_of(cell.name), cell.activation, connector)

    def _wire_norm(self, name: str) -> None:
        """Batch norm's exact derivative needs the normalised input of the partner."""
        if self.rule.norm != "full":
            return
        error = self.error_of(name)
        outgoing = [p for p in self.projections.values() if p.pre == error and p.role == "drive"]
        if self.forward.populations[name].norm or any(p.error_norm == "full" for p in outgoing):
            self.connect(name, error, role="norm")

    # -- what rules say --------------------------------------------------------------------

    @staticmethod
    def error_of(name: str) -> str:
        """The error population δ_l of a forward population."""
        return f"delta_{name}"

    def forward_drives(self) -> list[Projection]:
        """Every drive of the forward circuit, weighted or not."""
        return list(self.forward.select(role="drive"))

    def learning_drives(self) -> Iterator[Projection]:
        """Forward drives W: h_l → h_{l+1} whose weights learn."""
        yield from self.learning

    def pairs(self) -> Iterator[Pair]:
        """Learning drives W: h_l → h_{l+1}, each with its own B: δ_{l+1} → δ_l against it."""
        partners = {p.partner: p for p in self.projections.values() if p.partner}
        for w in self.learning:
            b = partners.get(w.name)
            if b is not None and b.weights is not None and b.weights.kind == "independent":
                yield Pair(w, b)

    def direct_drives(self) -> Iterator[tuple[Population, Projection]]:
        """Each h_l that gets its error directly, with the drive B that brings it to δ_l."""
        for p in list(self.projections.values()):
            partner = self.populations[p.post].partner
            if p.role == "drive" and partner in self.direct and p.partner is None:
                yield self.populations[partner], p

    def learn_from_error(self, w: Projection, pre: Signal = ACTIVITY, phase: str = ENGAGED) -> None:
        """Teach h_{l+1} the error δ_{l+1} and let W: h_l → h_{l+1} learn from it.

        Δw = −η · (taught δ_{l+1}) ⊗ pre; bias and normalisation of h_{l+1} learn from it too.
        """
        error = self.error_of(w.post)
        self.teach(error, w.post)
        self.learn(w, pre=pre, post=self._taught(w.post), phase=phase)
        if w.norm is not None:
            self.update(self.projections[w.name], error_norm=self.rule.forward_norm)
        self._learn_own(w.post)

    def _learn_own(self, name: str) -> None:
        self.update(self.populations[name], learns=self._taught(name))

    def _taught(self, name: str) -> Signal:
        """The error as the forward cell uses it: multiplied by its own φ′ where nobody else did."""
        linear = self.populations[name].activation == "linear"
        return taught_by(self.error_of(name), gated=self.rule.gate == "local" and not linear)


def _check_forward(forward: Circuit, rule: Rule, stand_ins: Mapping[str, str] | None) -> None:
    others = [p.name for p in forward.populations.values() if p.path != "forward"]
    if others:
        raise WiringError(
            f"rule {rule.name}: circuit {forward.name!r} has populations of another path already "
            f"({', '.join(others[:3])}...); wire a rule on a forward circuit"
        )
    if rule.gate == "shared" and stand_ins is None:
        raise WiringError(
            f"rule {rule.name}: gate='shared' needs a rule that shares activations (as, asap); "
            "use gate='exact' or gate='local'"
        )


def learning_drives(forward: Circuit, rule: Rule) -> list[Projection]:
    """Weighted forward drives that the rule's `frozen` leaves free to learn."""
    if len(forward.inputs) != 1:
        names = [p.name for p in forward.inputs]
        raise WiringError(
            f"rule {rule.name}: circuit {forward.name!r} has input populations {names}, expected "
            "exactly one; let one input drive them all"
        )
    weighted = [p for p in forward.select(role="drive") if p.weights is not None]
    inputs, output = {p.name for p in forward.inputs}, forward.output.name
    frozen = {
        "none": set(),
        "first": {p.name for p in weighted if p.pre in inputs},
        "conv": {p.name for p in weighted if p.connector.convolutional},
        "hidden": {p.name for p in weighted if p.post != output},
    }.get(rule.frozen if isinstance(rule.frozen, str) else "", set(rule.frozen))
    if not isinstance(rule.frozen, str):
        unknown = sorted(frozen - {p.name for p in weighted})
        if unknown:
            raise WiringError(
                f"rule {rule.name}: frozen projection {unknown[0]!r} is not a weighted drive of "
                f"{forward.name!r}; there are {', '.join(p.name for p in weighted)}, and the words "
                "none, first, conv and hidden"
            )
    learning = [p for p in weighted if p.name not in frozen]
    if not learning:
        raise WiringError(f"rule {rule.name}: every weight of {forward.name!r} is frozen")
    return learning


def _taught(forward: Circuit, rule: Rule, learning: list[Projection]) -> frozenset[str]:
    """Populations that must be told their error: weights, biases or gains there learn."""
    taught = {p.post for p in learning}
    # Normalised where no synapse could be frozen, as a sum is before it drives others.
    weighted = {p.post for p in forward.select(role="drive") if p.weights is not None}
    taught |= {p.post for p in forward.select(role="drive") if p.norm} - weighted
    if not rule.frozen_norm:
        for p in forward.select(role="drive"):
            cell = forward.populations[p.post]
            taught |= {cell.name} if p.norm or cell.bias or cell.norm else set()
    return frozenset(taught)


def _erring(forward: Circuit, taught: frozenset[str], direct: frozenset[str]) -> frozenset[str]:
    """Populations that need an error cell: those taught, and those that relay errors to them."""
    erring, waiting = set(), [*taught, forward.output.name]
    while waiting:
        name = waiting.pop()
        if name not in erring:
            erring.add(name)
            if name not in direct:
                waiting += [p.post for p in forward.select(role="drive", pre=name)]
    return frozenset(erring)


def _direct_targets(forward: Circuit, rule: Rule, attach: str) -> frozenset[str]:
    """Hidden populations whose error comes straight from the output or the target."""
    learning = learning_drives(forward, rule)
    hidden = _taught(forward, rule, learning) - {forward.output.name}
    if attach == "pools":
        hidden = frozenset(_behind_its_pool(forward, name) for name in hidden)
    if rule.last_layer == "bp":
        hidden -= {p.pre for p in forward.select(post=forward.output.name)}
    if attach == "blocks":
        hidden &= _on_every_path(forward)
    return frozenset(hidden)


def _behind_its_pool(forward: Circuit, name: str) -> str:
    """The pool that is all that a population drives, and that nobody else drives; or itself."""
    drives = list(forward.select(role="drive", pre=name))
    if len(drives) != 1 or not isinstance(
        drives[0].connector, MaxPoolConnector | AveragePoolConnector
    ):
        return name
    pool = drives[0].post
    return pool if len(list(forward.select(role="drive", post=pool))) == 1 else name


def _on_every_path(forward: Circuit) -> frozenset[str]:
    """Populations that every path from the input to the output passes: ends of blocks."""
    dominators = nx.immediate_dominators(
        nx.DiGraph(forward.forward_graph()), forward.inputs[0].name
    )
    passed, name = set(), forward.output.name
    while name is not None and name not in passed:
        passed.add(name)
        name = dominators.get(name)
    return frozenset(passed)
