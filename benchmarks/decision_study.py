"""One study of the decision benchmark: the product's own plan, allocation, cascades and findings, without report and hand-over.

Answers are kept in memory in the place of the journal's file, since no such study is ever resumed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

from fieldguide.approaches.approach import Approach
from fieldguide.models.pool import ModelPool
from fieldguide.records import Prediction
from fieldguide.study.plan import make_plan
from fieldguide.study.run import Study
from fieldguide.study.settings import Settings
from fieldguide.study.trial import TrialRecord
from fieldguide.tasks.task import Task
from fieldguide.verdict.cascades import with_cascades
from fieldguide.verdict.curves import crossings
from fieldguide.verdict.evidence import collect
from fieldguide.verdict.findings import Findings, find
from fieldguide.verdict.verdict import Cascade, Constraints, Crossing

MEMORY = "/dev/shm"


@dataclass(frozen=True)
class Outcome:
    """What a study found, as far as the benchmark judges it."""

    found: Findings
    cascades: tuple[Cascade, ...]
    crossings: tuple[Crossing, ...]
    given_up: frozenset[str]
    """Approach keys that were eliminated on select rows."""
    spent: float
    """In the budget's unit."""


def decide(task: Task, approaches: Sequence[Approach], settings: Settings) -> Outcome:
    """Run a study under the settings' budget and work out its findings, as `api.decide` does."""
    with tempfile.TemporaryDirectory(dir=MEMORY if Path(MEMORY).is_dir() else None) as folder, patch("fieldguide.study.run.Journal", Kept):
        pool, tolerance = ModelPool(), settings.tolerance / 100
        plan = make_plan(task, approaches, pool, seeds=settings.seeds, seed=settings.seed, prompt_rows=settings.prompt_rows)
        study = Study(task, plan, settings.limit, Path(folder), pool, settings.machine_price, tolerance=tolerance)
        try:
            records = study.run()
            evidence = collect(task, plan, records, settings, Path(folder) / "journal.sqlite", {}, study.events)
        finally:
            Kept.kept.clear()
    grown, tried = with_cascades(evidence, settings.machine_price, tolerance=tolerance)
    found = find(grown, tolerance, Constraints(), settings.machine_price)
    given_up = frozenset(event.key for event in study.events if event.what == "eliminated")
    return Outcome(found, tried, crossings(found), given_up, study.events[-1].spent if study.events else 0.0)


class Kept:
    """A journal in memory: `study.journal.Journal` without the file."""

    kept: ClassVar[dict[str, Kept]] = {}

    def __new__(cls, path: Any) -> Kept:
        if str(path) not in cls.kept:
            cls.kept[str(path)] = made = super().__new__(cls)
            made.records, made.given, made.seconds = {}, {}, {}
        return cls.kept[str(path)]

    records: dict[str, TrialRecord]
    given: dict[str, dict[str, Prediction]]
    seconds: dict[str, float]

    def add_answers(self, trial: str, answers: Mapping[str, Prediction], seconds: float) -> None:
        self.given.setdefault(trial, {}).update(answers)
        self.seconds[trial] = self.seconds.get(trial, 0.0) + seconds

    def answers(self, trial: str) -> dict[str, Prediction]:
        return dict(self.given.get(trial, {}))

    def answered(self, trial: str) -> set[str]:
        return set(self.given.get(trial, {}))

    def answer_seconds(self, trial: str) -> float:
        return self.seconds.get(trial, 0.0)

    def finish(self, record: TrialRecord) -> None:
        self.records[record.key] = record

    def record(self, trial: str) -> TrialRecord | None:
        return self.records.get(trial)

    def close(self) -> None:
        """Nothing to close."""
