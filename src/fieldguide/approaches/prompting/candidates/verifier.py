"""A verifier's prompt, what it answers, and labelled rows to show it: each with a right and with a wrong proposal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fieldguide.approaches.answers import softmax
from fieldguide.approaches.prompting.asking import Asking
from fieldguide.approaches.prompting.candidates.candidates import Candidate, CandidateSolver, closed
from fieldguide.approaches.prompting.few_shot import deal
from fieldguide.approaches.prompting.fit_text import MARGIN, TokenCounter, shorten, within
from fieldguide.approaches.prompting.prompt import Demonstration
from fieldguide.approaches.prompting.reasoning.rationales import right
from fieldguide.approaches.prompting.shots.chosen_shots import compared
from fieldguide.models.model import Model
from fieldguide.records import Inputs, Row, Unparsed
from fieldguide.tasks.metrics import metric
from fieldguide.tasks.task import TaskSpec
from fieldguide.tasks.template import Template

YES, NO = "yes", "no"
PART = 3
"""A proposal may take this part of the context, 1 in so many."""
Shown = tuple[Demonstration, str]
"""A proposal with "yes" or "no", and the text of its row by which near-duplicates are told."""


def verifying(template: Template) -> Template:
    """The prompt that puts an answer to a verifier, with the instruction of the prompt that the answer was drawn with, and what it puts before a row."""
    lead = template.row.partition("{text}")[0]
    asked = "\n".join(part for part in (template.instruction, INSTRUCTION) if part)
    return Template("verify", asked, lead + "{text}\nIs the proposed answer right, yes or no?")


def proposing(row: str, said: str) -> str:
    """A row as shown, with an answer in words."""
    return f"{row}\nProposed answer: {said}"


def proposed_prompt(model: Model, asking: Asking, row: Inputs, said: str, shown: Sequence[Demonstration]) -> str:
    """The literal prompt that asks whether an answer to a row is right; proposals beyond a third of the context are cut, and so are long rows."""
    template, blocks = verifying(asking.template), [(each.text, each.answer) for each in shown]
    context, count = model.facts.context, TokenCounter.of(model)
    if context is not None:
        said = within(said, context // PART, count)
        room = context - count(template.render("", blocks)) - count(f" {YES}") - MARGIN
        row = shorten(row, room, lambda own: proposing(asking.show(own), said), count)
    return template.render(proposing(closed(asking.show(row)), said), blocks)


def p_yes(model: Model, prompts: Sequence[str]) -> list[float]:
    """p(yes) after each prompt: softmax over log p(yes) and log p(no), or what a model that only writes says, 1/2 where that is neither."""
    if not prompts:
        return []
    options = [[f" {YES}", f" {NO}"]] * len(prompts)
    if "score" in model.facts.can:
        return [float(sure) for sure in softmax(np.array(model.score(prompts, options).totals))[:, 0]]
    return [stated(written.text) for (written,) in model.choose(prompts, options)]


def stated(text: str) -> float:
    """1 for a text that begins with yes, 0 for one that begins with no, else 1/2."""
    found = re.match(r"\W*(yes|no)\b", text, re.IGNORECASE)
    return 0.5 if found is None else float(found[1].lower() == YES)


def demonstrated(solver: CandidateSolver, verifier: Model, train: Sequence[Row], shots: int, seed: int) -> list[Shown]:
    """Up to `shots` training rows, each with a right and with a wrong proposal, in an order that the seed shuffles and in half of the context at most.

    Proposals are the solver's own candidates where there are right and wrong ones among them, as a verifier is best shown what it will be asked of
    (Cobbe et al. 2021, arXiv:2110.14168, section 4.2); else the row's target, and another answer.
    """
    task, asking, count, context = solver.task, solver.asking, TokenCounter.of(verifier), verifier.facts.context
    dealt = [row for row in deal(train, len(train), seed, task.reader.stratum) if asking.written or task.reader.options(task, row.inputs)][:shots]
    room = (context - count(verifying(asking.template).render(""))) // 2 - MARGIN if context else float("inf")
    found: list[Shown] = []
    for row, drawn in zip(dealt, solver.candidates([row.inputs for row in dealt]), strict=True):
        pair = _pair(task, row, drawn, (other.target for other in dealt))
        if pair is None:
            continue
        said = [(solver.proposed(row.inputs, value), answer) for value, answer in zip(pair, (YES, NO), strict=True)]
        shown = [Demonstration(row.id, proposing(closed(asking.show(row.inputs)), text), answer) for text, answer in said]
        room -= sum(count(verifying(asking.template).row.format(text=each.text)) + 4 for each in shown)
        if room < 0:
            break
        found += [(each, compared(task, row.inputs)) for each in shown]
    return [found[i] for i in np.random.default_rng([seed, 3331]).permutation(len(found))]


def _pair(task: TaskSpec, row: Row, drawn: Sequence[Candidate], targets: Iterable[Any]) -> tuple[Any, Any] | None:
    """A right and a wrong answer to a row; None where one of them is not to be had."""
    reader, own = task.reader, [each.value for each in drawn]
    others = reader.options(task, row.inputs) or [reader.example(target) for target in targets]
    good = next((value for value in (*own, reader.example(row.target)) if value != "" and right(task, row.target, value)), reader.example(row.target))
    bad = next((value for value in (*own, *others) if value != "" and wrong(task, row.target, value)), None)
    return None if good == "" or bad is None else (good, bad)


def wrong(task: TaskSpec, target: Any, value: Any) -> bool:
    """Whether an answer is wholly wrong: of texts, one to which the task's metric gives nothing."""
    if task.reader.answer == "text":
        return not isinstance(value, Unparsed) and metric(task.metric).of([target], [value]) <= 1e-9
    return not right(task, target, value)


INSTRUCTION = "Say of each proposed answer whether it is right: yes or no."
