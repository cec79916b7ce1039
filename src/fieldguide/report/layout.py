"""Where names stand in a chart so that they do not cover each other. Pixels throughout, y downwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LINE = 16.0
"""Height of a line of text."""
CROWDED = 100.0
"""Square pixels of overlap (and what distance costs beside it) from which a name that is not wanted is left out."""
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


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


def pixel(q: float, span: tuple[float, float], height: int) -> float:
    """Where a value stands on a y axis of that height."""
    return (span[1] - q) / (span[1] - span[0]) * height


def unpixel(p: float, span: tuple[float, float], height: int) -> float:
    """The value that stands there."""
    return span[1] - p / height * (span[1] - span[0])


@dataclass(frozen=True)
class Spot:
    """Where a name is anchored, and on which side of its point it stands."""

    x: float
    y: float
    side: str


def place(
    points: Sequence[tuple[float, float]], lengths: Sequence[float], width: float, height: float,
    avoid: Sequence[Box] = (), wanted: Sequence[bool] = (),
) -> list[Spot | None]:  # fmt: skip
    """For each point a spot for a name of that length: right of it, else left, else a little above or below; clear of the boxes to avoid.

    Greedy, those `wanted` (all, if nothing is said) before the others, otherwise in the order given. Where none is free, a
    wanted name takes the spot with the least overlap, and any other name is left out: None.
    """
    taken = [*avoid, *((x - 8, y - 8, x + 8, y + 8) for x, y in points)]
    spots: list[Spot | None] = [None] * len(points)
    needed = list(wanted) or [True] * len(points)
    for i in sorted(range(len(points)), key=lambda i: not needed[i]):
        (x, y), length = points[i], lengths[i]
        tries: list[tuple[float, int, Spot, Box]] = []
        for rise in (0, -14, 14, -26, 26, -40, 40, -54, 54):
            for side in ("right", "left"):
                anchor = x + 14 if side == "right" else x - 14
                start = anchor if side == "right" else anchor - length
                box = (start, y + rise - LINE / 2, start + length, y + rise + LINE / 2)
                outside = max(0.0, -box[0]) + max(0.0, box[2] - width - 60) + max(0.0, -box[1] - 14) + max(0.0, box[3] - height)
                cost = sum(_overlap(box, other) for other in taken) + outside * 50 + abs(rise) * 0.5 + (3 if side == "left" else 0)
                tries.append((cost, len(tries), Spot(anchor, y + rise, side), box))
        cost, _, spot, box = min(tries, key=lambda t: t[:2])
        if needed[i] or cost < CROWDED:
            taken.append(box)
            spots[i] = spot
    return spots


def _overlap(a: Box, b: Box) -> float:
    """Shared area of two boxes."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
