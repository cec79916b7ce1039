"""The learning curves: quality by label count, measured and forecast, with n* and its interval.

Where a fitted curve can be trusted it is the line, solid among the measured counts and dashed beyond; elsewhere the line joins the points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from fieldguide.report import picks, words
from fieldguide.report.dress import Series, Theme, bounds, dress, encodings, series_of, span_of, text, values, y_axis
from fieldguide.report.layout import pixel, spread, unpixel
from fieldguide.verdict.verdict import CurvePoint, Estimate, Verdict

Row = dict[str, Any]


@dataclass(frozen=True)
class Frame:
    """Where things lie on the x axis, log2 of the label count: "no labels", the first count, the last measured one, both edges."""

    none: float
    first: float
    last: float
    left: float
    edge: float
    free: bool
    counts: tuple[int, ...]


def _frame(series: list[Series]) -> Frame:
    counts = sorted({p.n_labels for s in series for p in s.standing.curve if p.n_labels > 0})
    first, last = (math.log2(counts[0]), math.log2(counts[-1])) if counts else (1.0, 2.0)
    ends = [math.log2(end) for s in series for end in _line_counts(s)]
    none = first - max(1.0, (last - first) / 5)
    free = any(p.n_labels == 0 for s in series for p in s.standing.curve)
    far = max([last, *ends])
    more = [round(2**far)] if far > last + 0.05 else []
    return Frame(none, first, last, (none if free else first) - 0.35, far + 0.35, free, (*counts, *more))


def _line_counts(s: Series) -> list[float]:
    return [n for n, *_ in s.standing.forecast.line if n > 0] if s.standing.forecast else []


def _points(series: list[Series], frame: Frame, wide: bool) -> list[Row]:
    """The measured points, each approach's a little beside the next one's."""
    nudge = (frame.last - frame.none) * (0.005 if wide else 0.009)
    rows = []
    for i, s in enumerate(series):
        for p in (p for p in s.standing.curve if words.known(p.quality.value)):
            at = (math.log2(p.n_labels) if p.n_labels > 0 else frame.none) + (i - (len(series) - 1) / 2) * nudge
            rows.append({"s": s.key, "x": at, "n": p.n_labels, "q": p.quality.value, **_ends(p), "strong": s.strong, "hollow": s.hollow})
    return rows


def _ends(p: CurvePoint) -> Row:
    low, high = bounds(p.quality)
    return {"low": low, "high": high}


def _lines(series: list[Series], points: list[Row]) -> list[Row]:
    """What the lines go through; `beyond` is the part past the approach's last measured count."""
    rows = []
    for s in series:
        fitted = [each for each in s.standing.forecast.line if each[0] > 0 and all(map(words.known, each))] if s.standing.forecast else []
        last = max((p.n_labels for p in s.standing.curve), default=0)
        turn = max((n for n, *_ in fitted if n <= last), default=last)
        for n, q, low, high in fitted:
            row = {"s": s.key, "x": math.log2(n), "q": q, "low": low, "high": high, "strong": s.strong, "chosen": s.chosen}
            rows += [{**row, "beyond": False}] if n <= turn else []
            rows += [{**row, "beyond": True}] if n >= turn else []
        if not fitted:
            rows += [{**p, "beyond": False, "chosen": s.chosen} for p in points if p["s"] == s.key and p["n"] > 0]
    return rows


def learning_curve(verdict: Verdict, theme: Theme, wide: bool) -> Any:
    """The chart; `wide` puts names beside the lines, otherwise a legend stands below."""
    import altair as alt

    series = [s for s in series_of(verdict, theme) if s.standing.curve]
    width, height = (660, 400) if wide else (300, 300)
    frame = _frame(series)
    points = _points(series, frame, wide)
    lines = _lines(series, points)
    measured = [p.quality for s in series for p in s.standing.curve if words.known(p.quality.value)]
    span = span_of([*measured, *(Estimate(r["q"], *((r["low"], r["high"]) if r["chosen"] else (r["q"], r["q"])), "") for r in lines)])
    colour, shape = encodings(series, wide)
    x, y, low = _x_axis(frame), y_axis("q:Q", span, _title(verdict), -34), y_axis("low:Q", span, _title(verdict), -34)
    layers = [*_grounds(verdict, frame, theme, wide, height, x)]
    band = alt.Chart(values([r for r in lines if r["chosen"]])).mark_area(opacity=0.14, clip=True)
    layers.append(band.encode(x=x, y=low, y2="high:Q", color=colour, detail="beyond:N"))
    for strong in (False, True):
        fade = 1.0 if strong else 0.45
        for beyond in (False, True):
            drawn = alt.Chart(values([r for r in lines if r["strong"] == strong and r["beyond"] == beyond])).encode(x=x, y=y, color=colour)
            layers.append(drawn.mark_line(strokeWidth=2.75 if strong else 1.5, opacity=fade, strokeDash=[5, 4] if beyond else [1, 0], clip=True))
        here = [r for r in points if r["strong"] == strong]
        layers.append(alt.Chart(values(here)).mark_rule(strokeWidth=1.5, opacity=0.6 * fade).encode(x=x, y=low, y2="high:Q", color=colour))
        for hollow in (False, True):
            edge: Row = {"strokeWidth": 2} if hollow else {"strokeWidth": 1, "stroke": theme.paper}
            mark: Row = {"filled": not hollow, "size": 62, "opacity": 1 if strong else 0.65, **edge}
            base = alt.Chart(values([r for r in here if r["hollow"] == hollow]))
            layers.append(base.mark_point(**mark).encode(x=x, y=y, color=colour, shape=shape))
    if points:
        layers += _names(series, points, lines, frame, span, height, theme, (x, y, colour, shape), wide)
    return dress(alt.layer(*layers), theme, width, height, top=24)


def _title(verdict: Verdict) -> str:
    return words.clip(words.metric_title(verdict.task.get("metric") or "quality"), 30)


def _x_axis(frame: Frame) -> Any:
    import altair as alt

    axis = alt.Axis(
        title="labels (log scale; 0 stands apart)" if frame.free else "labels (log scale)", grid=False, labelOverlap="greedy",
        values=[*([frame.none] if frame.free else []), *(math.log2(n) for n in frame.counts)],
        labelExpr=f"datum.value < {frame.first - 0.3} ? '0' : format(round(pow(2, datum.value)), ',')",
    )  # fmt: skip
    return alt.X("x:Q", scale=alt.Scale(domain=[frame.left, frame.edge], nice=False), axis=axis)


def _grounds(verdict: Verdict, frame: Frame, theme: Theme, wide: bool, height: int, x: Any) -> list[Any]:
    """Behind the curves: the part beyond the measured counts, and each n* as a line in its interval's band."""
    import altair as alt

    layers = []
    whole = {"y": alt.value(0), "y2": alt.value(height)}
    if len(frame.counts) and frame.edge - 0.35 > frame.last + 0.05:
        beyond = alt.Chart(values([{"x": frame.last, "to": frame.edge}]))
        layers.append(beyond.mark_rect(color=theme.grid, opacity=0.4).encode(x=x, x2="to:Q", **whole))
        layers.append(_said("forecast", frame.edge, height - 9, theme, x, align="right", dx=-6, fontStyle="italic"))
    for c in picks.crossings(verdict):
        at = math.log2(c.n_star or 1)
        if not frame.left <= at <= frame.edge:
            continue
        low = math.log2(c.low) if c.low is not None and c.low > 0 else frame.left
        high = math.log2(c.high) if c.high is not None and c.high > 0 else frame.edge
        band = [{"x": max(low, frame.left), "to": min(high, frame.edge)}]
        layers.append(alt.Chart(values(band)).mark_rect(color=theme.quiet, opacity=0.11).encode(x=x, x2="to:Q", **whole))
        layers.append(alt.Chart(values([{"x": at}])).mark_rule(color=theme.ink, strokeWidth=1.25).encode(x=x, **whole))
        layers.append(_said(f"n* ≈ {words.roughly(c.n_star)}", at, -9, theme, x, fontWeight="bold", color=theme.ink))
        layers += _sides(verdict, c.first, c.second, at, frame, theme, x) if wide and len(picks.crossings(verdict)) == 1 else []
    return layers


def _sides(verdict: Verdict, first: str, second: str, at: float, frame: Frame, theme: Theme, x: Any) -> list[Any]:
    """Which of the two is better on either side of n*, where there is room to say it."""
    names = words.names(verdict)
    share = (at - frame.left) / (frame.edge - frame.left) * 660
    below, above = (words.clip(names.get(key, key), 28) for key in (first, second))
    layers = []
    if share - 44 > 7 * (len(below) + 2):
        layers.append(_said(f"{below} ←", at, -9, theme, x, align="right", dx=-44))
    if 660 - share - 44 + 120 > 7 * (len(above) + 2):
        layers.append(_said(f"→ {above}", at, -9, theme, x, align="left", dx=44))
    return layers


def _said(what: str, at: float, height: float, theme: Theme, x: Any, **mark: Any) -> Any:
    import altair as alt

    given = {"color": theme.quiet, "fontSize": 12, "baseline": "middle", **mark}
    return alt.Chart(values([{"x": at, "t": what}])).mark_text(**given).encode(x=x, y=alt.value(height), text="t:N")


def _names(
    series: list[Series], points: list[Row], lines: list[Row], frame: Frame, span: tuple[float, float], height: int, theme: Theme,
    axes: tuple[Any, Any, Any, Any], wide: bool,
) -> list[Any]:  # fmt: skip
    """Dotted lines across for approaches without labels; where wide, names at the right edge, each tied to its line's end."""
    import altair as alt

    x, y, colour, shape = axes
    seen = {r["s"] for r in points}
    ends = [max((r for r in (*points, *lines) if r["s"] == s.key), key=lambda r: r["x"]) for s in series if s.key in seen]
    across = [{"s": e["s"], "q": e["q"], "x": v, "strong": e["strong"]} for e in ends if e.get("n") == 0 for v in (e["x"], frame.edge)]
    dotted: Row = {"strokeWidth": 1.25, "opacity": 0.7}
    layers = [alt.Chart(values([r for r in across if not r["strong"]])).mark_line(strokeDash=[2, 4], **dotted).encode(x=x, y=y, color=colour)]
    layers.append(alt.Chart(values([r for r in across if r["strong"]])).mark_line(strokeDash=[3, 3], strokeWidth=2.5).encode(x=x, y=y, color=colour))
    if wide:
        at = spread([pixel(e["q"], span, height) for e in ends], gap=18, low=6, high=height - 6)
        shown = {s.key: s for s in series}
        tags: list[Row] = []
        leads: list[Row] = []
        for e, p in zip(ends, at, strict=True):
            s, q = shown[e["s"]], unpixel(p, span, height)
            tags.append({"s": s.key, "t": s.name, "x": frame.edge, "q": q, "bold": s.chosen})
            leads.append({"s": s.key, "x": frame.edge if e.get("n") == 0 else e["x"], "q": e["q"]})
            leads.append({"s": s.key, "x": frame.edge + 0.15, "q": q})
        layers.append(alt.Chart(values(leads)).mark_line(strokeDash=[1, 3], clip=False, **dotted).encode(x=x, y=y, color=colour))
        for hollow in (False, True):
            marked = alt.Chart(values([t for t in tags if shown[t["s"]].hollow == hollow]))
            layers.append(marked.mark_point(filled=not hollow, size=58, opacity=1, xOffset=20).encode(x=x, y=y, color=colour, shape=shape))
        layers.append(text(tags, x, y, theme, align="left", dx=30))
    return layers
