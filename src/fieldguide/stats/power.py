"""How many rows a question needs, and what the rows at hand can show."""

from __future__ import annotations

from math import ceil, sqrt

from fieldguide.stats.intervals import quantile


def pairs_to_separate(difference: float, discordance: float, *, level: float = 0.95, power: float = 0.8) -> int:
    """Rows needed to tell two approaches apart that differ by `difference` in accuracy and on a share `discordance` of rows.

    Connor 1987 (Biometrics 43:207–211) for McNemar's test, two-sided at 1 − level. At discordance 0.15 and 80 % power:
    2,941, 1,306 and 469 rows for 2, 3 and 5 points. Raises `ValueError` unless 0 < |difference| ≤ discordance ≤ 1.
    """
    gap = abs(difference)
    if not 0 < gap <= discordance <= 1:
        raise ValueError(f"A difference of {difference} cannot come from a discordance of {discordance}: 0 < difference ≤ discordance ≤ 1.")
    z, w = quantile((1 + level) / 2), quantile(power)
    return ceil((z * sqrt(discordance) + w * sqrt(discordance - gap * gap)) ** 2 / (gap * gap))


def more_pairs(rows: int, difference: float, discordance: float, *, level: float = 0.95, power: float = 0.8) -> int | None:
    """How many rows beyond the `rows` at hand would separate two approaches that differ as these do: "about 1,300 more labelled rows".

    `pairs_to_separate` less what is there, 0 if that is enough; None where they do not differ at all. `discordance` is the mean
    square of the row differences: for one seed of right or wrong, the share of rows that differ.
    """
    gap = abs(difference)
    if gap < 1e-9:
        return None
    return max(0, pairs_to_separate(gap, min(1.0, max(discordance, gap)), level=level, power=power) - rows)


def smallest_difference(rows: int, discordance: float, *, level: float = 0.95, power: float = 0.8) -> float | None:
    """The smallest difference in accuracy that `rows` can show at this discordance: Connor's formula turned round, by bisection.

    None where even the largest possible difference, the discordance itself, needs more rows.
    """
    if pairs_to_separate(discordance, discordance, level=level, power=power) > rows:
        return None
    low, high = 0.0, discordance
    for _ in range(40):
        middle = (low + high) / 2
        if middle > 0 and pairs_to_separate(middle, discordance, level=level, power=power) <= rows:
            high = middle
        else:
            low = middle
    return high


def rows_to_bound(loss: float, variance: float, tolerance: float, *, level: float = 0.95, power: float = 0.8) -> int | None:
    """Rows at which a one-sided upper bound for a mean of `loss` falls within `tolerance` with probability `power`.

    From loss + (z_level + z_power) √(variance / rows) ≤ tolerance, the usual sample size of a non-inferiority question
    (Julious 2004, Statistics in Medicine 23:1921–1986, section 4). `variance` is one row's. None if the loss itself is not
    within the tolerance, which no number of rows would change.
    """
    room = tolerance - loss
    if room <= 1e-9:
        return None
    return max(1, ceil((quantile(level) + quantile(power)) ** 2 * max(variance, 0.0) / (room * room)))
