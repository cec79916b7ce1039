"""A verdict as one HTML file: everything inside, nothing fetched, readable without JavaScript.

Strings from data reach the page only through jinja's escaping, after control characters and bidirectional overrides are
replaced; a content security policy forbids the network and every script but the page's own.
"""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import Any, get_args

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fieldguide.report import diagrams, picks, sections, words
from fieldguide.report.charts import ThemeName, for_page
from fieldguide.report.dress import MOST
from fieldguide.report.svg import embed
from fieldguide.verdict.verdict import Verdict

FILTERS = (
    "line", "clip", "count", "seconds", "usd", "number", "estimate", "interval", "ident", "tolerance", "roughly", "spread", "share", "spent",
    "metric_title", "metric_heading",
)  # fmt: skip
"""Functions of `words` that templates call."""


def write(verdict: Verdict, path: str | Path, *, run: str | Path = "") -> Path:
    """Write the page to `path`, whole or not at all; the folder is made if need be. `run` is the run's folder as commands should name it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.write_text(page(verdict, run=run), encoding="utf-8")
    os.replace(partial, path)
    return path


def page(verdict: Verdict, *, run: str | Path = "") -> str:
    """The page's text."""
    environment = _environment()
    script = _source(environment, "page.js")
    return environment.get_template("page.html.j2").render(
        v=verdict,
        names=words.names(verdict),
        **_short(verdict, str(run) or words.run_folder(verdict)),
        **_evidence(verdict),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _short(verdict: Verdict, run: str) -> dict[str, Any]:
    """What the first part shows."""
    shown = picks.drawn(verdict, MOST)
    return {
        "lead": words.find(verdict, verdict.recommended) or words.find(verdict, verdict.best),
        "lead_crossings": picks.crossings(verdict),
        "next_steps": sections.next_steps(verdict),
        "commands": sections.commands(verdict, run),
        "beside": words.beside(words.find(verdict, verdict.recommended) or words.find(verdict, verdict.best), verdict.task.get("metric")),
        "handed": dict(zip(("n_labels", "seed", "quality"), words.handed_over(verdict), strict=True)),
        "curve": _drawn(verdict, "curve") if any(s.curve for s in shown) else {},
        "cost": _drawn(verdict, "cost") if any(s.cost_per_1k_usd is not None and s.measured_on == "certify" for s in shown) else {},
        "key_picture": _key_picture(verdict),
    }


def _evidence(verdict: Verdict) -> dict[str, Any]:
    """What the second part shows."""
    standings = verdict.standings
    return {
        "contents": sections.contents(verdict),
        "boards": ([s for s in standings if s.measured_on == "certify"], [s for s in standings if s.measured_on != "certify"]),
        "find": lambda key: words.find(verdict, key),
        "loss": lambda s: words.loss_parts(verdict, s),
        "strip": sections.quality_strip(verdict),
        "loss_strip": sections.loss_strip(verdict),
        "variance_bar": sections.variance_bar(verdict),
        "diagrams": diagrams,
        "most_risk": diagrams.highest_risk(s.reliability for s in standings if s.reliability),
        "answered": sections.answered(verdict),
        "mark": sections.mark,
        "budget_unit": sections.unit(verdict.budget),
        "left_out": [s for s in standings if s.status in sections.LEFT_OUT],
        "failed": [s for s in standings if s.status == "failed" or s.errors],
        "metric_names": list(dict.fromkeys(name for s in standings for name in s.metrics)),
        "others": lambda s: words.beside(s, verdict.task.get("metric")),
        "lower": words.lower_is_better,
        "labels": words.label_names(verdict.task),
        "facts": sections.facts(verdict.provenance),
        "spent": sections.spent(verdict),
        "meanings": {k: m for k, m in words.MEANINGS.items() if any(s.status == k for s in standings)},
        "marks": words.MARKS,
        "event_marks": words.EVENT_MARKS,
        "most_rows": max((s.rows for s in standings if s.measured_on == "certify"), default=0),
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fieldguide", "report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_finalize,
    )  # fmt: skip
    for name in FILTERS:
        environment.filters[name] = getattr(words, name)
    environment.filters["compact"] = sections.compact
    environment.filters["sortable"] = lambda value: f"{value:.9g}" if value is not None and words.known(value) else ""
    environment.globals["between"] = words.between
    return environment


def _finalize(value: Any) -> Any:
    return words.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _drawn(verdict: Verdict, which: Any) -> dict[str, dict[str, Markup]]:
    """Theme → width → SVG. The drawing escapes data strings itself."""
    return {theme: {size: Markup(svg) for size, svg in sizes.items()} for theme, sizes in for_page(verdict, which).items()}


def _key_picture(verdict: Verdict) -> dict[str, dict[str, Markup]]:
    """The key's path, likewise; nothing without a key."""
    if verdict.key_path is None or not verdict.key_path.steps:
        return {}
    from fieldguide.report.key_picture import key_svg  # the key itself loads numerical libraries

    def drawn(theme: ThemeName, size: str) -> Markup:
        svg = key_svg(path, theme=theme, wide=size == "wide")
        return Markup(embed(words.clean(svg), f"key-{theme}-{size}"))

    path, themes = verdict.key_path, get_args(ThemeName)
    return {theme: {size: drawn(theme, size) for size in ("wide", "narrow")} for theme in themes}
