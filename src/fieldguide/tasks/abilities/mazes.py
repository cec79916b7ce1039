"""Mazes of a text environment, whose best plan a search has found: to plan ahead in, or to act in step by step."""

from __future__ import annotations

import random
from collections import deque

from fieldguide.tasks.abilities.ability import Ability, Drawn
from fieldguide.tasks.environments.maze import DOORS, FREE, GOAL, KEYS, START, WALL, WAYS
from fieldguide.tasks.environments.search import solved
from fieldguide.tasks.scoring.environments import BEST, ENVIRONMENT, PLAN

WALLS = 0.3
"""The share of walls."""
DOORS_FROM = (4, 7)
"""The sizes from which on there is a door, and a second one."""
Place = tuple[int, int]


def maze(rng: random.Random, cells: int) -> Drawn:
    """A maze of so many cells a side, whose goal is at least so many steps away. Each door lies on every way to the goal."""
    while True:
        grid = {(i, j): WALL if rng.random() < WALLS else FREE for i in range(cells) for j in range(cells)}
        start, goal = rng.sample(sorted(grid), 2)
        grid[start], grid[goal] = START, GOAL
        if len(way(grid, start, goal)) >= cells and all(_lock(rng, grid, start, goal, i) for i in range(sum(cells >= size for size in DOORS_FROM))):
            break
    lines = ["".join(grid[i, j] for j in range(cells)) for i in range(cells)]
    text = "\n".join(["Maze", WALL * (cells + 2), *(f"{WALL}{line}{WALL}" for line in lines), WALL * (cells + 2)])
    return {ENVIRONMENT: text}, solution(text)


def solution(text: str) -> dict[str, object]:
    """The target of a world: its text, its best plan and what that earns."""
    best = solved(text)
    return {ENVIRONMENT: text, PLAN: list(best.actions), BEST: best.reward}


def way(grid: dict[Place, str], start: Place, goal: Place | None) -> list[Place]:
    """The places on a shortest way after the start, doors being walls, [] where there is none; without a goal, all that can be reached."""
    before: dict[Place, Place | None] = {start: None}
    queue = deque([start])
    while queue:
        row, column = queue.popleft()
        for down, right in WAYS.values():
            place = row + down, column + right
            if place not in before and grid.get(place, WALL) not in (WALL, *DOORS):
                before[place] = row, column
                queue.append(place)
    if goal is None:
        return [*before][1:]
    found: list[Place] = []
    place_: Place | None = goal if goal in before else None
    while place_ is not None and place_ != start:
        found.append(place_)
        place_ = before[place_]
    return found[::-1]


def _lock(rng: random.Random, grid: dict[Place, str], start: Place, goal: Place, which: int) -> bool:
    """Put a door where every way to the goal passes, and its key where one can get without it; whether there is such a place.

    A second door stands before the first one's key or goal in the same manner: whatever can be reached without doors is what its key may lie in.
    """
    ends = [place for place, cell in grid.items() if cell in KEYS] or [goal]
    places = [place for place in way(grid, start, ends[0]) if grid[place] == FREE]
    rng.shuffle(places)
    for place in places:
        grid[place] = DOORS[which]
        free = [other for other in way(grid, start, None) if grid[other] == FREE]
        if not way(grid, start, ends[0]) and free:
            grid[rng.choice(free)] = KEYS[which]
            return True
        grid[place] = FREE
    return False


ABOUT = "A maze on a grid, with walls and locked doors, to be crossed in as few actions as possible."
ABILITIES = (Ability("maze", ABOUT, "text-environment", "cells", 3, 9, maze, (ENVIRONMENT,), "solution"),)
