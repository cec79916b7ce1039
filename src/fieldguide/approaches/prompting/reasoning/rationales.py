"""Reasoning to show: what a model writes for training rows, kept where it came to the right answer (STaR: Zelikman et al. 2022, arXiv:2203.14465)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from fieldguide.models.model import Generation
from fieldguide.records import Inputs, Prediction, Row, Unparsed
from fieldguide.tasks.metrics import metric
from fieldguide.tasks.scoring.strings import equal
from fieldguide.tasks.task import TaskSpec

Chains = Callable[[list[Inputs]], list[tuple[Generation, Prediction]]]
"""Rows → the reasoning that a model writes, and the answer that it comes to."""


def rationales(task: TaskSpec, rows: Sequence[Row], chains: Chains, enough: int) -> dict[str, str]:
    """Row id → reasoning that came to the row's answer, without blank lines; rows are tried in order, `enough` at a time, until so many are found."""
    found: dict[str, str] = {}
    for start in range(0, len(rows), enough):
        tried = rows[start : start + enough]
        for row, (reasoning, answer) in zip(tried, chains([row.inputs for row in tried]), strict=True):
            said = re.sub(r"\s*\n\s*\n\s*", "\n", reasoning.text.strip())
            if said and right(task, row.target, answer.value):
                found[row.id] = said
        if len(found) >= enough:
            break
    return found


def right(task: TaskSpec, target: Any, value: Any) -> bool:
    """Whether an answer is wholly right: the label, choice or number itself, of texts what the task's metric gives full marks."""
    if isinstance(value, Unparsed):
        return False
    form = task.reader.answer
    if form == "text":
        return metric(task.metric).of([target], [value]) >= 1 - 1e-9
    return equal(target, value) if form == "number" else bool(target == value)
