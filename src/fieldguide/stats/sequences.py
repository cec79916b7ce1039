"""Always-valid bounds for a mean: betting confidence sequences, which hold at every moment at once, however often one looks.

Values lie in [low, high] and come in an order that does not depend on them: independent draws, or draws without replacement
from a finite population. A gambler starts with wealth 1 and bets that the mean is above a number m. Where it is not, the game
cannot be won on average, and by Ville's inequality wealth ever reaches 1/(1 − level) in at most a share 1 − level of all
streams. The lower bound is the greatest m at which every number below it has been ruled out so (Waudby-Smith & Ramdas 2023, JRSS B
86:1–27, arXiv:2010.09686: sections 3 and 4; without replacement, section 5).

How the gambler bets does not touch validity, only how soon the bound moves. Wealth is split over two gamblers:

- a universal portfolio: fixed shares c of the largest possible bet, spread by a Beta(2, 3/2) law (mixtures of fixed bets: Orabona
  & Jun 2021, arXiv:2110.14099). It gets a fifth of the wealth, all of it where the number of rows is not known;
- where it is known how many rows there are at most, one who recalculates in each row the bet that would just reach the target by
  the last one (Voráček & Orabona 2025, arXiv:2505.22422), with four fifths of the wealth.

With 77 rows of paired differences at level 1 − 0.01/56, a true difference of .3 and a discordance of .5, the two together rule
out "no difference" in 54 % of streams, the portfolio alone in 38 %, the predictable plug-in of Waudby-Smith & Ramdas in 34 %,
their approximate GRAPA in 28 %, online Newton steps in 16 %. Where the difference is plain (.6 at .7) they take 35, 30, 28, 30
and 42 rows.
"""

from __future__ import annotations

from functools import cache
from math import log

import numpy as np
from scipy.special import betaincinv

NODES = 16
"""Bets of the universal portfolio, of equal weight."""
TARGETED = 0.8
"""Share of the wealth that aims at the last row."""
CAP = 0.95
"""Largest share of wealth that the targeted gambler puts at stake."""
PRIOR_ROWS = 5
"""Imagined rows of the largest possible variance with which the targeted gambler begins."""
COARSE, FINE = 96, 32
"""Numbers tried for the lower bound; the last bound is exact to (high − low) / (96 · 32), earlier ones are rounded down to 1/96."""


def e_value(
    values: np.ndarray,
    against: float = 0.0,
    *,
    level: float = 0.95,
    low: float = 0.0,
    high: float = 1.0,
    rows: int | None = None,
    population: int | None = None,
) -> np.ndarray:
    """Wealth after each value, betting against "the mean is at most `against`": shape of `values`, (t,) or (streams, t).

    The hypothesis is rejected, for good, when wealth first reaches 1/(1 − level). `rows` is how many values there will be at most:
    the bets aim there, so `rows` and `level` stay the same from look to look. `population` is the size of the finite population
    whose own mean is meant; None for independent draws. Wealth is infinite where the hypothesis has become impossible.
    Raises `ValueError` for values out of range or more values than the population holds.
    """
    x, m = _unit(values, low, high, population), min(max((against - low) / (high - low), 0.0), 1.0)
    return _wealth(x, np.full(x.shape[:-1], m), level, rows, population)


def lower(
    values: np.ndarray,
    level: float = 0.95,
    *,
    low: float = 0.0,
    high: float = 1.0,
    rows: int | None = None,
    population: int | None = None,
) -> np.ndarray:
    """Running lower bounds for the mean of (t,) values, never falling: all of them hold at once with probability `level`.

    Arguments as of `e_value`. One stream of 500 values takes some 20 ms; to ask only whether the mean is above a given number
    `e_value` is twenty times faster.
    """
    x = _unit(values, low, high, population)
    if not x.size:
        return np.zeros(0)
    most = float((np.cumsum(x) / np.arange(1, x.size + 1)).max())
    coarse = np.linspace(0.0, most, COARSE + 1)
    passed = _passage(x, coarse, level, rows, population)
    last = _leading(passed <= x.size)
    fine = np.linspace(coarse[last], coarse[min(last + 1, COARSE)], FINE + 1)[1:-1]
    grid = np.concatenate([coarse[: last + 1], fine])
    passed = np.maximum.accumulate(np.concatenate([passed[: last + 1], _passage(x, fine, level, rows, population)]))
    passed[0] = 0  # the mean is never below the lower end
    index = np.searchsorted(passed, np.arange(1, x.size + 1), side="right") - 1
    return low + (high - low) * grid[index]


def upper(
    values: np.ndarray,
    level: float = 0.95,
    *,
    low: float = 0.0,
    high: float = 1.0,
    rows: int | None = None,
    population: int | None = None,
) -> np.ndarray:
    """Running upper bounds for the mean of (t,) values, never rising; the mirror image of `lower`."""
    return -lower(-np.asarray(values, dtype=float), level, low=-high, high=-low, rows=rows, population=population)


def interval(
    values: np.ndarray,
    level: float = 0.95,
    *,
    low: float = 0.0,
    high: float = 1.0,
    rows: int | None = None,
    population: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Running (lower, upper) bounds for the mean of (t,) values, two-sided at `level`: half of the error on each side."""
    side = (1 + level) / 2
    return (
        lower(values, side, low=low, high=high, rows=rows, population=population),
        upper(values, side, low=low, high=high, rows=rows, population=population),
    )


def _unit(values: np.ndarray, low: float, high: float, population: int | None) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.size and not (values.min() >= low - 1e-9 and values.max() <= high + 1e-9):
        raise ValueError(f"Values lie in [{low:g}, {high:g}]; these go from {values.min():g} to {values.max():g}.")
    if population is not None and values.shape[-1] > population:
        raise ValueError(f"There are {values.shape[-1]} values, but only {population} in the population.")
    return np.clip((values - low) / (high - low), 0.0, 1.0)


def _wealth(x: np.ndarray, m: np.ndarray, level: float, rows: int | None, population: int | None) -> np.ndarray:
    """(streams, t) wealth in the game that the mean of x in [0, 1] is above (streams,) m; x may be one stream (t,) for all."""
    expected = np.broadcast_to(m[..., None], np.broadcast_shapes(x.shape, (*m.shape, 1)))
    certain = np.zeros(expected.shape, dtype=bool)
    if population is not None:  # the mean of what is left, were the population's mean m
        seen = np.cumsum(x, axis=-1)
        certain = seen > m[..., None] * population + 1e-9 * population
        expected = (m[..., None] * population - (seen - x)) / (population - np.arange(x.shape[-1]))
    else:
        certain = np.maximum.accumulate((expected <= 0) & (x > 0), axis=-1)
    bettable = expected > 1e-9
    payoff = np.where(bettable, x / np.where(bettable, expected, 1.0) - 1.0, 0.0)  # of the largest bet: −1 at least
    with np.errstate(over="ignore", under="ignore"):
        wealth = sum(np.cumprod(1 + share * payoff, axis=-1) for share in _shares()) / NODES
        if rows is not None:
            prior = (1 - m) / np.maximum(m, 1e-9)
            wealth = TARGETED * _targeted(payoff, prior, 1 / (1 - level) / TARGETED, rows) + (1 - TARGETED) * wealth
    return np.where(certain, np.inf, wealth)


def _targeted(payoff: np.ndarray, prior: np.ndarray, target: float, rows: int) -> np.ndarray:
    """Wealth of the gambler who aims at `target` by row `rows`: share √(2 log(target/wealth) / (rows left · mean square payoff))."""
    missing, squares = np.full(payoff.shape[:-1], log(target)), PRIOR_ROWS * prior + 1e-9
    path = np.empty(payoff.shape)
    for t in range(payoff.shape[-1]):
        if t < rows:
            gain = payoff[..., t]
            share = np.minimum(np.sqrt(2 * (t + PRIOR_ROWS) / (rows - t) * np.maximum(missing, 0.0) / squares), CAP)
            missing = missing - np.log1p(share * gain)
            squares = squares + gain * gain
        path[..., t] = missing
    return target * np.exp(-path)


def _passage(x: np.ndarray, m: np.ndarray, level: float, rows: int | None, population: int | None) -> np.ndarray:
    """For each m the first moment (from 1) at which "the mean is at most m" is rejected; len(x) + 1 if never."""
    rejected = _wealth(x, m, level, rows, population) >= 1 / (1 - level)
    return np.where(rejected.any(axis=-1), rejected.argmax(axis=-1) + 1, x.size + 1)


def _leading(rejected: np.ndarray) -> int:
    """Index of the last of the leading numbers that are rejected without a gap; 0, the lower end, always counts."""
    kept = np.flatnonzero(~rejected[1:])
    return int(kept[0]) if kept.size else len(rejected) - 1


@cache
def _shares() -> tuple[float, ...]:
    """Shares of the largest bet in the universal portfolio: middles of equal slices of the Beta(2, 3/2) law."""
    return tuple(float(s) for s in betaincinv(2.0, 1.5, (np.arange(NODES) + 0.5) / NODES))
