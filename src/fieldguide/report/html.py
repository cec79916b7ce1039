"""A verdict as one HTML file: everything inside, nothing fetched, readable without JavaScript.

Strings from data reach the page only through jinja's escaping, after control characters and bidirectional overrides are
replaced; a content security policy forbids the network and every script but the page's own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fieldguide.records import plain
from fieldguide.report import words
from fieldguide.report.charts import for_page
from fieldguide.verdict.verdict import Estimate, Verdict

LEFT_OUT = ("struck out", "unsuited", "not measured")


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
    run = str(run) or words.run_folder(verdict)
    return environment.get_template("page.html.j2").render(
        v=verdict,
        lead=words.find(verdict, verdict.recommended) or words.find(verdict, verdict.best),
        names=words.names(verdict),
        loss=lambda s: words.loss_parts(verdict, s),
        strip=_strip(verdict),
        curve=_drawn(verdict, "curve") if any(s.curve for s in verdict.standings) else {},
        cost=_drawn(verdict, "cost") if any(s.cost_per_1k_usd is not None and s.quality for s in verdict.standings) else {},
        left_out=[s for s in verdict.standings if s.status in LEFT_OUT],
        failed=[s for s in verdict.standings if s.status == "failed" or s.errors],
        metric_names=list(dict.fromkeys(name for s in verdict.standings for name in s.metrics)),
        labels=words.label_names(verdict.task),
        facts=_facts(verdict.provenance),
        spent=_spent(verdict),
        handed=dict(zip(("n_labels", "seed", "quality"), words.handed_over(verdict), strict=True)),
        commands=_commands(verdict, run),
        meanings={k: m for k, m in words.MEANINGS.items() if any(s.status == k for s in verdict.standings)},
        marks=words.MARKS,
        most_rows=max((s.rows for s in verdict.standings), default=0),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fieldguide", "report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_finalize
    )
    for name in ("line", "clip", "count", "seconds", "usd", "number", "estimate", "interval", "ident", "tolerance"):
        environment.filters[name] = getattr(words, name)
    environment.filters["compact"] = _compact
    environment.filters["sortable"] = lambda value: f"{value:.9g}" if value is not None and words.known(value) else ""
    return environment


def _finalize(value: Any) -> Any:
    return words.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _drawn(verdict: Verdict, which: Any) -> dict[str, dict[str, Markup]]:
    """Theme → width → SVG. The drawing escapes data strings itself."""
    return {theme: {size: Markup(svg) for size, svg in sizes.items()} for theme, sizes in for_page(verdict, which).items()}


def _strip(verdict: Verdict) -> Any:
    """Where an interval lies on the leaderboard's common scale, as CSS percentages; None where there is nothing to draw."""
    ends = [x for s in verdict.standings if s.quality for x in (s.quality.low, s.quality.high, s.quality.value) if words.known(x)]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    span = (high - low) or 1.0

    def at(e: Estimate | None) -> dict[str, str] | None:
        if e is None or not all(map(words.known, (e.low, e.value, e.high))):
            return None
        left, middle, right = (min(100.0, max(0.0, (x - low) / span * 100)) for x in (e.low, e.value, e.high))
        return {"left": f"{left:.1f}%", "middle": f"{middle:.1f}%", "width": f"{right - left:.1f}%"}

    return at


def _compact(value: Any) -> str:
    """Plain values in one line: mappings as "name value" pairs, lists with commas."""
    value = plain(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{words.line(k)} {_compact(v) if not isinstance(v, Mapping) else json.dumps(v, ensure_ascii=False)}" for k, v in value.items()) or words.NONE
    if isinstance(value, list):
        return ", ".join(_compact(v) for v in value) or words.NONE
    if value is None or value == "":
        return words.NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    return words.line(value)


def _facts(provenance: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """(name, lines): a mapping inside becomes a line for each of its entries."""
    return [
        (words.line(k).replace("_", " "), [f"{words.line(a)}: {_compact(b)}" for a, b in v.items()] if isinstance(v, Mapping) and v else [_compact(v)])
        for k, v in provenance.items()
    ]


def _spent(verdict: Verdict) -> list[tuple[str, str]]:
    u = verdict.spent
    return [
        ("Wall-clock time", words.seconds(verdict.seconds)),
        ("Texts sent to models", words.count(u.calls)),
        ("Prompt tokens", f"{words.count(u.prompt_tokens)}, of which {words.count(u.cached_tokens)} came from a cache"),
        ("Tokens generated", words.count(u.completion_tokens)),
        ("Seconds inside models", words.seconds(u.seconds)),
        ("Computation", f"{u.forward_flops:.1e} forward and {u.backward_flops:.1e} backward FLOPs (estimated)"),
        ("Billed by APIs", words.usd(u.cost_usd)),
    ]


def _commands(verdict: Verdict, run: str) -> list[tuple[str, str]]:
    """(what it does, the command): how to run the winner, on a terminal and in Python."""
    if not verdict.winner_folder:
        return []
    columns = [str(c) for c in verdict.task.get("inputs", ())] if not isinstance(verdict.task.get("inputs"), str) else []
    one = '"…"' if len(columns) < 2 else "{" + ", ".join(f'{json.dumps(words.line(c), ensure_ascii=False)}: "…"' for c in columns) + "}"
    python = f"import fieldguide\n\nsolver = fieldguide.load({json.dumps(words.line(run), ensure_ascii=False)})\nsolver.predict([{one}])"
    return [
        ("Answer every row of a file:", words.shell(("fieldguide", "predict", run, "FILE"))),
        ("From Python:", python),
    ]
