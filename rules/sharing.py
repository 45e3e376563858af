"""Which activation a block of layers shares, for activation sharing and ASAP.

In a block of k layers the activations that k consecutive weights read are replaced by the one at
the block's entrance: W_{l+2} and W_{l+3} learn from h_l when k = 2 (Woo et al. 2021, eqs. 17-20).
Counting weighted layers, the same holds in residual nets: the second convolution of a block and
the first (and the shortcut) of the next one learn from the first one's input, as the published
code has it. With k = 1 nothing is shared and every layer learns from its own input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import networkx as nx

from oneway.circuits import (
    Circuit,
    Connector,
    MatchConnector,
    OneToOneConnector,
    Projection,
    SynapticConnector,
    WiringError,
    brought_by,
)

from .base import Rule
from .feedback import FeedbackWiring, learning_drives


@dataclass(frozen=True)
class Sharing:
    """Whose activity stands in for a layer's own.

    Parameters
    ----------
    source : dict
        Forward drive name → population it learns from. A drive that is missing learns from its
        own input and its feedback weights stay as they are (feedback alignment).
    stand_in : dict
        Population name → population whose activity stands in for its own.
    reasons : dict
        Missing drive → why it has no shared activation.
    """

    source: dict[str, str]
    stand_in: dict[str, str]
    reasons: dict[str, str]

    def replaces(self, w: Projection) -> bool:
        """Whether a forward drive learns from another activity than its own input."""
        return self.source.get(w.name, w.pre) != w.pre


def share_activations(forward: Circuit, rule: Rule, k: int, fully_connected: str) -> Sharing:
    """Assign to each learning drive the population whose activity it learns from."""
    if k < 1:
        raise WiringError(f"rule {rule.name}: block size k={k}, expected at least 1")
    if k == 1 and fully_connected == "auto":
        fully_connected = "share"  # nothing is shared, so that no layer is an exception
    learning = learning_drives(forward, rule)
    depth = _depths(forward)
    readers = [p for p in forward.select(role="drive") if p.weights is not None]
    first = _first_shareable(forward, learning, readers, depth)
    sharing = [w for w in learning if not _shares_nothing(forward, w, fully_connected)]
    # All that may share, from the first on, could learn from one activation.
    longest = max((depth[w.pre] - first + 1 for w in sharing), default=0)
    _check_block_size(forward, rule, k, longest)
    source: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for w in learning:
        a = depth[w.pre]
        if _shares_nothing(forward, w, fully_connected):
            reasons[w.name] = "fully connected layers share no activation in an image net"
        elif k == 1 or a <= first:
            source[w.name] = w.pre
        else:
            entrance = first + k * ((a - first - 1) // k)
            shared = _population_at(forward, rule, w, entrance, readers, depth)
            shapes = (forward.populations[name].shape for name in (shared, w.pre))
            misfit = matching(shared, w.pre).misfit(*shapes)
            if misfit is None:
                source[w.name] = shared
            else:
                reasons[w.name] = misfit
    replaced = {
        name: s for name, s in source.items() if k == 1 or s != forward.projections[name].pre
    }
    return Sharing(source, _stand_ins(forward, replaced), reasons)


def _check_block_size(forward: Circuit, rule: Rule, k: int, longest: int) -> None:
    # Pairs are the smallest block and the default: where there are none, notes say why.
    if k > max(longest, 2):
        raise WiringError(
            f"rule {rule.name}: block size k={k} fits no block of {forward.name!r}, in which "
            f"{longest} layers one after the other can share an activation. Choose k from 1 to "
            f"{max(longest, 2)}"
        )


def matching(source: str, target: str) -> Connector:
    """How a shared activation gets the shape of the one it replaces."""
    return OneToOneConnector() if source == target else MatchConnector()


def _depths(forward: Circuit) -> dict[str, int]:
    """Weighted drives on the longest way from the input to each population."""
    depth: dict[str, int] = {}
    for name in forward.order():
        drives = forward.select(role="drive", post=name)
        depth[name] = max((depth[p.pre] + (p.weights is not None) for p in drives), default=0)
    return depth


def _first_shareable(forward, learning, readers, depth) -> int:
    """0 if the input itself can be shared, 1 if blocks start after the first layer.

    The input of an image net has too few channels (section 5 of the paper); and a first layer that
    is random and fixed is the entrance of the first block. That an input of fitting size is shared
    is how eqs. 17-20 read with l = 0; with k = L − 1 the paper starts at the first layer's output.
    """
    (x,) = forward.inputs
    learns_first = any(w.pre == x.name for w in learning)
    second = [p for p in readers if depth[p.pre] == 1]
    fits = len(x.shape) == 1 and all(
        MatchConnector().misfit(x.shape, forward.populations[p.pre].shape) is None for p in second
    )
    return 0 if learns_first and fits else 1


def _shares_nothing(forward: Circuit, w: Projection, fully_connected: str) -> bool:
    convolutional = any(p.connector.convolutional for p in forward.select())
    leave = fully_connected == "fa" or (fully_connected == "auto" and convolutional)
    return leave and not w.connector.convolutional


def _population_at(forward, rule, w, entrance, readers, depth) -> str:
    """The population at that depth which feeds weighted drives and lies on the way to `w`."""
    before = nx.ancestors(forward.forward_graph(), w.pre)
    found = {p.pre for p in readers if depth[p.pre] == entrance and p.pre in before}
    if len(found) != 1:
        raise WiringError(
            f"rule {rule.name}: {w.label} should learn from the one population {entrance} weighted "
            f"layers deep, but there are {sorted(found) or 'none'} on the way to it. "
            "Sharing needs a chain of layers or of residual blocks"
        )
    return found.pop()


def _stand_ins(forward: Circuit, source: dict[str, str]) -> dict[str, str]:
    """Whose activity replaces each population's, also where a pool lies before the weights."""
    stand_in: dict[str, str] = {}
    for name in reversed(forward.order()):
        for p in forward.select(role="drive", pre=name):
            if p.name in source:
                stand_in[name] = source[p.name]
            elif p.weights is None and p.post in stand_in and name not in stand_in:
                stand_in[name] = stand_in[p.post]
    return stand_in


def learn_from_shared(
    wiring: FeedbackWiring, sharing: Sharing, signals: Literal["neuron", "synapse"] = "neuron"
) -> None:
    """Let every forward drive that shares an activation learn from it.

    By signals of one neuron: its presynaptic cells mimic the shared ones, h_s → h_l, in the phase
    `mimic`; Δw = −η · (taught δ_{l+1}) ⊗ (mimicked h_s). By signals of one synapse: h_s reaches the
    postsynaptic cells synapse by synapse, h_s → h_{l+1}, with as many connections as W has.
    """
    sharers = [w for w in wiring.learning_drives() if sharing.replaces(w)]
    if sharers and signals == "neuron":
        wiring.phase("mimic", mode="mimic")
    for w in wiring.learning_drives():
        shared = sharing.source.get(w.name, w.pre)
        if w in sharers and signals == "synapse":
            connector = SynapticConnector(w.connector, wiring.populations[w.pre].shape)
            name = f"teach: {shared} -> synapses of {w.name}"
            wiring.connect(shared, w.post, connector, role="teach", name=name)
            wiring.learn_from_error(w, pre=brought_by(shared))
        elif w in sharers:
            wiring.mimic(shared, w.pre, "mimic", matching(shared, w.pre))
            wiring.learn_from_error(w, phase="mimic")
        else:
            wiring.learn_from_error(w)


def note_exceptions(
    wiring: FeedbackWiring, sharing: Sharing, instead: str, same: str | None = None
) -> None:
    """Say in the circuit's notes which layers learn without a shared activation, and why.

    Where no layer learns from a shared one, `same` is the rule that computes the same.
    """
    if same and not any(sharing.replaces(w) for w in wiring.learning_drives()):
        wiring.note(f"no activation is shared in this circuit, which so learns like {same}")
    for name, reason in sharing.reasons.items():
        wiring.note(f"{name} {instead}: {reason}")
