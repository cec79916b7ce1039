"""The verdict: a recommendation, its evidence and its doubts. Plain values; `verdict.json` is this record written out.

`SCHEMA` is raised when a field changes its meaning or goes. Every figure comes from the *certify* rows unless its name says
otherwise; every interval is 95 % unless `level` says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fieldguide.records import Usage
from fieldguide.study.events import Event

SCHEMA = 3
READABLE = (2, SCHEMA)
"""Schemas that can be read: the second differs in fields that were added since."""


@dataclass(frozen=True)
class Estimate:
    """A number with its interval."""

    value: float
    low: float
    high: float
    method: str
    """How the interval was made, and of what ("Wilson over rows, the seed as run", "score interval over rows and new seeds", …)."""
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
class Forecast:
    """A learning curve fitted to an approach's points, and what it says of label counts that were not measured."""

    form: str
    """"power law", unless "exponential" or "isotonic" has the clearly smaller error on label counts that were left out."""
    parameters: Mapping[str, float]
    held_out_error: float
    """Root mean squared error on label counts left out of the fit, in the metric's units."""
    behaved: bool
    """Whether the curve rises, within its noise, and bends down; only then is anything read off beyond the measured counts."""
    reason: str
    """One sentence: what is odd about the curve, or which forms were compared; whole, for people."""
    line: tuple[tuple[float, float, float, float], ...] = ()
    """(label count, value, low, high) along the fitted curve, ascending, for the chart; empty where it is not to be trusted."""
    four_times: Estimate | None = None
    """The metric at four times all labels; None where the curve does not allow it."""


@dataclass(frozen=True)
class Crossing:
    """Where one approach overtakes another as labels grow: below n* the first is better, above it the second."""

    first: str
    """`Standing.key`"""
    second: str
    n_star: float | None
    """In labels; None where the curves do not cross within the range that they are known for."""
    low: float | None
    """95 % bootstrap interval of n*; None at an end that lies outside the range."""
    high: float | None
    break_even_sure: float | None
    """The variance-aware break-even: from so many labels on a single draw of labels and seed favours the second with 80 % probability."""
    sentence: str
    told: bool = False
    """Whether the verdict's own sentence speaks of this one."""


@dataclass(frozen=True)
class VarianceSplit:
    """Where the uncertainty of a quality comes from: variances of the estimate, in the metric's units squared."""

    rows: float
    """Of drawing other certify rows."""
    seeds: float
    """Of another label draw and training run, for the mean of the seeds that ran; at all labels, of the training run alone."""
    one_seed: float
    """Of a single solver: what another label draw or training run would change in the one that is deployed."""
    what: str
    """What the seeds vary here: "label draw and training", "training", "demonstrations and their order"."""
    sentence: str


@dataclass(frozen=True)
class Bin:
    """One bin of a reliability diagram."""

    confidence: float
    accuracy: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True)
class Reliability:
    """Whether an approach's probabilities mean what they say, on certify rows."""

    rows: int
    ece: Estimate
    """Expected calibration error of the top answer: bias-corrected, adaptive (equal-mass) bins."""
    brier: float
    """Mean squared error of the confidence as a forecast of being right."""
    bins: tuple[Bin, ...]
    method: str
    """The map fitted on calibrate rows ("temperature", "Platt", "isotonic"), "none" where there are too few."""
    ece_after: Estimate | None
    """The same error on the same certify rows after the map."""
    coverage: tuple[tuple[float, float], ...]
    """Risk–coverage: (share answered, share wrong among them), the most confident first."""
    sentence: str


@dataclass(frozen=True)
class Cascade:
    """One cascade that was tried: small first, large when unsure."""

    key: str
    """`Standing.key` of its line in the leaderboard; "" where it was infeasible."""
    stages: tuple[str, ...]
    """`Standing.key` of each stage, first to last."""
    thresholds: tuple[float, ...]
    """Confidence below which a stage hands on, one fewer than stages."""
    deferred: float
    """Share of certify rows that the first stage hands on."""
    certified: bool
    risk: str
    """The risk in words, with its number and confidence, or why no threshold could keep it."""
    recommended: bool
    reason: str


@dataclass(frozen=True)
class KeyStep:
    """One of the survey's ten questions, as answered here."""

    number: int
    question: str
    answer: str
    """"yes", "no", "not measured"."""
    evidence: str
    """One sentence: what was measured, with numbers, or what would have to be known."""
    leads_to: str
    """"LLM", "fine-tuned", "undecided" where the path ends here, "" where it goes on, "not reached" past the end."""


@dataclass(frozen=True)
class KeyPath:
    """The survey's key (its Figure 2) walked on this task."""

    steps: tuple[KeyStep, ...]
    advice: str
    """"LLM", "fine-tuned" or "undecided"."""
    sentence: str
    agrees: bool | None = None
    """Whether the verdict's route is the one that the key advises; None where there is no verdict, or the key is undecided."""


@dataclass(frozen=True)
class Difference:
    """A certify row on which the leading approaches do not agree."""

    row: str
    """Its id."""
    inputs: Mapping[str, str]
    """Its text, cut."""
    target: str
    """As short text, whatever its form."""
    answers: Mapping[str, str]
    """`Standing.key` → answer, likewise."""
    scores: Mapping[str, float] | None = None
    """`Standing.key` → what the answer scores by itself, 1 where it is right; empty where it is neither right nor wrong (a number); None where
    it is right if it reads as the target does."""


@dataclass(frozen=True)
class Standing:
    """How one approach stands at the end: one line of the leaderboard."""

    name: str
    params: Mapping[str, Any]
    title: str
    family: str
    status: str
    """"recommended", "within tolerance", "best estimate", "worse", "cannot tell", "eliminated", "struck out", "unsuited", "failed", "not measured"."""
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
    """Every metric of the kind there, those that cannot decide among them."""
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
    measured_on: str = "certify"
    """The role of the rows behind its figures: "select" for an approach that was eliminated before it saw a certify row."""
    forecast: Forecast | None = None
    variance: VarianceSplit | None = None
    reliability: Reliability | None = None
    on_front: bool = False
    """Whether no feasible approach is both cheaper and better by its estimate: the cost–quality front."""


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
    """The recommended solver's most frequent mistakes on certify rows: {"target", "given", "count"}; none where answers are not labels."""
    caveat: str = ""
    """A clause: what no number of rows would settle (approaches that the budget stopped short, a trivial baseline not beaten); "" if nothing."""
    handed_over: Mapping[str, Any] = field(default_factory=dict)
    """The solver in `winner_folder`: n_labels, seed, and its own certify quality as an estimate."""
    crossings: tuple[Crossing, ...] = ()
    cascades: tuple[Cascade, ...] = ()
    events: tuple[Event, ...] = ()
    """The allocation log, in order."""
    key_path: KeyPath | None = None
    differences: tuple[Difference, ...] = ()
    level: float = 0.95
    """Of the joint bounds: .96 where one of the 5 % of error was spent on elimination by select rows, else .95."""
