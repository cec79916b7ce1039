"""Always-valid sequences: coverage under continuous peeking over 10,000 streams, with and without replacement, and how soon they tell."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from fieldguide.stats.sequences import e_value, interval, lower, upper

STREAMS = 10_000
LEVEL = 1 - 0.01 / 56


def differences(streams: int, rows: int, gain: float, loss: float, seed: int = 0) -> np.ndarray:
    """(streams, rows) paired differences: +1, −1 or 0."""
    draws = np.random.default_rng(seed).random((streams, rows))
    return np.where(draws < gain, 1.0, np.where(draws < gain + loss, -1.0, 0.0))


def ever(wealth: np.ndarray, level: float) -> float:
    """Share of streams in which wealth reaches 1/(1 − level) at any moment."""
    return float((wealth.max(axis=-1) >= 1 / (1 - level)).mean())


def noise(level: float, streams: int = STREAMS) -> float:
    """Three standard errors of a share of streams."""
    return 3 * float(np.sqrt(level * (1 - level) / streams))


@pytest.mark.parametrize("rows", [None, 100])
@pytest.mark.parametrize("share", [0.05, 0.45])
def test_holds_at_every_moment_with_replacement(share, rows):
    """10,000 streams whose mean is the number bet against, looked at after each of 100 rows: wrong at least once in at most 5 %."""
    wealth = e_value(differences(STREAMS, 100, share, share), low=-1, level=0.95, rows=rows)
    assert ever(wealth, 0.95) <= 0.05 + noise(0.95)


@pytest.mark.parametrize("rows", [None, 100])
@pytest.mark.parametrize("moved", [5, 40])
def test_holds_at_every_moment_without_replacement(moved, rows):
    """10,000 orders of one population of 100 whose mean is 0, looked at until the last row is out."""
    population = np.repeat([1.0, -1.0, 0.0], [moved, moved, 100 - 2 * moved])
    orders = np.random.default_rng(1).permuted(np.tile(population, (STREAMS, 1)), axis=1)
    assert ever(e_value(orders, low=-1, level=0.95, rows=rows, population=100), 0.95) <= 0.05 + noise(0.95)


def test_holds_for_skewed_scores_against_both_ends():
    """Continuous scores with a rare large value, mean 0.1, bet against from below and from above, rows after the planned last one included."""
    values = np.random.default_rng(2).beta(0.3, 2.7, (STREAMS, 80))
    assert ever(e_value(values, 0.1, level=0.9, rows=60), 0.9) <= 0.1 + noise(0.9)
    assert ever(e_value(1 - values, 0.9, level=0.9, rows=60), 0.9) <= 0.1 + noise(0.9)


@pytest.mark.parametrize("population", [None, 60])
def test_intervals_cover_at_every_moment(population):
    """Running intervals themselves, not only the wealth behind them: 200 streams with mean 1/6."""
    rng, missed = np.random.default_rng(3), 0
    whole = np.repeat([1.0, -1.0, 0.0], [20, 10, 30])
    for _ in range(200):
        values = rng.permutation(whole)[:40] if population else rng.choice(whole, 40)
        below = lower(values, 0.95, low=-1, rows=None if population else 40, population=population)
        missed += bool((below > 1 / 6 + 1e-9).any())
    assert missed / 200 <= 0.05 + noise(0.95, 200)


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "population"), [(None, None), (100, None), (None, 120)])
def test_two_sided_intervals_cover_at_every_moment(rows, population):
    rng, missed = np.random.default_rng(4), 0
    whole = np.repeat([1.0, -1.0, 0.0], [36, 24, 60])
    for _ in range(2000):
        values = rng.permutation(whole)[:100] if population else rng.choice(whole, 100)
        below, above = interval(values, 0.9, low=-1, rows=rows, population=population)
        missed += bool(((below > 0.1 + 1e-9) | (above < 0.1 - 1e-9)).any())
    assert missed / 2000 <= 0.1 + noise(0.9, 2000)


def test_bounds_run_one_way_and_mirror():
    values = differences(1, 120, 0.4, 0.1)[0]
    below, above = interval(values, 0.95, low=-1, rows=120)
    assert (np.diff(below) >= 0).all()
    assert (np.diff(above) <= 0).all()
    assert (below < above).all()
    assert below[-1] < values.mean() < above[-1]
    assert upper(values, 0.95, low=-1) == pytest.approx(-lower(-values, 0.95, low=-1))
    assert lower(values, 0.99, low=-1)[-1] < lower(values, 0.9, low=-1)[-1]


def test_the_bound_and_the_wealth_say_the_same():
    """Numbers below the last bound are rejected, the next ones above it are not."""
    values = differences(1, 150, 0.4, 0.15, seed=5)[0]
    for extra in ({}, {"rows": 150}, {"population": 400}):
        bound = float(lower(values, 0.95, low=-1, **extra)[-1])
        for against, rejected in ((bound - 0.01, True), (bound + 0.01, False)):
            assert (e_value(values, against, low=-1, level=0.95, **extra).max() >= 20) == rejected


def test_a_whole_population_is_known_exactly():
    values = differences(1, 80, 0.3, 0.2, seed=6)[0]
    below, above = interval(values, 0.95, low=-1, population=80)
    assert below[-1] == pytest.approx(values.mean(), abs=2e-3)
    assert above[-1] == pytest.approx(values.mean(), abs=2e-3)
    assert below[-1] <= values.mean() + 1e-9 <= above[-1] + 2e-9
    wealth = e_value(values, values.mean() - 0.01, low=-1, population=80)
    assert np.isinf(wealth[-1])


def test_a_smaller_population_is_known_sooner():
    values = differences(1, 60, 0.4, 0.1, seed=7)[0]
    ends = [lower(values, 0.95, low=-1, population=n)[-1] for n in (60, 90, 400, None)]
    assert ends == sorted(ends, reverse=True)
    assert ends[0] > ends[-1] + 0.1


def test_wealth_by_hand():
    """With all values at the top, wealth is the mean of (1 + c)ᵗ over shares c; the Beta(2, 3/2) law has mean 4/7 and second moment 8/21."""
    wealth = e_value(np.ones(2), low=-1)
    assert wealth[0] == pytest.approx(1 + 4 / 7, abs=2e-3)
    assert wealth[1] == pytest.approx(1 + 8 / 7 + 8 / 21, abs=5e-3)
    assert e_value(np.zeros(5), low=-1) == pytest.approx(np.ones(5))  # rows that do not differ change nothing
    assert e_value(np.zeros(5), low=-1, rows=5) == pytest.approx(np.ones(5))


def test_the_lower_end_is_ruled_out_by_the_first_value_above_it():
    assert np.isinf(e_value(np.array([0.0, 0.0, 0.3, 0.0]), 0.0)).tolist() == [False, False, True, True]
    assert (e_value(np.zeros(4), 0.0) == 1).all()
    assert (lower(np.zeros(6)) == 0).all()
    assert (e_value(np.ones(4), 1.0, rows=4) <= 1).all()


def test_many_streams_are_the_streams_one_by_one():
    values = differences(4, 30, 0.5, 0.2, seed=8)
    for extra in ({"rows": 30}, {"population": 50}):
        together = e_value(values, 0.05, low=-1, **extra)
        assert together == pytest.approx(np.array([e_value(one, 0.05, low=-1, **extra) for one in values]))
    assert lower(np.zeros(0)).shape == (0,)


def test_wrong_values_are_refused():
    with pytest.raises(ValueError, match=r"Values lie in \[0, 1\]"):
        e_value(np.array([0.5, -0.5]))
    with pytest.raises(ValueError, match=r"Values lie in \[0, 1\]"):
        lower(np.array([0.5, float("nan")]))
    with pytest.raises(ValueError, match="only 3 in the population"):
        lower(np.zeros(4), population=3)


@pytest.mark.parametrize(
    ("gain", "loss", "rows", "least"), [(0.65, 0.05, 30, 0.65), (0.4, 0.1, 77, 0.48), (0.3, 0.0, 77, 0.97), (0.5, 0.2, 150, 0.72)]
)
def test_aiming_at_the_last_row_finds_differences_that_the_portfolio_alone_misses(gain, loss, rows, least):
    """At the level of an elimination (1 − 0.01/56): measured .71 against .54, .54 / .38, .99 / .98, .77 / .57."""
    values = differences(1500, rows, gain, loss, seed=9)
    aimed, alone = ever(e_value(values, low=-1, level=LEVEL, rows=rows), LEVEL), ever(e_value(values, low=-1, level=LEVEL), LEVEL)
    assert aimed >= least
    assert aimed > alone - 0.01


def test_a_plain_difference_is_found_early_even_with_many_rows_to_come():
    values = differences(500, 400, 0.65, 0.05, seed=10)
    first = (e_value(values, low=-1, level=LEVEL, rows=400) >= 1 / (1 - LEVEL)).argmax(axis=1) + 1
    assert np.median(first) <= 42
    assert first.min() >= log(1 / (1 - LEVEL)) / log(2)  # no bet can more than double in a row
