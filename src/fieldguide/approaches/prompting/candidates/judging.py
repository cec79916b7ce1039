"""Pairwise judging by a model, each pair in both orders: an answer wins only if it is preferred wherever it stands.

Zheng et al. 2023, "Judging LLM-as-a-judge with MT-bench and Chatbot Arena", arXiv:2306.05685, section 3.4: the judge is asked twice with the answers
swapped, a win is declared only where both judgements name the same answer, and where they part it is a tie. The share of pairs on which they agree
is the judge's consistency (their table 2).

    judged = judge_pairs(model, [Pair("Who wrote Emma?", "Jane Austen", "Mary Shelley")], instruction="Answer each question.")
    judged.outcomes, judged.agreement
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fieldguide.approaches.prompting.candidates.candidates import closed
from fieldguide.approaches.prompting.fit_text import MARGIN, TokenCounter, within
from fieldguide.models.model import Model
from fieldguide.tasks.template import Template

PART = 4
"""An answer may take this part of the context, 1 in so many."""
CLOSE = 1e-4
"""Nats by which one letter must be more probable than the other to be preferred: what lies below depends on which rows share a batch."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A question, or whatever is to be answered, and two answers to it."""

    question: str
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judge made of pairs."""

    outcomes: tuple[int, ...]
    """1 where the pair's first answer wins, −1 where its second does, 0 for a tie; one a pair."""
    agreement: float
    """The share of pairs on which both orders name the same answer, from 0 to 1; NaN where there are no pairs."""
    first_place: float
    """Of the judgements that name an answer, the share that names the one shown first: 1/2 without a bias to a place; NaN where none names one."""


def judge_pairs(model: Model, pairs: Sequence[Pair], instruction: str) -> Judged:
    """Two calls a pair. `instruction` says what the answers are answers to, and may be empty.

    A model that scores prefers the more probable letter; one that only writes is read, and names none where it says neither A nor B.
    """
    named = _preferred(model, judge_prompts(model, pairs, instruction))
    straight, swapped = named[::2], [-place for place in named[1::2]]
    outcomes = tuple(one if one == other else 0 for one, other in zip(straight, swapped, strict=True))
    told = [place for place in named if place]
    return Judged(outcomes, _share(sum(map(bool, outcomes)), len(pairs)), _share(told.count(1), len(told)))


def judge_prompts(model: Model, pairs: Sequence[Pair], instruction: str) -> list[str]:
    """The literal prompts, two a pair: as it stands, then with the answers swapped. Answers beyond a quarter of the context are cut, and then questions."""
    template, context, count = judging(instruction), model.facts.context, TokenCounter.of(model)
    found = []
    for pair in pairs:
        question, first, second = closed(pair.question), closed(pair.first), closed(pair.second)
        if context is not None:
            first, second = within(first, context // PART, count), within(second, context // PART, count)
            room = context - count(template.render(_shown("", first, second))) - count(" A") - MARGIN
            question = within(question, room, count)
        found += [template.render(_shown(question, first, second)), template.render(_shown(question, second, first))]
    return found


def judging(instruction: str) -> Template:
    """The judge's prompt under an instruction that says what is answered."""
    return Template("judge", "\n".join(part for part in (instruction, INSTRUCTION) if part), "{text}\nBetter answer:")


def _shown(question: str, first: str, second: str) -> str:
    return "\n".join(part for part in (question, f"Answer A: {first}", f"Answer B: {second}") if part)


def _preferred(model: Model, prompts: Sequence[str]) -> list[int]:
    """1 where a judgement names the answer shown first, −1 for the second, 0 for neither."""
    if not prompts:
        return []
    options = [[" A", " B"]] * len(prompts)
    if "score" in model.facts.can:
        leads = [first - second for first, second in model.score(prompts, options).totals]
        return [(lead > CLOSE) - (lead < -CLOSE) for lead in leads]
    return [stated(written.text) for (written,) in model.choose(prompts, options)]


def stated(text: str) -> int:
    """1 for a text that names A, −1 for one that names B, 0 for one that begins with neither: "A", "Answer B is better", "[[A]]"; not "A good one"."""
    found = re.match(r"\W*(?:(?i:(?:the )?(?:better )?(?:answer|response)(?: is)?)\W+)?([AB])\b(?!\s+(?!is\b)\w)", text)
    return 0 if found is None else 1 if found[1] == "A" else -1


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


INSTRUCTION = (
    "Two answers are compared at a time. Name the better one, A or B; where only one of them is right it is that one. "
    "Neither the order in which they stand nor their length matters."
)
