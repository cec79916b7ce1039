"""Calibration: scores by hand, maps that find what was built in, and an error whose interval holds the truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest
from scipy.special import expit, logit, softmax
from sklearn.metrics import brier_score_loss

from fieldguide.stats import calibration
from fieldguide.stats.calibration import (
    MAPS,
    Isotonic,
    Platt,
    Temperature,
    area_under_risk_coverage,
    brier,
    ece,
    fit,
    fit_isotonic,
    fit_label_temperature,
    fit_platt,
    fit_temperature,
    groups,
    log_loss,
    murphy,
    plain_ece,
    reliability_bins,
    risk_coverage,
)
from fieldguide.stats.intervals import wilson

Draw = Callable[[np.random.Generator, int], np.ndarray]
Truth = Callable[[np.ndarray], np.ndarray]


def middling(rng: np.random.Generator, n: int) -> np.ndarray:
    return 0.5 + 0.5 * rng.beta(2, 1.2, n)


def confident(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.minimum(0.999, 1 - 0.3 * rng.beta(0.7, 3, n))


def votes(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.integers(3, 6, n) / 5


def calibrated(c: np.ndarray) -> np.ndarray:
    return c


def hot(c: np.ndarray) -> np.ndarray:
    """Overconfident: the log-odds are three times too large."""
    return expit(logit(np.clip(c, 1e-4, 1 - 1e-4)) / 3)


def shifted(c: np.ndarray) -> np.ndarray:
    return c - 0.1


def crossing(c: np.ndarray) -> np.ndarray:
    return 0.75 + 0.5 * (c - 0.75)


WORLDS: list[tuple[Draw, Truth]] = [(middling, calibrated), (confident, hot), (middling, shifted)]
WORLDS += [(middling, crossing), (votes, shifted), (confident, calibrated)]


def study(draw: Draw, truth: Truth, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, n])
    c = draw(rng, n)
    return c, (rng.random(n) < truth(c)).astype(float)


def true_error(draw: Draw, truth: Truth) -> float:
    c = draw(np.random.default_rng(99), 200_000)
    return float(np.abs(truth(c) - c).mean())


def covered(draw: Draw, truth: Truth, n: int, studies: int) -> float:
    error = true_error(draw, truth)
    ends = [ece(*study(draw, truth, n, seed), seed=seed)[1:] for seed in range(studies)]
    return float(np.mean([low <= error + 1e-9 and high >= error - 1e-9 for low, high in ends]))


def test_bins_have_equal_mass_or_width_and_never_split_equal_confidences():
    c = np.random.default_rng(0).random(100)
    assert np.bincount(groups(c, 10)).tolist() == [10] * 10
    assert len(np.bincount(groups(c))) == 9  # 2 ∛100
    wide = groups(np.array([0.0, 0.05, 0.1, 0.15, 0.95, 1.0]), 10, width=True)
    assert wide.tolist() == [0, 0, 0, 1, 2, 2]  # (0.1, 0.2] and (0.9, 1]; empty bins are not counted
    tied = np.repeat([0.6, 0.8, 1.0], [30, 50, 20])
    assert {tuple(np.unique(groups(tied)[tied == v]).shape) for v in (0.6, 0.8, 1.0)} == {(1,)}
    assert groups(np.full(30, 0.7)).tolist() == [0] * 30


def test_plain_error_and_bins_by_hand():
    c = np.array([0.6, 0.6, 0.6, 0.6, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9])
    right = np.array([1, 0, 0, 1, 1, 1, 1, 1, 1, 0], dtype=float)
    bins = groups(c, 2)
    assert plain_ece(c, right, bins) == pytest.approx(0.4 * abs(0.5 - 0.6) + 0.6 * abs(5 / 6 - 0.9))
    first, second = reliability_bins(c, right, bins)
    assert first == pytest.approx((0.6, 0.5, *wilson(2, 4), 4))
    assert second == pytest.approx((0.9, 5 / 6, *wilson(5, 6), 6))


def test_brier_and_its_parts():
    c, right = study(votes, shifted, 300, 0)
    assert brier(c, right) == pytest.approx(brier_score_loss(right, c))
    reliability, resolution, uncertainty = murphy(c, right, groups(c))
    assert reliability - resolution + uncertainty == pytest.approx(brier(c, right))  # exact: votes are constant within bins
    assert uncertainty == pytest.approx(right.mean() * (1 - right.mean()))
    assert min(reliability, resolution) > 0


def test_the_plain_error_is_biased_and_the_corrected_one_hardly():
    """Calibrated, 51 rows: about 0.11 by noise alone. Off by 0.1: 0.15; corrected within 0.02 of the truth."""
    still, off = ([study(middling, truth, 51, seed) for seed in range(120)] for truth in (calibrated, shifted))
    assert np.mean([plain_ece(c, r, groups(c)) for c, r in still]) == pytest.approx(0.106, abs=0.02)
    assert np.median([ece(c, r)[0] for c, r in still[:50]]) < 0.04
    assert np.mean([plain_ece(c, r, groups(c)) for c, r in off]) > 0.13
    assert np.mean([ece(c, r)[0] for c, r in off[:60]]) == pytest.approx(0.1, abs=0.025)


@pytest.mark.parametrize(("draw", "truth"), WORLDS[:3])
def test_the_error_interval_covers_in_a_quick_simulation(draw, truth):
    assert covered(draw, truth, 51, 80) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 80)


@pytest.mark.slow
@pytest.mark.parametrize("n", [40, 120])
@pytest.mark.parametrize(("draw", "truth"), WORLDS)
def test_the_error_interval_covers(draw, truth, n):
    """2,000 studies of a model whose true calibration error is known."""
    assert covered(draw, truth, n, 2000) >= 0.95 - 0.01


def test_the_error_interval_at_its_edges():
    """All right with confidence 1, all wrong, one bin, and a model that is plainly off."""
    value, low, high = ece(np.ones(30), np.ones(30))
    assert (value, low) == (0.0, 0.0)
    assert 0.05 < high < 0.25
    value, low, high = ece(np.full(40, 0.99), np.zeros(40))
    assert value == pytest.approx(0.99, abs=0.02)
    assert low > 0.7
    assert high <= 1.0
    c, right = study(confident, hot, 400, 1)
    value, low, high = ece(c, right)
    assert 0.1 < low < value < high < 0.3
    assert ece(c, right) == (value, low, high)
    wider = ece(c, right, level=0.99)
    assert wider[1] <= low
    assert wider[2] >= high


def test_more_rows_narrow_the_error_interval():
    widths = []
    for n in (40, 160, 640):
        _, low, high = ece(*study(middling, shifted, n, 3))
        widths.append(high - low)
    assert widths[0] > widths[1] > widths[2]


def test_temperature_finds_the_one_that_was_built_in():
    c, right = study(confident, hot, 4000, 0)
    assert fit_temperature(c, right).temperature == pytest.approx(3, rel=0.15)
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (4000, 5))
    labels = np.array([rng.choice(5, p=p) for p in softmax(logits, axis=1)])
    log_probabilities = np.log(softmax(2.5 * logits, axis=1))
    found = fit_label_temperature(log_probabilities, labels)
    assert found.temperature == pytest.approx(2.5, rel=0.08)
    cooled = found.apply(log_probabilities)
    assert np.exp(cooled).sum(axis=1) == pytest.approx(np.ones(4000))
    assert (cooled.argmax(axis=1) == logits.argmax(axis=1)).all()  # temperature changes no answer


def test_log_probabilities_of_minus_infinity_are_survived():
    with np.errstate(divide="ignore"):
        log_probabilities = np.log(np.array([[1.0, 0.0], [0.3, 0.7], [0.0, 1.0]]))
    found = fit_label_temperature(log_probabilities, np.array([1, 1, 1]))
    assert found.temperature > 1  # one row was certain and wrong


def test_platt_finds_slope_and_intercept():
    c, right = study(middling, lambda c: expit(0.5 * logit(c) - 0.7), 6000, 0)
    found = fit_platt(c, right)
    assert (found.slope, found.intercept) == pytest.approx((0.5, -0.7), abs=0.12)
    assert fit_platt(c, 1 - right).slope == 0  # a curve that would fall stays flat
    assert 0 < fit_platt(c[:40], np.ones(40)).apply(c[:5]).min() < 1


def test_isotonic_rises_and_keeps_off_the_ends():
    c, right = study(middling, lambda c: np.where(c > 0.8, 0.9, 0.4), 2000, 0)
    found = fit_isotonic(c, right)
    grid = found.apply(np.linspace(0, 1, 101))
    assert (np.diff(grid) >= 0).all()
    assert 0 < grid[0] <= grid[-1] < 1
    assert grid[60] == pytest.approx(0.4, abs=0.1)
    assert grid[95] == pytest.approx(0.9, abs=0.06)


def test_the_map_is_chosen_by_held_out_loss():
    assert isinstance(fit(*study(confident, hot, 600, 1)), Temperature | Platt)
    stepped = study(middling, lambda c: np.where(c > 0.8, 0.97, 0.3), 1500, 2)
    assert isinstance(fit(*stepped), Isotonic)
    kept = [fit(*study(middling, calibrated, 150, seed)) is None for seed in range(15)]
    assert sum(kept) >= 6  # nothing to mend: the confidences often stay as they are
    assert fit(*study(confident, hot, 80, 3)) == fit(*study(confident, hot, 80, 3))


def test_a_map_helps_on_rows_that_it_has_not_seen():
    gains = []
    for seed in range(12):
        fitted = fit(*study(confident, hot, 60, seed))
        c, right = study(confident, hot, 1000, seed + 100)
        gains.append(float((log_loss(c, right) - log_loss(fitted.apply(c) if fitted else c, right)).mean()))
    assert np.mean(gains) > 0.05
    assert min(gains) > -0.02


def test_maps_are_plain_values():
    c, right = study(middling, shifted, 300, 0)
    for made in (fit_temperature(c, right), fit_platt(c, right), fit_isotonic(c, right)):
        fields = json.loads(json.dumps(asdict(made)))
        again = MAPS[made.name](**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})
        assert again == made
        assert again.apply(c) == pytest.approx(made.apply(c))
        assert made.apply(np.array([0.0, 1.0])).tolist() == sorted(made.apply(np.array([0.0, 1.0])))


def test_risk_coverage_by_hand():
    c, right = np.array([0.9, 0.8, 0.8, 0.5]), np.array([1.0, 0.0, 1.0, 0.0])
    share, risk = risk_coverage(c, right)
    assert share.tolist() == [0.25, 0.75, 1.0]
    assert risk == pytest.approx([0, 1 / 3, 1 / 2])
    assert area_under_risk_coverage(c, right) == pytest.approx((0 + 0.5 / 2 + 1 / 3 + 2 / 4) / 4)  # the tie costs half an error at k = 2


def test_area_rewards_knowing_and_ignores_the_scale():
    rng = np.random.default_rng(0)
    right = (rng.random(500) < 0.8).astype(float)
    knows, ignorant = 0.5 * right + 0.5 * rng.random(500), np.full(500, 0.7)
    assert area_under_risk_coverage(knows, right) < 0.1
    assert area_under_risk_coverage(ignorant, right) == pytest.approx(1 - right.mean())
    assert area_under_risk_coverage(knows**3, right) == pytest.approx(area_under_risk_coverage(knows, right))


def test_nothing_is_changed_in_place():
    c, right = study(middling, shifted, 60, 0)
    before = c.copy(), right.copy()
    calibration.fit(c, right)
    ece(c, right)
    risk_coverage(c, right)
    assert (c == before[0]).all()
    assert (right == before[1]).all()
