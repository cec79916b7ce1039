"""What a study did next, and why: the log of its allocation, one event a step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One step of the study: what was tried next, or given up, and why."""

    what: str
    """"tried", "eliminated", "skipped", "spared" (not needed any more), "failed"."""
    key: str
    """`Approach.key`."""
    n_labels: int
    seed: int
    reason: str
    """One whole sentence."""
    spent: float
    """Of the budget after this step, in its own unit."""
    share: float | None
    """The same as a share of the budget; None without a limit."""
