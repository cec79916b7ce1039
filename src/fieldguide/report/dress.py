"""How a chart is dressed: themes, one colour and one mark for each approach, text with a halo, the y axis.

The colours follow Okabe and Ito's palette, darkened where white paper needs it; marks differ too, so that colour alone says nothing.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from fieldguide.report import picks, words
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
    "light": Theme(
        "#1c2024", "#5a6169", "#e4e3de", "#ffffff",
        ("#0069a8", "#c24a00", "#00795a", "#a3437c", "#8a6100", "#2b83ba", "#5b5b5b", "#6a4fb3"),
    ),
    "dark": Theme(
        "#eceae4", "#a9aeb4", "#363b41", "#1d2125",
        ("#5db4f0", "#f08a4b", "#3fc79a", "#e391c0", "#e6b23c", "#9ad3f5", "#b9b9b9", "#b39df0"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Series:
    """One approach as it is drawn."""

    key: str
    name: str
    colour: str
    shape: str
    chosen: bool
    strong: bool
    """Brought forward; the others stand back."""
    hollow: bool
    """Its figures come from select rows."""
    standing: Standing


def series_of(verdict: Verdict, theme: Theme) -> list[Series]:
    """The approaches that are drawn, in the verdict's order; colours are dealt out to those brought forward first."""
    names, forward, drawn = words.names(verdict), picks.strong(verdict), picks.drawn(verdict, MOST)
    first = sorted(range(len(drawn)), key=lambda i: words.ident(drawn[i]) not in forward)
    found = []
    for place, s in enumerate(drawn):
        key, i = words.ident(s), first.index(place)
        chosen, hollow = key == verdict.recommended, s.measured_on != "certify"
        suffix = " ★" if chosen else " ✗" if s.status == "struck out" else " (select rows)" if hollow else ""
        name = words.squeeze(names[key], 30 - len(suffix)) + suffix
        colour, shape = theme.palette[i % len(theme.palette)], SHAPES[(i + i // len(SHAPES)) % len(SHAPES)]
        found.append(Series(f"s{place:02d}", name, colour, shape, chosen, key in forward or not forward, hollow, s))
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
    """Rows as data of a chart; as JSON text, since Altair copies whatever is not text, many times over."""
    import altair as alt

    return alt.InlineData(values=json.dumps(rows), format=alt.JsonDataFormat(type="json"))


def dress(chart: Any, theme: Theme, width: int, height: int, top: int = 10) -> Any:
    """Size, margins and text colours, in one step, since each step copies the whole chart."""
    axis = {
        "labelColor": theme.quiet, "titleColor": theme.quiet, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
        "gridColor": theme.grid, "domainColor": theme.grid, "tickColor": theme.grid, "labelPadding": 6, "titlePadding": 10,
    }  # fmt: skip
    legend = {"labelColor": theme.ink, "labelFontSize": 12, "symbolStrokeWidth": 2}
    return chart.properties(
        width=width, height=height, background="transparent", padding={"left": 4, "top": top, "right": 24, "bottom": 4},
        config={"font": FONT, "aria": False, "view": {"stroke": None}, "axis": axis, "legend": legend},
    )  # fmt: skip


def text(rows: list[dict[str, Any]], x: Any, y: Any, theme: Theme, **mark: Any) -> Any:
    """Names, the chosen one bold, each with a halo of the paper's colour so that lines do not cross it."""
    import altair as alt

    layers = []
    for bold in (False, True):
        base = alt.Chart(values([r for r in rows if r["bold"] == bold])).encode(x=x, y=y, text="t:N")
        given: dict[str, Any] = {"fontSize": 12, "fontWeight": "bold" if bold else "normal", "baseline": "middle", **mark}
        layers.append(base.mark_text(stroke=theme.paper, strokeWidth=3, strokeOpacity=0.85, strokeJoin="round", **given))
        layers.append(base.mark_text(color=theme.ink, **given))
    return alt.layer(*layers)


def y_axis(field: str, span: tuple[float, float], title: str, title_y: int = -16) -> Any:
    """Its title stands above it, `title_y` pixels from the top."""
    import altair as alt

    axis = alt.Axis(
        title=title, tickCount=6, domain=False, ticks=False, titleAngle=0, titleAlign="left", titleAnchor="end", titleX=-34, titleY=title_y,
    )  # fmt: skip
    return alt.Y(field, scale=alt.Scale(domain=span, nice=False, zero=False), axis=axis)
