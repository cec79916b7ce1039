"""Few-shot prompt: the zero-shot prompt with labelled demonstrations before the row (Brown et al. 2020, arXiv:2005.14165).

One set of demonstrations a trial, dealt out over the labels in turn, in an order that the seed shuffles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fieldguide.approaches.approach import Approach, FitContext, Solver
from fieldguide.approaches.prompting.fit_text import MARGIN, TokenCounter, shorten
from fieldguide.approaches.prompting.prompt import Demonstration, PromptSolver, check_room, longest_answer, named_template, needs_prompting
from fieldguide.errors import ApproachError
from fieldguide.models.model import Model
from fieldguide.models.text import clean
from fieldguide.records import Row
from fieldguide.tasks.task import TaskSpec
from fieldguide.tasks.template import Template

SHORTEST_CUT = 32  # tokens: no demonstration is cut below this


@dataclass(frozen=True, kw_only=True)
class PromptFewShot(Approach):
    """Up to `shots` class-balanced demonstrations, as many as the context holds, then the row."""

    name = "prompt-few-shot"
    title = "Few-shot prompt"
    family = "prompting"
    needs = frozenset({"score", "generate"})

    model: str = "smollm2-135m"
    template: str = "plain"
    """The name of one of the kind's templates."""
    shots: int = 16

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        """The rungs up to the first that holds `shots` rows: labels beyond it would not be shown."""
        enough = next((i for i, rung in enumerate(ladder) if rung >= self.shots), len(ladder))
        return tuple(ladder[: enough + 1])

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        return n_rows

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> PromptSolver:
        if self.shots < 1:
            raise ApproachError(f"A few-shot prompt needs at least 1 shot; it was given {self.shots}. For none, take prompt-zero-shot.")
        if not train:
            raise ApproachError("A few-shot prompt shows labelled rows and was given none; give it at least one.")
        model = needs_prompting(context.models.get(self.model))
        template = named_template(task, self.template)
        check_room(model, task, template)
        dealt = deal(train, self.shots, context.seed)
        shown = fitting(model, task, template, dealt, train)
        if not shown:
            raise ApproachError(f"No demonstration fits into the context of {self.model} beside the instruction; shorten the label descriptions.")
        order = np.random.default_rng([context.seed, 3301]).permutation(len(shown))
        return PromptSolver(self.model, template, [shown[i] for i in order])

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return PromptSolver


def deal(train: Sequence[Row], size: int, seed: int) -> list[Row]:
    """`size` rows dealt out over the labels in turn, both in shuffled order: any number of the first are as balanced as they can be."""
    rng = np.random.default_rng([seed, 3307])
    queues: dict[str, list[Row]] = {}
    for i in rng.permutation(len(train)):
        queues.setdefault(str(train[i].target), []).append(train[i])
    rounds = max(len(queue) for queue in queues.values())
    dealt = [queue[i] for i in range(rounds) for queue in queues.values() if i < len(queue)]
    return dealt[:size]


def fitting(model: Model, task: TaskSpec, template: Template, dealt: Sequence[Row], train: Sequence[Row]) -> list[Demonstration]:
    """The dealt rows as demonstrations: long ones cut, and those at the end dropped, so that the longest training row would still fit.

    A row to answer may take up to a third of the context; a longer one is cut when it comes.
    """
    reader, count, context = task.reader, TokenCounter.of(model), model.facts.context
    answers = {row.id: reader.say(task, row.target, row.inputs) for row in dealt}
    if context is None:
        return [Demonstration(row.id, clean(reader.show(task, row.inputs)), answers[row.id]) for row in dealt]
    longest = max(count(reader.show(task, shorten(row.inputs, context // 3, lambda r: reader.show(task, r), count))) for row in train)
    room = context - count(template.render("")) - longest_answer(task, template, count) - min(longest, context // 3) - MARGIN
    most = max(SHORTEST_CUT, 2 * room // len(dealt))
    shown: list[Demonstration] = []
    for row in dealt:
        text = reader.show(task, shorten(row.inputs, most, lambda r: reader.show(task, r), count))
        room -= count(template.row.format(text=text) + template.option(answers[row.id]) + template.separator)
        if room < 0:
            break
        shown.append(Demonstration(row.id, text, answers[row.id]))
    return shown
