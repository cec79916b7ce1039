"""Chosen demonstrations: which rows each pick takes, in what order they stand, what is shown of them, and how much of the context they take."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldguide.approaches.approach import FitContext, Solver, make
from fieldguide.approaches.prompting.fit_text import TokenCounter
from fieldguide.approaches.prompting.shots.chosen_shots import ChosenShotsSolver
from fieldguide.approaches.prompting.shots.corruption import SENTENCES, corrupted
from fieldguide.approaches.prompting.shots.selection import arranged, covering, filled, nearest, unlike
from fieldguide.approaches.prompting.shots.shelf import Space
from fieldguide.errors import ApproachError, RunError
from fieldguide.models.fake import FakeModel
from fieldguide.models.meter import metering
from fieldguide.models.model import Scores
from fieldguide.models.pool import ModelPool
from fieldguide.records import Row, Usage
from fieldguide.study.settings import Settings
from fieldguide.study.setup import chosen_approaches
from fieldguide.tasks.task import Role, TaskSpec
from fieldguide.testing import check_approach, larger_toy_task, toy_form_task, toy_spec, toy_task

NAME = "prompt-chosen-shots"
FORMS = ("classification", "multiple-choice", "multi-label", "regression", "tagging", "span-extraction", "ranking", "short-answer")
PICKS = ("nearest", "diverse", "balanced", "random")


class Spy(FakeModel):
    """A fake model that counts its calls, and embeds the texts that it was told vectors of as these."""

    def __init__(self, vectors: dict[str, Sequence[float]] | None = None, **facts: Any) -> None:
        super().__init__()
        self.facts = replace(self.facts, **facts)
        self.vectors = vectors or {}
        self.asked: list[int] = []

    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        self.asked.append(len(prompts))
        return super()._score(prompts, options)

    def _embed(self, texts: Sequence[str]) -> tuple[np.ndarray, Usage]:
        if not self.vectors:
            return super()._embed(texts)
        return np.array([self.vectors[text] for text in texts], dtype=np.float32), Usage()


def fitted(spec: TaskSpec, train: Sequence[Row], model: FakeModel | None = None, seed: int = 0, **params: Any) -> ChosenShotsSolver:
    pool = ModelPool({"fake:": model or Spy()})
    solver = make(NAME, model="fake:", encoder="fake:", **params).fit(spec, train, context=FitContext(seed=seed, models=pool))
    assert isinstance(solver, ChosenShotsSolver)
    return solver


def ids(solver: ChosenShotsSolver, *texts: str) -> list[list[str]]:
    return [[shown.id for shown in own] for own in solver.chosen([{"text": text} for text in texts])]


THREE = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
"""Cosines .8 of the first two, .6 of the last two, 0 of the outer two."""


def test_nearest_by_hand() -> None:
    assert nearest(THREE, np.array([0.0, 1.0])) == [2, 1, 0]
    assert nearest(THREE, np.array([0.6, 0.8])) == [1, 2, 0]  # cosines .6, .96, .8
    assert nearest(THREE[[0, 0, 2]], np.array([1.0, 0.0])) == [0, 1, 2]


def test_covering_by_hand() -> None:
    """Sums of cosines: 1.8, 2.4, 1.6. After the second, the first adds 1 − .8 and the third 1 − .6."""
    assert list(covering(THREE)) == [1, 2, 0]


def test_covering_keeps_the_promise_of_greedy_search() -> None:
    vectors = np.random.default_rng(0).normal(size=(9, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T

    def value(rows: Sequence[int]) -> float:
        return float((cosines[list(rows)].max(axis=0) + 1).sum())

    order = list(covering(vectors))
    assert sorted(order) == list(range(9))
    for size in (1, 2, 3, 4):
        best = max(value(rows) for rows in itertools.combinations(range(9), size))
        assert (1 - np.exp(-1)) * best <= value(order[:size]) <= best + 1e-9
        assert size > 1 or value(order[:1]) == pytest.approx(best)


def test_filled_by_hand() -> None:
    sizes = [5, 9, 3, 4]
    assert filled([0, 2, 3, 1], sizes, 12, 2) == [0, 2]
    assert filled([0, 2, 3, 1], sizes, 12, 0) == [0, 2, 3]
    assert filled([0, 1, 2, 3], sizes, 12, 0) == [0]  # the second does not fit, and cut rows stop there
    assert filled([0, 1, 2, 3], sizes, 12, 0, widest=8) == [0, 2, 3]  # whole rows go on past a large one
    assert filled([1, 0, 3], sizes, 10, 0, widest=2) == [3]  # all are too large: the smallest alone
    assert filled([1, 0], sizes, 4, 0, widest=2) == []
    assert filled(iter([3, 2]), sizes, float("inf"), 1) == [3]


def test_orders_by_hand() -> None:
    assert arranged([4, 1, 3], "near-first", 0) == [4, 1, 3]
    assert arranged([4, 1, 3], "near-last", 0) == [3, 1, 4]
    assert sorted(arranged(range(8), "seeded", 0)) == list(range(8))
    assert len({tuple(arranged(range(8), "seeded", seed)) for seed in range(5)}) == 5
    names = ["b", "a", "b", "c", "a", "c", "b"]
    first = set()
    for seed in range(20):
        shown = [names[i] for i in arranged(range(7), "label-blocks", seed, names)]
        assert [name for name, _ in itertools.groupby(shown)] == list(dict.fromkeys(shown)), "each label's rows stand together"
        first.add(shown[0])
    assert first == {"a", "b", "c"}


def test_repeats_are_passed_over() -> None:
    texts = ["where does the river Nile end?", "Where does the river Nile begin and where does it end", "where does the river Rhine end?"]
    assert list(unlike([2, 0, 1], texts, "Where does the  river nile end")) == [2, 1]
    many = [f"{'same old text' if i % 2 else 'number'} {'' if i % 2 else i * 7919}" for i in range(100)]
    assert list(unlike(range(100), many, "Same old text!")) == list(range(0, 100, 2))


@pytest.mark.parametrize("kind", FORMS)
def test_balanced_is_the_few_shot_prompt(kind: str) -> None:
    task = toy_form_task(kind)
    rows = [row.inputs for row in task[Role.CERTIFY][:8]]
    for context, shots in ((None, 7), (700, 16), (260, 16)):
        model = Spy(context=context)
        plain = make("prompt-few-shot", model="fake:", shots=shots)
        known = plain.fit(task.spec, task[Role.TRAIN], context=FitContext(seed=3, models=ModelPool({"fake:": model})))
        solver = fitted(task.spec, task[Role.TRAIN], model, seed=3, pick="balanced", shots=shots)
        assert solver.demonstrations == known.demonstrations  # type: ignore[attr-defined]
        prompts = zip(solver.prompts(rows), known.prompts(rows), solver.chosen(rows), strict=True)  # type: ignore[attr-defined]
        same = [own == other for own, other, shown in prompts if len(shown) == len(solver.demonstrations)]
        assert all(same)
        assert len(same) >= 6, "all rows but those that a demonstration nearly repeats"


def test_a_plain_draw_knows_no_labels() -> None:
    rows = [Row(f"r{i}", {"text": f"text number {i * 7919}"}, "food" if i % 10 else "weather") for i in range(60)]
    drawn = Counter(answer.answer for seed in range(10) for answer in fitted(toy_spec(), rows, seed=seed, pick="random", shots=8).demonstrations)
    dealt = Counter(answer.answer for seed in range(10) for answer in fitted(toy_spec(), rows, seed=seed, pick="balanced", shots=8).demonstrations)
    assert drawn["weather"] < 20 < dealt["weather"] == 40


NEAR = {"alpha one": (1.0, 0.0), "beta two": (0.8, 0.6), "gamma three": (0.0, 1.0), "delta": (0.6, 0.8), "epsilon": (1.0, 0.0)}
TRAIN = [Row("a", {"text": "alpha one"}, "animals"), Row("b", {"text": "beta two"}, "food"), Row("c", {"text": "gamma three"}, "weather")]


def test_each_row_has_the_demonstrations_next_to_it() -> None:
    solver = fitted(toy_spec(), TRAIN, Spy(NEAR), shots=2)
    assert ids(solver, "delta", "epsilon") == [["c", "b"], ["b", "a"]], "the most similar last"
    (prompt,) = solver.prompts([{"text": "delta"}])
    ends = ["gamma three\nLabel: weather", "beta two\nLabel: food", "delta\nLabel:"]
    assert [block.split("Text: ")[-1] for block in prompt.split("\n\n")[-3:]] == ends
    assert ids(fitted(toy_spec(), TRAIN, Spy(NEAR), shots=2, order="near-first"), "delta") == [["b", "c"]]
    assert ids(solver, "beta two") == [["c", "a"]], "never the row itself"


def test_diverse_shows_all_rows_the_same() -> None:
    solver = fitted(toy_spec(), TRAIN, Spy(NEAR), pick="diverse", shots=2)
    assert {shown.id for shown in solver.demonstrations} == {"b", "c"}
    assert ids(solver, "delta", "alpha one")[0] == ids(solver, "epsilon")[0] == [shown.id for shown in solver.demonstrations]
    assert solver.vectors is None


@pytest.mark.parametrize("pick", PICKS)
@pytest.mark.parametrize("kind", ["classification", "ranking", "short-answer"])
def test_no_demonstration_repeats_the_row(kind: str, pick: str) -> None:
    task = toy_form_task(kind, train=10)
    rows = task[Role.TRAIN]
    solver = fitted(task.spec, rows, pick=pick, shots=9)
    for row, shown in zip(rows, solver.chosen([row.inputs for row in rows]), strict=True):
        assert row.id not in {each.id for each in shown}
        assert 8 <= len(shown) <= 9


def test_one_call_of_the_model_for_all_rows() -> None:
    task, model = larger_toy_task(), Spy()
    solver = fitted(task.spec, task[Role.TRAIN], model, shots=3)
    rows = [row.inputs for row in task[Role.CERTIFY]]
    with metering() as meter:
        solver.predict(rows)
    assert model.asked == [40]
    assert meter.usage.calls == 80
    assert solver.fit_usage.calls == 48
    promised = {pick: make(NAME, pick=pick).calls(48, 40, task.spec) for pick in PICKS}
    assert promised == {"nearest": 128, "diverse": 88, "balanced": 40, "random": 40}


@pytest.mark.parametrize("pick", PICKS)
@pytest.mark.parametrize("kind", ["classification", "tagging"])
def test_as_many_as_the_context_holds(kind: str, pick: str) -> None:
    task = toy_form_task(kind, train=60)
    count, rows = TokenCounter(), [row.inputs for row in task[Role.CERTIFY][:6]]
    sizes = []
    for context in (300, 600):
        solver = fitted(task.spec, task[Role.TRAIN], Spy(context=context), pick=pick, shots=0)
        prompts = solver.prompts(rows)
        answers = [solver.asking.answer_tokens(row, count, context) for row in rows]
        assert all(count(prompt) + answer <= context for prompt, answer in zip(prompts, answers, strict=True))
        shown = [len(own) for own in solver.chosen(rows)]
        if pick == "nearest":
            space = Space(solver.models.get("fake:"), solver.asking)
            size = {d.id: n for d, n in zip(solver.demonstrations, solver.sizes, strict=True)}
            spare = [space(row) - sum(size[d.id] for d in own) for row, own in zip(rows, solver.chosen(rows), strict=True)]
            assert all(0 <= each < max(solver.sizes) for each in spare), "none more fits"
        sizes.append(min(shown))
    assert 1 <= sizes[0] < sizes[1] < 60
    with pytest.raises(ApproachError, match="say how many shots"):
        fitted(task.spec, task[Role.TRAIN], pick=pick, shots=0)


def test_a_long_row_has_fewer_demonstrations() -> None:
    task = toy_form_task("classification", train=60)
    solver = fitted(task.spec, task[Role.TRAIN], Spy(context=500), shots=0)
    short, long = solver.chosen([{"text": "bread and rice"}, {"text": "bread and rice " * 200}])
    assert len(long) < len(short)
    assert len(long) > len(short) / 3, "a row that can be cut takes a third of the context at most"


def test_saved_and_loaded_with_the_vectors(tmp_path: Path) -> None:
    task = larger_toy_task()
    pool = ModelPool({"fake:": Spy(context=400), "fake:5": FakeModel("fake:5", 5)})
    solver = make(NAME, model="fake:", encoder="fake:5", shots=5).fit(task.spec, task[Role.TRAIN], context=FitContext(models=pool))
    rows = [row.inputs for row in task[Role.CERTIFY]]
    solver.save(tmp_path)
    with metering() as meter:
        back = Solver.load(tmp_path, pool)
    assert meter.usage.calls == 0, "loading embeds nothing"
    assert isinstance(back, ChosenShotsSolver)
    assert back.prompts(rows) == solver.prompts(rows)  # type: ignore[attr-defined]
    assert back.vectors is not None
    assert back.vectors.shape == (48, 256)
    with pytest.raises(RunError, match="fake:5"):
        Solver.load(tmp_path, ModelPool({"fake:": Spy(context=400), "fake:5": FakeModel("fake:5", 6)}))


def test_both_models_are_named_where_both_are_used() -> None:
    assert make(NAME).models() == ("smollm2-135m", "minilm-l6")
    assert make(NAME, pick="diverse", model="fake:").models() == ("fake:", "minilm-l6")
    assert make(NAME, pick="balanced").models() == make(NAME, pick="random").models() == ("smollm2-135m",)
    assert make(NAME, model="fake:", encoder="fake:").models() == ("fake:",)


def test_a_study_tries_it_where_it_is_named() -> None:
    pool = ModelPool()
    assert NAME not in {approach.name for approach in chosen_approaches(Settings(data="", models=("fake:",)), pool)}
    (named,) = chosen_approaches(Settings(data="", models=("fake:",), approaches=(NAME,)), pool)
    assert named.models() == ("fake:", "minilm-l6"), "the model that answers is the study's, the encoder its own"
    assert make(NAME).label_counts((8, 16, 32, 64)) == make(NAME, pick="random", shots=0).label_counts((8, 16, 32, 64)) == (8, 16, 32, 64)
    assert make(NAME, pick="balanced", shots=12).label_counts((8, 16, 32, 64)) == (8, 16)


ROWS = [Row(f"r{i}", {"text": f"text number {i}"}, ("animals", "food", "weather")[i % 3]) for i in range(300)]


def test_corruption_by_hand() -> None:
    spec = toy_spec()
    assert corrupted(ROWS, spec, "right", 1.0, 0) == ROWS
    for share, count in ((0.0, 0), (0.25, 75), (1.0, 300)):
        found = corrupted(ROWS, spec, "flipped", share, 4)
        changed = [(old.target, new.target) for old, new in zip(ROWS, found, strict=True) if old.target != new.target]
        assert len(changed) == count
        assert not count or len(set(changed)) == 6, "each label turns into both of the others"
    drawn = Counter((old.target, new.target) for old, new in zip(ROWS, corrupted(ROWS, spec, "random", 1.0, 4), strict=True))
    assert len(drawn) == 9
    assert all(15 <= size <= 55 for size in drawn.values()), "about 33 of each pair"
    other = corrupted(ROWS, spec, "other", 1.0, 4)
    assert [(row.id, row.target) for row in other] == [(row.id, row.target) for row in ROWS]
    assert {row.inputs["text"] for row in other[: len(SENTENCES)]} == set(SENTENCES)
    (pair,) = corrupted([Row("p", {"a": "x", "b": ["y", "z"]}, "food")], spec, "other", 1.0, 0)
    assert len({pair.inputs["a"], *pair.inputs["b"]} & set(SENTENCES)) == 3
    assert corrupted(ROWS, spec, "random", 1.0, 4) != corrupted(ROWS, spec, "random", 1.0, 5)


@pytest.mark.parametrize("pick", PICKS)
def test_only_what_is_shown_changes(pick: str) -> None:
    task = larger_toy_task()
    rows, train = [row.inputs for row in task[Role.CERTIFY][:4]], {row.id: row for row in task[Role.TRAIN]}
    right = fitted(task.spec, task[Role.TRAIN], pick=pick, shots=8)
    for show, share in (("flipped", 0.5), ("flipped", 1.0), ("random", 1.0), ("other", 1.0)):
        solver = fitted(task.spec, task[Role.TRAIN], pick=pick, shots=8, show=show, flip_share=share)
        assert [[d.id for d in own] for own in solver.chosen(rows)] == [[d.id for d in own] for own in right.chosen(rows)]
        wrong = sum(shown.answer != train[shown.id].target for shown in solver.demonstrations)
        assert show == "random" or wrong == (share * len(solver.demonstrations) if show == "flipped" else 0)
        assert all((train[shown.id].inputs["text"] in shown.text) != (show == "other") for shown in solver.demonstrations)
        assert all(set(p.probabilities or ()) == set(task.spec.labels) for p in solver.predict(rows[:2]))


def test_a_model_that_copies_follows_flipped_labels() -> None:
    """The fake model says what the most similar demonstrations say, so that flipping them all leaves it right less often than chance."""
    task = larger_toy_task()
    rows, right = [row.inputs for row in task[Role.CERTIFY][:20]], [row.target for row in task[Role.CERTIFY][:20]]

    def accuracy(**params: Any) -> float:
        found = fitted(task.spec, task[Role.TRAIN], shots=4, **params).predict(rows)
        return float(np.mean([p.value == target for p, target in zip(found, right, strict=True)]))

    assert accuracy() > 0.7
    assert accuracy(show="flipped") < 0.2
    assert accuracy(show="flipped", flip_share=0.0) == accuracy()


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"pick": "best"}, "nearest, diverse, balanced, random"),
        ({"order": "up"}, "seeded, near-last, near-first, label-blocks"),
        ({"order": "near-last", "pick": "diverse"}, "give pick=nearest"),
        ({"show": "none"}, "take prompt-zero-shot"),
        ({"show": "left"}, "right, flipped, random, other"),
        ({"shots": -1}, "0 for as many as fit"),
        ({"shots": True}, "0 for as many as fit"),
        ({"show": "flipped", "flip_share": 1.5}, "from 0 to 1"),
    ],
)
def test_what_cannot_work_is_refused(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ApproachError, match=sentence):
        fitted(toy_spec(), TRAIN, **params)


def test_one_draw_in_blocks_of_lies_keeps_the_contract() -> None:
    approach = make(NAME, model="fake:", encoder="fake:", pick="diverse", order="label-blocks", show="flipped", flip_share=0.2, shots=5)
    elsewhere = {"save": "tests/test_contract.py loads the nearest in a new process.", "beats_majority": "It shows wrong labels."}
    found = check_approach(approach, exceptions=elsewhere, task=toy_task())
    assert list(found.values()).count("passed") == len(found) - 2


def test_what_does_not_suit_is_said_beforehand() -> None:
    regression = toy_form_task("regression").spec
    assert "no labels" in (make(NAME, order="label-blocks").unsuited(regression) or "")
    assert "two labels" in (make(NAME, show="random").unsuited(regression) or "")
    assert make(NAME, order="label-blocks", show="random").unsuited(toy_spec()) is None
    with pytest.raises(ApproachError, match="cannot embed"):
        fitted(toy_spec(), TRAIN, Spy(can=frozenset({"score"})))
    assert fitted(toy_spec(), TRAIN, Spy(can=frozenset({"score"})), pick="random").chosen([{"text": "x"}])
    with pytest.raises(ApproachError, match="at least one"):
        fitted(toy_spec(), [])
