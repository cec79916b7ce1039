"""Rows on which the leading approaches do not agree: what a person looks at to see how they differ."""

from __future__ import annotations

from collections.abc import Mapping

from fieldguide.records import Unparsed
from fieldguide.verdict.cells import Entry
from fieldguide.verdict.findings import Findings
from fieldguide.verdict.verdict import Difference

MOST_ROWS, MOST_APPROACHES, LONGEST = 40, 4, 280


def differences(found: Findings) -> tuple[Difference, ...]:
    """Certify rows that the recommended approach and the best of the others answer differently, the most divided first.

    Each approach speaks with its lowest seed. First come rows that somebody gets right and the recommended approach wrong.
    """
    if found.recommended is None:
        return ()
    shown = [found.measured[key] for key in (found.recommended, *_others(found))]
    ids = list(found.evidence.targets)
    given = {entry.key: _answers(entry) for entry in shown}
    shared = set.intersection(*(set(answers) for answers in given.values()))
    ranked = []
    for row in sorted(shared):
        target, said = str(found.evidence.targets[ids[row]]), [given[entry.key][row] for entry in shown]
        if len(set(said)) > 1:
            right = sum(answer == target for answer in said)
            ranked.append(((said[0] == target or not right, -right, row), row, target))
    ranked.sort()
    return tuple(
        Difference(ids[row], _cut(found.evidence.inputs.get(ids[row], {})), target, {entry.key: given[entry.key][row] for entry in shown})
        for _, row, target in ranked[:MOST_ROWS]
    )


def _others(found: Findings) -> list[str]:
    """The best of the other approaches that could be chosen, at most one of each family before a second comes in."""
    rest = [key for key in found.comparison.order if key in found.feasible and key != found.recommended]
    families: set[str] = set()
    first = [key for key in rest if (family := found.measured[key].first.family) not in families and not families.add(family)]  # type: ignore[func-returns-value]
    return [*first, *(key for key in rest if key not in first)][: MOST_APPROACHES - 1]


def _answers(entry: Entry) -> dict[int, str]:
    """Row number → answer of the entry's first seed."""
    answers = ("(no readable answer)" if isinstance(value, Unparsed) else str(value) for value in entry.cell.answers[0])
    return dict(zip(entry.cell.rows.tolist(), answers, strict=True))


def _cut(inputs: Mapping[str, str]) -> dict[str, str]:
    return {column: text if len(text) <= LONGEST else text[: LONGEST - 1] + "…" for column, text in inputs.items()}
