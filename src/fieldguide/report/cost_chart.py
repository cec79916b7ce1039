"""Quality by cost: each approach at its largest label count, the front as a step line, the recommended one ringed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

from fieldguide.report import words
from fieldguide.report.dress import Series, Theme, bounds, dress, encodings, series_of, span_of, text, values, y_axis
from fieldguide.report.layout import Spot, pixel, place, unpixel
from fieldguide.verdict.verdict import Verdict

Row = dict[str, Any]


def _cost_rows(series: list[Series]) -> tuple[list[Row], int, int, bool]:
    """Rows to draw; the decades the x axis spans; whether its first stands for "free"."""
    costs = {s.key: s.standing.cost_per_1k_usd for s in series}
    logs = {k: math.log10(v) for k, v in costs.items() if v is not None and v > 0 and words.known(v)}
    low = math.floor(min(logs.values(), default=-4.0) + 1e-9)
    high = max(math.ceil(max(logs.values(), default=-3.0) - 1e-9), low + 1)
    free = any(v == 0 for v in costs.values())
    rows = []
    for s in series:
        if s.standing.quality is not None and (s.key in logs or costs[s.key] == 0):
            bottom, top = bounds(s.standing.quality)
            row = {"s": s.key, "t": s.name, "x": logs.get(s.key, low - 1), "q": s.standing.quality.value, "low": bottom, "high": top}
            rows.append({**row, "bold": s.chosen, "strong": s.strong, "front": s.standing.on_front})
    return rows, low - 1 if free else low, high, free


def cost_quality(verdict: Verdict, theme: Theme, wide: bool) -> Any:
    """The chart; figures from select rows are left out."""
    import altair as alt

    series = [s for s in series_of(verdict, theme) if s.standing.cost_per_1k_usd is not None and not s.hollow]
    width, height = (820, 380) if wide else (300, 300)
    rows, low, high, free = _cost_rows(series)
    span = span_of([s.standing.quality for s in series if s.standing.quality])
    colour, shape = encodings(series, wide)
    left, right = low - 0.25, high + 0.25
    x = alt.X("x:Q", scale=alt.Scale(domain=[left, right], nice=False), axis=_axis(low, high, free, wide))
    title = words.clip(words.metric_title(verdict.task.get("metric") or "quality"), 30)
    y = y_axis("q:Q", span, title)
    layers = [*_front(rows, right, theme, x, y)]
    for front in (False, True):
        fade = 1.0 if front or not any(r["front"] for r in rows) else 0.6
        base = alt.Chart(values([r for r in rows if r["front"] == front])).encode(x=x, color=colour)
        layers.append(base.mark_rule(strokeWidth=1.75, opacity=0.6 * fade).encode(y=y_axis("low:Q", span, title), y2="high:Q"))
        layers.append(base.mark_point(filled=True, size=95, opacity=fade, stroke=theme.paper, strokeWidth=1).encode(y=y, shape=shape))
    ring = alt.Chart(values([r for r in rows if r["bold"]]))
    layers.append(ring.mark_point(filled=False, shape="circle", size=330, strokeWidth=2, color=theme.ink, opacity=1).encode(x=x, y=y))
    if wide and rows:
        def at(r: Row) -> tuple[float, float]:
            return (r["x"] - left) / (right - left) * width, pixel(r["q"], span, height)

        ends = [at(step) for step in _steps(rows, right)]
        avoid = [(x0, y0 - 3, x1, y0 + 3) for (x0, y0), (x1, _) in itertools.pairwise(ends)]
        named = [r["bold"] or r["front"] or r["strong"] for r in rows]
        found = zip(rows, place([at(r) for r in rows], [7.0 * len(r["t"]) + 6 for r in rows], width, height, avoid, named), strict=True)
        spots = [(r, spot) for r, spot in found if spot]
        layers.insert(0, _leaders(spots, (left, right, width), lambda y: unpixel(y, span, height), theme, x, y))
        for side in ("left", "right"):
            tags = [{**r, "x": left + spot.x / width * (right - left), "q": unpixel(spot.y, span, height)} for r, spot in spots if spot.side == side]
            layers.append(text(tags, x, y, theme, align="left" if side == "right" else "right"))
    return dress(alt.layer(*layers), theme, width, height)


def _leaders(spots: list[tuple[Row, Spot]], across: tuple[float, float, int], value: Callable[[float], float], theme: Theme, x: Any, y: Any) -> Any:
    """A hair line from each point whose name had to move away to that name."""
    import altair as alt

    left, right, width = across
    moved = [(r, spot) for r, spot in spots if abs(value(spot.y) - r["q"]) > 20 * abs(value(0) - value(1))]
    ends = []
    for r, spot in moved:
        ends += [{"s": r["s"], "x": r["x"], "q": r["q"]}, {"s": r["s"], "x": left + spot.x / width * (right - left), "q": value(spot.y)}]
    return alt.Chart(values(ends)).mark_line(color=theme.quiet, strokeWidth=0.75, opacity=0.7).encode(x=x, y=y, detail="s:N")


def _axis(low: int, high: int, free: bool, wide: bool) -> Any:
    import altair as alt

    ticks = list(range(low, high + 1)) if wide else [low, *range(high, low + (1 if free else 0), -2)][: high - low + 1]
    expression = "".join(f"datum.value == {t} ? '{'$0' if free and t == low else '$' + _decade(t)}' : " for t in ticks) + "''"
    return alt.Axis(title="cost per 1,000 answers (log scale)", values=ticks, labelExpr=expression, labelOverlap="greedy")


def _steps(rows: list[Row], right: float) -> list[Row]:
    """The corners of the front, from its cheapest point to the chart's edge."""
    steps = [{"x": r["x"], "q": r["q"]} for r in sorted(rows, key=lambda r: (r["x"], r["q"])) if r["front"]]
    return [*steps, {"x": right, "q": steps[-1]["q"]}] if steps else []


def _front(rows: list[Row], right: float, theme: Theme, x: Any, y: Any) -> list[Any]:
    """The best quality that each cost buys, as a step line."""
    import altair as alt

    steps = _steps(rows, right)
    line = alt.Chart(values(steps)).mark_line(interpolate="step-after", color=theme.quiet, strokeWidth=1.5, opacity=0.75)
    return [line.encode(x=x, y=y)] if steps else []


def _decade(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:.{-power}f}"
