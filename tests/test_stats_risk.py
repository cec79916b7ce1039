"""Risk control: published formulas by hand, agreement with scipy, size and power in simulation, bounds that cover."""

from __future__ import annotations

from math import ceil, comb, e, exp, log

import numpy as np
import pytest
from scipy.stats import binomtest

from fieldguide.stats.risk import betting, exact_binomial, feasible, fixed_sequence, hoeffding_bentkus, upper


def tail(errors: int, rows: int, alpha: float) -> float:
    return sum(comb(rows, k) * alpha**k * (1 - alpha) ** (rows - k) for k in range(errors + 1))


def streams(count: int, rows: int, better: float, worse: float, seed: int = 0) -> np.ndarray:
    """Three-valued losses, 0, ½ or 1: ½ where two approaches agree, as in "quality within ε of the other's"."""
    draws = np.random.default_rng(seed).random((count, rows))
    return np.where(draws < better, 0.0, np.where(draws < better + worse, 1.0, 0.5))


def test_hoeffding_bentkus_is_the_formula():
    """100 rows, 2 errors, α = 0.1: Hoeffding's bound is exp(−100 h(0.02, 0.1)), Bentkus's e · P(Bin(100, 0.1) ≤ 2)."""
    h = 0.02 * log(0.02 / 0.1) + 0.98 * log(0.98 / 0.9)
    assert hoeffding_bentkus(0.02, 100, 0.1) == pytest.approx(min(exp(-100 * h), e * tail(2, 100, 0.1)), rel=1e-9)
    assert hoeffding_bentkus(0.02, 100, 0.1) == pytest.approx(0.005287, abs=1e-6)
    h = 0.035 * log(0.035 / 0.1) + 0.965 * log(0.965 / 0.9)
    assert hoeffding_bentkus(0.035, 60, 0.1) == pytest.approx(min(exp(-60 * h), e * tail(ceil(60 * 0.035), 60, 0.1)), rel=1e-9)


def test_hoeffding_bentkus_at_the_edges():
    assert hoeffding_bentkus(0.0, 50, 0.1) == pytest.approx(0.9**50)
    assert hoeffding_bentkus(0.1, 50, 0.1) == hoeffding_bentkus(0.4, 50, 0.1) == 1.0
    assert hoeffding_bentkus(0.0, 0, 0.1) == hoeffding_bentkus(0.0, 50, 0.0) == 1.0
    assert hoeffding_bentkus(0.3, 50, 1.0) == 0.0
    assert hoeffding_bentkus(29 / 290, 290, 0.2) == hoeffding_bentkus(0.1, 290, 0.2)  # ⌈n r̂⌉ is not spoilt by rounding


@pytest.mark.parametrize(("errors", "rows", "alpha"), [(0, 30, 0.1), (2, 100, 0.1), (17, 250, 0.05), (400, 1000, 0.42)])
def test_exact_binomial_agrees_with_scipy(errors, rows, alpha):
    assert exact_binomial(errors, rows, alpha) == pytest.approx(binomtest(errors, rows, alpha, alternative="less").pvalue, rel=1e-9)
    assert exact_binomial(errors, rows, alpha) <= hoeffding_bentkus(errors / rows, rows, alpha) + 1e-12


def test_p_values_of_nothing_and_of_trivial_targets():
    assert exact_binomial(0, 0, 0.1) == betting(np.zeros(0), 0.1) == 1.0
    assert exact_binomial(5, 5, 0.9) == 1.0
    assert betting(np.zeros(10), 0.0) == exact_binomial(0, 10, 0.0) == 1.0
    assert betting(np.ones(10), 1.0) == exact_binomial(3, 10, 1.0) == 0.0
    assert betting(np.ones(50), 0.2) == pytest.approx(1.0)


def test_losses_out_of_range_are_refused():
    for losses in ([0.2, 1.2], [-0.1], [float("nan")]):
        with pytest.raises(ValueError, match=r"Losses lie in \[0, 1\]"):
            betting(np.array(losses), 0.1)


@pytest.mark.parametrize("delta", [0.1, 0.02])
@pytest.mark.parametrize(("better", "worse", "rows"), [(0.05, 0.05, 200), (0.3, 0.3, 60), (0.0, 0.04, 150)])
def test_betting_keeps_its_level_at_the_target(better, worse, rows, delta):
    """2,000 studies whose true risk is the target itself: at most a share δ reject, at the level that the bets aim at and at others."""
    alpha = 0.5 + (worse - better) / 2
    p = np.array([betting(one, alpha, delta) for one in streams(2000, rows, better, worse)])
    for level in (delta, 0.05):
        assert (p <= level).mean() <= level + 3 * np.sqrt(level * (1 - level) / 2000)


def test_betting_keeps_its_level_for_continuous_losses():
    losses = np.random.default_rng(1).beta(0.5, 4.5, (2000, 80))  # mean 0.1, skewed
    assert np.mean([betting(one, 0.1) <= 0.05 for one in losses]) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)


def test_betting_uses_a_small_variance():
    """Two approaches that differ on 5 % of 400 rows, 3 better and 2 worse: within 2 points by betting, never by the mean alone."""
    losses = streams(400, 400, 0.03, 0.02)
    found = np.mean([betting(one, 0.51) <= 0.05 for one in losses])
    blind = np.mean([hoeffding_bentkus(one.mean(), 400, 0.51) <= 0.05 for one in losses])
    assert found > 0.65
    assert blind < 0.05


def test_upper_is_clopper_pearson_for_zero_one_losses():
    losses = np.array([1.0] * 4 + [0.0] * 96)
    assert upper(losses, 0.05) == pytest.approx(binomtest(4, 100).proportion_ci(0.90, method="exact").high, abs=1e-9)
    assert upper(np.zeros(40), 0.1) == pytest.approx(1 - 0.1 ** (1 / 40))
    assert upper(np.ones(40), 0.1) == upper(np.zeros(0), 0.1) == 1.0
    assert exact_binomial(4, 100, upper(losses, 0.05)) == pytest.approx(0.05)


def test_upper_rejects_all_greater_risks_and_covers():
    losses = streams(120, 120, 0.04, 0.02, seed=3)
    bounds = np.array([upper(one, 0.1) for one in losses])
    assert (bounds >= 0.49).mean() >= 0.9 - 3 * np.sqrt(0.09 / 120)
    assert (bounds > losses.mean(axis=1)).all()
    assert bounds.mean() < 0.52
    for one, bound in zip(losses[:8], bounds[:8], strict=True):
        assert all(betting(one, risk, 0.1) <= 0.1 for risk in np.linspace(bound + 1e-3, 0.99, 20))
        assert upper(one, 0.01) > bound


def test_upper_covers_for_zero_one_losses():
    draws = np.random.default_rng(4).binomial(90, 0.07, 4000)
    bounds = {int(k): upper(np.repeat([1.0, 0.0], [k, 90 - k]), 0.1) for k in np.unique(draws)}
    assert np.mean([bounds[int(k)] >= 0.07 for k in draws]) >= 0.9


def test_fixed_sequence_stops_at_the_first_failure():
    assert fixed_sequence([0.01, 0.03, 0.2, 0.001], 0.05) == 2
    assert fixed_sequence([0.05], 0.05) == 1
    assert fixed_sequence([0.3, 0.001], 0.05) == 0
    assert fixed_sequence([], 0.05) == 0
    assert fixed_sequence([0.01, float("nan"), 0.01], 0.05) == 1


def test_fixed_sequence_certifies_no_false_target_too_often():
    """Thresholds from safe to bold, the last three over the target: at most δ of 4,000 studies certify any of them."""
    rng, delta, alpha, false = np.random.default_rng(5), 0.1, 0.1, 0
    for counts in rng.binomial(200, [0.03, 0.07, 0.1, 0.12, 0.2], (4000, 5)):
        false += fixed_sequence([exact_binomial(int(k), 200, alpha) for k in counts], delta) > 2
    assert false / 4000 <= delta


def test_feasible_is_zero_losses():
    """29 rows without a loss certify 10 % at 95 %, 28 do not: 0.9²⁸ = 0.052, 0.9²⁹ = 0.047."""
    assert not feasible(28, 0.1, 0.05)
    assert feasible(29, 0.1, 0.05)
    assert [feasible(n, 0.1, 0.05) for n in (28, 29)] == [exact_binomial(0, n, 0.1) <= 0.05 for n in (28, 29)]
    assert not feasible(0, 0.5, 0.5)
    assert not feasible(1000, 0.0, 0.05)
    assert feasible(1, 0.5, 0.5)
    assert feasible(0, 1.0, 0.05)
