"""What will be tried: label counts × approaches × seeds, in the order in which a budget is spent on them.

The plan is a pure function of task, approaches and settings, so that a study that is stopped and started again walks the same
path. Order: first the approaches that cost seconds, every seed of them, so that a small budget still sees whole learning curves;
then those that prompt or tune a network, seed by seed: the smallest label count, which tells their pace, then all labels, which
the verdict is about, then what lies between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fieldguide.approaches.approach import Approach
from fieldguide.models.pool import ModelPool
from fieldguide.records import Row, fingerprint
from fieldguide.study.trial import LATENCY_ROWS, Trial, TrialRecord
from fieldguide.tasks.task import Role, Task, nested_subset

FIRST_RUNG, RATIO = 16, 4
DEAR = frozenset({"prompting", "tuning"})
"""Families whose trials cost minutes where the others cost seconds."""
PROMPTED_SELECT_SHARE = 0.25
"""Of the rows that a prompted trial answers, the share that steers choices; the rest give the verdict's figures."""


@dataclass(frozen=True)
class Plan:
    trials: tuple[Trial, ...]
    """In the order in which they run."""
    ladder: tuple[int, ...]
    """Label counts, ascending; the last is every label there is."""
    unsuited: tuple[TrialRecord, ...]
    """Approaches that cannot serve this task, with the reason."""


def ladder(available: int) -> tuple[int, ...]:
    """16, 64, 256, … and last all labels; a rung above half of all is left out, since the last says the same."""
    rungs, rung = [], FIRST_RUNG
    while rung * 2 <= available:
        rungs.append(rung)
        rung *= RATIO
    return (*rungs, available)


def shared_order(rows: Sequence[Row]) -> list[str]:
    """Row ids in one order for every approach, unrelated to file order: a prefix of it is a fair sample that all share."""
    return sorted((row.id for row in rows), key=lambda i: (fingerprint(i), i))


def make_plan(task: Task, approaches: Sequence[Approach], pool: ModelPool, *, seeds: int, seed: int, prompt_rows: int | None) -> Plan:
    """Every trial worth running. `prompt_rows` caps the rows that a prompted trial answers; None lifts the cap."""
    train, select, certify = task[Role.TRAIN], shared_order(task[Role.SELECT]), shared_order(task[Role.CERTIFY])
    rungs = ladder(len(train))
    subsets = {(n, s): tuple(row.id for row in nested_subset(train, n, s)) for n in rungs for s in range(seed, seed + seeds)}
    trials: list[tuple[tuple[bool, int, int, int], Trial]] = []
    unsuited = []
    for place, approach in enumerate(approaches):
        if why := approach.unsuited(task.spec):
            unsuited.append(refusal(approach, why))
            continue
        identities = {reference: pool.identity(reference) for reference in approach.models()}
        chosen, tested = select, certify
        if approach.family == "prompting" and prompt_rows is not None:
            steer = min(len(select), round(prompt_rows * PROMPTED_SELECT_SHARE))
            chosen, tested = select[:steer], certify[: prompt_rows - steer]
        for n in approach.label_counts(rungs):
            for s in range(seed, seed + (seeds if approach.repeats() else 1)):
                ids = subsets[n, s] if n else ()
                timed = min(len(tested), LATENCY_ROWS) + 1
                calls = approach.calls(n, len(chosen) + len(tested) + timed, task.spec)
                trial = Trial(approach, n, s, ids, tuple(chosen), tuple(tested), task.fingerprint, identities, calls)
                dear = approach.family in DEAR
                trials.append(((dear, s, _turn(n, rungs) if dear else n, place), trial))
    trials.sort(key=lambda item: item[0])
    return Plan(tuple(trial for _, trial in trials), rungs, tuple(unsuited))


def _turn(n: int, rungs: Sequence[int]) -> int:
    """When a label count has its turn: none and the smallest, then all, then the rest as they come."""
    if n <= rungs[0]:
        return 0
    return 1 if n == rungs[-1] else 1 + rungs.index(n)


def refusal(approach: Approach, why: str) -> TrialRecord:
    """The record of an approach that cannot serve the task."""
    return TrialRecord("", approach.to_json(), approach.title, approach.family, 0, 0, "unsuited", why, approach.models())
