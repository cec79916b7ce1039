"""Evidence as arrays: an `Entry` for each approach, a `Cell` for each of its label counts.

Shapes: `S` seeds, `n` certify rows that all seeds of a cell answered. Rows are numbered in the order of `Evidence.targets`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median
from typing import Any

import numpy as np

from fieldguide.records import Unparsed, fingerprint
from fieldguide.study.trial import TrialRecord
from fieldguide.verdict.evidence import Evidence


@dataclass(frozen=True, eq=False)
class Cell:
    """One approach at one label count: its finished trials, by seed, on the rows that all of them answered."""

    key: str
    n_labels: int
    records: tuple[TrialRecord, ...]
    rows: np.ndarray
    """(n,) row numbers, ascending."""
    answers: tuple[tuple[Any, ...], ...]
    """(S, n) values or `Unparsed`."""
    answered: int
    """Answers of all its trials, select rows included: what `predict_usage` was spent on."""

    @property
    def name(self) -> tuple[str, int]:
        return self.key, self.n_labels

    @property
    def fit_s(self) -> float:
        """Median over seeds."""
        return float(median(record.fit_s for record in self.records))

    @cached_property
    def unparsed_share(self) -> float:
        answers = [value for seed in self.answers for value in seed]
        return sum(isinstance(value, Unparsed) for value in answers) / len(answers)

    def at(self, rows: np.ndarray) -> np.ndarray:
        """Where these row numbers, all of them answered, stand among this cell's own."""
        return np.searchsorted(self.rows, rows)


@dataclass(frozen=True, eq=False)
class Entry:
    """One approach with its parameters: every record of it, and its cells by ascending label count."""

    key: str
    records: tuple[TrialRecord, ...]
    cells: tuple[Cell, ...] = field(default=())

    @property
    def first(self) -> TrialRecord:
        return self.records[0]

    @property
    def cell(self) -> Cell:
        """Where it stands: the largest label count measured."""
        return self.cells[-1]

    @property
    def unreached(self) -> int:
        """The largest label count that was planned for it and never reached, if that is more than it stands at; else 0."""
        return self._beyond("skipped")

    @property
    def broken(self) -> int:
        """The largest label count at which every trial of it failed, if that is more than it stands at; else 0."""
        return self._beyond("failed")

    def _beyond(self, status: str) -> int:
        most = max((record.n_labels for record in self.with_status(status)), default=0)
        return most if self.cells and most > self.cell.n_labels else 0

    @property
    def unseen(self) -> bool:
        """Whether the budget ended before any trial of it."""
        return not self.cells and bool(self.with_status("skipped")) and not self.with_status("failed") and not self.with_status("eliminated")

    @property
    def trivial(self) -> bool:
        """Whether it is the baseline that looks at no input."""
        return self.first.family == "baseline" and self.first.approach["name"] == "majority"

    @property
    def local(self) -> bool:
        return all(record.local for record in self.records)

    def with_status(self, status: str) -> list[TrialRecord]:
        return [record for record in self.records if record.status == status]


def gather(evidence: Evidence) -> list[Entry]:
    """An entry for each approach, in the order in which the study names them."""
    found: dict[str, list[TrialRecord]] = {}
    for record in evidence.records:
        found.setdefault(fingerprint(record.approach), []).append(record)
    order = {row: i for i, row in enumerate(evidence.targets)}
    return [Entry(key, tuple(records), () if _given_up(records) else cells_of(key, records, evidence.answers, order)) for key, records in found.items()]


def _given_up(records: Sequence[TrialRecord]) -> bool:
    """Whether an approach was given up where it would stand: what it did with fewer labels is then no standing of it."""
    most = max((record.n_labels for record in records if record.status == "done"), default=-1)
    return any(record.status == "eliminated" and record.n_labels > most for record in records)


def cells_of(
    key: str, records: Sequence[TrialRecord], answers: Mapping[str, Mapping[str, Any]], order: Mapping[str, int], statuses: Collection[str] = ("done",)
) -> tuple[Cell, ...]:
    """The trials of one approach with such a status as cells by label count, on the rows that `order` numbers."""
    by_count: dict[int, list[TrialRecord]] = {}
    asked = {record.key: {row for row in answers.get(record.key, ()) if row in order} for record in records}
    for record in sorted(records, key=lambda r: (r.n_labels, r.seed)):
        if record.status in statuses and asked[record.key]:
            by_count.setdefault(record.n_labels, []).append(record)
    cells = []
    for count, done in by_count.items():
        widest = max(len(asked[record.key]) for record in done)
        done = [record for record in done if 2 * len(asked[record.key]) > widest]  # rows tell more than a seed on half of them
        shared = set.intersection(*(asked[record.key] for record in done))
        if shared:
            ids = sorted(shared, key=lambda row: order[row])
            values = tuple(tuple(answers[record.key][row] for row in ids) for record in done)
            answered = sum(len(answers[record.key]) for record in done)
            cells.append(Cell(key, count, tuple(done), np.array([order[row] for row in ids]), values, answered))
    return tuple(cells)
