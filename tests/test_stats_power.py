"""Rows that a question needs: Connor's published numbers, their inverse, and a simulated check."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from fieldguide.stats.intervals import quantile
from fieldguide.stats.power import more_pairs, pairs_to_separate, rows_to_bound, smallest_difference


@pytest.mark.parametrize(("points", "pairs"), [(2, 2941), (3, 1306), (5, 469)])
def test_connor_at_discordance_15_percent_and_80_percent_power(points, pairs):
    assert pairs_to_separate(points / 100, 0.15) == pairs
    assert smallest_difference(pairs, 0.15) == pytest.approx(points / 100, abs=5e-5)


@pytest.mark.parametrize(("gap", "discordance"), [(0.0, 0.1), (0.2, 0.1), (0.1, 1.5)])
def test_connor_refuses_what_cannot_be(gap, discordance):
    with pytest.raises(ValueError, match="cannot come from"):
        pairs_to_separate(gap, discordance)


def test_smallest_difference_never_passes_the_discordance():
    assert smallest_difference(5, 0.1) is None
    assert smallest_difference(10_000, 0.1) < 0.01


def test_more_pairs_are_what_is_missing():
    assert more_pairs(400, 0.02, 0.15) == 2941 - 400
    assert more_pairs(400, -0.03, 0.15) == 1306 - 400
    assert more_pairs(1400, 0.03, 0.15) == 0
    assert more_pairs(400, 0.0, 0.15) is None
    assert more_pairs(20, 0.2, 0.1) == pairs_to_separate(0.2, 0.2) - 20, "a discordance below the difference is taken as equal to it"
    assert more_pairs(100, 0.05, 0.15, level=0.99) > more_pairs(100, 0.05, 0.15)


def test_connor_power_in_simulation():
    """McNemar's test on 469 pairs, five points apart at discordance .15, rejects about 80 % of the time."""
    n = pairs_to_separate(0.05, 0.15)
    b, c, _ = np.random.default_rng(0).multinomial(n, [0.10, 0.05, 0.85], size=20_000).T
    rejected = np.abs(b - c) / np.sqrt(np.maximum(b + c, 1)) > quantile(0.975)
    assert rejected.mean() == pytest.approx(0.80, abs=0.02)


def test_rows_to_bound():
    assert rows_to_bound(0.02, 0.1, 0.02) is None
    assert rows_to_bound(0.03, 0.1, 0.02) is None
    assert rows_to_bound(-0.01, 0.15, 0.02) == int(np.ceil((1.6448536 + 0.8416212) ** 2 * 0.15 / 0.0009))
    assert rows_to_bound(0.0, 0.15, 0.02, level=0.99) > rows_to_bound(0.0, 0.15, 0.02)


def test_rows_to_bound_in_simulation():
    variance, tolerance = 0.1, 0.02
    n = rows_to_bound(0.0, variance, tolerance)
    assert n is not None
    means = np.random.default_rng(0).normal(0, sqrt(variance / n), 20_000)
    assert (means + quantile(0.95) * sqrt(variance / n) <= tolerance).mean() == pytest.approx(0.8, abs=0.01)
