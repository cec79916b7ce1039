"""Several one-sided bounds that hold at once: max-T, which asks less of each bound than Bonferroni where errors go together."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri

from fieldguide.stats.paired import simultaneous_level

POWER = 13
"""2**13 points in place of draws."""


def max_t_level(d: np.ndarray, level: float = 0.95, *, comparisons: int | None = None) -> float:
    """The level that each one-sided bound of (n, m) row differences needs so that all m hold at once with probability `level`.

    The largest of the m studentised means has the distribution of the Gaussian multiplier bootstrap (Chernozhukov, Chetverikov & Kato 2013,
    Annals of Statistics 41:2786–2819), which given the rows is an m-variate normal with their correlations; its quantile c takes
    the place of Bonferroni's (Romano & Wolf 2005, Econometrica 73:1237–1282; Hothorn, Bretz & Westfall 2008,
    Biometrical Journal 50:346–363). What is returned is Φ(c), so that any bound which is good at small numbers can be taken at
    that level. One pseudo-row of its own is added to the sum of squares of each difference, as in `paired.adjusted_moments`: so
    the correlation of differences that rest on a few rows is not believed, and where none differ this is Bonferroni's level less
    a trifle. Never above Bonferroni's level, never below `level`.

    `comparisons` is the size of the whole family where these m are a part of it: they then spend m / comparisons of the error.
    """
    n, m = d.shape
    whole = max(comparisons or m, m)
    least = 1 - (1 - level) * m / whole
    most = simultaneous_level(level, whole)
    if m < 2 or not n:
        return most
    centred = d - d.mean(axis=0)
    covariance = centred.T @ centred + np.eye(m)
    scale = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    largest = (_normals(m) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T).max(axis=1)
    return min(most, max(least, float(ndtr(np.quantile(largest, least)))))


@lru_cache(maxsize=64)
def _normals(m: int) -> np.ndarray:
    """(2**POWER, m) standard normals, always the same: a scrambled Sobol sequence, whose quantiles are several times as exact as those of draws."""
    from scipy.stats import qmc  # slow to import, and not needed where nothing is compared

    return ndtri(qmc.Sobol(m, rng=np.random.default_rng(0)).random_base2(POWER))
