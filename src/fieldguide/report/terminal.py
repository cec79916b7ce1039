"""A verdict on one terminal screen: the sentence, the leaderboard, curves where they fit, n*, cascade and key, doubts, and the next command.

At most `LINES` lines at any width from 80 columns up. The fullest version that fits is printed: first the learning
curves shrink away, then doubts, then the tail of the leaderboard and the metrics that do not decide. Colour only repeats
what words and marks already say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fieldguide.report import picks, words
from fieldguide.verdict.verdict import Standing, Verdict

LINES = 40
BARS = "▁▂▃▄▅▆▇█"
STYLES = {
    "recommended": "bold green", "within tolerance": "green", "best estimate": "cyan", "eliminated": "dim", "struck out": "yellow", "failed": "red",
}  # fmt: skip


def render(verdict: Verdict, console: Console, *, run: str | Path = "", report: str | Path = "") -> None:
    """Print the verdict. `run` and `report` say where the run folder and the page are; by default both are found beside the winner."""
    run = str(run) or words.run_folder(verdict)
    report = str(report) or (f"{run}/report.html" if run else "")
    for curves, doubts, rows in ((10, 4, 12), (6, 4, 12), (0, 4, 12), (0, 3, 10), (0, 2, 8), (0, 1, 5), (0, 0, 3)):
        parts: list[RenderableType | None] = [_head(verdict, rows > 3), _leaderboard(verdict, console, rows)]
        parts += [_curves(verdict, curves)] if curves and _has_curves(verdict) else []
        parts += [_said(verdict, console.width), _doubts(verdict, doubts), _foot(verdict, run, report)]
        whole = Group(*(p for p in parts if p is not None))
        if len(console.render_lines(whole, pad=False)) <= LINES:
            break
    console.print(whole)


def _mark(status: str, plain: bool) -> str:
    return "" if plain else words.MARKS.get(status, "·") + " "


def _head(verdict: Verdict, beside: bool) -> RenderableType:
    """The sentence, the facts in a line and, if asked for, the other metrics."""
    text = Text(words.clip(verdict.sentence, 420), style="bold")
    task = words.clip(verdict.task.get("name", ""), 40)
    metric = words.clip(words.metric_title(verdict.task.get("metric", "")), 30)
    rows = f"{words.count(verdict.rows['certify'])} certify rows" if "certify" in verdict.rows else ""
    facts = [task, metric, rows, f"took {words.seconds(verdict.seconds)}" if verdict.seconds else ""]
    if verdict.recommended and not verdict.sure:
        needed = words.count(verdict.rows_to_settle)
        settle = f"about {needed} certify rows would settle it" if verdict.rows_to_settle else "more certify rows are needed"
        facts.append("not yet sure" if verdict.caveat else f"not sure: {settle}")
    lead = words.find(verdict, verdict.recommended) or words.find(verdict, verdict.best)
    others = words.beside(lead, verdict.task.get("metric")) if beside else []
    said = [Text(f"Beside it: {', '.join(others)}", style="dim")] if others else []
    return Group(text, Text(" · ".join(f for f in facts if f), style="dim"), *said, Text())


def _columns(verdict: Verdict, plain: bool) -> list[tuple[str, str, int, Callable[[Standing], str]]]:
    """(heading, justification, rank, cell): the columns of highest rank go first where the screen is narrow."""
    titles = words.names(verdict)

    return [
        ("Approach", "left", 0, lambda s: words.clip(titles[words.ident(s)], 40)),
        ("Labels", "right", 3, lambda s: words.count(s.n_labels) if s.quality else words.NONE),
        ("Quality", "left", 0, lambda s: words.estimate(s.quality)),
        ("Loss vs best", "left", 0, lambda s: words.loss(verdict, s)),
        ("p50 / p95", "right", 2, lambda s: words.latency(s.latency_p50_s, s.latency_p95_s)),
        ("$ / 1,000", "right", 1, lambda s: words.usd(s.cost_per_1k_usd)),
        ("Fit", "right", 4, lambda s: words.seconds(s.fit_s)),
        ("Status", "left", 0, lambda s: _mark(s.status, plain) + words.clip(s.status, 18) + (" *" if _apart(s) else "")),
    ]


def _apart(standing: Standing) -> bool:
    """Whether its figures come from other rows than everybody's."""
    return standing.quality is not None and standing.measured_on != "certify"


def _space(columns: list[Any], width: dict[str, int], total: int, gap: int) -> int:
    """Characters left for the first column."""
    return total - sum(width[heading] + gap for heading, *_ in columns[1:])


def _leaderboard(verdict: Verdict, console: Console, most: int) -> RenderableType:
    if not verdict.standings:
        return Text("Nothing was measured.", style="dim")
    shown, plain = verdict.standings[:most], console.options.ascii_only
    columns = _columns(verdict, plain)
    cells = {heading: [cell(s) for s in shown] for heading, _, _, cell in columns}
    width = {h: max(len(h), *(Text(c).cell_len for c in cells[h])) for h in cells}
    while _space(columns, width, console.width, gap=1) < min(22, width["Approach"]) and (rank := max(c[2] for c in columns)):
        columns = [c for c in columns if c[2] != rank]
    gap = 2 if _space(columns, width, console.width, gap=2) >= min(28, width["Approach"]) else 1
    width["Approach"] = max(12, min(width["Approach"], _space(columns, width, console.width, gap)))
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="dim")
    for heading, justify, _, _ in columns:
        table.add_column(heading, justify=justify, no_wrap=True, overflow="ellipsis", width=width[heading])  # type: ignore[arg-type]
    for i, s in enumerate(shown):
        table.add_row(*(escape(cells[h][i]) for h, *_ in columns), style=STYLES.get(s.status, ""))
    more = len(verdict.standings) - len(shown)
    notes = [f"+{more} more in the report"] if more else []
    notes += ["* on select rows, not to be compared with the others"] if any(map(_apart, shown)) else []
    return Group(table, Text(" · ".join(notes), style="dim")) if notes else table


def _has_curves(verdict: Verdict) -> bool:
    return any(len(s.curve) > 1 for s in verdict.standings)


def sparkline(values: Sequence[float | None], low: float, high: float) -> str:
    """One block character a value, from `low` to `high`; a space where there is none."""
    span = high - low or 1.0
    return "".join(" " if v is None else BARS[min(7, max(0, round((v - low) / span * 7)))] for v in values)


def _curves(verdict: Verdict, most: int) -> RenderableType:
    """Quality by label count, a row for each approach that has more than one count."""
    titles, shown = words.names(verdict), [s for s in verdict.standings if len(s.curve) > 1][:most]
    counts = sorted({p.n_labels for s in shown for p in s.curve})
    counts = counts if len(counts) <= 5 else [*counts[:2], counts[len(counts) // 2], *counts[-2:]]
    found = {words.ident(s): {p.n_labels: p.quality.value for p in s.curve if words.known(p.quality.value)} for s in shown}
    every = [v for row in found.values() for v in row.values()] or [0.0]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("Quality by labels", no_wrap=True, overflow="ellipsis", min_width=16, max_width=32)
    for n in counts:
        table.add_column(words.count(n), justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("Fit", justify="right", no_wrap=True)
    for s in shown:
        row = found[words.ident(s)]
        spark = sparkline([row.get(n) for n in counts], min(every), max(every))
        title = escape(words.clip(titles[words.ident(s)], 40))
        table.add_row(title, *(words.number(row.get(n)) for n in counts), spark, words.seconds(s.curve[-1].fit_s))
    return Group(Text(), table)


def _said(verdict: Verdict, width: int) -> RenderableType | None:
    """One line each for n*, the cascade and the key, where there is something to say."""
    cascade, key = picks.cascade(verdict), verdict.key_path
    agrees: dict[bool | None, str] = {True: "It agrees with the evidence. ", False: "It parts from the evidence. "}
    lines = [
        ("n*", _crossing(verdict, width)),
        ("Cascade", f"{'' if cascade.recommended else 'Not recommended. '}{cascade.reason}" if cascade else ""),
        ("Key", agrees.get(key.agrees, "") + key.sentence if key else ""),
    ]
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for name, text in lines:
        if words.line(text):
            table.add_row(name, Text(words.clip(text, max(20, width - 12))))
    return Group(Text(), table) if table.row_count else None


def _crossing(verdict: Verdict, width: int) -> str:
    """"≈ 240 labels (150 to 400): below Few-shot prompt, above Linear probe"."""
    crossing = next(iter(picks.crossings(verdict)), None)
    if crossing is None:
        return ""
    names, found = words.names(verdict), words.between(crossing.low, crossing.high)
    start = f"≈ {words.roughly(crossing.n_star)} labels{f' ({found})' if found else ''}: below "
    room = max(10, (width - 12 - len(start) - len(", above ")) // 2)
    first, second = (words.squeeze(names.get(key, key), room) for key in (crossing.first, crossing.second))
    return f"{start}{first}, above {second}"


def _doubts(verdict: Verdict, most: int) -> RenderableType | None:
    if not verdict.doubts:
        return None
    more = len(verdict.doubts) - most
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    for doubt in verdict.doubts[:most]:
        table.add_row("-", Text(words.clip(doubt, 190)))
    heading = Text("Doubts", style="bold")
    if more > 0:
        heading.append(f" (+{more} more in the report)" if most else f" ({more} in the report)", style="dim")
    return Group(Text(), heading, table) if most else Group(Text(), heading)


def _foot(verdict: Verdict, run: str, report: str) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    if verdict.winner_folder:
        n, seed, quality = words.handed_over(verdict)
        about = [text for text, value in ((f"fitted on {n} labels", n), (f"seed {seed}", seed), (quality, quality)) if value != words.NONE]
        table.add_row("Winner", Text(words.clip(verdict.winner_folder, 160) + (f" ({', '.join(about)})" if about else "")))
    if report:
        table.add_row("Report", Text(words.clip(report, 160)))
    if verdict.winner_folder:
        table.add_row("Next", Text(words.shell(("fieldguide", "predict", run, "FILE")), style="bold"))
    return Group(Text(), table) if table.row_count else Text()
