"""Text environments as a kind: tables of worlds, plans in many phrasings, texts that are none, and generated rows at every difficulty."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fieldguide.errors import DataError
from fieldguide.records import Unparsed
from fieldguide.tasks.abilities import make
from fieldguide.tasks.abilities.mazes import maze
from fieldguide.tasks.build import read_task
from fieldguide.tasks.environments import world_of
from fieldguide.tasks.environments.environment import LONGEST, SILENT
from fieldguide.tasks.kinds.environment import TextEnvironment
from fieldguide.tasks.metrics import metric
from fieldguide.tasks.task import TaskSpec
from fieldguide.testing.hostile import NOTHING

KIND = TextEnvironment()
SPEC = TaskSpec("t", "text-environment", ("environment",), "solution")
CORRIDOR = {"environment": "Maze\n######\n#S...G#\n######"}
SHOP = {"environment": "Shop\nWanted; tent; light; ; at most 60 dollars\nAlto; tent; light; ; 55 dollars"}
LEVELS = [("maze", 3), ("maze", 5), ("maze", 7), ("maze", 9), ("shop", 1), ("shop", 2), ("shop", 4), ("shop", 6)]

PHRASINGS: list[Callable[[list[str]], str]] = [
    "\n".join,
    lambda plan: "\n  " + "\n  ".join(plan) + "\n",
    lambda plan: "Plan:\n" + "\n".join(f"{i}. {action}" for i, action in enumerate(plan, 1)),
    lambda plan: "Here is my plan:\n\n" + "\n".join(f"- {action}" for action in plan) + "\n\nThat leads to the goal.",
    ", ".join,
    " -> ".join,
    lambda plan: "\n".join(f"Action: {action}" for action in plan),
    lambda plan: "```\n" + "\n".join(plan) + "\n```",
    json.dumps,
    lambda plan: "\n".join(f"Step {i}: **{action.capitalize() if action.startswith('go') else action}**." for i, action in enumerate(plan, 1)),
    lambda plan: "Sure! First, " + ", then ".join(plan) + ".",
    lambda plan: "\n".join(f"Thought: now I {action}\nAction {i}: {action}\nObservation: so it is done." for i, action in enumerate(plan, 1)),
]


@pytest.mark.parametrize(("name", "level"), LEVELS)
def test_best_plans_earn_all_and_doing_nothing_earns_nothing(name: str, level: int) -> None:
    rows = [row for _, row in make(name, rows=20, difficulty=level, seed=2)]
    targets = [row.target for row in rows]
    plans = [KIND.parse(SPEC, KIND.say(SPEC, target, row.inputs), row.inputs) for row, target in zip(rows, targets, strict=True)]
    for each in ("reward", "solved"):
        assert metric(each).per_row(targets, plans).tolist() == [1.0] * len(rows)
        assert metric(each).per_row(targets, [SILENT] * len(rows)).tolist() == [0.0] * len(rows)
        assert metric(each).of(targets, [Unparsed("", "says nothing")] * len(rows)) == 0
    again = [KIND.read(row.inputs["environment"], "here") for row in rows]
    assert again == targets
    spare = [world_of(target["environment"]).environment.act(world_of(target["environment"]).start, action) for target in targets for action in target["plan"][:1]]
    assert None not in spare


def test_rows_grow_with_the_dial() -> None:
    def mean(name: str, level: int) -> float:
        plans = [len(row.target["plan"]) for _, row in make(name, rows=20, difficulty=level)]
        return sum(plans) / len(plans)

    assert mean("maze", 3) + 3 < mean("maze", 5) < mean("maze", 8) - 3
    assert mean("shop", 1) + 2 == mean("shop", 4)
    for level, doors in ((3, ""), (4, "A"), (6, "A"), (7, "AB"), (9, "AB")):
        for _, row in make("maze", rows=10, difficulty=level):
            drawn = row.inputs["environment"].partition("\n")[2]
            assert set(drawn) & set("ABC") == set(doors), "each door lies on every way to the goal"
            assert row.target["plan"].count("take key") == len(doors)


@pytest.mark.parametrize("way", range(len(PHRASINGS)))
def test_plans_are_read_in_many_phrasings(way: int) -> None:
    rows = [row for name, level in (("maze", 4), ("shop", 2)) for _, row in make(name, rows=15, difficulty=level)]
    for row in rows:
        found = KIND.parse(SPEC, PHRASINGS[way](row.target["plan"]), row.inputs)
        assert found == "\n".join(row.target["plan"])


@pytest.mark.parametrize("inputs", [CORRIDOR, SHOP, None])
def test_texts_without_an_action_are_unparsed(inputs: Any) -> None:
    hostile = [
        "You could go north or south, it depends.", "Do not go east.", "It is not possible to go east from here.", "east or west?", "Go to the goal.",
        "Thought: I should go east", "Observation: You can: go east.", "I would buy it if it were cheaper.", "go go go", "{\"action\": 3}", "[1, 2, 3]",
        "go east" + " and so on" * 500, "The plan is:", "Action:", "You never go east", "go nowhere", "Buy or search?", "take your time",
    ]  # fmt: skip
    for text in [*NOTHING, *hostile]:
        found = KIND.parse(SPEC, text, inputs)
        assert isinstance(found, Unparsed), f"{text[:60]!r} was read as {found!r}"
        assert (found.text, bool(found.reason)) == (text, True)


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("go east (x3)", ["go east"] * 3),
        ("Go east 2 steps, then go north", ["go east", "go east", "go north"]),
        ("go east twice and go north", ["go east", "go east", "go north"]),
        ("go east\njump over the wall\ngo east", ["go east", "jump over the wall", "go east"]),
        ("Well, I look around.\ngo east\nThen I am there.", ["go east"]),
        ("go east, climb; go north, fly", ["go east", "climb", "go north"]),
        ("go east\n\nMaze\n#S..G#\nPlan: go west", ["go east"]),
        ("go north or south\ngo east", ["go east"]),
        ("go east\ngo north or south\ngo east", ["go east", "go north or south", "go east"]),
        ("go east x99, go east x99", ["go east"] * LONGEST),
        ("E, E, N", ["go east", "go east", "go north"]),
    ],
)
def test_what_is_no_action_stays_between_actions_only(text: str, plan: list[str]) -> None:
    assert KIND.parse(SPEC, text, CORRIDOR) == "\n".join(plan)


def test_one_action_of_what_was_written() -> None:
    assert KIND.act(SPEC, " go east\nObservation: and on", CORRIDOR) == "go east"
    assert KIND.act(SPEC, "Hm.\nAction: go east, then go north", CORRIDOR) == "go east"
    assert KIND.act(SPEC, " open the window  please", CORRIDOR) == "open the window please"
    assert KIND.act(SPEC, "  \n", CORRIDOR) == SILENT
    long = KIND.act(SPEC, "search " + "x" * 5000, CORRIDOR)
    assert (len(long), KIND._read(SPEC, long, SHOP)) == (61, None)


def test_a_table_of_worlds_is_told_and_solved(tmp_path: Path) -> None:
    import random

    rng = random.Random(3)
    worlds = list(dict.fromkeys(maze(rng, 5)[0]["environment"] for _ in range(24)))
    bare = tmp_path / "bare.jsonl"
    bare.write_text("".join(json.dumps({"environment": text}) + "\n" for text in worlds))
    task = read_task(bare)
    assert (task.spec.kind, task.spec.inputs, task.spec.target, task.spec.metric) == ("text-environment", ("environment",), "solution", "reward")
    rows = [row for _, row in task]
    assert all(metric("solved").of([row.target], ["\n".join(row.target["plan"])]) == 1 for row in rows)
    whole = tmp_path / "whole.jsonl"
    whole.write_text("".join(json.dumps({"environment": row.inputs["environment"], "solution": row.target}) + "\n" for row in rows))
    assert sorted(row.target["environment"] for _, row in read_task(whole)) == sorted(worlds)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("Maze\nS#G", "Row 3 holds a world that cannot be used. Nothing can be earned"),
        (3, "Row 3 holds no environment; leave --target out"),
        ({"plan": ["go east"]}, "Row 3 holds no environment"),
        ({"environment": "Maze\nS.G", "plan": ["go east", "go west"]}, "a plan that is not as good as go east; go east"),
        ({"environment": "Maze\nS.G", "plan": "go east"}, "not as good"),
        ({"environment": "Maze\nS.G", "price": 3}, "holds no environment"),
    ],
)
def test_solutions_that_are_none_are_refused(value: Any, said: str) -> None:
    with pytest.raises(DataError) as refused:
        KIND.read(value, "Row 3")
    assert said in str(refused.value)


def test_solutions_belong_to_their_rows() -> None:
    target = KIND.read({"environment": "Maze\nS.\n.G", "plan": ["go south", "go east"]}, "here")
    assert target["plan"] == ["go south", "go east"], "a plan that is as good as the one that is found stays"
    KIND.fits({"environment": "Maze\nS.\n.G\n"}, target, "here")
    with pytest.raises(DataError, match="of another world than its row"):
        KIND.fits(CORRIDOR, target, "Row 3")


def test_prompts_say_how_a_world_is_read() -> None:
    shown = KIND.show(SPEC, CORRIDOR)
    assert shown.startswith("In the maze # is a wall")
    assert shown.endswith(CORRIDOR["environment"])
    assert KIND.show(SPEC, {"environment": "no world"}) == "no world"
    usual = KIND.usual(SPEC, [KIND.read(CORRIDOR["environment"], "here"), KIND.read(SHOP["environment"], "here")] * 2)
    assert usual.split("\n")[0] in ("go east", "search tent")
    assert KIND.usual(SPEC, []) == SILENT
