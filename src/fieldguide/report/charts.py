"""The two charts as SVG: quality by label count, and quality by cost. Only positions, colours and words are decided here.

Every approach keeps one colour and one mark in both charts. A chart is drawn wide, with names beside the lines, or
narrow, with a legend below; each in a light and a dark theme.
"""

from __future__ import annotations

from typing import Any, Literal
from xml.etree import ElementTree

from fieldguide.report import picks, words
from fieldguide.report.cost_chart import cost_quality
from fieldguide.report.curve_chart import learning_curve
from fieldguide.report.dress import MOST, THEMES
from fieldguide.report.svg import finish, recolour, to_svg
from fieldguide.verdict.verdict import Verdict

CURVE_TITLE = "Learning curves: quality by number of labels, with 95 % intervals"
COST_TITLE = "Quality by cost per 1,000 answers, with 95 % intervals"
ThemeName = Literal["light", "dark"]


def _described(verdict: Verdict) -> tuple[str, str]:
    """What a person who cannot see the charts hears first, one sentence each."""
    shown = [s for s in picks.drawn(verdict, MOST) if s.quality]
    names = words.names(verdict)
    called = {words.ident(s): words.clip(names[words.ident(s)], 40) for s in shown}
    listed = "; ".join(f"{called[words.ident(s)]}: {words.estimate(s.quality)} with {words.count(s.n_labels)} labels" for s in shown)
    priced = "; ".join(f"{called[words.ident(s)]}: {words.estimate(s.quality)} at {words.usd(s.cost_per_1k_usd)}" for s in shown)
    crossing = " ".join(words.clip(c.sentence, 200) for c in picks.crossings(verdict))
    return f"{listed or 'Nothing was measured'}. {crossing}".strip(), f"{priced or 'Nothing was measured'}."


def _draw(chart: Any, verdict: Verdict, wide: bool) -> ElementTree.Element:
    """Drawn in the light theme. Altair's own validation is left off: our charts are fixed, and it takes longer than drawing."""
    from altair.utils.schemapi import debug_mode

    with debug_mode(False):
        return to_svg(chart(verdict, THEMES["light"], wide))


def _titled(root: ElementTree.Element, verdict: Verdict, which: str, theme: ThemeName, name: str, standalone: bool) -> str:
    title, description = (CURVE_TITLE, _described(verdict)[0]) if which == "curve" else (COST_TITLE, _described(verdict)[1])
    light, other = THEMES["light"], THEMES[theme]
    colours = dict(zip(light.palette, other.palette, strict=True))
    colours |= {light.ink: other.ink, light.quiet: other.quiet, light.grid: other.grid, light.paper: other.paper}
    return finish(recolour(root, colours), name=name, title=title, description=description, standalone=standalone)


def learning_curve_svg(verdict: Verdict, theme: ThemeName = "light", *, wide: bool = True) -> str:
    """Quality against label count as an SVG file of its own, on a transparent background."""
    return _titled(_draw(learning_curve, verdict, wide), verdict, "curve", theme, f"curve-{theme}", True)


def cost_quality_svg(verdict: Verdict, theme: ThemeName = "light", *, wide: bool = True) -> str:
    """Quality against cost per 1,000 answers, the recommended approach ringed; otherwise the same."""
    return _titled(_draw(cost_quality, verdict, wide), verdict, "cost", theme, f"cost-{theme}", True)


def for_page(verdict: Verdict, which: Literal["curve", "cost"]) -> dict[str, dict[str, str]]:
    """Theme → "wide" or "narrow" → SVG markup to stand in one page: ids differ, namespaces are left to HTML."""
    chart = learning_curve if which == "curve" else cost_quality
    drawn = {size: _draw(chart, verdict, size == "wide") for size in ("wide", "narrow")}
    themes: tuple[ThemeName, ...] = ("light", "dark")
    return {theme: {size: _titled(root, verdict, which, theme, f"{which}-{theme}-{size}", False) for size, root in drawn.items()} for theme in themes}
