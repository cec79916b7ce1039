"""From evidence to a verdict: the findings written out, with the solver that is handed over."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from fieldguide.records import Unparsed, Usage, plain
from fieldguide.tasks.metrics import metric
from fieldguide.verdict.cascades import concluded, stage_trials, with_cascades
from fieldguide.verdict.cells import Cell
from fieldguide.verdict.curves import crossings
from fieldguide.verdict.details import detailed
from fieldguide.verdict.differences import differences
from fieldguide.verdict.doubts import doubts
from fieldguide.verdict.evidence import Evidence
from fieldguide.verdict.findings import Findings, find
from fieldguide.verdict.forms import UNREAD, form_of
from fieldguide.verdict.key import with_verdict
from fieldguide.verdict.measure import Ruler
from fieldguide.verdict.sentence import sentence, told
from fieldguide.verdict.standings import standings
from fieldguide.verdict.verdict import Constraints, KeyPath, Verdict

MOST_CONFUSIONS = 10


def reach(
    evidence: Evidence, *, tolerance: float, constraints: Constraints, machine_price_usd_per_hour: float, key: KeyPath | None = None
) -> Verdict:
    """The verdict on a study. `tolerance` is in the metric's own units (0.02 is two points). Same evidence, same verdict.

    `key` is the survey's key as walked on the same task, if it was.
    """
    evidence, tried = with_cascades(evidence, machine_price_usd_per_hour, tolerance=tolerance, limits=constraints)
    found = find(evidence, tolerance, constraints, machine_price_usd_per_hour)
    winner = found.measured.get(found.recommended) if found.recommended else None
    record_index = _handed_over(evidence, found.ruler, winner.cell) if winner else 0
    crossed = crossings(found)
    spoken, measured = told(found, crossed) if winner else None, [record for record in evidence.records if record.family != "cascade"]
    return Verdict(
        sentence=sentence(found, crossed),
        recommended=found.recommended,
        sure=found.sure,
        caveat=found.caveat,
        best=found.comparison.best,
        standings=detailed(found, standings(found)),
        doubts=doubts(found),
        notes=tuple(evidence.notes),
        task=_task(evidence),
        rows=dict(evidence.rows),
        tolerance=tolerance,
        constraints=constraints,
        machine_price_usd_per_hour=machine_price_usd_per_hour,
        rows_to_settle=found.rows_to_settle,
        spent=sum((record.fit_usage + record.predict_usage + record.latency_usage for record in measured), Usage()),
        seconds=sum(record.fit_s + record.predict_s + sum(record.latencies_s) for record in measured),
        budget=evidence.budget,
        provenance=plain(evidence.provenance),
        confusions=_confusions(found.ruler, winner.cell, record_index) if winner and form_of(evidence.task) == "label" else (),
        handed_over=_solver(found, winner.cell, record_index) if winner else {},
        crossings=tuple(replace(each, told=each is spoken) for each in crossed),
        cascades=concluded(tried, found.recommended, found.ruler, found.metric, found.measured, found.running, [k for k in found.objections if found.objections[k]]),
        events=tuple(evidence.events),
        key_path=with_verdict(key, winner.first.family if winner else "") if key else None,
        differences=differences(found),
        level=found.level,
    )


def _handed_over(evidence: Evidence, ruler: Ruler, cell: Cell) -> int:
    """Which of the cell's trials gives the solver: the best on its select rows; ties, and no such rows, go to the lowest seed."""

    def score(i: int) -> float:
        value = _select_score(evidence, cell, i)[0]
        return value if value is not None else 0.0

    return max(range(len(cell.records)), key=lambda i: (score(i), -cell.records[i].seed))


def _select_score(evidence: Evidence, cell: Cell, i: int) -> tuple[float | None, int]:
    """(the task's metric of one trial on its select rows, how many they were)."""
    answers = evidence.answers[cell.records[i].key]
    ids = [row for row in evidence.select_targets if row in answers]
    if not ids:
        return None, 0
    return metric(evidence.metric).of([evidence.select_targets[row] for row in ids], [answers[row] for row in ids]), len(ids)


def _single(cell: Cell, i: int) -> Cell:
    """One trial of a cell as a cell of its own."""
    return Cell(f"{cell.key}/{i}", cell.n_labels, (cell.records[i],), cell.rows, (cell.answers[i],), len(cell.rows))


def _solver(found: Findings, cell: Cell, i: int) -> dict[str, Any]:
    select, rows = _select_score(found.evidence, cell, i)
    record = cell.records[i]
    quality = plain(found.ruler.estimate(found.metric, _single(cell, i)))
    handed = {
        "trial": record.key, "n_labels": record.n_labels, "seed": record.seed, "quality": quality,
        "select_quality": select, "select_rows": rows,
    }  # fmt: skip
    if record.family == "cascade":
        handed |= {"stages": list(stage_trials(found.evidence, record)), "approach": plain(record.approach)}
    return handed


def _confusions(ruler: Ruler, cell: Cell, i: int) -> tuple[dict[str, Any], ...]:
    """The most frequent mistakes of one trial, of answers that are labels."""
    pairs = zip((ruler.targets[row] for row in cell.rows), cell.answers[i], strict=True)
    wrong = Counter((str(t), UNREAD if isinstance(v, Unparsed) else str(v)) for t, v in pairs if t != v)
    ranked = sorted(wrong.items(), key=lambda item: (-item[1], item[0]))[:MOST_CONFUSIONS]
    return tuple({"target": target, "given": given, "count": n} for (target, given), n in ranked)


def _task(evidence: Evidence) -> dict[str, Any]:
    task = dict(plain(evidence.task))
    labels = [str(label) for label in task.get("labels", ())]
    return {**task, "metric": evidence.metric, "labels": {"count": len(labels), "names": labels}}
