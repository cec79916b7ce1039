"""Prompted closed answers scored by a rule: calibrated by prompts without content, by pointwise mutual information, by length, or through a channel.

The rules and their sources stand in `scoring_rules`. Demonstrations are those of the few-shot prompt at the same seed. Priors of labels are
measured once, in `fit`; a row's own choices have a prior of their own, which is measured with the row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from fieldguide.approaches.answers import predictions, softmax
from fieldguide.approaches.approach import Approach, FitContext, Solver
from fieldguide.approaches.prompting.asking import CLOSED
from fieldguide.approaches.prompting.few_shot import PromptFewShot
from fieldguide.approaches.prompting.prompt import Demonstration, PromptSolver, by_length
from fieldguide.approaches.prompting.shots import scoring_rules as rules
from fieldguide.approaches.prompting.shots.scoring_rules import CONTENT_FREE, DRAWS, PROMPTS
from fieldguide.errors import ApproachError
from fieldguide.models.model import Model
from fieldguide.models.pool import ModelPool
from fieldguide.models.text import clean
from fieldguide.records import Inputs, Prediction, Row
from fieldguide.tasks.kinds.forms import ChoiceKind
from fieldguide.tasks.task import TaskSpec
from fieldguide.tasks.template import Template


@dataclass(frozen=True, kw_only=True)
class PromptCalibrated(PromptFewShot):
    """The few-shot prompt, or with `shots=0` the zero-shot prompt, whose options are scored by a rule."""

    name = "prompt-calibrated"
    title = "Calibrated prompt"
    needs = frozenset({"score"})
    answers = CLOSED
    on_request = True

    rule: str = "contextual"
    """"plain", "length", "contextual", "domain", "pmi" or "channel": see `scoring_rules`."""

    def unsuited(self, task: TaskSpec) -> str | None:
        reader, weighs = task.reader, self.rule not in ("plain", "length")
        if (why := super().unsuited(task)) or not isinstance(reader, ChoiceKind) or not weighs:
            return why
        if self.choose == "letter" and self.rule == "channel":
            return 'A letter says nothing of what is asked, so no text can be scored after it; take choose="text" with the rule channel.'
        if self.choose == "text" and set(reader.lists(task.inputs)) == set(task.inputs):
            return f"Rows of this task hold nothing but what is chosen from, so the rule {self.rule} has nothing to go by; take plain or length."
        return None

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        """As the few-shot prompt; without demonstrations none, or where random words are drawn from training rows the first."""
        return super().label_counts(ladder) if self.shots else tuple(ladder[:1]) if self.rule == "domain" else (0,)

    def repeats(self) -> bool:
        return self.shots > 0 or self.rule == "domain"

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        blank = PROMPTS.get(self.rule, 0)
        return n_rows + blank if task.reader.answer == "label" else n_rows * (1 + blank)

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> CalibratedSolver:
        if self.rule not in PROMPTS:
            raise ApproachError(f"{self.title} takes no rule={self.rule!r}; give one of {', '.join(PROMPTS)}.")
        if self.shots < 0:
            raise ApproachError(f"{self.title} takes no shots={self.shots}; give 0 or more.")
        if self.rule == "length" and self.normalise == "none":
            raise ApproachError('The rule length divides by bytes or characters; give normalise="bytes", or take the rule plain.')
        if self.rule == "domain" and not train:
            raise ApproachError("The rule domain draws random words from training rows and was given none; give it at least one.")
        if "score" not in context.models.get(self.model).facts.can:
            raise ApproachError(f"The model {self.model!r} cannot score, which every rule needs; give one that can, or take prompt-few-shot.")
        model, asking = self.asking(task, context)
        shown = super()._fit(task, train, context).demonstrations if self.shots else ()
        solver = CalibratedSolver(self.model, asking.template, shown, asking.by_text, self.normalise, self.rule, self._blanks(task, train, context))
        solver._bind(self, task, context.models)
        if task.reader.answer == "label" and PROMPTS[self.rule]:
            (solver.prior,) = solver._priors(model, [dict.fromkeys(task.inputs, "")])
        return solver

    def _blanks(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> list[dict[str, str]]:
        """Rows without content, as column → text."""
        if self.rule == "contextual":
            return [dict.fromkeys(task.inputs, text) for text in CONTENT_FREE]
        if self.rule != "domain":
            return []
        rng, drawn = np.random.default_rng([context.seed, 4127]), {}
        for column in task.inputs:
            cells = [row.inputs[column] for row in train]
            drawn[column] = rules.random_texts([clean(text) for cell in cells for text in ([cell] if isinstance(cell, str) else cell)], DRAWS, rng)
        return [{column: texts[i] for column, texts in drawn.items()} for i in range(DRAWS)]

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return CalibratedSolver


class CalibratedSolver(PromptSolver):
    """See the module. `prior` is log p̄ of each label, in nats, in the order of the label space; empty where there is none."""

    def __init__(
        self, model: str, template: Template, demonstrations: Sequence[Demonstration], by_text: bool, normalise: str,
        rule: str, blanks: Sequence[Mapping[str, str]] = (), prior: Sequence[float] = (),
    ) -> None:  # fmt: skip
        super().__init__(model, template, demonstrations, by_text, normalise)
        self.rule, self.blanks, self.prior = rule, [dict(blank) for blank in blanks], list(prior)

    def blank_prompts(self, row: Inputs | None = None) -> list[str]:
        """The prompts without content that the prior rests on: of all labels, or of one row's own choices."""
        return self._blank_prompts(self.models.get(self.model), row or dict.fromkeys(self.task.inputs, ""))

    def texts(self, inputs: Sequence[Inputs]) -> list[list[str]]:
        """What is scored after the prompt of each row: its options; for the rule channel each option with the row's text, then without."""
        return self._texts(self.models.get(self.model), inputs)

    def _prompts(self, model: Model, inputs: Sequence[Inputs]) -> list[str]:
        return [self._turned] * len(inputs) if self.rule == "channel" else super()._prompts(model, inputs)

    @property
    def _turned(self) -> str:
        return rules.turned(self.template, [(d.text, d.answer) for d in self.demonstrations])

    def _blank_prompts(self, model: Model, row: Inputs) -> list[str]:
        if self.rule == "pmi":
            return [rules.premise(self.template)]
        return super()._prompts(model, [_emptied(row, blank, self.by_text) for blank in self.blanks])

    def _texts(self, model: Model, inputs: Sequence[Inputs]) -> list[list[str]]:
        asking, end = self.asking, self.template.end
        if self.rule != "channel":
            options = [asking.options(row) for row in inputs]
            return [[option + last for option in own] for own in options for last in [asking.end(own)]]
        found = []
        for row, text in zip(inputs, self._shown(model, inputs, self._turned + rules.backwards(self.template, "", "")), strict=True):
            cue = rules.shared_start(text, asking.show(_emptied(row, dict.fromkeys(row, ""), self.by_text)))  # "Text: "
            found.append([rules.backwards(self.template, shown, said).rstrip(" ") for said in asking.words(row) for shown in (text + end, cue)])
        return found

    def _by_score(self, model: Model, inputs: list[Inputs], prompts: list[str]) -> list[Prediction]:
        texts = self._texts(model, inputs)
        totals = [np.array(own) for own in model.score(prompts, texts).totals]
        if self.rule == "channel":
            scores = [rules.through_channel(own[::2], own[1::2]) for own in totals]
        elif self.rule == "length":
            scores = [np.array(by_length(own.tolist(), self._bare(row), self.normalise)) for row, own in zip(inputs, totals, strict=True)]
        elif PROMPTS[self.rule]:
            priors = [self.prior] * len(inputs) if self.prior else self._priors(model, inputs)
            scores = [rules.without_prior(own, np.array(prior)) for own, prior in zip(totals, priors, strict=True)]
        else:
            scores = totals
        options = [self.task.reader.options(self.task, row) for row in inputs]
        return [predictions(own, softmax(row[None]))[0] for own, row in zip(options, scores, strict=True)]

    def _priors(self, model: Model, inputs: Sequence[Inputs]) -> list[list[float]]:
        """log p̄ of each row's options."""
        prompts, texts = [self._blank_prompts(model, row) for row in inputs], self._texts(model, inputs)
        flat = [(prompt, said) for own, said in zip(prompts, texts, strict=True) for prompt in own]
        totals = iter(model.score([prompt for prompt, _ in flat], [said for _, said in flat]).totals)
        return [rules.log_prior(np.array([next(totals) for _ in own])).tolist() for own in prompts]

    def _bare(self, row: Inputs) -> list[str]:
        """The options in words, with the end that they are scored with."""
        end = self.asking.end(self.asking.options(row))
        return [said + end for said in self.asking.words(row)]

    def _save(self, folder: Path) -> Mapping[str, Any]:
        return {**super()._save(folder), "rule": self.rule, "blanks": self.blanks, "prior": self.prior}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        (model,) = approach.models()
        shown = [Demonstration(**d) for d in state["demonstrations"]]
        return cls(model, Template(**state["template"]), shown, state["by_text"], state["normalise"], state["rule"], state["blanks"], state["prior"])


def _emptied(row: Inputs, blank: Mapping[str, str], by_text: bool) -> dict[str, Any]:
    """The row with other texts in its cells. Lists, which hold choices, stay where the prompt does not show them."""
    return {
        column: blank[column] if isinstance(cell, str) else list(cell) if by_text else [blank[column]] * len(cell) for column, cell in row.items()
    }
