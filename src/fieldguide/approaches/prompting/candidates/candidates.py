"""Candidate answers to a row, each once and with its probability: what a verifier or a judge then chooses from.

Closed answers are the options themselves, the likeliest first, with softmax(log p(option | prompt)). Open ones, and those of models that only write,
are drawn at a temperature; the share of the samples that gave an answer is then its estimated probability, and answers are the same if they are in
`votes.said`. The prompt is that of `prompt-zero-shot`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from fieldguide.approaches.approach import Approach, FitContext
from fieldguide.approaches.prompting.asking import Asking
from fieldguide.approaches.prompting.prompt import Prompted, PromptSolver, check_room, needs_prompting
from fieldguide.approaches.prompting.reasoning.thinking import needs_whole
from fieldguide.approaches.prompting.reasoning.votes import said, tally
from fieldguide.approaches.prompting.samples import BETWEEN
from fieldguide.errors import ApproachError
from fieldguide.models.model import Generation, Model
from fieldguide.models.pool import ModelPool
from fieldguide.models.text import clean
from fieldguide.records import Inputs, Prediction, Unparsed
from fieldguide.tasks.kinds.forms import ChoiceKind
from fieldguide.tasks.task import TaskSpec
from fieldguide.tasks.template import Template

SAME = 1e-9
"""How far below the best a weight may lie and count as tied with it, so that rounding does not decide."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An answer that may be chosen, in words as prompts show it, and how probable the model finds it."""

    value: Any
    said: str
    share: float


@dataclass(frozen=True, kw_only=True)
class PromptCandidates(Prompted):
    """What approaches share that draw candidates and then choose among them."""

    answers = frozenset({"label", "choice", "number", "text"})
    on_request = True

    candidates: int = 4
    """Options that are looked at, the likeliest of them, or samples that are drawn."""
    temperature: float = 0.7
    """At which samples are drawn; the options of a model that scores need none."""

    def repeats(self) -> bool:
        return True

    def most(self, task: TaskSpec) -> int:
        """Candidates of one row, at most."""
        return min(self.candidates, len(task.labels)) if task.reader.answer == "label" else self.candidates

    def asking(self, task: TaskSpec, context: FitContext) -> tuple[Model, Asking]:
        needs_whole(self, "candidates", self.candidates, 2)
        if not 0 < self.temperature < float("inf"):
            raise ApproachError(f"{self.title} takes no temperature={self.temperature!r}; give more than 0, or all samples would be the same.")
        return super().asking(task, context)

    def second(self, context: FitContext, reference: str, asking: Asking, template: Template) -> Model:
        """The model that chooses; raises `ApproachError` if it cannot be prompted or has no room for its own prompt."""
        model = context.models.get(reference)
        if not model.facts.can & {"score", "generate"}:
            needs_prompting(model, asking.task)
        check_room(model, Asking(asking.task, template, asking.by_text))
        return model

    def sampling(self, context: FitContext) -> dict[str, Any]:
        return {"n": self.candidates, "temperature": self.temperature, "seed": context.seed}


class CandidateSolver(PromptSolver):
    """Draws candidates; which of them is the answer is a subclass's to say (`_weights`)."""

    approach: PromptCandidates

    def __init__(self, model: str, template: Template, by_text: bool, normalise: str, sampling: Mapping[str, Any]) -> None:
        super().__init__(model, template, (), by_text, normalise)
        self.sampling = dict(sampling)

    def candidates(self, inputs: Sequence[str | Inputs]) -> list[list[Candidate]]:
        """Each row's candidates, the most probable first; none where nothing could be read or there is nothing to choose from."""
        rows, model, asking = self._rows(inputs, "candidates"), self.models.get(self.model), self.asking
        able = [i for i, row in enumerate(rows) if asking.written or asking.reader.options(self.task, row)]
        asked = [rows[i] for i in able]
        drawn = dict(zip(able, self._drawn(model, asked, self._prompts(model, asked)) if asked else (), strict=True))
        return [drawn[i].value if i in drawn and drawn[i].parsed else [] for i in range(len(rows))]

    def _drawn(self, model: Model, inputs: list[Inputs], prompts: list[str]) -> list[Prediction]:
        """Rows' candidates as the value of a prediction, with all that was written as its text, or `Unparsed`."""
        return super()._answered(model, inputs, prompts)

    def _answered(self, model: Model, inputs: list[Inputs], prompts: list[str]) -> list[Prediction]:
        found = self._drawn(model, inputs, prompts)
        places = [i for i, drawn in enumerate(found) if drawn.parsed]
        weights = self._weights([inputs[i] for i in places], [found[i].value for i in places])
        for i, own in zip(places, weights, strict=True):
            found[i] = self._settled(inputs[i], found[i].value, own, found[i].text)
        return found

    def _weights(self, inputs: Sequence[Inputs], drawn: Sequence[Sequence[Candidate]]) -> list[list[float]]:
        """How much speaks for each candidate of each row, 0 or more."""
        raise NotImplementedError

    def _settled(self, row: Inputs, own: Sequence[Candidate], weights: Sequence[float], text: str | None) -> Prediction:
        """The candidate with the largest weight, of those that tie the most probable; closed answers have the shares of all weight."""
        if sum(weights) <= 0:
            weights = [each.share for each in own]
        best = own[leader(weights)]
        if self.asking.written:
            return Prediction(best.value, None, text)
        whole, parts = math.fsum(weights), {each.value: weight for each, weight in zip(own, weights, strict=True)}
        return Prediction(best.value, {value: parts.get(value, 0.0) / whole for value in self.task.reader.options(self.task, row)}, text)

    def _by_score(self, model: Model, inputs: list[Inputs], prompts: list[str]) -> list[Prediction]:
        found = []
        for row, scored in zip(inputs, super()._by_score(model, inputs, prompts), strict=True):
            assert scored.probabilities is not None
            best = sorted(scored.probabilities.items(), key=lambda item: -round(item[1], 9))[: self.approach.candidates]
            found.append(Prediction([Candidate(value, self.proposed(row, value), share) for value, share in best]))
        return found

    def _by_choosing(self, model: Model, inputs: list[Inputs], prompts: list[str]) -> list[Prediction]:
        found = model.choose(prompts, [self.asking.options(row) for row in inputs], **self.sampling)
        return [self._answer(written, row) for written, row in zip(found, inputs, strict=True)]

    def _answer(self, written: Sequence[Generation], row: Inputs) -> Prediction:
        """The answers of one row's samples; those that could not be read only lower the shares."""
        form, read = self.task.reader.answer, [self._read(each, row) for each in written]
        text, values = BETWEEN.join(each.text for each in written), {said(form, own): own.value for own in reversed(read)}
        counts = tally([(said(form, own), 1.0) for own in read])
        if not counts:
            why = read[0].value
            assert isinstance(why, Unparsed)
            return Prediction(why, text=text)
        order = sorted(counts.items(), key=lambda item: -item[1])
        return Prediction([Candidate(values[key], self.proposed(row, values[key]), count / len(read)) for key, count in order], text=text)

    def proposed(self, row: Inputs, value: Any) -> str:
        """An answer in words as a prompt that judges it shows it, without blank lines: a choice by its text, after its letter where prompts list it."""
        reader = self.task.reader
        if isinstance(reader, ChoiceKind):
            text = reader.choices(self.task, row)[reader.options(self.task, row).index(value)].strip()
            return closed(text if self.by_text else f"{value}. {text}")
        return closed(reader.say(self.task, value, row))

    def _save(self, folder: Path) -> Mapping[str, Any]:
        return {**super()._save(folder), "sampling": self.sampling}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        assert isinstance(approach, PromptCandidates)
        return cls(approach.model, Template(**state["template"]), state["by_text"], state["normalise"], state["sampling"])


def leader(weights: Sequence[float]) -> int:
    """The place of the largest weight; of those that tie the first."""
    return next(i for i, weight in enumerate(weights) if weight >= max(weights) - SAME)


def closed(text: str) -> str:
    """A text without blank lines, which part the blocks of a prompt."""
    return re.sub(r"\n\s*\n", "\n", clean(text).strip())
