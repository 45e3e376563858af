"""Which runs of which cells fit a budget, at which length, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .cells import Cell

# Part of a budget that is left free: no prediction is exact, and what has begun is finished.
RESERVE = 0.1
# Seconds that a cell takes at a length; None where it was not measured.
Predict = Callable[[Cell, int], float | None]


@dataclass(frozen=True)
class Job:
    """A run: one cell at one length, with one seed."""

    row: str
    column: str
    epochs: int
    seed: int

    @property
    def name(self) -> str:
        """Of its cell."""
        return f"{self.row}/{self.column}"


def plan(
    cells: Sequence[Cell],
    predict: Predict,
    budget_s: float | None = None,
    epochs: int | None = None,
) -> list[Job]:
    """The runs to do, in order.

    All cells come with the first seed before any comes with the second; rows as they stand in the
    table, and in each row backpropagation and the floor before the rest.

    Without a budget that is all. With one, whole rows are taken as long as they fit. Of the first
    row that does not, single cells are taken, and what is left of the budget then goes to all of
    this row once more, at the greatest length that all its cells can have. Further seeds are begun
    only when every cell has its first.

    Parameters
    ----------
    cells : sequence of Cell
        In the order of `in_order`.
    predict : callable
    budget_s : float, optional
    epochs : int, optional
        Of all cells, in place of their full length; none is shortened further then.
    """
    wanted = all_jobs(cells, epochs)
    if budget_s is None:
        return [job for of_seed in wanted for job in of_seed]
    budget = Budget({cell.name: cell for cell in cells}, predict, (1 - RESERVE) * budget_s)
    for of_seed in wanted:
        for row in by_row(of_seed):
            if not budget.take(row):
                if epochs is None and of_seed is wanted[0]:
                    budget.take(budget.shortened(row))
                return budget.taken
    return budget.taken


def all_jobs(cells: Sequence[Cell], epochs: int | None = None) -> list[list[Job]]:
    """Every run of these cells: a list for the first seeds, one for the second seeds, ..."""
    recipes = {cell.name: cell.recipe() for cell in cells}
    most = max((recipe.seeds for recipe in recipes.values()), default=0)
    return [
        [
            Job(cell.row, cell.column, epochs or recipe.config.epochs, recipe.config.seed + i)
            for cell in cells
            if i < (recipe := recipes[cell.name]).seeds
        ]
        for i in range(most)
    ]


class Budget:
    """Seconds to spend on runs, and the runs on which they were spent."""

    def __init__(self, cells: Mapping[str, Cell], predict: Predict, seconds: float) -> None:
        self.cells, self.predict, self.left_s = cells, predict, seconds
        self.taken: list[Job] = []

    def take(self, jobs: Iterable[Job]) -> bool:
        """Take those that fit; says whether all did."""
        jobs = list(jobs)
        before = len(self.taken)
        for job in jobs:
            seconds = self._seconds(job)
            if seconds is not None and seconds <= self.left_s:
                self.left_s -= seconds
                self.taken.append(job)
        return len(self.taken) - before == len(jobs)

    def shortened(self, row: Sequence[Job]) -> list[Job]:
        """The row at the greatest length at which all of it fits; empty where none does."""
        longest = min(job.epochs for job in row) - 1
        for epochs in range(longest, 0, -1):
            jobs = [Job(job.row, job.column, epochs, job.seed) for job in row]
            seconds = [self._seconds(job) for job in jobs]
            if None not in seconds and sum(filter(None, seconds)) <= self.left_s:
                return jobs
        return []

    def _seconds(self, job: Job) -> float | None:
        return self.predict(self.cells[job.name], job.epochs)


def by_row(jobs: Iterable[Job]) -> list[list[Job]]:
    """The same, a list for each row."""
    rows: dict[str, list[Job]] = {}
    for job in jobs:
        rows.setdefault(job.row, []).append(job)
    return list(rows.values())
