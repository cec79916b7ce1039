"""Where names stand in a chart so that they do not cover each other. Pixels throughout, y downwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LINE = 16.0
"""Height of a line of text."""


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions near the wanted ones, at least `gap` apart and inside [low, high] where there is room; order kept."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    at: list[float] = []
    for i in order:
        at.append(max(wanted[i], low, at[-1] + gap if at else low))
    ceiling = high
    for j in reversed(range(len(at))):
        at[j] = min(at[j], ceiling)
        ceiling = at[j] - gap
    found = [0.0] * len(wanted)
    for i, position in zip(order, at, strict=True):
        found[i] = position
    return found


@dataclass(frozen=True)
class Spot:
    """Where a name is anchored, and on which side of its point it stands."""

    x: float
    y: float
    side: str


def place(points: Sequence[tuple[float, float]], lengths: Sequence[float], width: float, height: float) -> list[Spot]:
    """For each point a spot for a name of that length: right of it, else left, else a little above or below.

    Greedy in the order given; the spot with the least overlap wins where none is free.
    """
    taken = [(x - 8, y - 8, x + 8, y + 8) for x, y in points]
    spots: list[Spot] = []
    for (x, y), length in zip(points, lengths, strict=True):
        tries: list[tuple[float, int, Spot, tuple[float, float, float, float]]] = []
        for rise in (0, -14, 14, -26, 26, -40, 40, -54, 54):
            for side in ("right", "left"):
                anchor = x + 14 if side == "right" else x - 14
                box = (anchor, y + rise - LINE / 2, anchor + length, y + rise + LINE / 2) if side == "right" else (anchor - length, y + rise - LINE / 2, anchor, y + rise + LINE / 2)
                outside = max(0.0, -box[0]) + max(0.0, box[2] - width - 60) + max(0.0, -box[1]) + max(0.0, box[3] - height)
                cost = sum(_overlap(box, other) for other in taken) + outside * 50 + abs(rise) * 0.5 + (3 if side == "left" else 0)
                tries.append((cost, len(tries), Spot(anchor, y + rise, side), box))
        _, _, spot, box = min(tries, key=lambda t: t[:2])
        taken.append(box)
        spots.append(spot)
    return spots


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Shared area of two boxes (left, top, right, bottom)."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
