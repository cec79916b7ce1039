"""Toy rows to plan or act in: the smallest mazes and shops."""

from __future__ import annotations

import random
from typing import Any

from fieldguide.tasks.abilities.mazes import maze
from fieldguide.tasks.abilities.shops import shop
from fieldguide.tasks.kinds.environment import SOLUTION
from fieldguide.tasks.scoring.environments import ENVIRONMENT


def world(rng: random.Random) -> tuple[dict[str, Any], Any]:
    """A maze or a shop, and how it is solved."""
    return maze(rng, 3) if rng.random() < 0.5 else shop(rng, 1)


DRAWN = {"text-environment": ((ENVIRONMENT,), SOLUTION, world)}
"""Kind → its inputs, its target, and how a row is drawn."""
