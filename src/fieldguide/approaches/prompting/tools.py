"""Prompts with a calculator: the model writes a call, is given its exact value, and goes on (Parisi et al. 2022, arXiv:2205.12255; Schick et al. 2023,
arXiv:2302.04761). Demonstrations show calls that lead to the right answer; they are found from the training rows' own numbers, so nobody writes them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from fieldguide.approaches.approach import FitContext, Solver, rungs_up_to
from fieldguide.approaches.prompting.asking import Asking
from fieldguide.approaches.prompting.calculator import NAME, CannotCalculate, calculate, expression_for
from fieldguide.approaches.prompting.few_shot import deal, fitting_whole
from fieldguide.approaches.prompting.fit_text import TokenCounter
from fieldguide.approaches.prompting.prompt import Demonstration, Prompted, PromptSolver
from fieldguide.errors import ApproachError
from fieldguide.models.model import Model
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Prediction, Row, Unparsed
from fieldguide.tasks.task import TaskSpec
from fieldguide.tasks.template import Template

OPEN = f"{NAME}("
CLOSED = ") ="
"""What ends a call that a model writes; its value comes next."""
SAID = "Answer:"
CALL_TOKENS = 64
"""Tokens of one call, or of an answer."""
CALL = re.compile(re.escape(OPEN) + r"([^\n]*)$")
TOOL = f"Use {OPEN}…) for every calculation; its value is filled in for you. Then write {SAID} and the number."


class Call(NamedTuple):
    """One call that a model wrote: its expression, and its value or why there is none."""

    expression: str
    value: str | None
    fault: str = ""


@dataclass(frozen=True, kw_only=True)
class PromptTools(Prompted):
    """Up to `shots` demonstrations with a call each, then the row; at most `rounds` calls of its own."""

    name = "prompt-tools"
    title = "Prompt with a calculator"
    needs = frozenset({"generate"})
    answers = frozenset({"number"})
    on_request = True
    contract_exceptions = {"beats_majority": "Numbers that no calculation leads to are not what it is for."}

    shots: int = 8
    rounds: int = 4

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        return rungs_up_to(ladder, 2 * self.shots)

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        return n_rows * (self.rounds + 1)

    def unsuited(self, task: TaskSpec) -> str | None:
        why = super().unsuited(task)
        return why or (None if task.reader.calculated else f"It calculates with a row's numbers, and {task.kind} asks for a judgement in numbers.")

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> ToolSolver:
        if self.shots < 1 or self.rounds < 1:
            raise ApproachError(f"{self.title} needs at least 1 shot and 1 round; it was given {self.shots} and {self.rounds}.")
        model, asking = self.asking(task, context)
        if "generate" not in model.facts.can:
            raise ApproachError(f"The model {self.model!r} does not write, and calls are written; give a causal model such as smollm2-135m.")
        own = with_calls(asking)
        dealt = deal(train, len(train), context.seed, lambda target: "") if train else []
        solved = (row for row in dealt if own.call(row))
        if (first := next(solved, None)) is None:
            raise ApproachError(
                f"No calculation with the numbers of a training row gives its answer ({len(train):,} rows were tried), so there is no call to show; "
                "give more labels, or take prompt-few-shot."
            )
        shown = fitting_whole(model, own, itertools.chain([first], solved), self.shots)
        if not shown:
            raise ApproachError(f"No demonstration fits into the context of {self.model} beside the instruction; give a model with a longer context.")
        order = np.random.default_rng([context.seed, 3301]).permutation(len(shown))
        return ToolSolver(self.model, own.template, [shown[i] for i in order], self.rounds)

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return ToolSolver


@dataclass(frozen=True)
class Calling(Asking):
    """How a row is asked where a call comes before its answer."""

    def call(self, row: Row) -> str | None:
        """The line that calls the calculator for a training row; None where nothing is known to lead to its answer."""
        expression = expression_for(self.show(row.inputs), float(row.target))
        return None if expression is None else f"{OPEN}{expression}{CLOSED} {calculate(expression)}"

    def answer(self, row: Row) -> str:
        return f"{self.call(row)}\n{SAID} {super().answer(row)}"


def with_calls(asking: Asking) -> Calling:
    """The kind's template with room for calls between a row and its answer."""
    template = replace(asking.template, instruction=f"{asking.template.instruction}\n{TOOL}".lstrip(), row="{text}\n", answer="{answer}")
    return Calling(asking.task, template)


class ToolSolver(PromptSolver):
    """Answers written call by call. `Prediction.text` is what was written, with the values that were filled in."""

    def __init__(self, model: str, template: Template, demonstrations: Sequence[Demonstration], rounds: int) -> None:
        super().__init__(model, template, demonstrations)
        self.rounds = rounds

    @property
    def asking(self) -> Asking:
        return Calling(self.task, self.template)

    def _by_writing(self, model: Model, inputs: list[Inputs], prompts: list[str]) -> list[Prediction]:
        written, stop = [""] * len(inputs), [CLOSED, self.template.separator]
        going, refused = list(range(len(inputs))), dict[int, str]()
        context, count = model.facts.context, TokenCounter.of(model)
        for turn in range(self.rounds + 1):
            asked = [i for i in going if context is None or count(prompts[i] + written[i]) + CALL_TOKENS <= context]
            if not asked:
                break
            found = model.generate([prompts[i] + written[i] for i in asked], max_tokens=CALL_TOKENS, stop=stop)
            going = []
            for i, (own,) in zip(asked, found, strict=True):
                if own.finish == "refused":
                    refused[i] = own.reason
                    continue
                call = CALL.search(own.text)
                value = _value(call[1]) if call else None
                written[i] += own.text + (f"{CLOSED} {value}" if value is not None else "")
                if value is not None and turn < self.rounds:
                    written[i] += "\n"
                    going.append(i)
        return [self._told(written[i], row, refused.get(i)) for i, row in enumerate(inputs)]

    def _told(self, text: str, row: Inputs, refused: str | None) -> Prediction:
        """The answer behind the last "Answer:"; without one, the value of the last call."""
        if refused is not None:
            return Prediction(Unparsed("", f"the model gave no answer: {refused}"))
        said = text.rpartition(SAID)[2] if SAID in text else next((f" {call.value}" for call in reversed(calls_in(text)) if call.value is not None), "")
        if not said.strip():
            return Prediction(Unparsed(text, "neither an answer nor a calculation was written"), text=text)
        return Prediction(self.task.reader.parse(self.task, said.strip().split("\n")[0], row), text=text)

    def _save(self, folder: Path) -> Mapping[str, Any]:
        return {**super()._save(folder), "rounds": self.rounds}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Any, task: TaskSpec, models: ModelPool) -> Self:
        (model,) = approach.models()
        return cls(model, Template(**state["template"]), [Demonstration(**d) for d in state["demonstrations"]], state["rounds"])


def _value(expression: str) -> str | None:
    try:
        return calculate(expression)
    except CannotCalculate:
        return None


def calls_in(text: str) -> list[Call]:
    """Every call in what a model wrote, well formed or not, with its value."""
    found = []
    for expression in re.findall(re.escape(OPEN) + r"([^\n]*?)(?:\) =|\)?$)", text, re.M):
        try:
            found.append(Call(expression, calculate(expression)))
        except CannotCalculate as fault:
            found.append(Call(expression, None, str(fault)))
    return found
