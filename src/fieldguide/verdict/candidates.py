"""Which cascades are worth putting together, judged on *select* and *calibrate* rows alone, and what running one would cost.

Shapes: `S` seeds, `n` rows that all trials of a pair answered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt
from typing import Any

import numpy as np

from fieldguide.approaches.routing import grid
from fieldguide.records import Unparsed, fingerprint
from fieldguide.stats.intervals import quantile
from fieldguide.stats.paired import adjusted_moments
from fieldguide.study.trial import TrialRecord
from fieldguide.verdict.cells import Entry, gather
from fieldguide.verdict.evidence import Evidence
from fieldguide.verdict.feasible import Running, running
from fieldguide.verdict.forms import row_scores
from fieldguide.verdict.promises import Risk

LEAD = 0.01
"""The large approach must look better by more than this."""
CHEAPER = 1.5
"""The small one must cost so many times less a row."""
SHOWN = quantile(0.95)
"""Standard errors on certify rows by which it must be expected to lead the single approaches that cost no more: an even chance to show it."""
LEAST_ROWS = 20
"""Calibrate rows that all trials of a pair must have answered."""
MIXED = 200
"""Size of the sample that stands for a cascade's latencies."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A small approach and a larger one, each at the label count that it stands at."""

    small: Entry
    large: Entry
    trials: tuple[tuple[int, TrialRecord, TrialRecord], ...]
    """(seed, small, large): trials of the same seed, or the only one that a stage has."""
    routed: bool
    """Whether a router decides before the small one is asked, since its answers carry no probability."""


@dataclass(frozen=True, eq=False)
class Table:
    """What both stages of a pair said on the rows that all its trials answered; (S, n) each."""

    sure: np.ndarray
    """Confidence of the small one; NaN where there is none."""
    small: np.ndarray
    """Row scores."""
    large: np.ndarray
    ids: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A pair and a threshold that look promising."""

    pair: Pair
    threshold: float
    quality: float
    """Expected from select and calibrate rows, on a footing that all approaches share."""
    cost_per_1k_usd: float
    deferred: float
    planned: bool
    """Whether certify rows should bear out its promise, and that it is within tolerance of the best approach, with a standard error to spare."""


class Bench:
    """A study's evidence as choosing and building cascades needs it."""

    def __init__(self, evidence: Evidence, machine_price_usd_per_hour: float, routed: Mapping[str, Mapping[str, float]]) -> None:
        self.evidence, self.routed = evidence, routed
        self.known = {**evidence.select_targets, **evidence.calibrate_targets}
        self.entries = [entry for entry in gather(evidence) if entry.cells and not entry.trivial and entry.first.family != "cascade"]
        self.costs = {entry.key: running(entry.cell, machine_price_usd_per_hour) for entry in self.entries}
        self.scored = row_scores(evidence.task["kind"], evidence.metric)
        self.scores = cache(self._scores)
        self.rows = self._rows()
        self.levels = self._levels()

    def pairs(self) -> Iterator[Pair]:
        """Small approaches that know how sure they are, each with those that cost much more and look better."""
        for small in self.entries:
            for large in self.entries:
                if small.key in self.levels and large.key in self.levels and self._much_cheaper(small, large):
                    pair = self._pair(small, large)
                    if pair and self._promising(pair):
                        yield pair

    def candidates(self, pair: Pair, risk: Risk, tolerance: float, barred: Collection[str] = ()) -> Iterator[Candidate]:
        """Thresholds at which the cascade pays, may be within tolerance of the best approach, and could be shown to lead the cheap ones.

        It pays where it costs much less than its large stage, or is better than that by more than a standard error; the cheap ones are
        its small stage and every single approach that costs no more than it would. Approaches in `barred` cannot be chosen, so neither
        need they be matched.
        """
        table = self.table(pair, self.known)
        n, certify = len(table.ids), max(len(self.table(pair, self.evidence.targets).ids), 1)
        cheap, dear = self.costs[pair.small.key].per_1k_usd, self.costs[pair.large.key].per_1k_usd
        singles = {key: np.array([own.get(row, np.nan) for row in table.ids]) for key, own in self.rows.items()}
        levels = {key: level for key, level in self.levels.items() if key not in barred} or self.levels
        best = max(levels, key=lambda key: levels[key])
        ahead = 1 / sqrt(n) + quantile(1 - risk.delta) / sqrt(certify)  # times a row's deviation: a margin that certify rows should not exceed
        for threshold in grid(table.sure):
            kept = table.sure >= threshold
            deferred = float(1 - kept.mean())
            cost = cheap * (1 - deferred if pair.routed else 1.0) + dear * deferred
            lost = (kept * (table.large - table.small)).mean(axis=0)  # (n,)
            quality, scores = self.levels[pair.large.key] - float(lost.mean()), table.large.mean(axis=0) - lost
            behind = self.levels[best] - quality
            pays = cost * CHEAPER <= dear or lost.mean() < -lost.std() / sqrt(n)
            rivals = [key for key in singles if key == pair.small.key or (key in levels and self.costs[key].per_1k_usd <= cost)]
            shown = all(quality - self.levels[key] > SHOWN * _spread_of(scores - singles[key]) / sqrt(certify) for key in rivals)
            if pays and shown and behind <= tolerance:
                losses = risk.losses(kept, table.small, table.large).mean(axis=0)
                kept_promise = losses.mean() + ahead * losses.std() <= risk.alpha
                near = behind + ahead * _spread_of(scores - singles[best]) <= tolerance
                yield Candidate(pair, float(threshold), quality, cost, deferred, bool(kept_promise and near))

    def table(self, pair: Pair, targets: Mapping[str, Any]) -> Table:
        """What the pair said on those of these rows that all its trials answered, in an order that has nothing to do with them.

        Betting needs that: in a file sorted by label, later losses do not look like earlier ones.
        """
        small = [self.scores(first.key) for _, first, _ in pair.trials]
        large = [self.scores(then.key) for _, _, then in pair.trials]
        ids = sorted((row for row in targets if all(row in scores for scores in (*small, *large))), key=lambda row: (fingerprint(row), row))
        sure = [self.confidence(first.key) for _, first, _ in pair.trials]
        return Table(
            np.array([[known.get(row, np.nan) for row in ids] for known in sure], dtype=float),
            np.array([[scores[row] for row in ids] for scores in small], dtype=float),
            np.array([[scores[row] for row in ids] for scores in large], dtype=float),
            tuple(ids),
        )

    def confidence(self, trial: str) -> Mapping[str, float]:
        """Row id → what its threshold is held against: the answer's own probability, or a router's; rows without either are absent."""
        own = self.evidence.confidences.get(trial)
        if own:
            return own
        answers = self.evidence.answers[trial]
        return {row: value for row, value in self.routed.get(trial, {}).items() if not isinstance(answers.get(row), Unparsed)}

    def latencies(self, pair: Pair, i: int, deferred: float) -> tuple[float, ...]:
        """Seconds of single rows of one seed's cascade: the small one's for what it keeps, both one after the other for the rest.

        A sample in these proportions; none where a stage was not timed. A router's own milliseconds are not known, and left out.
        """
        _, first, then = pair.trials[i]
        small, large = first.latencies_s, then.latencies_s
        if not small or not large:
            return ()
        both = [large[j % len(large)] + (0.0 if pair.routed else small[j % len(small)]) for j in range(max(len(small), len(large)))]
        handed = round(deferred * MIXED)
        return (*_spread(small, MIXED - handed), *_spread(both, handed))

    def running(self, candidate: Candidate) -> Running:
        """Running costs to expect."""
        pair = candidate.pair
        times = [s for i in range(len(pair.trials)) for s in self.latencies(pair, i, candidate.deferred)]
        p50, p95 = np.quantile(times, [0.5, 0.95]).tolist() if times else (None, None)
        return Running(p50, p95, candidate.cost_per_1k_usd)

    def _much_cheaper(self, small: Entry, large: Entry) -> bool:
        return small is not large and 0 < self.costs[large.key].per_1k_usd >= CHEAPER * self.costs[small.key].per_1k_usd

    def _pair(self, small: Entry, large: Entry) -> Pair | None:
        trials = _by_seed(small.cell.records, large.cell.records)
        if not trials or not all(self.confidence(first.key) for _, first, _ in trials):
            return None
        return Pair(small, large, trials, not all(self.evidence.confidences.get(first.key) for _, first, _ in trials))

    def _promising(self, pair: Pair) -> bool:
        seen = self.table(pair, self.known)
        enough = len(self.table(pair, self.evidence.calibrate_targets).ids) >= LEAST_ROWS
        return enough and float((seen.large - seen.small).mean()) > LEAD

    def _scores(self, trial: str) -> dict[str, float]:
        """Row id → row score of one trial, on all rows that it answered; by another metric of the kind, where its own is no mean over rows."""
        assert self.scored is not None, "there are no pairs where single rows score nothing"
        targets = {**self.known, **self.evidence.targets}
        given = {row: value for row, value in self.evidence.answers[trial].items() if row in targets}
        return dict(zip(given, self.scored([targets[row] for row in given], list(given.values())).tolist(), strict=True))

    def _rows(self) -> dict[str, dict[str, float]]:
        """Approach key → row id → row score, mean over seeds, on select and calibrate rows that all its trials answered."""
        found: dict[str, dict[str, float]] = {}
        for entry in self.entries:
            trials = [self.scores(record.key) for record in entry.cell.records]
            own = {row: sum(t[row] for t in trials) / len(trials) for row in self.known if all(row in t for t in trials)}
            if own:
                found[entry.key] = own
        return found

    def _levels(self) -> dict[str, float]:
        """Approach key → quality on those rows; one that answered fewer is placed by its paired difference from the one that answered most."""
        if not self.rows:
            return {}
        anchor = max(self.rows.values(), key=lambda own: (len(own), sum(own.values())))
        level = float(np.mean(list(anchor.values())))
        return {key: level + float(np.mean([own[row] - anchor[row] for row in own if row in anchor] or [0.0])) for key, own in self.rows.items()}


def _spread_of(d: np.ndarray) -> float:
    """Standard deviation of row differences, with two pseudo-rows that differ (Agresti & Min 2005), so that it is never 0; NaN are left out."""
    return sqrt(adjusted_moments(d[~np.isnan(d)])[1])


def _by_seed(small: Sequence[TrialRecord], large: Sequence[TrialRecord]) -> tuple[tuple[int, TrialRecord, TrialRecord], ...]:
    """Trials that can be put together, by seed; a stage with a single trial lends it to every seed of the other."""
    first, then = ({record.seed: record for record in records} for records in (small, large))
    if len(then) == 1:
        return tuple((seed, record, large[0]) for seed, record in first.items())
    if len(first) == 1:
        return tuple((seed, small[0], record) for seed, record in then.items())
    return tuple((seed, record, then[seed]) for seed, record in first.items() if seed in then)


def _spread(values: Sequence[float], size: int) -> list[float]:
    """`size` values with the distribution of these: their quantiles, evenly spaced."""
    return np.quantile(values, (np.arange(size) + 0.5) / size, method="inverted_cdf").tolist() if size else []
