"""Rules that score closed answers: each against numbers worked out by hand on a scripted model, and every prompt word for word."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_prompt_forms import DOGS, QUIZ, Spy, fitted

from fieldguide.approaches.approach import Solver, make
from fieldguide.approaches.prompting.fit_text import TokenCounter
from fieldguide.approaches.prompting.shots.calibrated import CalibratedSolver
from fieldguide.approaches.prompting.shots.scoring_rules import LEAST, PROMPTS, log_prior, random_texts, without_prior
from fieldguide.errors import ApproachError
from fieldguide.models.meter import metering
from fieldguide.models.pool import ModelPool
from fieldguide.records import Row
from fieldguide.tasks.task import Role, TaskSpec
from fieldguide.testing import check_approach, larger_toy_task, toy_form_task, toy_pair_task
from fieldguide.verdict.prompt_bias import prompt_bias

TONE = TaskSpec("tone", "classification", ("text",), "label", ("bad", "good"))
TRAIN = [Row("1", {"text": "it drags"}, "bad"), Row("2", {"text": "it sings"}, "good")]
HEAD = "Give the label of each text. The labels are: bad, good\n\n"


def scripted(table: Mapping[str, tuple[float, ...]], options: tuple[str, ...] = (" bad", " good"), **facts: Any) -> Spy:
    """A model that gives the options after a prompt that ends so the probabilities of the table."""

    def says(prompt: str, option: str) -> float:
        end = max((end for end in table if prompt.endswith(end)), key=len)
        return math.log(table[end][options.index(option)])

    return Spy(says, **facts)


EMPTY = {
    "Text: N/A\nLabel:": (0.07, 0.03),
    "Text: [MASK]\nLabel:": (0.5, 0.5),
    "Text: \nLabel:": (0.09, 0.01),
    "Text: a film\nLabel:": (0.06, 0.04),
}


def test_contextual_calibration_by_hand() -> None:
    """p_cf = mean of (0.7, 0.3), (0.5, 0.5), (0.9, 0.1) = (0.7, 0.3); q = (0.6/0.7, 0.4/0.3) made to sum to 1 = (9/23, 14/23)."""
    solver = fitted("prompt-calibrated", TONE, scripted(EMPTY), shots=0)
    assert np.exp(solver.prior) == pytest.approx([0.7, 0.3])
    (answer,) = solver.predict(["a film"])
    assert answer.probabilities == pytest.approx({"bad": 9 / 23, "good": 14 / 23})
    assert answer.value == "good"
    (plain,) = fitted("prompt-calibrated", TONE, scripted(EMPTY), shots=0, rule="plain").predict(["a film"])
    assert plain.probabilities == pytest.approx({"bad": 0.6, "good": 0.4})
    assert plain.value == "bad"


def test_every_content_free_prompt_holds_the_demonstrations() -> None:
    model = scripted({"Label:": (0.5, 0.5)})
    solver = fitted("prompt-calibrated", TONE, model, TRAIN, shots=2)
    shown = "".join(f"{d.text}\nLabel: {d.answer}\n\n" for d in solver.demonstrations)
    assert sorted(d.answer for d in solver.demonstrations) == ["bad", "good"]
    assert solver.blank_prompts() == [f"{HEAD}{shown}Text: {text}\nLabel:" for text in ("N/A", "[MASK]", "")] == [p for p, _ in model.scored]


def test_domain_pmi_by_hand() -> None:
    """log (0.06 / 0.6) - log (0.04 / 0.2): of 0.1 and 0.2 the second; the premise is the end of the prompt alone."""
    model = scripted({"Label:": (0.6, 0.2), "Text: a film\nLabel:": (0.06, 0.04)})
    solver = fitted("prompt-calibrated", TONE, model, TRAIN, rule="pmi", shots=2)
    assert [prompt for prompt, _ in model.scored] == solver.blank_prompts() == ["Label:"]
    (answer,) = solver.predict(["a film"])
    assert answer.probabilities == pytest.approx({"bad": 1 / 3, "good": 2 / 3})


def test_length_by_hand() -> None:
    """-3 nats over 3 bytes and -3.6 over 4, times the mean of 3.5 bytes: -3.5 and -3.15."""
    model = scripted({"Label:": (math.exp(-3), math.exp(-3.6))})
    (answer,) = fitted("prompt-calibrated", TONE, model, rule="length", shots=0).predict(["a film"])
    assert answer.value == "good"
    assert answer.probabilities["good"] / answer.probabilities["bad"] == pytest.approx(math.exp(-3.15 + 3.5))


def test_channel_by_hand() -> None:
    """log p(text | bad) = -9 + 1 = -8 and log p(text | good) = -8 + 3 = -5, though "bad" alone is far likelier than "good"."""
    table = {" bad\nText: a film\n": -9.0, " bad\nText:": -1.0, " good\nText: a film\n": -8.0, " good\nText:": -3.0}
    model = Spy(lambda prompt, option: table[option])
    solver = fitted("prompt-calibrated", TONE, model, TRAIN, rule="channel", shots=2)
    assert model.scored == [], "a channel needs no prior"
    with metering() as meter:
        (answer,) = solver.predict(["a film"])
    assert meter.usage.calls == 1
    turned = "".join(f"Label: {d.answer}\n{d.text}\n\n" for d in solver.demonstrations) + "Label:"
    assert model.scored == [(turned, tuple(table))] == [(turned, tuple(solver.texts([{"text": "a film"}])[0]))]
    assert solver.prompts([{"text": "a film"}]) == [turned]
    assert answer.probabilities["good"] / answer.probabilities["bad"] == pytest.approx(math.exp(3))
    assert solver.texts([{"text": ""}])[0][:2] == [" bad\nText: \n", " bad\nText:"], "an empty text still has an end to score"


def test_a_channel_reads_both_texts_of_a_pair() -> None:
    task = toy_pair_task()
    solver = fitted("prompt-calibrated", task.spec, Spy(), task[Role.TRAIN], rule="channel", shots=4)
    (own,) = solver.texts([{"first": "we saw a cat", "second": "we saw a dog"}])
    assert own[:2] == [" different\nFirst: we saw a cat\nSecond: we saw a dog\n", " different\nFirst:"]


def test_plain_is_the_few_shot_prompt() -> None:
    task = larger_toy_task()
    rows = [row.inputs for row in task[Role.CERTIFY]]
    one, other = (
        fitted(name, task.spec, Spy(), task[Role.TRAIN], **more) for name, more in (("prompt-few-shot", {}), ("prompt-calibrated", {"rule": "plain"}))
    )
    assert one.prompts(rows) == other.prompts(rows)
    assert [a.probabilities for a in one.predict(rows)] == [a.probabilities for a in other.predict(rows)]


def test_domain_draws_words_of_the_training_rows() -> None:
    train = [Row("1", {"text": "one two three"}, "bad"), Row("2", {"text": "two two, two two two"}, "good")]
    model = scripted({"Label:": (0.5, 0.5)})
    solver = fitted("prompt-calibrated", TONE, model, train, rule="domain", shots=0)
    texts = [blank["text"] for blank in solver.blanks]
    assert len(texts) == len(solver.blank_prompts()) == 20
    assert all(len(text.split()) == 4 for text in texts), "eight words in two texts"
    drawn = [word for text in texts for word in text.split()]
    assert set(drawn) <= {"one", "two", "three", "two,"}
    assert 30 < drawn.count("two") < 70, "five of the eight words are two, so about 50 of 80"
    assert fitted("prompt-calibrated", TONE, model, train, rule="domain", shots=0).blanks == solver.blanks


def test_random_texts_of_any_script() -> None:
    rng = np.random.default_rng(0)
    assert random_texts(["", " "], 3, rng) == random_texts([], 3, rng) == [""] * 3
    (text,) = random_texts(["我们看见一只猫"], 1, rng)
    assert len(text) == 7
    assert set(text) <= set("我们看见一只猫"), "one character at a time, and no spaces between"


def test_choices_have_a_prior_of_their_own() -> None:
    """Question: 0.02 and 0.08; without it 0.01 and 0.09 thrice: 0.02 / 0.1 and 0.08 / 0.9 — the poodle."""
    table = {
        "Which is a dog?\nAnswer:": (0.02, 0.08),
        "Question: N/A\nAnswer:": (0.01, 0.09),
        "[MASK]\nAnswer:": (0.1, 0.9),
        "Question: \nAnswer:": (0.03, 0.27),
    }
    model = scripted(table, (" a poodle", " cat"))
    solver = fitted("prompt-calibrated", QUIZ, model, shots=0)
    assert (solver.prior, model.scored) == ([], [])
    with metering() as meter:
        (answer,) = solver.predict([DOGS])
    assert meter.usage.calls == 4 == make("prompt-calibrated").calls(0, 1, QUIZ)
    assert answer.value == "A"
    assert answer.probabilities["A"] / answer.probabilities["B"] == pytest.approx((0.02 / 0.1) / (0.08 / 0.9))
    assert solver.blank_prompts(DOGS) == [f"Question: {text}\nAnswer:" for text in ("N/A", "[MASK]", "")]


def test_listed_choices_are_emptied_too() -> None:
    solver = fitted("prompt-calibrated", QUIZ, Spy(), shots=0, choose="letter")
    assert solver.blank_prompts(DOGS)[0].endswith("Question: N/A\nA. N/A\nB. N/A\nAnswer:")


def test_a_row_without_choices_is_not_asked_about() -> None:
    empty = {"question": "?", "choices": []}
    answers = fitted("prompt-calibrated", QUIZ, Spy(), shots=0).predict([empty, DOGS])
    assert [answer.parsed for answer in answers] == [False, True]


def test_nested_options_and_their_priors_have_the_same_end() -> None:
    spec = TaskSpec("t", "classification", ("text",), "label", ("1", "10"))
    model = Spy(lambda prompt, option: -1.0)
    fitted("prompt-calibrated", spec, model, shots=0).predict(["ten"])
    assert {options for _, options in model.scored} == {(" 1\n", " 10\n")}


@pytest.mark.parametrize("rule", PROMPTS)
def test_saved_and_loaded_without_asking_again(rule: str, tmp_path: Path) -> None:
    task, model = larger_toy_task(), Spy()
    rows = [row.inputs for row in task[Role.CERTIFY]][:5]
    solver = fitted("prompt-calibrated", task.spec, model, task[Role.TRAIN], rule=rule, shots=4)
    folder, asked = solver.save(tmp_path / "s"), len(model.scored)
    again = Solver.load(folder, ModelPool({"fake:": model}))
    assert isinstance(again, CalibratedSolver)
    assert (len(model.scored), again.prior, again.blank_prompts()) == (asked, solver.prior, solver.blank_prompts())
    assert [a.probabilities for a in again.predict(rows)] == [a.probabilities for a in solver.predict(rows)]
    assert make("prompt-calibrated", rule=rule).calls(48, 5, task.spec) == PROMPTS[rule] + 5 == asked + 5


LEFT = {"save": "Tried elsewhere.", "beats_majority": "The fake model knows neither what letters and labels mean nor how texts go on."}


@pytest.mark.parametrize(("rule", "choose"), [("length", "text"), ("pmi", "text"), ("channel", "text"), ("contextual", "letter")])
def test_the_contract_holds_for_choices(rule: str, choose: str) -> None:
    task = toy_form_task("multiple-choice", train=6, test=3)
    check_approach(make("prompt-calibrated", model="fake:", rule=rule, choose=choose, shots=2), task=task, exceptions=LEFT)


@pytest.mark.parametrize(("rule", "shots"), [("domain", 0), ("channel", 3), ("pmi", 0)])
def test_the_contract_holds_for_labels(rule: str, shots: int) -> None:
    check_approach(make("prompt-calibrated", model="fake:", rule=rule, shots=shots), task=toy_pair_task(), exceptions=LEFT)


@pytest.mark.parametrize("rule", PROMPTS)
def test_long_rows_fit_the_context_with_what_is_scored(rule: str) -> None:
    model = Spy(context=160)
    train = [*TRAIN, *(Row(f"{i}", {"text": "very long words " * 40}, "good") for i in range(3, 9))]
    solver = fitted("prompt-calibrated", TONE, model, train, rule=rule, shots=4)
    solver.predict(["so it was said " * 300])
    count = TokenCounter()
    assert max(count(prompt + option) for prompt, own in model.scored for option in own) <= 160
    assert solver.demonstrations


@pytest.mark.parametrize(
    ("spec", "params", "can", "sentence"),
    [
        (TONE, {"rule": "best"}, {"score"}, "takes no rule='best'; give one of plain, length, contextual, domain, pmi, channel"),
        (TONE, {"shots": -1}, {"score"}, "takes no shots=-1; give 0 or more"),
        (TONE, {"rule": "length", "normalise": "none"}, {"score"}, "divides by bytes or characters"),
        (TONE, {"rule": "domain", "shots": 0}, {"score"}, "was given none; give it at least one"),
        (TONE, {}, {"generate"}, "cannot score, which every rule needs"),
        (QUIZ, {"rule": "channel", "choose": "letter"}, {"score"}, "A letter says nothing of what is asked"),
        (TaskSpec("p", "preference", ("responses",), "preferred"), {"rule": "pmi"}, {"score"}, "nothing but what is chosen from"),
        (TaskSpec("n", "regression", ("text",), "score"), {}, {"score"}, "It gives no number"),
    ],
)
def test_what_cannot_be_scored_is_refused(spec: TaskSpec, params: dict[str, Any], can: set[str], sentence: str) -> None:
    with pytest.raises(ApproachError, match=sentence):
        fitted("prompt-calibrated", spec, Spy(can=frozenset(can)), **params)


def test_label_counts_are_those_that_are_used() -> None:
    def of(**params: Any) -> tuple[tuple[int, ...], bool]:
        approach = make("prompt-calibrated", **params)
        return approach.label_counts((8, 16, 64, 256)), approach.repeats()

    assert of() == ((8, 16), True)
    assert of(shots=0) == ((0,), False)
    assert of(shots=0, rule="domain") == ((8,), True)


def test_priors_stay_finite() -> None:
    prior = log_prior(np.array([[-2.0, -900.0], [-3.0, -np.inf]]))
    assert prior == pytest.approx([0.0, -898 - math.log(2)])
    assert log_prior(np.array([[0.0, -np.inf]]))[1] == LEAST
    assert without_prior(np.array([-1.0, -np.inf]), np.array([-1.0, LEAST])).tolist() == [0.0, -np.inf]


def test_calibration_lessens_a_models_bias() -> None:
    """A model that says "bad" four times as readily, whatever it reads: both figures fall, and no row is lost."""

    def says(prompt: str, option: str) -> float:
        asked = prompt.rpartition("Text: ")[2]
        fit = 3.0 if ("joy" in asked and option == " good") or ("gloom" in asked and option == " bad") else 1.0
        return math.log(0.01 * fit * (4.0 if option == " bad" else 1.0))

    texts, targets = ["joy one", "gloom two", "joy three", "gloom four"], ["good", "bad", "good", "bad"]
    before, after = (fitted("prompt-calibrated", TONE, Spy(says), rule=rule, shots=0) for rule in ("plain", "contextual"))
    assert np.exp(after.prior) == pytest.approx([0.8, 0.2])
    biased, mended = (prompt_bias(TONE.labels, solver.predict(texts), targets, last="bad") for solver in (before, after))
    assert biased.label == pytest.approx((4 / 7 + 12 / 13) / 2 - 0.5)
    assert biased.recency == 0.5
    assert mended.label == pytest.approx(0)
    assert mended.recency == 0
