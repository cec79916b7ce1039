"""The cost–quality front."""

from __future__ import annotations

import numpy as np

from fieldguide.stats.pareto import front


def test_front_keeps_what_nothing_beats_cheapest_first():
    assert front([3.0, 1.0, 2.0, 4.0], [0.9, 0.5, 0.4, 0.8]) == [1, 0]
    assert front([], []) == []
    assert front([1.0], [0.2]) == [0]


def test_equal_points_stand_or_fall_together():
    assert front([1.0, 1.0, 2.0, 2.0], [0.5, 0.5, 0.5, 0.7]) == [0, 1, 3]
    assert front([1.0, 1.0], [0.4, 0.5]) == [1]
    assert front([2.0, 1.0], [0.5, 0.5]) == [1]


def test_unknown_points_are_left_out():
    assert front([float("nan"), 1.0, 2.0], [0.9, 0.5, float("nan")]) == [1]


def test_front_is_its_definition_on_random_points():
    rng = np.random.default_rng(0)
    for _ in range(200):
        cost, quality = rng.integers(0, 6, 12).tolist(), rng.integers(0, 6, 12).tolist()
        beaten = [
            any(cost[j] <= cost[i] and quality[j] >= quality[i] and (cost[j], quality[j]) != (cost[i], quality[i]) for j in range(12))
            for i in range(12)
        ]
        found = front(cost, quality)
        assert sorted(found) == [i for i in range(12) if not beaten[i]]
        assert [cost[i] for i in found] == sorted(cost[i] for i in found)
