"""Runs a plan under a budget: fit, answer, time, record; nothing else. A trial that fails is a record, and the study goes on."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from fieldguide.approaches.approach import FitContext, Solver
from fieldguide.errors import BudgetSpent, RunError
from fieldguide.models.answers import AnswerStore, remembering
from fieldguide.models.meter import metering, uncached
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Prediction, Usage
from fieldguide.study.budget import Budget
from fieldguide.study.journal import Journal
from fieldguide.study.plan import Plan
from fieldguide.study.trial import LATENCY_ROWS, Trial, TrialRecord
from fieldguide.tasks.task import Role, Task

BATCH = 32
"""Rows answered and journalled at a time: the most that a kill can lose."""
LATENCY_LIMIT_S = 5.0
"""Timing single rows of a trial ends after so many seconds, three rows at least."""


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
    _pace: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """approach key → (seconds, tokens, work) of its largest finished trial."""
    _committed: float = 0.0
    """Spent of the budget, in its own unit."""
    _step: Step = Step("", 0, 0, None)
    """The last step shown."""

    def run(self) -> list[TrialRecord]:
        """Every trial's record, in plan order; what the budget did not reach is "skipped", what failed before is tried again.

        Raises `RunError` if another process is running a study in the same folder.
        """
        with alone(self.folder):
            journal, store = Journal(self.folder / "journal.sqlite"), AnswerStore(self.folder / "answers.sqlite")
            try:
                with remembering(store):
                    return [*self._walk(journal), *self.plan.unsuited]
            finally:
                journal.close()
                store.close()

    def _walk(self, journal: Journal) -> list[TrialRecord]:
        records: list[TrialRecord] = []
        trials = self.plan.trials
        for i, trial in enumerate(trials):
            record = self._finished(trial, journal)
            if record is None and not self._affordable(trial):
                records.append(self._blank(trial, "skipped", "The budget ended before this trial."))
                continue
            self._step = Step(trial.label, i, len(trials), self._left_s(trials[i:]))
            self.progress(self._step)
            if record is None:
                record = self._attempt(trial, journal)
                if record.status != "skipped":
                    journal.finish(record)
            self._count(trial, record)
            records.append(record)
            if record.status == "done":
                self._prune([r for r in records if r.status == "done"])
        self.progress(Step("Reaching the verdict", len(trials), len(trials), 0.0))
        return records

    def _finished(self, trial: Trial, journal: Journal) -> TrialRecord | None:
        """The record of a trial that is done and answered every row asked for; None for one to run, a failed one included."""
        record = journal.record(trial.key)
        if record is None or record.status != "done":
            return None
        return record if journal.answered(trial.key) >= {*trial.select_ids, *trial.certify_ids} else None

    # Budget. Calls are counted as planned, so that a study that was killed and resumed takes the same path; time and dollars as spent.

    def _affordable(self, trial: Trial) -> bool:
        return self._committed + self._cost(trial) <= self.budget.amount

    def _cost(self, trial: Trial) -> float:
        """What a trial is expected to spend, in the budget's unit; an approach never tried so far is let in."""
        seconds, tokens = self._expected(trial) or (0.0, 0.0)
        return self._priced(seconds, calls=trial.calls, tokens=tokens)

    def _priced(self, seconds: float, *, usd: float = 0.0, calls: int = 0, tokens: float = 0.0) -> float:
        """Work in the budget's unit; a second of this machine costs its price, beside what an API billed."""
        return self.budget.spent(seconds=seconds, usd=usd + seconds * self.machine_price_usd_per_hour / 3600, calls=calls, tokens=tokens)

    def _count(self, trial: Trial, record: TrialRecord) -> None:
        seconds = record.fit_s + record.predict_s + sum(record.latencies_s)
        usage = record.fit_usage + record.predict_usage + record.latency_usage
        tokens = usage.prompt_tokens + usage.completion_tokens
        self._committed += self._priced(seconds, usd=usage.cost_usd, calls=trial.calls, tokens=tokens)
        if trial.work >= self._pace.get(trial.approach.key, (0.0, 0.0, 0.0))[2]:
            self._pace[trial.approach.key] = (seconds, tokens, trial.work)

    def _expected(self, trial: Trial) -> tuple[float, float] | None:
        """Seconds and tokens that a trial is expected to take."""
        pace = self._pace.get(trial.approach.key)
        return (pace[0] * trial.work / pace[2], pace[1] * trial.work / pace[2]) if pace else None

    def _left_s(self, trials: Sequence[Trial]) -> float | None:
        known = [found[0] for t in trials if (found := self._expected(t)) is not None]
        if not known:
            return None
        left = sum(known) * len(trials) / len(known)
        return min(left, max(self.budget.amount - self._committed, 0.0)) if self.budget.unit == "seconds" else left

    def _overspent(self, seconds: float) -> bool:
        """Whether a budget in time or dollars is spent after so many seconds of a trial; calls are never cut short.

        What an API bills is limited below, before each call.
        """
        return self._committed + self._priced(seconds) > self.budget.amount

    # One trial.

    def _attempt(self, trial: Trial, journal: Journal) -> TrialRecord:
        began = time.perf_counter()
        left = max(self.budget.amount - self._committed, 0.0)
        limits = {"usd": {"usd_limit": left}, "tokens": {"tokens_limit": left}}.get(self.budget.unit, {})
        with metering(**limits) as meter:
            try:
                solver = self.solver(trial)
                if not self._answer(trial, solver, journal):
                    spent = replace(self._blank(trial, "skipped", "The budget ended during this trial."), fit_s=solver.fit_s)
                    return replace(spent, predict_s=journal.answer_seconds(trial.key))
                return self._measured(trial, solver, journal)
            except BudgetSpent:
                return replace(self._blank(trial, "skipped", "The budget ended during this trial."), fit_s=time.perf_counter() - began, fit_usage=meter.usage)
            except RunError:  # the journal cannot be written: no trial's fault
                raise
            except Exception as error:
                with (self.folder / "errors.log").open("a", encoding="utf-8") as log:
                    log.write(f"{trial.label}\n{traceback.format_exc()}\n")
                failed = self._blank(trial, "failed", f"{type(error).__name__}: {' '.join(str(error).split())}"[:500])
                return replace(failed, fit_s=time.perf_counter() - began, fit_usage=meter.usage)

    def solver(self, trial: Trial) -> Solver:
        """The trial's solver: the one already saved, or a newly fitted one, which is then saved."""
        folder = self._home(trial.key)
        if (folder / "solver.json").is_file():
            try:
                return Solver.load(folder, self.pool)
            except RunError:
                shutil.rmtree(folder)
        by_id = {row.id: row for row in self.task[Role.TRAIN]}
        train = [by_id[i] for i in trial.train_ids]
        folder.mkdir(parents=True, exist_ok=True)
        context = FitContext(seed=trial.seed, workdir=folder, models=self.pool, progress=self._detail)
        solver = trial.approach.fit(self.task.spec, train, context=context)
        solver.save(folder)
        return solver

    def _answer(self, trial: Trial, solver: Solver, journal: Journal) -> bool:
        """Answer the rows that are missing, batch by batch; False if the budget ended first."""
        by_id = {row.id: row.inputs for role in (Role.SELECT, Role.CERTIFY) for row in self.task[role]}
        known = journal.answered(trial.key)
        missing = [i for i in (*trial.select_ids, *trial.certify_ids) if i not in known]
        for start in range(0, len(missing), BATCH):
            if self._overspent(solver.fit_s + journal.answer_seconds(trial.key)):
                return False
            self._detail("answering", start / len(missing))
            ids = missing[start : start + BATCH]
            began = time.perf_counter()
            predictions = solver.predict([by_id[i] for i in ids])
            journal.add_answers(trial.key, dict(zip(ids, predictions, strict=True)), time.perf_counter() - began)
        return True

    def _measured(self, trial: Trial, solver: Solver, journal: Journal) -> TrialRecord:
        usage = sum((p.usage for p in journal.answers(trial.key).values()), Usage())
        certify = {row.id: row for row in self.task[Role.CERTIFY]}
        with metering() as timing:
            times = latencies(solver, [certify[i].inputs for i in trial.certify_ids[:LATENCY_ROWS]])
        return replace(
            self._blank(trial, "done", ""),
            fit_s=solver.fit_s,
            predict_s=journal.answer_seconds(trial.key),
            fit_usage=solver.fit_usage,
            predict_usage=usage,
            latency_usage=timing.usage,
            latencies_s=times,
            trainable_parameters=solver.trainable_parameters,
        )

    def _detail(self, message: str, done: float) -> None:
        self.progress(replace(self._step, detail=f"{message} {done:.0%}"))

    def _home(self, key: str) -> Path:
        """Where a trial's solver is kept while the study runs."""
        return self.folder / "trials" / key

    def _prune(self, done: Sequence[TrialRecord]) -> None:
        """Drop solvers that cannot be handed over: those of an approach that has a finished trial with more labels."""
        newest = done[-1]
        for older in done[:-1]:
            if older.approach == newest.approach and older.n_labels < newest.n_labels:
                shutil.rmtree(self._home(older.key), ignore_errors=True)

    def _blank(self, trial: Trial, status: str, error: str) -> TrialRecord:
        approach = trial.approach
        references = approach.models()
        local = all(self.pool.local(reference) for reference in references) if status == "done" else True
        return TrialRecord(
            trial.key, approach.to_json(), approach.title, approach.family, trial.n_labels, trial.seed, status, error, references, local
        )


def latencies(solver: Solver, inputs: Sequence[Inputs]) -> tuple[float, ...]:
    """Wall-clock seconds of one prediction at a time, with no cache of earlier answers; the first, which warms up, is left out."""
    times: list[float] = []
    with uncached():
        if inputs:
            solver.predict([inputs[-1]])
        for value in inputs:
            began = time.perf_counter()
            solver.predict([value])
            times.append(time.perf_counter() - began)
            if sum(times) > LATENCY_LIMIT_S and len(times) >= 3:
                break
    return tuple(times)


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
    """The answers of every trial that is done: trial key → row id → prediction."""
    journal = Journal(journal_path)
    try:
        return {record.key: journal.answers(record.key) for record in records if record.status == "done"}
    finally:
        journal.close()
