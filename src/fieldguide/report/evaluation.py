"""Evaluations on a terminal: a table for each task, a row for each solver, every metric of the kind with its interval."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fieldguide.report import words
from fieldguide.verdict.evaluate import Evaluation
from fieldguide.verdict.paraphrases import ParaphraseSpread
from fieldguide.verdict.prompt_bias import PromptBias

LOWER = "↓"
OTHERS, LEAST = 55, 13
"""Characters that the other columns take beside solvers and metrics; and of a line of a metric's title, at least."""


def render(found: Sequence[Evaluation], console: Console) -> None:
    """Print what was measured, task by task."""
    for i, task in enumerate(dict.fromkeys((one.task, one.kind, one.source) for one in found)):
        own = [one for one in found if (one.task, one.kind, one.source) == task]
        rows = max(one.rows for one in own)
        heading = " · ".join(each for each in (words.clip(task[0], 60), task[1], f"{words.count(rows)} certify rows" if rows else "") if each)
        console.print(Text(("\n" if i else "") + heading, style="bold"))
        if rows:
            console.print(_table([one for one in own if one.measured], rows, console.width))
        for one in own:
            if one.bias is not None and (leaning := _leaning(one.bias)):
                console.print(Text(f"{words.clip(one.solver, 80)} leans {leaning}", style="dim"))
        for one in own:
            if not one.measured:
                console.print(_left_out(one))
    if any(words.lower_is_better(name) for one in found for name in one.metrics):
        console.print(Text(f"{LOWER} lower is better", style="dim"))


def _table(found: Sequence[Evaluation], rows: int, width: int) -> Table:
    """One task's table; a cell holds a line for each figure, so that eighty columns are enough."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("Solver", overflow="fold", min_width=12)
    table.add_column("Metric", overflow="fold")
    table.add_column("95 % interval", no_wrap=True)
    table.add_column("Unread", justify="right", no_wrap=True)
    table.add_column("Fit\nanswers", justify="right", no_wrap=True)
    table.add_column("p50 / p95\n1,000 rows", justify="right", no_wrap=True)
    room = max((width - OTHERS) // 2, LEAST)
    for one in found:
        unread = words.share(one.unparsed_share, 1 if one.unparsed_share and one.unparsed_share < 0.1 else 0)
        spent = f"{words.seconds(one.record.fit_s)}\n{words.seconds(one.record.predict_s)}"
        cost = f"{words.latency(one.latency_p50_s, one.latency_p95_s)}\n{words.usd(one.cost_per_1k_usd)}"
        titles = [textwrap.wrap(words.metric_title(name) + f" {LOWER}" * words.lower_is_better(name), room) for name in one.metrics]
        metrics = "\n".join(line for title in titles for line in title)
        estimates = "\n".join(words.estimate(e) + "\n" * (len(title) - 1) for title, e in zip(titles, one.metrics.values(), strict=True))
        table.add_row(_name(one, rows), escape(metrics), escape(estimates), unread, spent, cost)
    return table


def _leaning(bias: PromptBias) -> str:
    """What a prompt's answers lean towards, by how much; "" where nothing can be told."""
    told = [f"towards some labels by {words.number(bias.label)} of its belief"] if bias.label is not None else []
    told += [f"towards its last demonstration's by {words.number(bias.recency)} of its answers"] if bias.recency is not None else []
    told += [f"towards what is likely without content by ρ = {words.number(bias.common_token)}"] if bias.common_token is not None else []
    return ", ".join(told) + " (0 is no bias, few rows make some by chance)" if told else ""


def _left_out(one: Evaluation) -> Text:
    """Why one was not measured, as the study's record says."""
    why = re.sub(r"^(Approach|Data|Model)Error: ", "", words.line(one.record.error)) or "It answered no certify row."
    return Text.assemble((words.clip(one.solver, 80), "bold"), (f" {one.record.status}: ", "yellow"), words.clip(why, 400))


def _name(one: Evaluation, rows: int) -> Text:
    """The solver as it was given, and on a second line what it is."""
    title, labels = words.line(one.record.title), one.n_labels
    about = [title] if title != one.solver else []
    about += [f"{words.count(labels)} labels"] if labels else []
    lines = [", ".join(about)] if about else []
    lines += [f"on {words.count(one.rows)} rows"] if one.rows < rows else []
    text = Text(words.clip(one.solver, 80), style="bold")
    return text.append("\n" + "\n".join(lines), style="not bold dim") if lines else text


def render_spreads(found: Sequence[ParaphraseSpread], console: Console) -> None:
    """Print what each wording made of an approach, and how far apart the wordings lie."""
    for i, one in enumerate(found):
        heading = f"{words.clip(one.task, 60)} · {one.approach} · {words.metric_title(one.metric)} on {words.count(one.rows)} certify rows"
        console.print(Text(("\n" if i else "") + heading, style="bold"))
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
        for title in ("Template", "95 % interval", "Unread"):
            table.add_column(title)
        for each in one.templates:
            figure = words.estimate(each.quality) if each.quality else words.clip(words.line(each.error), 60)
            table.add_row(escape(each.template), escape(figure), words.share(each.unparsed_share))
        console.print(table)
        if one.mean is not None and one.range is not None:
            deviation = "" if one.deviation is None else f", standard deviation {words.number(one.deviation)} (rows make some of it)"
            console.print(f"mean {words.number(one.mean)}, best less worst {words.number(one.range)}{deviation}")
