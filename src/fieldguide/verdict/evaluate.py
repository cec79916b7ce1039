"""Solvers, approaches and models measured on given tasks, without a study: a study's own trials, records, metrics and intervals.

What is fitted sees the task's training rows; every figure comes from its certify rows, the same for all that are measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fieldguide.approaches.approach import Approach, Solver
from fieldguide.approaches.cascade import Cascade
from fieldguide.errors import UserError
from fieldguide.models.pool import ModelPool
from fieldguide.records import Prediction, Row, plain
from fieldguide.study.budget import UNLIMITED
from fieldguide.study.journal import Journal
from fieldguide.study.ledger import Ledger
from fieldguide.study.plan import refusal, shared_order
from fieldguide.study.trial import Trial, TrialRecord
from fieldguide.study.work import Workbench
from fieldguide.tasks.task import Role, Task, nested_subset
from fieldguide.verdict.cells import Cell, cells_of
from fieldguide.verdict.doubts import rare_labels
from fieldguide.verdict.feasible import running
from fieldguide.verdict.likelihoods import likelihood_of_answers
from fieldguide.verdict.measure import Ruler
from fieldguide.verdict.prompt_bias import PromptBias, biases_of
from fieldguide.verdict.subjects import Subject
from fieldguide.verdict.verdict import Estimate

PROMPTED_ROWS = 150
"""Certify rows that a prompted approach answers unless more are asked for."""


@dataclass(frozen=True)
class Evaluation:
    """One solver on one task. What could not be measured has no metrics, and its record says why."""

    task: str
    kind: str
    metric: str
    """The one that decides; the first of `metrics`."""
    solver: str
    """As it was given."""
    source: str
    """Where the task's rows came from."""
    fingerprint: str
    """Of the task: changes if its question, any row, target or role does. Figures are comparable where it is the same."""
    record: TrialRecord
    """Of its trial, as a study keeps it: status, error, seconds, usage. For a solver whose labels are not known, `n_labels` is 0."""
    n_labels: int | None = None
    """Labels that it was fitted on; None where a saved solver does not say."""
    rows: int = 0
    """Certify rows that it answered."""
    metrics: Mapping[str, Estimate] = field(default_factory=dict)
    """Every metric of the kind: name → estimate with its 95 % interval. "answer_logprob" beside them where the kind asks for it and the solver
    can tell: it took calls of its own, which stand in no figure of the record."""
    unparsed_share: float | None = None
    """Share of its answers that could not be read as one; they count as wrong."""
    bias: PromptBias | None = None
    """Of a prompt that gives labels: what it leans towards, whatever is asked."""
    latency_p50_s: float | None = None
    latency_p95_s: float | None = None
    """Of a single row."""
    cost_per_1k_usd: float | None = None
    """API dollars for 1,000 rows, plus the machine's price for 1,000 times the mean single-row latency."""

    @property
    def measured(self) -> bool:
        return bool(self.metrics)

    def to_json(self) -> dict[str, Any]:
        """Plain values; a number that does not exist is None."""
        found: dict[str, Any] = _finite(plain(self))
        return found


@dataclass(frozen=True)
class Terms:
    """What holds for everything that is measured in one call."""

    rows: int = PROMPTED_ROWS
    """Certify rows that prompted approaches answer at most; 0 for all."""
    labels: int | None = None
    """Training rows that approaches are fitted on; None for all."""
    machine_price_usd_per_hour: float = 0.0

    def __post_init__(self) -> None:
        _whole("rows", self.rows, 0, "a number of rows, or 0 for all of them")
        if self.labels is not None:
            _whole("labels", self.labels, 1, "a number of training rows, at least 1")
        price = self.machine_price_usd_per_hour
        if isinstance(price, bool) or not isinstance(price, (int, float)) or not 0 <= price < math.inf:
            raise UserError(f"--machine-price is {price}, but it must be dollars an hour, 0 or more.")


def evaluate(
    subject: Subject, task: Task, terms: Terms, pool: ModelPool,
    detail: Callable[[str, float], None] = lambda message, done: None, say: Callable[[str], None] = lambda text: None,
) -> Evaluation:  # fmt: skip
    """Measure one subject on one task. Whatever goes wrong with it becomes its record.

    `say` is told of rows that are left out, since the solver has seen them, and where nobody knows which those are. Raises `RunError` only
    where nothing can be written down.
    """
    unseen = subject.unseen(task)
    for note in _about_rows(subject, task, len(unseen)):
        say(note)
    found = Evaluation(
        task.spec.name, task.spec.kind, task.spec.metric, subject.name, task.source, task.fingerprint,
        refusal(subject.approach, ""), subject.n_labels,
    )  # fmt: skip
    why = subject.unsuited(task.spec)
    if not why and not unseen:
        why = "It was fitted or chosen on every certify row of this task, or on near copies of them, so none is left to measure it on."
    if why:
        return replace(found, record=refusal(subject.approach, why))
    try:
        trial = _trial(subject, task, unseen, terms, pool)
    except UserError as error:  # a model that cannot be had
        return replace(found, record=replace(found.record, status="failed", error=str(error)))
    with TemporaryDirectory(prefix="fieldguide-") as folder:
        journal = Journal(Path(folder) / "journal.sqlite")
        try:
            bench = _Bench(task, Path(folder), pool, subject.solver)
            ledger = Ledger(UNLIMITED, terms.machine_price_usd_per_hour)
            record, answers = bench.attempt(trial, journal, ledger, lambda trial, answers: None, detail)
        finally:
            journal.close()
        n_labels = subject.n_labels if subject.solver else trial.n_labels
        return _measured(replace(found, record=record, n_labels=n_labels), task, answers, terms, bench.fitted, say)


def _about_rows(subject: Subject, task: Task, unseen: int) -> list[str]:
    """What there is to say of the rows that a saved solver may have seen, and of labels that too few rows have."""
    few = rare_labels(task.spec.metric, [row.target for row in task[Role.CERTIFY]])
    return [*_about_seen(subject, task, unseen), *([f"{task.spec.name}: {few}"] if few else [])]


def _about_seen(subject: Subject, task: Task, unseen: int) -> list[str]:
    certify = len(task[Role.CERTIFY])
    if subject.solver and subject.home is None:
        return [f"Which rows {subject.name} was fitted on is not known ({subject.homeless}), so it may have seen rows of {task.spec.name}."]
    if unseen < certify:
        rows = f"{certify - unseen:,} of the {certify:,} certify rows of {task.spec.name}"
        return [f"{rows} repeat rows that {subject.name} was fitted or chosen on; it skips them."]
    return []


@dataclass
class _Bench(Workbench):
    """A workbench for one trial, to which its fitted solver may be brought along, and which keeps it."""

    fitted: Solver | None = None

    def solver(self, trial: Trial, progress: Callable[[str, float], None] = lambda message, done: None) -> Solver:
        self.fitted = self.fitted or super().solver(trial, progress)
        return self.fitted


def _trial(subject: Subject, task: Task, unseen: Sequence[Row], terms: Terms, pool: ModelPool) -> Trial:
    """What is to be run: on a study's own label subset of that size and seed, and its own order of rows."""
    approach, train = subject.approach, task[Role.TRAIN]
    certify = tuple(shared_order(unseen))
    if terms.rows and prompts(approach):
        certify = certify[: terms.rows]
    if subject.solver is not None:
        return Trial(approach, subject.n_labels or 0, subject.seed, (), (), certify, task.fingerprint)
    able = min(len(train), terms.labels or len(train))
    n = max(approach.label_counts((able,)), default=0)
    ids = tuple(row.id for row in nested_subset(train, n, subject.seed, task.spec.reader.stratum)) if n else ()
    identities = {reference: pool.identity(reference) for reference in approach.models()}
    return Trial(approach, len(ids), subject.seed, ids, (), certify, task.fingerprint, identities)


def prompts(approach: Approach) -> bool:
    """Whether it prompts a model for its answers, or a part of it does."""
    return approach.family == "prompting" or (isinstance(approach, Cascade) and any(map(prompts, approach.parts())))


def _measured(
    found: Evaluation, task: Task, answers: Mapping[str, Prediction], terms: Terms, solver: Solver | None, say: Callable[[str], None]
) -> Evaluation:
    """The evaluation with its figures, where there are answers: a verdict's own, and what `solver`, which gave them, tells of the right ones."""
    record, targets = found.record, {row.id: row.target for row in task[Role.CERTIFY]}
    values = {record.key: {row: prediction.value for row, prediction in answers.items()}}
    cells: tuple[Cell, ...] = cells_of("", (record,), values, {row: i for i, row in enumerate(targets)})
    if not cells:
        return found
    (cell,), ruler = cells, Ruler.of(targets, task.clusters)
    asked = [task[Role.CERTIFY][i] for i in cell.rows]
    costs = running(cell, terms.machine_price_usd_per_hour)
    names = dict.fromkeys((found.metric, *task.spec.reader.metrics))
    return replace(
        found,
        rows=len(cell.rows),
        metrics={name: ruler.estimate(name, cell) for name in names} | likelihood_of_answers(solver, task, cell, ruler, say),
        unparsed_share=cell.unparsed_share,
        bias=biases_of(solver, task.spec, [answers[row.id] for row in asked], [row.target for row in asked]),
        latency_p50_s=costs.p50_s,
        latency_p95_s=costs.p95_s,
        cost_per_1k_usd=costs.per_1k_usd,
    )


def _whole(name: str, value: Any, least: int, expected: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UserError(f"--{name} is {value}, but it must be {expected}.")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
