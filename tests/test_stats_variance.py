"""Variance components: exact layouts, unbiasedness over simulated layouts, and the variance of the mean that they add up to."""

from __future__ import annotations

import numpy as np
import pytest

from fieldguide.stats.variance import components, of_mean, split


def test_additive_layout_has_no_residual():
    """Row and seed effects that add up exactly: their own variances, and nothing left."""
    rows, seeds = np.array([1.0, 2.0, 4.0, 9.0]), np.array([0.0, 0.5, 2.5])
    found = components(rows[:, None] + seeds)
    assert found[(0,)] == pytest.approx(rows.var(ddof=1))
    assert found[(1,)] == pytest.approx(seeds.var(ddof=1))
    assert found[(0, 1)] == pytest.approx(0.0, abs=1e-12)


def test_two_way_mean_squares_by_hand():
    """[[1, 2], [3, 6]]: the mean squares of rows, columns and residual are 9, 4 and 1."""
    found = components(np.array([[1.0, 2.0], [3.0, 6.0]]))
    assert found == pytest.approx({(0,): (9 - 1) / 2, (1,): (4 - 1) / 2, (0, 1): 1.0})


def test_components_are_unbiased():
    """2,000 layouts of 30 rows × 4 templates × 3 seeds with known components."""
    rng = np.random.default_rng(0)
    total = np.zeros(5)
    for _ in range(2000):
        values = (
            rng.normal(0, 1.0, (30, 1, 1)) + rng.normal(0, 0.7, (1, 4, 1)) + rng.normal(0, 0.5, (1, 1, 3))
            + rng.normal(0, 0.4, (1, 4, 3)) + rng.normal(0, 0.8, (30, 4, 3))
        )  # fmt: skip
        found = components(values)
        total += [found[(0,)], found[(1,)], found[(2,)], found[(1, 2)], found[(0, 1, 2)]]
    rows, templates, seeds, both, residual = total / 2000
    assert (rows, residual) == pytest.approx((1.0, 0.64), rel=0.03)
    assert templates == pytest.approx(0.49, rel=0.06)
    assert (seeds, both) == pytest.approx((0.25, 0.16), rel=0.12)  # truncation at zero lifts small ones a little


def test_split_adds_up_to_the_variance_of_the_mean():
    """2,000 studies of 150 right-or-wrong rows × 3 seeds: what the split adds up to, and what the means really vary by."""
    rng = np.random.default_rng(1)
    means, parts = [], []
    for _ in range(2000):
        columns = (rng.normal(0, 0.25, 3) + rng.normal(0, 0.7, (150, 1)) + rng.normal(0, 0.7, (150, 3)) < 0.8).astype(float)
        found = split(columns)
        means.append(columns.mean())
        parts.append((found.rows, found.seeds, found.one_seed))
    rows, seeds, one = np.mean(parts, axis=0)
    assert rows + seeds == pytest.approx(np.var(means), rel=0.1)
    assert one == pytest.approx(3 * seeds)
    assert seeds > rows


def test_seeds_that_do_not_differ_have_no_variance():
    same = np.repeat((np.arange(50) < 40).astype(float)[:, None], 3, axis=1)
    found = split(same)
    assert (found.seeds, found.one_seed) == (0.0, 0.0)
    assert found.rows == pytest.approx(same[:, 0].var(ddof=1) / 50)


def test_of_mean_gives_each_interaction_to_its_first_axis():
    values = np.random.default_rng(2).normal(size=(20, 3, 2))
    found = components(values)
    rows, templates, seeds = of_mean(values)
    assert rows == pytest.approx(found[(0,)] / 20 + found[(0, 1)] / 60 + found[(0, 2)] / 40 + found[(0, 1, 2)] / 120)
    assert templates == pytest.approx(found[(1,)] / 3 + found[(1, 2)] / 6)
    assert seeds == pytest.approx(found[(2,)] / 2)
    assert of_mean(values[:, :1])[1] == 0.0
