"""The report: fits a screen, stands alone, escapes everything, and survives verdicts with nothing in them."""

from __future__ import annotations

import dataclasses
import io
import itertools
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.cells import cell_len
from rich.console import Console
from sample_verdict import (
    ANSI,
    HOSTILE,
    LONG_LABEL,
    MARKUP,
    SCRIPT,
    bare_verdict,
    crowded_verdict,
    far_verdict,
    injected_verdict,
    none_verdict,
    old_verdict,
    sample_verdict,
)

from fieldguide.report import diagrams, picks, sections, words
from fieldguide.report.charts import cost_quality_svg, learning_curve_svg
from fieldguide.report.dress import MOST, THEMES, series_of
from fieldguide.report.html import page, write
from fieldguide.report.layout import place, spread
from fieldguide.report.terminal import LINES, render, sparkline
from fieldguide.verdict import verdict as records
from fieldguide.verdict.verdict import Estimate, KeyPath, Reliability, Verdict

VOID = {"meta", "link", "br", "hr", "img", "input", "col", "base"}


class Outline(HTMLParser):
    """Checks that tags balance; gathers ids, attributes and text as it goes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.problems: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes nothing at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read(text: str) -> Outline:
    outline = Outline()
    outline.feed(text)
    outline.close()
    return outline


MADE: dict[str, Callable[[], Verdict]] = {
    "hostile": sample_verdict,
    "clean": lambda: sample_verdict(hostile=False),
    "old": old_verdict,
    "injected": injected_verdict,
    "far": far_verdict,
    "crowded": crowded_verdict,
    "bare": bare_verdict,
    "none": none_verdict,
    "no winner": lambda: dataclasses.replace(old_verdict(), standings=old_verdict().standings[-2:], recommended=None, sure=False, winner_folder=""),
}


@cache
def made(name: str) -> str:
    return page(MADE[name]())


@cache
def outlined(name: str) -> Outline:
    return read(made(name))


def said(name: str) -> str:
    """The page's words, runs of white space as one space."""
    return " ".join("".join(outlined(name).words).split())


@pytest.fixture(scope="module")
def hostile() -> str:
    return made("hostile")


@pytest.fixture(scope="module")
def outline() -> Outline:
    return outlined("hostile")


def shown(verdict: Verdict, width: int, **more: str) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    render(verdict, console, **more)
    return console.file.getvalue()  # type: ignore[attr-defined]


def flooded() -> Verdict:
    """Far too much of everything that a screen shows."""
    v = sample_verdict()
    twins = tuple(dataclasses.replace(s, key=f"{s.key}-{i}", params={"i": i, "same": 1}) for i in range(5) for s in v.standings)
    keys = {"recommended": "key-linear-probe-0", "best": "key-fine-tune-0"}
    return dataclasses.replace(v, standings=twins, doubts=v.doubts * 9, sentence=v.sentence * 20, **keys)


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("name", [*MADE, "flooded"])
def test_terminal_fits_a_screen(name: str, width: int) -> None:
    verdict = flooded() if name == "flooded" else MADE[name]()
    lines = shown(verdict, width).rstrip("\n").split("\n")
    assert len(lines) <= LINES
    assert max(cell_len(line) for line in lines) <= width
    assert lines[0].startswith(verdict.sentence[:40])


def test_terminal_says_what_matters() -> None:
    text = shown(sample_verdict(hostile=False), 100)
    for piece in (
        "★ recommended", "✗ struck out", "! failed", "0.914 [0.89, 0.94]", "0.007 (≤ 0.018)", "3.1 / 4.9 ms", "$0.00011", "+1 more in the report",
        "⊘ eliminated *", "0.702 [0.62, 0.78]", "* on select rows", "n*       ≈ 18 labels (up to 27): below Embedding zero-shot",
        "Cascade  Not recommended.", "Key      It parts from the evidence.", "runs/support/winner", "runs/support/report.html",
    ):  # fmt: skip
        assert piece in text
    assert "fieldguide predict runs/support FILE" in text
    assert "fieldguide predict 'my run' FILE" in shown(sample_verdict(), 100, run="my run", report="x.html")
    old = shown(old_verdict(), 100)
    assert not any(piece in old for piece in ("n*", "Cascade ", "Key ", "select rows"))
    unsure = dataclasses.replace(sample_verdict(), sure=False, rows_to_settle=1900)
    assert "about 1,900 certify rows would settle it" in " ".join(shown(unsure, 120).split())


def test_terminal_prints_hostile_strings_as_they_are() -> None:
    v = dataclasses.replace(old_verdict(), sentence=f"{MARKUP} {ANSI}", doubts=(f"{MARKUP} {ANSI}",))
    text = shown(v, 100)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.count(MARKUP) == 2


@pytest.mark.parametrize("name", ["hostile", "injected"])
def test_page_escapes_hostile_strings(name: str) -> None:
    text, outline = made(name), outlined(name)
    assert SCRIPT not in text
    assert "<img" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "49" not in "".join(w for w in outline.words if "{{" in w)
    if name == "hostile":
        assert all(words.clean(string) in "".join(outline.words) for string in HOSTILE)
    assert not [a for _, attributes in outline.tags for a in attributes if a.startswith("on")]
    assert {tag for tag, _ in outline.tags} & {"img", "iframe", "object", "embed", "form", "base"} == set()


@pytest.mark.parametrize("name", ["hostile", "injected"])
def test_page_stands_alone(name: str) -> None:
    text, outline = made(name), outlined(name)
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\((?!#)", re.sub(r"<bdi>.*?</bdi>", "", text))
    assert len(outline.all("script")) == 1
    assert all(not a.get("src") for _, a in outline.tags)
    assert {a["href"] for a in outline.all("link")} == {"data:,"}
    assert all((a.get("href") or "").startswith("#") for a in outline.all("a"))
    policy = next(a["content"] for a in outline.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "script-src 'sha256-" in policy
    assert len(text.encode()) < 1_500_000


@pytest.mark.parametrize("name", MADE)
def test_page_is_well_formed(name: str) -> None:
    outline = outlined(name)
    assert outline.problems == []
    assert outline.open == []
    ids = [a["id"] for _, a in outline.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    for _, attributes in outline.tags:
        for attribute in ("aria-labelledby", "aria-describedby"):
            assert set((attributes.get(attribute) or "").split()) <= set(ids)
    assert {(a["href"] or "")[1:] for a in outline.all("a")} <= set(ids)
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    assert all(a.get("scope") in ("col", "row") for a in outline.all("th"))
    assert len(outline.all("main")) == len(outline.all("header")) == len(outline.all("footer")) == 1
    assert all(a.get("tabindex") == "0" and a.get("aria-label") for a in outline.all("div") if a.get("class") == "scroll")


@pytest.mark.parametrize("name", MADE)
def test_page_says_the_verdict_and_never_none(name: str) -> None:
    assert " ".join(words.clean(MADE[name]().sentence).split()) in said(name)
    assert "None" not in re.findall(r"\w+", said(name).replace("None were found", ""))
    assert "nan" not in re.findall(r"\w+", said(name))


def test_page_has_its_drawings_labelled() -> None:
    text, drawings = made("clean"), outlined("clean").all("svg")
    diagrams_drawn = 2 * sum(s.reliability is not None for s in sample_verdict().standings)
    assert len(drawings) == 12 + diagrams_drawn  # two charts and the key in two themes and two widths
    assert all(a.get("role") == "img" for a in drawings)
    assert sum(bool(a.get("aria-labelledby")) for a in drawings) >= 8
    assert sum("at confidence" in (a.get("aria-label") or "") or "answered" in (a.get("aria-label") or "") for a in drawings) == diagrams_drawn
    assert text.count("Learning curves: quality by number of labels") == 4
    used, defined = set(re.findall(r"url\(#([\w-]+)\)", text)), set(re.findall(r'id="([\w-]+)"', text))
    assert used <= defined


def test_page_has_two_parts_each_with_its_own_way_in() -> None:
    text, outline = made("clean"), outlined("clean")
    assert text.index('id="short"') < text.index('id="evidence"')
    assert [a["href"] for a in outline.all("a")][1:3] == ["#short", "#evidence"]
    short, evidence = text[text.index('id="short"') : text.index('id="evidence"')], text[text.index('id="evidence"') :]
    for heading in ("What to do next", "When to switch", "What quality costs", "The strongest doubts", "The key says otherwise"):
        assert heading in short
    assert short.count('<li dir="auto">') == 1 + 3  # one step, three doubts
    assert "All 5 doubts" in short
    for name, title in sections.contents(sample_verdict(hostile=False)).items():
        assert f'<a href="#{name}">{title}</a>' in evidence
        assert f'<section id="{name}" aria-labelledby="h-{name}">' in evidence
    assert list(sections.contents(old_verdict())) == ["board", "fits", "mistakes", "doubts", "out", "failed", "how", "provenance"]


def test_evidence_tells_every_record() -> None:
    v, text = sample_verdict(hostile=False), said("clean")
    told = [c.sentence for c in v.crossings] + [c.risk for c in v.cascades] + [c.reason for c in v.cascades] + [e.reason for e in v.events]
    for s in v.standings:
        told += [record.sentence for record in (s.variance, s.reliability) if record] + ([s.forecast.reason] if s.forecast else [])
    assert v.key_path is not None
    told += [text for step in v.key_path.steps for text in (step.question, step.evidence)]
    told += [text for d in v.differences for text in (d.row, *d.inputs.values())]
    for sentence in told:
        assert " ".join(sentence.split()) in text
    figures = ["0.007 [−0.006, 0.018]", "150 to 400", "120 or more", "power law", "0.0071", "±1.3", "±0.9", "0.070 [0.05, 0.10]", "after temperature"]
    for figure in [*figures, "9 min 58 s · 100 %"]:
        assert figure in text


def test_rights_and_wrongs_are_words_too() -> None:
    table = made("clean")[made("clean").index('class="answers"') :]
    table = table[: table.index("</table>")]
    assert table.count("right:") == sum(answer == d.target for d in sample_verdict().differences for answer in d.answers.values())
    assert table.count("wrong:") == sum(answer != d.target for d in sample_verdict().differences for answer in d.answers.values())


def test_figures_from_select_rows_stand_apart() -> None:
    text = made("clean")
    board = text[text.index('id="board"') : text.index('id="fits"')]
    apart = board.index("Given up early: figures from select rows")
    assert "Nearest label name" not in board[:apart]
    assert "on 120 select rows" in board[apart:]
    v = sample_verdict(hostile=False)
    assert all(s.measured_on == "certify" for s in picks.drawn(v, MOST))
    crossing = dataclasses.replace(v.crossings[0], first="key-nearest-label")
    drawn = series_of(dataclasses.replace(v, crossings=(crossing,)), THEMES["light"])
    assert [(s.hollow, s.name) for s in drawn if s.hollow] == [(True, "Nearest label n… (select rows)")]


def test_long_logs_and_lists_fold() -> None:
    text = made("crowded")
    assert "<summary>All 60 steps</summary>" in text
    assert "<summary>28 more rows</summary>" in text
    assert re.search(r"<summary>\d+ more approaches</summary>", text)
    assert "All 13 steps" not in made("clean")


def test_leading_crossing_is_that_of_the_recommended_approach() -> None:
    v = sample_verdict(hostile=False)
    assert [c.n_star for c in picks.crossings(v)] == [18.4]
    other = dataclasses.replace(v, recommended="key-embedding-knn")
    assert [c.n_star for c in picks.crossings(other)] == [18.4]  # the one that holds it does not cross
    back = dataclasses.replace(v.crossings[1], first="key-fine-tune", second="key-linear-probe", n_star=900.0)
    assert [c.n_star for c in picks.crossings(dataclasses.replace(v, crossings=(v.crossings[1], v.crossings[0], back)))] == [236.0, 900.0]
    told = dataclasses.replace(v.crossings[1], told=True)
    assert [c.n_star for c in picks.crossings(dataclasses.replace(v, crossings=(v.crossings[0], told)))] == [236.0], "the sentence speaks of this one"
    assert picks.crossings(old_verdict()) == []


def test_drawn_approaches_keep_what_matters() -> None:
    v = crowded_verdict()
    last = dataclasses.replace(v, recommended=v.standings[17].key)
    drawn = [words.ident(s) for s in picks.drawn(last, MOST)]
    assert len(drawn) == MOST
    assert {v.standings[17].key, "key-linear-probe", "key-tfidf-logreg"} <= set(drawn)
    assert drawn == [words.ident(s) for s in v.standings if words.ident(s) in drawn]


def test_strips_and_bars_stay_in_their_columns() -> None:
    v = sample_verdict(hostile=False)
    at = sections.loss_strip(v)
    inside = at(Estimate(0.007, -0.006, 0.018, "x"))
    assert inside is not None
    assert (inside["zero"], inside["tolerance"], inside["off"], inside["seen"]) == ("16.7%", "33.3%", "", "yes")
    outside = at(Estimate(0.4, -0.1, 0.5, "x"))
    assert outside is not None
    assert (outside["left"], outside["width"], outside["off"], outside["seen"]) == ("0.0%", "100.0%", "off-left off-right", "")
    assert at(Estimate(0.1, float("nan"), 0.2, "x")) is None
    assert at(None) is None
    bar = sections.variance_bar(v)
    widths = {s.key: sum(float(w[:-1]) for w in bar(s)) for s in v.standings if s.variance}
    assert max(widths.values()) == pytest.approx(100, abs=0.2)
    assert widths["key-linear-probe"] == pytest.approx(100 * (1.4**2 + 0.3**2) ** 0.5 / (4.6**2 + 3.1**2) ** 0.5, abs=0.2)
    assert bar(v.standings[1]) == ("0%", "0%")


def test_next_steps_follow_the_verdict() -> None:
    v = sample_verdict(hostile=False)
    assert len(sections.next_steps(v)) == 1
    assert "0.937" in sections.next_steps(v)[0]
    unsure = dataclasses.replace(v, sure=False, rows_to_settle=1900, cascades=(dataclasses.replace(v.cascades[0], recommended=True),))
    assert [any(piece in step for step in sections.next_steps(unsure)) for piece in ("about 1,900 certify rows", v.cascades[0].reason)] == [True, True]
    assert "Nothing is recommended yet" in sections.next_steps(dataclasses.replace(v, recommended=None))[0]
    assert sections.next_steps(bare_verdict())


def test_spending_is_told_in_the_budgets_unit() -> None:
    expected = {"10m": "1 min 00 s", "$5": "$60.00", "2000calls": "60 calls", "5Mtokens": "60 tokens", "": "1 min 00 s", "whatever": "1 min 00 s"}
    assert {budget: words.spent(60, sections.unit(budget)) for budget in expected} == expected


def test_diagrams_bear_any_numbers() -> None:
    nan = float("nan")
    bins = (records.Bin(1.7, -0.4, nan, 2.0, 0), records.Bin(nan, 0.5, 0.1, 0.2, 3))
    odd = Reliability(0, Estimate(nan, nan, nan, ""), nan, bins, "none", None, ((0.5, nan), (2.0, 3.0)), "")
    empty = dataclasses.replace(odd, bins=(), coverage=())
    for found in (odd, empty):
        for drawing in (diagrams.reliability(found, SCRIPT), diagrams.risk_coverage(found, SCRIPT, diagrams.highest_risk([found]))):
            root = ElementTree.fromstring(drawing)
            assert SCRIPT in root.attrib["aria-label"]
            numbers = [float(n) for e in root.iter() for a in ("d", "cx", "cy") for n in re.findall(r"-?[\d.]+", e.get(a, ""))]
            assert all(0 <= n <= max(diagrams.WIDTH, diagrams.HEIGHT) for n in numbers)
            assert "nan" not in drawing


def test_page_bears_records_with_holes() -> None:
    """Cascades of unknown standings, a key without steps, differences that miss answers, and numbers that are not finite."""
    v, nan = sample_verdict(hostile=False), float("nan")
    gaps = {"loss": Estimate(nan, nan, nan, ""), "variance": records.VarianceSplit(nan, nan, nan, "", "")}
    odd = dataclasses.replace(
        v,
        standings=tuple(dataclasses.replace(s, **gaps) for s in v.standings),
        cascades=(records.Cascade("gone", ("gone",), (), nan, False, "", False, ""),),
        key_path=KeyPath((), "undecided", "", None),
        crossings=(records.Crossing("gone", "away", nan, nan, nan, nan, ""), records.Crossing("gone", "away", 1e9, None, None, None, "Far out.")),
        differences=(records.Difference("r", {}, "a", {"gone": "b"}), records.Difference("s", {"x": "", "y": "z"}, "a", {})),
        events=(dataclasses.replace(v.events[0], share=None, spent=nan),),
    )
    outline = read(page(odd))
    assert outline.problems == []
    assert "nan" not in re.findall(r"\w+", "".join(outline.words))


def test_write_leaves_one_file(tmp_path: Path) -> None:
    path = write(none_verdict(), tmp_path / "deep" / "report.html")
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("draw", [learning_curve_svg, cost_quality_svg])
def test_svg_files_parse_and_have_titles(draw, theme) -> None:
    root = ElementTree.fromstring(draw(sample_verdict(), theme))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert [child.tag.split("}")[1] for child in root][:2] == ["title", "desc"]
    assert ("#eceae4" in draw(sample_verdict(), theme)) == (theme == "dark")
    if theme == "light":
        draw(bare_verdict(), theme)
        draw(none_verdict(), theme)


def test_curve_chart_draws_n_star_and_forecasts() -> None:
    drawn = learning_curve_svg(sample_verdict(hostile=False))
    for piece in ("n* ≈ 18", "→ Linear probe on embeddings", "forecast", "4,096"):
        assert piece in drawn
    plain = learning_curve_svg(old_verdict())
    assert not any(piece in plain for piece in ("n*", "forecast", "4,096"))


def test_front_is_a_step_line() -> None:
    """Corners only: every piece of the front's path is level or upright."""

    def fronts(verdict: Verdict) -> list[str]:
        drawn = ElementTree.fromstring(cost_quality_svg(verdict)).iter()
        return [e.get("d", "") for e in drawn if e.get("stroke") == THEMES["light"].quiet and e.get("stroke-width") == "1.5"]

    paths = fronts(sample_verdict(hostile=False))
    assert len(paths) == 1
    corners = [tuple(map(float, pair.split(","))) for pair in re.findall(r"-?[\d.]+,-?[\d.]+", paths[0])]
    assert len(corners) >= 4
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in itertools.pairwise(corners))
    assert fronts(old_verdict()) == []


def test_rendering_is_quick() -> None:
    made("hostile")  # the first call loads the drawing engine
    start = time.process_time()
    page(crowded_verdict())
    assert time.process_time() - start < 3


def test_report_loads_no_heavy_library_until_it_draws() -> None:
    code = "import sys, fieldguide.report.terminal; print([m for m in ('altair', 'vl_convert', 'jinja2', 'pandas', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (words.seconds(0.0031), "3.1 ms"), (words.seconds(0.42), "0.42 s"), (words.seconds(125), "2 min 05 s"), (words.seconds(4321), "1 h 12 min"), (words.seconds(None), "–"),
        (words.seconds(59.7), "1 min 00 s"), (words.seconds(0.000004), "4.0 µs"), (words.usd(0.00042), "$0.00042"), (words.usd(0), "$0"), (words.usd(3.4), "$3.40"), (words.usd(1e-9), "<$0.00001"),
        (words.usd(1234.0), "$1,234"), (words.estimate(Estimate(0.912, 0.88, 0.94, "Wilson")), "0.912 [0.88, 0.94]"), (words.estimate(None), "–"), (words.number(float("nan")), "–"),
        (words.number(-0.0), "0.000"), (words.count(22_713_992), "22.7 million"), (words.count(1024), "1,024"), (words.latency(0.0031, 0.0049), "3.1 / 4.9 ms"), (words.latency(0.5, 2e-3), "0.50 s / 2.0 ms"),
        (words.roughly(236.0), "240"), (words.roughly(None), "–"), (words.between(148.0, 402.0), "150 to 400"), (words.between(None, 27.0), "up to 27"), (words.between(120.0, None), "120 or more"),
        (words.between(None, None), ""), (words.spread(0.0196), "±14.0"), (words.spread(-1.0), "–"), (words.share(0.18), "18\u00a0%"), (words.share(None), "–"), (words.number(-0.006), "−0.006"),
        (words.squeeze("Linear probe on embeddings (c 0.01)", 26), "Linear probe on… (c 0.01)"), (words.squeeze("Short (c 0.01)", 26), "Short (c 0.01)"), (words.latency(None, None), "–"), (words.clip(LONG_LABEL, 10), "a_label_o…"), (words.tolerance(0.02), "0.02 (2 points)"), (sparkline([0.0, None, 1.0], 0, 1), "▁ █"),
    ],
)  # fmt: skip
def test_words(said: str, expected: str) -> None:
    assert said == expected


def test_names_tell_settings_apart() -> None:
    v = sample_verdict(hostile=False)
    twins = tuple(dataclasses.replace(v.standings[0], key=str(n), params={"model": f"m{n}", "epochs": 3}) for n in range(2))
    assert list(words.names(dataclasses.replace(v, standings=twins)).values()) == ["Fine-tuned encoder (model m0)", "Fine-tuned encoder (model m1)"]


def test_layout_keeps_names_apart() -> None:
    at = spread([50.0, 51.0, 52.0, 399.0], gap=18, low=0, high=400)
    assert at == sorted(at)
    assert all(b - a >= 18 - 1e-9 for a, b in itertools.pairwise(at))
    assert max(at) <= 400
    spots = place([(100.0, 100.0)] * 3, [80.0] * 3, 600, 300)
    assert len({(s.x, s.y) for s in spots if s}) == 3
    crowd = place([(100.0, 100.0)] * 20, [80.0] * 20, 600, 300, wanted=[i == 19 for i in range(20)])
    assert crowd[19] is not None
    assert None in crowd
    clear = place([(100.0, 100.0)], [80.0], 600, 300, avoid=[(0.0, 97.0, 600.0, 103.0)])[0]
    assert clear is not None
    assert clear.y != 100.0


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_read_in_both_themes() -> None:
    css = (Path(words.__file__).parent / "page.css.j2").read_text(encoding="utf-8")
    dark = dict(re.findall(r"--(\w+): (#\w{6})", css[: css.index("endmacro")]))
    light = dict(re.findall(r"--(\w+): (#\w{6})", css[css.index(":root {") : css.index("--serif")]))
    for theme, colours in (("light", light), ("dark", dark)):
        for text in ("ink", "quiet", "accent", "good", "warn", "bad"):
            for ground in ("page", "ground", "card", "wash"):
                assert contrast(colours[text], colours[ground]) >= 4.5, (theme, text, ground)
        drawn = THEMES[theme]
        assert drawn.paper == colours["card"]
        assert min(contrast(c, drawn.paper) for c in (drawn.ink, drawn.quiet)) >= 4.5
        assert min(contrast(c, drawn.paper) for c in drawn.palette) >= 3
        assert len({*drawn.palette, drawn.ink, drawn.quiet, drawn.grid, drawn.paper}) == len(drawn.palette) + 4


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_page_runs_in_a_browser_without_errors(tmp_path: Path) -> None:
    """The script runs under its own policy (it reveals the theme button), no hostile string does, and the console stays silent."""
    path = tmp_path / "report.html"
    path.write_text(made("injected"), encoding="utf-8")
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        pytest.skip(f"Chromium does not run here (exit {done.returncode}).")
    assert "CONSOLE" not in done.stderr
    button = next(a for a in read(done.stdout).all("button") if a.get("id") == "theme")
    assert "hidden" not in button


def test_schema_page_names_every_field() -> None:
    text = (Path(__file__).resolve().parent.parent / "docs" / "verdict-schema.md").read_text(encoding="utf-8")
    found = [r for r in vars(records).values() if dataclasses.is_dataclass(r)]
    assert len(found) >= 15
    for record in found:
        section = text[text.index(f"## {record.__name__}") :]
        section = section[: section.find("\n## ", 1)] if "\n## " in section[1:] else section
        for field in dataclasses.fields(record):
            assert f"`{field.name}`" in section, f"docs/verdict-schema.md does not document {record.__name__}.{field.name}"


def test_a_verdict_read_back_gives_the_same_report(tmp_path: Path) -> None:
    from fieldguide.verdict.io import read as read_verdict
    from fieldguide.verdict.io import write as write_verdict

    v = sample_verdict()
    again = read_verdict(write_verdict(v, tmp_path / "verdict.json"))
    assert shown(again, 100, run=str(tmp_path)) == shown(v, 100, run=str(tmp_path))
    assert page(again) == made("hostile")
