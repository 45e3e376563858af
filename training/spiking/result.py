"""`SpikingResult`: what a finished spiking run found out, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from oneway.analysis import check_wiring
from oneway.circuits import Circuit

from ..records import jsonable
from .config import SpikingConfig
from .probe import Excerpt
from .repeats import Repeat, repeats

if TYPE_CHECKING:
    from oneway.backends.spiking import SpikeData, SpikingParameters


FORMAT, VERSION = "oneway-spike-result", 1


@dataclass(frozen=True)
class SpikingResult:
    """A finished spiking run. Accuracies are fractions between 0 and 1.

    Parameters
    ----------
    target : str
        What Brian2 ran on.
    angles_deg : mapping
        Feedback drive → angle to its partner's weights, at the end.
    error_angles_deg : mapping
        Error population → angle to backpropagation's error, at the end; empty without task.
    mean_rates_hz : mapping
        Population → mean rate of its cells.
    accuracy : float or None
        On the test samples; None where no task was learned.
    online_accuracy : tuple of float
        Of each epoch, on the samples as they come.
    curve : tuple of dict
        One record a measurement: ``simulated_s``, ``angles_deg``, ``error_angles_deg``, accuracy.
    first_weights, weights : mapping
        Drive → (post, pre, ...), before and after.
    excerpt : Excerpt
        A few spikes at the end, for pictures.
    wall_s, compiling_s : float
        Wall time of all, and of compiling in it.
    spikes : SpikeData or None
        Those of the run, or of the window of it that was asked for.
    """

    circuit: Circuit
    config: SpikingConfig
    parameters: SpikingParameters
    target: str
    angles_deg: Mapping[str, float]
    error_angles_deg: Mapping[str, float]
    mean_rates_hz: Mapping[str, float]
    accuracy: float | None
    online_accuracy: tuple[float, ...]
    curve: tuple[Mapping[str, Any], ...]
    first_weights: Mapping[str, np.ndarray]
    weights: Mapping[str, np.ndarray]
    biases: Mapping[str, np.ndarray]
    excerpt: Excerpt = field(repr=False)
    simulated_s: float = 0.0
    wall_s: float = 0.0
    compiling_s: float = 0.0
    spikes: SpikeData | None = field(default=None, repr=False)

    @property
    def mean_rate_hz(self) -> float:
        """Mean over all cells that were recorded."""
        sizes = [self.circuit.populations[name].size for name in self.mean_rates_hz]
        return float(np.average(list(self.mean_rates_hz.values()), weights=sizes)) if sizes else 0.0

    @property
    def repeats(self) -> list[Repeat]:
        """What cells that mimic others copied of their spikes, in the excerpt."""
        data = self.excerpt.data
        return [] if data is None else list(repeats(self.circuit, data, float(self.parameters.dt)))

    def as_dict(self, **about: Any) -> dict[str, Any]:
        """For JSON: the keys that others rely on, then the rest; nan becomes null."""
        verdict = check_wiring(self.circuit)
        return jsonable(
            {
                **about,
                "angles_deg": self.angles_deg,
                "accuracy": self.accuracy,
                "simulated_s": self.simulated_s,
                "wall_s": self.wall_s,
                "compiling_s": self.compiling_s,
                "mean_rate_hz": self.mean_rate_hz,
                "mean_rates_hz": self.mean_rates_hz,
                "error_angles_deg": self.error_angles_deg,
                "online_accuracy": self.online_accuracy,
                "circuit": self.circuit.name,
                "reciprocal_pairs": verdict.reciprocal_pairs,
                "weight_transport": verdict.weight_transport,
                "dynamics": self.config.dynamics,
                "target": self.target,
                "seed": self.config.seed,
                "config": asdict(self.config),
                "lesions": {cut.projection: cut.at_s for cut in self.config.lesions},
                "repeats": [asdict(one) for one in self.repeats],
                "curve": self.curve,
                "format": FORMAT,
                "version": VERSION,
            }
        )
