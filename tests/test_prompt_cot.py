"""Chain of thought: two stages by hand, demonstrations whose reasoning came out right, reasoning that must fit the context."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fieldguide.approaches.approach import FitContext, Solver, make
from fieldguide.approaches.prompting.fit_text import TokenCounter
from fieldguide.approaches.prompting.reasoning.rationales import right
from fieldguide.approaches.prompting.reasoning.reasoning import TRIGGERS, tail
from fieldguide.errors import ApproachError, Unsupported
from fieldguide.models.fake import FakeModel
from fieldguide.models.meter import metering
from fieldguide.models.model import Generation, Scores
from fieldguide.models.pool import ModelPool
from fieldguide.records import Row, Unparsed, Usage
from fieldguide.tasks.task import Role, TaskSpec
from fieldguide.testing import check_approach, toy_form_task, toy_task

SUMS = TaskSpec("sums", "numeric-answer", ("question",), "answer", metric="numeric_match")
MOOD = TaskSpec("mood", "classification", ("text",), "mood", ("glad", "sad"))
QUIZ = TaskSpec("quiz", "multiple-choice", ("question", "choices"), "answer")
EGGS = "There are 16 eggs and 7 are eaten. How many are left?"
STEPS, CUE = TRIGGERS["steps"], "Therefore, the answer (arabic numerals) is"
Says = Callable[[str], Generation | str]


class Scripted(FakeModel):
    """Writes what `says` gives for a prompt, cut as a real model's text is, and keeps what it was asked."""

    def __init__(self, says: Says, **facts: Any) -> None:
        super().__init__()
        self.says, self.facts = says, replace(self.facts, **facts)
        self.written: list[tuple[str, dict[str, Any]]] = []
        self.scored: list[tuple[str, tuple[str, ...]]] = []

    def _generate(self, prompts: Sequence[str], **how: Any) -> tuple[list[list[Generation]], Usage]:
        self.written += [(prompt, how) for prompt in prompts]
        said = [own if isinstance(own := self.says(prompt), Generation) else Generation(own, len(own.split()), "stop") for prompt in prompts]
        cut = [min((at for mark in how["stop"] if (at := own.text.find(mark)) >= 0), default=len(own.text)) for own in said]
        return [[replace(own, text=own.text[:at])] * how["n"] for own, at in zip(said, cut, strict=True)], Usage()

    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        """An option is likely if it ends the last line but one of the prompt, where reasoning stands."""
        self.scored += [(p, tuple(own)) for p, own in zip(prompts, options, strict=True)]
        totals = tuple(tuple(-0.1 if p.split("\n")[-2].endswith(f"{o.strip()}.") else -3.0 for o in own) for p, own in zip(prompts, options, strict=True))
        return Scores(totals, tuple(tuple((t,) for t in own) for own in totals)), Usage()


def fitted(model: FakeModel, spec: TaskSpec, train: Sequence[Row] = (), seed: int = 0, **params: Any) -> Solver:
    return make("prompt-cot", model="fake:", **params).fit(spec, train, context=FitContext(seed=seed, models=ModelPool({"fake:": model})))


def eggs(prompt: str) -> str:
    return " 9 eggs." if prompt.endswith(CUE) else " 16 - 7 leaves 9.\nSo nine.\nTherefore, the answer is 9."


def test_a_number_is_written_after_two_prompts() -> None:
    model = Scripted(eggs)
    solver = fitted(model, SUMS)
    (answer,) = solver.predict([EGGS])
    first = f"Answer each question with a number.\n\nQuestion: {EGGS}\nAnswer: {STEPS}"
    second = f"{first} 16 - 7 leaves 9.\nSo nine.\n{CUE}"
    assert [prompt for prompt, _ in model.written] == [first, second]
    assert model.written[0][1] == {"max_tokens": 192, "stop": ("Therefore, the answer", "\nQuestion:"), "n": 1, "temperature": 0.0, "seed": 0}
    assert solver.prompts([{"question": EGGS}]) == [first]
    assert solver.answer_prompts([{"question": EGGS}], [" 16 - 7 leaves 9.\nSo nine.\n"]) == [second]
    assert answer.value == 9.0
    assert answer.text == f"16 - 7 leaves 9.\nSo nine.\n{CUE} 9 eggs."
    assert answer.usage.calls == 2 == make("prompt-cot").calls(0, 1, SUMS)


def test_an_answer_completes_the_sentence_that_asks_for_it() -> None:
    said = " obtained as 9 eggs"
    assert isinstance(SUMS.reader.parse(SUMS, said, {"question": EGGS}), Unparsed)
    (answer,) = fitted(Scripted(lambda prompt: said if prompt.endswith(CUE) else " Well."), SUMS).predict([EGGS])
    assert answer.value == 9.0
    (lost,) = fitted(Scripted(lambda prompt: " 8 or 9"), SUMS).predict([EGGS])
    assert not lost.parsed


def test_closed_answers_are_scored_after_the_reasoning() -> None:
    model = Scripted(lambda prompt: " She laughs, so she is glad.")
    (answer,) = fitted(model, MOOD, trigger="logically").predict(["ha ha"])
    (prompt, options), *_ = model.scored
    assert prompt == (
        "Give the label of each text. The labels are: glad, sad\n\nText: ha ha\nAnswer: Let's think about this logically."
        " She laughs, so she is glad.\nTherefore, the answer is"
    )
    assert options == (" glad", " sad")
    assert (answer.value, answer.text) == ("glad", "She laughs, so she is glad.")
    assert answer.probabilities["glad"] == pytest.approx(1 / (1 + 2.718281828**-2.9))
    row = {"question": "Which is a dog?", "choices": ["a cat", "a poodle"]}
    (choice,) = fitted(Scripted(lambda prompt: " A poodle is one, so B."), QUIZ).predict([row])
    assert choice.value == "B"
    by_text = Scripted(lambda prompt: " It is a poodle.")
    assert fitted(by_text, QUIZ, choose="text").predict([row])[0].value == "B"
    assert by_text.scored[0][1] == (" a cat", " a poodle")


def test_a_model_that_only_writes_is_asked_to_choose() -> None:
    model = Scripted(lambda prompt: " sad" if prompt.endswith("is") else " He cries.", can=frozenset({"generate"}))
    (answer,) = fitted(model, MOOD).predict(["boo"])
    assert (answer.value, answer.text) == ("sad", "He cries.\nTherefore, the answer is sad")


def test_a_refusal_is_no_answer_and_asks_no_more() -> None:
    model = Scripted(lambda prompt: Generation("", 0, "refused", reason="filtered"))
    (answer,) = fitted(model, SUMS).predict([EGGS])
    assert answer.value == Unparsed("", "the model gave no answer: filtered")
    assert len(model.written) == 1


ROWS = [Row(f"r{i}", {"text": f"row number {'abcdefgh'[i]} of this file says {mood}"}, mood) for i, mood in enumerate(["glad", "sad"] * 4)]


def half_right(prompt: str) -> str:
    """Reasoning that comes to the right mood for every row but a, b, c and d, which it takes for the other."""
    line = prompt.rsplit("Text: ", 1)[1].split("\n")[0]
    mood = line.split()[-1]
    wrong = line.split()[2] in "abcd"
    return f" It says {mood}.\n\nSo {({'glad': 'sad', 'sad': 'glad'}[mood]) if wrong else mood}."


def test_demonstrations_are_training_rows_whose_reasoning_came_out_right() -> None:
    model = Scripted(half_right)
    solver = fitted(model, MOOD, ROWS, way="few-shot", shots=3)
    shown = {d.id: d for d in solver.demonstrations}
    assert len(shown) == 3
    assert set(shown) < {"r4", "r5", "r6", "r7"}
    for row in ROWS[4:]:
        if row.id in shown:
            said = f"{STEPS} It says {row.target}.\nSo {row.target}.\nTherefore, the answer is {row.target}"
            assert (shown[row.id].text, shown[row.id].answer) == (f"Text: {row.inputs['text']}", said)
    (prompt,) = solver.prompts([{"text": "something else, and very glad"}])
    blocks = [f"{d.text}\nAnswer: {d.answer}" for d in solver.demonstrations]
    assert prompt == "\n\n".join(["Give the label of each text. The labels are: glad, sad", *blocks, f"Text: something else, and very glad\nAnswer: {STEPS}"])
    solver.predict(["something else, and very glad"])
    assert model.written[-1][1]["stop"] == ("Therefore, the answer", "\nText:", "\n\n")


def test_rows_are_tried_until_there_are_enough_and_calls_keep_their_promise() -> None:
    always = Scripted(lambda prompt: f" So {prompt.rsplit('Text: ', 1)[1].split(chr(10))[0].split()[-1]}.")
    for shots, tries, tried in ((2, 32, 2), (8, 32, 8), (8, 3, 3)):
        always.written.clear()
        with metering() as meter:
            solver = fitted(always, MOOD, ROWS, way="few-shot", shots=shots, tries=tries)
        assert len(solver.demonstrations) == len(always.written) == tried
        assert meter.usage.calls == 2 * tried <= make("prompt-cot", way="few-shot", tries=tries).calls(len(ROWS), 0, MOOD)
    assert {d.answer.split()[-1] for d in fitted(always, MOOD, ROWS, way="few-shot", shots=2).demonstrations} == {"glad", "sad"}


def test_without_any_right_reasoning_the_user_is_told_what_to_do() -> None:
    with pytest.raises(ApproachError, match="for none of 4 training rows; take way='zero-shot'"):
        fitted(Scripted(half_right), MOOD, ROWS[:4], way="few-shot")
    with pytest.raises(ApproachError, match="was given none; give it at least one, or take way='zero-shot'"):
        fitted(Scripted(half_right), MOOD, (), way="few-shot")


def test_a_demonstration_that_repeats_the_row_is_left_out() -> None:
    solver = fitted(Scripted(half_right), MOOD, ROWS, way="few-shot")
    own, near, other = solver.prompts([ROWS[4].inputs, {"text": ROWS[4].inputs["text"].upper() + "!"}, {"text": "quite another text"}])
    line = f"Text: {ROWS[4].inputs['text']}\n"
    assert line in other
    assert own.count(line) == 1
    assert own.endswith(f"{line}Answer: {STEPS}")
    assert line not in near


def test_few_shot_solvers_keep_the_contract_and_come_back_from_disk(tmp_path: Path) -> None:
    model, task = Scripted(lambda prompt: " It is about animals."), toy_task()
    pool = ModelPool({"fake:": model})
    approach = make("prompt-cot", model="fake:", way="few-shot", shots=2, trigger="plan", reasoning_tokens=50)
    elsewhere = {"save": "The model is of this process.", "one_label": "Nothing but animals comes out right."}
    outcome = check_approach(approach, task=task, models=pool, exceptions=elsewhere)
    assert [name for name, how in outcome.items() if how != "passed"] == ["one_label", "save", "beats_majority"]
    solver = approach.fit(task.spec, task[Role.TRAIN], context=FitContext(models=pool))
    back = Solver.load(solver.save(tmp_path), pool)
    assert back.prompts([{"text": "fog"}]) == solver.prompts([{"text": "fog"}])
    assert back.prompts([{"text": "fog"}])[0].endswith(TRIGGERS["plan"])
    back.predict(["fog"])
    assert model.written[-1][1]["max_tokens"] == 50


def test_reasoning_too_long_for_the_context_loses_its_beginning() -> None:
    words = " ".join(f"w{i}" for i in range(150))
    model = Scripted(lambda prompt: "yes" if prompt.endswith(CUE) else f" {words}", context=200)
    solver = fitted(model, SUMS)
    (short, long) = solver.predict([EGGS, " ".join(["many eggs"] * 500)])
    assert model.written[0][1]["max_tokens"] == 50, "a quarter of the context"
    count = TokenCounter.of(model)
    for prompt, how in model.written:
        assert count(prompt) + how["max_tokens"] <= 200
    (after,) = solver.answer_prompts([{"question": EGGS}], [words])
    kept = after.split(STEPS)[1].split("\nTherefore")[0]
    assert words.endswith(kept)
    assert 10 < len(kept.split()) < 150
    assert not short.parsed
    assert not long.parsed


def test_the_tail_is_the_longest_that_fits() -> None:
    text = "one  two\nthree four"
    count = lambda own: len(own.split())  # noqa: E731
    kept = [tail(text, size, count) for size in range(6)]  # type: ignore[arg-type]
    assert kept == ["", " four", "\nthree four", " two\nthree four", text, text]
    assert tail("word" * 9, 3, lambda own: len(own)) == ""  # type: ignore[arg-type]


def test_what_is_right() -> None:
    asked = TaskSpec("asked", "short-answer", ("question",), "answers", metric="exact_match")
    assert right(asked, ["Nile", "the river Nile"], "the Nile")
    assert not right(asked, ["Nile"], "the Nile in Egypt")
    assert right(SUMS, 0.3, 0.1 + 0.2)
    assert not right(SUMS, 9.0, Unparsed("", "says nothing"))
    assert right(MOOD, "glad", "glad")
    assert not right(MOOD, "glad", "sad")


@pytest.mark.parametrize(
    ("kind", "settings", "sentence"),
    [
        ("ranking", {}, "It gives no ranking"),
        ("summarisation", {}, "asks for a longer text"),
        ("numeric-answer", {"until": ["\n"]}, "come with their own prompts"),
    ],
)
def test_tasks_that_do_not_suit(kind: str, settings: dict[str, Any], sentence: str) -> None:
    assert sentence in (make("prompt-cot").unsuited(replace(toy_form_task(kind).spec, settings=settings)) or "")
    assert make("prompt-cot").unsuited(toy_form_task("short-answer").spec) is None


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"way": "one-shot"}, "takes no way='one-shot'; give zero-shot or few-shot."),
        ({"trigger": "please"}, "takes no trigger='please'; give steps or"),
        ({"reasoning_tokens": 0}, "takes no reasoning_tokens=0; give a whole number, at least 1."),
        ({"tries": True}, "takes no tries=True"),
    ],
)
def test_parameters_that_do_not_exist_are_refused(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ApproachError, match=sentence):
        fitted(Scripted(eggs), MOOD, ROWS, **params)


def test_what_a_model_must_be_able_to_do() -> None:
    with pytest.raises(ApproachError, match="cannot write its reasoning"):
        fitted(Scripted(eggs, can=frozenset({"score"})), MOOD)
    with pytest.raises(Unsupported, match="after reasoning of its own"):
        fitted(Scripted(eggs), SUMS).answer_log_probabilities([EGGS], [9.0])


def test_label_counts_follow_the_way() -> None:
    ladder = (8, 16, 64, 256)
    assert make("prompt-cot").label_counts(ladder) == (0,)
    assert make("prompt-cot", way="few-shot", tries=20).label_counts(ladder) == (8, 16, 64)
    assert make("prompt-cot").on_request
    assert not make("prompt-cot").repeats()
    assert make("prompt-cot", way="few-shot").repeats()
