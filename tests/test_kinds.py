"""How kinds read answers: what counts as a label in free text, and what never does."""

from __future__ import annotations

import pytest

from fieldguide.records import Prediction, Unparsed
from fieldguide.tasks.kinds.classification import Classification
from fieldguide.tasks.task import TaskSpec


def parse(labels: tuple[str, ...], text: str) -> object:
    return Classification().parse(TaskSpec("t", "classification", ("text",), "label", labels), text)


@pytest.mark.parametrize(
    ("labels", "text", "expected"),
    [
        (("positive", "negative"), " Positive.", "positive"),
        (("positive", "negative"), "I think the label is negative, clearly", "negative"),
        (("card_arrival", "card_lost"), "card arrival", "card_arrival"),
        (("card_arrival", "card_lost"), "Answer: card_lost\n", "card_lost"),
        (("good", "not good"), "not good", "not good"),
        (("US", "us"), "US", "US"),
        (("*", "**", "***"), "**", "**"),
        (("0", "1"), "the answer is 1", "1"),
        (("A", "B"), "B", "B"),
        (("体育", "财经"), "答案是体育", "体育"),
    ],
)
def test_answers_are_read(labels: tuple[str, ...], text: str, expected: str) -> None:
    assert parse(labels, text) == expected


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ((":)", ":("), ""),
        (("0", "1"), "0.9"),
        (("0", "1"), "-1"),
        (("0", "1"), "1.5 out of 10"),
        (("A", "B"), "A good question"),
        (("positive", "negative"), "not positive"),
        (("positive", "negative"), "positive or negative"),
        (("positive", "negative"), "it isn't a positive"),
        (("positive", "negative"), "unpositively"),
        (("US", "us"), "Us"),
    ],
)
def test_what_is_no_answer_is_never_guessed_at(labels: tuple[str, ...], text: str) -> None:
    assert isinstance(parse(labels, text), Unparsed)


def test_answers_survive_json() -> None:
    for value in ("x", 3, ["a", "b"], {"text": "t", "reason": "r"}, Unparsed("t", "r")):
        assert Prediction.from_json(Prediction(value).to_json()).value == value
