"""Verified candidates: p(yes) and both rules by hand, samples as candidates, proposals to show, prompts that do not leak or depend on a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fieldguide.approaches.approach import FitContext, Solver, make
from fieldguide.approaches.prompting.candidates.candidates import leader
from fieldguide.approaches.prompting.candidates.verified import VerifiedSolver
from fieldguide.approaches.prompting.candidates.verifier import stated
from fieldguide.approaches.prompting.samples import BETWEEN
from fieldguide.errors import ApproachError
from fieldguide.models.fake import FakeModel
from fieldguide.models.meter import metering
from fieldguide.models.model import Generation, Scores
from fieldguide.models.pool import ModelPool
from fieldguide.records import Row, Usage
from fieldguide.tasks.task import TaskSpec

MOOD = TaskSpec("mood", "classification", ("text",), "mood", ("calm", "glad", "sad"))
SUMS = TaskSpec("sums", "numeric-answer", ("question",), "answer", metric="numeric_match")
NAMES = TaskSpec("names", "short-answer", ("question",), "answers", metric="exact_match")
QUIZ = TaskSpec("quiz", "multiple-choice", ("question", "choices"), "answer")
DOGS = {"question": "Which is a dog?", "choices": ["a poodle", "cat"]}
LABELS = {" calm": 0.5, " glad": 0.3, " sad": 0.2}


class Scripted(FakeModel):
    """p of each label, p(yes) of each proposal, and what is written in turn to a question; keeps what it was asked."""

    def __init__(self, sure: dict[str, float], written: Sequence[str] = (), **facts: Any) -> None:
        super().__init__()
        self.sure, self.script, self.facts = sure, written, replace(self.facts, **facts)
        self.asked: list[str] = []

    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        self.asked += prompts
        totals = tuple(tuple(self._log(p, o) for o in own) for p, own in zip(prompts, options, strict=True))
        return Scores(totals, tuple(tuple((t,) for t in own) for own in totals)), Usage()

    def _log(self, prompt: str, option: str) -> float:
        if option not in (" yes", " no"):
            return math.log(LABELS.get(option, 0.5))
        sure = self.sure[prompt.rsplit("Proposed answer: ", 1)[1].split("\n")[0]]
        return math.log(0.9 * (sure if option == " yes" else 1 - sure))  # a tenth goes to other words

    def _generate(self, prompts: Sequence[str], **how: Any) -> tuple[list[list[Generation]], Usage]:
        self.asked += prompts
        return [[Generation(f" {self._says(p, k)}", 1, "stop") for k in range(how["n"])] for p in prompts], Usage()

    def _says(self, prompt: str, place: int) -> str:
        if "Proposed answer: " not in prompt:
            return self.script[place]
        sure = self.sure[prompt.rsplit("Proposed answer: ", 1)[1].split("\n")[0]]
        return "Yes." if sure > 0.6 else "No, it is not." if sure < 0.4 else "Perhaps."


def fitted(model: FakeModel, spec: TaskSpec, train: Sequence[Row] = (), **params: Any) -> VerifiedSolver:
    context = FitContext(seed=3, models=ModelPool({"fake:": model}))
    solver = make("prompt-verified", model="fake:", **params).fit(spec, train, context=context)
    assert isinstance(solver, VerifiedSolver)
    return solver


SURE = {"calm": 0.2, "glad": 0.6, "sad": 0.7}


def test_both_rules_by_hand() -> None:
    """p(label) .5 .3 .2 and p(yes) .2 .6 .7 make the products .10 .18 .14, which sum to .42."""
    solver = fitted(Scripted(SURE), MOOD)
    with metering() as meter:
        (answer,) = solver.predict(["hm"])
    assert meter.usage.calls == 1 + 3
    assert answer.value == "glad"
    assert answer.probabilities == pytest.approx({"calm": 10 / 42, "glad": 18 / 42, "sad": 14 / 42})
    (own,) = solver.verified(["hm"])
    assert [each.value for each, _ in own] == ["calm", "glad", "sad"]
    assert [(each.share, sure) for each, sure in own] == [pytest.approx(pair) for pair in ((0.5, 0.2), (0.3, 0.6), (0.2, 0.7))]
    assert solver.confidence(["hm"]) == [pytest.approx(0.6)]
    alone = fitted(Scripted(SURE), MOOD, rule="verifier")
    assert (alone.predict(["hm"])[0].value, alone.confidence(["hm"])) == ("sad", [pytest.approx(0.7)])
    two = fitted(Scripted(SURE), MOOD, candidates=2, rule="verifier").predict(["hm"])[0]
    assert (two.value, two.probabilities) == ("glad", pytest.approx({"calm": 0.25, "glad": 0.75, "sad": 0.0}))


def test_ties_go_to_the_more_probable_candidate() -> None:
    assert leader([0.2, 0.5, 0.5 + 1e-12, 0.1]) == 1
    (answer,) = fitted(Scripted(dict.fromkeys(SURE, 0.5)), MOOD, rule="verifier").predict(["hm"])
    assert answer.value == "calm"
    (never,) = fitted(Scripted(dict.fromkeys(SURE, 1e-300), can=frozenset({"score"})), MOOD).predict(["hm"])
    assert never.value == "calm"


def test_samples_are_candidates_with_the_share_that_gave_them() -> None:
    """Of five samples three say 4, one says 5 and one cannot be read: .6 · .2 = .12 against .2 · .9 = .18."""
    model = Scripted({"4": 0.2, "5": 0.9}, ["4", "no idea", "4.0", "5", "4"])
    solver = fitted(model, SUMS, candidates=5)
    with metering() as meter:
        (answer,) = solver.predict(["two and two"])
    assert (answer.value, answer.probabilities) == (5.0, None)
    assert meter.usage.calls == 5 + 2 <= solver.approach.calls(0, 1, SUMS)
    assert answer.text == BETWEEN.join([" 4", " no idea", " 4.0", " 5", " 4"])
    (own,) = solver.verified(["two and two"])
    assert [(each.value, each.said, each.share) for each, _ in own] == [(4.0, "4", 0.6), (5.0, "5", 0.2)]
    assert [sure for _, sure in own] == [pytest.approx(0.2), pytest.approx(0.9)]
    none = fitted(Scripted({}, ["no idea", "who knows"]), SUMS, candidates=2)
    assert not none.predict(["two and two"])[0].parsed
    assert none.confidence(["two and two"]) == [None]


def test_a_model_that_only_writes_draws_and_verifies_by_writing() -> None:
    model = Scripted({"calm": 0.5, "sad": 0.9}, ["calm", "sad", "calm", "calm"], can=frozenset({"generate"}))
    solver = fitted(model, MOOD)
    (answer,) = solver.predict(["hm"])
    assert [(each.value, each.share, sure) for each, sure in solver.verified(["hm"])[0]] == [("calm", 0.75, 0.5), ("sad", 0.25, 1.0)]
    assert (answer.value, answer.probabilities) == ("calm", pytest.approx({"calm": 0.6, "glad": 0.0, "sad": 0.4}))
    assert fitted(model, MOOD, rule="verifier").predict(["hm"])[0].value == "sad"
    assert [stated(text) for text in (" Yes", "**no**, since", "Yesterday", "", "It is: yes")] == [1.0, 0.0, 0.5, 0.5, 0.5]


def test_the_literal_prompts() -> None:
    solver = fitted(Scripted({"a poodle": 0.9, "cat": 0.1}), QUIZ)
    assert solver.verifier_prompts([DOGS], [["a poodle"]]) == [
        [
            "Say of each proposed answer whether it is right: yes or no.\n\n"
            "Question: Which is a dog?\nProposed answer: a poodle\nIs the proposed answer right, yes or no?"
        ]
    ]
    listed = fitted(Scripted({"A. a poodle": 0.9, "B. cat": 0.1}), QUIZ, choose="letter")
    model = listed.models.get("fake:")
    assert isinstance(model, Scripted)
    model.asked.clear()
    assert listed.predict([DOGS])[0].value == "A"
    said = listed.verifier_prompts([DOGS], [["A. a poodle", "B. cat"]])[0]
    assert model.asked == [*listed.prompts([DOGS]), *said], "all that was sent can be had"
    assert "B. cat\nProposed answer: A. a poodle\n" in said[0]
    assert listed.predict([{"question": "Which?", "choices": []}])[0].parsed is False


TOLD = [("a quiet lake", "calm"), ("we won", "glad"), ("he left her", "sad"), ("soft rain", "calm")]
TRAIN = [Row(f"t:{i}", {"text": text}, mood) for i, (text, mood) in enumerate(TOLD)]


def test_each_row_shown_has_a_right_and_a_wrong_proposal() -> None:
    solver = fitted(Scripted(SURE), MOOD, TRAIN, shots=3)
    by_row: dict[str, list[tuple[str, str]]] = {}
    for shown, _ in solver.shown:
        by_row.setdefault(shown.id, []).append((shown.answer, shown.text.rsplit(": ", 1)[1]))
    assert len(by_row) == 3
    targets = {row.id: row.target for row in TRAIN}
    for row, own in by_row.items():
        said = dict(own)
        assert said["yes"] == targets[row]
        assert said["no"] == ("glad" if targets[row] == "calm" else "calm"), "the most probable wrong one"
    (prompt,) = solver.verifier_prompts([{"text": "a quiet  LAKE"}], [["calm"]])[0]
    assert prompt.count("a quiet lake") == 0, "no demonstration repeats the row"
    assert prompt.count("\n\n") == 1 + 2 * (3 - ("t:0" in by_row))
    assert make("prompt-verified", shots=3).label_counts((8, 16)) == (8,)
    assert make("prompt-verified").label_counts((8, 16)) == (0,)


def test_written_proposals_are_the_models_own_where_it_was_right_or_wrong() -> None:
    train = [Row("a", {"question": "who"}, ["Ann Lee"]), Row("b", {"question": "where"}, ["Rome"])]
    solver = fitted(Scripted({"Rome": 0.5, "rome": 0.5}, ["Rome", "Rome"]), NAMES, train, shots=2, candidates=2)
    said = {(shown.id, shown.answer): shown.text.rsplit(": ", 1)[1] for shown, _ in solver.shown}
    assert said == {("a", "yes"): "Ann Lee", ("a", "no"): "Rome", ("b", "yes"): "Rome", ("b", "no"): "Ann Lee"}
    assert solver.fit_usage.calls == 2 * 2


def test_another_model_verifies_and_a_saved_solver_answers_alike(tmp_path: Path) -> None:
    drawer, verifier = Scripted({}), Scripted({"calm": 0.1, "glad": 0.2, "sad": 0.99})
    pool = ModelPool({"fake:": drawer, "fake:1": verifier})
    approach = make("prompt-verified", model="fake:", verifier="fake:1", shots=2)
    assert approach.models() == ("fake:", "fake:1")
    solver = approach.fit(MOOD, TRAIN, context=FitContext(models=pool))
    assert isinstance(solver, VerifiedSolver)
    before = solver.predict(["hm"])
    assert before[0].value == "sad"
    assert len(verifier.asked) == 3
    back = Solver.load(solver.save(tmp_path), pool)
    assert isinstance(back, VerifiedSolver)
    assert [p.probabilities for p in back.predict(["hm"])] == [p.probabilities for p in before]
    assert back.verifier_prompts([{"text": "hm"}], [["sad"]]) == solver.verifier_prompts([{"text": "hm"}], [["sad"]])


def test_long_rows_and_proposals_are_cut_to_the_context() -> None:
    model = Scripted({}, context=120)
    solver = fitted(model, NAMES)
    (own,) = solver.verifier_prompts([{"question": "why " * 900}], [["since " * 900, "so"]])
    for prompt in own:
        assert len(prompt.split()) < 110
        assert prompt.endswith("Is the proposed answer right, yes or no?")
    assert "so\nIs the" in own[1]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"candidates": 1}, "takes no candidates=1; give a whole number, at least 2."),
        ({"temperature": 0.0}, "takes no temperature=0.0; give more than 0"),
        ({"rule": "best"}, "takes no rule='best'; give product or verifier."),
        ({"shots": -1}, "takes no shots=-1"),
        ({"shots": 2}, "made of labelled rows, and none were given"),
    ],
)
def test_parameters_that_do_not_exist_are_refused(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ApproachError, match=sentence):
        fitted(Scripted(SURE), MOOD, **params)
