"""Circuits beside those that rules wire: one stated property changed at a time.

Each edit takes a wired circuit and changes, adds or removes one thing. Some results make sense,
some do not; what they may not do is mean one thing in one backend and another in the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from oneway.circuits import (
    ACTIVATIONS,
    ACTIVITY,
    AllToAllConnector,
    BatchNorm,
    Circuit,
    MatchConnector,
    OneToOneConnector,
    Projection,
    Signal,
    Weights,
    Wiring,
    mlp,
    taught_by,
)
from oneway.rules import parse_rule

Edit = Callable[[Wiring], None]
FORWARD = mlp((4, 4, 4, 2), activation="tanh")
BASES = {rule: parse_rule(rule).wire(FORWARD) for rule in ("kp", "asap,gate=local", "wm")}


def edited(circuit: Circuit, edit: Edit) -> Circuit:
    """A copy with one edit; raises `WiringError` where that cannot be built."""
    wiring = Wiring(circuit)
    edit(wiring)
    return wiring.build()


def edits(circuit: Circuit) -> Iterator[tuple[str, Edit]]:
    """Every edit of a circuit, with a name."""
    for kind in _KINDS:
        yield from kind(circuit)


def _cell(name: str, **changes) -> Edit:
    return lambda wiring: wiring.update(wiring.populations[name], **changes)


def _projection(name: str, **changes) -> Edit:
    return lambda wiring: wiring.update(wiring.projections[name], **changes)


def _phase(name: str, **changes) -> Edit:
    def edit(wiring: Wiring) -> None:
        wiring._phases[name] = replace(wiring._phases[name], **changes)

    return edit


def _learning(p: Projection, **changes) -> Edit:
    assert p.plasticity is not None
    how = p.plasticity
    return lambda wiring: wiring.update(p, plasticity=replace(how, **changes))


# -- one field changed -------------------------------------------------------------------------


def _cells(circuit: Circuit) -> Iterator[tuple[str, Edit]]:
    for name in ("h1", "output", "delta_h1"):
        for phi in ACTIVATIONS:
            yield f"φ of {name}: {phi}", _cell(name, activation=phi)
    for name in ("x", "target", "delta_output"):
        yield f"φ of {name}: tanh", _cell(name, activation="tanh")
    for name, cell in circuit.populations.items():
        yield f"bias of {name}: {not cell.bias}", _cell(name, bias=not cell.bias)
    for name in ("h2", "delta_h2"):
        yield f"norm of {name}", _cell(name, norm=BatchNorm(affine=False))
    yield "error norm of delta_h1", _cell("delta_h1", error_norm="own")
    yield "h1 learns nothing", _cell("h1", learns=None)
    yield "h1 learns gated", _cell("h1", learns=taught_by("delta_h1", gated=True))
    yield "h1 learns its activity", _cell("h1", learns=ACTIVITY)
    yield "h1 learns centred", _cell("h1", learns=replace(taught_by("delta_h1"), centred="batch"))
    yield (
        "delta_h1 learns its activity",
        _cell("delta_h1", bias=True, learns=ACTIVITY),
    )


def _projections(circuit: Circuit) -> Iterator[tuple[str, Edit]]:
    for p in circuit.projections.values():
        if p.role == "gate":
            for phi in ("linear", "relu", "sigmoid", "silu"):
                yield f"{p.name}: {phi}′", _projection(p.name, derivative=phi)
        if p.role in ("gate", "teach"):
            yield f"without {p.name}", lambda wiring, p=p: wiring._projections.pop(p.name)
    for name in ("h1 -> h2", "delta_h2 -> delta_h1"):
        yield f"{name} normalised", _projection(name, norm=BatchNorm(), error_norm="full")
        yield f"{name} is fixed", _projection(name, plasticity=None)
        yield f"{name} normal", _projection(name, weights=Weights(start="kaiming_normal"))
    for kind in ("tied", "sign-tied"):
        weights = Weights(kind, to="h1 -> h2")
        yield (
            f"feedback is {kind}",
            _projection("delta_h2 -> delta_h1", weights=weights, plasticity=None),
        )


def _plasticity(circuit: Circuit) -> Iterator[tuple[str, Edit]]:
    for name in ("h1 -> h2", "delta_h2 -> delta_h1"):
        p = circuit.projections[name]
        how = p.plasticity
        if how is None:
            continue
        for label, changes in {
            "turned round": {"hebbian": not how.hebbian},
            "mean": {"reduction": "mean"},
            "sum": {"reduction": "sum"},
            "rate": {"rate": 0.2, "decay": None},
            "rate and decay": {"rate": 0.2, "decay": 0.1},
            "decay": {"rate": None, "decay": 0.1},
            "neither": {"rate": None, "decay": None},
            "scaling": {"rate": 0.2, "decay": 0.1, "scaling": 0.3},
            "set point": {"rate": 0.2, "decay": 0.0, "scaling": 0.3, "set_point": 0.7},
        }.items():
            yield f"{name}: {label}", _learning(p, **changes)
        for end in ("pre", "post"):
            signal = getattr(how, end)
            for label, changed in {
                "gated": replace(signal, gated=not signal.gated),
                "about the batch": replace(signal, centred="batch"),
                "about the baseline": replace(signal, centred="baseline"),
                "as it is": replace(signal, centred="no"),
                "own activity": ACTIVITY,
                "gated activity": Signal(gated=True),
            }.items():
                yield f"{name}: {end} {label}", _learning(p, **{end: changed})
        for phase in circuit.phases:
            yield f"{name} in {phase}", _learning(p, phase=phase)


def _phases(circuit: Circuit) -> Iterator[tuple[str, Edit]]:
    for name, phase in circuit.phases.items():
        yield f"{name}: biases", _phase(name, bias_blocked=not phase.bias_blocked)
        yield f"{name}: about 0.3", _phase(name, noise_mean=0.3)
        yield f"{name}: sd 2", _phase(name, noise_std=2.0)
    for name in ("h1", "output"):
        yield f"a phase in which {name} is noisy", lambda w, n=name: w.phase("late", noisy=(n,))


# -- one thing more ----------------------------------------------------------------------------


def _drive(pre: str, post: str, **properties) -> Edit:
    return lambda wiring: wiring.connect(
        pre, post, AllToAllConnector(), name=f"more {pre} -> {post}", **properties
    )


def _additions(circuit: Circuit) -> Iterator[tuple[str, Edit]]:
    for pre, post in (
        ("x", "h2"),
        ("h1", "output"),
        ("x", "delta_h1"),
        ("h2", "delta_h1"),
        ("target", "delta_h1"),
        ("delta_output", "delta_h1"),
        ("target", "h1"),
        ("h1", "delta_output"),
        ("delta_h1", "h2"),
        ("h1", "h2"),
    ):
        yield f"drive {pre} -> {post}", _drive(pre, post)
    for pre, post, phi in (
        ("h1", "h2", "tanh"),
        ("x", "h2", "sigmoid"),
        ("h1", "output", "relu"),
        ("h2", "h1", "tanh"),
        ("h2", "delta_h1", "tanh"),
        ("x", "delta_h2", "relu"),
        ("delta_h2", "delta_h1", "sigmoid"),
        ("delta_h2", "h1", "tanh"),
        ("h1", "h1", "tanh"),
        ("h2", "delta_output", "tanh"),
        ("h1", "x", "tanh"),
        ("target", "delta_h2", "sigmoid"),
    ):
        yield f"gate {pre} -> {post}", _gate(pre, post, phi)
    for pre, post in (("h1", "h2"), ("x", "h1"), ("h1", "delta_h1"), ("h2", "h1")):
        yield f"{post} mimics {pre}", _mimic(pre, post)
    for path in ("forward", "auxiliary", "feedback"):
        yield f"{path} population", _population(path)
    yield "a relay", _relay
    for phase in [p for p in circuit.phases if p != "engaged"]:
        yield f"drive x -> h2 in {phase}", _drive("x", "h2", phases=(phase,))
        yield f"h1 -> h2 in {phase} too", lambda w, f=phase: w.during(_of(w, "h1 -> h2"), f)
        yield f"gate x -> h2 in {phase}", _gate("x", "h2", "relu", (phase,))
    yield "a phase more", lambda wiring: wiring.phase("late")
    yield "the drive of h2 goes on late", _late


def _of(wiring: Wiring, name: str) -> Projection:
    return wiring.projections[name]


def _matching(wiring: Wiring, pre: str, post: str):
    ends = [wiring.populations[name].shape for name in (pre, post)]
    for connector in (OneToOneConnector(), MatchConnector()):
        if connector.misfit(*ends) is None:
            return connector
    return AllToAllConnector()


def _gate(pre: str, post: str, phi: str, phases=("engaged",)) -> Edit:
    def edit(wiring: Wiring) -> None:
        connector, name = _matching(wiring, pre, post), f"more {pre} gates {post}"
        wiring.connect(pre, post, connector, role="gate", name=name, derivative=phi, phases=phases)

    return edit


def _mimic(pre: str, post: str) -> Edit:
    return lambda w: w.mimic(pre, post, "engaged", _matching(w, pre, post))


def _population(path: str) -> Edit:
    def edit(wiring: Wiring) -> None:
        wiring.population("aside", (3,), path=path, activation="sigmoid", bias=True)
        wiring.connect("x", "aside", AllToAllConnector())
        wiring.connect("aside", "h2", AllToAllConnector())

    return edit


def _relay(wiring: Wiring) -> None:
    wiring.population("relay", (4,))
    wiring.connect("h1", "relay")
    wiring.connect("relay", "h2")


def _late(wiring: Wiring) -> None:
    wiring.phase("late", bias_blocked=True)
    wiring.during(_of(wiring, "h1 -> h2"), "late")


_KINDS = (_cells, _projections, _plasticity, _phases, _additions)
# Every edit of the first circuit; of the others, which take a second each too, every sixth.
CENSUS = {
    f"{rule}: {name}": (base, edit)
    for rule, base in BASES.items()
    for number, (name, edit) in enumerate(edits(base))
    if rule == "kp" or number % 6 == 0
}
