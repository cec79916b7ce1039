"""How a chart is dressed: themes, one colour and one mark for each approach, text with a halo, the y axis.

The colours follow Okabe and Ito's palette, darkened where white paper needs it; marks differ too, so that colour alone says nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from fieldguide.report import words
from fieldguide.verdict.verdict import Estimate, Standing, Verdict

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', Arial, sans-serif"
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right", "triangle-left")
MOST = 12
"""Approaches drawn at most; the table has all."""


@dataclass(frozen=True)
class Theme:
    """Colours of one theme; none stands twice in it, so that a drawing can be recoloured."""

    ink: str
    quiet: str
    grid: str
    paper: str
    palette: tuple[str, ...]


THEMES: dict[str, Theme] = {
    "light": Theme("#1c2024", "#5a6169", "#e4e3de", "#ffffff", ("#0069a8", "#c24a00", "#00795a", "#a3437c", "#8a6100", "#2b83ba", "#5b5b5b", "#6a4fb3")),
    "dark": Theme("#eceae4", "#a9aeb4", "#363b41", "#1d2125", ("#5db4f0", "#f08a4b", "#3fc79a", "#e391c0", "#e6b23c", "#9ad3f5", "#b9b9b9", "#b39df0")),
}


@dataclass(frozen=True)
class Series:
    """One approach as it is drawn."""

    key: str
    name: str
    colour: str
    shape: str
    chosen: bool
    standing: Standing


def series_of(verdict: Verdict, theme: Theme) -> list[Series]:
    names = words.names(verdict)
    shown = [s for s in verdict.standings if s.quality and words.known(s.quality.value)][:MOST]
    found = []
    for i, s in enumerate(shown):
        chosen = words.ident(s) == verdict.recommended
        name = words.clip(names[words.ident(s)], 26 if chosen else 30) + (" ★" if chosen else "")
        found.append(Series(f"s{i:02d}", name, theme.palette[i % len(theme.palette)], SHAPES[(i + i // len(SHAPES)) % len(SHAPES)], chosen, s))
    return found


def bounds(e: Estimate) -> tuple[float, float]:
    return (e.low if words.known(e.low) else e.value, e.high if words.known(e.high) else e.value)


def span_of(estimates: list[Estimate]) -> tuple[float, float]:
    """The y axis: all intervals, out to the next tenth of the range's power of ten."""
    low, high = min((bounds(e)[0] for e in estimates), default=0.0), max((bounds(e)[1] for e in estimates), default=1.0)
    step = 10 ** math.floor(math.log10(max(high - low, 0.02)))
    step = step / 2 if (high - low) / step < 3 else step
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return low, high if high > low else low + step


def encodings(series: list[Series], wide: bool) -> tuple[Any, Any]:
    """Colour and shape by series; the legend names them where the chart is narrow."""
    import altair as alt

    keys = [s.key for s in series]
    legend: Any = None
    if not wide:
        label = "".join(f"datum.value == '{s.key}' ? {_quoted(s.name)} : " for s in series) + "''"
        legend = alt.Legend(orient="bottom", columns=1, title=None, labelExpr=label, labelLimit=300, symbolSize=70, rowPadding=4, symbolOpacity=1)
    colour = alt.Color("s:N", scale=alt.Scale(domain=keys, range=[s.colour for s in series]), legend=legend)
    shape = alt.Shape("s:N", scale=alt.Scale(domain=keys, range=[s.shape for s in series]), legend=legend)
    return colour, shape


def _quoted(text: str) -> str:
    """A string literal of Vega's expression language; anything but letters, digits and spaces goes in as \\uXXXX."""
    units = text.encode("utf-16-be")
    pairs = [units[i] << 8 | units[i + 1] for i in range(0, len(units), 2)]
    return "'" + "".join(chr(u) if u < 128 and (chr(u).isalnum() or u == 32) else f"\\u{u:04x}" for u in pairs) + "'"


def values(rows: list[dict[str, Any]]) -> Any:
    import altair as alt

    return alt.Data(values=rows)


def dress(chart: Any, theme: Theme, width: int, height: int) -> Any:
    return (
        chart.properties(width=width, height=height, background="transparent", padding={"left": 4, "top": 10, "right": 24, "bottom": 4})
        .configure(font=FONT, aria=False)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=theme.quiet, titleColor=theme.quiet, labelFontSize=12, titleFontSize=12, titleFontWeight="normal", gridColor=theme.grid,
            domainColor=theme.grid, tickColor=theme.grid, labelPadding=6, titlePadding=10,
        )
        .configure_legend(labelColor=theme.ink, labelFontSize=12, symbolStrokeWidth=2)
    )  # fmt: skip


def text(rows: list[dict[str, Any]], x: Any, y: Any, theme: Theme, **mark: Any) -> Any:
    """Names, the chosen one bold, each with a halo of the paper's colour so that lines do not cross it."""
    import altair as alt

    layers = []
    for bold in (False, True):
        base = alt.Chart(values([r for r in rows if r["bold"] == bold])).encode(x=x, y=y, text="t:N")
        weight: Any = "bold" if bold else "normal"
        layers.append(base.mark_text(stroke=theme.paper, strokeWidth=3, strokeOpacity=0.85, strokeJoin="round", fontSize=12, fontWeight=weight, baseline="middle", **mark))
        layers.append(base.mark_text(color=theme.ink, fontSize=12, fontWeight=weight, baseline="middle", **mark))
    return alt.layer(*layers)


def y_axis(field: str, span: tuple[float, float], title: str) -> Any:
    import altair as alt

    return alt.Y(field, scale=alt.Scale(domain=span, nice=False, zero=False), axis=alt.Axis(title=title, tickCount=6, domain=False, ticks=False, titleAngle=0, titleAlign="left", titleAnchor="end", titleX=-34, titleY=-16))
