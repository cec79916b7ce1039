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
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console
from sample_verdict import ANSI, HOSTILE, LONG_LABEL, MARKUP, SCRIPT, bare_verdict, none_verdict, sample_verdict

from fieldguide.report import words
from fieldguide.report.charts import cost_quality_svg, learning_curve_svg
from fieldguide.report.dress import THEMES
from fieldguide.report.html import page, write
from fieldguide.report.layout import place, spread
from fieldguide.report.terminal import LINES, render, sparkline
from fieldguide.verdict.verdict import Estimate, Verdict

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


@pytest.fixture(scope="module")
def hostile() -> str:
    return page(sample_verdict())


@pytest.fixture(scope="module")
def outline(hostile: str) -> Outline:
    return read(hostile)


def shown(verdict: Verdict, width: int, **more: str) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    render(verdict, console, **more)
    return console.file.getvalue()  # type: ignore[attr-defined]


def crowded() -> Verdict:
    """Far too much of everything."""
    v = sample_verdict()
    twins = tuple(dataclasses.replace(s, key=f"{s.key}-{i}", params={"i": i, "same": 1}) for i in range(5) for s in v.standings)
    return dataclasses.replace(v, standings=twins, doubts=v.doubts * 9, sentence=v.sentence * 20, recommended="key-linear-probe-0", best="key-fine-tune-0")


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("verdict", [sample_verdict(), sample_verdict(hostile=False), bare_verdict(), none_verdict(), crowded()], ids=["hostile", "clean", "bare", "none", "crowded"])
def test_terminal_fits_a_screen(verdict: Verdict, width: int) -> None:
    lines = shown(verdict, width).rstrip("\n").split("\n")
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= width
    assert lines[0].startswith(verdict.sentence[:40])


def test_terminal_says_what_matters() -> None:
    text = shown(sample_verdict(hostile=False), 100)
    for piece in ("★ recommended", "✗ struck out", "! failed", "0.914 [0.89, 0.94]", "0.007 (≤ 0.018)", "3.1 / 4.9 ms", "$0.00011", "+1 more in the report", "runs/support/winner", "runs/support/report.html"):
        assert piece in text
    assert "fieldguide predict runs/support FILE" in text
    assert "fieldguide predict 'my run' FILE" in shown(sample_verdict(), 100, run="my run", report="x.html")
    unsure = dataclasses.replace(sample_verdict(), sure=False, rows_to_settle=1900)
    assert "about 1,900 certify rows would settle it" in " ".join(shown(unsure, 120).split())


def test_terminal_prints_hostile_strings_as_they_are() -> None:
    v = dataclasses.replace(sample_verdict(), sentence=f"{MARKUP} {ANSI}", doubts=(f"{MARKUP} {ANSI}",))
    text = shown(v, 100)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.count(MARKUP) == 2


def test_page_escapes_hostile_strings(hostile: str, outline: Outline) -> None:
    assert SCRIPT not in hostile
    assert "<img" not in hostile
    assert "\x1b" not in hostile
    assert "\u202e" not in hostile
    assert "49" not in "".join(w for w in outline.words if "{{" in w)
    text = "".join(outline.words)
    for string in HOSTILE:
        assert words.clean(string) in text
    assert not [a for _, attributes in outline.tags for a in attributes if a.startswith("on")]


def test_page_stands_alone(hostile: str, outline: Outline) -> None:
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\((?!#)", re.sub(r"<bdi>.*?</bdi>", "", hostile))
    assert len(outline.all("script")) == 1
    assert all(not a.get("src") for _, a in outline.tags)
    assert {a["href"] for a in outline.all("link")} == {"data:,"}
    assert all((a.get("href") or "").startswith("#") for a in outline.all("a"))
    policy = next(a["content"] for a in outline.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "script-src 'sha256-" in policy
    assert len(hostile.encode()) < 1_500_000


def test_page_is_well_formed(outline: Outline) -> None:
    assert outline.problems == []
    assert outline.open == []
    ids = [a["id"] for _, a in outline.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    for _, attributes in outline.tags:
        for name in ("aria-labelledby", "aria-describedby"):
            assert set((attributes.get(name) or "").split()) <= set(ids)
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    assert all(a.get("scope") in ("col", "row") for a in outline.all("th"))
    assert len(outline.all("main")) == len(outline.all("header")) == len(outline.all("footer")) == 1
    assert all(a.get("tabindex") == "0" and a.get("aria-label") for a in outline.all("div") if a.get("class") == "scroll")


def test_page_has_both_charts_labelled(hostile: str, outline: Outline) -> None:
    drawings = outline.all("svg")
    assert len(drawings) == 8  # two charts, two themes, two widths
    assert all(a.get("role") == "img" and a.get("aria-labelledby") for a in drawings)
    assert hostile.count("Learning curves: quality by number of labels") == 4
    assert hostile.count("<details>") >= 4
    used, defined = set(re.findall(r"url\(#([\w-]+)\)", hostile)), set(re.findall(r'id="([\w-]+)"', hostile))
    assert used <= defined


@pytest.mark.parametrize("verdict", [bare_verdict(), none_verdict(), dataclasses.replace(sample_verdict(), recommended=None, sure=False, winner_folder="")], ids=["bare", "none", "no winner"])
def test_page_without_evidence(verdict: Verdict) -> None:
    outline = read(page(verdict))
    assert outline.problems == []
    assert verdict.sentence in "".join(outline.words)
    assert "None" not in re.findall(r"\w+", "".join(outline.words).replace("None were found", ""))


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
    draw(bare_verdict(), theme)
    draw(none_verdict(), theme)


def test_rendering_is_quick() -> None:
    page(sample_verdict())  # the first call loads the drawing engine
    start = time.process_time()
    page(sample_verdict())
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
        (words.latency(None, None), "–"), (words.clip(LONG_LABEL, 10), "a_label_o…"), (words.tolerance(0.02), "0.02 (2 points)"), (sparkline([0.0, None, 1.0], 0, 1), "▁ █"),
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
    assert len({(s.x, s.y) for s in spots}) == 3


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
            for ground in ("page", "card", "wash"):
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
    path = write(sample_verdict(), tmp_path / "report.html")
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


def test_a_verdict_read_back_gives_the_same_report(tmp_path: Path) -> None:
    from fieldguide.verdict.io import read as read_verdict
    from fieldguide.verdict.io import write as write_verdict

    v = sample_verdict()
    again = read_verdict(write_verdict(v, tmp_path / "verdict.json"))
    assert shown(again, 100, run=str(tmp_path)) == shown(v, 100, run=str(tmp_path))
    assert page(again) == page(v)
