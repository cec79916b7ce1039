"""Learning curves: quality against label count, fitted by two laws and a staircase, and the oddities that forbid reading on.

Shapes: `k` label counts, `S` seeds, `B` bootstrap replicates, `m` curves fitted at once, `g` places to read off, `C` exponents tried.
Scores lie in [0, 1], higher is better. Real curves are often not well-behaved (about one in seven: Yan, Mohr & Viering 2025,
LCDB 1.1, arXiv:2505.15657), so nothing is smoothed away: `oddity` says what is wrong, and the caller reads nothing beyond the counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator

from fieldguide.stats.intervals import quantile

FORMS = ("power law", "exponential", "isotonic")
"""a − b n^(−c), the form with most support in theory and practice (Viering & Loog 2023, IEEE TPAMI 45:7799–7819, arXiv:2103.10948,
section 4; Hestness et al. 2017, arXiv:1712.00409); a − b exp(−c n), which Mohr et al. 2022 (LCDB, ECML PKDD) and, with one exponent
more, Domhan et al. 2015 (IJCAI) compare, in n since in log n it would be the power law again; and a rising staircase on log n."""
LEAST = 3
"""Counts that a fit needs."""
EXPONENT, SPREAD = 0.3, 1.0
"""A weak prior keeps three or four points from choosing wild exponents: ln c is normal round ln 0.3 (Hestness et al. find 0.07 to 0.35,
theory ½ and 1), or round one over the geometric mean of the counts for an exponential, with this standard deviation."""
FLOOR = 0.005
"""Standard deviation that every point is given besides its noise: a form is never exact."""
TYPICAL_SD, FALL, TRUST = 0.04, 0.4, 4
"""Of label draws: a standard deviation of 4 points at 16 labels that falls as n^(−0.4), worth as much as four degrees of freedom.
Measured on nine text sets with three classifiers and eight draws (docs/learning-curves.md)."""
CLEARLY = 0.95
"""Share of replicates in which another form must forecast better before it takes the power law's place."""
ODD = .05
"""Level of each test for an oddity."""


@dataclass(frozen=True, eq=False)
class Points:
    """One approach's scores by label count, with replicates under other rows and other label draws."""

    n: np.ndarray
    """(k,) label counts, ascending, above 0"""
    scores: np.ndarray
    """(k,)"""
    replicates: np.ndarray
    """(B, k)"""

    @cached_property
    def variance(self) -> np.ndarray:
        """(k,) what a point may stray from a curve: its variance beyond the shift that all points share, as the same rows give them."""
        shift = self.replicates.mean(axis=1, keepdims=True)
        return (self.replicates - shift).var(axis=0, ddof=1) + FLOOR**2


@dataclass(frozen=True, eq=False)
class Fit:
    """`m` fitted curves of one form."""

    form: str
    n: np.ndarray
    """(k,) the counts that were fitted"""
    values: np.ndarray
    """(m, 3) a, b and c of a law; (m, k) levels of a staircase"""

    def at(self, n: np.ndarray) -> np.ndarray:
        """(g,) label counts → (m, g) scores; a staircase stays level outside its counts."""
        if self.form == "isotonic":
            return np.stack([np.interp(np.log(n), np.log(self.n), levels) for levels in self.values])
        a, b, c = self.values.T[:, :, None]
        return a - b * _decay(self.form, n[None], c)


def draw_variance(n: np.ndarray, own: np.ndarray, seeds: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, float]:
    """((k,) variance of one draw of labels and seed at each count, the degrees of freedom behind it), all in true quality.

    `own` is the (k,) variance between the (k,) seeds of each count, what the finite rows add taken out (`variance.split`);
    `drawn` says where the seeds drew other labels: not at all labels, where one draw is all there is. Two to five seeds know
    their own spread badly, so it is moderated (Smyth 2004, SAGMB 3:3): the scale of the whole curve, under the typical fall with
    n, has `TYPICAL_SD` as its prior, and each count is drawn towards that scale.
    """
    typical = TYPICAL_SD**2 * (16 / n) ** (2 * FALL)
    spare = np.where(drawn, seeds - 1.0, 0.0)
    scale = (TRUST + (spare * own / typical).sum()) / (TRUST + spare.sum())
    return (TRUST * scale * typical + spare * own) / (TRUST + spare), TRUST + float(spare.sum())


def with_draws(rows: np.ndarray, variance: np.ndarray, freedom: float, seed: int = 0) -> np.ndarray:
    """(B, k) replicates over rows → the same with noise of the label draws added: Student's t with `freedom`, (k,) `variance`."""
    rng = np.random.default_rng([seed, rows.shape[1]])
    scale = np.sqrt(freedom / rng.chisquare(freedom, size=(len(rows), 1)))
    return rows + scale * np.sqrt(variance) * rng.standard_normal(rows.shape)


def _decay(form: str, n: np.ndarray, c: np.ndarray) -> np.ndarray:
    return n**-c if form == "power law" else np.exp(-c * n)


def fit(form: str, n: np.ndarray, scores: np.ndarray, variance: np.ndarray) -> Fit:
    """(m, k) scores at (k,) counts → m curves, by least squares weighted with 1 / `variance`, subject to a ≤ 1 and b ≥ 0.

    For a given c both laws are linear in a and b (variable projection: Golub & Pereyra 1973, SIAM J. Numer. Anal. 10:413–432), so c
    is searched on a grid and the rest is in closed form: no start to choose, no local optimum. The staircase is isotonic regression.
    """
    if form == "isotonic":
        return Fit(form, n, _isotonic(scores, 1 / variance))
    w = 1 / variance
    c = np.geomspace(0.05, 2, 64) if form == "power law" else np.geomspace(0.3 / n[-1], 3 / n[0], 64)
    centre = EXPONENT if form == "power law" else float(np.exp(-np.log(n).mean()))
    x = _decay(form, n[None], c[:, None])  # (C, k)
    mean_x, mean_y = (x * w).sum(axis=1) / w.sum(), (scores * w).sum(axis=1, keepdims=True) / w.sum()
    away = x - mean_x[:, None]
    b = np.maximum(0.0, -(scores @ (away * w).T) / np.maximum((away**2 * w).sum(axis=1), 1e-300))  # (m, C)
    a = mean_y + b * mean_x
    b = np.where(a > 1, ((1 - scores) @ (x * w).T) / (x**2 * w).sum(axis=1), b)
    a = np.minimum(a, 1.0)
    # Σ w (y − a + b x)², multiplied out so that no (m, C, k) array is needed
    squares = (scores**2 @ w)[:, None] + a**2 * w.sum() + b**2 * (x**2 @ w) - 2 * a * (scores @ w)[:, None] + 2 * b * (scores @ (x * w).T) - 2 * a * b * (x @ w)
    best = np.argmin(squares + (np.log(c / centre) / SPREAD) ** 2, axis=1)
    rows = np.arange(len(scores))
    return Fit(form, n, np.stack([a[rows, best], b[rows, best], c[best]], axis=1))


def _isotonic(scores: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(m, k) → (m, k): the nearest rising levels, by the max–min formula (Robertson, Wright & Dykstra 1988, section 1.4)."""
    k = scores.shape[1]
    means = {(i, j): scores[:, i : j + 1] @ w[i : j + 1] / w[i : j + 1].sum() for i in range(k) for j in range(i, k)}
    return np.stack([np.max([np.min([means[i, j] for j in range(at, k)], axis=0) for i in range(at + 1)], axis=0) for at in range(k)], axis=1)


def through(n: np.ndarray, scores: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(m, k) scores at (k,) counts → (m, g) on smooth curves through them, read at (g,) counts between the first and the last.

    Monotone cubic interpolation on log n (Fritsch & Carlson 1980, SIAM J. Numer. Anal. 17:238–246): no form assumed, nothing
    smoothed, no wiggle between two points that the points do not have.
    """
    return np.asarray(PchipInterpolator(np.log(n), scores, axis=1)(np.log(at)))


def held_out_error(form: str, points: Points, scores: np.ndarray) -> np.ndarray:
    """(m, k) scores → (m,) root mean squared error on counts that the fit did not see.

    With four counts or more the largest is left out, which asks what a forecast is asked. With three, the second and the third in
    turn: the first is never left out, since nobody reads a curve backwards.
    """
    k = len(points.n)
    errors = []
    for out in [k - 1] if k > LEAST else range(1, k):
        seen = np.arange(k) != out
        told = fit(form, points.n[seen], scores[:, seen], points.variance[seen]).at(points.n[[out]])[:, 0]
        errors.append((told - scores[:, out]) ** 2)
    return np.sqrt(np.mean(errors, axis=0))


def choose(points: Points) -> tuple[str, dict[str, float]]:
    """(the form, held-out error by form). The power law, unless another form forecasts held-out counts better beyond their noise.

    One held-out count is a noisy judge: on real text curves the plain smallest error forecast worse than always the power law
    (docs/learning-curves.md). So another form must win in 95 % of the replicates, in the spirit of the one-standard-error rule
    (Breiman et al. 1984, section 3.4.3), or be the one law that the points' noise does not rule out.
    """
    errors = {form: float(held_out_error(form, points, points.scores[None])[0]) for form in FORMS}
    drawn = {form: held_out_error(form, points, points.replicates) for form in FORMS}
    better = [form for form in FORMS[1:] if errors[form] < errors[FORMS[0]] and (drawn[form] < drawn[FORMS[0]]).mean() >= CLEARLY]
    return min(better, key=lambda form: errors[form], default=FORMS[0]), errors


class Oddity(NamedTuple):
    """What forbids reading a curve beyond its counts."""

    what: str
    """"falls" from one count to another, "bends up" at a count, "misfit" of every form."""
    at: tuple[int, ...]
    """The label counts it shows at."""


class Reading(NamedTuple):
    """What a curve is taken to be."""

    points: Points
    """Those that the form is fitted to: all, or all but the first few."""
    form: str
    errors: dict[str, float]
    """Held-out error by form."""
    odd: Oddity | None

    @property
    def reaches_on(self) -> bool:
        """Whether anything may be read beyond the counts."""
        return self.odd is None and self.form != "isotonic"


def read(points: Points) -> Reading:
    """The form of a curve of at least three counts, and what is odd about it.

    Curves often start with a stretch near chance that follows no law (the "small data region" of Hestness et al. 2017). So where
    points stray from the form beyond noise, the smallest count is left out, as long as three remain.
    """
    form, errors = choose(points)
    odd = oddity(form, points)
    if odd is not None and odd.what == "misfit" and len(points.n) > LEAST:
        return read(Points(points.n[1:], points.scores[1:], points.replicates[:, 1:]))
    return Reading(points, form, errors, odd)


def oddity(form: str, points: Points) -> Oddity | None:
    """The gravest oddity beyond noise, each kind tested at `ODD` with Bonferroni's correction over counts; None if well-behaved."""
    return _falls(points) or _bends_up(points) or _misfit(form, points)


def _falls(points: Points) -> Oddity | None:
    """More labels, less quality: peaking and dipping (Viering & Loog 2023, section 6)."""
    pairs = list(combinations(range(len(points.n)), 2))
    return _worst("falls", points, [(pair, np.array([1.0, -1.0])) for pair in pairs])


def _bends_up(points: Points) -> Oddity | None:
    """The last step up, for each doubling of the labels, is larger than the one before: where it will level off cannot be seen.

    A power law never does that; an exponential does only before its bend.
    """
    first, second = np.diff(np.log2(points.n[-3:]))
    k = len(points.n)
    found = _worst("bends up", points, [((k - 3, k - 2, k - 1), np.array([1 / first, -1 / first - 1 / second, 1 / second]))])
    return found and Oddity(found.what, found.at[1:2])


def _worst(what: str, points: Points, tests: Sequence[tuple[tuple[int, ...], np.ndarray]]) -> Oddity | None:
    """The contrast of scores that is furthest above 0, if beyond noise."""
    z = {}
    for places, weights in tests:
        noise = float((points.replicates[:, places] @ weights).std(ddof=1))
        z[places] = float(points.scores[list(places)] @ weights) / max(noise, 1e-12)
    worst = max(z, key=lambda places: z[places])
    return Oddity(what, tuple(int(points.n[i]) for i in worst)) if z[worst] > quantile(1 - ODD / len(z)) else None


def _misfit(form: str, points: Points) -> Oddity | None:
    return Oddity("misfit", tuple(int(n) for n in points.n)) if misfits(form, points) else None


def misfits(form: str, points: Points) -> bool:
    """Whether residuals are larger than noise gives round the fitted curve: a parametric bootstrap (Efron & Tibshirani 1993, chapter 16)."""
    if form == "isotonic":
        return False
    noise = points.replicates - points.replicates.mean(axis=0)
    fitted = fit(form, points.n, points.scores[None], points.variance).at(points.n)

    def residuals(scores: np.ndarray) -> np.ndarray:
        away = scores - fit(form, points.n, scores, points.variance).at(points.n)
        return (away**2 / points.variance).sum(axis=1)

    return bool((residuals(fitted + noise) >= residuals(points.scores[None])[0]).mean() <= ODD)
