"""What single approaches promise beyond the contract suite."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fieldguide.approaches.approach import Approach, FitContext, make
from fieldguide.approaches.linear import LinearHead, fit_head
from fieldguide.approaches.prompting.few_shot import deal
from fieldguide.approaches.prompting.fit_text import TokenCounter, cut, shorten
from fieldguide.errors import ApproachError
from fieldguide.models.fake import FakeModel
from fieldguide.models.pool import ModelPool
from fieldguide.records import Row, Unparsed
from fieldguide.tasks.task import Role, TaskSpec
from fieldguide.testing import check_approach, larger_toy_task, toy_pair_spec, toy_rows, toy_spec, toy_task


def fake(**facts: object) -> FitContext:
    """A context whose fake model has other facts."""
    model = FakeModel()
    model.facts = replace(model.facts, **facts)  # type: ignore[arg-type]
    return FitContext(models=ModelPool({"fake:": model}))


def test_majority_breaks_ties_by_label_order() -> None:
    rows = [Row("a", {"text": "x"}, "weather"), Row("b", {"text": "y"}, "food")]
    assert make("majority").fit(toy_spec(), rows).predict(["z"])[0].value == "food"


def test_linear_head_gives_unseen_labels_no_chance_and_equals_the_plain_fit() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    features, numbers = rng.normal(size=(40, 120)), np.repeat([0, 2, 3], [14, 13, 13])
    features += np.eye(4, 120)[numbers] * 3
    head = fit_head(features, numbers, 5, (1.0,))
    found = head.probabilities(features)
    assert (found[:, [1, 4]] == 0).all()
    plain = LogisticRegression(C=1.0, tol=1e-8, max_iter=5000).fit(features, numbers)
    assert np.abs(found[:, [0, 2, 3]] - plain.predict_proba(features)).max() < 5e-3


def test_linear_head_of_one_label_is_constant() -> None:
    head = fit_head(np.eye(3), np.array([1, 1, 1]), 3, (1.0, 2.0))
    assert head.probabilities(np.eye(3)).tolist() == [[0.0, 1.0, 0.0]] * 3
    assert isinstance(head, LinearHead)


def test_linear_head_chooses_a_strong_penalty_for_noise() -> None:
    rng = np.random.default_rng(1)
    noise, numbers = rng.normal(size=(60, 30)), np.arange(60) % 2
    assert fit_head(noise, numbers, 2, (0.01, 1.0, 100.0)).c == 0.01


def test_zero_shot_embedding_refuses_pairs_in_a_sentence() -> None:
    why = make("embedding-zero-shot", model="fake:").unsuited(toy_pair_spec())
    assert why == "Embedding zero-shot reads one text a row, and pair-classification rows hold 2."


@pytest.mark.parametrize(("ladder", "counts"), [((16, 64, 256), (16,)), ((4, 8, 64), (4, 8, 64)), ((64, 256), (64,)), ((4, 8), (4, 8))])
def test_few_shot_tries_no_more_labels_than_it_can_show(ladder: tuple[int, ...], counts: tuple[int, ...]) -> None:
    assert make("prompt-few-shot").label_counts(ladder) == counts


def test_demonstrations_are_balanced_and_differ_by_seed() -> None:
    rows = toy_rows(40)
    dealt = deal(rows, 9, seed=0)
    assert {t: sum(r.target == t for r in dealt) for t in ("animals", "food", "weather")} == {"animals": 3, "food": 3, "weather": 3}
    assert [r.id for r in dealt] == [r.id for r in deal(rows, 9, seed=0)] != [r.id for r in deal(rows, 9, seed=1)]


def test_a_small_context_drops_demonstrations_and_cuts_rows() -> None:
    task, context = larger_toy_task(), fake(context=130)
    solver = make("prompt-few-shot", model="fake:").fit(task.spec, task[Role.TRAIN], context=context)
    assert 3 <= len(solver.demonstrations) < 16
    (prompt,) = solver.prompts([{"text": "cat and dog " * 500}])
    assert TokenCounter()(prompt) <= 130
    assert prompt.startswith("Give the label of each text. The labels are: animals, food, weather")
    assert prompt.endswith("\nLabel:")
    assert "cat and dog" in prompt.rpartition("Text:")[2]


def test_a_context_too_small_for_a_row_is_refused() -> None:
    task = toy_task()
    for name in ("prompt-zero-shot", "prompt-few-shot"):
        with pytest.raises(ApproachError, match="leaves no room for a row"):
            make(name, model="fake:").fit(task.spec, task[Role.TRAIN], context=fake(context=8))


def test_a_model_that_only_writes_is_read() -> None:
    task, context = larger_toy_task(), fake(can=frozenset({"generate"}))
    solver = make("prompt-few-shot", model="fake:").fit(task.spec, task[Role.TRAIN], context=context)
    (answer,) = solver.predict(["cat and dog and horse"])
    assert answer.value == "animals"
    assert answer.text is not None
    (lost,) = make("prompt-zero-shot", model="fake:", template="bare").fit(task.spec, (), context=context).predict(["zzz"])
    assert isinstance(lost.value, Unparsed)


@pytest.mark.parametrize(
    ("approach", "can", "sentence"),
    [
        (make("linear-probe", model="fake:"), {"score"}, "cannot embed text"),
        (make("prompt-few-shot", model="fake:"), {"embed"}, "cannot be prompted"),
        (make("fine-tune", model="fake:"), {"embed"}, "cannot be fine-tuned"),
        (make("prompt-few-shot", model="fake:", shots=0), {"score"}, "at least 1 shot"),
        (make("prompt-zero-shot", model="fake:", template="no"), {"score"}, "its templates are plain, question, role, bare"),
        (make("embedding-knn", model="fake:", k=0), {"embed"}, "at least 1"),
    ],
)
def test_what_cannot_work_is_refused(approach: Approach, can: set[str], sentence: str) -> None:
    task = toy_task()
    with pytest.raises(ApproachError, match=sentence):
        approach.fit(task.spec, task[Role.TRAIN], context=fake(can=frozenset(can)))


@pytest.mark.parametrize("name", ["tfidf-logreg", "linear-probe", "embedding-knn", "prompt-few-shot"])
def test_learning_from_no_rows_is_refused(name: str) -> None:
    approach = make(name, **({"model": "fake:"} if make(name).models() else {}))
    with pytest.raises(ApproachError, match="at least one"):
        approach.fit(toy_spec(), [])


@pytest.mark.parametrize(("text", "at", "left"), [("cafe\u0301s", 4, "caf"), ("ab👩‍👩‍👧", 3, "ab"), ("ab👩‍👩‍👧", 5, "ab"), ("a b c", 2, "a"), ("abc", 9, "abc"), ("", 0, "")])
def test_cuts_do_not_split_what_is_seen_as_one_letter(text: str, at: int, left: str) -> None:
    assert cut(text, at) == left


def test_the_longer_text_is_cut_first() -> None:
    found = shorten({"a": "short one", "b": "word " * 400}, 40, lambda row: "\n".join(row.values()), TokenCounter())
    assert found["a"] == "short one"
    assert 15 <= len(found["b"].split()) <= 25


def test_labels_that_do_not_appear_in_training_are_still_in_the_space() -> None:
    spec = TaskSpec("four", "classification", ("text",), "topic", ("animals", "food", "games", "weather"))
    for name in ("tfidf-logreg", "linear-probe", "embedding-knn"):
        approach = make(name, **({"model": "fake:"} if make(name).models() else {}))
        (answer,) = approach.fit(spec, toy_rows(20)).predict(["chess"])
        assert answer.probabilities is not None
        assert answer.probabilities["games"] == 0


def test_the_suite_catches_what_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    from fieldguide.approaches.baselines.majority import Majority, MajoritySolver

    def shuffled(self: MajoritySolver, inputs: list) -> list:
        found = original(self, inputs)
        return [replace(p, value=self.task.labels[i % len(self.task.labels)], probabilities=None) for i, p in enumerate(found)]

    original = MajoritySolver._predict
    monkeypatch.setattr(MajoritySolver, "_predict", shuffled)
    with pytest.raises(AssertionError, match="majority fails the check 'order'"):
        check_approach(Majority())
