"""The cost–quality front: which approaches no other one beats on both."""

from __future__ import annotations

from collections.abc import Sequence


def front(cost: Sequence[float], quality: Sequence[float]) -> list[int]:
    """Positions on the Pareto front, cheapest first: nothing is as cheap and as good and in one of the two strictly better.

    Lower cost and higher quality are better. Equal points are all on the front or none. A NaN on either side keeps a point off it.
    """
    known = [i for i, pair in enumerate(zip(cost, quality, strict=True)) if pair[0] == pair[0] and pair[1] == pair[1]]
    found: list[int] = []
    for i in sorted(known, key=lambda i: (cost[i], -quality[i], i)):
        best = found[-1] if found else None
        if best is None or quality[i] > quality[best] or (quality[i] == quality[best] and cost[i] == cost[best]):
            found.append(i)
    return found
