"""The reliability record: what it says, what it refuses to say, and that certify rows fit nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from fieldguide.verdict.reliability import FEWEST, FEWEST_TO_FIT, MOST_POINTS, reliability
from fieldguide.verdict.verdict import Reliability

NONE = np.zeros(0)


def rows(n: int, temperature: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Confidences of a three-way task whose log-odds are `temperature` times too large."""
    rng = np.random.default_rng([seed, n])
    c = np.maximum(expit(rng.normal(2, 1.2, n)), 0.34)
    return c, (rng.random(n) < expit(logit(c) / temperature)).astype(float)


def record(certify: tuple[np.ndarray, np.ndarray], calibrate: tuple[np.ndarray, np.ndarray] = (NONE, NONE)) -> Reliability:
    found = reliability(*certify, *calibrate)
    assert found is not None
    return found


def test_an_overconfident_model_is_found_out_and_mended():
    found = record(rows(400, 2.5, 0), rows(100, 2.5, 1))
    assert found.rows == 400
    assert found.ece.low > 0.05
    assert found.method in ("temperature", "Platt")
    assert found.ece_after is not None
    assert found.ece_after.value < 0.5 * found.ece.value
    assert found.ece_after.rows == 400
    assert "overconfident by" in found.sentence
    assert "fitted on 100 other rows the calibration error falls from" in found.sentence
    assert found.sentence.endswith(".")


def test_an_underconfident_model_is_told_from_an_overconfident_one():
    assert "underconfident by" in record(rows(400, 0.4, 0)).sentence


def test_a_calibrated_model_is_not_accused():
    found = record(rows(150, 1.0, 3), rows(60, 1.0, 4))
    assert found.ece.low == 0
    assert "confident by" not in found.sentence
    assert "no further apart than chance" in found.sentence


def test_a_calibrated_model_is_rarely_accused():
    """The direction is claimed in about 5 % of studies of a calibrated model."""
    accused = sum("confident by" in record(rows(40, 1.0, seed)).sentence for seed in range(120))
    assert accused / 120 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 120)


def test_nothing_is_said_of_too_few_rows_or_none():
    assert reliability(NONE, NONE, NONE, NONE) is None
    assert reliability(*rows(FEWEST - 1, 1.0, 0), NONE, NONE) is None
    assert reliability(np.full(50, np.nan), np.ones(50), NONE, NONE) is None
    assert reliability(*rows(FEWEST, 1.0, 0), NONE, NONE) is not None


def test_no_map_from_too_few_calibrate_rows():
    few = record(rows(100, 2.5, 0), rows(FEWEST_TO_FIT - 1, 2.5, 1))
    assert (few.method, few.ece_after) == ("none", None)
    assert "too few other rows" in few.sentence
    assert "no other rows" in record(rows(100, 2.5, 0)).sentence


def test_certify_rows_fit_nothing():
    """Swapping what is right in the certify rows changes their scores, not the map."""
    certify, calibrate = rows(200, 2.5, 0), rows(80, 2.5, 1)
    one, other = record(certify, calibrate), record((certify[0], 1 - certify[1]), calibrate)
    assert one.method == other.method != "none"
    assert one.brier != other.brier
    assert one.ece_after is not None
    assert other.ece_after is not None
    assert other.ece_after.value > one.ece_after.value


def test_the_record_is_plain_and_whole():
    found = record(rows(300, 1.5, 0), rows(60, 1.5, 1))
    assert sum(b.rows for b in found.bins) == 300
    assert all(b.low <= b.accuracy <= b.high for b in found.bins)
    assert [b.confidence for b in found.bins] == sorted(b.confidence for b in found.bins)
    assert found.ece.low <= found.ece.value <= found.ece.high
    assert len(found.coverage) <= MOST_POINTS
    assert found.coverage[-1] == pytest.approx((1.0, 1 - rows(300, 1.5, 0)[1].mean()))
    assert {type(v) for point in found.coverage for v in point} == {float}
    assert {type(b.confidence) for b in found.bins} == {float}
    assert {type(b.rows) for b in found.bins} == {int}
    assert type(found.brier) is type(found.ece.low) is float


def test_rows_without_a_confidence_are_left_out():
    c, right = rows(100, 2.0, 0)
    assert record((np.append(c, [np.nan] * 5), np.append(right, np.zeros(5)))) == record((c, right))


def test_certainty_that_holds_and_certainty_that_does_not():
    sure = record((np.ones(30), np.ones(30)), (np.ones(40), np.ones(40)))
    assert sure.ece.value == 0
    assert sure.ece.high > 0.05
    assert "overconfident by 10 points" in record((np.ones(30), np.repeat([1.0, 0.0], [27, 3]))).sentence
