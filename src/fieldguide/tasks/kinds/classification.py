"""Classification: one text (one or several columns), one label from a closed set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fieldguide.records import Inputs
from fieldguide.tasks.kinds.kind import LabelKind
from fieldguide.tasks.task import TaskSpec
from fieldguide.tasks.template import Template


class Classification(LabelKind):
    name = "classification"

    @classmethod
    def claim(cls, inputs: Mapping[str, Sequence[str]], targets: Sequence[Any]) -> float:
        return 0.5

    def segments(self, spec: TaskSpec, inputs: Inputs) -> tuple[str, ...]:
        return ("\n".join(inputs[column] for column in spec.inputs),)

    def show(self, spec: TaskSpec, inputs: Inputs) -> str:
        if len(spec.inputs) == 1:
            return f"Text: {inputs[spec.inputs[0]]}"
        return "\n".join(f"{column}: {inputs[column]}" for column in spec.inputs)

    def templates(self, spec: TaskSpec) -> tuple[Template, ...]:
        named = self._naming(spec)
        row = "{text}\nLabel:"
        return (
            Template("plain", f"Give the label of each text. The labels are: {named}", row),
            Template("question", f"Which of these labels fits the text best?\n{named}", row),
            Template("role", f"You sort texts into these categories: {named}\nAnswer with one category only.", "{text}\nCategory:"),
            Template("bare", "", row),
        )
