"""One trial: an approach at one label count and seed, on fixed rows. The plan of it, and the record it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fieldguide.approaches.approach import Approach
from fieldguide.records import Usage, fingerprint

LATENCY_ROWS = 20
"""Single rows timed for each trial, fewer where they are slow."""
CODE_SCHEMA = 1
"""Raised when a change of ours makes old journal entries wrong; part of every trial's key."""


@dataclass(frozen=True)
class Trial:
    """What will be run. `key` is everything that decides the answers: task, approach, models, labels, seed, code schema."""

    approach: Approach
    n_labels: int
    seed: int
    train_ids: tuple[str, ...]
    select_ids: tuple[str, ...]
    certify_ids: tuple[str, ...]
    task_fingerprint: str
    identities: Mapping[str, str] = field(default_factory=dict)
    calls: int = 0
    """Model calls that it will make at most: what a budget in calls is charged."""
    calibrate_ids: tuple[str, ...] = ()
    """Asked of the trials that an approach may stand on; the others have no use for them."""

    @property
    def row_ids(self) -> tuple[str, ...]:
        """Every row that it answers, those that steer choices first."""
        return (*self.select_ids, *self.calibrate_ids, *self.certify_ids)

    @cached_property
    def key(self) -> str:
        return fingerprint(self.task_fingerprint, self.approach.to_json(), self.identities, self.n_labels, self.train_ids, self.seed, CODE_SCHEMA)

    @property
    def work(self) -> int:
        """A size to scale seconds by: calls, or rows read where no model is called."""
        return max(self.calls, self.n_labels + len(self.row_ids))

    @property
    def label(self) -> str:
        return f"{self.approach.name} · {self.n_labels} labels · seed {self.seed}"


@dataclass(frozen=True)
class TrialRecord:
    """What a trial left behind. A trial that failed or was not run is a record too, with its reason."""

    key: str
    approach: Mapping[str, Any]
    """`Approach.to_json`: name and parameters."""
    title: str
    family: str
    n_labels: int
    seed: int
    status: str
    """"done", or for the reason in `error`: "failed", "skipped" (no budget left), "eliminated" (given up on its select rows),
    "spared" (no longer needed), "unsuited"."""
    error: str = ""
    models: tuple[str, ...] = ()
    local: bool = True
    """Whether every model it uses runs on this machine."""
    fit_s: float = 0.0
    predict_s: float = 0.0
    fit_usage: Usage = Usage()
    predict_usage: Usage = Usage()
    latency_usage: Usage = Usage()
    """What timing single rows asked of models, besides `predict_usage`."""
    latencies_s: tuple[float, ...] = ()
    """Wall-clock seconds of single-row predictions, caches of earlier answers off."""
    trainable_parameters: int = 0
    rows: int = 0
    """Rows that it was to answer, where it is done."""
