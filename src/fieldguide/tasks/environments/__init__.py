"""Small text environments: worlds told as text, to act in for a reward.

The first word of a text names its world ("Maze", "Shop"). A world of your own is an `Environment` in a file of its own, and its entry here.

    world = world_of("Maze\\n#####\\n#S.G#\\n#####")
    world.environment.step(world.start, "go east").observation
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from fieldguide.errors import DataError
from fieldguide.tasks.environments.environment import Environment
from fieldguide.tasks.environments.maze import Maze
from fieldguide.tasks.environments.shop import Shop

ENVIRONMENTS: dict[str, Environment] = {environment.name: environment for environment in (Maze(), Shop())}


class World(NamedTuple):
    """An environment, and the state that a text puts it in."""

    environment: Environment
    start: Any


@lru_cache(maxsize=4096)
def world_of(text: str) -> World:
    """The world that a text tells of. Raises `DataError`, a sentence without a place, where it tells of none."""
    first = re.match(r"\s*(\w+)", text)
    environment = ENVIRONMENTS.get(first[1].casefold()) if first else None
    if environment is None:
        raise DataError(f"The text {text.strip()[:40]!r} is no environment; begin it with one of the words {', '.join(ENVIRONMENTS)}.")
    return World(environment, environment.parse(text))
