"""Self-consistency: votes by hand, the exact rule against every possible end, samples that do not depend on when a row stops."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import beta

from fieldguide.approaches.approach import FitContext, Solver, make
from fieldguide.approaches.prompting.reasoning.self_consistency import VotingSolver
from fieldguide.approaches.prompting.reasoning.votes import Vote, drawn, enough, lead_probability, normalised, settled, shares, tally, winner
from fieldguide.approaches.prompting.samples import BETWEEN
from fieldguide.errors import ApproachError
from fieldguide.models.answers import AnswerStore, remembering
from fieldguide.models.fake import FakeModel
from fieldguide.models.meter import metering
from fieldguide.models.model import Generation, Scores
from fieldguide.models.pool import ModelPool
from fieldguide.records import Usage
from fieldguide.tasks.task import TaskSpec

SUMS = TaskSpec("sums", "numeric-answer", ("question",), "answer", metric="numeric_match")
MOOD = TaskSpec("mood", "classification", ("text",), "mood", ("calm", "glad", "sad"))
NAMES = TaskSpec("names", "short-answer", ("question",), "answers", metric="exact_match")


def majority(said: str) -> list[Vote]:
    """One letter a sample; a dot could not be read."""
    return [(None if letter == "." else letter, 1.0) for letter in said]


def test_votes_by_hand() -> None:
    votes: list[Vote] = [("b", 0.5), ("a", 0.25), (None, 0.9), ("a", 0.375)]
    assert tally(votes) == {"b": 0.5, "a": 0.625}
    assert winner(votes) == "a"
    assert winner(majority("ba.ab")) == winner(majority("baab")) == "b", "of answers that tie the one that was given first"
    assert winner(majority("...")) is None is winner([])
    assert shares(majority("aab."), ("a", "b", "c", "d")) == {"a": 2.25 / 4, "b": 1.25 / 4, "c": 0.25 / 4, "d": 0.25 / 4}
    assert shares(votes[:2], ("a", "b")) == {"a": 1 / 3, "b": 2 / 3}
    assert normalised(-6.0, 4) == math.exp(-1.5)
    assert normalised(None, 4) == normalised(-0.0, 0) == 1.0


def test_the_exact_rule_stops_just_when_no_end_can_change_the_winner() -> None:
    """Of all votes of up to four samples over three answers, unreadable ones included, and all their ends: "d" stands for an answer that is still new."""
    for size in range(1, 5):
        for said in itertools.product("abc.", repeat=size):
            first = majority("".join(said))
            for left in range(4):
                ends = {winner([*first, *majority("".join(end))]) for end in itertools.product("abcd.", repeat=left)}
                assert settled(first, left) == (left == 0 or (ends == {winner(first)} and winner(first) is not None)), (said, left)


def test_the_exact_rule_gives_the_answer_of_all_samples_and_saves_some() -> None:
    """On stored samples of 600 rows, easy and hard ones, as majority and weighted votes; the numbers are those of the documentation's page."""
    rng = random.Random(7)
    rows = []
    for _ in range(600):
        sure = rng.choice([0.3, 0.5, 0.7, 0.9])
        rows.append([(rng.choices(["x", *"abcd", None], [sure, *[(0.9 - sure * 0.9) / 4] * 4, 0.1 * (1 - sure)])[0], rng.uniform(0.3, 1.0)) for _ in range(10)])
    used = {}
    for weighted in (False, True):
        stored = [[(answer, weight if weighted else 1.0) for answer, weight in row] for row in rows]
        for block in (1, 2, 3, 10):
            cut = [drawn(row, block, 0) for row in stored]
            assert [winner(row[:n]) for row, n in zip(stored, cut, strict=True)] == [winner(row) for row in stored]
            used[weighted, block] = sum(cut) / len(cut)
    assert used[False, 10] == used[True, 10] == 10
    assert used[False, 1] < used[False, 2] < 8.5
    assert used[True, 1] < 10
    bayes = [drawn([(answer, 1.0) for answer, _ in row], 2, 0.95) for row in rows]
    assert sum(bayes) / len(bayes) < used[False, 2]
    same = [winner(row[:n]) == winner([(answer, 1.0) for answer, _ in row]) for row, n in zip([[(a, 1.0) for a, _ in row] for row in rows], bayes, strict=True)]
    assert sum(same) / len(same) > 0.95


def test_rounding_does_not_make_the_exact_rule_stop_too_soon() -> None:
    rng = random.Random(3)
    for _ in range(3000):
        row: list[Vote] = [(rng.choice("ab"), rng.choice([0.1, 0.2, 0.3, 0.7, 1.0])) for _ in range(rng.randint(2, 9))]
        assert winner(row[: drawn(row, 1, 0)]) == winner(row)


def test_the_probability_of_a_lead() -> None:
    assert lead_probability(majority("aaa")) == 15 / 16  # Binomial(4, 1/2) ≤ 3
    assert lead_probability(majority("")) == lead_probability(majority("ab")) == lead_probability(majority("..")) == 0.5
    for said, first, second in (("aaab", 3, 1), ("aaaabbcc.", 4, 2), ("a" * 20 + "b" * 12, 20, 12)):
        assert lead_probability(majority(said)) == pytest.approx(beta(first + 1, second + 1).sf(0.5))
    assert not enough(majority("aaa"), 30, 0.95)
    assert enough(majority("aaaa"), 30, 0.95)
    assert not enough(majority("aaaa"), 30, 0.0)


class Sampled(FakeModel):
    """Comes to the answer that the seed and the row decide: `answers` by the sample's place, from a row's text on."""

    def __init__(self, answers: dict[str, str], logprobs: dict[str, float] | None = None, **facts: Any) -> None:
        super().__init__()
        self.answers, self.logprobs, self.facts = answers, logprobs, replace(self.facts, **facts)
        self.seeds: list[int] = []

    def _generate(self, prompts: Sequence[str], **how: Any) -> tuple[list[list[Generation]], Usage]:
        assert how["n"] == 1
        if how["temperature"] > 0:
            self.seeds += [how["seed"]] * len(prompts)
        return [[self._one(prompt, how["seed"] % 100_003, how["temperature"] > 0)] for prompt in prompts], Usage()

    def _one(self, prompt: str, place: int, sampled: bool) -> Generation:
        row = next((text for text in self.answers if text in prompt), "")
        said = self.answers[row][place] if sampled and row else prompt.split("\n")[-2][-1] if "\n" in prompt else "probe"
        told = None if self.logprobs is None else 2 * self.logprobs.get(said, 0.0)
        return Generation(f" Sample {place} says {said}" if sampled else f" {said}", 2, "stop", told)

    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        totals = tuple(tuple(-0.1 if o.strip()[0] == p.split("\n")[-2][-1] else -3.0 for o in own) for p, own in zip(prompts, options, strict=True))
        return Scores(totals, tuple(tuple((t,) for t in own) for own in totals)), Usage()


def fitted(model: FakeModel, spec: TaskSpec, seed: int = 0, **params: Any) -> VotingSolver:
    context = FitContext(seed=seed, models=ModelPool({"fake:": model}))
    solver = make("prompt-self-consistency", model="fake:", **params).fit(spec, (), context=context)
    assert isinstance(solver, VotingSolver)
    return solver


ROWS = {"one apple": "3333333333", "two pears": "5757757555", "ten plums": "1213141511", "no nuts": "??????????"}


def test_the_winner_is_what_all_samples_would_say_and_those_drawn_are_the_first_of_them() -> None:
    inputs = [{"question": text} for text in ROWS]
    whole = fitted(Sampled(ROWS), SUMS, block=10)
    fixed, said = whole.draws(inputs), [p.value for p in whole.predict(inputs)]
    assert [len(own) for own in fixed] == [10] * 4
    assert said[:3] == [3.0, 5.0, 1.0]
    assert not whole.predict(inputs)[3].parsed
    for block, sizes in ((1, [5, 9, 7, 10]), (2, [6, 10, 8, 10]), (3, [6, 9, 9, 10])):
        solver = fitted(Sampled(ROWS), SUMS, block=block)
        samples = solver.draws(inputs)
        assert [len(own) for own in samples] == sizes
        for own, every in zip(samples, fixed, strict=True):
            assert [reasoning for reasoning, _ in own] == [reasoning for reasoning, _ in every[: len(own)]]
        assert [p.value for p in solver.predict(inputs)][:3] == said[:3]
    bayes = fitted(Sampled(ROWS), SUMS, samples=10, stop=0.95).draws(inputs)
    assert [len(own) for own in bayes] == [4, 10, 8, 10]


def test_samples_have_seeds_of_their_own_and_are_remembered_across_settings() -> None:
    model, inputs = Sampled(ROWS), [{"question": "two pears"}, {"question": "one apple"}]
    with remembering(AnswerStore()):
        fitted(model, SUMS, seed=2).predict(inputs)
        assert sorted(set(model.seeds)) == [2 * 100_003 + k for k in range(10)]
        asked = len(model.seeds)
        assert asked == 10 + 6
        fitted(model, SUMS, seed=2, block=10).predict(inputs)
        assert len(model.seeds) == asked + 4, "only the four samples that the stopped row was spared"
        fitted(model, SUMS, seed=2, block=1, samples=5).predict(inputs)
        assert len(model.seeds) == asked + 4
        fitted(model, SUMS, seed=3, samples=2).predict(inputs)
        assert len(model.seeds) == asked + 8


def test_closed_answers_have_the_share_of_samples_as_their_probability() -> None:
    model = Sampled({"hm": "gsgg", "oh": "ssss"})
    solver = fitted(model, MOOD, samples=4)
    with metering() as meter:
        mixed, clear = solver.predict(["hm", "oh"])
    assert (mixed.value, mixed.probabilities) == ("glad", {"calm": 0.0, "glad": 0.75, "sad": 0.25})
    assert (clear.value, clear.probabilities) == ("sad", {"calm": 0.0, "glad": 0.0, "sad": 1.0})
    assert meter.usage.calls == 2 * (4 + 2), "the second row is settled after two of four"
    assert make("prompt-self-consistency", samples=4).calls(0, 2, MOOD) == 16
    assert mixed.text == BETWEEN.join(f"Sample {k} says {said}" for k, said in enumerate("gsgg"))
    writes = Sampled({"hm": "g?gs"}, can=frozenset({"generate"}))
    (answer,) = fitted(writes, TaskSpec("l", "classification", ("text",), "l", ("c", "g", "s")), samples=4).predict(["hm"])
    assert answer.value == "g"
    assert answer.probabilities == pytest.approx({"c": 1 / 12, "g": 7 / 12, "s": 4 / 12}), "what could not be read is spread over all"


def test_weights_can_outvote_numbers() -> None:
    answers = {"odd": "99944"}
    rare = {"9": -2.0, "4": -0.1}  # exp(-2.0) · 3 = 0.41, exp(-0.1) · 2 = 1.81
    for vote, value in (("majority", 9.0), ("weighted", 4.0)):
        assert fitted(Sampled(answers, rare), SUMS, samples=5, vote=vote).predict(["odd"])[0].value == value
    solver = fitted(Sampled(answers, rare), SUMS, samples=5, vote="weighted")
    ((*_, last),) = solver.draws([{"question": "odd"}])
    assert solver.votes([last]) == [("4", math.exp(-0.1))]
    with pytest.raises(ApproachError, match="does not tell how likely what it writes is"):
        fitted(Sampled(answers), SUMS, vote="weighted")


def test_texts_are_the_same_but_for_white_space() -> None:
    spoken = {"who": "AABBB"}
    (answer,) = fitted(Sampled(spoken), NAMES, samples=5).predict(["who"])
    assert answer.value == "B"
    assert answer.probabilities is None


def test_a_saved_solver_draws_the_same(tmp_path: Path) -> None:
    model = Sampled(ROWS)
    pool = ModelPool({"fake:": model})
    solver = fitted(model, SUMS, seed=5, samples=4)
    before = solver.predict(list(ROWS))
    seeds = model.seeds[:]
    model.seeds.clear()
    after = Solver.load(solver.save(tmp_path), pool).predict(list(ROWS))
    assert [p.text for p in after] == [p.text for p in before]
    assert model.seeds == seeds


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"samples": 1}, "takes no samples=1; give a whole number, at least 2."),
        ({"block": 0}, "takes no block=0"),
        ({"temperature": 0.0}, "take prompt-cot for one greedy chain"),
        ({"vote": "all"}, "takes no vote='all'; give majority or weighted."),
        ({"stop": 1.0}, "takes no stop=1.0; give a probability above 0.5 and below 1, such as 0.95, or 0"),
        ({"stop": 0.5}, "takes no stop=0.5"),
    ],
)
def test_parameters_that_do_not_exist_are_refused(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ApproachError, match=sentence):
        fitted(Sampled(ROWS), SUMS, **params)
