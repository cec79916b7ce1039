"""What prompted approaches share: the rendered prompt, the answer read from scores or from free text, and the saved form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from fieldguide.approaches.answers import predictions, softmax
from fieldguide.approaches.approach import Approach, Solver
from fieldguide.approaches.prompting.fit_text import MARGIN, TokenCounter, shorten
from fieldguide.errors import ApproachError
from fieldguide.models.model import Generation, Model
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Prediction, Unparsed
from fieldguide.tasks.task import TaskSpec
from fieldguide.tasks.template import Template


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A training row as the prompt shows it: the row's id, its text (perhaps cut), its answer in words."""

    id: str
    text: str
    answer: str


def named_template(task: TaskSpec, name: str) -> Template:
    """The kind's template of that name; raises `ApproachError` that lists the valid ones."""
    templates = {template.name: template for template in task.reader.templates(task)}
    if name not in templates:
        raise ApproachError(f"{task.kind} has no template called {name!r}; its templates are {', '.join(templates)}.")
    return templates[name]


def needs_prompting(model: Model) -> Model:
    """The model itself; raises `ApproachError` if it can neither score nor generate."""
    if not model.facts.can & {"score", "generate"}:
        raise ApproachError(f"The model {model.facts.reference!r} cannot be prompted; give a causal model such as smollm2-135m or hf:org/name.")
    return model


def longest_answer(task: TaskSpec, template: Template, count: TokenCounter, row: Inputs | None = None) -> int:
    """Tokens of the longest answer as it continues a prompt: of the options to `row`, or what its kind allows an open one."""
    reader = task.reader
    if reader.answer == "label":
        return max((count(template.option(reader.say(task, label))) for label in task.labels), default=16)
    if row is None:
        return 16
    options = reader.options(task, row)
    return max(count(template.option(reader.say(task, value, row))) for value in options) if options else reader.room(task, row)


LEAST_ROOM = 24
"""Tokens that a row must have."""


def check_room(model: Model, task: TaskSpec, template: Template) -> None:
    """Raise `ApproachError` if the instruction and an answer leave too little of the model's context to show a row."""
    if model.facts.context is None:
        return
    count = TokenCounter.of(model)
    taken = count(template.render("")) + longest_answer(task, template, count) + MARGIN
    if model.facts.context - taken < LEAST_ROOM:
        raise ApproachError(
            f"The instruction with {len(task.labels)} labels takes {taken:,} of the {model.facts.context:,} tokens that {model.facts.reference} "
            "can read, which leaves no room for a row; give shorter label descriptions or a model with a longer context."
        )


def _read(task: TaskSpec, written: Generation, row: Inputs) -> Prediction:
    if written.finish == "refused":
        return Prediction(Unparsed("", f"the model gave no answer: {written.reason}"))
    return Prediction(task.reader.parse(task, written.text, row), text=written.text)


class PromptSolver(Solver):
    """Answers by prompting. A model that can score ranks the options by log p(option | prompt); otherwise it writes, and the text is read."""

    def __init__(self, model: str, template: Template, demonstrations: Sequence[Demonstration] = ()) -> None:
        self.model, self.template, self.demonstrations = model, template, tuple(demonstrations)

    def _predict(self, inputs: list[Inputs]) -> list[Prediction]:
        model = self.models.get(self.model)
        prompts = self._prompts(model, inputs)
        if not all(self.task.reader.options(self.task, row) for row in inputs):
            return self._by_writing(model, inputs, prompts)
        return (self._by_score if "score" in model.facts.can else self._by_text)(model, inputs, prompts)

    def prompts(self, inputs: Sequence[Inputs]) -> list[str]:
        """The prompts that `predict` would send, one a row."""
        return self._prompts(self.models.get(self.model), inputs)

    def _prompts(self, model: Model, inputs: Sequence[Inputs]) -> list[str]:
        shown = [(d.text, d.answer) for d in self.demonstrations]
        texts = self._shown(model, inputs, self.template.render("", shown))
        return [self.template.render(text, shown) for text in texts]

    def _shown(self, model: Model, inputs: Sequence[Inputs], frame: str) -> list[str]:
        """Rows as text, cut to what the context leaves beside `frame` and the answer."""
        task, reader = self.task, self.task.reader
        if model.facts.context is None:
            return [reader.show(task, row) for row in inputs]
        count = TokenCounter.of(model)
        room = model.facts.context - count(frame) - MARGIN
        left = [room - longest_answer(task, self.template, count, row) for row in inputs]
        return [reader.show(task, shorten(row, own, lambda r: reader.show(task, r), count)) for row, own in zip(inputs, left, strict=True)]

    def _by_score(self, model: Model, inputs: list[Inputs], prompts: list[str]) -> list[Prediction]:
        task, reader = self.task, self.task.reader
        options = [reader.options(task, row) for row in inputs]
        totals = model.score(prompts, [self._said(row, values) for row, values in zip(inputs, options, strict=True)]).totals
        return [predictions(values, softmax(np.array([row])))[0] for values, row in zip(options, totals, strict=True)]

    def _by_text(self, model: Model, inputs: list[Inputs], prompts: list[str]) -> list[Prediction]:
        """The answer held to the options as far as the model's backend can; what it wrote is then read as free text is."""
        task, reader = self.task, self.task.reader
        options = [self._said(row, reader.options(task, row)) for row in inputs]
        return [_read(task, found[0], row) for found, row in zip(model.choose(prompts, options), inputs, strict=True)]

    def _by_writing(self, model: Model, inputs: list[Inputs], prompts: list[str]) -> list[Prediction]:
        """An open answer: written up to the end of its block, then read as its kind reads it."""
        task, reader = self.task, self.task.reader
        most = max(reader.room(task, row) for row in inputs)
        written = model.generate(prompts, max_tokens=most, stop=[self.template.separator])
        return [_read(task, found[0], row) for found, row in zip(written, inputs, strict=True)]

    def _said(self, row: Inputs, values: Sequence[Any]) -> list[str]:
        return [self.template.option(self.task.reader.say(self.task, value, row)) for value in values]

    def _save(self, folder: Path) -> Mapping[str, Any]:
        return {"template": self.template, "demonstrations": self.demonstrations}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        (model,) = approach.models()
        return cls(model, Template(**state["template"]), [Demonstration(**d) for d in state["demonstrations"]])
