"""The verdict: a recommendation, its evidence and its doubts. Plain values; `verdict.json` is this record written out.

`SCHEMA` is raised when a field changes its meaning or goes. Every figure comes from the *certify* rows unless its name says
otherwise; every interval is 95 % unless `level` says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fieldguide.records import Usage

SCHEMA = 1


@dataclass(frozen=True)
class Estimate:
    """A number with its interval."""

    value: float
    low: float
    high: float
    method: str
    """How the interval was made ("Wilson", "bootstrap over rows", …)."""
    rows: int = 0
    level: float = 0.95


@dataclass(frozen=True)
class CurvePoint:
    """One approach at one label count, over its seeds."""

    n_labels: int
    seeds: int
    quality: Estimate
    """The task's metric, mean over seeds, interval over rows (and seeds where there are several)."""
    metrics: Mapping[str, Estimate]
    """Every metric of the kind by name; the task's own among them."""
    seed_spread: float | None
    """Standard deviation over seeds; None with one seed."""
    fit_s: float
    """Median over seeds."""
    unparsed_share: float = 0.0


@dataclass(frozen=True)
class Standing:
    """How one approach stands at the end: one line of the leaderboard."""

    name: str
    params: Mapping[str, Any]
    title: str
    family: str
    status: str
    """"recommended", "within tolerance", "best estimate", "worse", "cannot tell", "struck out", "unsuited", "failed", "not measured"."""
    reason: str
    """One sentence: why it has that status."""
    key: str = ""
    """`Approach.key`: tells two settings of one approach apart."""
    n_labels: int = 0
    """The label count it stands at: the largest measured."""
    rows: int = 0
    """Certify rows it answered."""
    quality: Estimate | None = None
    metrics: Mapping[str, Estimate] = field(default_factory=dict)
    loss: Estimate | None = None
    """Paired difference: the best approach's quality minus this one's, on shared rows; its upper bound holds for all approaches at once."""
    latency_p50_s: float | None = None
    latency_p95_s: float | None = None
    cost_per_1k_usd: float | None = None
    fit_s: float | None = None
    trainable_parameters: int = 0
    usage: Usage = Usage()
    """All its trials, fits and predictions."""
    curve: tuple[CurvePoint, ...] = ()
    baseline: bool = False
    """A trivial baseline: never recommended by default."""
    models: tuple[str, ...] = ()
    local: bool = True
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Constraints:
    """What a solver must satisfy to be feasible; None means no such limit."""

    max_latency_p95_s: float | None = None
    max_cost_per_1k_usd: float | None = None
    local_only: bool = False


@dataclass(frozen=True)
class Verdict:
    """What `decide` answers."""

    sentence: str
    """The verdict in one or two whole sentences."""
    recommended: str | None
    """`Standing.key` of the recommended approach; None if nothing was feasible."""
    sure: bool
    """Whether the recommended approach's loss against the best is bounded within the tolerance, and nothing else (`caveat`) stands against it."""
    best: str | None
    """`Standing.key` of the best estimate among feasible approaches."""
    standings: tuple[Standing, ...]
    """Best first."""
    doubts: tuple[str, ...]
    """Whole sentences: what weakens the evidence."""
    notes: tuple[str, ...]
    """Whole sentences: what was inferred, moved or dropped when the task was read."""
    task: Mapping[str, Any]
    """name, kind, inputs, target, labels (a count and the list), metric, fingerprint, source."""
    rows: Mapping[str, int]
    """Rows by role."""
    tolerance: float
    """In the metric's own units (0.02 is two points)."""
    constraints: Constraints
    machine_price_usd_per_hour: float
    rows_to_settle: int | None = None
    """About how many certify rows would separate the two approaches that cannot be told apart; None where sure."""
    winner_folder: str = ""
    spent: Usage = Usage()
    seconds: float = 0.0
    budget: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Version, date, platform, model identities, seeds: what is needed to run it again."""
    schema: int = SCHEMA
    confusions: tuple[Mapping[str, Any], ...] = ()
    """The recommended solver's most frequent mistakes on certify rows: {"target", "given", "count"}."""
    caveat: str = ""
    """A clause: what no number of rows would settle (approaches that the budget stopped short, a trivial baseline not beaten); "" if nothing."""
    handed_over: Mapping[str, Any] = field(default_factory=dict)
    """The solver in `winner_folder`: n_labels, seed, and its own certify quality as an estimate."""
