"""Decomposed prompts: what is asked in turn by hand, what is put right and how often, arithmetic that is done again, demonstrations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fieldguide.approaches.approach import FitContext, Solver, make
from fieldguide.approaches.prompting.fit_text import TokenCounter
from fieldguide.approaches.prompting.reasoning.decomposed import DecomposedSolver
from fieldguide.approaches.prompting.reasoning.reasoning import TRIGGERS
from fieldguide.approaches.prompting.reasoning.recomputed import slip
from fieldguide.approaches.prompting.reasoning.working import items_in
from fieldguide.errors import ApproachError
from fieldguide.models.fake import FakeModel
from fieldguide.models.meter import metering
from fieldguide.models.model import Generation
from fieldguide.models.pool import ModelPool
from fieldguide.records import Row, Unparsed, Usage
from fieldguide.tasks.task import TaskSpec
from fieldguide.testing import check_approach, toy_form_task, toy_task

SUMS = TaskSpec("sums", "numeric-answer", ("question",), "answer", metric="numeric_match")
MOOD = TaskSpec("mood", "classification", ("text",), "mood", ("glad", "sad"))
EGGS = "Ann has 16 eggs, eats 7 and buys 2. How many has she?"
START = f"Answer each question with a number.\n\nQuestion: {EGGS}\nAnswer: {TRIGGERS['split']} The simpler questions are:\n1."
CUE = "Therefore, the answer (arabic numerals) is"
Says = Callable[[str], Generation | str]


class Scripted(FakeModel):
    """Writes what `says` gives for a prompt, cut as a real model's text is, and keeps what it was asked."""

    def __init__(self, says: Says, **facts: Any) -> None:
        super().__init__()
        self.says, self.facts = says, replace(self.facts, **facts)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def _generate(self, prompts: Sequence[str], **how: Any) -> tuple[list[list[Generation]], Usage]:
        self.asked += [(prompt, how) for prompt in prompts]
        said = [own if isinstance(own := self.says(prompt), Generation) else Generation(own, len(own.split()), "stop") for prompt in prompts]
        cut = [min((at for mark in how["stop"] if (at := own.text.find(mark)) >= 0), default=len(own.text)) for own in said]
        return [[replace(own, text=own.text[:at])] for own, at in zip(said, cut, strict=True)], Usage()


def fitted(model: FakeModel, spec: TaskSpec = SUMS, train: Sequence[Row] = (), **params: Any) -> DecomposedSolver:
    found = make("prompt-decomposed", model="fake:", **params).fit(spec, train, context=FitContext(models=ModelPool({"fake:": model})))
    assert isinstance(found, DecomposedSolver)
    return found


def eggs(prompt: str) -> str:
    """Two sub-questions, their answers, the whole, the number."""
    if prompt.endswith("\n1."):
        return " How many are left?\n2. How many does she buy?\n\nQuestion: What else?"
    if prompt.endswith(CUE):
        return " 11."
    asked = prompt.split("\n")[-2]
    return {"1.": " 16 - 7 = 9.\nAnd so on", "2.": " She buys 2.\n", "No": " 9 + 2 = 11 eggs.\n"}[asked[:2]]


def test_sub_questions_are_answered_in_turn_and_then_the_question() -> None:
    model = Scripted(eggs)
    solver = fitted(model)
    (answer,) = solver.predict([EGGS])
    listed = f"{START} How many are left?\n2. How many does she buy?"
    first = f"{listed}\nNow the answers, in turn.\n1. How many are left?\nAnswer:"
    second = f"{first} 16 - 7 = 9.\n2. How many does she buy?\nAnswer:"
    whole = f"{second} She buys 2.\nNow the question itself.\nAnswer:"
    last = f"{whole} 9 + 2 = 11 eggs.\n{CUE}"
    assert [prompt for prompt, _ in model.asked] == [START, first, second, whole, last]
    assert [how["stop"] for _, how in model.asked[:2]] == [("Therefore, the answer", "\nQuestion:"), ("Therefore, the answer", "\n")]
    assert [how["max_tokens"] for _, how in model.asked[:2]] == [64, 38], "a quarter of 256, and a fifth of the rest"
    assert answer.value == 11.0
    assert answer.text == (last + " 11.").removeprefix(f"{START} ")
    assert answer.usage.calls == 5 <= make("prompt-decomposed").calls(0, 1, SUMS) == 1 + 5 + 1 + 2
    assert solver.prompts([{"question": EGGS}]) == [START]
    assert [turn.prompt for turn in solver.turns([{"question": EGGS}])[0]] == [START, first, second, whole, last]


def test_no_more_steps_than_allowed_and_none_where_none_are_written() -> None:
    model = Scripted(lambda prompt: " one?\n2. two?\n3. three?" if prompt.endswith("\n1.") else " 4")
    (answer,) = fitted(model, steps=2).predict([EGGS])
    assert answer.value == 4.0
    assert "2. two?" in (answer.text or "")
    assert "three" not in (answer.text or "")
    silent = Scripted(lambda prompt: "" if prompt.endswith("\n1.") else " 4")
    fitted(silent).predict([EGGS])
    assert [prompt for prompt, _ in silent.asked][1:] == [f"{START} none\nNow the question itself.\nAnswer:", f"{START} none\nNow the question itself.\nAnswer: 4\n{CUE}"]


def test_a_plan_is_carried_out_in_one_go() -> None:
    said = {"1.": " Subtract.\n2. Add.", "p.": " 16 - 7 = 9.\nThen 11.\nTherefore, the answer is 11", "is": " 11"}
    model = Scripted(lambda prompt: said[prompt[-2:]])
    (answer,) = fitted(model, parts="plan", trigger="plan").predict([EGGS])
    first, second, third = (prompt for prompt, _ in model.asked)
    assert first.endswith(f"Answer: {TRIGGERS['plan']} The plan is:\n1.")
    assert second == f"{first} Subtract.\n2. Add.\nNow let's carry out the plan and solve the problem step by step."
    assert third == f"{second} 16 - 7 = 9.\nThen 11.\n{CUE}"
    assert model.asked[1][1]["max_tokens"] == 192
    assert answer.value == 11.0
    assert answer.usage.calls == 3 <= make("prompt-decomposed", parts="plan").calls(0, 1, SUMS) == 5


def test_an_answer_that_cannot_be_read_is_asked_for_again() -> None:
    fault = "The answer above gives several numbers, so it cannot be read; give one number."

    def says(prompt: str) -> str:
        return (" 11" if fault in prompt else " 9 or 11") if prompt.endswith(CUE) else " well"

    model = Scripted(says)
    (answer,) = fitted(model).predict([EGGS])
    assert model.asked[-1][0] == f"{model.asked[-2][0]} 9 or 11\n{fault}\n{CUE}"
    assert answer.value == 11.0
    assert (answer.text or "").endswith(f"{CUE} 9 or 11\n{fault}\n{CUE} 11")
    for retries, asked in ((0, 1), (1, 2), (3, 4)):
        never = Scripted(lambda prompt: " 9 or 11" if prompt.endswith(CUE) else " well")
        (lost,) = fitted(never, retries=retries).predict([EGGS])
        assert lost.value == Unparsed(" 9 or 11", "gives several numbers")
        assert sum(prompt.endswith(CUE) for prompt, _ in never.asked) == asked
        assert lost.usage.calls <= make("prompt-decomposed", retries=retries).calls(0, 1, SUMS)


def wrong_at_first(prompt: str) -> str:
    if prompt.endswith("\n1."):
        return " How many are left?"
    if prompt.endswith(CUE):
        return " 11"
    if "Now the question itself." in prompt:
        return " 9 + 2 = 11."
    return " 16 - 7 = 9." if "not right" in prompt else " 16 - 7 = 8."


def test_wrong_arithmetic_is_put_right_where_it_stands_and_not_kept() -> None:
    fault = "That is not right: 16 - 7 = 9, not 8."
    model = Scripted(wrong_at_first)
    (answer,) = fitted(model, check="arithmetic").predict([EGGS])
    asked = [prompt for prompt, _ in model.asked]
    assert asked[2] == f"{asked[1]} 16 - 7 = 8.\n{fault}\nAnswer:"
    assert asked[3] == f"{asked[1]} 16 - 7 = 9.\nNow the question itself.\nAnswer:"
    assert f" 16 - 7 = 8.\n{fault}\nAnswer: 16 - 7 = 9.\n" in (answer.text or "")
    assert answer.value == 11.0
    unchecked = Scripted(wrong_at_first)
    fitted(unchecked).predict([EGGS])
    assert not any("not right" in prompt for prompt, _ in unchecked.asked)
    stubborn = Scripted(lambda prompt: " 1 + 1 = 3" if not prompt.endswith(CUE) else " 3")
    (kept,) = fitted(stubborn, check="arithmetic", retries=2).predict([EGGS])
    assert kept.value == 3.0
    assert kept.usage.calls == 1 + 2 + 2 + 1, "a list, two pieces, two retries in all, the answer"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("She has 16 - 7 = 8 eggs.", "16 - 7 = 9, not 8"),
        ("$5 + $3 = $9", "5 + 3 = 8, not $9"),
        ("2. 5 x 3 = 16", "5 * 3 = 15, not 16"),
        ("(3 + 4) × 2 = 15", "(3 + 4) × 2 = 14, not 15"),
        ("3 + 4 = 7, then 7 + 2 = 8", "7 + 2 = 9, not 8"),
        ("10 / 3 = 3.34", "10 / 3 = 3.3333333333, not 3.34"),
        ("5 - 8 = 3", "5 - 8 = -3, not 3"),
        *(
            (text, None)
            for text in (
                "16 - 7 = 9 eggs", "10 / 3 = 3.33", "2 / 3 = 0.67", "2 / 3 = 0.66", "1,000 + 1 = 1,001", "5 - 8 = -3", "x + 2 + 3 = 10",
                "2x + 4 = 10", "3 + 4 = 7 + 2 = 9", "7 / 2 = 3 remainder 1", "12 + 12 = 2 dozen", "1000 * 1000 = 1 million", "3/20 = 15%",
                "half of 10 + 2 = 7", "sqrt(9) + 1 = 4", "2 hours + 30 minutes = 150 minutes", "5 * = 3", "7 = 8", "3 == 4", "1/0 = 2", "= 3", "2 + 2 =",
            )
        ),
    ],
)  # fmt: skip
def test_only_what_is_surely_wrong_is_put_right(text: str, found: str | None) -> None:
    assert slip(text) == found


def test_lists_are_read_as_models_write_them() -> None:
    assert items_in(" one?\n2. two?\n\n3) three?\nSo we know.\n4. four?", 9) == ["one?", "two?", "three?"]
    assert items_in("Sure, here they are:\n\n1. one?\n- two?", 9) == ["one?", "two?"]
    assert items_in(" one?\n2. One? \n3. two?", 9) == ["one?", "two?"]
    assert items_in(" 3.5 eggs?", 9) == ["3.5 eggs?"]
    assert items_in("\n \n", 9) == []


def test_a_refusal_at_any_stage_asks_no_more() -> None:
    for stage in range(5):
        model = Scripted(eggs)

        def says(prompt: str, model: Scripted = model, stage: int = stage) -> Generation | str:
            return Generation("", 0, "refused", reason="filtered") if len(model.asked) == stage + 1 else eggs(prompt)

        model.says = says
        (answer,) = fitted(model).predict([EGGS])
        assert answer.value == Unparsed("", "the model gave no answer: filtered")
        assert len(model.asked) == stage + 1


def test_closed_answers_are_scored_and_those_of_writers_asked_for_again() -> None:
    scoring = Scripted(lambda prompt: " She laughs.")
    (answer,) = fitted(scoring, MOOD).predict(["ha ha"])
    assert set(answer.probabilities or ()) == {"glad", "sad"}
    assert (answer.text or "").endswith("Now the question itself.\nAnswer: She laughs.")

    def says(prompt: str) -> str:
        return (" sad" if "names no label" in prompt else " blue") if prompt.endswith("the answer is") else " He cries."

    (answer,) = fitted(Scripted(says, can=frozenset({"generate"})), MOOD).predict(["boo"])
    assert answer.value == "sad"
    assert "The answer above names no label, so it cannot be read; give one label." in (answer.text or "")


def test_a_server_may_answer_in_several_lines() -> None:
    model = Scripted(lambda prompt: "8 or 9" if prompt.endswith("is") else "It is this.\n\nOr that.", type="api", can=frozenset({"generate"}))
    fitted(model, retries=0).predict([EGGS])
    assert model.asked[-1][0].endswith("Answer: It is this.\nOr that.\n" + CUE)


ROWS = [Row(f"r{i}", {"question": f"Bag {'abcd'[i]} holds {i} nuts and {word} more pebbles. How many?"}, float(i)) for i, word in enumerate(["ten", "six", "two", "no"])]


def half_right(prompt: str) -> str:
    """Right for bags c and d, for d at the second go."""
    if prompt.endswith("\n1."):
        return " How many nuts?"
    bag = prompt.rsplit("Question: Bag ", 1)[1][0]
    if prompt.endswith(CUE):
        tried = "cannot be read" in prompt.rsplit("Question: ", 1)[1]
        return {"c": " 2", "d": " 3" if tried else " 1 or 2"}.get(bag, " 77")
    return f" As bag {bag} says.\n"


def test_demonstrations_are_decompositions_that_came_out_right() -> None:
    model = Scripted(half_right)
    with metering() as meter:
        solver = fitted(model, SUMS, ROWS, way="few-shot")
    assert meter.usage.calls <= make("prompt-decomposed", way="few-shot").calls(len(ROWS), 0, SUMS) == 4 * 9
    shown = {d.id: d.answer for d in solver.demonstrations}
    assert set(shown) == {"r2", "r3"}
    assert shown["r3"] == (
        f"{TRIGGERS['split']} The simpler questions are:\n1. How many nuts?\nNow the answers, in turn.\n1. How many nuts?\nAnswer: As bag d says.\n"
        f"Now the question itself.\nAnswer: As bag d says.\n{CUE} 3"
    ), "what was put right is not shown"
    own, other = solver.prompts([ROWS[3].inputs, {"question": EGGS}])
    assert own.count("Bag d") == 1
    assert other.count("Bag d") == other.count("Bag c") == 1
    assert own.count("As bag c says.") == 2
    assert "As bag d says." not in own
    with pytest.raises(ApproachError, match="to the right answer for none of 2 training rows"):
        fitted(Scripted(half_right), SUMS, ROWS[:2], way="few-shot")


def test_solvers_come_back_from_disk_with_the_same_turns(tmp_path: Path) -> None:
    pool = ModelPool({"fake:": Scripted(half_right)})
    solver = make("prompt-decomposed", model="fake:", way="few-shot", check="arithmetic").fit(SUMS, ROWS, context=FitContext(models=pool))
    back = Solver.load(solver.save(tmp_path), pool)
    row = [{"question": "Bag c is another bag and holds 2 or 3. What else?"}]
    assert isinstance(back, DecomposedSolver)
    assert isinstance(solver, DecomposedSolver)
    assert back.turns(row) == solver.turns(row)
    assert len(back.turns(row)[0]) == 4


def test_what_does_not_fit_loses_its_beginning() -> None:
    words = " ".join(f"w{i}" for i in range(90))
    model = Scripted(lambda prompt: f" {words}", context=220)
    fitted(model).predict([EGGS, " ".join(["many eggs"] * 500)])
    count = TokenCounter.of(model)
    assert len(model.asked) > 8
    for prompt, how in model.asked:
        assert count(prompt) + how["max_tokens"] <= 220
    assert any("Ann has 16" in prompt and "w0 " not in prompt and "w89" in prompt for prompt, _ in model.asked)


def test_answers_do_not_depend_on_the_batch() -> None:
    rows = [EGGS, "2 or 3?", "What is 1 + 1?"]

    def says(prompt: str) -> str:
        return " 5 or 6" if prompt.endswith(CUE) and "2 or 3" in prompt and "cannot" not in prompt else wrong_at_first(prompt)

    together = fitted(Scripted(says), check="arithmetic").predict(rows)
    alone = [fitted(Scripted(says), check="arithmetic").predict([row])[0] for row in rows]
    assert [(p.value, p.text) for p in together] == [(p.value, p.text) for p in alone]


def test_plans_keep_the_contract() -> None:
    approach = make("prompt-decomposed", model="fake:", parts="plan", check="arithmetic", retries=1)
    outcome = check_approach(approach, task=toy_task(), exceptions={"save": "The default is loaded in a new process."})
    assert [name for name, how in outcome.items() if how != "passed"] == ["save", "beats_majority"]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"parts": "halves"}, "takes no parts='halves'; give questions or plan."),
        ({"check": "spelling"}, "takes no check='spelling'; give read or arithmetic."),
        ({"steps": 0}, "takes no steps=0; give a whole number, at least 1."),
        ({"retries": -1}, "takes no retries=-1; give a whole number, at least 0."),
        ({"way": "some"}, "takes no way='some'"),
    ],
)
def test_parameters_that_do_not_exist_are_refused(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ApproachError, match=sentence):
        fitted(Scripted(eggs), **params)


def test_what_it_suits() -> None:
    approach = make("prompt-decomposed")
    assert approach.on_request
    assert approach.label_counts((8, 16)) == (0,)
    assert "asks for a longer text" in (approach.unsuited(toy_form_task("summarisation").spec) or "")
    assert approach.unsuited(toy_form_task("multiple-choice").spec) is None
    with pytest.raises(ApproachError, match="cannot write its reasoning"):
        fitted(Scripted(eggs, can=frozenset({"score"})), MOOD)
