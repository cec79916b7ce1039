"""What a study hands over to be judged: the question, who knew what, and every answer. Nothing here is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fieldguide.study.trial import TrialRecord


@dataclass(frozen=True)
class Evidence:
    """A finished study, in memory. Texts of rows are not part of it."""

    task: Mapping[str, Any]
    """`TaskSpec.to_json`, with "fingerprint" and "source" beside its fields."""
    metric: str
    """The name in `tasks.metrics` that decides."""
    rows: Mapping[str, int]
    """Rows by role ("train", "select", "calibrate", "certify")."""
    targets: Mapping[str, Any]
    """Certify rows: id → target."""
    select_targets: Mapping[str, Any]
    """Select rows: id → target."""
    records: tuple[TrialRecord, ...]
    """Every trial that was planned, whatever became of it."""
    answers: Mapping[str, Mapping[str, Any]]
    """Trial key → row id → value or `Unparsed`, for certify and select rows."""
    ladder: tuple[int, ...] = ()
    """Label counts that were planned, ascending; the last is every label there is."""
    budget: str = ""
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
