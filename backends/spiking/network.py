"""`SpikingNetwork`: a wired circuit in Brian2."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import Quantity
from scipy.sparse import csr_array

from oneway.circuits import Circuit, weighted_adjacency

from .brian.runs import Report
from .dynamics import Dynamics
from .exchange import program, state
from .exchange.carriers import Carriers, carriers
from .heterogeneous import Given, varied
from .models import NAMES, dynamics_named
from .parameters import SpikingParameters
from .sessions import lesions, objects, oracle
from .sessions.engine import Engine, Rates
from .sessions.limits import SaturationWarning, at_limit_said
from .sessions.objects import BrianObjects
from .sessions.present import present
from .sessions.record import Changes, Presentation, SpontaneousRecord
from .sessions.spontaneous import run_spontaneous
from .translation.context import INPUTS, LOSSES
from .translation.holding import Holding
from .weights import Arrays, WeightMap

TARGETS = ("numpy", "cython", "cpp_standalone")
PAIRS = ("shared", "told", "independent")


class SpikingNetwork:
    """A wired circuit as Brian2 equations: spiking, Poisson or settled to rates.

    Parameters
    ----------
    circuit : Circuit
        A forward circuit, or one that a rule has wired.
    parameters : SpikingParameters, optional
    seed : int
        Of weights and of noise.
    weights, biases : mapping, optional
        What to start from: drive → (post, pre, ...) array, population → array.
    dynamics : {"spiking", "poisson", "adaptive", "conductance", "two_compartment", "settled"} \
            or Dynamics
        Leaky integrate-and-fire cells; cells that fire at random at their rate; the further cell
        models of docs/spiking_cells.md, or one of your own; or no spikes, in which case activity
        equals the rate backend's.
    target : {"numpy", "cython", "cpp_standalone"}
        How Brian2 generates code. `numpy` needs no compiler and starts at once.
    loss : {"cross_entropy", "squared"}, optional
        What error cells compare the target with: the softmax of all output, or the output itself.
        By default the first when settled, as the rate backend does, and the second with spikes.
    in_turn : bool
        Let phases that data drives follow each other in time even where they could run together.
    shared : bool
        Whether synapses of a convolution share weights across positions. Without, each has its
        own, and learns alone, from the shared one's start on; so has each cell its bias. Weights
        and changes that are read are then means over the positions.
    dale : bool
        Dale's law: every cell only excites, and an inhibitory interneuron beside it repeats its
        spikes at once. Drives have excitatory and inhibitory weights, which are never negative;
        weights that are read are their difference.
    heterogeneous : mapping, optional
        Constant of cells (`tau_mem`, `v_threshold`, one of a `Dynamics`) → population → a quantity
        with one value a cell.
    pairs : {"shared", "told", "independent"}
        Whether the two cells of a push-pull pair share a membrane and their synapses' weights, or
        are cells of their own and no two synapses share a weight (nor do those of a convolution).
        Copies of a weight start alike, and each learns at its own two cells; weights and changes
        that are read are means over them, and `synapses` has each. `told`: each cell keeps a trace
        of its partner's spikes too, and its synapses learn from the difference. `independent`:
        from its own spikes alone; the copies of a feedback weight that learns from what its error
        cell is taught then drift apart.
    input : {"current", "poisson"}
        What cells of the input make of the values that they are given: a current, on which they
        fire regularly; or spikes at random, at a value's rate, whatever the other cells do.
    threads : int
        For C++ standalone: how many OpenMP threads; 0 for none, which is faster for small networks.
    chunk : int
        For C++ standalone: how many samples the program presents that is built once and run for
        one chunk after another.
    cache : bool
        For C++ standalone: whether compiled programs are kept in the user's cache folder
        (`~/.cache/oneway`, or in XDG_CACHE_HOME) and used again.

    Raises
    ------
    ValueError
        Of the parameters, one was set that these dynamics do not have.
    WiringError
        Something has no translation; raised when the phases that it belongs to are first run.

    Examples
    --------
    >>> import numpy as np
    >>> from oneway.backends.spiking import SpikingNetwork
    >>> from oneway.circuits import mlp
    >>> from oneway.rules import parse_rule
    >>> net = SpikingNetwork(parse_rule("kp").wire(mlp((8, 6, 4))), dynamics="settled")
    >>> x, y = np.ones((2, 8)), np.array([0, 3])
    >>> net.signals(x, y)["delta_h1"].shape
    (2, 6)
    >>> net.changes(x, y).weights["delta_output -> delta_h1"].shape
    (6, 4)
    """

    def __init__(
        self,
        circuit: Circuit,
        parameters: SpikingParameters | None = None,
        seed: int = 0,
        weights: WeightMap | None = None,
        target: str = "numpy",
        *,
        biases: WeightMap | None = None,
        dynamics: str | Dynamics = "spiking",
        loss: str | None = None,
        in_turn: bool = False,
        shared: bool = True,
        dale: bool = False,
        input: str = "current",
        heterogeneous: Given | None = None,
        pairs: str = "shared",
        threads: int = 0,
        chunk: int = 240,
        cache: bool = True,
    ) -> None:
        _check("target", target, TARGETS)
        if not isinstance(dynamics, Dynamics):
            _check("dynamics", dynamics, NAMES)
        self.loss = loss or ("cross_entropy" if dynamics == "settled" else "squared")
        _check("loss", self.loss, LOSSES)
        _check("input", input, INPUTS)
        if input == "poisson" and dynamics == "settled":
            raise ValueError(
                "input 'poisson' fires at random, but dynamics = 'settled' has no spikes. Use "
                "dynamics 'spiking' or 'poisson'"
            )
        _check("pairs", pairs, PAIRS)
        if dale and pairs != "shared":
            raise ValueError(
                f"dale=True with pairs={pairs!r}: interneurons repeat pairs that share a "
                "membrane. Leave out one of them"
            )
        self.circuit, self.seed, self.target, self.dynamics = circuit, seed, target, dynamics
        self.parameters = parameters or SpikingParameters()
        self.parameters.check_used(dynamics)
        model = dynamics_named(dynamics, self.parameters)
        self.in_turn, self.threads, self.chunk, self.pairs = in_turn, threads, chunk, pairs
        self._arrays = Arrays.drawn(circuit, seed)
        self.set_weights(weights or {})
        self.set_biases(biases or {})
        self._engine = Engine(
            circuit,
            self.parameters,
            Holding(self._arrays, shared, dale, apart=pairs != "shared", told=pairs == "told"),
            seed,
            dynamics,
            target,
            self.loss,
            in_turn,
            threads,
            input=input,
            cached=cache,
            varied=varied(heterogeneous or {}, circuit, self.parameters, model),
        )
        self._order = np.random.default_rng(seed)

    @property
    def rates(self) -> Rates:
        """How fast synapses learn; to be set."""
        return self._engine.rates

    @property
    def simulated_s(self) -> float:
        """Simulated time so far."""
        return self._engine.simulated_s

    @property
    def compiling_s(self) -> float:
        """Wall time that compiling programs has taken so far; 0 but for C++ standalone."""
        return self._engine.compiling_s

    def weight(self, name: str) -> np.ndarray:
        """Present weights of a drive, (post, pre, ...); tied ones resolved.

        Those of a connector that lists its pairs are one for each, (K,); see `adjacency` for where.
        """
        return self._arrays.weight(name)

    def weights(self) -> dict[str, np.ndarray]:
        """Present weights of every drive that owns its weights."""
        return {name: self.weight(name) for name in self._arrays.weights}

    def biases(self) -> dict[str, np.ndarray]:
        """Present biases of every population that has some."""
        return {name: bias.copy() for name, bias in self._arrays.biases.items()}

    def adjacency(self, projection: str | None = None) -> csr_array:
        """Weights between single cells, rows pre and columns post: `oneway.circuits.adjacency`.

        Parameters
        ----------
        projection : str, optional
            Of this drive alone, between the cells of its two populations. By default of every
            drive with weights, tied ones resolved, between all cells (`oneway.circuits.cells`).
        """
        return weighted_adjacency(self.circuit, self.weight, projection)

    def synapses(self, projection: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Every synapse of a drive that owns its weights: pre cell, post cell, weight; each (K,).

        With independent pairs cell i + N is the negative half of unit i of N, and a weight is what
        it is between the two cells: from a cell for positive activity to one for negative activity
        a copy of w is -w.
        """
        return self._engine.holding.synapses(projection)

    def set_synapses(self, projection: str, weights: np.ndarray) -> None:
        """Give each synapse of a drive its weight, (K,) in the order and sign of `synapses`.

        Raises
        ------
        WiringError
            There are not as many, or several synapses share one weight, or have two parts.
        """
        self._engine.holding.set_synapses(projection, np.array(weights, dtype=float))

    def set_weights(self, weights: WeightMap) -> None:
        """Take over weights by projection name.

        Parameters
        ----------
        weights : mapping
            Drive → array (post, pre, ...), as `weight` gives it, or a sparse matrix (pre, post), as
            ``adjacency(drive)`` gives it.
        """
        self._arrays.set_weights(weights)

    def set_biases(self, biases: WeightMap) -> None:
        """Take over biases by population name."""
        self._arrays.set_biases(biases)

    @property
    def lesions(self) -> dict[str, float]:
        """Projection → when it is cut, in seconds of simulated time; see `lesion`."""
        return {name: at_s for name, at_s in self._engine.lesions.items() if at_s < inf}

    def lesion(self, projection: str, at: Quantity | None = None) -> None:
        """Cut a projection: from a moment on, nothing passes through it.

        Its spikes have no effect, and what they have brought fades as it always does: the target
        cells go on with what else they hear. Weights of a drive that is cut stay as they are.
        Synapses that learn from what a lesioned `teach` or `mimic` brought learn from nothing, and
        go on decaying.

        Parameters
        ----------
        projection : str
            A name among `circuit.projections`: ``"teach: delta_h2 -> h2"``.
        at : time, optional
            Simulated time since the network was built, as `simulated_s` counts it: ``300 *
            second``. By default now.

        Raises
        ------
        WiringError
            There is no such projection, or it brings nothing.
        ValueError
            The moment has passed already.

        Notes
        -----
        C++ standalone compiles a program for each set of projections that have ever been cut,
        whatever the moments; so name them before the first run.

        Examples
        --------
        >>> import numpy as np
        >>> from brian2 import second
        >>> from oneway.backends.spiking import SpikingNetwork
        >>> from oneway.circuits import mlp
        >>> from oneway.rules import parse_rule
        >>> net = SpikingNetwork(parse_rule("kp").wire(mlp((8, 6, 4))), dynamics="settled")
        >>> net.lesion("teach: delta_h1 -> h1", at=0 * second)
        >>> changes = net.changes(np.ones((2, 8)), np.array([0, 3])).weights
        >>> [name for name, change in changes.items() if not change.any()]
        ['x -> h1']
        """
        lesions.lesion(self._engine, projection, at)

    def heal(self, projection: str) -> None:
        """Undo a lesion from now on."""
        lesions.heal(self._engine, projection)

    def restart(self, seed: int) -> None:
        """Start over with weights, cells and noise of another seed, and without lesions.

        Compiled programs stay.
        """
        drawn = Arrays.drawn(self.circuit, seed)
        self._arrays.weights |= drawn.weights
        self._arrays.biases |= drawn.biases
        self._engine.restart(seed)
        self.seed, self._order = seed, np.random.default_rng(seed)

    def signals(self, x: np.ndarray, y: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Activity of every population for a batch, errors included; nothing learns.

        Parameters
        ----------
        x : array (B, *input)
        y : array, optional
            Class numbers (B,) or rows like the output; without it there is no target.

        Notes
        -----
        Errors are those of a mean loss over the batch, as the rate backend's.
        """
        return oracle.signals(self._engine, x, y)

    def changes(self, x: np.ndarray, y: np.ndarray) -> Changes:
        """What one step on a batch would change; nothing does. See `signals`."""
        return oracle.changes(self._engine, x, y)

    def spontaneous_changes(self, noise: Mapping[str, np.ndarray]) -> Changes:
        """What one step of all noisy phases would change, for given noise.

        Parameters
        ----------
        noise : mapping
            Noisy population → array (B, *shape).
        """
        return oracle.spontaneous_changes(self._engine, noise)

    def present(
        self,
        x: Any,
        y: np.ndarray | None = None,
        *,
        learn: bool = False,
        record: Sequence[str] = (),
        record_every_s: float | None = None,
        report: Report | None = None,
        slowing: tuple[float, float] = (1.0, 1.0),
        chunk: int | None = None,
    ) -> Presentation:
        """Present samples one after another, each for `present_time`.

        Parameters
        ----------
        x : array (samples, *input)
            Or input that changes while a sample is presented: an array (samples, T, *input) whose
            T rows share `present_time` equally; a Brian2 `TimedArray` (T, input), which has a time
            step of its own and is one stretch of samples; or a function of the time in seconds
            since a sample's onset, which returns (samples, *input) and is asked in every step.
            Or `SpikeData`, whose spikes of the input population its cells fire, and which lasts
            for whole samples (`load_spikes`).
        y : array, optional
            Class numbers (samples,) or rows like the output. A circuit without a target learns, if
            its synapses learn by themselves, and has none.
        learn : bool
            Whether synapses learn; `rates` says how fast.
        record : sequence of str
            Populations whose spikes and activity, projections whose weights are kept. Also any
            variable of either, in the names of the generated equations: "h1.v", "h1 -> h2.w".
        record_every_s : float, optional
            Interval at which they are; by default once a sample, and variables of cells in every
            step.
        report : callable, optional
            As Brian2's: (elapsed_s, completed, start_s, duration_s).
        slowing : (float, float)
            Learning rates at the first and the last sample, as parts of `rates`; linear between.
        chunk : int, optional
            For C++ standalone: how many samples the program for this presents; by default the
            network's.

        Warns
        -----
        SaturationWarning
            Units were to fire faster than their cells can for more than a tenth of
            the time (`Presentation.at_limit`).

        Notes
        -----
        Values, values that change, and spike trains are three sets of equations, each with cells
        of its own: membranes and traces are not handed from one to another, weights are.

        Examples
        --------
        >>> import numpy as np
        >>> from oneway.backends.spiking import SpikingNetwork
        >>> from oneway.circuits import mlp
        >>> net = SpikingNetwork(mlp((4, 6, 3)))
        >>> x = np.ones((1, 2, 4)) * [[[1], [-1]]]  # on for 50 ms, then the other way round
        >>> shown = net.present(x, record=["x", "h1.v"])
        >>> shown.variables["h1.v"].values.shape  # every step of 1 ms
        (100, 6)
        """
        if learn and y is None and self.circuit.target is not None:
            raise ValueError("learn=True needs y, the class numbers that the output should have")
        factors = (slowing[0] * learn, slowing[1] * learn)
        shown = present(
            self._engine, x, y, factors, record, record_every_s, report, chunk or self.chunk
        )
        for text in at_limit_said(shown.at_limit, self.parameters, self.circuit):
            warnings.warn(text, SaturationWarning, stacklevel=2)
        return shown

    def train(
        self,
        x: np.ndarray,
        y: np.ndarray,
        *,
        epochs: int = 1,
        slowing: bool = True,
        report: Report | None = None,
    ) -> list[float]:
        """Learn from every sample in each epoch, in a new order; the online accuracy of each.

        A further call goes on with new orders.

        Parameters
        ----------
        slowing : bool
            Let learning rates fall linearly to zero over all epochs.
        """
        accuracies = []
        for epoch in range(epochs):
            rows = self._order.permutation(len(x))
            ends = (1 - epoch / epochs, 1 - (epoch + 1) / epochs) if slowing else (1.0, 1.0)
            shown = self.present(x[rows], y[rows], learn=True, report=report, slowing=ends)
            accuracies.append(float(np.mean(shown.answers == np.asarray(y)[rows])))
        return accuracies

    def evaluate(self, x: np.ndarray, y: np.ndarray, report: Report | None = None) -> float:
        """Part of the samples that are classified as `y` says; nothing learns."""
        return float(np.mean(self.present(x, report=report).answers == np.asarray(y)))

    def script(
        self,
        x: Any = None,
        y: np.ndarray | None = None,
        file: str = "circuit.py",
        inline: bool = False,
    ) -> tuple[str, dict[str, np.ndarray]]:
        """The generated Brian2 program as a readable text, and the arrays that it loads.

        Parameters
        ----------
        x, y : as for `present`, optional
            Samples that the program presents, learning from them if there is a target. Without
            them it runs the noisy phases for ten seconds, or one sample of noise where there are
            none.
        file : str
            What the program is going to be called; save the arrays beside it with
            ``numpy.savez(file with .npz, **arrays)``.
        inline : bool
            Write the arrays out in the program itself, which then needs no file beside it.
        """
        return program.program(self._engine, x, y, file, inline)

    def carriers(self) -> Carriers:
        """What carries each signal: spikes, a trace of spikes, or what is told to every cell.

        Read off the groups that Brian2 is told of; nothing runs. For what synapses read beyond
        their own two cells whatever runs them, see `oneway.analysis.reads_beyond`.
        """
        return carriers(self._engine)

    def load(self, rate_network: Any) -> None:
        """Take over weights and biases of a `RateNetwork` of the same circuit, by name.

        Batch norms have no place here; a circuit that has some cannot be run anyway.
        """
        program.load(self._arrays, rate_network)

    def store(self, rate_network: Any) -> None:
        """Put weights and biases into a `RateNetwork` of the same circuit, by name.

        For Brian2's store and restore see `save_state`.
        """
        program.store(self._arrays, rate_network)

    def save_state(self, path: str | Path) -> Path:
        """Write all that the simulation goes on from: what Brian2 calls to store it.

        That is weights and biases, membranes, currents, traces, running means, spikes on their
        way, rates of learning, simulated time, and where random numbers and the order of samples
        are.

        Parameters
        ----------
        path : str or Path
            Gets the suffix ``.npz``. Plain arrays and JSON, no pickle.

        Returns
        -------
        Path
        """
        return state.save_state(path, self._engine, self._order)

    def load_state(self, path: str | Path) -> None:
        """Go on from what `save_state` wrote, to the last bit.

        The network must be of the same circuit, parameters and options. Nothing changes where it
        is not, or where the file is damaged.

        Raises
        ------
        ValueError
            The file is damaged, or none of these.
        WiringError
            It is of another circuit, or of other parameters or options; names them.

        Examples
        --------
        >>> import numpy as np
        >>> from oneway.backends.spiking import SpikingNetwork
        >>> from oneway.circuits import mlp
        >>> net, x = SpikingNetwork(mlp((4, 6, 3))), np.ones((2, 4))
        >>> path = getfixture("tmp_path") / "paused"
        >>> path = net.save_state(path)
        >>> first = net.present(x).outputs
        >>> net.load_state(path)
        >>> bool((net.present(x).outputs == first).all())
        True
        """
        state.load_state(path, self._engine, self._order)
        self.seed = self._engine.seed

    @property
    def brian2(self) -> BrianObjects:
        """The Brian2 objects of the last run; before any, of those that `present` uses.

        Raises
        ------
        WiringError
            The target is C++ standalone, where there are none once a program is compiled.

        Examples
        --------
        >>> from oneway.backends.spiking import SpikingNetwork
        >>> from oneway.circuits import mlp
        >>> net = SpikingNetwork(mlp((4, 6, 3)))
        >>> net.brian2["h1"].name, net.brian2["h1 -> output"].name
        ('cells_h1', 'drive_h1_to_output')
        >>> net.brian2.network.t
        0. * second
        """
        return objects.brian_objects(self._engine)

    def run_spontaneous(
        self,
        duration_s: float = 20.0,
        record_every_s: float | None = None,
        report: Report | None = None,
        *,
        record: Sequence[str] = (),
        slowing_s: float = inf,
    ) -> SpontaneousRecord:
        """Let noise drive the circuit; its noisy phases take turns.

        A further call goes on from where the last one ended.

        Parameters
        ----------
        duration_s : float
            Simulated time, all phases together.
        record_every_s : float, optional
            Interval of recorded weights and variables; by default a second, and one step for
            variables of cells.
        report : callable, optional
            As Brian2's: (elapsed_s, completed, start_s, duration_s); `completed` runs from 0 to 1.
        record : sequence of str
            Variables to keep beside all spikes and the weights that learn: "h1.v".
        slowing_s : float
            How long each phase learns at its rate and decay λ; from then on both fall as one over
            time. Weights that forget at a constant λ know the last 1/λ only, and come no closer
            to what they follow than this shows; with `slowing_s` near `batch_time` / λ all that
            has happened counts alike.

        Warns
        -----
        IdleWarning
            All turns of phases are shorter than `adapt_time`, so that nothing is learned.

        Raises
        ------
        WiringError
            No phase of the circuit names noisy populations.
        """
        return run_spontaneous(self._engine, duration_s, record_every_s, report, slowing_s, record)


def _check(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name} {value!r}, expected one of {', '.join(choices)}")
