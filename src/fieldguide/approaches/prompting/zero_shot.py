"""Zero-shot prompt: an instruction, the row, and the model's most likely answer, or what it writes. No labelled rows are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fieldguide.approaches.approach import FitContext
from fieldguide.approaches.prompting.prompt import Prompted, PromptSolver
from fieldguide.records import Row
from fieldguide.tasks.task import TaskSpec


@dataclass(frozen=True, kw_only=True)
class PromptZeroShot(Prompted):
    """The option with the highest log p(option | instruction, row), in words; open answers are written and parsed."""

    name = "prompt-zero-shot"
    title = "Zero-shot prompt"
    contract_exceptions = {"beats_majority": "It sees no labelled rows, so a made-up label may mean nothing to it."}

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        return (0,)

    def repeats(self) -> bool:
        return False

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> PromptSolver:
        _, asking = self.asking(task, context)
        return PromptSolver(self.model, asking.template, (), asking.by_text, self.normalise)
