"""Prompts with tools: the model writes a call, is given what it leads to, and goes on (Parisi et al. 2022, arXiv:2205.12255; Schick et al. 2023,
arXiv:2302.04761). Demonstrations show calls that lead to the right answer; they are found from the training rows themselves, so nobody writes them.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from fieldguide.approaches.approach import FitContext, Solver, rungs_up_to
from fieldguide.approaches.prompting.asking import Asking
from fieldguide.approaches.prompting.few_shot import deal, fitting_whole
from fieldguide.approaches.prompting.fit_text import TokenCounter, within
from fieldguide.approaches.prompting.passages import Passages, read_passages
from fieldguide.approaches.prompting.prompt import Demonstration, Prompted, PromptSolver
from fieldguide.approaches.prompting.tools.programs import need_python
from fieldguide.approaches.prompting.tools.tool_calls import (
    CLOSED,
    SAID,
    Call,
    Found,
    asked,
    beside_calls,
    calls_in,
    next_call,
    value_of,
    well_formed,
)
from fieldguide.approaches.prompting.tools.tool_chat import converse, declared, opening
from fieldguide.approaches.prompting.tools.toolbox import CALCULATOR, PYTHON, SEARCH, Result, Tool, check_tools, toolbox
from fieldguide.errors import ApproachError, Unsupported
from fieldguide.models.model import Model
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Prediction, Row, Unparsed
from fieldguide.tasks.task import TaskSpec
from fieldguide.tasks.template import Template

__all__ = ["Call", "PromptTools", "ToolSolver", "calls_in", "well_formed"]

CALLING = ("text", "native")
NATIVE = "Call your tools for what they do."
TRIED = 200
"""Training rows among which calls to show are looked for where programs and searches have to be tried."""


@dataclass(frozen=True, kw_only=True)
class PromptTools(Prompted):
    """Up to `shots` demonstrations with a call each, then the row; at most `rounds` calls of its own."""

    name = "prompt-tools"
    title = "Prompt with tools"
    needs = frozenset({"generate"})
    on_request = True
    contract_exceptions = {"beats_majority": "Answers that no call leads to are not what it is for."}

    shots: int = 8
    rounds: int = 4
    tools: tuple[str, ...] = (CALCULATOR,)
    """What may be called: "calculator", "python" (only where code is allowed), "search"."""
    calling: str = "text"
    """Whether calls are written in the model's own "text", or are "native" to a model that takes tools (openai:…)."""
    corpus: str = ""
    """What is searched: a folder of text files, one text file, or a table with a column of passages."""
    passages: int = 1
    """How many of them a search gives."""

    @property
    def answers(self) -> frozenset[str]:  # type: ignore[override]
        """The calculator alone leads to numbers; programs and passages may hold any short answer."""
        return frozenset({"number"} if set(self.tools) <= {CALCULATOR} else {"number", "text"})

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        return rungs_up_to(ladder, 2 * self.shots)

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        return n_rows * (self.rounds + 1)

    def unsuited(self, task: TaskSpec) -> str | None:
        if why := super().unsuited(task):
            return why
        if task.reader.answer == "number":
            return None if task.reader.calculated else f"It calculates with a row's numbers, and {task.kind} asks for a judgement in numbers."
        return None if task.reader.tells_likelihood else f"It gives short answers that are right or wrong, and {task.kind} asks for a longer text."

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> ToolSolver:
        model, asking = self._checked(task, context)
        passages = Passages(read_passages(self.corpus), "bm25") if SEARCH in self.tools else None
        tools = toolbox(self.tools, task, passages, self.passages)
        own = with_calls(asking, tools, self.calling)
        dealt = deal(train, len(train), context.seed, lambda target: "") if train else []
        looked_at = dealt if self.tools == (CALCULATOR,) else dealt[:TRIED]
        solved = (row for row in looked_at if own.call(row))
        first = next(solved, None)
        if first is None and self.calling == "text":
            raise ApproachError(f"{self._nothing(len(looked_at))}, so there is no call to show; give more labels, or take prompt-few-shot.")
        shown = fitting_whole(model, own, itertools.chain([first], solved), self.shots) if first is not None else []
        if first is not None and not shown:
            raise ApproachError(f"No demonstration fits into the context of {self.model} beside the instruction; give a model with a longer context.")
        order = np.random.default_rng([context.seed, 3301]).permutation(len(shown))
        return ToolSolver(self.model, own.template, [shown[i] for i in order], self.rounds, tools, self.calling, passages)

    def _checked(self, task: TaskSpec, context: FitContext) -> tuple[Model, Asking]:
        """The model, and how it will be asked. Raises `ApproachError` for what cannot be."""
        if self.shots < 1 or self.rounds < 1:
            raise ApproachError(f"{self.title} needs at least 1 shot and 1 round; it was given {self.shots} and {self.rounds}.")
        check_tools(self.tools)
        if self.calling not in CALLING or self.passages < 1:
            given = f"calling={self.calling!r} and passages={self.passages}"
            raise ApproachError(f"{self.title} takes no {given}; give {' or '.join(CALLING)}, and at least 1 passage.")
        if SEARCH in self.tools and not self.corpus:
            raise ApproachError("The tool search looks into a corpus and was given none; name a folder of texts or a table of passages with corpus=.")
        if PYTHON in self.tools:
            need_python()
        model, asking = self.asking(task, context)
        if "generate" not in model.facts.can:
            raise ApproachError(f"The model {self.model!r} does not write, and calls are written; give a causal model such as smollm2-135m.")
        if self.calling == "native" and "tools" not in model.facts.can:
            raise ApproachError(
                f"The model {self.model!r} has no tool calls of its own; give calling='text', or a model behind an API that takes tools (openai:…)."
            )
        return model, asking

    def _nothing(self, tried: int) -> str:
        if self.tools == (CALCULATOR,):
            return f"No calculation with the numbers of a training row gives its answer ({tried:,} rows were tried)"
        return f"No call of {' or '.join(self.tools)} is known to lead to a training row's answer ({tried:,} rows were tried)"

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return ToolSolver


@dataclass(frozen=True)
class Calling(Asking):
    """How a row is asked where a call comes before its answer."""

    tools: tuple[Tool, ...] = ()
    known: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Training row → its call and what came back; "" for none."""

    def call(self, row: Row) -> str:
        """A call that leads to a training row's answer, as it is shown; "" where none is known. Tools take turns to be tried first."""
        if row.id not in self.known:
            turn = sum(map(bool, self.known.values())) % len(self.tools)
            self.known[row.id] = next(filter(None, (_shown(tool, row) for tool in (*self.tools[turn:], *self.tools[:turn]))), "")
        return self.known[row.id]

    def answer(self, row: Row) -> str:
        return f"{self.call(row)}\n{SAID} {super().answer(row)}"


def _shown(tool: Tool, row: Row) -> str:
    argument = tool.example(row)
    return "" if argument is None else f"{asked(tool.name, argument).written} {value_of(tool.run(argument))}"


def with_calls(asking: Asking, tools: Sequence[Tool], calling: str = "text") -> Calling:
    """The kind's template with room for calls between a row and its answer."""
    hints = [tool.hint for tool in tools] if calling == "text" else [NATIVE]
    hint = " ".join([*hints, f"Then write {SAID} and the {'number' if asking.reader.answer == 'number' else 'answer'}."])
    template = replace(asking.template, instruction=f"{asking.template.instruction}\n{hint}".lstrip(), row="{text}\n", answer="{answer}")
    return Calling(asking.task, template, tools=tuple(tools))


class ToolSolver(PromptSolver):
    """Answers written call by call. `Prediction.text` is what was written, with the values that were filled in."""

    approach: PromptTools

    def __init__(
        self, model: str, template: Template, demonstrations: Sequence[Demonstration], rounds: int,
        tools: Sequence[Tool], calling: str = "text", passages: Passages | None = None,
    ) -> None:  # fmt: skip
        super().__init__(model, template, demonstrations)
        self.rounds, self.calling, self.passages = rounds, calling, passages
        self.tools = {tool.name: tool for tool in tools}

    @property
    def asking(self) -> Asking:
        return Calling(self.task, self.template, tools=tuple(self.tools.values()))

    def _prompts(self, model: Model, inputs: Sequence[Inputs]) -> list[str]:
        """Of native calls the first request of each row as JSON."""
        if self.calling == "text":
            return super()._prompts(model, inputs)
        frame = self.template.render("", [(d.text, d.answer) for d in self.demonstrations])
        told = {"tools": [declared(tool) for tool in self.tools.values()]}
        chats = [opening(self.template.instruction, self.demonstrations, text, self.tools) for text in self._shown(model, inputs, frame)]
        return [json.dumps({"messages": chat, **told}, ensure_ascii=False) for chat in chats]

    def _answer_log_probabilities(self, inputs: list[Inputs], values: list[Any]) -> list[tuple[float, int]]:
        if self.calling == "native":
            raise Unsupported(f"{self.approach.title} does not tell how likely it finds an answer where calls are native.")
        return super()._answer_log_probabilities(inputs, values)

    def _by_writing(self, model: Model, inputs: list[Inputs], prompts: list[str]) -> list[Prediction]:
        if self.calling == "native":
            ended = converse(model, [json.loads(prompt)["messages"] for prompt in prompts], self.tools, self.rounds)
            return [self._told(text, row, why) for (text, why), row in zip(ended, inputs, strict=True)]
        written, stop = [""] * len(inputs), [CLOSED if set(self.tools) == {CALCULATOR} else f"{CLOSED} ", self.template.separator]
        going, refused, tokens = list(range(len(inputs))), dict[int, str](), max(tool.tokens for tool in self.tools.values())
        context, count = model.facts.context, TokenCounter.of(model)
        for turn in range(self.rounds + 1):
            able = [i for i in going if context is None or count(prompts[i] + written[i]) + tokens <= context]
            if not able:
                break
            found = model.generate([prompts[i] + written[i] for i in able], max_tokens=tokens, stop=stop)
            going = []
            for i, (own,) in zip(able, found, strict=True):
                if own.finish == "refused":
                    refused[i] = own.reason
                    continue
                call = next_call(own.text, tuple(self.tools))
                result = self.tools[call.tool].run(call.argument) if call else Result()
                if call is None or (result.fault and not self.tools[call.tool].mends):
                    written[i] += own.text
                    continue
                left = None if context is None else context - count(prompts[i] + written[i] + call.written) - 2 * tokens
                written[i] += f"{call.written} {self._value(call, result, left, count)}"
                if turn < self.rounds:
                    written[i] += "\n"
                    going.append(i)
        return [self._told(written[i], row, refused.get(i)) for i, row in enumerate(inputs)]

    def _value(self, call: Found, result: Result, left: int | None, count: TokenCounter) -> str:
        """What came back; a passage is cut to the tokens that are `left`."""
        value = value_of(result)
        if left is None or self.tools[call.tool].answers:
            return value
        return within(value, max(left, 1), count)

    def _told(self, text: str, row: Inputs, refused: str | None) -> Prediction:
        """The answer behind the last "Answer:"; without one, the value of the last call of a tool whose values may be answers."""
        if refused is not None:
            return Prediction(Unparsed("", f"the model gave no answer: {refused}"))
        values = (call.value for call in reversed(calls_in(text, tuple(self.tools))) if self.tools[call.tool].answers)
        bare = beside_calls(text, tuple(self.tools))
        said = bare.rpartition(SAID)[2] if SAID in bare else next((f" {value}" for value in values if value is not None), "")
        if not said.strip():
            missing = "neither an answer nor a calculation" if CALCULATOR in self.tools else "no answer"
            return Prediction(Unparsed(text, f"{missing} was written"), text=text)
        return Prediction(self.task.reader.parse(self.task, said.strip().split("\n")[0], row), text=text)

    def _save(self, folder: Path) -> Mapping[str, Any]:
        if self.passages is not None:
            self.passages.save(folder)
        return {**super()._save(folder), "rounds": self.rounds}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Any, task: TaskSpec, models: ModelPool) -> Self:
        passages = Passages.load(folder, "bm25") if SEARCH in approach.tools else None
        tools = toolbox(approach.tools, task, passages, approach.passages)
        shown = [Demonstration(**d) for d in state["demonstrations"]]
        return cls(approach.model, Template(**state["template"]), shown, state["rounds"], tools, approach.calling, passages)
