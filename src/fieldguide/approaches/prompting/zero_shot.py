"""Zero-shot prompt: an instruction that names the labels, the row, and the model's most likely label. No labelled rows are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fieldguide.approaches.approach import Approach, FitContext, Solver
from fieldguide.approaches.prompting.prompt import PromptSolver, check_room, named_template, needs_prompting
from fieldguide.records import Row
from fieldguide.tasks.task import TaskSpec


@dataclass(frozen=True, kw_only=True)
class PromptZeroShot(Approach):
    """The label with the highest log p(label | instruction, row), in words; free text is parsed where a model cannot score."""

    name = "prompt-zero-shot"
    title = "Zero-shot prompt"
    family = "prompting"
    needs = frozenset({"score", "generate"})
    contract_exceptions = {"beats_majority": "It sees no labelled rows, so a made-up label may mean nothing to it."}

    model: str = "smollm2-135m"
    template: str = "plain"
    """The name of one of the kind's templates."""

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        return (0,)

    def repeats(self) -> bool:
        return False

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        return n_rows

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> PromptSolver:
        template = named_template(task, self.template)
        check_room(needs_prompting(context.models.get(self.model)), task, template)
        return PromptSolver(self.model, template)

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return PromptSolver
