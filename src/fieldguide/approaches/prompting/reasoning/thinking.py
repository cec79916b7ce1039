"""Chain of thought: the model writes its reasoning first, and gives its answer after it.

Two ways, both in two stages, reasoning and then answer (Kojima et al. 2022, arXiv:2205.11916, section 3.1):

- "zero-shot": the row, a trigger such as "Let's think step by step.", what the model goes on with, then "Therefore, the answer is";
- "few-shot": demonstrations with their reasoning stand before the row (Wei et al. 2022, arXiv:2201.11903, section 2). The model writes it
  for training rows in the zero-shot way, as in Auto-CoT (Zhang et al. 2022, arXiv:2210.03493, section 4), but rows are dealt out over the answers
  and not over clusters, and only reasoning that came to the right answer is shown, as in STaR (Zelikman et al. 2022, arXiv:2203.14465, section 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from fieldguide.approaches.approach import Approach, FitContext, Solver, rungs_up_to
from fieldguide.approaches.prompting.few_shot import deal, fitting_whole
from fieldguide.approaches.prompting.fit_text import MARGIN, TokenCounter
from fieldguide.approaches.prompting.prompt import Demonstration, Prompted, PromptSolver, check_room
from fieldguide.approaches.prompting.reasoning.rationales import rationales
from fieldguide.approaches.prompting.reasoning.reasoning import TRIGGERS, Thinking, tail, thinking_template, written_to_ends
from fieldguide.errors import ApproachError, Unsupported
from fieldguide.models.model import Generation, Model
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Prediction, Row, Unparsed
from fieldguide.tasks.task import TaskSpec
from fieldguide.tasks.template import Template

WAYS = ("zero-shot", "few-shot")
@dataclass(frozen=True, kw_only=True)
class PromptCot(Prompted):
    """See the module."""

    name = "prompt-cot"
    title = "Chain of thought"
    answers = frozenset({"label", "choice", "number", "text"})
    needs = frozenset({"generate"})
    on_request = True
    contract_exceptions = {"beats_majority": "The fake model does not reason, and without demonstrations a made-up label means nothing to it."}

    choose: str = "letter"
    """How one of a row's own choices is given: by its "letter", so that reasoning can look at all of them, or by its "text"."""
    way: str = "zero-shot"
    """"zero-shot" or "few-shot"."""
    trigger: str = "steps"
    """The name of one of `TRIGGERS`."""
    reasoning_tokens: int = 192
    """Tokens that reasoning may take."""
    shots: int = 8
    """Demonstrations of the few-shot way, at most."""
    tries: int = 32
    """Training rows for which reasoning is written to find them, at most."""

    def unsuited(self, task: TaskSpec) -> str | None:
        if why := super().unsuited(task):
            return why
        if {"delimiter", "until"} & set(task.settings):
            return f"Tasks of the kind {task.kind} come with their own prompts, between which and the answer nothing may stand."
        if task.reader.answer == "text" and task.reader.extent != "line":
            return f"Reasoning comes to a short answer, and {task.kind} asks for a longer text."
        return None

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        """None are used zero-shot; few-shot the rungs up to the first that holds `tries` rows."""
        if self.way == "zero-shot":
            return (0,)
        return rungs_up_to(ladder, self.tries)

    def repeats(self) -> bool:
        return self.way != "zero-shot"

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        return 2 * n_rows + self._fit_calls(n_labels)

    def _fit_calls(self, n_labels: int) -> int:
        return 2 * min(n_labels, self.tries) if self.way == "few-shot" else 0

    def asking(self, task: TaskSpec, context: FitContext) -> tuple[Model, Thinking]:
        whole = {"reasoning_tokens": self.reasoning_tokens, "shots": self.shots, "tries": self.tries}
        for name, number in whole.items():
            needs_whole(self, name, number)
        for name, value, valid in (("way", self.way, WAYS), ("trigger", self.trigger, tuple(TRIGGERS))):
            if value not in valid:
                raise ApproachError(f"{self.title} takes no {name}={value!r}; give {' or '.join(valid)}.")
        model, plain = super().asking(task, context)
        if "generate" not in model.facts.can:
            raise ApproachError(f"The model {self.model!r} cannot write its reasoning; give one that generates, or take prompt-zero-shot.")
        asking = Thinking(task, thinking_template(plain.template), plain.by_text, TRIGGERS[self.trigger], self.reasoning_tokens)
        check_room(model, asking)
        return model, asking

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> ThinkingSolver:
        model, asking = self.asking(task, context)
        shown = self._demonstrated(model, asking, train, context) if self.way == "few-shot" else []
        return self._solver(model, asking, shown, context)

    def _solver(self, model: Model, asking: Thinking, shown: Sequence[Demonstration], context: FitContext) -> ThinkingSolver:
        return self._reasoner(asking, shown)

    def _demonstrated(self, model: Model, asking: Thinking, train: Sequence[Row], context: FitContext) -> list[Demonstration]:
        """Up to `shots` training rows with reasoning that came to their answer, in an order that the seed shuffles."""
        if not train:
            raise ApproachError("The few-shot way shows labelled rows and was given none; give it at least one, or take way='zero-shot'.")
        writer = self._reasoner(asking)
        writer._bind(self, asking.task, context.models)
        dealt = deal(train, self.tries, context.seed, asking.reader.stratum)
        dealt = [row for row in dealt if asking.written or asking.reader.options(asking.task, row.inputs)]
        found = rationales(asking.task, dealt, writer.chains, self.shots)
        if not found:
            tried = f"{len(dealt):,} training row{'s' * (len(dealt) != 1)}"
            raise ApproachError(f"{self.model} reasoned its way to the right answer for none of {tried}; take way='zero-shot', or a stronger model.")
        asking = replace(asking, rationales=found)
        shown = fitting_whole(model, asking, [row for row in dealt if row.id in found], self.shots)
        if not shown:
            raise ApproachError(f"No row with its reasoning fits into the context of {self.model}; take way='zero-shot', or fewer reasoning_tokens.")
        order = np.random.default_rng([context.seed, 3313]).permutation(len(shown))
        return [shown[i] for i in order]

    def _reasoner(self, asking: Thinking, shown: Sequence[Demonstration] = ()) -> ThinkingSolver:
        """What reasons once: the solver, and without demonstrations what writes those that are shown."""
        return ThinkingSolver(self.model, asking.template, shown, asking.by_text, self.normalise, asking.trigger, asking.reasoning_tokens)

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return ThinkingSolver


class ThinkingSolver(PromptSolver):
    """Reasoning, then an answer: scored where it is closed and the model can, else written and read."""

    def __init__(
        self,
        model: str,
        template: Template,
        demonstrations: Sequence[Demonstration] = (),
        by_text: bool = False,
        normalise: str = "none",
        trigger: str = TRIGGERS["steps"],
        reasoning_tokens: int = 192,
    ) -> None:
        super().__init__(model, template, demonstrations, by_text, normalise)
        self.trigger, self.reasoning_tokens = trigger, reasoning_tokens

    @property
    def asking(self) -> Thinking:
        return Thinking(self.task, self.template, self.by_text, self.trigger, self.reasoning_tokens)

    def chains(self, inputs: list[Inputs]) -> list[tuple[Generation, Prediction]]:
        """(reasoning, answer) of rows that have an answer, each greedy."""
        model = self.models.get(self.model)
        prompts = self._prompts(model, inputs)
        reasoned = self._reasoned(model, inputs, prompts)
        return list(zip(reasoned, self._concluded(model, inputs, prompts, reasoned), strict=True))

    def answer_prompts(self, inputs: Sequence[Inputs], reasoning: Sequence[str]) -> list[str]:
        """The prompts of the second stage, after what was written in the first to each row."""
        model = self.models.get(self.model)
        return self._answer_prompts(model, inputs, self._prompts(model, inputs), reasoning)

    def _answered(self, model: Model, inputs: list[Inputs], prompts: list[str]) -> list[Prediction]:
        return self._concluded(model, inputs, prompts, self._reasoned(model, inputs, prompts))

    def _answer_log_probabilities(self, inputs: list[Inputs], values: list[Any]) -> list[tuple[float, int]]:
        raise Unsupported(f"{self.approach.title} gives an answer after reasoning of its own, so how likely it is by itself is not told.")

    def _prompts(self, model: Model, inputs: Sequence[Inputs]) -> list[str]:
        """The prompts of the first stage. A demonstration that repeats the row, or nearly does, is left out."""
        return [f"{prompt} {self.trigger}" for prompt in self._prompts_apart(model, inputs)]

    def _reasoned(self, model: Model, inputs: Sequence[Inputs], prompts: Sequence[str], **sampling: Any) -> list[Generation]:
        """What the model goes on with; rows are asked together that end alike."""
        asking, room = self.asking, self.asking.reasoning_room(model.facts.context)
        ends = [asking.reasoning_stops(model, row, bool(self.demonstrations)) for row in inputs]
        return written_to_ends(model, prompts, ends, room, **sampling)

    def _concluded(self, model: Model, inputs: Sequence[Inputs], prompts: Sequence[str], reasoned: Sequence[Generation]) -> list[Prediction]:
        """The answers to rows, each after its reasoning; the text of both is kept."""
        found = [Prediction(Unparsed("", f"the model gave no answer: {own.reason}")) for own in reasoned]
        places = [i for i, own in enumerate(reasoned) if own.finish != "refused"]
        rows = [inputs[i] for i in places]
        asked = self._answer_prompts(model, rows, [prompts[i] for i in places], [reasoned[i].text for i in places])
        for i, own in zip(places, super()._answered(model, rows, asked) if places else (), strict=True):
            thought = reasoned[i].text.strip()
            found[i] = replace(own, text=thought if own.text is None else f"{thought}\n{self.asking.cue}{own.text}")
        return found

    def _answer_prompts(self, model: Model, inputs: Sequence[Inputs], prompts: Sequence[str], reasoning: Sequence[str]) -> list[str]:
        """Prompt, reasoning and cue. Reasoning that would not fit the context loses its beginning, since its end is nearest to the answer."""
        asking, context, count = self.asking, model.facts.context, TokenCounter.of(model)
        same = asking.said_tokens(None, count, context) if asking.reader.answer == "label" and context is not None else None
        asked = []
        for row, prompt, said in zip(inputs, prompts, reasoning, strict=True):
            said = said.rstrip()
            if context is not None:
                answer = asking.said_tokens(row, count, context) if same is None else same
                said = tail(said, context - count(f"{prompt}\n{asking.cue}") - answer - MARGIN, count)
            asked.append(f"{prompt}{said}\n{asking.cue}")
        return asked

    def _read(self, written: Generation, row: Inputs) -> Prediction:
        """What was written, read by itself, and where that is no answer as the end of the sentence that it completes; texts by themselves alone."""
        found = super()._read(written, row)
        if found.parsed or written.finish == "refused" or self.task.reader.answer == "text":
            return found
        whole = self.task.reader.parse(self.task, self.asking.cue + written.text, row)
        return found if isinstance(whole, Unparsed) else Prediction(whole, text=written.text)

    def _save(self, folder: Path) -> Mapping[str, Any]:
        return {**super()._save(folder), "trigger": self.trigger, "reasoning_tokens": self.reasoning_tokens}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        solver = super()._load(folder, state, approach, task, models)
        solver.trigger, solver.reasoning_tokens = state["trigger"], state["reasoning_tokens"]
        return solver


def needs_whole(approach: Approach, name: str, number: Any, least: int = 1) -> None:
    """Raise `ApproachError` unless a parameter is a whole number of at least `least`."""
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        raise ApproachError(f"{approach.title} takes no {name}={number!r}; give a whole number, at least {least}.")
