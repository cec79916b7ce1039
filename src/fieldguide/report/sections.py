"""What each section of the page is given: which sections there are, what to do next, where bars and marks stand, and facts as pairs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fieldguide.errors import UserError
from fieldguide.records import plain
from fieldguide.registry import resolve
from fieldguide.report import picks, words
from fieldguide.study.budget import parse_budget
from fieldguide.verdict.verdict import Difference, Estimate, Standing, Verdict

LEFT_OUT = ("struck out", "unsuited", "not measured")
FIXED = "\u00a0"
"""A space at which no line breaks."""
Place = dict[str, str]


def contents(verdict: Verdict) -> dict[str, str]:
    """The sections of the evidence that have something to show, in order: id → title."""
    s = verdict.standings
    found = {
        "board": ("Leaderboard", True),
        "fits": ("Learning curves", any(each.forecast or each.curve for each in s)),
        "crossings": ("Where curves cross", bool(verdict.crossings)),
        "variance": ("Where the uncertainty comes from", any(each.variance for each in s)),
        "reliability": ("Whether probabilities mean what they say", any(each.reliability for each in s)),
        "cascades": ("Cascades", bool(verdict.cascades)),
        "log": ("What was tried and given up", bool(verdict.events)),
        "differences": ("Rows on which approaches differ", bool(verdict.differences)),
        "mistakes": ("Most frequent mistakes", bool(verdict.confusions)),
        "key": ("The key’s ten questions", verdict.key_path is not None and bool(verdict.key_path.steps)),
        "doubts": ("All doubts", True),
        "out": ("What was left out, and why", any(each.status in LEFT_OUT for each in s)),
        "failed": ("What failed", any(each.status == "failed" or each.errors for each in s)),
        "how": ("How it was measured", True),
        "provenance": ("Provenance", True),
    }
    return {name: title for name, (title, shown) in found.items() if shown}


def next_steps(verdict: Verdict) -> list[str]:
    """Whole sentences on what to do next, beside running the winner."""
    lead = words.find(verdict, verdict.recommended) or words.find(verdict, verdict.best)
    steps = []
    if not verdict.recommended:
        steps.append("Nothing is recommended yet: see what was left out and what failed, then loosen a limit or mend an error and run it again.")
    if verdict.recommended and not verdict.sure and verdict.rows_to_settle:
        steps.append(f"If being sure is worth it, have about {words.count(verdict.rows_to_settle)} certify rows answered by the leading approaches.")
    if lead and lead.forecast and lead.forecast.four_times:
        name, value = words.clip(words.names(verdict)[words.ident(lead)], 60), words.estimate(lead.forecast.four_times).replace(" ", FIXED)
        steps.append(f"With four times the labels, “{name}” is forecast at {value}, by a curve fitted to its measured points.")
    elif lead and lead.forecast and not lead.forecast.behaved:
        steps.append(lead.forecast.reason)
    cascade = picks.cascade(verdict)
    if cascade and cascade.recommended:
        steps.append(cascade.reason)
    return [step for step in steps if words.line(step)]


def commands(verdict: Verdict, run: str) -> list[tuple[str, str]]:
    """(what it does, the command): how to run the winner, on a terminal and in Python."""
    if not verdict.winner_folder:
        return []
    columns = [str(c) for c in verdict.task.get("inputs", ())] if not isinstance(verdict.task.get("inputs"), str) else []
    lists = _lists(verdict.task.get("kind"), columns)
    cells = (json.dumps(words.line(c), ensure_ascii=False) + (': ["…", "…"]' if c in lists else ': "…"') for c in columns)
    one = '"…"' if len(columns) < 2 and not lists else "{" + ", ".join(cells) + "}"
    python = f"import fieldguide\n\nsolver = fieldguide.load({json.dumps(words.line(run), ensure_ascii=False)})\nsolver.predict([{one}])"
    return [("Answer every row of a file:", words.shell(("fieldguide", "predict", run, "FILE"))), ("From Python:", python)]


def _lists(kind: Any, columns: Sequence[str]) -> Sequence[str]:
    """Which of the columns hold a list of texts; none where the kind is not registered here."""
    try:
        return resolve("kind", str(kind))().lists(columns)
    except UserError:
        return ()


def quality_strip(verdict: Verdict) -> Callable[[Estimate | None], Place | None]:
    """Where an interval lies on the leaderboard's common scale, as CSS percentages; None where there is nothing to draw."""
    ends = [x for s in verdict.standings if s.quality for x in (s.quality.low, s.quality.high, s.quality.value) if words.known(x)]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    return lambda e: _strip(e, low, high)


def loss_strip(verdict: Verdict) -> Callable[[Estimate | None], Place | None]:
    """The same for a loss, on a scale from one tolerance below none to five above it; what runs off it is cut at the edge and marked."""
    unit = verdict.tolerance if words.known(verdict.tolerance) and verdict.tolerance > 0 else 0.02
    low, high = -unit, 5 * unit

    def at(e: Estimate | None) -> Place | None:
        found = _strip(e, low, high)
        if found is None or e is None:
            return None
        off = ("off-left " if e.low < low else "") + ("off-right" if e.high > high else "")
        marks = {"zero": _percent(0.0, low, high), "tolerance": _percent(unit, low, high)}
        return {**found, **marks, "off": off.strip(), "seen": "yes" if low <= e.value <= high else ""}

    return at


def _strip(e: Estimate | None, low: float, high: float) -> Place | None:
    if e is None or not all(map(words.known, (e.low, e.value, e.high))):
        return None
    left, right = (float(_percent(x, low, high)[:-1]) for x in (e.low, e.high))
    return {"left": f"{left:.1f}%", "middle": _percent(e.value, low, high), "width": f"{max(0.0, right - left):.1f}%"}


def _percent(value: float, low: float, high: float) -> str:
    return f"{min(100.0, max(0.0, (value - low) / ((high - low) or 1.0) * 100)):.1f}%"


def variance_bar(verdict: Verdict) -> Callable[[Standing], tuple[str, str]]:
    """Widths of a stacked bar's two parts, rows and seeds: together the root of their sum, each by its share of it; the longest spans the column."""
    sums = {words.ident(s): s.variance.rows + s.variance.seeds for s in verdict.standings if s.variance}
    longest = math.sqrt(max((v for v in sums.values() if words.known(v)), default=0.0)) or 1.0

    def widths(s: Standing) -> tuple[str, str]:
        whole = sums.get(words.ident(s), 0.0)
        if s.variance is None or not words.known(whole) or whole <= 0:
            return "0%", "0%"
        length = math.sqrt(whole) / longest
        return _percent(length * s.variance.rows / whole, 0.0, 1.0), _percent(length * s.variance.seeds / whole, 0.0, 1.0)

    return widths


def answered(verdict: Verdict) -> list[str]:
    """The approaches whose answers stand beside a row on which they differ, in the leaderboard's order."""
    keys = {key for d in verdict.differences for key in d.answers}
    known = [words.ident(s) for s in verdict.standings if words.ident(s) in keys]
    return [*known, *sorted(keys - set(known))]


def mark(difference: Difference, key: str) -> str:
    """"right", "wrong", or what an answer that is neither scores on its row ("0.67"); "" where no answer is."""
    if difference.scores is None:
        return "right" if difference.answers[key] == difference.target else "wrong"
    score = difference.scores.get(key)
    if score is None or not words.known(score):
        return ""
    return "right" if score > 1 - 1e-6 else "wrong" if score < 1e-6 else words.number(score, 2)


def unit(budget: str) -> str:
    """The unit that the log's spending is in; seconds where the budget is not one of ours."""
    try:
        return parse_budget(budget or None).unit
    except UserError:
        return "seconds"


def compact(value: Any) -> str:
    """Plain values in one line: mappings as "name value" pairs, lists with commas."""
    value = plain(value)
    if isinstance(value, Mapping):
        parts = ((k, json.dumps(v, ensure_ascii=False) if isinstance(v, Mapping) else compact(v)) for k, v in value.items())
        return ", ".join(f"{words.line(k)} {v}" for k, v in parts) or words.NONE
    if isinstance(value, list):
        return ", ".join(compact(v) for v in value) or words.NONE
    if value is None or value == "":
        return words.NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    return words.line(value)


def facts(provenance: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """(name, lines): a mapping inside becomes a line for each of its entries."""
    return [
        (words.line(k).replace("_", " "), [f"{words.line(a)}: {compact(b)}" for a, b in v.items()] if isinstance(v, Mapping) and v else [compact(v)])
        for k, v in provenance.items()
    ]


def spent(verdict: Verdict) -> list[tuple[str, str]]:
    """(what, how much) of all trials together."""
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
