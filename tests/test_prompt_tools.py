"""Prompts with a calculator: what is shown, the loop of calls and values, and answers that are read only where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from test_prompt_forms import Spy

from fieldguide.approaches.approach import FitContext, Solver, make
from fieldguide.approaches.prompting.tools.tools import ToolSolver, calls_in
from fieldguide.errors import ApproachError
from fieldguide.models.model import Generation
from fieldguide.models.pool import ModelPool
from fieldguide.records import Row, Unparsed, Usage
from fieldguide.tasks.build import read_task
from fieldguide.tasks.task import Role, Task


class Writer(Spy):
    """A model that goes on with what it was given: the first ending of a prompt that it knows decides; stops are kept to."""

    def __init__(self, lines: Mapping[str, str], **facts: Any) -> None:
        super().__init__(None, **facts)
        self.lines = lines

    def _generate(self, prompts: Sequence[str], **how: Any) -> tuple[list[list[Generation]], Usage]:
        super()._generate(prompts, **how)
        said = [next(text for end, text in self.lines.items() if p.endswith(end)) for p in prompts]
        cut = [min((text.partition(stop)[0] for stop in how["stop"]), key=len) for text in said]
        return [[Generation(text, len(text.split()), "stop")] for text in cut], Usage()


@pytest.fixture
def task() -> Task:
    return read_task("ability:multiplication:2?rows=40")


def tooled(task: Task, lines: Mapping[str, str], **params: Any) -> tuple[ToolSolver, Writer]:
    model = Writer(lines)
    context = FitContext(models=ModelPool({"fake:": model}))
    solver = make("prompt-tools", model="fake:", **params).fit(task.spec, task[Role.TRAIN], context=context)
    assert isinstance(solver, ToolSolver)
    return solver, model


def test_demonstrations_call_for_the_right_answer(task: Task) -> None:
    solver, _ = tooled(task, {}, shots=5)
    rows = {row.id: row for row in task[Role.TRAIN]}
    assert len(solver.demonstrations) == 5
    for shown in solver.demonstrations:
        (call,), target = calls_in(shown.answer), rows[shown.id].target
        assert shown.answer.endswith(f"Answer: {target:.0f}")
        assert float(call.value or "nan") == target
    prompt = solver.prompts([{"question": "What is 12 times 34?"}])[0]
    assert prompt.startswith("Answer each question with a number.\nUse calculator(…)")
    assert prompt.endswith("Question: What is 12 times 34?\n")


def test_values_are_filled_in_and_never_the_models_own(task: Task) -> None:
    lines = {"34?\n": "calculator(12 * 34) = 999\nAnswer: 999", "= 408\n": "calculator(408 - 8) = 1\n", "= 400\n": "Answer: 400\n\nQuestion: More?"}
    solver, model = tooled(task, lines)
    (found,) = solver.predict([{"question": "What is 12 times 34?"}])
    assert found.text == "calculator(12 * 34) = 408\ncalculator(408 - 8) = 400\nAnswer: 400"
    assert found.value == 400.0
    assert [prompt.rpartition("34?\n")[2] for prompt, _, _ in model.written] == ["", "calculator(12 * 34) = 408\n", "calculator(12 * 34) = 408\ncalculator(408 - 8) = 400\n"]


def test_rounds_end_and_the_last_value_is_the_answer(task: Task) -> None:
    solver, model = tooled(task, {"\n": "calculator(2 + 3) ="}, rounds=2)
    (found,) = solver.predict([{"question": "On and on?"}])
    assert (found.value, len(model.written)) == (5.0, 3)
    assert len(calls_in(found.text or "")) == 3


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("calculator(open('x')) = 5", "neither an answer nor a calculation"),
        ("I think that it is large.", "neither an answer nor a calculation"),
        ("", "neither an answer nor a calculation"),
        ("Answer: several", "number"),
    ],
)
def test_what_is_no_answer_is_unparsed(task: Task, said: str, reason: str) -> None:
    solver, _ = tooled(task, {"\n": said})
    (found,) = solver.predict([{"question": "What is 2 times 3?"}])
    assert isinstance(found.value, Unparsed)
    assert reason in found.value.reason


def test_rows_do_not_depend_on_each_other_and_are_kept(task: Task, tmp_path: Path) -> None:
    lines = {"3?\n": "calculator(2 * 3) =", "= 6\n": "Answer: 6", "4?\n": "Answer: 9", "5?\n": "calculator(nothing) ="}
    solver, model = tooled(task, lines)
    asked = [{"question": f"What is {n}?"} for n in ("2 times 3", "4", "5")]
    together, alone = solver.predict(asked), [solver.predict([one])[0] for one in reversed(asked)][::-1]
    assert [p.value for p in together] == [p.value for p in alone]
    assert [p.value for p in together[:2]] == [6.0, 9.0]
    kept = Solver.load(solver.save(tmp_path / "kept"), models=ModelPool({"fake:": model}))
    assert [p.text for p in kept.predict(asked)] == [p.text for p in together]


def test_calls_are_told_apart() -> None:
    found = calls_in("calculator(2 * 3) = 6\ncalculator(a + b) = 7\ncalculator(4 +\nAnswer: 6")
    assert [(call.expression, call.value) for call in found] == [("2 * 3", "6"), ("a + b", None), ("4 +", None)]
    assert found[1].fault


def test_it_says_what_it_cannot_do(task: Task) -> None:
    rows = [Row(f"r{i}", {"question": f"How old is number {i}?"}, 1000.0 + i) for i in range(4)]
    with pytest.raises(ApproachError, match=r"\(4 rows were tried\), so there is no call to show; give more labels"):
        make("prompt-tools", model="fake:").fit(task.spec, rows)
    with pytest.raises(ApproachError, match="at least 1 shot"):
        tooled(task, {}, shots=0)
    model = Spy(can=frozenset({"score"}))
    with pytest.raises(ApproachError, match=r"only scores|does not write"):
        make("prompt-tools", model="fake:").fit(task.spec, task[Role.TRAIN], context=FitContext(models=ModelPool({"fake:": model})))
