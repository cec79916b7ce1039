"""The best plan in a text environment, found by breadth-first search over its states."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from fieldguide.errors import DataError
from fieldguide.tasks.environments import world_of
from fieldguide.tasks.environments.environment import LONGEST, STEP_COST, Environment, play

MOST_STATES = 100_000
"""States that are looked at before a world is said to be too large."""


class Plan(NamedTuple):
    """Actions, and the reward that they earn."""

    actions: tuple[str, ...]
    reward: float


def best_plan(environment: Environment, start: Any) -> Plan | None:
    """A plan that no other earns more than, the first of the shortest; None where nothing can be earned.

    Every action costs the same and reward comes with the last one, so the first way to a state is as good as any other, and a gain g after d
    actions is worth g − d · `STEP_COST`: levels are searched until none further down could be worth more. Raises `DataError` for a world that is
    too large.
    """
    paths: dict[Any, tuple[Any, str] | None] = {start: None}  # state → where it was first come to from, and by which action
    level, best, worth = [start], tuple[str, ...](), 0.0
    for depth in range(1, LONGEST):
        if not level or 1 - depth * STEP_COST <= worth:
            break
        following: list[Any] = []
        for state in level:
            for action in environment.actions(state):
                after, gain, done = environment.act(state, action) or (state, 0.0, False)
                if done and gain - depth * STEP_COST > worth + 1e-9:
                    best, worth = (*_way(paths, state), action), gain - depth * STEP_COST
                elif not done and after not in paths:
                    paths[after] = state, action
                    following.append(after)
        if len(paths) > MOST_STATES:
            raise DataError(f"The {environment.name} has more than {MOST_STATES:,} states, too many to search; give a smaller one.")
        level = following
    return Plan(best, play(environment, start, best).reward) if best else None


def _way(paths: dict[Any, tuple[Any, str] | None], state: Any) -> tuple[str, ...]:
    actions: list[str] = []
    while (last := paths[state]) is not None:
        state, action = last
        actions.append(action)
    return tuple(reversed(actions))


@lru_cache(maxsize=4096)
def solved(text: str) -> Plan:
    """The best plan in the world that a text tells of. Raises `DataError`, a sentence without a place, where there is none."""
    world = world_of(text)
    plan = best_plan(world.environment, world.start)
    if plan is None:
        name = world.environment.name
        raise DataError(f"Nothing can be earned in this {name} within {LONGEST - 1} actions; change it so that its goal can be reached.")
    return plan
