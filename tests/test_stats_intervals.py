"""Intervals for one figure: published values, edges, and coverage in quick simulations."""

from __future__ import annotations

import numpy as np
import pytest

from fieldguide.stats.intervals import bootstrap, over_seeds, percentile, resampled_macro_f1, resampled_means, row_weights, wilson
from fieldguide.tasks.metrics import macro_f1

NEWCOMBE_1998 = [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
"""Newcombe 1998, Statistics in Medicine 17:857–872, Table I, score method without continuity correction."""


@pytest.mark.parametrize(("successes", "n", "low", "high"), NEWCOMBE_1998)
def test_wilson_gives_the_published_limits(successes, n, low, high):
    assert wilson(successes, n) == pytest.approx((low, high), abs=6e-5)


def test_wilson_at_the_edges():
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == 1.0
    assert wilson(10, 10)[0] == pytest.approx(1 - wilson(0, 10)[1])
    assert wilson(30, 40, 0.99)[0] < wilson(30, 40, 0.95)[0]


def test_wilson_covers():
    """Exact coverage of the 95 % interval, from the binomial distribution, averaged over p: close to 95 %."""
    n, grid = 60, np.linspace(0.02, 0.98, 97)
    limits = np.array([wilson(k, n) for k in range(n + 1)])
    draws = np.random.default_rng(0).binomial(n, np.repeat(grid, 2000))
    truth = np.repeat(grid, 2000)
    covered = (limits[draws, 0] <= truth) & (truth <= limits[draws, 1])
    assert covered.mean() == pytest.approx(0.95, abs=0.008)


def test_row_weights_are_draws_with_replacement():
    weights = row_weights(50, 200, seed=3)
    assert weights.shape == (200, 50)
    assert (weights.sum(axis=1) == 50).all()
    assert np.array_equal(weights, row_weights(50, 200, seed=3))
    assert not np.array_equal(weights, row_weights(50, 200, seed=4))


def test_resampled_means_equal_drawing_rows():
    rng = np.random.default_rng(1)
    columns, weights = rng.random((30, 2)), row_weights(30, 5)
    by_hand = [np.repeat(columns, w.astype(int), axis=0).mean(axis=0) for w in weights]
    assert resampled_means(weights, columns) == pytest.approx(np.array(by_hand), abs=1e-6)


def test_resampled_macro_f1_equals_drawing_rows():
    """Each replicate is macro-F1 of the drawn rows; answers that are no class and classes that were not drawn included."""
    rng = np.random.default_rng(2)
    true, given = rng.integers(0, 4, 25), rng.integers(-1, 5, (25, 2))
    weights = row_weights(25, 40)
    found = resampled_macro_f1(weights, true, given, 5)
    for w, values in zip(weights.astype(int), found, strict=True):
        targets = [str(t) for t in np.repeat(true, w)]
        for seed in range(2):
            answers = [None if g < 0 else str(g) for g in np.repeat(given[:, seed], w)]
            assert values[seed] == pytest.approx(macro_f1(targets, answers), abs=1e-6)


def test_over_seeds_of_one_seed_is_the_seed():
    replicates = np.random.default_rng(0).random((10, 1))
    assert np.array_equal(over_seeds(replicates), replicates[:, 0])
    assert percentile(np.arange(101.0), 0.9) == pytest.approx((5.0, 95.0))


def test_bootstrap_is_seeded_and_about_as_wide_as_wilson():
    scores = (np.arange(400) < 300).astype(float)
    assert bootstrap(scores) == bootstrap(scores)
    assert bootstrap(scores) == pytest.approx(wilson(300, 400), abs=0.006)


def test_seeds_that_differ_widen_the_interval():
    rng = np.random.default_rng(5)
    alike = (rng.random((300, 3)) < 0.8).astype(float)
    apart = (rng.random((300, 3)) < np.array([0.7, 0.8, 0.9])).astype(float)
    width = [high - low for low, high in (bootstrap(alike), bootstrap(apart))]
    assert width[1] > 2 * width[0]


def test_bootstrap_over_rows_and_seeds_covers():
    """Row difficulty and a seed effect of its own: the interval holds the true mean at least about 95 % of the time (it errs wide)."""
    rng, hits, runs = np.random.default_rng(6), 0, 300
    for _ in range(runs):
        difficulty, luck = rng.normal(0, 0.15, (120, 1)), rng.normal(0, 0.01, (1, 3))
        scores = (rng.random((120, 3)) < np.clip(0.7 + difficulty + luck, 0, 1)).astype(float)
        low, high = bootstrap(scores, replicates=300)
        hits += low <= 0.699 <= high
    assert hits / runs >= 0.92
