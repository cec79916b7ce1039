"""How a row is put to a model that reasons before it answers: the triggers, the cue of the answer, where reasoning ends, how much of it fits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fieldguide.approaches.prompting.asking import Asking
from fieldguide.approaches.prompting.fit_text import TokenCounter
from fieldguide.models.model import Generation, Model
from fieldguide.records import Inputs, Row
from fieldguide.tasks.template import Template

TRIGGERS = {
    "steps": "Let's think step by step.",
    "logically": "Let's think about this logically.",
    "split": "Let's solve this problem by splitting it into steps.",
    "first": "First,",
    "sure": "Let's work this out in a step by step way to be sure we have the right answer.",
    "plan": "Let's first understand the problem and devise a plan to solve the problem. Then, let's carry out the plan and solve the problem step by step.",
}
"""Name → what reasoning begins with: the first four are Kojima et al. 2022, table 4; "sure" is Zhou et al. 2022, arXiv:2211.01910, section 4.3;
"plan" is plan-and-solve, Wang et al. 2023, arXiv:2305.04091, section 2.1."""
CUES = {"number": "Therefore, the answer (arabic numerals) is"}
CUE = "Therefore, the answer is"
"""What an answer is asked for with, by its form (Kojima et al. 2022, appendix A.5)."""
MARK = "Therefore, the answer"
"""Where reasoning ends, since the answer follows."""
OPENING = re.compile(r"\w+(?: \w+)?:")
"""What a row begins with ("Question:"): a model that goes on with a text may make up a row of its own after its reasoning."""


@dataclass(frozen=True)
class Thinking(Asking):
    """One task under one template, with reasoning between a row and its answer."""

    trigger: str = TRIGGERS["steps"]
    reasoning_tokens: int = 192
    rationales: Mapping[str, str] = field(default_factory=dict)
    """Row id → its reasoning, for rows to be shown."""

    @property
    def cue(self) -> str:
        return CUES.get(self.reader.answer, CUE)

    def answer(self, row: Row) -> str:
        return f"{self.trigger} {self.rationales[row.id]}\n{self.cue}{self.template.option(super().answer(row))}"

    def reasoning_room(self, context: int | None) -> int:
        """Tokens that reasoning may take, at most a quarter of the context."""
        return min(self.reasoning_tokens, context // 4) if context else self.reasoning_tokens

    def answer_tokens(self, row: Inputs | None, count: TokenCounter, context: int | None) -> int:
        """Tokens of trigger, reasoning and answer."""
        return self.said_tokens(row, count, context) + count(f" {self.trigger}\n{self.cue}") + self.reasoning_room(context)

    def said_tokens(self, row: Inputs | None, count: TokenCounter, context: int | None) -> int:
        """Tokens of the answer alone."""
        return super().answer_tokens(row, count, context)

    def stops(self, model: Model, shown: Sequence[str]) -> list[str]:
        """As for an answer without demonstrations: those shown are longer than an answer."""
        return super().stops(model, ())

    def reasoning_stops(self, model: Model, row: Inputs, shown: bool) -> tuple[str, ...]:
        """Where reasoning ends: where it comes to the answer, and where a model that goes on with the text begins another row."""
        opening = OPENING.match(self.show(row))
        own_row = (f"\n{opening[0]}",) if opening and model.facts.type != "api" else ()
        return (MARK, *own_row, *((self.template.separator,) if shown else ()))


def written_to_ends(model: Model, prompts: Sequence[str], ends: Sequence[tuple[str, ...]], room: int, **sampling: Any) -> list[Generation]:
    """What the model goes on with after each prompt, in at most `room` tokens; prompts that end alike are asked together."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, stop in enumerate(ends):
        groups.setdefault(stop, []).append(i)
    found: dict[int, Generation] = {}
    for stop, places in groups.items():
        written = model.generate([prompts[i] for i in places], max_tokens=room, stop=stop, **sampling)
        found.update({i: own[0] for i, own in zip(places, written, strict=True)})
    return [found[i] for i in range(len(prompts))]


def thinking_template(template: Template) -> Template:
    """The template with the same instruction, whose rows end in "Answer:", after which reasoning has its place."""
    return Template(template.name, template.instruction, template.row.partition("{text}")[0] + "{text}\nAnswer:", separator=template.separator)


def tail(text: str, tokens: int, count: TokenCounter) -> str:
    """The longest end of a text, from a word's beginning, that takes at most `tokens` tokens; "" where not even one word does."""
    if count(text) <= tokens:
        return text
    starts = [found.start() for found in re.finditer(r"\s\S", text)]
    low, high = -1, len(starts)  # from `low` on it is too long, from `high` on it fits
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if count(text[starts[middle] :]) <= tokens else (middle, high)
    return text[starts[high] :] if high < len(starts) else ""
