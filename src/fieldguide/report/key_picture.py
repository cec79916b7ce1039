"""The key's path as a picture: ten questions down the middle, a large model on one bank, a fine-tuned one on the other.

The walked path is thick and coloured by where it ends; what lies past its end stands back. Wide, each question carries its evidence;
narrow, the questions are a list. Drawn by hand, on a transparent background; nothing but the path's own words goes into it.
"""

from __future__ import annotations

import textwrap
from typing import Any, Literal
from xml.etree import ElementTree

from fieldguide.report import words
from fieldguide.report.dress import FONT, THEMES, Theme
from fieldguide.report.svg import SVG, finish
from fieldguide.verdict.key import FINE_TUNED, LLM, QUESTIONS, UNDECIDED
from fieldguide.verdict.verdict import KeyPath, KeyStep

TITLE = "The key: ten questions, and where their answers lead"
MEANINGS = {LLM: "prompt a large language model", FINE_TUNED: "fine-tune a model", UNDECIDED: "no route is known to work well"}
COLOURS = {LLM: 1, FINE_TUNED: 0, UNDECIDED: 4}
"""Place in the theme's palette."""
WIDE, BANK, CARD = 940, 136, 190
"""Wide: the drawing's width, a bank's width, where cards begin (and, from the right, end); pixels, as everywhere below."""
NARROW, INDENT = 360, 48
LEADS = {q.number: (q.yes, q.no) for q in QUESTIONS}
FAINT = "0.4"
"""Opacity of lines that were not walked."""
Element = ElementTree.Element


def key_svg(path: KeyPath, theme: Literal["light", "dark"] = "light", wide: bool = True) -> str:
    """The path, ten steps, as an SVG file of its own, titled and described for screen readers."""
    colours = THEMES[theme]
    root = _wide(path, colours) if wide else _narrow(path, colours)
    root.set("font-family", FONT)
    told = " ".join(f"{s.number}: {s.question} {s.answer}{_end(s) and f', which leads to {_end(s)}'}." for s in path.steps if _walked(s))
    name = f"key-{theme}-{'wide' if wide else 'narrow'}"
    return finish(root, name=name, title=TITLE, description=words.line(f"{path.sentence} {told}"), standalone=True)


def _walked(step: KeyStep) -> bool:
    return step.leads_to != "not reached"


def _end(step: KeyStep) -> str:
    return step.leads_to if step.leads_to in COLOURS else ""


def _colour(theme: Theme, advice: str) -> str:
    return theme.palette[COLOURS.get(advice, COLOURS[UNDECIDED])]


def _wide(path: KeyPath, theme: Theme) -> Element:
    evidence = {s.number: textwrap.wrap(words.line(s.evidence), 71, max_lines=4, placeholder=" …") if _walked(s) else [] for s in path.steps}
    heights = [36 + (8 + 17 * len(evidence[s.number]) if _walked(s) else 0) for s in path.steps]
    tops, y = [], 8
    for height in heights:
        tops.append(y)
        y += height + 30
    root = _canvas(WIDE, y + 32)
    path_colour, middle, right = _colour(theme, path.advice), WIDE / 2, WIDE - CARD
    for advice, x in ((LLM, 0), (FINE_TUNED, WIDE - BANK)):
        _bank(root, theme, advice, x, y - 22, chosen=advice == path.advice)
    for i, (step, top, height) in enumerate(zip(path.steps, tops, heights, strict=True)):
        walked, end, centre = _walked(step), _end(step), top + height / 2
        for answer, lead in zip(("yes", "no"), LEADS.get(step.number, ("", "")), strict=True):
            if lead in (LLM, FINE_TUNED):
                taken = lead == end
                side = -1 if lead == LLM else 1
                start, stop = (CARD, BANK) if side < 0 else (right, WIDE - BANK)
                _arrow(root, (start, centre), (stop - 3 * side, centre), path_colour if taken else theme.quiet, thick=taken)
                ink = theme.ink if taken else theme.quiet
                _write(root, (start + stop) / 2 - 3 * side, centre - 7, answer, 12, ink, anchor="middle", bold=taken, faint=not walked)
                if taken:
                    _pill(root, theme, lead, (BANK / 2 if side < 0 else WIDE - BANK / 2), centre)
        if i + 1 < len(path.steps):
            onward = walked and not end
            _line(root, (middle, top + height), (middle, tops[i + 1]), path_colour if onward else theme.quiet, thick=onward)
            said = "not measured, so no" if onward and step.answer == "not measured" else "no"
            _write(root, middle + 10, top + height + 20, said, 12, theme.ink if onward else theme.quiet, bold=onward, faint=not onward)
        box = _add(root, "rect", x=CARD, y=top, width=right - CARD, height=height, rx=10, fill=theme.paper)
        box.set("stroke", path_colour if walked else theme.quiet)
        box.set("stroke-width", "2.5" if end else "1.25")
        box.set("stroke-opacity", "1" if walked else FAINT)
        _number(root, theme, step, CARD + 24, top + 18, path_colour)
        _write(root, CARD + 46, top + 23, step.question, 15, theme.ink if walked else theme.quiet, bold=walked, faint=not walked)
        for k, text in enumerate(evidence[step.number]):
            _write(root, CARD + 46, top + 44 + 17 * k, text, 12, theme.quiet)
    _last(root, path, theme, middle, tops[-1] + heights[-1])
    return root


def _last(root: Element, path: KeyPath, theme: Theme, x: float, y: float) -> None:
    """The way out at the bottom: the last question's "yes", which no route answers."""
    taken = _end(path.steps[-1]) == UNDECIDED
    colour = _colour(theme, UNDECIDED)
    _arrow(root, (x, y), (x, y + 26), colour if taken else theme.quiet, thick=taken)
    _write(root, x + 10, y + 18, "yes", 12, theme.ink if taken else theme.quiet, bold=taken, faint=not taken)
    if taken:
        _pill(root, theme, UNDECIDED, x, y + 42)
    else:
        _write(root, x, y + 44, UNDECIDED, 13, theme.quiet, anchor="middle", faint=True)


def _bank(root: Element, theme: Theme, advice: str, x: float, height: float, *, chosen: bool) -> None:
    colour = _colour(theme, advice)
    box = _add(root, "rect", x=x, y=8, width=BANK, height=height - 8, rx=14, fill=colour)
    box.set("fill-opacity", "0.16" if chosen else "0.07")
    _write(root, x + BANK / 2, 34, advice, 16, colour, anchor="middle", bold=True)
    for k, text in enumerate(textwrap.wrap(MEANINGS[advice], 17)):
        _write(root, x + BANK / 2, 53 + 16 * k, text, 12, theme.ink if chosen else theme.quiet, anchor="middle")


def _narrow(path: KeyPath, theme: Theme) -> Element:
    root = _canvas(NARROW, 0)
    spine = _add(root, "g")
    colour, x, y = _colour(theme, path.advice), 17, 22.0
    for step in path.steps:
        walked, end, top = _walked(step), _end(step), y
        for text in textwrap.wrap(words.line(step.question), 35):
            _write(root, INDENT, y + 5, text, 14.5, theme.ink if walked else theme.quiet, bold=walked, faint=not walked)
            y += 19
        yes, no = LEADS.get(step.number, ("", ""))
        if end:
            _write(root, INDENT, y + 17, "no" if end == no else "yes", 13, theme.ink, bold=True)
            _pill(root, theme, end, INDENT + 92, y + 12)
            bend = _add(spine, "path", d=f"M{x} {top}V{y + 4:g}Q{x} {y + 12:g} {x + 8} {y + 12:g}H{INDENT - 6}", fill="none", stroke=colour)
            bend.set("stroke-width", "3.5")
            _write(root, INDENT, y + 46, MEANINGS[end], 13, theme.ink)
            y += 60
        else:
            said = f"{step.answer}, so no" if step.answer == "not measured" else step.answer
            if walked:
                _write(root, INDENT, y + 4, said, 13, theme.ink)
            leads = f"yes → {yes}" if not no else f"yes → {yes}, no → {no}"
            _write(root, NARROW - 4, y + 4, leads, 12, theme.quiet, anchor="end", faint=not walked)
            y += 18
        y += 20
        if step is not path.steps[-1]:
            _line(spine, (x, top), (x, y), colour if walked and not end else theme.quiet, thick=walked and not end)
        _number(root, theme, step, x, top, colour)
    root.set("viewBox", f"0 0 {NARROW} {y - 8:g}")
    root.set("height", f"{y - 8:g}")
    return root


def _canvas(width: float, height: float) -> Element:
    return ElementTree.Element(f"{{{SVG}}}svg", {"viewBox": f"0 0 {width:g} {height:g}", "width": f"{width:g}", "height": f"{height:g}"})


def _add(parent: Element, tag: str, **attributes: Any) -> Element:
    return ElementTree.SubElement(parent, f"{{{SVG}}}{tag}", {k: f"{v:g}" if isinstance(v, float) else str(v) for k, v in attributes.items()})


def _write(
    parent: Element, x: float, y: float, text: str, size: float, fill: str, *, anchor: str = "start", bold: bool = False, faint: bool = False
) -> None:
    found = _add(parent, "text", x=float(x), y=float(y), fill=fill)
    found.text = words.line(text)
    found.set("font-size", f"{size:g}")
    found.set("text-anchor", anchor)
    if bold:
        found.set("font-weight", "600")
    if faint:
        found.set("opacity", "0.8")


def _line(parent: Element, start: tuple[float, float], stop: tuple[float, float], colour: str, *, thick: bool) -> None:
    found = _add(parent, "path", d=f"M{start[0]:g} {start[1]:g}L{stop[0]:g} {stop[1]:g}", stroke=colour, fill="none")
    found.set("stroke-width", "3.5" if thick else "1.25")
    found.set("opacity", "1" if thick else FAINT)


def _arrow(parent: Element, start: tuple[float, float], stop: tuple[float, float], colour: str, *, thick: bool) -> None:
    """A line whose head ends at `stop`; along one axis."""
    size = 7.0 if thick else 5.0
    dx, dy = ((stop[0] > start[0]) - (stop[0] < start[0])) * size, ((stop[1] > start[1]) - (stop[1] < start[1])) * size
    x, y = stop[0] - dx, stop[1] - dy
    _line(parent, start, (x, y), colour, thick=thick)
    outline = f"M{stop[0]:g} {stop[1]:g}L{x - dy * 0.7:g} {y - dx * 0.7:g}L{x + dy * 0.7:g} {y + dx * 0.7:g}Z"
    head = _add(parent, "path", d=outline, fill=colour)
    head.set("opacity", "1" if thick else FAINT)


def _pill(parent: Element, theme: Theme, advice: str, x: float, y: float) -> None:
    """Where the path ends."""
    _add(parent, "rect", x=float(x - 55), y=float(y - 16), width=110, height=32, rx=16, fill=_colour(theme, advice))
    _write(parent, x, y + 5, advice, 15, theme.paper, anchor="middle", bold=True)


def _number(parent: Element, theme: Theme, step: KeyStep, x: float, y: float, colour: str) -> None:
    walked = _walked(step)
    disc = _add(parent, "circle", cx=float(x), cy=float(y), r=12, fill=colour if walked else theme.paper, stroke=colour if walked else theme.quiet)
    disc.set("stroke-width", "1.25")
    disc.set("stroke-opacity", "1" if walked else FAINT)
    _write(parent, x, y + 4.5, str(step.number), 13, theme.paper if walked else theme.quiet, anchor="middle", bold=True)
