"""The picture of the engine's growth: seconds against rows and against shots, both axes logarithmic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fieldguide.report.dress import FONT, SHAPES, THEMES, Theme, text, values
from fieldguide.report.svg import finish, recolour, to_svg

TITLE = "Seconds of scoring trec6 by number of rows and by number of demonstrations"
WIDTH, HEIGHT = 360, 270
WIDER = 1.18
"""Room on the y axis above and below what was measured."""


def described(grown: Mapping[str, Any]) -> str:
    """What a person who cannot see the picture hears."""
    rows, shots = grown["rows"], grown["shots"]
    return (
        f"From {rows[0]['rows']} to {rows[-1]['rows']} rows, seconds with the demonstrations kept go from {rows[0]['seconds_kept']:.2g} to {rows[-1]['seconds_kept']:.2g} "
        f"(exponent {grown['rows_exponent']['value']:.2f}); from {shots[0]['shots']} to {shots[-1]['shots']} demonstrations, seconds for {grown['shots_rows']} rows go "
        f"from {shots[0]['seconds']:.2g} to {shots[-1]['seconds']:.2g} (exponent {grown['shots_exponent']['value']:.2f})."
    )


def draw(grown: Mapping[str, Any]) -> dict[str, str]:
    """Theme → SVG file, on a transparent background."""
    import altair as alt
    from altair.utils.schemapi import debug_mode

    light = THEMES["light"]
    kept = [(p["rows"], p["seconds_kept"]) for p in grown["rows"]]
    whole = [(p["rows"], p["seconds"]) for p in grown["rows"]]
    shots = [(p["shots"], p["seconds"]) for p in grown["shots"]]
    left = panel({"from scratch": whole, f"demonstrations kept (exponent {grown['rows_exponent']['value']:.2f})": kept}, f"rows, {grown['rows_shots']} shots (log scale)", light)
    right = panel({f"from scratch (exponent {grown['shots_exponent']['value']:.2f})": shots}, f"shots, {grown['shots_rows']} rows (log scale; 0 stands apart)", light)
    chart = alt.hconcat(left, right, spacing=56).properties(background="transparent", padding={"left": 4, "top": 22, "right": 24, "bottom": 4})
    with debug_mode(False):
        root = to_svg(dressed(chart, light))
    found = {}
    for name, theme in THEMES.items():
        colours = {**dict(zip(light.palette, theme.palette, strict=True)), light.ink: theme.ink, light.quiet: theme.quiet, light.grid: theme.grid, light.paper: theme.paper}
        found[name] = finish(recolour(root, colours), name=f"engine-scaling-{name}", title=TITLE, description=described(grown), standalone=True)
    return found


def panel(lines: Mapping[str, Sequence[tuple[int, float]]], title: str, theme: Theme) -> Any:
    """One pair of axes: name → (count, seconds) of each line, the first named above, the second below."""
    import altair as alt

    counts = sorted({count for points in lines.values() for count, _ in points})
    none = math.log2(next(c for c in counts if c > 0)) - 1.0
    at = {count: math.log2(count) if count else none for count in counts}
    names = "".join(f"abs(datum.value - {place:.6f}) < 0.01 ? '{count}' : " for count, place in at.items()) + "''"
    x = alt.X(
        "x:Q", scale=alt.Scale(domain=[at[counts[0]] - 0.3, at[counts[-1]] + 0.3], nice=False),
        axis=alt.Axis(title=title, values=list(at.values()), labelExpr=names, grid=False, labelOverlap="greedy"),
    )  # fmt: skip
    spent = [seconds for points in lines.values() for _, seconds in points]
    low, high = min(spent) / WIDER, max(spent) * WIDER**2
    y = alt.Y(
        "y:Q", scale=alt.Scale(type="log", domain=[low, high], nice=False),
        axis=alt.Axis(title="seconds", values=ticks(low, high), format="~g", domain=False, ticks=False, titleAngle=0, titleAlign="left", titleAnchor="end", titleX=-30, titleY=-12),
    )  # fmt: skip
    layers = []
    for i, (name, points) in enumerate(lines.items()):
        rows = [{"x": at[count], "y": seconds, "n": count} for count, seconds in points]
        base = alt.Chart(values(rows)).encode(x=x, y=y)
        layers.append(alt.Chart(values([r for r in rows if r["n"]])).mark_line(strokeWidth=2, color=theme.palette[i]).encode(x=x, y=y))
        layers.append(base.mark_point(filled=True, size=58, opacity=1, stroke=theme.paper, strokeWidth=1, color=theme.palette[i], shape=SHAPES[i]))
        place: dict[str, Any] = {"align": "right", "dx": -14, "dy": -12} if i == 0 else {"align": "left", "dx": 8, "dy": 18}
        layers.append(text([{**rows[-2 if i == 0 else 1], "t": name, "bold": False}], x, y, theme, **place))
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)


def ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10 … between two bounds."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**power for power in powers for step in (1, 2, 5) if low <= step * 10.0**power <= high]


def dressed(chart: Any, theme: Theme) -> Any:
    return (
        chart.configure(font=FONT, aria=False)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=theme.quiet, titleColor=theme.quiet, labelFontSize=12, titleFontSize=12, titleFontWeight="normal", gridColor=theme.grid,
            domainColor=theme.grid, tickColor=theme.grid, labelPadding=6, titlePadding=10,
        )
    )  # fmt: skip
