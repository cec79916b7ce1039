"""Learning curves and crossings: exact fits, honest choices, flags that do not cry wolf, and coverage on simulated studies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares
from sklearn.isotonic import IsotonicRegression

from fieldguide.stats.crossings import sure_from, switches
from fieldguide.stats.curves import (
    EXPONENT,
    FLOOR,
    FORMS,
    SPREAD,
    TYPICAL_SD,
    Fit,
    Points,
    choose,
    draw_variance,
    fit,
    held_out_error,
    oddity,
    read,
    through,
    with_draws,
)

COUNTS = np.array([16.0, 64.0, 256.0, 1024.0])
EVEN = np.full(4, FLOOR**2)


def law(n, a=0.9, b=1.2, c=0.4):
    return a - b * np.asarray(n, float) ** -c


def points(scores, sd=0.01, n=COUNTS, seed=0, replicates=200):
    scores = np.asarray(scores, float)
    noise = np.random.default_rng(seed).normal(0, sd, (replicates, len(scores)))
    return Points(np.asarray(n, float), scores, scores + noise - noise.mean(axis=0))


class Studies:
    """Studies that never ran: a true curve, seeds that draw labels (nested, so that counts go together), rows that counts share."""

    def __init__(self, n=COUNTS, seeds=3, rows=400, seed=0):
        self.n, self.seeds, self.rows, self.rng = n, seeds, rows, np.random.default_rng(seed)
        self.apart = np.abs(np.subtract.outer(np.arange(len(n)), np.arange(len(n))))

    def power_law(self):
        """A curve that starts between .2 and .65 and tends to between .7 and .98, with exponents round .35."""
        c, end, start = np.exp(self.rng.normal(np.log(0.35), 0.6)), self.rng.uniform(0.7, 0.98), self.rng.uniform(0.2, 0.65)
        return lambda n: end - (end - start) * (np.asarray(n, float) / 16) ** -c

    def observe(self, curve, replicates=200):
        k, quality = len(self.n), curve(self.n)
        spread = TYPICAL_SD * (16 / self.n) ** 0.4 * np.exp(self.rng.normal(0, 0.4))
        seeds = (self.rng.normal(size=(self.seeds, k)) @ np.linalg.cholesky(0.3**self.apart).T) * spread
        seeds[:, -1] = seeds[0, -1]  # at all labels there is one draw
        sd = np.sqrt(np.maximum(quality * (1 - quality), 0.02) / self.rows)
        covariance = np.linalg.cholesky(np.outer(sd, sd) * 0.65**self.apart + np.diag(sd**2) * 0.25 / self.seeds)
        scores = (quality + seeds).mean(axis=0) + covariance @ self.rng.normal(size=k)
        drawn = np.arange(k) < k - 1
        own = seeds.var(axis=0, ddof=1) if self.seeds > 1 else np.zeros(k)
        one, freedom = draw_variance(self.n, own, np.full(k, float(self.seeds)), drawn)
        over_rows = scores + self.rng.normal(size=(replicates, k)) @ covariance.T
        return Points(self.n, scores, with_draws(over_rows, np.where(drawn, one / self.seeds, one), freedom, seed=int(self.rng.integers(2**31))))


def test_fits_recover_the_law_they_are_shown():
    many = np.concatenate([COUNTS, [4096, 16384]])
    found = fit("power law", many, law(many)[None], np.full(6, 1e-8))
    assert found.at(np.array([100.0, 65536.0]))[0] == pytest.approx(law([100, 65536]), abs=0.003)
    assert found.values[0] == pytest.approx([0.9, 1.2, 0.4], rel=0.05)
    close = np.array([16.0, 32, 64, 128, 256])
    found = fit("exponential", close, 0.8 - 0.5 * np.exp(-0.02 * close)[None], np.full(5, 1e-8))
    assert found.values[0] == pytest.approx([0.8, 0.5, 0.02], rel=0.05)


def test_fits_stay_within_bounds():
    for form in FORMS[:2]:
        a, b, _ = fit(form, COUNTS, np.array([[0.9, 0.8, 0.7, 0.6], [0.1, 0.4, 0.7, 0.99], [0.5, 0.5, 0.5, 0.5]]), EVEN).values.T
        assert (a <= 1).all()
        assert (b >= 0).all()
        assert b[0] == 0
        assert a[[0, 2]] == pytest.approx([0.75, 0.5])


@pytest.mark.parametrize("form", FORMS[:2])
def test_the_grid_finds_what_a_local_search_from_many_starts_finds(form):
    rng = np.random.default_rng(1)
    centre = EXPONENT if form == "power law" else 1 / np.exp(np.log(COUNTS).mean())
    for _ in range(10):
        scores, variance = np.sort(rng.uniform(0.2, 0.95, 4)), rng.uniform(0.01, 0.04, 4) ** 2

        def residuals(values, scores=scores, variance=variance):
            told = Fit(form, COUNTS, np.array([[values[0], values[1], np.exp(values[2])]])).at(COUNTS)[0]
            return np.append((told - scores) / np.sqrt(variance), (values[2] - np.log(centre)) / SPREAD)

        bounds = ([0, 0, np.log(0.05 if form == "power law" else 0.3 / 1024)], [1, 10, np.log(2 if form == "power law" else 3 / 16)])
        starts = [[0.8, 0.5, c] for c in np.linspace(bounds[0][2] + 0.1, bounds[1][2] - 0.1, 5)]
        best = min(least_squares(residuals, start, bounds=bounds).cost for start in starts)
        a, b, c = fit(form, COUNTS, scores[None], variance).values[0]
        assert (residuals([a, b, np.log(c)]) ** 2).sum() / 2 <= best + 0.1  # the step of the grid, in log-likelihood


def test_the_staircase_is_isotonic_regression():
    rng = np.random.default_rng(2)
    scores, variance = rng.random((20, 5)), rng.uniform(0.5, 2, 5)
    found = fit("isotonic", np.arange(1.0, 6), scores, variance).values
    for row, levels in zip(scores, found, strict=True):
        assert levels == pytest.approx(IsotonicRegression().fit_transform(np.arange(5), row, sample_weight=1 / variance))


def test_curves_through_points_keep_them_and_do_not_wiggle():
    scores = np.array([[0.3, 0.5, 0.5, 0.9], [0.9, 0.6, 0.7, 0.2]])
    places = np.geomspace(16, 1024, 100)
    assert through(COUNTS, scores, COUNTS) == pytest.approx(scores)
    steps = np.diff(through(COUNTS, scores, places), axis=1)
    assert (steps[0] >= -1e-12).all()
    assert (steps[1, places[1:] < 64] <= 1e-12).all()


def test_the_largest_count_is_held_out():
    exact = points(law(COUNTS), sd=0.001)
    assert held_out_error("power law", exact, exact.scores[None])[0] < 0.01
    assert held_out_error("isotonic", exact, exact.scores[None])[0] == pytest.approx(law(1024) - law(256))
    bent = points([*law(COUNTS[:3]), 0.1])
    assert held_out_error("isotonic", bent, bent.scores[None])[0] == pytest.approx(law(256) - 0.1)
    three = points(law(COUNTS[:3]), n=COUNTS[:3])
    expected = np.sqrt(((law(64) - (law(16) + law(256)) / 2) ** 2 + (law(256) - law(64)) ** 2) / 2)
    assert held_out_error("isotonic", three, three.scores[None])[0] == pytest.approx(expected)


def test_another_form_must_forecast_better_beyond_noise():
    many = np.append(COUNTS, 4096.0)
    saturated = 0.9 - 0.6 * np.exp(-many / 400)
    assert choose(points(saturated, sd=0.002, n=many))[0] == "exponential"
    assert choose(points(saturated, sd=0.1, n=many))[0] == "power law"
    form, errors = choose(points(law(COUNTS)))
    assert form == "power law"
    assert set(errors) == set(FORMS)
    assert errors["power law"] < errors["exponential"] < errors["isotonic"]


def test_the_power_law_is_kept_where_it_is_true():
    studies = Studies(seed=3)
    chosen = [choose(studies.observe(studies.power_law()))[0] for _ in range(300)]
    assert chosen.count("power law") / 300 > 0.95


def test_odd_curves_are_flagged():
    flat = oddity("power law", points([0.6, 0.8, 0.7, 0.9]))
    assert flat is not None
    assert (flat.what, flat.at) == ("falls", (64, 256))
    rising = oddity("power law", points([0.30, 0.31, 0.35, 0.60]))
    assert rising is not None
    assert (rising.what, rising.at) == ("bends up", (256,))
    stray = oddity("power law", points([0.30, 0.31, 0.80, 0.81]))
    assert stray is not None
    assert stray.what == "misfit"
    assert oddity("power law", points(law(COUNTS))) is None
    assert oddity("power law", points([0.8, 0.79, 0.805, 0.8])) is None
    assert oddity("power law", points([0.6, 0.8, 0.7, 0.9], sd=0.2)) is None


def test_a_start_near_chance_is_left_out():
    late = points([0.20, 0.25, 0.60, 0.78])
    assert oddity("power law", late) is not None
    reading = read(late)
    assert list(reading.points.n) == [64, 256, 1024]
    assert reading.reaches_on
    assert list(read(points(law(COUNTS))).points.n) == list(COUNTS)
    assert not read(points([0.6, 0.8, 0.7, 0.9])).reaches_on
    assert len(read(points([0.2, 0.25, 0.6], n=COUNTS[:3])).points.n) == 3


@pytest.mark.parametrize("count", [400, pytest.param(2000, marks=pytest.mark.slow)])
def test_true_power_laws_are_seldom_called_odd(count):
    studies = Studies(seed=4)
    assert np.mean([oddity("power law", studies.observe(studies.power_law())) is not None for _ in range(count)]) < 0.055


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_curves_that_peak_are_mostly_called_odd(count):
    """A fall of 12 points at the third of four counts, three seeds and 1,000 rows."""
    studies = Studies(rows=1000, seed=5)

    def peaked():
        curve = studies.power_law()
        return studies.observe(lambda n: curve(n) - 0.12 * (n == 256))

    assert np.mean([oddity("power law", peaked()) is not None for _ in range(count)]) > 0.8


@pytest.mark.parametrize(("k", "seeds"), [(4, 3), pytest.param(4, 1, marks=pytest.mark.slow), pytest.param(3, 3, marks=pytest.mark.slow), pytest.param(5, 5, marks=pytest.mark.slow)])
def test_forecasts_at_four_times_the_labels_cover_true_power_laws(k, seeds):
    """2,000 simulated studies: the nominal 95 % interval covers .93 to .97."""
    n, covered, errors = 16 * 4.0 ** np.arange(k), [], []
    studies = Studies(n, seeds, seed=6)
    for _ in range(2000):
        curve = studies.power_law()
        p = studies.observe(curve)
        told = fit("power law", n, np.vstack([p.scores, p.replicates]), p.variance).at(4 * n[-1:])[:, 0]
        low, high = np.quantile(told[1:], [0.025, 0.975])
        covered.append(low <= curve(4 * n[-1]) <= high)
        errors.append(told[0] - curve(4 * n[-1]))
    assert 0.92 < np.mean(covered) < 0.975
    assert abs(np.mean(errors)) < 0.006


def test_seed_variance_is_moderated():
    few = np.array([1.0, 1, 1, 1])
    typical, freedom = draw_variance(COUNTS, np.zeros(4), few, np.full(4, True))
    assert typical == pytest.approx(TYPICAL_SD**2 * (16 / COUNTS) ** 0.8)
    assert freedom == 4
    true = np.array([0.08, 0.04, 0.02, 0.01]) ** 2
    many, freedom = draw_variance(COUNTS, true, np.full(4, 500.0), np.array([True, True, True, False]))
    assert many[:3] == pytest.approx(true[:3], rel=0.1)
    assert many[3] > TYPICAL_SD**2 * (16 / 1024) ** 0.8  # not its own, which draws no labels: the curve's scale, carried on
    assert freedom == 4 + 3 * 499


def test_noise_of_draws_has_its_variance():
    noise = with_draws(np.zeros((20000, 2)), np.array([0.04, 0.01]), 8.0)
    assert noise.var(axis=0) == pytest.approx(np.array([0.04, 0.01]) * 8 / 6, rel=0.08)
    assert np.array_equal(noise, with_draws(np.zeros((20000, 2)), np.array([0.04, 0.01]), 8.0))
    assert (with_draws(np.ones((5, 1)), np.zeros(1), 4.0) == 1).all()


GRID = np.geomspace(16, 1024, 121)


def drawn(difference, sd, seed=0):
    rng = np.random.default_rng(seed)
    return difference + rng.normal(0, sd, (400, 1))


def test_one_crossing_is_the_root():
    gap = 0.1 * np.log2(GRID / 100)
    (switch,) = switches(GRID, gap, drawn(gap, 0.02))
    assert switch.rising
    assert switch.n == pytest.approx(100, rel=0.03)
    assert switch.low == pytest.approx(100 * 2**-0.392, rel=0.08)  # 1.96 sd, at .1 an octave
    assert switch.high == pytest.approx(100 * 2**0.392, rel=0.08)
    (falling,) = switches(GRID, -gap, drawn(-gap, 0.02))
    assert not falling.rising
    assert falling.n == switch.n


def test_two_crossings_are_two():
    gap = 0.2 * np.cos(np.pi * np.log2(GRID / 16) / 3.5)
    first, second = switches(GRID, gap, drawn(gap, 0.03))
    assert (first.rising, second.rising) == (False, True)
    assert first.n == pytest.approx(16 * 2**1.75, rel=0.05)
    assert second.n == pytest.approx(16 * 2**5.25, rel=0.05)
    assert first.low < first.n < first.high < second.low < second.n
    assert len(switches(GRID, gap, drawn(gap, 0.3))) < 2


def test_a_dip_within_noise_is_no_crossing():
    gap = 0.1 * np.log2(GRID / 100)
    dip = gap - 0.11 * np.exp(-((np.log2(GRID / 180) / 0.3) ** 2))
    assert (np.diff(np.sign(dip)) != 0).sum() == 3
    (switch,) = switches(GRID, dip, drawn(dip, 0.05))
    assert 80 < switch.n < 200


def test_an_end_out_of_range_is_open_and_no_lead_is_no_crossing():
    gap = 0.1 * np.log2(GRID / 30)
    (switch,) = switches(GRID, gap, drawn(gap, 0.06))
    assert switch.low is None
    assert switch.high is not None
    assert switches(GRID, gap + 0.5, drawn(gap + 0.5, 0.06)) == ()
    assert switches(GRID, gap, drawn(gap, 2.0)) == ()


@pytest.mark.parametrize(("k", "rows"), [(4, 400), pytest.param(3, 400, marks=pytest.mark.slow), pytest.param(5, 2000, marks=pytest.mark.slow)])
def test_intervals_of_crossings_cover(k, rows):
    """2,000 simulated studies, a constant against a rising curve: coverage about .95, the typical error under half an octave."""
    n = 16 * 4.0 ** np.arange(k)
    grid, studies = np.geomspace(16, n[-1], 96), Studies(n, rows=rows, seed=7)
    covered, errors = [], []
    for _ in range(2000):
        curve, true = studies.power_law(), np.exp(studies.rng.uniform(np.log(20), np.log(0.8 * n[-1])))
        found = crossed(studies, curve, float(curve(true)), grid)
        if found:
            covered.append((found[0].low or 0) <= true <= (found[0].high or np.inf))
            errors.append(abs(np.log2(found[0].n / true)))
    assert len(covered) > 900
    assert 0.92 < np.mean(covered) < 0.98
    assert np.median(errors) < 0.5


def test_crossings_that_are_not_there_are_seldom_given():
    """A constant as good as the curve's first point: the hardest case, in which one in ten could be taken for a crossing by design."""
    studies = Studies(seed=8)
    found = [crossed(studies, curve := studies.power_law(), float(curve(16)), np.geomspace(16, 1024, 96)) for _ in range(300)]
    assert np.mean([bool(each) for each in found]) < 0.13


def crossed(studies, curve, level, grid):
    """The crossings of a simulated curve with a constant measured on the same rows, whose errors half cancel."""
    p = studies.observe(curve)
    sd = np.sqrt(level * (1 - level) / studies.rows / 2)
    constant = level + sd * studies.rng.normal()
    told = through(p.n, np.vstack([p.scores, p.replicates]), grid) - constant
    return switches(grid, told[0], told[1:] - sd * studies.rng.normal(size=(len(p.replicates), 1)))


def test_the_safe_count_waits_for_the_seeds():
    gap = 0.1 * np.log2(GRID / 100)
    assert sure_from(GRID, gap, np.full(121, 0.1)) == pytest.approx(100 * 2**0.8416, rel=0.04)
    assert sure_from(GRID, gap, np.zeros(121)) == pytest.approx(100, rel=0.04)
    assert sure_from(GRID, gap, np.full(121, 1.0)) is None
    assert sure_from(GRID, gap + 1, np.full(121, 0.1)) == 16
    rng = np.random.default_rng(9)
    n = sure_from(GRID, gap, np.full(121, np.hypot(0.05, 0.06)))
    first, second = rng.normal(0.7, 0.05, 50000), rng.normal(0.7 + 0.1 * np.log2(n / 100), 0.06, 50000)
    assert (second > first).mean() == pytest.approx(0.8, abs=0.02)
