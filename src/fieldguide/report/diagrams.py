"""Reliability and risk–coverage as small drawings, many to a page: each one SVG that takes its colours from the page's theme.

Written by hand since a page may hold fifty of them: a drawing library takes a tenth of a second for each. Only numbers
and our own words go into the markup.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from fieldguide.report import words
from fieldguide.verdict.verdict import Bin, Reliability

WIDTH, HEIGHT = 168, 166
LEFT, TOP, RIGHT, BOTTOM = 30, 8, 160, 126
"""The plot's edges within the drawing, in its own pixels, y downwards."""


def reliability(found: Reliability, name: str) -> Markup:
    """Accuracy against confidence by bin, each with its interval, beside the diagonal; a point's area grows with its rows."""
    bins = [b for b in found.bins if words.known(b.confidence) and words.known(b.accuracy)]
    most = max((b.rows for b in bins), default=1) or 1
    parts = [*_frame(1.0, "confidence", "share right"), f'<path class="even" d="M{LEFT} {BOTTOM}L{RIGHT} {TOP}"/>']
    for b in bins:
        x, y = _x(b.confidence), _y(b.accuracy, 1.0)
        if words.known(b.low) and words.known(b.high):
            parts.append(f'<path class="bar" d="M{x:.1f} {_y(b.low, 1.0):.1f}V{_y(b.high, 1.0):.1f}"/>')
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{2 + 2.5 * (max(b.rows, 0) / most) ** 0.5:.1f}"/>')
    return _drawing(parts, f"Reliability of {name}: {'; '.join(map(_said, bins)) or 'no bins'}.")


def _said(b: Bin) -> str:
    return f"at confidence {words.number(b.confidence, 2)}, {words.number(b.accuracy, 2)} right"


def risk_coverage(found: Reliability, name: str, most: float) -> Markup:
    """Share wrong against share answered, the most confident first; `most` is the top of the y axis."""
    points = [(c, r) for c, r in found.coverage if words.known(c) and words.known(r)]
    path = "L".join(f"{_x(c):.1f} {_y(r, most):.1f}" for c, r in points)
    parts = [*_frame(most, "share answered", "share wrong"), f'<path class="risk" d="M{path}"/>' if points else ""]
    parts += [f'<circle class="dot" cx="{_x(c):.1f}" cy="{_y(r, most):.1f}" r="3"/>' for c, r in points[-1:]]
    told = "; ".join(f"{words.share(c)} answered, {words.share(r, 1)} of them wrong" for c, r in points[:: max(1, len(points) // 4)])
    return _drawing(parts, f"Risk and coverage of {name}: {told or 'no points'}.")


def highest_risk(all_found: Iterable[Reliability]) -> float:
    """The top of a y axis that holds every risk–coverage curve: the next tenth."""
    risks = [r for found in all_found for _, r in found.coverage if words.known(r)]
    return min(1.0, max(0.1, (int(max(risks, default=0.0) * 10 - 1e-9) + 1) / 10))


def _x(value: float) -> float:
    return LEFT + min(1.0, max(0.0, value)) * (RIGHT - LEFT)


def _y(value: float, most: float) -> float:
    return BOTTOM - min(1.0, max(0.0, value / most)) * (BOTTOM - TOP)


def _frame(most: float, x_title: str, y_title: str) -> list[str]:
    """Grid lines and figures at none, half and all of either axis, and their titles."""
    parts = []
    for share in (0.0, 0.5, 1.0):
        x, y = _x(share), _y(share * most, most)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}M{x:.1f} {TOP}V{BOTTOM}"/>')
        parts.append(f'<text x="{x:.1f}" y="{BOTTOM + 16}" text-anchor="middle">{share:g}</text>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share * most:g}</text>')
    parts.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{x_title}</text>')
    parts.append(f'<text x="{LEFT + 5}" y="{TOP + 12}" class="haloed">{y_title}</text>')
    return parts


def _drawing(parts: list[str], label: str) -> Markup:
    frame = Markup('<svg class="small" role="img" viewBox="0 0 {} {}" aria-label="{}">{}</svg>')
    return frame.format(WIDTH, HEIGHT, words.line(label), Markup("".join(parts)))
