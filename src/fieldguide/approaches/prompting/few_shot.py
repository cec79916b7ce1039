"""Few-shot prompt: the zero-shot prompt with labelled demonstrations before the row (Brown et al. 2020, arXiv:2005.14165).

One set of demonstrations a trial, dealt out over the labels in turn where a kind has labels, in an order that the seed shuffles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fieldguide.approaches.approach import FitContext, rungs_up_to
from fieldguide.approaches.prompting.asking import Asking
from fieldguide.approaches.prompting.fit_text import MARGIN, TokenCounter, shorten
from fieldguide.approaches.prompting.prompt import Demonstration, Prompted, PromptSolver
from fieldguide.errors import ApproachError
from fieldguide.models.model import Model
from fieldguide.models.text import clean
from fieldguide.records import Row
from fieldguide.tasks.task import TaskSpec

SHORTEST_CUT = 32  # tokens: no demonstration is cut below this
WHOLE = frozenset({"tags", "parse", "span", "ranking", "text"})
"""Forms whose answers may speak of the row's every part: a row that is cut would no longer be shown with the right answer."""


@dataclass(frozen=True, kw_only=True)
class PromptFewShot(Prompted):
    """Up to `shots` class-balanced demonstrations, as many as the context holds, then the row."""

    name = "prompt-few-shot"
    title = "Few-shot prompt"

    shots: int = 16

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        """The rungs up to the first that holds `shots` rows: labels beyond it would not be shown."""
        return rungs_up_to(ladder, self.shots)

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> PromptSolver:
        if self.shots < 1:
            raise ApproachError(f"A few-shot prompt needs at least 1 shot; it was given {self.shots}. For none, take prompt-zero-shot.")
        if not train:
            raise ApproachError("A few-shot prompt shows labelled rows and was given none; give it at least one.")
        model, asking = self.asking(task, context)
        every = asking.reader.answer in WHOLE
        if asking.reader.answer == "text":
            train = tuple(row for row in train if asking.reader.example(row.target))
            if not train:
                raise ApproachError("No training row holds a right text to show; give references, or prompt without demonstrations (prompt-zero-shot).")
        dealt = deal(train, len(train) if every else self.shots, context.seed, asking.reader.stratum)
        shown = fitting_whole(model, asking, dealt, self.shots) if every else fitting(model, asking, dealt, train)
        if not shown:
            raise ApproachError(f"No demonstration fits into the context of {self.model} beside the instruction; {_shorten(task)}.")
        order = np.random.default_rng([context.seed, 3301]).permutation(len(shown))
        return PromptSolver(self.model, asking.template, [shown[i] for i in order], asking.by_text, self.normalise)


def _shorten(task: TaskSpec) -> str:
    return "shorten the label descriptions" if task.labels else "give shorter rows or a model with a longer context"


def deal(train: Sequence[Row], size: int, seed: int, stratum: Callable[[Any], str] = str) -> list[Row]:
    """`size` rows dealt out over the strata of their targets in turn, both in shuffled order: any number of the first are as balanced as they
    can be. Where all targets are of one stratum that is a plain draw."""
    rng = np.random.default_rng([seed, 3307])
    queues: dict[str, list[Row]] = {}
    for i in rng.permutation(len(train)):
        queues.setdefault(stratum(train[i].target), []).append(train[i])
    rounds = max(len(queue) for queue in queues.values())
    dealt = [queue[i] for i in range(rounds) for queue in queues.values() if i < len(queue)]
    return dealt[:size]


def fitting(model: Model, asking: Asking, dealt: Sequence[Row], train: Sequence[Row]) -> list[Demonstration]:
    """The dealt rows as demonstrations: long ones cut, and those at the end dropped, so that the longest training row would still fit.

    A row to answer may take up to a third of the context; a longer one is cut when it comes.
    """
    template, count, context = asking.template, TokenCounter.of(model), model.facts.context
    answers = {row.id: asking.answer(row) for row in dealt}
    if context is None:
        return [Demonstration(row.id, clean(asking.show(row.inputs)), answers[row.id]) for row in dealt]
    longest = max(count(asking.show(shorten(row.inputs, context // 3, asking.show, count))) for row in train)
    room = context - count(template.render("")) - _answer_room(asking, train, count, context) - min(longest, context // 3) - MARGIN
    most = max(SHORTEST_CUT, 2 * room // len(dealt))
    shown: list[Demonstration] = []
    for row in dealt:
        text = asking.show(shorten(row.inputs, most, asking.show, count))
        room -= count(template.row.format(text=text) + template.option(answers[row.id]) + template.separator)
        if room < 0:
            break
        shown.append(Demonstration(row.id, text, answers[row.id]))
    return shown


def fitting_whole(model: Model, asking: Asking, dealt: Iterable[Row], shots: int) -> list[Demonstration]:
    """Up to `shots` demonstrations that are not cut: rows that take more than twice their share of the context are passed over, and where
    none is left the shortest is taken. Half of the context is left to the row to answer and its answer.
    """
    template, count, context = asking.template, TokenCounter.of(model), model.facts.context
    room = (context - count(template.render(""))) // 2 - MARGIN if context else None
    shown, spare, least = list[Demonstration](), list[Demonstration](), room or 0
    for row in dealt:
        found = Demonstration(row.id, clean(asking.show(row.inputs)), asking.answer(row))
        if room is not None and context is not None:
            size = count(template.row.format(text=found.text) + template.option(found.answer) + template.separator)
            if size <= least:
                spare, least = [found], size
            if size > min(room, 2 * (context // 2) // shots):
                continue
            room -= size
        shown.append(found)
        if len(shown) == shots:
            break
    return shown or spare


def _answer_room(asking: Asking, train: Sequence[Row], count: TokenCounter, context: int) -> int:
    if asking.reader.answer == "label":
        return asking.answer_tokens(None, count, context)
    return max(min(asking.answer_tokens(row.inputs, count, context), context // 3) for row in train)
