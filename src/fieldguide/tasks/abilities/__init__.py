"""Generated abilities: tasks of any size, made from a seed, whose difficulty is a dial.

    task = make("addition", rows=200, difficulty=3, seed=0)
    task = ability_task("ability:addition:3") # the same, by the name that stands for data: fieldguide evaluate … --tasks ability:addition:3
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from urllib.parse import parse_qsl

from fieldguide.errors import DataError
from fieldguide.records import Row, fingerprint
from fieldguide.tasks.abilities import (
    arithmetic,
    brackets,
    composite,
    digits,
    facts,
    letters,
    mazes,
    order_puzzles,
    redefined,
    shops,
    transliteration,
)
from fieldguide.tasks.abilities.ability import Ability
from fieldguide.tasks.task import Role, Task, TaskSpec

FAMILIES = (arithmetic, letters, order_puzzles, redefined, brackets, transliteration, digits, composite, facts, mazes, shops)
SCHEME = "ability:"
ROWS, LEAST, MOST = 200, 10, 100_000
SMALL = 300
"""Fewer rows than this only train and certify, as those of a file do (`tasks.split`)."""
TRIES = 60
"""Draws for each row before there are said to be no more."""


@cache
def abilities() -> dict[str, Ability]:
    """Every ability by its name."""
    return {ability.name: ability for family in FAMILIES for ability in family.ABILITIES}


def make(name: str, *, rows: int = ROWS, difficulty: int | None = None, seed: int = 0) -> Task:
    """A task of so many rows in all, no two of them alike; of the middle of its range where no difficulty is given.

    Half of the rows train and half certify; from 300 on 15 % select and 10 % calibrate, and a quarter certifies. Rows of different roles may
    well be alike in parts, as sums of the same numbers are. Raises `DataError` for a name, a difficulty or a number of rows that does not exist.
    """
    ability = _ability(name)
    level = ability.easiest + (ability.hardest - ability.easiest) // 4 if difficulty is None else difficulty
    if not ability.easiest <= level <= ability.hardest:
        raise DataError(f"The ability {name} goes from {ability.easiest} to {ability.hardest} {ability.dial}, and {level} came; choose from these.")
    if not LEAST <= rows <= MOST:
        raise DataError(f"An ability is made with {LEAST} to {MOST:,} rows, and {rows:,} came; choose from these.")
    drawn = _drawn(ability, rows, level, seed)
    certify = rows // 2 if rows < SMALL else rows // 4
    sizes = {Role.CERTIFY: certify, Role.SELECT: 0 if rows < SMALL else rows * 15 // 100, Role.CALIBRATE: 0 if rows < SMALL else rows // 10}
    parts, first = {}, 0
    for role, size in (*sizes.items(), (Role.TRAIN, rows - sum(sizes.values()))):
        parts[role], first = tuple(drawn[first : first + size]), first + size
    spec = TaskSpec(f"{name}-{level}", ability.kind, ability.inputs, ability.target)
    made = f"{rows:,} rows were made with {_counted(ability, level)} and seed {seed}; no two are the same, though they may share words and numbers."
    source = f"{SCHEME}{name}:{level}?rows={rows}&seed={seed}"
    return Task(replace(spec, metric=spec.reader.metrics[0]), {role: parts[role] for role in Role}, (f"{ability.about} {made}",), source)


def ability_task(
    reference: str,
    *,
    seed: int = 0,
    target: str | None = None,
    inputs: str | Sequence[str] | None = None,
    kind: str | None = None,
    metric: str | None = None,
) -> Task:
    """The task that `ability:name`, `ability:name:difficulty` or `ability:name?difficulty=3&rows=400&seed=1` stands for.

    The difficulty may be called by what it counts (`digits=3`). `seed` is that of rows where the reference has none. Columns, kind and metric
    may be named where they are the ability's own. Raises `DataError` with one sentence for anything else.
    """
    told = re.fullmatch(rf"{SCHEME}([\w-]+)(?::(\d+))?(?:\?(.*))?", reference.strip())
    if told is None:
        raise DataError(f"The reference {reference!r} names no ability; write ability:name:difficulty, or ability:name?difficulty=3&rows=400.")
    ability = _ability(told[1])
    given: dict[str, int] = {"seed": seed, **({"difficulty": int(told[2])} if told[2] else {})}
    for key, value in parse_qsl(told[3] or "", keep_blank_values=True):
        key = "difficulty" if key == ability.dial else key
        if key not in ("difficulty", "rows", "seed") or not re.fullmatch(r"\d{1,9}", value):
            raise DataError(f"The reference {reference!r} gives {key}={value!r}, which it cannot; give difficulty, rows or seed as a whole number.")
        given[key] = int(value)
    task = make(ability.name, **given)
    spec = task.spec
    columns = inputs if inputs is None or isinstance(inputs, str) else ",".join(inputs)
    for option, came, own in (("target", target, spec.target), ("inputs", columns, ",".join(spec.inputs)), ("kind", kind, spec.kind)):
        if came is not None and came.replace(" ", "") != own:
            raise DataError(f"The ability {ability.name} has {own!r} as its {option}, which cannot be changed; leave --{option} away.")
    if metric is not None and metric not in spec.reader.metrics:
        able = ", ".join(spec.reader.metrics)
        raise DataError(f"The metric {metric!r} does not fit {ability.name}, whose metrics are {able}; choose one of these.")
    return task if metric is None else replace(task, spec=replace(spec, metric=metric))


def _ability(name: str) -> Ability:
    if name not in abilities():
        raise DataError(f"There is no ability called {name!r}; there are {', '.join(abilities())}.")
    return abilities()[name]


def _counted(ability: Ability, level: int) -> str:
    """As in "3 digits" and "1 digit"."""
    return f"{level} {ability.dial if level != 1 else ability.dial.removesuffix('s')}"


def _drawn(ability: Ability, rows: int, level: int, seed: int) -> list[Row]:
    """So many rows, no two of which ask the same, whatever lists stand beside. Raises `DataError` where there are not so many."""
    rng, found, seen = random.Random(f"{ability.name} {level} {seed}"), list[Row](), set[str]()
    for _ in range(TRIES * rows):
        inputs, target = ability.draw(rng, level)
        key = fingerprint({name: cell for name, cell in inputs.items() if isinstance(cell, str)})
        if key not in seen:
            seen.add(key)
            found.append(Row(f"{ability.name}:{len(found) + 1}", inputs, target))
            if len(found) == rows:
                return found
    raise DataError(
        f"With {_counted(ability, level)} the ability {ability.name} has only about {len(found):,} different rows, and {rows:,} were asked for; "
        "ask for fewer, or make it harder."
    )

