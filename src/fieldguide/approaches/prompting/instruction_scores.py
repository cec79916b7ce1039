"""How good an instruction is: the mean over held-out rows of what it leads the model to, each row asked once and remembered."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from fieldguide.approaches.prompting.prompt import PromptSolver
from fieldguide.models.model import Model
from fieldguide.records import Row
from fieldguide.tasks.metrics import metric

LEAST_PROBABILITY = 1e-9
"""Below this a probability counts as this, so that no single row decides."""
WAYS = ("answers", "likelihood")


class InstructionScores:
    """Scores instructions on a fixed order of rows: those that were answered are not asked again, however often a score is wanted.

    `by` is "answers", the task's metric of the model's answers (APE's execution accuracy; Zhou et al. 2022, arXiv:2211.01910, section 3.2), or
    "likelihood", the mean over rows of log p(right answer and the end of its line | prompt) a token, in nats (the same, where it is the sum
    over the answer): where options are scored it is the log-probability of the right one among them.
    """

    def __init__(self, model: Model, rows: Sequence[Row], by: str, prompted: Callable[[str], PromptSolver]) -> None:
        self.model, self.rows, self.by, self.prompted = model, tuple(rows), by, prompted
        self.judge = metric(prompted("").task.metric)
        self.found: dict[str, list[Any]] = {}
        """Instruction → what each of the first rows gave: an answer, or a log-probability in nats."""

    def __call__(self, instructions: Sequence[str], seen: int) -> list[float]:
        """Each instruction's score on the first `seen` rows, higher is better."""
        missing = [(text, i) for text in dict.fromkeys(instructions) for i in range(len(self.found.setdefault(text, [])), min(seen, len(self.rows)))]
        if missing:
            for (text, _), value in zip(missing, self._asked(missing), strict=True):
                self.found[text].append(value)
        return [self._score(self.found[text][:seen]) for text in instructions]

    def seen(self, instruction: str) -> int:
        """Rows that the instruction was judged on."""
        return len(self.found.get(instruction, ()))

    def _score(self, values: Sequence[Any]) -> float:
        if self.by == "likelihood":
            return math.fsum(values) / len(values)
        found = self.judge.of([row.target for row in self.rows[: len(values)]], list(values))
        return found if math.isfinite(found) else self.judge.least

    def _asked(self, missing: Sequence[tuple[str, int]]) -> list[Any]:
        """What each (instruction, row) gives, all asked together."""
        solvers = {text: self.prompted(text) for text, _ in missing}
        prompts: list[str] = []
        for text, solver in solvers.items():  # in the order of `missing`
            prompts += solver._prompts(self.model, [self.rows[i].inputs for own, i in missing if own == text])
        rows, any_solver = [self.rows[i] for _, i in missing], next(iter(solvers.values()))
        asking = any_solver.asking
        if self.by == "likelihood" and asking.written:
            ends = [asking.template.option(asking.answer(row)) + asking.template.end for row in rows]
            scores = self.model.score(prompts, [[end] for end in ends])
            return [total / len(parts) for (total,), (parts,) in zip(scores.totals, scores.tokens, strict=True)]
        answers = any_solver._answered(self.model, [row.inputs for row in rows], prompts)
        if self.by == "answers":
            return [answer.value for answer in answers]
        return [math.log(max((answer.probabilities or {}).get(row.target, 0.0), LEAST_PROBABILITY)) for answer, row in zip(answers, rows, strict=True)]
