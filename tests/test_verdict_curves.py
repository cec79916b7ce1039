"""What a verdict says of learning curves: forecasts and crossings from small synthetic studies, and the sentence about them."""

from __future__ import annotations

import time

import numpy as np
import pytest
from test_verdict import World, found

from fieldguide.verdict.cells import gather
from fieldguide.verdict.curves import MOST, between, crossings, forecasts, trains
from fieldguide.verdict.findings import Findings
from fieldguide.verdict.sentence import crossing
from fieldguide.verdict.verdict import Crossing, Forecast

COUNTS = (16, 64, 256, 1024)
PROBE = {n: 0.9 - 1.6 * n**-0.5 for n in COUNTS}
"""0.50, 0.70, 0.80, 0.85; 0.875 at four times the labels"""


def named(told: Findings, name: str) -> str:
    return next(key for key, entry in told.measured.items() if entry.first.approach["name"] == name)


def forecast(world: World, name: str = "probe") -> Forecast:
    told = found(world)
    return forecasts(told)[named(told, name)]


def curve(*qualities: float) -> dict[int, float]:
    return dict(zip(COUNTS, qualities, strict=False))


def whole(text: str) -> bool:
    return text[0].isupper() and text.endswith(".") and "  " not in text and "nan" not in text


def test_a_rising_curve_is_forecast_at_four_times_the_labels():
    told = forecast(World().majority().add("probe", PROBE, seeds=3))
    assert told.behaved
    assert told.form == "power law"
    assert set(told.parameters) == {"a", "b", "c"}
    assert told.four_times is not None
    assert told.four_times.low < 0.875 < told.four_times.high
    assert told.four_times.high - told.four_times.low < 0.2
    assert "form holds beyond the counts is assumed" in told.four_times.method
    assert 0 <= told.held_out_error < 0.05
    assert whole(told.reason)
    assert "power law" in told.reason


def test_the_line_runs_from_the_first_count_to_four_times_the_last():
    line = np.array(forecast(World().add("probe", PROBE, seeds=3)).line)
    assert len(line) == 25
    assert (line[0, 0], line[-1, 0]) == pytest.approx((16, 4096))
    assert np.isclose(line[:, 0], 1024).sum() == 1
    assert (np.diff(line[:, 0]) > 0).all()
    assert (line[:, 2] <= line[:, 1]).all()
    assert (line[:, 1] <= line[:, 3]).all()
    assert ((line[:, 1:] >= 0) & (line[:, 1:] <= 1)).all()
    assert np.interp(256, line[:, 0], line[:, 1]) == pytest.approx(PROBE[256], abs=0.05)


def test_only_trained_approaches_with_three_counts_have_a_curve():
    world = World().majority().add("probe", PROBE).add("few-shot", PROBE, family="prompting").add("names", {0: 0.6})
    told = found(world.add("knn", {16: 0.5, 1024: 0.8}))
    assert list(forecasts(told)) == [named(told, "probe")]
    assert not any(trains(entry) for entry in gather(World().majority().add("cascade", PROBE, family="cascade").add("names", {0: 0.6}).evidence()))


@pytest.mark.parametrize(
    ("qualities", "words"),
    [
        ((0.5, 0.85, 0.65, 0.9), "Quality falls by"),
        ((0.30, 0.31, 0.40, 0.80), "Each doubling of the labels brings more beyond 256 labels than before"),
        ((0.30, 0.35, 0.85, 0.86), "Neither a power law nor an exponential forecasts"),
    ],
)
def test_odd_curves_are_flagged_and_read_no_further(qualities, words):
    told = forecast(World().add("probe", curve(*qualities), seeds=3))
    assert not told.behaved
    assert told.four_times is None
    assert words in told.reason
    assert whole(told.reason)
    line = np.array(told.line)
    assert line[-1, 0] == pytest.approx(1024)
    assert np.interp(COUNTS, line[:, 0], line[:, 1]) == pytest.approx(qualities, abs=0.06)  # through the points: nothing smoothed away


def test_a_start_that_follows_no_law_is_left_out_of_the_fit():
    told = forecast(World().add("probe", curve(0.20, 0.25, 0.60, 0.78), seeds=3))
    assert told.behaved
    assert "It holds from 64 labels on" in told.reason
    assert whole(told.reason)
    line = np.array(told.line)
    assert len(line) == 25
    assert line[0, 0] == pytest.approx(16)
    assert np.interp(COUNTS, line[:, 0], line[:, 1]) == pytest.approx((0.20, 0.25, 0.60, 0.78), abs=0.08)


def test_three_counts_that_only_take_off_are_not_read_on():
    told = forecast(World(train=256).add("probe", curve(0.20, 0.22, 0.45), seeds=3))
    assert not told.behaved
    assert told.four_times is None
    assert "brings more beyond 64 labels than before, and where it will level off cannot be seen, so nothing is read off" in told.reason


def test_a_curve_that_has_not_begun_is_not_read_on():
    told = forecast(World().majority().add("probe", curve(0.45, 0.46, 0.45, 0.46), noise=0.4))
    assert not told.behaved
    assert "may not have begun to rise" in told.reason


def test_four_times_all_labels_needs_all_labels():
    told = forecast(World().add("probe", curve(0.5, 0.7, 0.8)))
    assert told.behaved
    assert told.four_times is None
    assert "up to 256 of the 1,024 labels" in told.reason
    assert "Three label counts can hardly show" in told.reason
    assert told.line[-1][0] == pytest.approx(1024)


def test_macro_f1_has_curves_too():
    told = forecast(World(metric="macro_f1").add("probe", PROBE, seeds=2))
    assert told.behaved
    assert told.four_times is not None
    assert told.four_times.low < told.four_times.value < told.four_times.high


def test_the_same_evidence_gives_the_same_curves():
    world = World().add("probe", PROBE, seeds=2).add("few-shot", {16: 0.75}, family="prompting", rows=75)
    assert forecasts(found(world)) == forecasts(found(world))
    assert crossings(found(world)) == crossings(found(world))


def test_eight_curves_cost_a_fraction_of_a_second():
    world = World(certify=1000)
    for i in range(8):
        world.add(f"probe {i}", {n: q - i / 100 for n, q in PROBE.items()}, seeds=3)
    told = found(world)
    forecasts(told)  # fills the ruler, which the standings share
    began = time.process_time()
    assert len(forecasts(told)) == 8
    assert time.process_time() - began < 0.3


def test_a_crossing_has_an_interval_and_a_sentence():
    told = found(World(certify=1500).add("few-shot", {16: 0.75}, family="prompting").add("probe", PROBE, seeds=3))
    (only,) = crossings(told)
    assert (only.first, only.second) == (named(told, "few-shot"), named(told, "probe"))
    true = (1.6 / 0.15) ** 2  # 114
    assert only.low < true < only.high
    assert only.n_star == pytest.approx(true, rel=0.5)
    assert only.break_even_sure > only.n_star
    assert only.sentence.startswith("Below about 1")
    assert "labels few shot is better, above it probe (n* between" in only.sentence
    assert "favours probe with 80 % probability." in only.sentence
    assert whole(only.sentence)


def test_intervals_of_crossings_hold_the_truth():
    """60 studies: at least 90 % of the intervals given hold n* = 114."""
    held = []
    for seed in range(60):
        told = found(World(certify=300, select=0, seed=seed).add("few-shot", {16: 0.75}, family="prompting", noise=0.1).add("probe", PROBE, seeds=2, noise=0.1))
        held += [(each.low or 0) <= 113.8 <= (each.high or np.inf) for each in crossings(told) if each.n_star]
    assert len(held) > 40
    assert np.mean(held) > 0.9


def test_curves_that_cross_twice_cross_twice():
    world = World(certify=1500).add("names", {0: 0.8}).add("probe", curve(0.9, 0.6, 0.7, 0.95), seeds=3)
    told = found(world)
    down, up = crossings(told)
    assert (down.first, down.second) == (up.second, up.first) == (named(told, "probe"), named(told, "names"))
    assert 16 < down.n_star < 64
    assert 256 < up.n_star < 1024
    assert "above it names up to about" in down.sentence
    assert "probe is ahead again" in up.sentence
    assert up.sentence.endswith("the two curves cross 2 times.") or "cross 2 times. From about" in up.sentence
    assert down.break_even_sure is None


def test_a_crossing_beyond_the_counts_is_called_so():
    told = found(World(certify=4000).add("names", {0: 0.862}).add("probe", PROBE, seeds=3, noise=0.0))
    (only,) = crossings(told)
    assert only.n_star > 1024
    assert "beyond the 1,024 labels measured, on a fitted curve." in only.sentence
    (apart,) = crossings(found(World(certify=4000).add("names", {0: 0.862}).add("probe", curve(0.5, 0.8, 0.6, 0.85), seeds=3, noise=0.0)))
    assert apart.n_star is None  # an odd curve is read no further


def test_curves_that_do_not_cross_are_said_not_to():
    (only,) = crossings(found(World().add("names", {0: 0.3}).add("probe", PROBE, seeds=3)))
    assert (only.n_star, only.low, only.high, only.break_even_sure) == (None, None, None, None)
    assert only.sentence == "From 16 to 4,096 labels, probe is ahead of names throughout, so the two are not seen to cross."
    (unclear,) = crossings(found(World(certify=30).add("names", {0: 0.85}).add("probe", {16: 0.84, 64: 0.85}, noise=0.3)))
    assert unclear.sentence == "Whether names and probe change places between 16 and 64 labels cannot be told from these rows."


def test_nothing_is_compared_where_there_is_nothing_to_compare():
    assert crossings(found(World())) == ()
    assert crossings(found(World().majority().add("names", {0: 0.3}))) == ()
    assert crossings(found(World().add("probe", PROBE))) == ()
    assert crossings(found(World().add("names", {0: 0.3}).add("probe", {16: 0.5}))) == ()


def test_at_most_three_are_named_those_of_the_recommended_first():
    world = World(certify=1500).majority().add("few-shot", {16: 0.75}, family="prompting").add("knn", curve(0.70, 0.74, 0.77, 0.79), seeds=3)
    world.add("probe", PROBE, seeds=3, latency_s=0.001).add("weak", curve(0.3, 0.35, 0.38, 0.4))
    told = found(world)
    several = crossings(told)
    assert 2 <= len(several) <= MOST
    assert told.recommended == named(told, "probe")
    assert told.recommended in (several[0].first, several[0].second)
    assert {named(told, "knn"), named(told, "probe")} in [{each.first, each.second} for each in several]


def test_struck_out_approaches_take_no_part():
    from fieldguide.verdict.findings import find
    from fieldguide.verdict.verdict import Constraints

    world = World(certify=1500).add("few-shot", {16: 0.75}, family="prompting", latency_s=2.0).add("probe", PROBE, seeds=3)
    assert crossings(find(world.evidence(), 0.02, Constraints(max_latency_p95_s=0.5), 0.1)) == ()


def test_the_sentence_speaks_of_routes():
    told = found(World(certify=1500).add("few-shot", {16: 0.75}, family="prompting").add("probe", PROBE, seeds=3))
    assert crossing(told).startswith("Below about 1")
    assert "labels prompt, above that train (n* between " in crossing(told)
    one, two = named(told, "few-shot"), named(told, "probe")
    known = [Crossing(one, two, 41.0, 20.4, 93.0, None, ""), Crossing(two, one, 700.0, 400.0, None, None, "")]
    assert crossing(told, known) == "Below about 41 labels prompt, above that train (n* between 20 and 93), and above about 700 prompt again."
    assert crossing(told, [Crossing(one, two, 41.0, None, 93.0, None, "")]).startswith("In these trials few shot led up to 64 labels")
    tuned = found(World(certify=1500).add("names", {0: 0.75}).add("fine-tune", PROBE, family="tuning", seeds=3))
    assert "labels use names, above that tune (n* between " in crossing(tuned)


def test_open_ends_are_said_to_be_open():
    assert between(20.2, 91.0) == "n* between 20 and 91"
    assert between(None, 91.0) == "n* at most 91"
    assert between(1234.0, None) == "n* at least 1,200"
    assert between(None, None) == "n* unknown"
