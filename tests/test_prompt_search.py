"""Prompt search: what is shown never scores, test rows change nothing, the best is found within the budget, and all of it is written down."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldguide import api
from fieldguide.approaches.approach import FitContext, Solver, make
from fieldguide.approaches.prompting.search import LOG, SHOWN, PromptSearch, SearchSolver
from fieldguide.errors import ApproachError
from fieldguide.models.fake import FakeModel
from fieldguide.models.model import Generation, Scores
from fieldguide.models.pool import ModelPool
from fieldguide.records import Row, Usage
from fieldguide.tasks.task import Role, Task, TaskSpec
from fieldguide.testing import larger_toy_task

NAME = "prompt-search"
WORDS = TaskSpec("words", "short-answer", ("question",), "answers", metric="exact_match")
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen")
ROWS = [Row(f"r{i}", {"question": f"{number} {thing}"}, [f"{thing} number {number}"]) for i, (number, thing) in enumerate(
    (number, thing) for thing in ("apples", "bridges") for number in NUMBERS)]  # fmt: skip
MAGIC = "Write the thing, then its number."
IDEAS = ("Say nothing of it at all.", "Rewrite the text.", "Count the letters of the words.", "Turn it around, please.")


class Scripted(FakeModel):
    """Answers rightly after `MAGIC` alone; as a proposer it has that idea in one of `rarely` texts, else one of `IDEAS`."""

    def __init__(self, rarely: int = 10, **facts: Any) -> None:
        super().__init__()
        self.rarely, self.facts = rarely, replace(self.facts, **facts)
        self.proposing: list[str] = []
        self.answering: list[str] = []
        self.counted = 0

    def _generate(self, prompts: Sequence[str], **how: Any) -> tuple[list[list[Generation]], Usage]:
        self.counted += len(prompts) * how["n"]
        return [[self._one(prompt, k, how) for k in range(how["n"])] for prompt in prompts], Usage()

    def _one(self, prompt: str, k: int, how: dict[str, Any]) -> Generation:
        if how["temperature"] > 0:
            self.proposing.append(prompt)
            draw = self._number(prompt, str(how["seed"]), str(k))
            return Generation(f" {MAGIC if draw % self.rarely == 0 else IDEAS[draw % len(IDEAS)]}", 6, "stop")
        self.answering.append(prompt)
        number, thing = prompt.rsplit("Question: ", 1)[1].split("\n")[0].split()
        return Generation(f" {thing} number {number}" if prompt.startswith(MAGIC) else " no", 3, "stop")

    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        self.counted += len(prompts)
        self.answering += prompts
        rows = tuple(tuple((-0.25 if p.startswith(MAGIC) else -3.0,) * 2 for _ in own) for p, own in zip(prompts, options, strict=True))
        return Scores(tuple(tuple(sum(parts) for parts in row) for row in rows), rows), Usage()


def fitted(model: FakeModel, train: Sequence[Row] = ROWS, spec: TaskSpec = WORDS, seed: int = 0, **params: Any) -> SearchSolver:
    solver = make(NAME, model="fake:", **params).fit(spec, train, context=FitContext(seed=seed, models=ModelPool({"fake:": model})))
    assert isinstance(solver, SearchSolver)
    return solver


@pytest.mark.parametrize("judge_by", ["answers", "likelihood"])
@pytest.mark.parametrize("search", ["halving", "policy"])
def test_the_instruction_that_helps_is_found(search: str, judge_by: str) -> None:
    model = Scripted()
    solver = fitted(model, search=search, judge_by=judge_by)
    assert solver.instruction == MAGIC
    choice = solver.search_log[-1]
    assert (choice["score"], choice["stock_score"]) == ((1.0, 0.0) if judge_by == "answers" else (-0.25, -3.0))
    assert choice["rows"] == len(ROWS) - len(ROWS) // SHOWN
    (found,) = solver.predict([{"question": "ninety horses"}])
    assert found.value == "horses number ninety"
    assert solver.prompts([{"question": "ninety horses"}]) == [f"{MAGIC}\n\nQuestion: ninety horses\nAnswer:"]


@pytest.mark.parametrize("search", ["halving", "policy"])
def test_examples_that_the_proposer_is_shown_never_score(search: str) -> None:
    model = Scripted()
    fitted(model, search=search, shots=2)
    texts = {row.inputs["question"] for row in ROWS}
    shown = {text for text in texts if any(text in prompt for prompt in model.proposing)}
    scored = {prompt.rsplit("Question: ", 1)[1].split("\n")[0] for prompt in model.answering}
    demonstrated = {text for text in texts for prompt in model.answering if f"Question: {text}\nAnswer: " in prompt}
    assert 0 < len(shown) <= len(ROWS) // SHOWN
    assert not shown & scored
    assert scored == texts - shown
    assert demonstrated and demonstrated <= shown  # noqa: PT018


@pytest.mark.parametrize("judge_by", ["answers", "likelihood"])
def test_it_is_never_worse_than_the_kinds_own_instructions(judge_by: str) -> None:
    """No proposal is any good here; of instructions that tie the kind's own wins."""
    solver = fitted(Scripted(rarely=10**9), judge_by=judge_by)
    assert solver.instruction == WORDS.reader.templates(WORDS)[0].instruction
    assert solver.search_log[-1]["origin"] == "the kind's own"


def test_calls_are_counted_and_bounded() -> None:
    rng = np.random.default_rng(0)
    for k in range(24):
        how: dict[str, Any] = {
            "candidates": int(rng.integers(1, 40)), "rounds": int(rng.integers(0, 4)), "variations": int(rng.integers(1, 12)),
            "judge_by": ("answers", "likelihood")[k % 2], "search": ("halving", "policy")[k // 2 % 2],
        }  # fmt: skip
        how["budget"] = 2 * (how["candidates"] + how["rounds"] * how["variations"]) + int(rng.integers(0, 400))
        train = ROWS[: int(rng.integers(1, len(ROWS)))]
        model = Scripted()
        solver = fitted(model, train, seed=k, **how)
        assert model.counted == solver.search_calls == solver.fit_usage.calls
        assert solver.search_calls <= make(NAME, model="fake:", **how).calls(len(train), 0, WORDS) <= how["budget"], how


def test_every_prompt_and_candidate_is_written_down(tmp_path: Path) -> None:
    model = Scripted()
    solver = fitted(model, shots=1)
    log = [json.loads(line) for line in (solver.save(tmp_path / "s") / LOG).read_text(encoding="utf-8").splitlines()]
    assert log == solver.search_log
    assert {line["prompt"] for line in log if line["step"] == "prompt"} == set(model.proposing)
    assert sum(len(line["written"]) for line in log if line["step"] == "prompt") == len(model.proposing)
    candidates = {line["instruction"]: line for line in log if line["step"] == "candidate"}
    assert set(candidates) >= {MAGIC, *IDEAS, *(template.instruction for template in WORDS.reader.templates(WORDS))}
    assert all(line["rows"] > 0 and line["score"] == (line["instruction"] == MAGIC) for line in candidates.values())
    assert sum(line["rows"] for line in candidates.values()) + len(model.proposing) == log[-1]["calls"]
    back = Solver.load(tmp_path / "s", ModelPool({"fake:": model}))
    assert isinstance(back, SearchSolver)
    assert (back.instruction, back.demonstrations, back.search_log) == (solver.instruction, solver.demonstrations, solver.search_log)


def test_the_log_of_the_policy_tells_each_episode() -> None:
    log = fitted(Scripted(), search="policy", judge_by="likelihood").search_log
    episodes = [line for line in log if line["step"] == "episode"]
    assert len(episodes) >= 4
    assert all(1 <= len(line["edits"]) <= 3 and line["reward"] in (-0.25, -3.0) for line in episodes)


@pytest.mark.parametrize("search", ["halving", "policy"])
def test_test_rows_change_nothing(search: str) -> None:
    """Through `evaluate`: with other targets outside the training rows every prompt that is sent, and so what is found, stays the very same."""
    task = larger_toy_task()
    other = {label: task.spec.labels[(i + 1) % len(task.spec.labels)] for i, label in enumerate(task.spec.labels)}
    moved = {role: rows if role is Role.TRAIN else tuple(replace(row, target=other[row.target]) for row in rows) for role, rows in task.rows.items()}
    sent, quality = [], []
    for one in (task, Task(task.spec, moved, task.notes, task.source)):
        model = Recording()
        approach = json.dumps({"name": NAME, "params": {"model": "fake:", "search": search, "budget": 200, "candidates": 12, "variations": 4}})
        (found,) = api.evaluate([approach], [one], machine_price=0.0, pool=ModelPool({"fake:": model}))
        sent.append(model.asked)
        quality.append(found.metrics["accuracy"].value)
    assert sent[0] == sent[1]
    assert quality[0] != quality[1]


class Recording(FakeModel):
    """Keeps every prompt in order."""

    def __init__(self, **facts: Any) -> None:
        super().__init__()
        self.facts, self.asked = replace(self.facts, **facts), list[str]()

    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        self.asked += prompts
        return super()._score(prompts, options)

    def _generate(self, prompts: Sequence[str], **how: Any) -> tuple[list[list[Generation]], Usage]:
        self.asked += prompts
        return super()._generate(prompts, **how)


def test_the_seed_decides() -> None:
    one, same, other = (fitted(Scripted(), seed=seed, judge_by="likelihood").search_log for seed in (3, 3, 4))
    assert one == same
    assert one != other


def test_a_model_that_only_writes() -> None:
    writes = Scripted(can=frozenset({"generate"}))
    assert fitted(writes).instruction == MAGIC
    with pytest.raises(ApproachError, match="does not tell how likely an answer is"):
        fitted(writes, judge_by="likelihood")
    task = larger_toy_task()
    solver = fitted(Recording(can=frozenset({"generate"})), task[Role.TRAIN][:9], task.spec, candidates=4, rounds=1, variations=2)
    assert solver.predict([task[Role.CERTIFY][0].inputs])


def test_another_model_may_propose() -> None:
    proposer, answerer = Scripted(), Scripted(can=frozenset({"score"}))
    pool = ModelPool({"fake:1": proposer, "fake:2": answerer})
    task = larger_toy_task()
    approach = PromptSearch(model="fake:2", proposer="fake:1")
    assert approach.models() == ("fake:2", "fake:1")
    solver = approach.fit(task.spec, task[Role.TRAIN], context=FitContext(models=pool))
    assert proposer.proposing and not proposer.answering  # noqa: PT018
    assert answerer.answering and not answerer.proposing  # noqa: PT018
    assert solver.models.get("fake:2") is answerer
    with pytest.raises(ApproachError, match="cannot write instructions"):
        PromptSearch(model="fake:1", proposer="fake:2").fit(task.spec, task[Role.TRAIN], context=FitContext(models=pool))


def test_demonstrations_never_repeat_the_row() -> None:
    solver = fitted(Scripted(), shots=3)
    shown = solver.demonstrations[0]
    (own,) = solver.prompts([{"question": shown.text.removeprefix("Question: ")}])
    (new,) = solver.prompts([{"question": "ninety horses"}])
    assert own.count(shown.text) == 1  # the row alone
    assert new.count("\nAnswer: ") == own.count("\nAnswer: ") + 1 == 3


def test_rows_that_repeat_one_another_are_not_both_shown_and_scored() -> None:
    model = Scripted()
    train = [replace(row, id=f"{row.id}.{k}") for row in ROWS[:9] for k in range(4)]
    fitted(model, train)
    shown = {row.inputs["question"] for row in train if any(f"{row.inputs['question']} " in p or f"{row.inputs['question']}\n" in p for p in model.proposing)}
    assert shown
    assert not shown & {prompt.rsplit("Question: ", 1)[1].split("\n")[0] for prompt in model.answering}
    alone = Scripted()
    fitted(alone, [replace(ROWS[0], id=str(k)) for k in range(6)])
    assert not alone.proposing


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"search": "luck"}, "halving or policy"), ({"judge_by": "taste"}, "answers or likelihood"), ({"candidates": 0}, "at least 1"),
        ({"rounds": -1}, "at least 0"), ({"temperature": 0.0}, "no search"), ({"budget": 50}, "give at least 184"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(params: dict[str, Any], said: str) -> None:
    with pytest.raises(ApproachError, match=said):
        fitted(Scripted(), **params)
    with pytest.raises(ApproachError, match="give at least one"):
        fitted(Scripted(), ())
