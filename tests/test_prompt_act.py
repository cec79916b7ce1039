"""Acting step by step: what is shown, what comes back, how it ends, and that it is scored as a plan is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from test_prompt_forms import Spy

from fieldguide.approaches.approach import FitContext, Solver, make
from fieldguide.approaches.prompting.tools.act import ActSolver
from fieldguide.errors import ApproachError, Unsupported
from fieldguide.models.meter import metering
from fieldguide.models.model import Generation
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Row, Unparsed, Usage
from fieldguide.tasks.abilities import make as rows_of
from fieldguide.tasks.kinds.environment import TextEnvironment
from fieldguide.tasks.metrics import metric
from fieldguide.tasks.task import Role, Task, TaskSpec
from fieldguide.testing import toy_form_task

SPEC = TaskSpec("t", "text-environment", ("environment",), "solution", metric="reward")
BEND = {"environment": "Maze\n#####\n#S.##\n##.G#\n#####"}
OTHER = {"environment": "Maze\n######\n#G...#\n#.##.#\n#.aS.#\n######"}
SHOP = {"environment": "Shop\nWanted; tent; light; colour red; at most 60 dollars\nAlto; tent; light; colour red/blue; 55 dollars\nBora; lamp; ; ; 9 dollars"}


class Actor(Spy):
    """A model that writes what a function makes of its prompt; stops are kept to."""

    def __init__(self, writes: Callable[[str], str | None], **facts: Any) -> None:
        super().__init__(None, **facts)
        self.writes = writes

    def _generate(self, prompts: Sequence[str], **how: Any) -> tuple[list[list[Generation]], Usage]:
        self.written += [(p, how["max_tokens"], tuple(how["stop"])) for p in prompts]
        found = []
        for text in map(self.writes, prompts):
            refused = text is None
            cut = min(((text or "").partition(stop)[0] for stop in how["stop"]), key=len)
            found.append([Generation(cut, 1, "refused" if refused else "stop", reason="filtered" if refused else "")])
        return found, Usage()


def row(inputs: Inputs, name: str = "r1") -> Row:
    return Row(name, inputs, TextEnvironment().read(inputs["environment"], name))


def acting(writes: Callable[[str], str | None], train: Sequence[Row] = (), facts: dict[str, Any] | None = None, **params: Any) -> tuple[ActSolver, Actor]:
    model = Actor(writes, **(facts or {}))
    params = {"shots": len(train), **params}
    solver = make("prompt-act", model="fake:", **params).fit(SPEC, train, context=FitContext(models=ModelPool({"fake:": model})))
    assert isinstance(solver, ActSolver)
    return solver, model


def last_line(prompt: str) -> str:
    return re.findall(r"Observation: (.+)", prompt)[-1]


def first_listed(prompt: str) -> str:
    return " " + re.findall(r"You can: (.+?)(?:,|\.)", last_line(prompt))[0]


def test_what_is_observed_comes_back() -> None:
    says = iter([" go east", " Fly away!", " I go south.", " go east\nObservation: made up", " go east"])
    solver, model = acting(lambda _: next(says), steps=9)
    (found,) = solver.predict([BEND])
    prompts = [prompt for prompt, _, _ in model.written]
    assert prompts[0] == solver.prompts([BEND])[0] + "\nAction:"
    assert prompts[0].endswith(f"{BEND['environment']}\nObservation: You are at row 2, column 2. You can: go east.\nAction:")
    assert prompts[1] == prompts[0] + " go east\nObservation: You are at row 2, column 3. You can: go south, go west.\nAction:"
    assert prompts[2].endswith(" Fly away!\nObservation: That cannot be done. You are at row 2, column 3. You can: go south, go west.\nAction:")
    assert found.value == "go east\nFly away!\ngo south\ngo east"
    assert solver.prompts([BEND])[0] + "\n" + (found.text or "") == prompts[-1] + " go east\nObservation: You are at the goal."
    assert len(prompts) == 4, "it ends at the goal"
    target = row(BEND).target
    assert metric("solved").of([target], [found.value]) == 1
    assert metric("reward").of([target], [found.value]) == pytest.approx((1 - 3 * 0.01 - 0.05) / 0.97)


def test_demonstrations_are_best_plans_with_their_observations() -> None:
    solver, model = acting(first_listed, [row(OTHER)], steps=1)
    (shown,) = solver.demonstrations
    assert shown.text.endswith("Observation: You are at row 4, column 4. You can: go east, go west.")
    assert re.findall("Action: (.+)", shown.answer) == row(OTHER).target["plan"]
    assert shown.answer.count("Observation:") == len(row(OTHER).target["plan"]) - 1
    prompt = solver.prompts([BEND])[0]
    assert f"{shown.text}{shown.answer}\n\n" in prompt
    assert prompt.startswith("Reach the goal in as few actions as you can. Write one action on each line.\nGive one action at a time;")
    again = solver.prompts([OTHER])[0]
    assert shown.answer not in again, "a demonstration never repeats the row"
    assert again.count("Maze\n") == 1
    assert model.written == []


def test_loops_end() -> None:
    solver, model = acting(lambda prompt: " go west" if "column 3" in last_line(prompt) else " go east", steps=7)
    (found,) = solver.predict([BEND])
    assert found.value.split("\n") == ["go east", "go west"] * 3 + ["go east"]
    assert len(model.written) == 7
    assert metric("reward").of([row(BEND).target], [found.value]) == 0


@pytest.mark.parametrize(
    ("said", "reason"), [("I do not know.", "no action was named"), ("", "no action was named"), (None, "the model gave no answer: filtered")]
)
def test_no_action_at_all_is_unparsed(said: str | None, reason: str) -> None:
    solver, _ = acting(lambda _: said, steps=3)
    (found,) = solver.predict([BEND])
    assert isinstance(found.value, Unparsed)
    assert found.value.reason == reason
    (strange,) = solver.predict([{"environment": "no world at all"}])
    assert isinstance(strange.value, Unparsed)
    assert "tells of no world" in strange.value.reason


def test_a_refusal_ends_a_row_and_no_other() -> None:
    solver, _ = acting(lambda prompt: None if "column 3" in last_line(prompt) and "Shop" not in prompt else first_listed(prompt), steps=4)
    together = solver.predict([BEND, SHOP])
    assert together[0].value == "go east"
    assert together[1].value.split("\n")[0] == "search tent"
    assert [solver.predict([one])[0].value for one in (BEND, SHOP)] == [one.value for one in together]


def test_actions_may_be_chosen_by_scores() -> None:
    def likes(prompt: str, option: str) -> float:
        wanted = {"row 2, column 2": "go east", "row 2, column 3": "go south", "row 3": "go east"}
        return -1.0 if option.strip() == next(action for place, action in wanted.items() if place in last_line(prompt)) else -50.0

    model = Spy(likes, can=frozenset({"score"}))
    solver = make("prompt-act", model="fake:", shots=0, choose="score").fit(SPEC, (), context=FitContext(models=ModelPool({"fake:": model})))
    (found,) = solver.predict([BEND])
    assert found.value == "go east\ngo south\ngo east"
    assert [options for _, options in model.scored] == [(" go east",), (" go south", " go west"), (" go north", " go east")]


def test_nested_options_are_scored_with_their_end_and_by_their_length() -> None:
    text = "Shop\nWanted; red tent; ; ; at most 60 dollars\nAlto; red; ; ; 5 dollars\nBora; red tent; ; ; 5 dollars"
    longer = {"bytes": " search red tent\n", "none": " search red\n"}
    for normalise, option in longer.items():
        model = Spy(lambda _, option: {" search red\n": -10.0, " search red tent\n": -12.0}.get(option, -99.0))
        context = FitContext(models=ModelPool({"fake:": model}))
        solver = make("prompt-act", model="fake:", shots=0, choose="score", steps=1, normalise=normalise).fit(SPEC, (), context=context)
        assert solver.predict([{"environment": text}])[0].value == option.strip()


def test_thoughts_stand_before_actions() -> None:
    solver, model = acting(lambda prompt: " Where am I? \n" if prompt.endswith("Thought:") else first_listed(prompt), thoughts=True, steps=2)
    with metering() as meter:
        (found,) = solver.predict([BEND])
    assert (found.text or "").startswith("Thought: Where am I?\nAction: go east\nObservation: ")
    assert found.value == "go east\ngo south"
    assert meter.usage.calls == 4 == make("prompt-act", thoughts=True, steps=2).calls(0, 1, SPEC)
    assert model.written[1][0].endswith("\nThought: Where am I?\nAction:")


def test_the_goal_alone_may_be_shown() -> None:
    solver, _ = acting(first_listed, [row(OTHER)], shows="goal")
    prompt = solver.prompts([SHOP])[0]
    assert "###" not in prompt
    assert "Alto; tent" not in prompt
    assert prompt.endswith("choose <option>, buy.\nWanted: tent; light; colour red; at most 60 dollars\nObservation: Nothing is found yet. You can: search tent, search lamp.")
    assert "Reach the goal of the maze, at row 2, column 2." in prompt


def test_the_oldest_actions_leave_a_small_context() -> None:
    def swings(prompt: str) -> str:
        return " go west" if "column 3" in last_line(prompt) else " go east"

    solver, model = acting(swings, facts={"context": 250}, steps=12)
    (found,) = solver.predict([BEND])
    assert len(found.value.split("\n")) == 12
    kept = [prompt.count("Action:") for prompt, _, _ in model.written]
    assert max(kept) < 12
    assert all(BEND["environment"] in prompt for prompt, _, _ in model.written)
    assert kept == sorted(kept)
    small, model = acting(swings, facts={"context": 130}, steps=12)
    (unfit,) = small.predict([BEND])
    assert (unfit.value.reason, model.written) == ("the world does not fit the model's context", [])


def test_one_who_follows_the_best_plan_earns_all_as_the_plan_does() -> None:
    task = rows_of("shop", rows=12, difficulty=2, seed=1)
    plans = {one.inputs["environment"]: one.target["plan"] for _, one in task}

    def expert(prompt: str) -> str:
        text = "Shop\n" + prompt.rpartition("Shop\n")[2].partition("\nObservation:")[0]
        return f" {plans[text][prompt.rpartition(text)[2].count('Action:') - 1]}"

    model = Actor(expert)
    solver = make("prompt-act", model="fake:", shots=2).fit(task.spec, task[Role.TRAIN], context=FitContext(models=ModelPool({"fake:": model})))
    rows = task[Role.CERTIFY]
    values = [found.value for found in solver.predict([one.inputs for one in rows])]
    assert values == ["\n".join(one.target["plan"]) for one in rows]
    assert metric("reward").of([one.target for one in rows], values) == 1


def test_it_is_kept_and_says_what_it_cannot_tell(tmp_path: Path) -> None:
    solver, model = acting(first_listed, [row(OTHER), row(SHOP, "r2")], steps=4)
    kept = Solver.load(solver.save(tmp_path / "kept"), models=ModelPool({"fake:": model}))
    assert isinstance(kept, ActSolver)
    assert kept.prompts([BEND, OTHER]) == solver.prompts([BEND, OTHER])
    assert [p.text for p in kept.predict([BEND, OTHER])] == [p.text for p in solver.predict([BEND, OTHER])]
    with pytest.raises(Unsupported, match="how likely a whole plan is"):
        solver.answer_log_probabilities([BEND], ["go east"])


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"shots": -1}, "takes no shots=-1"), ({"steps": 0}, "takes no steps=0"), ({"steps": 101}, "at most 100"), ({"choose": "letter"}, "give write or score"),
        ({"shows": "map"}, "give world or goal"), ({"thoughts": "yes"}, "give False or True"), ({"shots": 3}, "was given none"), ({"template": "x"}, "no template"),
    ],
)  # fmt: skip
def test_parameters_that_do_not_exist_are_refused(params: dict[str, Any], said: str) -> None:
    with pytest.raises(ApproachError, match=said):
        acting(first_listed, **params)


def test_it_suits_worlds_alone_and_asks_of_a_model_what_it_needs() -> None:
    other = toy_form_task("short-answer")
    assert "short-answer has none" in (make("prompt-act").unsuited(other.spec) or "")
    for can, choose, lacks in (("score", "write", "cannot write"), ("generate", "score", "cannot score")):
        with pytest.raises(ApproachError, match=lacks):
            acting(first_listed, facts={"can": frozenset({can})}, choose=choose)
    with pytest.raises(ApproachError, match="cannot write"):
        acting(first_listed, facts={"can": frozenset({"score"})}, choose="score", thoughts=True)
    approach = make("prompt-act", shots=0)
    assert (approach.label_counts((4, 8)), approach.repeats()) == ((0,), False)
    assert make("prompt-act", shots=4).label_counts((2, 4, 8)) == (2, 4)


@pytest.mark.parametrize("name", ["prompt-zero-shot", "prompt-few-shot", "majority"])
def test_other_prompts_make_plans_without_knowing_of_worlds(name: str) -> None:
    task: Task = toy_form_task("text-environment")
    plan = "go east\ngo south"
    model = Actor(lambda _: f" {plan}\n\nMaze\n")
    params = {} if name == "majority" else {"model": "fake:"}
    solver = make(name, **params).fit(task.spec, task[Role.TRAIN], context=FitContext(models=ModelPool({"fake:": model})))
    found = solver.predict([one.inputs for one in task[Role.CERTIFY]])
    mazes = [one.inputs["environment"].startswith("Maze") for one in task[Role.CERTIFY]]
    assert name == "majority" or [one.value == plan for one in found] == mazes, "where one can buy, there is no going east"
    rewards = metric("reward").per_row([one.target for one in task[Role.CERTIFY]], [one.value for one in found])
    assert 0 <= rewards.mean() < 0.9
