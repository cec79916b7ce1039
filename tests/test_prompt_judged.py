"""Judged candidates: tournaments by hand, judgements in both orders, a judge that looks at the place alone, reading what a judge writes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from fieldguide.approaches.approach import FitContext, Solver, make
from fieldguide.approaches.prompting.candidates.judged import JudgedSolver
from fieldguide.approaches.prompting.candidates.judging import Pair, judge_pairs, judge_prompts, stated
from fieldguide.approaches.prompting.candidates.tournament import entrants, points, round_robin
from fieldguide.errors import ApproachError
from fieldguide.models.fake import FakeModel
from fieldguide.models.meter import metering
from fieldguide.models.model import Generation, Scores
from fieldguide.models.pool import ModelPool
from fieldguide.records import Usage
from fieldguide.tasks.task import Role, TaskSpec
from fieldguide.testing import toy_form_task

MOOD = TaskSpec("mood", "classification", ("text",), "mood", ("calm", "glad", "sad", "tired"))
NAMES = TaskSpec("names", "short-answer", ("question",), "answers", metric="exact_match")
LABELS = {" calm": 0.4, " glad": 0.3, " sad": 0.2, " tired": 0.1}


def test_tournaments_by_hand() -> None:
    assert [entrants(9, duels) for duels in (1, 2, 3, 5, 6, 9, 10, 99)] == [2, 2, 3, 3, 4, 4, 5, 9]
    assert [entrants(size, 6) for size in (0, 1, 2, 3, 4, 5)] == [1, 1, 2, 3, 4, 4]
    assert round_robin(3) == [(0, 1), (0, 2), (1, 2)]
    assert points(3, [1, 0, -1]) == [1.5, 0.0, 1.5]
    assert points(4, [-1] * 6) == [0.0, 1.0, 2.0, 3.0]
    assert points(1, []) == [0.0]


class Judge(FakeModel):
    """Prefers one of two answers as `likes` says, 1 for the first; keeps what it was asked."""

    def __init__(self, likes: Callable[[str, str], float], written: Sequence[str] = (), **facts: Any) -> None:
        super().__init__()
        self.likes, self.script, self.facts = likes, written, replace(self.facts, **facts)
        self.asked: list[str] = []

    def _both(self, prompt: str) -> float:
        first, second = prompt.rsplit("Answer A: ", 1)[1].removesuffix("\nBetter answer:").split("\nAnswer B: ")
        return self.likes(first, second)

    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        self.asked += prompts
        rows = tuple(self._logs(p, own) for p, own in zip(prompts, options, strict=True))
        return Scores(rows, tuple(tuple((t,) for t in own) for own in rows)), Usage()

    def _logs(self, prompt: str, options: Sequence[str]) -> tuple[float, ...]:
        return (self._both(prompt), 0.0) if list(options) == [" A", " B"] else tuple(math.log(LABELS[option]) for option in options)

    def _generate(self, prompts: Sequence[str], **how: Any) -> tuple[list[list[Generation]], Usage]:
        self.asked += prompts
        return [[Generation(self._says(p, k), 1, "stop") for k in range(how["n"])] for p in prompts], Usage()

    def _says(self, prompt: str, place: int) -> str:
        if "Answer B: " not in prompt:
            return f" {self.script[place]}"
        liked = self._both(prompt)
        return " Answer A is better" if liked > 0 else " B" if liked < 0 else " It is a tie."


def longer(first: str, second: str) -> float:
    return len(first) - len(second)


def test_a_win_counts_only_in_both_orders() -> None:
    pairs = [Pair("Why?", "since so", "so"), Pair("Who?", "me", "you"), Pair("", "one", "two")]
    judged = judge_pairs(Judge(longer), pairs, "Answer each question.")
    assert judged.outcomes == (1, -1, 0)
    assert (judged.agreement, judged.first_place) == (pytest.approx(2 / 3), 0.5)
    first = judge_pairs(Judge(lambda one, other: 1.0), pairs, "")
    assert (first.outcomes, first.agreement, first.first_place) == ((0, 0, 0), 0.0, 1.0)
    faint = judge_pairs(Judge(lambda one, other: 1e-6), pairs, "")
    assert (faint.outcomes, math.isnan(faint.first_place)) == ((0, 0, 0), True)
    assert judge_pairs(Judge(longer, can=frozenset({"generate"})), pairs, "").outcomes == (1, -1, 0)
    nothing = judge_pairs(Judge(longer), [], "")
    assert (nothing.outcomes, math.isnan(nothing.agreement)) == ((), True)


def test_the_literal_prompts_hold_both_orders() -> None:
    model = Judge(longer)
    straight, swapped = judge_prompts(model, [Pair("Who?\n\nTell me.", "me", "you")], "Answer each question.")
    assert straight.startswith("Answer each question.\nTwo answers are compared at a time.")
    assert straight.split("\n\n")[1] == "Who?\nTell me.\nAnswer A: me\nAnswer B: you\nBetter answer:"
    assert swapped.split("\n\n")[1] == "Who?\nTell me.\nAnswer A: you\nAnswer B: me\nBetter answer:"
    small = Judge(longer, context=200)
    for prompt in judge_prompts(small, [Pair("why " * 500, "since " * 500, "so")], ""):
        assert len(prompt.split()) < 190
        assert prompt.endswith("Better answer:")


def test_what_a_judge_writes() -> None:
    said = {"A": 1, " B.": -1, "[[A]]": 1, "**B**": -1, "Answer A is better": 1, "The better answer is B, since": -1, "Response B": -1, "A: it is": 1}
    said |= {"A good answer would": 0, "Both": 0, "": 0, "tie": 0, "A and B": 0, "Better": 0, "[[C]]": 0, "a": 0}
    assert {text: stated(text) for text in said} == said


def fitted(model: FakeModel, spec: TaskSpec, **params: Any) -> JudgedSolver:
    solver = make("prompt-judged", model="fake:", **params).fit(spec, (), context=FitContext(seed=3, models=ModelPool({"fake:": model})))
    assert isinstance(solver, JudgedSolver)
    return solver


def test_the_candidate_with_most_points_wins_and_ties_go_to_the_more_probable() -> None:
    ranks = {"calm": 1, "glad": 2, "sad": 4, "tired": 3}
    model = Judge(lambda one, other: ranks[one] - ranks[other])
    solver = fitted(model, MOOD)
    with metering() as meter:
        (answer,) = solver.predict(["hm"])
    assert meter.usage.calls == 1 + 2 * 6
    assert answer.value == "sad"
    assert answer.probabilities == pytest.approx({"calm": 0.0, "glad": 1 / 6, "sad": 3 / 6, "tired": 2 / 6})
    (few,) = fitted(model, MOOD, duels=2).predict(["hm"])
    assert (few.value, few.probabilities) == ("glad", {"calm": 0.0, "glad": 1.0, "sad": 0.0, "tired": 0.0}), "only the two most probable meet"
    (tied,) = fitted(Judge(lambda one, other: 1.0), MOOD).predict(["hm"])
    assert (tied.value, set(tied.probabilities.values())) == ("calm", {0.25})
    assert make("prompt-judged").calls(0, 10, MOOD) == 10 * (4 + 12)
    assert make("prompt-judged", duels=2).calls(0, 10, MOOD) == 10 * (4 + 2)
    assert make("prompt-judged", candidates=9, duels=99).calls(0, 10, MOOD) == 10 * (9 + 12), "no more than the labels that there are"


def test_written_answers_are_judged_and_all_that_is_sent_can_be_had() -> None:
    model = Judge(longer, ["a cat", "a cat", "a tomcat", "cat"])
    solver = fitted(model, NAMES)
    (answer,) = solver.predict(["Which animal?"])
    assert (answer.value, answer.probabilities) == ("a tomcat", None)
    candidates, judged = solver.judged(["Which animal?"])
    assert [(each.said, each.share) for each in candidates[0]] == [("a cat", 0.5), ("a tomcat", 0.25), ("cat", 0.25)]
    assert (judged.outcomes, judged.agreement) == ((-1, 1, 1), 1.0)
    model.asked.clear()
    solver.predict(["Which animal?"])
    rows = [{"question": "Which animal?"}]
    assert model.asked == [*solver.prompts(rows), *solver.judge_prompts(rows, [["a cat", "a tomcat", "cat"]])]
    (same,) = fitted(Judge(longer, ["cat"] * 4), NAMES).predict(["Which animal?"])
    assert (same.value, same.usage.calls) == ("cat", 4), "one candidate has nobody to meet"


def test_texts_of_any_extent_are_judged() -> None:
    task = toy_form_task("instruction-following")
    assert task.spec.reader.extent == "any"
    model = Judge(longer, ["one\n\ntwo", "one"])
    (answer,) = fitted(model, task.spec, candidates=2).predict([task[Role.CERTIFY][0].inputs])
    assert answer.value == "one\n\ntwo"
    assert "Answer A: one\ntwo\n" in model.asked[-2]


def test_answers_do_not_depend_on_the_batch_and_are_saved(tmp_path: Path) -> None:
    wins = dict(zip(permutations(("calm", "glad", "sad", "tired"), 2), [1, -1, 0, 1, 1, -1, 0, 0, 1, 1, -1, -1], strict=True))
    pool = ModelPool({"fake:": Judge(lambda one, other: wins[one, other]), "fake:1": Judge(longer)})
    for judge in ("", "fake:1"):
        approach = make("prompt-judged", model="fake:", judge=judge)
        assert approach.models() == (("fake:", judge) if judge else ("fake:",))
        solver = approach.fit(MOOD, (), context=FitContext(models=pool))
        whole = [p.value for p in solver.predict(["a", "b", "c"])]
        assert whole == [solver.predict([text])[0].value for text in "abc"]
        assert whole == [p.value for p in Solver.load(solver.save(tmp_path / (judge or "own").strip(":")), pool).predict(["a", "b", "c"])]


def test_parameters_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ApproachError, match="takes no duels=0; give a whole number, at least 1"):
        fitted(Judge(longer), MOOD, duels=0)
    context = FitContext(models=ModelPool({"fake:": Judge(longer), "fake:1": Judge(longer, can=frozenset({"embed"}))}))
    with pytest.raises(ApproachError, match="cannot be prompted"):
        make("prompt-judged", model="fake:", judge="fake:1").fit(MOOD, (), context=context)
