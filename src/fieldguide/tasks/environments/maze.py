"""A maze on a grid, with walls, keys and the doors that they open; the reward is 1 at the goal.

    Maze
    #####
    #Sa.#
    ##A##
    #..G#
    #####

`#` is a wall, and so is all that lies outside the text; `.` is free; a small letter from a to f is a key, its capital the door.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fieldguide.errors import DataError
from fieldguide.tasks.environments.environment import Environment

START, GOAL, WALL, FREE = "S", "G", "#", "."
KEYS = "abcdef"
DOORS = KEYS.upper()
WAYS = {"north": (-1, 0), "south": (1, 0), "east": (0, 1), "west": (0, -1)}
"""Direction → rows down, columns to the right."""
ALSO = {"up": "north", "down": "south", "right": "east", "left": "west", "n": "north", "s": "south", "e": "east", "w": "west"}
TAKE = "take key"
SAID = re.compile(
    rf"(?:(?:go|move|walk|head|step|turn)\s*(?:to\s+the\s+|to\s+)?[\[(]?\s*)?({'|'.join((*WAYS, *ALSO))})(?:wards?)?\s*[\])]?"
    rf"|((?:take|get|grab|collect|pick\s+up)\s+(?:the\s+)?(?:key(?:\s+[{KEYS}])?|[{KEYS}](?:\s+key)?))",
    re.IGNORECASE,
)


class MazeState(NamedTuple):
    grid: tuple[str, ...]
    """Lines of characters, without the start."""
    at: tuple[int, int]
    """(row, column), from 0."""
    keys: str = ""
    """The keys that are held, in the order of the alphabet."""

    def cell(self, row: int, column: int) -> str:
        return self.grid[row][column] if 0 <= row < len(self.grid) and 0 <= column < len(self.grid[row]) else WALL


class Maze(Environment):
    name = "maze"
    legend = "In the maze # is a wall, S the start and G the goal; a small letter is a key, the same letter in capitals the door that it opens."
    verbs = "Actions: go north, go south, go east, go west, take key."

    def parse(self, text: str) -> MazeState:
        grid = tuple(line.strip() for line in text.strip().split("\n")[1:] if line.strip())
        if strange := sorted(set("".join(grid)) - set(START + GOAL + WALL + FREE + KEYS + DOORS)):
            able = f"{START} {GOAL} {WALL} {FREE}, keys {KEYS[0]}–{KEYS[-1]} and their doors"
            raise DataError(f"The maze has the character {strange[0]!r}; draw it with {able}.")
        places = {mark: [(i, j) for i, line in enumerate(grid) for j, cell in enumerate(line) if cell == mark] for mark in START + GOAL + KEYS}
        for mark in START + GOAL:
            if len(places[mark]) != 1:
                raise DataError(f"The maze has {len(places[mark])} times the mark {mark}; give it once.")
        if twice := [key for key in KEYS if len(places[key]) > 1]:
            raise DataError(f"The maze has the key {twice[0]} more than once; give each key a letter of its own.")
        return MazeState(tuple(line.replace(START, FREE) for line in grid), places[START][0])

    def goal(self, state: MazeState) -> str:
        row, column = next((i, line.index(GOAL)) for i, line in enumerate(state.grid) if GOAL in line)
        return f"Reach the goal of the maze, at {_place(row, column)}."

    def actions(self, state: MazeState) -> tuple[str, ...]:
        ways = [f"go {way}" for way in WAYS if self.act(state, f"go {way}")]
        return (*ways, TAKE) if self._lies(state) else tuple(ways)

    def read(self, said: str) -> str | None:
        found = SAID.fullmatch(said.strip())
        if found is None:
            return None
        if found[2]:
            return TAKE
        way = found[1].casefold()
        return f"go {ALSO.get(way, way)}"

    def seen(self, state: MazeState) -> str:
        row, column = state.at
        if state.cell(row, column) == GOAL:
            return "You are at the goal."
        told = [f"You are at {_place(row, column)}."]
        locked = {way: state.cell(row + down, column + right) for way, (down, right) in WAYS.items()}
        told += [f"The door {cell} to the {way} is locked." for way, cell in locked.items() if cell in DOORS and cell.lower() not in state.keys]
        told += [f"The key {state.cell(row, column)} lies here."] if self._lies(state) else []
        told += [f"You hold the key {', '.join(state.keys)}."] if state.keys else []
        return " ".join(told)

    def _lies(self, state: MazeState) -> bool:
        """Whether a key lies at the place, to be taken."""
        cell = state.cell(*state.at)
        return cell in KEYS and cell not in state.keys

    def act(self, state: MazeState, action: str) -> tuple[MazeState, float, bool] | None:
        if action == TAKE:
            return (state._replace(keys="".join(sorted(state.keys + state.cell(*state.at)))), 0.0, False) if self._lies(state) else None
        down, right = WAYS[action.removeprefix("go ")]
        row, column = state.at[0] + down, state.at[1] + right
        cell = state.cell(row, column)
        if cell == WALL or (cell in DOORS and cell.lower() not in state.keys):
            return None
        return state._replace(at=(row, column)), float(cell == GOAL), cell == GOAL


def _place(row: int, column: int) -> str:
    """A place as it is told, counted from 1 at the upper left of the text."""
    return f"row {row + 1}, column {column + 1}"
