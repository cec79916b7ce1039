"""Text environments: mazes and shops played by hand, what cannot be done, and best plans against every sequence of actions there is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from fieldguide.errors import DataError
from fieldguide.records import Unparsed
from fieldguide.tasks.abilities import make
from fieldguide.tasks.environments import ENVIRONMENTS, World, world_of
from fieldguide.tasks.environments.environment import LONGEST, SILENT, Environment, play
from fieldguide.tasks.environments.maze import MazeState
from fieldguide.tasks.environments.search import best_plan, solved
from fieldguide.tasks.environments.shop import reward, search
from fieldguide.tasks.scoring.environments import REWARD, SOLVED
from fieldguide.tasks.task import Role

CORRIDOR = "Maze\n#####\n#S.G#\n#####"
LOCKED = "Maze\n#####\n#aSA#\n###G#\n#####"
SHOP = """Shop
Wanted; tent; light, waterproof; colour green, size large; at most 60 dollars
Bora; lamp; light, waterproof; colour green, size large; 20 dollars
Dune; tent; light; colour green/red; 70 dollars
Alto; tent; waterproof, light; colour red/green, size small/large; 55 dollars
Cima Pro; tent; light, waterproof; colour blue, size large/medium; 60 dollars"""
BEST = ("search tent", "open Alto", "choose colour green", "choose size large", "buy")


def rewards(text: str, *actions: str) -> list[float]:
    """Each step's reward, in hundredths."""
    return [round(100 * step.reward) for step in play(*world_of(text), actions).steps]


def test_a_maze_by_hand() -> None:
    maze, start = world_of(CORRIDOR)
    assert maze.observe(start) == "You are at row 2, column 2. You can: go east."
    assert rewards(CORRIDOR, "go east", "go east") == [-1, 99]
    refused = maze.step(start, "go north")
    assert (refused.state, refused.reward, refused.done) == (start, -0.05, False)
    assert refused.observation == "That cannot be done. You are at row 2, column 2. You can: go east."
    assert rewards(CORRIDOR, "fly to the goal", "go east", "take key", "go east", "go west") == [-5, -1, -5, 99], "nothing is done after the end"
    assert solved(CORRIDOR) == (("go east", "go east"), pytest.approx(0.98))
    assert play(maze, start, ["go east", "go east"]).steps[-1].observation == "You are at the goal."
    assert maze.goal(start) == "Reach the goal of the maze, at row 2, column 4."


def test_keys_open_their_doors() -> None:
    maze, start = world_of(LOCKED)
    assert maze.observe(start) == "You are at row 2, column 3. The door A to the east is locked. You can: go west."
    assert rewards(LOCKED, "go east") == [-5]
    steps = play(maze, start, ["go west", "take key", "take key", "go east", "go east", "go south"]).steps
    assert [round(100 * step.reward) for step in steps] == [-1, -1, -5, -1, -1, 99]
    assert steps[1].observation == "You are at row 2, column 2. You hold the key a. You can: go east."
    assert solved(LOCKED) == (("go west", "take key", "go east", "go east", "go south"), pytest.approx(0.95))


def test_a_shop_by_hand() -> None:
    """Equation 1 of Yao et al. 2022: two attributes, two options and the price make five parts."""
    assert solved(SHOP) == (BEST, pytest.approx(0.95))
    assert rewards(SHOP, *BEST) == [-1, -1, -1, -1, 99]
    assert rewards(SHOP, "search tent", "open Alto", "buy")[-1] == 59, "(2 + 0 + 1) / 5, less the cost of an action"
    assert rewards(SHOP, "search tent", "open Dune", "choose green", "buy")[-1] == 39, "(1 + 1 + 0) / 5: one attribute lacks, and it is too dear"
    assert rewards(SHOP, "search tent", "open cima pro", "choose size large", "choose blue", "buy")[-1] == 79, "(2 + 1 + 1) / 5: 60 is at most 60"
    assert rewards(SHOP, "search lamp", "open Bora", "choose green", "choose large", "buy")[-1] == -1, "a lamp is no tent"
    chosen = play(*world_of(SHOP), ["search tent", "open Alto", "choose red", "choose colour green", "choose large", "buy"])
    assert chosen.gain == 1, "an option takes the place of another of its group"
    assert chosen.steps[-2].observation.startswith("Alto is open: light, waterproof; 55 dollars; chosen: colour green, size large. You can: search lamp, search tent, ")
    assert chosen.steps[-1].observation == "You have bought Alto."


@pytest.mark.parametrize("actions", [["buy"], ["open Alto"], ["search lamp", "open Alto"], ["search tent", "buy"], ["search tent", "open Alto", "choose blue"]])
def test_what_cannot_be_done_in_a_shop(actions: list[str]) -> None:
    *_, last = play(*world_of(SHOP), actions).steps
    assert last.reward == -0.05
    assert last.observation.startswith("That cannot be done. ")


def test_searches_find_by_shared_words() -> None:
    state = world_of(SHOP).start
    found = {query: [state.stock.products[i].name for i in search(state.stock, query)] for query in ("TENT", "small tent", "waterproof", "piano")}
    assert found == {"TENT": ["Dune", "Alto", "Cima Pro"], "small tent": ["Alto", "Dune", "Cima Pro"], "waterproof": ["Bora", "Alto", "Cima Pro"], "piano": []}
    wanted, alto = state.stock.wanted, state.stock.products[2]
    assert reward(wanted, alto, (("colour", "red"), ("size", "large"))) == 0.8


@pytest.mark.parametrize(
    ("name", "said", "action"),
    [
        ("maze", "Go North", "go north"), ("maze", "move to the right", "go east"), ("maze", "w", "go west"), ("maze", "go[down]", "go south"),
        ("maze", "pick up the key", "take key"), ("maze", "take key a", "take key"), ("maze", "go", None), ("maze", "go north or south", None),
        ("maze", "do not go north", None), ("maze", "take the door", None), ("maze", "northern lights", None),
        ("shop", "search[red tent]", "search red tent"), ("shop", "Search for a tent", "search a tent"), ("shop", "click on Alto", "open Alto"),
        ("shop", "buy now", "buy"), ("shop", "click[Buy Now]", "buy"), ("shop", "choose: size  large", "choose size large"), ("shop", "buy the lamp", None),
        ("shop", "search", None), ("shop", "search <words>", None), ("shop", "I would buy it", None),
    ],
)  # fmt: skip
def test_actions_are_read(name: str, said: str, action: str | None) -> None:
    environment = ENVIRONMENTS[name]
    assert environment.read(said) == action
    assert action is None or environment.read(action) == action


def sequences(world: World, depth: int, more: tuple[str, ...] = ()) -> Iterator[float]:
    """The reward of every sequence of at most so many actions that can be done, those in `more` among them."""

    def go(environment: Environment, state: Any, left: int, before: tuple[str, ...]) -> Iterator[float]:
        for action in (*environment.actions(state), *more) if left else ():
            step = environment.step(state, action)
            if step.done:
                yield play(*world, [*before, action]).reward
            elif step.state != state:
                yield from go(environment, step.state, left - 1, (*before, action))

    yield from go(world.environment, world.start, depth, ())


@pytest.mark.parametrize("text", [CORRIDOR, LOCKED, *(row.target["environment"] for _, row in make("maze", rows=12, difficulty=3, seed=4))])
def test_no_way_through_a_maze_is_shorter(text: str) -> None:
    best = solved(text)
    found = max(sequences(world_of(text), len(best.actions)))
    assert found == best.reward
    assert play(*world_of(text), best.actions).reward == best.reward


@pytest.mark.parametrize("row", make("shop", rows=10, difficulty=1, seed=4)[Role.CERTIFY][:2], ids=lambda row: row.id)
def test_nothing_earns_more_in_a_shop(row: Any) -> None:
    """Other searches than those that `actions` gives do not lead further either."""
    text = row.target["environment"]
    words = tuple(f"search {word}" for product_ in world_of(text).start.stock.products for word in (product_.name, *sorted(product_.attributes)))
    assert max(sequences(world_of(text), 4, words)) == solved(text).reward == pytest.approx(0.97)


def test_the_best_that_there_is_may_be_less_than_all() -> None:
    text = "Shop\nWanted; tent; light; ; at most 50 dollars\nAlto; tent; heavy; ; 40 dollars\nDune; tent; light; colour red; 60 dollars\nBora; lamp; light; ; 5 dollars"
    assert solved(text) == (("search tent", "open Alto", "buy"), pytest.approx(0.47))
    target = {"environment": text, "plan": ["search tent", "open Alto", "buy"], "best": solved(text).reward}
    values = ["search tent\nopen Dune\nbuy", "search tent\nopen Alto\nbuy", "search lamp\nopen Bora\nbuy"]
    assert SOLVED.per_row([target] * 3, values).tolist() == [1, 1, 0]
    assert REWARD.per_row([target] * 3, values).tolist() == [1, 1, 0]


def test_a_plan_is_worth_its_share_of_the_best() -> None:
    target = {"environment": CORRIDOR, "plan": ["go east", "go east"], "best": 0.98}
    values = ["go east\ngo east", "go east\ngo west\ngo east\ngo east", "jump\ngo east\ngo east", "go east", SILENT, Unparsed("", "says nothing"), None, "go east\n" * 300]
    assert REWARD.per_row([target] * 8, values).round(6).tolist() == [1, round(0.96 / 0.98, 6), round(0.93 / 0.98, 6), 0, 0, 0, 0, 1]
    assert SOLVED.per_row([target] * 8, values).tolist() == [1, 1, 1, 0, 0, 0, 0, 1]
    wander = "\n".join(["go east", "go west"] * 200)
    assert (REWARD.of([target], [wander]), len(play(*world_of(CORRIDOR), wander.splitlines()).steps)) == (0.0, LONGEST)
    late = "\n".join(["go north"] * 18 + ["go east"] * 2)
    assert REWARD.of([target], [late]) == pytest.approx(0.08 / 0.98)
    assert SOLVED.of([target], [late]) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no environment; begin it with one of the words maze, shop"), ("Castle\n###", "is no environment"),
        ("Maze\n#S.#", "has 0 times the mark G"), ("Maze\nSSG", "has 2 times the mark S"), ("Maze\nS?G", "has the character '?'"),
        ("Maze\nSaaG", "has the key a more than once"), ("Maze\nS#G", "Nothing can be earned in this maze within 99 actions"),
        ("Maze\nSAG", "Nothing can be earned"), ("Maze\nS" + "." * 99 + "G", "Nothing can be earned"),
        ("Shop", "needs a line that says what is wanted"), ("Shop\nAlto; tent; ; ; 5 dollars\nBora; tent; ; ; 5 dollars", "needs a line that says what is wanted"),
        ("Shop\nWanted; tent; ; ; at most 5 dollars\nBora; tent; 5 dollars", "has the line 'Bora; tent; 5 dollars'; write"),
        ("Shop\nWanted; tent; ; ; at most 5 dollars\nBora; tent; ; ; 5 dollars\nbora; tent; ; ; 6 dollars", "has the name 'bora' twice"),
        ("Shop\nWanted; tent; ; ; at most 5 dollars\nBora; lamp; ; ; 5 dollars", "Nothing can be earned in this shop"),
    ],
)  # fmt: skip
def test_worlds_that_make_no_sense_are_refused(text: str, said: str) -> None:
    with pytest.raises(DataError) as refused:
        solved(text)
    assert said in str(refused.value)


def test_every_kind_of_world_keeps_its_promises() -> None:
    """States can be told apart and compared, what `actions` gives can be done, and the same is always seen of the same."""
    for text, (first, second) in product((CORRIDOR, LOCKED, SHOP), ((0, 0), (1, 0), (-1, -1))):
        environment, state = world_of(text)
        assert environment.parse(text) == state
        assert environment.parse(text) in {state}
        for place in (first, second):
            action = environment.actions(state)[place % len(environment.actions(state))]
            step = environment.step(state, action)
            assert step == environment.step(state, action)
            assert not step.observation.startswith("That cannot")
            state = step.state
    assert isinstance(world_of(CORRIDOR).start, MazeState)
    assert best_plan(*world_of(SHOP)) == solved(SHOP)
