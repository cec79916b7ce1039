"""Biases of prompted answers against numbers worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

import fieldguide
from fieldguide.approaches.approach import make
from fieldguide.records import Prediction, Unparsed, plain
from fieldguide.report.evaluation import render
from fieldguide.testing.toy_forms import toy_form_task
from fieldguide.verdict.prompt_bias import common_token_bias, label_bias, mean_distribution, prompt_bias, recency_bias

LABELS = ("a", "b", "c")


def given(value: str, p: Mapping[str, float] | None = None) -> Prediction:
    return Prediction(value, p)


SKEWED = [
    given("a", {"a": 0.8, "b": 0.1, "c": 0.1}),
    given("a", {"a": 0.6, "b": 0.3, "c": 0.1}),
    given("a", {"a": 0.5, "b": 0.4, "c": 0.1}),
    given("b", {"a": 0.3, "b": 0.6, "c": 0.1}),
]
TARGETS = ["a", "b", "c", "b"]


def test_by_hand() -> None:
    """The mean is (0.55, 0.35, 0.1) and the shares are (0.25, 0.5, 0.25): (0.3 + 0.15 + 0.15) / 2 = 0.3."""
    found = prompt_bias(LABELS, SKEWED, TARGETS, last="a", prior=[0.2, 0.5, 0.3])
    assert mean_distribution(LABELS, SKEWED) == pytest.approx([0.55, 0.35, 0.1])
    assert found.label == pytest.approx(0.3)
    assert found.recency == pytest.approx(3 / 4 - 1 / 4)
    assert found.common_token == pytest.approx(-0.5), "ranks (3, 2, 1) and (1, 3, 2): 1 - 6 (4 + 1 + 1) / (3 · 8)"
    assert prompt_bias(LABELS, SKEWED, TARGETS, last="c").recency == pytest.approx(-1 / 4)
    assert json.loads(json.dumps(plain(found)))["rows"] == 4


def test_no_bias_is_zero_and_the_worst_is_one() -> None:
    right = [given(t) for t in TARGETS]
    assert prompt_bias(LABELS, right, TARGETS, last="b").label == prompt_bias(LABELS, right, TARGETS, last="b").recency == 0
    wrong = prompt_bias(LABELS, [given("c")] * 2, ["a", "b"], last="c")
    assert (wrong.label, wrong.recency) == (1, 1)
    assert label_bias(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 0


def test_answers_that_could_not_be_read() -> None:
    """They believe in no label, and are not the last one; an answer without probabilities counts wholly for its label."""
    answers = [Prediction(Unparsed("?", "no label")), given("a"), given("b", {"a": 0.4, "b": 0.6, "c": 0.0})]
    assert mean_distribution(LABELS, answers) == pytest.approx([0.7, 0.3, 0.0])
    assert prompt_bias(LABELS, answers, ["a", "a", "b"], last="a").recency == pytest.approx(1 / 3 - 2 / 3)
    none = prompt_bias(LABELS, answers[:1], ["a"], last="a", prior=[0.2, 0.3, 0.5])
    assert (none.label, none.common_token, none.recency) == (None, None, -1.0)
    assert mean_distribution(LABELS, []) is None
    assert prompt_bias(LABELS, [], [], last="a").recency is None


def test_common_tokens_are_told_by_rank_alone() -> None:
    mean = np.array([0.6, 0.3, 0.1])
    assert common_token_bias(mean, [0.9, 0.06, 0.04]) == pytest.approx(1)
    assert common_token_bias(mean, np.log([0.9, 0.06, 0.04]).tolist()) == pytest.approx(1)
    assert common_token_bias(mean, [0.1, 0.2, 0.7]) == pytest.approx(-1)
    assert common_token_bias(mean, [1 / 3] * 3) == 0
    two = prompt_bias(("a", "b"), [given("a")], ["a"], prior=[0.4, 0.6])
    assert two.common_token is None, "two labels give 1 or -1 whatever there is"


def test_recency_counts_answers_not_beliefs() -> None:
    assert recency_bias(["a", None, "b", "a"], ["a", "a", "b", "b"], "a") == 0
    assert recency_bias(["a", None, "a", "a"], ["a", "a", "b", "b"], "a") == pytest.approx(0.25)


def test_numbers_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="4 predictions and 1 targets"):
        prompt_bias(LABELS, SKEWED, ["a"])
    with pytest.raises(ValueError, match="3 labels and 2 priors"):
        prompt_bias(LABELS, SKEWED, TARGETS, prior=[0.5, 0.5])


def test_evaluate_tells_what_a_prompt_leans_towards_and_nothing_of_others() -> None:
    task = toy_form_task("classification", train=40, test=40)
    few = make("prompt-few-shot", model="fake:", shots=6)
    chosen = make("prompt-chosen-shots", model="fake:", encoder="fake:", shots=3)
    found = {one.record.approach["name"]: one for one in fieldguide.evaluate([few, chosen, make("prompt-calibrated", model="fake:", shots=6), make("majority")], task)}
    assert found["majority"].bias is None
    bias = found["prompt-few-shot"].bias
    assert bias is not None
    assert bias.rows == found["prompt-few-shot"].rows
    assert bias.label is not None
    assert 0 <= bias.label <= 1
    assert bias.recency is not None
    assert bias.common_token is None, "only a calibrated prompt has measured its prior"
    assert found["prompt-chosen-shots"].bias == replace(found["prompt-chosen-shots"].bias, recency=None), "each row has its own last demonstration"
    assert found["prompt-calibrated"].bias.common_token is not None
    console = Console(width=100, record=True, file=StringIO())
    render(list(found.values()), console)
    assert console.export_text().count("towards some labels") == 3
