"""What prompted approaches share: the parameters, the rendered prompt, the answer read from scores or from free text, the saved form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from fieldguide.approaches.answers import chosen, predictions, softmax
from fieldguide.approaches.approach import Approach, FitContext, Solver
from fieldguide.approaches.prompting.asking import CLOSED, WRITTEN, Asking, named_template, text_template
from fieldguide.approaches.prompting.fit_text import MARGIN, TokenCounter, shorten
from fieldguide.errors import ApproachError, Unsupported
from fieldguide.models.model import Generation, Model
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Prediction, Unparsed
from fieldguide.tasks.kinds.forms import ChoiceKind
from fieldguide.tasks.overlap import overlapping, repeats
from fieldguide.tasks.task import TaskSpec
from fieldguide.tasks.template import Template

CHOOSE, NORMALISE = ("letter", "text"), ("none", "bytes", "characters")
LEAST_ROW = 24
"""Tokens that a row must have."""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A training row as the prompt shows it: the row's id, its text (perhaps cut), its answer in words."""

    id: str
    text: str
    answer: str


@dataclass(frozen=True, kw_only=True)
class Prompted(Approach):
    """A prompt and a model. Closed answers are scored where the model can; open ones, and those of models that only write, are read."""

    family = "prompting"
    needs = frozenset({"score", "generate"})
    answers = CLOSED | WRITTEN

    model: str = "smollm2-135m"
    template: str = "plain"
    """The name of one of the kind's templates."""
    choose: str = "text"
    """How one of a row's own choices is scored: by its "text" as an answer to the question alone, or by its "letter" in a list."""
    normalise: str = "bytes"
    """What the log-probability of a choice's text is divided by: its "bytes", its "characters", or "none"."""

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        return n_rows

    def asking(self, task: TaskSpec, context: FitContext) -> tuple[Model, Asking]:
        """The model, and how it will be asked. Raises `ApproachError` for parameters that do not exist and a model that cannot answer."""
        for name, value, valid in (("choose", self.choose, CHOOSE), ("normalise", self.normalise, NORMALISE)):
            if value not in valid:
                raise ApproachError(f"{self.title} takes no {name}={value!r}; give {' or '.join(valid)}.")
        model = needs_prompting(context.models.get(self.model), task)
        by_text = self.choose == "text" and isinstance(task.reader, ChoiceKind) and "score" in model.facts.can
        asking = Asking(task, text_template(task, self.template) if by_text else named_template(task, self.template), by_text)
        check_room(model, asking)
        return model, asking

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return PromptSolver


def needs_prompting(model: Model, task: TaskSpec) -> Model:
    """The model itself; raises `ApproachError` if it cannot give the task's answers."""
    if not model.facts.can & {"score", "generate"}:
        raise ApproachError(f"The model {model.facts.reference!r} cannot be prompted; give a causal model such as smollm2-135m or hf:org/name.")
    if task.reader.answer not in CLOSED and "generate" not in model.facts.can:
        name = model.facts.reference
        raise ApproachError(f"The model {name!r} only scores given answers, and {task.kind} asks for written ones; give one that writes.")
    return model


def check_room(model: Model, asking: Asking) -> None:
    """Raise `ApproachError` if the instruction and an answer leave too little of the model's context to show a row."""
    if model.facts.context is None:
        return
    count, labels = TokenCounter.of(model), len(asking.task.labels)
    taken = count(asking.template.render("")) + asking.answer_tokens(None, count, model.facts.context) + MARGIN
    if model.facts.context - taken < LEAST_ROW:
        raise ApproachError(
            f"The instruction{f' with {labels} labels' * bool(labels)} takes {taken:,} of the {model.facts.context:,} tokens that "
            f"{model.facts.reference} can read, which leaves no room for a row; give shorter label descriptions or a model with a longer context."
        )


class PromptSolver(Solver):
    """Answers by prompting. A model that can score ranks the options by log p(option | prompt); otherwise it writes, and the text is read."""

    sampling: Mapping[str, Any] = {}
    """How texts are drawn, as `Model.generate` takes it: one greedy text unless a solver says otherwise."""

    def __init__(
        self, model: str, template: Template, demonstrations: Sequence[Demonstration] = (), by_text: bool = False, normalise: str = "none"
    ) -> None:
        self.model, self.template, self.demonstrations = model, template, tuple(demonstrations)
        self.by_text, self.normalise = by_text, normalise

    @property
    def asking(self) -> Asking:
        return Asking(self.task, self.template, self.by_text)

    def _predict(self, inputs: list[Inputs]) -> list[Prediction]:
        model, asking = self.models.get(self.model), self.asking
        able = [asking.written or bool(asking.reader.options(self.task, row)) for row in inputs]
        asked = [row for row, can in zip(inputs, able, strict=True) if can]
        found = iter(self._answered(model, asked, self._prompts(model, asked)) if asked else ())
        return [next(found) if can else chosen(()) for can in able]

    def _answered(self, model: Model, inputs: list[Inputs], prompts: list[str]) -> list[Prediction]:
        """The answers to rows that have one, each after its prompt."""
        answer = self._by_writing if self.asking.written else self._by_score if "score" in model.facts.can else self._by_choosing
        return answer(model, inputs, prompts)

    def _answer_log_probabilities(self, inputs: list[Inputs], values: list[Any]) -> list[tuple[float, int]]:
        """log p(answer as it continues the prompt | prompt) of open answers; no end is scored, and none of the steps that a template may ask for."""
        model, asking = self.models.get(self.model), self.asking
        if not asking.written:
            raise Unsupported(f"The answers to {self.task.kind} are closed; predict gives the probability of each of them.")
        if self.sampling or "score" not in model.facts.can:
            raise Unsupported(f"{self.approach.title} with {model.facts.reference} does not tell how likely it finds an answer.")
        said = [asking.template.option(asking.reader.say(self.task, value, row)) for value, row in zip(values, inputs, strict=True)]
        found = model.score(self._prompts(model, inputs), [[answer] for answer in said])
        return [(total, len(tokens)) for (total,), (tokens,) in zip(found.totals, found.tokens, strict=True)]

    def prompts(self, inputs: Sequence[Inputs]) -> list[str]:
        """The prompts that `predict` would send, one a row."""
        return self._prompts(self.models.get(self.model), inputs)

    def _prompts(self, model: Model, inputs: Sequence[Inputs]) -> list[str]:
        shown = [(d.text, d.answer) for d in self.demonstrations]
        texts = self._shown(model, inputs, self.template.render("", shown))
        return [self.template.render(text, shown) for text in texts]

    def _prompts_apart(self, model: Model, inputs: Sequence[Inputs]) -> list[str]:
        """The same, but a demonstration that repeats the row, or nearly does, is left out of its prompt."""
        told = [(d.text, d.answer) for d in self.demonstrations]
        texts = self._shown(model, inputs, self.template.render("", told))
        whole = [self.asking.show(row) for row in inputs] if told else []
        again = {i for i, _, _ in overlapping(whole, [text for text, _ in told])}
        others = {i: [one for one, same in zip(told, repeats([t for t, _ in told], [whole[i]]), strict=True) if not same] for i in again}
        return [self.template.render(text, others.get(i, told)) for i, text in enumerate(texts)]

    def _shown(self, model: Model, inputs: Sequence[Inputs], frame: str) -> list[str]:
        """Rows as text, cut to what the context leaves beside `frame` and the answer."""
        asking, context = self.asking, model.facts.context
        if context is None:
            return [asking.show(row) for row in inputs]
        count = TokenCounter.of(model)
        room = context - count(frame) - MARGIN
        same = asking.answer_tokens(None, count, context) if asking.reader.answer == "label" else None
        left = [room - (asking.answer_tokens(row, count, context) if same is None else same) for row in inputs]
        return [asking.show(shorten(row, own, asking.show, count)) for row, own in zip(inputs, left, strict=True)]

    def _by_score(self, model: Model, inputs: list[Inputs], prompts: list[str]) -> list[Prediction]:
        asking, reader = self.asking, self.task.reader
        options = [asking.options(row) for row in inputs]
        ends = [asking.end(own) for own in options]
        totals = model.score(prompts, [[option + end for option in own] for own, end in zip(options, ends, strict=True)]).totals
        if self.by_text and self.normalise != "none":
            said = ([text + end for text in asking.words(row)] for row, end in zip(inputs, ends, strict=True))
            totals = tuple(by_length(own, texts, self.normalise) for own, texts in zip(totals, said, strict=True))
        return [predictions(reader.options(self.task, row), softmax(np.array([own])))[0] for row, own in zip(inputs, totals, strict=True)]

    def _by_choosing(self, model: Model, inputs: list[Inputs], prompts: list[str]) -> list[Prediction]:
        """The answer held to the options as far as the model's backend can; what it wrote is then read as free text is."""
        found = model.choose(prompts, [self.asking.options(row) for row in inputs])
        return [self._read(written[0], row) for written, row in zip(found, inputs, strict=True)]

    def _by_writing(self, model: Model, inputs: list[Inputs], prompts: list[str]) -> list[Prediction]:
        """Open answers: written up to where they end, each in a room of its own size, then read as the kind reads them."""
        asking, context, count = self.asking, model.facts.context, TokenCounter.of(model)
        stop = asking.stops(model, [d.answer for d in self.demonstrations])
        found = [Prediction(Unparsed("", "the row does not fit the model's context, not even cut"))] * len(inputs)
        groups: dict[int, list[int]] = {}
        for i, row in enumerate(inputs):
            room = asking.room(row, context)
            if context is None or count(prompts[i]) + room <= context:
                groups.setdefault(room, []).append(i)
        for room, places in sorted(groups.items()):
            written = model.generate([prompts[i] for i in places], max_tokens=room, stop=stop, **self.sampling)
            for i, own in zip(places, written, strict=True):
                found[i] = self._answer(own, inputs[i])
        return found

    def _answer(self, written: Sequence[Generation], row: Inputs) -> Prediction:
        """What was written to a row, as its answer: the first, and only, text."""
        return self._read(written[0], row)

    def _read(self, written: Generation, row: Inputs) -> Prediction:
        if written.finish == "refused":
            return Prediction(Unparsed("", f"the model gave no answer: {written.reason}"))
        return Prediction(self.task.reader.parse(self.task, written.text, row), text=written.text)

    def _save(self, folder: Path) -> Mapping[str, Any]:
        return {"template": self.template, "demonstrations": self.demonstrations, "by_text": self.by_text, "normalise": self.normalise}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        (model,) = approach.models()
        shown = [Demonstration(**d) for d in state["demonstrations"]]
        return cls(model, Template(**state["template"]), shown, state.get("by_text", False), state.get("normalise", "none"))


def by_length(totals: Sequence[float], texts: Sequence[str], unit: str = "bytes") -> tuple[float, ...]:
    """Log-probabilities of texts a UTF-8 byte or a character, times the mean number of them, so that a softmax over them keeps its sharpness.

    The order is that of the log-probability divided by the length: `acc_bytes` and `acc_norm` of lm-evaluation-harness 0.4.13 (`api/task.py`,
    `process_results`), which are the same for ASCII. Spaces around a text do not count.
    """
    lengths = [max(len(text.encode("utf-8", "replace") if unit == "bytes" else text), 1) for text in texts]
    mean = sum(lengths) / len(lengths)
    return tuple(total / length * mean for total, length in zip(totals, lengths, strict=True))
