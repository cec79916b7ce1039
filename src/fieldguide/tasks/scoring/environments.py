"""Metrics of plans in text environments: the reward that a plan earns as a share of the best that can be earned, and whether it comes as far.

A target is {"environment": its text, "plan": the best plan, "best": its reward}; an answer is a text with an action on each line. Plans are played
out in the environment (`tasks.environments`), so a plan made beforehand and the actions of one who looked after each are counted alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from fieldguide.tasks.environments import world_of
from fieldguide.tasks.environments.environment import Episode, play
from fieldguide.tasks.metrics import Metric, of_rows

ENVIRONMENT, PLAN, BEST = "environment", "plan", "best"
"""Keys of a target."""


def played(text: str, answer: Any) -> Episode:
    """The episode that an answer makes in the world of a text; one without a step where the answer is no text."""
    return _played(text, tuple(answer.splitlines())) if isinstance(answer, str) else Episode(())


@lru_cache(maxsize=20_000)
def _played(text: str, actions: tuple[str, ...]) -> Episode:
    return play(*world_of(text), actions)


def rewards(targets: Sequence[Mapping[str, Any]], values: Sequence[Any]) -> np.ndarray:
    """(n,) rewards from 0 to 1, each divided by the best that can be earned in its row; 0 for `Unparsed`."""
    found = (played(target[ENVIRONMENT], value).reward / target[BEST] for target, value in zip(targets, values, strict=True))
    return np.fromiter((min(share, 1.0) for share in found), dtype=float, count=len(targets))


def solved(targets: Sequence[Mapping[str, Any]], values: Sequence[Any]) -> np.ndarray:
    """(n,) 1.0 where as much is gained as can be, whatever it cost to get there: the goal is reached, all that is wanted is bought."""
    reached = [
        played(target[ENVIRONMENT], value).gain >= played(target[ENVIRONMENT], "\n".join(target[PLAN])).gain - 1e-9
        for target, value in zip(targets, values, strict=True)
    ]
    return np.array(reached, dtype=float)


REWARD = Metric("reward", "reward", of_rows(rewards), rewards)
SOLVED = Metric("solved", "solved", of_rows(solved), solved)
