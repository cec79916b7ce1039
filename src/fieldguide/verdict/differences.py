"""Rows on which the leading approaches do not agree: what a person looks at to see how they differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldguide.verdict.findings import Findings
from fieldguide.verdict.forms import SURE, RowScores, form_of, row_scores, said
from fieldguide.verdict.verdict import Difference

MOST_ROWS, MOST_APPROACHES, LONGEST = 40, 4, 280


def differences(found: Findings) -> tuple[Difference, ...]:
    """Certify rows that the recommended approach and the best of the others answer differently, the most divided first.

    Each approach speaks with its lowest seed. First come rows on which another does better than the recommended approach, the more the
    sooner; then those that most of them get right.
    """
    if found.recommended is None:
        return ()
    shown = [found.measured[key] for key in (found.recommended, *_others(found))]
    targets, form = found.evidence.targets, form_of(found.evidence.task)
    given = {entry.key: dict(zip(entry.cell.rows.tolist(), entry.cell.answers[0], strict=True)) for entry in shown}
    ids, rows = list(targets), sorted(set.intersection(*(set(answers) for answers in given.values())))
    divided = [row for row in rows if len({said(answers[row], form) for answers in given.values()}) > 1]
    per_row = row_scores(found.evidence.task["kind"], found.metric)
    scores = _scores(per_row, given, divided, [targets[ids[row]] for row in divided])
    own = [list(scores[entry.key].values()) for entry in shown]
    lead = {row: (first - max(first, *others), -sum((first, *others))) for row, first, *others in zip(divided, *own, strict=True)}
    divided.sort(key=lambda row: (*lead[row], row))
    marked = None if form in SURE else () if form == "number" or per_row is None else tuple(scores)
    return tuple(
        Difference(
            ids[row],
            {column: _cut(value) for column, value in found.evidence.inputs.get(ids[row], {}).items()},
            _short(said(targets[ids[row]], form, target=True), form),
            {key: _short(said(answers[row], form), form) for key, answers in given.items()},
            None if marked is None else {key: scores[key][row] for key in marked},
        )
        for row in divided[:MOST_ROWS]
    )


def _scores(per_row: RowScores | None, given: Mapping[str, Mapping[int, Any]], rows: list[int], targets: list[Any]) -> dict[str, dict[int, float]]:
    """Approach key → row → what its answer scores there; 0 where single rows score nothing."""
    if per_row is None or not rows:
        return {key: dict.fromkeys(rows, 0.0) for key in given}
    return {key: dict(zip(rows, per_row(targets, [answers[row] for row in rows]).tolist(), strict=True)) for key, answers in given.items()}


def _others(found: Findings) -> list[str]:
    """The best of the other approaches that could be chosen, at most one of each family before a second comes in."""
    rest = [key for key in found.comparison.order if key in found.feasible and key != found.recommended]
    families: set[str] = set()
    first = [key for key in rest if (family := found.measured[key].first.family) not in families and not families.add(family)]  # type: ignore[func-returns-value]
    return [*first, *(key for key in rest if key not in first)][: MOST_APPROACHES - 1]


def _short(text: str, form: str) -> str:
    """Answers and targets that are not labels can be long."""
    return text if form in SURE else _cut(text)


def _cut(value: Any) -> str:
    """A text, or a list of texts as one, of bounded length."""
    text = value if isinstance(value, str) else " | ".join(map(str, value))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
