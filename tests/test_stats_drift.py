"""Drift: DeLong's variance against its definition, coverage on simulated studies, exact levels, and pathological inputs."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy.stats import norm

from fieldguide.stats.drift import answer_shift, cross_fitted_auc, halves, label_shift, placement_error, total_variation, two_sample_auc


def pairwise(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1 where b outranks a, one half for ties: (len(a), len(b))."""
    return (b[None] > a[:, None]) + 0.5 * (b[None] == a[:, None])


def test_one_fold_is_delong_by_its_definition() -> None:
    rng = np.random.default_rng(3)
    a, b = np.round(rng.normal(size=40), 1), np.round(rng.normal(0.7, size=25), 1)  # rounded, so that there are ties
    wins = pairwise(a, b)
    variance = wins.mean(axis=1).var(ddof=1) / len(a) + wins.mean(axis=0).var(ddof=1) / len(b)
    second = np.repeat([False, True], [len(a), len(b)])
    auc, low, high = cross_fitted_auc(np.concatenate([a, b]), second, np.zeros(65, dtype=int), np.arange(65))
    assert auc == pytest.approx(wins.mean())
    logit = np.log(auc / (1 - auc))
    half = 1.959964 * sqrt(variance) / (auc * (1 - auc))
    assert [low, high] == pytest.approx([1 / (1 + np.exp(-(logit - half))), 1 / (1 + np.exp(-(logit + half)))], rel=1e-5)


def test_folds_are_averaged_and_never_compared() -> None:
    """Each fold separates perfectly on a scale of its own; pooled, the scores would overlap."""
    scores = np.array([0.0, 0.1, 1.0, 1.1, 100.0, 100.1, 101.0, 101.1])
    second = np.array([False, False, True, True] * 2)
    auc, low, high = cross_fitted_auc(scores, second, np.repeat([0, 1], 4), np.arange(8))
    assert (auc, high) == (1.0, 1.0)
    assert 0.3 < low < 0.6, "four rows told apart say little, and the interval must not have width zero"


def simulated(shift: float, rows: tuple[int, int], dims: int, studies: int, seed: int) -> float:
    """Share of studies whose 95 % interval holds the true AUC of the classifiers that were fitted, averaged over folds.

    Two unit Gaussians whose means differ by `shift` along one axis; the classifier is the line through the means of the other folds,
    whose true AUC is Φ(w·δ / (√2 |w|)).
    """
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(studies, rows[0], dims)), rng.normal(size=(studies, rows[1], dims))
    b[..., 0] += shift
    fold_a, fold_b = np.arange(rows[0]) % 2, np.arange(rows[1]) % 2
    truth, scores = np.zeros(studies), np.zeros((studies, sum(rows)))
    for held in range(2):
        w = b[:, fold_b != held].mean(axis=1) - a[:, fold_a != held].mean(axis=1)  # (studies, dims)
        w /= np.linalg.norm(w, axis=1, keepdims=True)
        truth += norm.cdf(w[:, 0] * shift / sqrt(2)) / 2
        scores[:, : rows[0]] += (fold_a == held) * np.einsum("srd,sd->sr", a, w)
        scores[:, rows[0] :] += (fold_b == held) * np.einsum("srd,sd->sr", b, w)
    second, fold = np.repeat([False, True], rows), np.concatenate([fold_a, fold_b])
    found = np.array([cross_fitted_auc(s, second, fold, np.arange(sum(rows))) for s in scores])
    return float(((found[:, 1] <= truth) & (truth <= found[:, 2])).mean())


@pytest.mark.parametrize(("shift", "rows"), [(0.0, (150, 60)), (0.5, (60, 60)), (1.5, (200, 100))])
def test_the_interval_covers_at_least_its_level(shift: float, rows: tuple[int, int]) -> None:
    assert simulated(shift, rows, 5, 2_000, 11) > 0.945


def test_rows_of_one_group_count_as_one() -> None:
    """Every row five times: the same AUC, and the same error as from the rows once, but for the one step of freedom in 40."""
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=40), rng.normal(0.8, size=40)
    once = placement_error(a, b, np.arange(40), 40 + np.arange(40))
    five = placement_error(np.repeat(a, 5), np.repeat(b, 5), np.repeat(np.arange(40), 5), 40 + np.repeat(np.arange(40), 5))
    assert five == pytest.approx(once, rel=1e-9)
    alone = placement_error(np.repeat(a, 5), np.repeat(b, 5), np.arange(200), 200 + np.arange(200))
    assert alone[1] < 0.5 * once[1]


def test_the_error_holds_for_groups() -> None:
    """Thirty groups a side, four rows each, half of a score's variance shared within the group: 95 % intervals of one fold."""
    rng, studies = np.random.default_rng(8), 2_000
    own, group = rng.normal(size=(studies, 240)), rng.normal(size=(studies, 60))
    scores = (own + np.repeat(group, 4, axis=1)) / sqrt(2)
    scores[:, 120:] += 0.8
    second, groups, fold = np.arange(240) >= 120, np.repeat(np.arange(60), 4), np.zeros(240, dtype=int)
    found = np.array([cross_fitted_auc(s, second, fold, groups) for s in scores])
    truth = norm.cdf(0.8 / sqrt(2))
    covered = ((found[:, 1] <= truth) & (truth <= found[:, 2])).mean()
    assert 0.93 < covered < 0.97


def test_one_source_is_not_told_apart_and_two_are() -> None:
    rng = np.random.default_rng(0)
    features, second = rng.normal(size=(600, 8)), np.arange(600) % 3 == 0
    _, low, high = two_sample_auc(features, second, np.arange(600))
    assert low < 0.5 < high
    features[second, 0] += 1.0
    auc, low, _ = two_sample_auc(features, second, np.arange(600))
    assert abs(auc - norm.cdf(1 / sqrt(2))) < 0.05
    assert low > 0.64
    assert two_sample_auc(features, second, np.arange(600)) == two_sample_auc(features, second, np.arange(600))


def test_copies_are_not_mistaken_for_a_source() -> None:
    """Ten copies of each of 20 rows: unless they share a fold, the classifier knows them by heart."""
    rng = np.random.default_rng(1)
    features = np.repeat(rng.normal(size=(40, 60)), 10, axis=0)
    second, groups = np.repeat(np.arange(40) % 2 == 0, 10), np.repeat(np.arange(40), 10)
    known = two_sample_auc(features, second, np.arange(400))[0]
    apart = two_sample_auc(features, second, groups)[0]
    assert known > 0.9 > 0.75 > apart
    fold = halves(second, groups)
    assert all(len(set(fold[groups == g])) == 1 for g in range(40))


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="two groups of rows of each set"):
        cross_fitted_auc(np.zeros(4), np.array([True, False, False, False]), np.zeros(4, dtype=int), np.arange(4))
    with pytest.raises(ValueError, match="at least one row"):
        label_shift(np.array([3, 2]), np.array([0, 0]))
    with pytest.raises(ValueError, match="splits"):
        halves(np.array([True, False]), np.arange(2))


def test_scores_without_any_difference_leave_everything_open() -> None:
    auc, low, high = cross_fitted_auc(np.zeros(20), np.arange(20) < 10, np.zeros(20, dtype=int), np.arange(20))
    assert auc == 0.5
    assert low < 0.35
    assert high > 0.65


def test_total_variation_by_hand() -> None:
    assert total_variation(np.array([50, 50]), np.array([3, 1])) == pytest.approx(0.25)
    assert total_variation(np.array([1, 0]), np.array([0, 7])) == 1.0
    assert total_variation(np.array([2, 4, 6]), np.array([1, 2, 3])) == 0.0


def test_label_shift_matches_fishers_exact_test() -> None:
    """For two labels and equal sizes, ordering tables by χ² is Fisher's ordering: 2 P(X ≥ 8) for 8 of 10 against 2 of 10."""
    p = label_shift(np.array([8, 2]), np.array([2, 8]), draws=40_000)[2]
    assert p == pytest.approx(0.0230, abs=0.003)


def test_label_shift_keeps_its_level_and_knows_what_chance_gives() -> None:
    rng = np.random.default_rng(5)
    mix = np.array([0.6, 0.3, 0.08, 0.02])
    found = [label_shift(rng.multinomial(80, mix), rng.multinomial(40, mix), draws=199, seed=i) for i in range(2_000)]
    p = np.array([f[2] for f in found])
    assert (p <= 0.05).mean() <= 0.06
    assert (p <= 0.5).mean() > 0.4
    assert np.mean([f[0] - f[1] for f in found]) == pytest.approx(0.0, abs=0.005)
    assert label_shift(np.array([60, 20]), np.array([20, 60]))[2] < 0.001


def test_answer_shift_on_separable_noise_and_moved_rows() -> None:
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 3, size=500)
    features = rng.normal(size=(700, 6)) + 3 * np.eye(6)[np.concatenate([truth, np.repeat([0, 1], [150, 50])])]
    learnt, mix = answer_shift(features, truth[:500], np.arange(500))
    assert learnt is not None
    assert mix is not None
    assert learnt[0] > 0.9
    assert learnt[0] - 0.06 < learnt[1] < learnt[0]
    assert learnt[2] == np.bincount(truth).max() / 500
    assert mix[0] - mix[1] > 0.3
    assert mix[2] < 0.01
    noise = answer_shift(rng.normal(size=(300, 6)), rng.integers(0, 2, size=300), np.arange(300))
    assert noise[0] is not None
    assert noise[0][1] < noise[0][2]
    assert noise[1] is None
    assert answer_shift(features[:20], np.repeat([0, 1], [19, 1]), np.arange(20)) == (None, None)


@pytest.mark.slow
def test_answers_without_a_shift_rarely_look_shifted() -> None:
    """Weak classifiers too: the half that one was not fitted on and the new rows are alike to it."""
    rng, hits = np.random.default_rng(9), 0
    for study in range(400):
        truth = rng.integers(0, 2, size=120)
        features = rng.normal(size=(220, 4))
        features[:120, 0] += 0.4 * truth
        _, mix = answer_shift(features, truth, np.arange(120), seed=study)
        assert mix is not None
        hits += mix[2] < 0.05
    assert hits / 400 < 0.09
