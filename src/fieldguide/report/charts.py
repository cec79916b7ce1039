"""The two charts: quality by label count, and quality by cost. Only positions, colours and words are decided here.

Every approach keeps one colour and one mark in both charts. A chart is drawn wide, with names beside the lines, or
narrow, with a legend below; each in a light and a dark theme.
"""

from __future__ import annotations

import math
from typing import Any, Literal
from xml.etree import ElementTree

from fieldguide.report import words
from fieldguide.report.dress import MOST, THEMES, Series, Theme, bounds, dress, encodings, series_of, span_of, text, values, y_axis
from fieldguide.report.layout import place, spread
from fieldguide.report.svg import finish, recolour, to_svg
from fieldguide.verdict.verdict import Verdict

CURVE_TITLE = "Learning curves: quality by number of labels, with 95 % intervals"
COST_TITLE = "Quality by cost per 1,000 answers, with 95 % intervals"
ThemeName = Literal["light", "dark"]


def _curve_points(series: list[Series], wide: bool) -> tuple[list[dict[str, Any]], float, float, float]:
    """Rows to draw, then where on the x axis (log2 of the label count) "no labels", the first count and the edge stand."""
    counts = sorted({p.n_labels for s in series for p in s.standing.curve if p.n_labels > 0})
    first = math.log2(counts[0]) if counts else 1.0
    last = math.log2(counts[-1]) if counts else 2.0
    none = first - max(1.0, (last - first) / 5)
    nudge = (last - none) * (0.007 if wide else 0.012)
    rows = []
    for i, s in enumerate(series):
        for p in s.standing.curve:
            if words.known(p.quality.value):
                low, high = bounds(p.quality)
                at = (math.log2(p.n_labels) if p.n_labels > 0 else none) + (i - (len(series) - 1) / 2) * nudge
                rows.append({"s": s.key, "x": at, "n": p.n_labels, "q": p.quality.value, "low": low, "high": high, "chosen": s.chosen})
    return rows, none, first, last


def _learning_curve(verdict: Verdict, theme: Theme, wide: bool) -> Any:
    import altair as alt

    series = [s for s in series_of(verdict, theme) if s.standing.curve]
    width, height = (660, 400) if wide else (300, 300)
    rows, none, first, last = _curve_points(series, wide)
    span = span_of([p.quality for s in series for p in s.standing.curve if words.known(p.quality.value)])
    free = any(r["n"] == 0 for r in rows)
    colour, shape = encodings(series, wide)
    left, edge = (none if free else first) - 0.35, last + 0.35
    counts = sorted({r["n"] for r in rows if r["n"] > 0})
    axis = alt.Axis(
        title="labels (log scale; 0 stands apart)" if free else "labels (log scale)", values=[*([none] if free else []), *(math.log2(n) for n in counts)], grid=False,
        labelExpr=f"datum.value < {first - 0.3} ? '0' : format(round(pow(2, datum.value)), ',')", labelOverlap="greedy",
    )  # fmt: skip
    x = alt.X("x:Q", scale=alt.Scale(domain=[left, edge], nice=False), axis=axis)
    title = words.clip(verdict.task.get("metric") or "quality", 30).replace("_", " ")
    y = y_axis("q:Q", span, title)

    base = alt.Chart(values(rows)).encode(x=x, color=colour)
    with_labels = alt.Chart(values([r for r in rows if r["n"] > 0])).encode(x=x, y=y, color=colour)
    chosen = [r for r in rows if r["chosen"] and r["n"] > 0]
    ends = [max((r for r in rows if r["s"] == s.key), key=lambda r: r["n"]) for s in series if any(r["s"] == s.key for r in rows)]
    across = [{"s": e["s"], "q": e["q"], "x": v} for e in ends if e["n"] == 0 for v in (e["x"], edge)]
    layers = [
        alt.Chart(values(chosen)).mark_area(opacity=0.14).encode(x=x, y=y_axis("low:Q", span, title), y2="high:Q", color=colour),
        alt.Chart(values(across)).mark_line(strokeDash=[2, 4], strokeWidth=1.25, opacity=0.8).encode(x=x, y=y, color=colour),
        base.mark_rule(strokeWidth=1.5, opacity=0.55).encode(y=y_axis("low:Q", span, title), y2="high:Q"),
        with_labels.transform_filter("!datum.chosen").mark_line(strokeWidth=1.75),
        with_labels.transform_filter("datum.chosen").mark_line(strokeWidth=3.25),
        base.mark_point(filled=True, size=58, opacity=1, stroke=theme.paper, strokeWidth=1).encode(y=y, shape=shape),
    ]
    if wide and rows:
        at = spread([_pixel(e["q"], span, height) for e in ends], gap=18, low=6, high=height - 6)
        names = {s.key: s.name for s in series}
        tags = [{"s": e["s"], "t": names[e["s"]], "x": edge, "q": _unpixel(p, span, height), "bold": e["chosen"]} for e, p in zip(ends, at, strict=True)]
        leads = [{"s": t["s"], "x": v, "q": q} for e, t in zip(ends, tags, strict=True) for v, q in ((edge if e["n"] == 0 else e["x"], e["q"]), (edge + 0.15, t["q"]))]
        layers.insert(2, alt.Chart(values(leads)).mark_line(strokeWidth=1.25, opacity=0.8, strokeDash=[1, 3], clip=False).encode(x=x, y=y, color=colour))
        layers.append(alt.Chart(values(tags)).mark_point(filled=True, size=58, opacity=1, xOffset=20).encode(x=x, y=y, color=colour, shape=shape))
        layers.append(text(tags, x, y, theme, align="left", dx=30))
    return dress(alt.layer(*layers), theme, width, height)


def _pixel(q: float, span: tuple[float, float], height: int) -> float:
    return (span[1] - q) / (span[1] - span[0]) * height


def _unpixel(p: float, span: tuple[float, float], height: int) -> float:
    return span[1] - p / height * (span[1] - span[0])


def _cost_rows(series: list[Series]) -> tuple[list[dict[str, Any]], int, int, bool]:
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
            rows.append({"s": s.key, "t": s.name, "x": logs.get(s.key, low - 1), "q": s.standing.quality.value, "low": bottom, "high": top, "bold": s.chosen})
    return rows, low - 1 if free else low, high, free


def _cost_quality(verdict: Verdict, theme: Theme, wide: bool) -> Any:
    import altair as alt

    series = [s for s in series_of(verdict, theme) if s.standing.cost_per_1k_usd is not None]
    width, height = (820, 380) if wide else (300, 300)
    rows, low, high, free = _cost_rows(series)
    span = span_of([s.standing.quality for s in series if s.standing.quality])
    colour, shape = encodings(series, wide)
    ticks = list(range(low, high + 1)) if wide else [low, *range(high, low + (1 if free else 0), -2)][: high - low + 1]
    expression = "".join(f"datum.value == {t} ? '{'$0' if free and t == low else '$' + _decade(t)}' : " for t in ticks) + "''"
    axis = alt.Axis(title="cost per 1,000 answers (log scale)", values=ticks, labelExpr=expression, labelOverlap="greedy")
    left, right = low - 0.25, high + 0.25
    x = alt.X("x:Q", scale=alt.Scale(domain=[left, right], nice=False), axis=axis)
    title = words.clip(verdict.task.get("metric") or "quality", 30).replace("_", " ")
    y = y_axis("q:Q", span, title)
    base = alt.Chart(values(rows)).encode(x=x, color=colour)
    layers = [
        base.mark_rule(strokeWidth=1.75, opacity=0.6).encode(y=y_axis("low:Q", span, title), y2="high:Q"),
        base.mark_point(filled=True, size=90, opacity=1, stroke=theme.paper, strokeWidth=1).encode(y=y, shape=shape),
        alt.Chart(values([r for r in rows if r["bold"]])).mark_point(filled=False, shape="circle", size=330, strokeWidth=2, color=theme.ink, opacity=1).encode(x=x, y=y),
    ]
    if wide and rows:
        points = [((r["x"] - left) / (right - left) * width, _pixel(r["q"], span, height)) for r in rows]
        spots = place(points, [7.0 * len(r["t"]) + 6 for r in rows], width, height)
        for side in ("left", "right"):
            tags = [
                {**r, "x": left + spot.x / width * (right - left), "q": _unpixel(spot.y, span, height)} for r, spot in zip(rows, spots, strict=True) if spot.side == side
            ]
            layers.append(text(tags, x, y, theme, align="left" if side == "right" else "right"))
    return dress(alt.layer(*layers), theme, width, height)


def _decade(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:.{-power}f}"


def _described(verdict: Verdict) -> tuple[str, str]:
    """What a person who cannot see the charts hears first, one sentence each."""
    best = [s for s in verdict.standings if s.quality and words.known(s.quality.value)]
    names = words.names(verdict)
    listed = "; ".join(f"{words.clip(names[words.ident(s)], 40)}: {words.estimate(s.quality)} with {words.count(s.n_labels)} labels" for s in best[:MOST])
    priced = "; ".join(f"{words.clip(names[words.ident(s)], 40)}: {words.number(s.quality.value)} at {words.usd(s.cost_per_1k_usd)}" for s in best[:MOST] if s.quality)
    return listed or "Nothing was measured.", priced or "Nothing was measured."


def _draw(chart: Any, verdict: Verdict, wide: bool) -> ElementTree.Element:
    """Drawn in the light theme. Altair's own validation is left off: our charts are fixed, and it takes longer than drawing."""
    from altair.utils.schemapi import debug_mode

    with debug_mode(False):
        return to_svg(chart(verdict, THEMES["light"], wide))


def _titled(root: ElementTree.Element, verdict: Verdict, which: str, theme: ThemeName, name: str, standalone: bool) -> str:
    title, description = (CURVE_TITLE, _described(verdict)[0]) if which == "curve" else (COST_TITLE, _described(verdict)[1])
    light, other = THEMES["light"], THEMES[theme]
    colours = {**dict(zip(light.palette, other.palette, strict=True)), light.ink: other.ink, light.quiet: other.quiet, light.grid: other.grid, light.paper: other.paper}
    return finish(recolour(root, colours), name=name, title=title, description=description, standalone=standalone)


def learning_curve_svg(verdict: Verdict, theme: ThemeName = "light", *, wide: bool = True) -> str:
    """Quality against label count as an SVG file of its own, on a transparent background."""
    return _titled(_draw(_learning_curve, verdict, wide), verdict, "curve", theme, f"curve-{theme}", True)


def cost_quality_svg(verdict: Verdict, theme: ThemeName = "light", *, wide: bool = True) -> str:
    """Quality against cost per 1,000 answers, the recommended approach ringed; otherwise the same."""
    return _titled(_draw(_cost_quality, verdict, wide), verdict, "cost", theme, f"cost-{theme}", True)


def for_page(verdict: Verdict, which: Literal["curve", "cost"]) -> dict[str, dict[str, str]]:
    """Theme → "wide" or "narrow" → SVG markup to stand in one page: ids differ, namespaces are left to HTML."""
    chart = _learning_curve if which == "curve" else _cost_quality
    drawn = {size: _draw(chart, verdict, size == "wide") for size in ("wide", "narrow")}
    themes: tuple[ThemeName, ...] = ("light", "dark")
    return {theme: {size: _titled(root, verdict, which, theme, f"{which}-{theme}-{size}", False) for size, root in drawn.items()} for theme in themes}
