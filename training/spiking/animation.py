"""A recorded run of a weight mirror as a page that plays it: spikes and weights side by side.

The page holds the numbers of the run and draws them on canvases, so that it needs neither network
nor simulator. Times are whole milliseconds, weights whole parts of the largest.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from oneway.analysis import angle_deg

from ..files import write_text

HERE = Path(__file__).parent
Trains = Mapping[str, tuple[np.ndarray, np.ndarray]]


@dataclass
class MirrorRecording:
    """What a network did while it woke and slept, in order.

    Parameters
    ----------
    title : str
    sizes : mapping of population to number of units
        Those to show, from top to bottom.

    Examples
    --------
    >>> import numpy as np
    >>> from oneway.training.spiking.animation import MirrorRecording
    >>> run = MirrorRecording("a mirror", {"h1": 2, "delta_h1": 2})
    >>> run.stretch("asleep", 0.0, 1.0, {"h1": (np.array([0.5]), np.array([1]))})
    >>> run.weigh(1.0, np.eye(2), np.eye(2))
    >>> run.angles_deg
    [0.0]
    """

    title: str
    sizes: Mapping[str, int]
    stretches: list[tuple[str, float, float]] = field(default_factory=list)
    spikes: dict[str, list[tuple[np.ndarray, np.ndarray]]] = field(default_factory=dict)
    times_s: list[float] = field(default_factory=list)
    w: list[np.ndarray] = field(default_factory=list)
    b: list[np.ndarray] = field(default_factory=list)

    def stretch(self, state: str, start_s: float, stop_s: float, spikes: Trains) -> None:
        """Add a period of sleep or waking with its spikes, population → (times in s, cells)."""
        self.stretches.append((state, start_s, stop_s))
        for name in self.sizes:
            self.spikes.setdefault(name, []).append(spikes.get(name, (np.zeros(0), np.zeros(0))))

    def weigh(self, at_s: float, w_JI: np.ndarray, b_IJ: np.ndarray) -> None:
        """Add forward and feedback weights at a moment."""
        self.times_s.append(at_s)
        self.w.append(np.array(w_JI))
        self.b.append(np.array(b_IJ))

    @property
    def angles_deg(self) -> list[float]:
        """Between the two, at each moment."""
        return [angle_deg(b.T, w) for w, b in zip(self.w, self.b, strict=True)]

    def as_dict(self) -> dict[str, Any]:
        """Whole numbers where they do, so that the page stays small."""
        return {
            "stretches": [[state, _ms(start), _ms(stop)] for state, start, stop in self.stretches],
            "populations": [
                {"name": name, "size": size, **_train(self.spikes.get(name, ()), size)}
                for name, size in self.sizes.items()
            ],
            "times": [_ms(t) for t in self.times_s],
            "w": [_parts(w) for w in self.w],
            "b": [_parts(b.T) for b in self.b],
            "shape": list(self.w[0].shape),
            "angles": [round(angle, 1) for angle in self.angles_deg],
        }


def _ms(seconds: float) -> int:
    return round(1000 * seconds)


def _train(parts: Iterable[tuple[np.ndarray, np.ndarray]], size: int) -> dict[str, list[int]]:
    """Steps between spikes in ms, and units; those for negative activity count below zero."""
    found = list(parts)
    if not found:
        return {"steps": [], "units": []}
    times = np.concatenate([np.asarray(t, float) for t, _ in found])
    cells = np.concatenate([np.asarray(c, int) for _, c in found])
    order = np.argsort(times, kind="stable")
    ms, cells = np.round(1000 * times[order]).astype(int), cells[order]
    units = np.where(cells < size, cells, -1 - cells % size)
    return {"steps": np.diff(ms, prepend=0).tolist(), "units": units.tolist()}


def _parts(weights: np.ndarray) -> list[int]:
    """Hundredths of the largest: an angle is what counts, and it knows no scale."""
    largest = float(np.abs(weights).max(initial=0)) or 1.0
    return np.round(100 * weights / largest).astype(int).ravel().tolist()


def write_animation(path: Path, recording: MirrorRecording, notes: Sequence[str] = ()) -> Path:
    """Write the page that plays a recording.

    Parameters
    ----------
    path : Path
        A ``.html`` file.
    recording : MirrorRecording
    notes : sequence of str
        What was run, and how; stands below.
    """
    script = (HERE / "animation.js").read_text(encoding="utf-8")
    data = json.dumps(recording.as_dict(), separators=(",", ":")).replace("<", "\\u003c")
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("animation.html").render(
        title=recording.title,
        notes=notes,
        angles=recording.angles_deg,
        data=Markup(data),
        script=Markup(script),
        allowed=[b64encode(sha256(script.encode()).digest()).decode()],
    )
    write_text(path, page)
    return path
