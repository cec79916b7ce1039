"""What an approach costs to run where it stands, and which constraints strike it out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fieldguide.verdict.cells import Cell
from fieldguide.verdict.verdict import Constraints
from fieldguide.verdict.words import seconds, usd


@dataclass(frozen=True)
class Running:
    """Running costs of one cell."""

    p50_s: float | None
    """Of a single row; None where none was timed."""
    p95_s: float | None
    per_1k_usd: float
    """API dollars a row × 1,000, plus machine price an hour × mean seconds of a single row × 1,000 / 3,600."""


def running(cell: Cell, machine_price_usd_per_hour: float) -> Running:
    """Latencies pooled over the cell's seeds; where none were taken, the mean seconds of a row answered in a batch price it."""
    times = np.array([s for record in cell.records for s in record.latencies_s])
    billed = sum(record.predict_usage.cost_usd for record in cell.records) / cell.answered
    per_row_s = float(times.mean()) if times.size else sum(record.predict_s for record in cell.records) / cell.answered
    cost = 1000 * (billed + machine_price_usd_per_hour * per_row_s / 3600)
    if not times.size:
        return Running(None, None, cost)
    p50, p95 = np.quantile(times, [0.5, 0.95])
    return Running(float(p50), float(p95), cost)


def objections(cell: Cell, local: bool, cost: Running, limits: Constraints) -> list[str]:
    """Why the approach is struck out, a clause a broken limit; empty where it is feasible. What was not measured cannot pass."""
    found = []
    if limits.local_only and not local:
        found.append("it sends texts to another machine, and only local models are allowed")
    if limits.max_latency_p95_s is not None:
        if cost.p95_s is None:
            found.append("its latency was not measured, so the limit cannot be checked")
        elif cost.p95_s > limits.max_latency_p95_s:
            found.append(f"its p95 latency of {seconds(cost.p95_s)} is over the limit of {seconds(limits.max_latency_p95_s)}")
    if limits.max_cost_per_1k_usd is not None and cost.per_1k_usd > limits.max_cost_per_1k_usd:
        found.append(f"its cost of {usd(cost.per_1k_usd)} per 1,000 rows is over the limit of {usd(limits.max_cost_per_1k_usd)}")
    return found
