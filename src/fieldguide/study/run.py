"""Runs a plan under a budget: fit, answer, time, record; nothing else. A trial that fails is a record, and the study goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from fieldguide.approaches.approach import Solver
from fieldguide.errors import RunError
from fieldguide.models.answers import AnswerStore, remembering
from fieldguide.models.pool import ModelPool
from fieldguide.records import Prediction, Usage
from fieldguide.study.allocate import Allocation
from fieldguide.study.budget import Budget
from fieldguide.study.events import Event
from fieldguide.study.journal import Journal
from fieldguide.study.ledger import Ledger
from fieldguide.study.plan import Plan
from fieldguide.study.trial import Trial, TrialRecord
from fieldguide.study.work import Workbench
from fieldguide.tasks.task import Task


@dataclass(frozen=True)
class Step:
    """What a progress display needs: where the study stands."""

    message: str
    done: int
    total: int
    left_s: float | None
    """An estimate of the seconds left; None while nothing is known."""
    detail: str = ""
    """Where the trial itself stands; empty when it starts."""


@dataclass
class Study:
    """One task, its plan and budget, and the folder that holds its journal and solvers."""

    task: Task
    plan: Plan
    budget: Budget
    folder: Path
    pool: ModelPool
    machine_price_usd_per_hour: float
    progress: Callable[[Step], None] = lambda step: None
    tolerance: float | None = None
    """Of the verdict, in the metric's own units: what decides whether an approach can be given up early. None gives up nothing."""
    events: list[Event] = field(default_factory=list)
    """What was tried, given up, skipped and spared, in order; filled by `run`."""
    _ledger: Ledger = field(init=False)
    _allocation: Allocation = field(init=False)
    _step: Step = Step("", 0, 0, None)
    """The last step shown."""

    def run(self) -> list[TrialRecord]:
        """Every trial's record, in plan order; what the budget did not reach is "skipped", what failed before is tried again.

        Raises `RunError` if another process is running a study in the same folder.
        """
        self._ledger, self._allocation = Ledger(self.budget, self.machine_price_usd_per_hour), Allocation(self.task, self.plan, self.tolerance)
        self.events.clear()
        with self._journal() as journal:
            return [*self._walk(journal), *self.plan.unsuited]

    @contextmanager
    def _journal(self) -> Iterator[Journal]:
        """The study's journal, with the answers of its models kept beside it."""
        with alone(self.folder):
            journal, store = Journal(self.folder / "journal.sqlite"), AnswerStore(self.folder / "answers.sqlite")
            try:
                with remembering(store):
                    yield journal
            finally:
                journal.close()
                store.close()

    def _walk(self, journal: Journal) -> list[TrialRecord]:
        """Every trial of the plan, one after another as the allocation says; one that was held to fewer rows may come again with more."""
        records: dict[str, TrialRecord] = {}
        left = list(self.plan.trials)
        while left:
            left.remove(trial := self._allocation.next(left))
            trial = self._allocation.sized(trial)
            records[trial.key] = record = self._take(trial, journal, records.get(trial.key), left)
            if record.status == "skipped":
                self._allocation.refused(trial)
            elif record.status == "failed":
                self._allocation.failed(trial)
            if record.status == "done" and (wider := self.plan.widened(trial)) and record.rows >= len(trial.row_ids):
                left.append(wider)
        self.progress(Step("Reaching the verdict", len(records), len(records), 0.0))
        return [records[trial.key] for trial in self.plan.trials]

    def _take(self, trial: Trial, journal: Journal, before: TrialRecord | None, left: Sequence[Trial]) -> TrialRecord:
        """One trial's turn: left out with the reason, or run; the record of it, or `before`, its record on fewer rows, if that stays."""
        if why := self._allocation.spared(trial):
            return before or self._out(trial, "spared", why)
        record, answers = self._finished(trial, journal)
        if record is None and not self._ledger.affords(trial):
            return before or self._out(trial, "skipped", "The budget ended before this trial.")
        done = len(self.plan.trials) - len({t.key for t in left} - {trial.key})
        self._step = Step(trial.label, done - 1, len(self.plan.trials), self._ledger.left_s([trial, *left]))
        self.progress(self._step)
        if record is None:
            record, answers = self._bench.attempt(trial, journal, self._ledger, self._allocation.outclassed, self._detail)
            if record.status != "skipped" and (before is None or record.status == "done"):
                journal.finish(record)
        self._ledger.count(trial, record)
        self._log({"done": "tried"}.get(record.status, record.status), trial, record.error or f"It answered {len(trial.row_ids):,} rows.")
        if record.status in ("done", "eliminated"):
            self._take_in(trial, record, answers)
        if before is None or record.status == "done":
            return record
        answered = journal.answers(trial.key).values()  # more than `before` tells of
        return replace(before, predict_usage=sum((p.usage for p in answered), Usage()), predict_s=journal.answer_seconds(trial.key))

    def _take_in(self, trial: Trial, record: TrialRecord, answers: dict[str, Prediction]) -> None:
        """Let the allocation see what a trial answered; log whatever else is given up for it, and drop solvers that it makes idle."""
        known = {*self._allocation.given_up, *([trial.approach.key] if record.status == "eliminated" else [])}
        self._allocation.saw(trial, {row: answers[row] for row in trial.row_ids if row in answers})
        for key in self._allocation.given_up.keys() - known:
            self._log("eliminated", next(t for t in self.plan.trials if t.approach.key == key), self._allocation.given_up[key])
        if record.status == "done":
            self._prune(record)

    def _out(self, trial: Trial, status: str, why: str) -> TrialRecord:
        """The record of a trial that is not run."""
        self._log(status, trial, why)
        return self._bench.blank(trial, status, why)

    def _log(self, what: str, trial: Trial, reason: str) -> None:
        self.events.append(Event(what, trial.approach.key, trial.n_labels, trial.seed, reason, self._ledger.spent, self._ledger.share))

    def _finished(self, trial: Trial, journal: Journal) -> tuple[TrialRecord | None, dict[str, Prediction]]:
        """(record, answers) of a trial that need not run again: it answered every row asked for, or is given up on what it answered."""
        record = journal.record(trial.key)
        if record is not None and record.status in ("done", "eliminated"):
            asked = set(trial.row_ids)
            answers = {row: given for row, given in journal.answers(trial.key).items() if row in asked}
            if answers.keys() >= asked if record.status == "done" else self._allocation.outclassed(trial, answers):
                return record, answers
        return None, {}

    @property
    def _bench(self) -> Workbench:
        return Workbench(self.task, self.folder, self.pool)

    def solver(self, trial: Trial) -> Solver:
        """The trial's solver: the one already saved, or a newly fitted one, which is then saved; no budget holds here."""
        return self._bench.solver(trial)

    def _detail(self, message: str, done: float) -> None:
        self.progress(replace(self._step, detail=f"{message} {done:.0%}"))

    def _prune(self, newest: TrialRecord) -> None:
        """Drop solvers that cannot be handed over: of the same approach, those on fewer labels."""
        for trial in self.plan.trials:
            if trial.approach.to_json() == newest.approach and trial.n_labels < newest.n_labels:
                shutil.rmtree(self._bench.home(trial.key), ignore_errors=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Inside this block no other process runs a study in this folder, where the system can lock files; the lock goes with the process."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        yield
        return
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunError(f"Another process is running the study in {folder}; wait until it ends, or choose another folder with --out.") from None
        yield


def answers_of(journal_path: Path, records: Sequence[TrialRecord]) -> dict[str, dict[str, Prediction]]:
    """The answers of every trial that is done or was given up: trial key → row id → prediction."""
    journal = Journal(journal_path)
    try:
        return {record.key: journal.answers(record.key) for record in records if record.status in ("done", "eliminated")}
    finally:
        journal.close()
