"""What of a verdict is shown first: the crossing that matters, the cascade to mention, the approaches that are drawn."""

from __future__ import annotations

from fieldguide.report import words
from fieldguide.verdict.verdict import Cascade, Crossing, Standing, Verdict


def crossings(verdict: Verdict) -> list[Crossing]:
    """The leading pair's crossings, ascending: the pair that the verdict's sentence speaks of, else the first that holds the recommended
    approach, else the first that crosses at all."""
    real = [c for c in verdict.crossings if words.known(c.n_star) and (c.n_star or 0) > 0]
    own = next((c for c in real if verdict.recommended in (c.first, c.second)), real[0] if real else None)
    lead = next((c for c in real if c.told), own)
    same = [c for c in real if lead and {c.first, c.second} == {lead.first, lead.second}]
    return sorted(same, key=lambda c: c.n_star or 0)


def cascade(verdict: Verdict) -> Cascade | None:
    """The recommended one, else the first that was tried."""
    return next((c for c in verdict.cascades if c.recommended), verdict.cascades[0] if verdict.cascades else None)


def strong(verdict: Verdict) -> set[str]:
    """Keys that a chart brings forward: the recommended approach, and the leading pair that crosses or else the best estimate."""
    pair: list[str | None] = [key for c in crossings(verdict) for key in (c.first, c.second)]
    return {key for key in (verdict.recommended, *(pair or [verdict.best])) if key}


def drawn(verdict: Verdict, most: int) -> list[Standing]:
    """At most `most` measured approaches, in the verdict's order: those brought forward, then those on the front, then the best.

    Figures from select rows are drawn only for an approach of the leading pair; whoever draws them marks them.
    """
    first = strong(verdict)
    able = [s for s in verdict.standings if s.quality and words.known(s.quality.value) and (s.measured_on == "certify" or words.ident(s) in first)]
    ranked = sorted(range(len(able)), key=lambda i: (words.ident(able[i]) not in first, not able[i].on_front, i))
    return [able[i] for i in sorted(ranked[:most])]
