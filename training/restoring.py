"""Going on: a run takes over what its folder holds, once it is sure that it is the same run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oneway.backends.rate.exchange.names import keep_of

from .errors import ConfigError, DataError, first_line
from .identity import ON_CPU, changes_of, check_resumable, device_of, processes_of
from .training_run import TrainingRun

OTHERWISE = (
    "the same samples in the same batches, but sums are rounded in another order, {}, so the run "
    "is no longer bit by bit what it would have been"
)
FROM_THE_START = "no epoch was finished before the interruption: the run starts again"


def restore(run: TrainingRun, notify: Callable[[str], None], new_rates: bool = False) -> None:
    """Take over what the last checkpoint holds; files change only once all of it fits.

    Parameters
    ----------
    run : TrainingRun
        With the settings from here on, at its start.
    notify : callable
        Gets where it goes on, and with what.
    new_rates : bool
        Whether rates may be others than those of the checkpoint.
    """
    state = run.processes.from_lead(lambda: _saved(run, new_rates))
    if state is None:
        notify(FROM_THE_START)
        return
    try:
        _load(run, state)
    except (RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"checkpoint in {state['path']!r} does not fit this version of the network "
            f"({first_line(error)}). Start the run again in another folder; nothing was changed"
        ) from error
    run.step, run.history = state["step"], state["history"]
    run.kept_epochs = run.telling.done_before = len(run.history)
    run.floor = state["floor"] if run.floor is None else run.floor
    run.seconds_before, run.weights_from = state["seconds"], state.get("weights")
    if run.folder is not None:
        run.folder.rewrite_metrics(run.history)
    done = f"goes on after epoch {len(run.history)} of {run.config.epochs}"
    notify(done if run.history else FROM_THE_START)
    _note_changes(run, state, notify)


def _saved(run: TrainingRun, new_rates: bool) -> dict[str, Any] | None:
    """The state in the folder, once it is sure that it belongs to this run."""
    assert run.folder is not None
    state, path = run.folder.saved(whole=True), run.folder.path
    begun = run.folder.settings() if state is None else state["run"]
    if not begun:
        return None
    begun = _as_now(run, begun)
    done = 0 if state is None else len(state.get("history", ()))
    check_resumable(path, begun, run.identity, done, new_rates)
    if done == run.config.epochs and changes_of(begun, run.identity, done):
        raise ConfigError(
            f"the run in {str(path)!r} is finished: no epoch is left for other rates. Give it more "
            "with --epochs; nothing was changed"
        )
    return state and state | {"path": str(path)}


def _as_now(run: TrainingRun, begun: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of a run that an earlier version began, which wrote circuits in other words."""
    assert run.folder is not None
    now = run.identity["wiring"]
    try:
        stored = begun.get("wiring") != now and run.folder.wiring() == begun.get("wiring")
        same = stored and run.folder.circuit()[0] == run.wired
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        same = False  # which is told as another circuit
    return {**begun, "wiring": now} if same else begun


def _load(run: TrainingRun, state: Mapping[str, Any]) -> None:
    known = {name for record in state["history"] for name in record["angles_deg"]}
    if strange := known - run.wired.projections.keys():
        raise LookupError(f"its history has angles of {min(strange)!r}, which is no projection")
    keep_of(run.network, state["network"])
    run.network.load_state_dict(state["network"])
    run.optimizers.load_state_dict(state["optimizers"])
    run.loss_scale.load_state_dict(state.get("loss_scale"))
    run.recorder.gaps.load_state_dict(state.get("gaps"))
    run.watch.load_state_dict(state.get("watch"), state["step"])
    _load_generators(run, state)


def _load_generators(run: TrainingRun, state: Mapping[str, Any]) -> None:
    """Draw on; more processes than before begin noise of their own, another device all anew."""
    states, rank = state["generators"], run.processes.part.rank
    noise = dict(enumerate([states["noise"], *state.get("noise_of_others", ())]))
    moved = device_of(state["run"]) != device_of(run.identity)
    for name, generator in run.generators.items():
        kept = noise.get(rank) if name == "noise" else states[name]
        if kept is not None and (name in ON_CPU or not moved):
            generator.set_state(kept)


def _note_changes(
    run: TrainingRun, state: Mapping[str, Any], notify: Callable[[str], None]
) -> None:
    """Keep at once, in the checkpoint, which rates are others from here on, and the floor."""
    new = changes_of(state["run"], run.identity, len(run.history))
    for change in new:
        before, now = (_said(change[key]) for key in ("before", "now"))
        notify(f"{change['setting']} = {now} from here on, {before} before")
    for setting, of, where, drawn in _ELSEWHERE:
        there, here = of(state["run"]), of(run.identity)
        if there != here:
            change = {"setting": setting, "before": there, "now": here}
            new.append({"after_epoch": len(run.history)} | change)
            notify(f"{where(here)} from here on, {there} before: {OTHERWISE.format(drawn)}")
    run.changes = _told_once([*state.get("changes", ()), *new])
    if new or run.floor != state["floor"]:
        run.save()


def _told_once(changes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of several changes of a setting with no epoch between them the whole, if there is any."""
    whole: dict[tuple[int, str], dict[str, Any]] = {}
    for change in changes:
        at = change["after_epoch"], change["setting"]
        whole[at] = {**change, "before": whole.get(at, change)["before"]}
    return [change for change in whole.values() if change["before"] != change["now"]]


# Where a run may go on that was elsewhere: how to read it, how to say it, and what is other then.
_ELSEWHERE = (
    (
        "processes",
        processes_of,
        lambda n: f"in {n} process{'es' * (n > 1)}",
        "spontaneous activity is drawn by other generators, and batch norm without "
        "sync_batch_norm has other parts of a batch to itself",
    ),
    (
        "device",
        device_of,
        lambda device: f"on {device}",
        "and augmentation and spontaneous activity are drawn by other generators",
    ),
)


def _said(rate: float | None) -> str:
    return "none of its own" if rate is None else f"{rate:g}"
