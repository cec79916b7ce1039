"""Write docs/results/engine.md and its picture from what scoring.py and generation.py measured; no number is typed by hand.

    python benchmarks/scoring.py --json > scoring.json
    python benchmarks/generation.py --json > generation.json
    python benchmarks/engine_page.py scoring.json generation.json

Words about the numbers belong in docs/results/engine-notes.md, which is copied into the page where it exists.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine_picture import described, draw
from measure import facts_line

ROOT = Path(__file__).resolve().parent.parent
MB = 2**20


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, help="what the benchmarks printed with --json")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="the folder that holds results/ and pictures/")
    options = parser.parse_args(arguments)
    read = [json.loads(path.read_text(encoding="utf-8")) for path in options.files]
    found = {one["benchmark"]: one for one in read}
    if len(found) < len(read):
        parser.error("two of the files come from the same benchmark; give at most one of each")
    write(found.get("scoring"), found.get("generation"), options.docs)


def write(scoring: dict[str, Any] | None, generation: dict[str, Any] | None, docs: Path) -> None:
    """The page and its two pictures under `docs`."""
    for folder in (docs / "results", docs / "pictures"):
        folder.mkdir(parents=True, exist_ok=True)
    if scoring and "scaling" in scoring:
        for theme, svg in draw(scoring["scaling"]).items():
            (docs / "pictures" / f"engine-scaling-{theme}.svg").write_text(svg, encoding="utf-8")
    notes = docs / "results" / "engine-notes.md"
    parts = head(scoring, generation)
    if notes.is_file():
        parts += [notes.read_text(encoding="utf-8").strip(), ""]
    parts += scoring_parts(scoring) if scoring else []
    parts += generation_parts(generation) if generation else []
    (docs / "results" / "engine.md").write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")


def head(*runs: dict[str, Any] | None) -> list[str]:
    """The title, how the page was made, on what."""
    given = [run for run in runs if run]
    lines = ["# What the engine costs\n"]
    if any(run["facts"]["quick"] for run in given):
        lines.append("**Written from a `--quick` run: tiny sizes, so the numbers mean nothing.**\n")
    lines.append("```sh")
    lines += [f"{run['command']} --json > {run['benchmark']}.json" for run in given]
    lines += ["python benchmarks/engine_page.py " + " ".join(f"{run['benchmark']}.json" for run in given), "```\n"]
    lines += [f"{run['benchmark'].capitalize()}: {run['model']}, {facts_line(run['facts'])}; each figure the median of {run['repeats']} unless said.\n" for run in given]
    left = [f"Left out: {name}; {why}.\n" for run in given for name, why in run["skipped"].items()]
    return lines + left


def scoring_parts(found: Mapping[str, Any]) -> list[str]:
    parts: list[str] = []
    works = list(found["works"].values())
    against = [work for work in works if "peer" in work]
    if against:
        parts += ["## Scoring against lm-evaluation-harness\n"]
        parts += [
            "Same weights, texts, device and threads, in turn. The harness computes in the fastest batch size that a short pilot found; it is given fewer rows where",
            "it takes long, and both are compared by the row. A difference is that of an option's whole log-probability, in nats, on the rows that both scored;",
            "the network itself in float64 then scores those options that differ most, to show whose rounding it is.\n",
        ]
        columns = ["work", "rows", "harness: rows, batch, runs", "harness, s a row", "engine, s a row", "times as fast"]
        parts += table([*columns, "largest difference", "engine off float64", "harness off float64", "same choice"], map(against_row, against))
    if works:
        parts += ["", "## Arithmetic\n"]
        parts += [
            "*Tokens computed* stand beside those of one pass for each prompt with each option. The peak is that of the network's own linear layers, run at the size of",
            "the engine's passes just after the work; operations are two for each parameter and token (the projection to the vocabulary where it is made), without attention.\n",
        ]
        columns = ["work", "tokens computed", "if nothing were shared", "tokens/s", "GFLOP/s", "peak", "tokens a pass", "share of the peak"]
        parts += table(columns, map(arithmetic_row, works))
    if cases := found.get("memory"):
        parts += ["", "## Memory\n"]
        parts += ["In a process of its own: the most memory in RAM while scoring, less what lay there once the model was loaded and had scored a short text.\n"]
        parts += table(("prompts", "tokens each", "shared", "options each", "budget, MB", "used, MB", "share of the budget", "s"), map(memory_row, cases))
    if grown := found.get("scaling"):
        parts += ["", *scaling_parts(grown)]
    return [*parts, ""]


def against_row(work: Mapping[str, Any]) -> list[str]:
    peer = work["peer"]
    return [
        work["title"],
        str(work["rows"]),
        f"{peer['rows']}, {peer['batch']}, {len(peer['seconds'])}",
        digits(peer["seconds_a_row"]),
        digits(work["ours"]["seconds_a_row"]),
        asked(work["times_as_fast"]),
        asked(work["largest_difference_nats"]),
        *(digits(work["off_float64_nats"][who]) for who in ("ours", "peer")),
        f"{work['same_choice']['value']} of {work['same_choice']['at_least']}",
    ]


def arithmetic_row(work: Mapping[str, Any]) -> list[str]:
    ours, sums = work["ours"], work["arithmetic"]
    counts = [f"{ours['tokens_computed']:,}", f"{ours['tokens_unshared']:,}", f"{sums['tokens_a_second']:,.0f}", f"{sums['gflops']:.0f}", f"{sums['peak_gflops']:.0f}"]
    return [work["title"], *counts, f"{sums['pass_tokens']:,}", asked(sums["share_of_peak"])]


def memory_row(case: Mapping[str, Any]) -> list[str]:
    used = [f"{case['budget_bytes'] / MB:,.0f}", f"{case['used_bytes'] / MB:,.0f}", asked(case["of_budget"]), f"{case['seconds']:.1f}"]
    return [str(case["prompts"]), f"{case['prompt_tokens']:,}", f"{case['shared_tokens']:,}", str(case["options"]), *used]


def scaling_parts(grown: Mapping[str, Any]) -> list[str]:
    name = "../pictures/engine-scaling"
    return [
        "## Growth with rows and shots\n",
        "<picture>",
        f'  <source media="(prefers-color-scheme: dark)" srcset="{name}-dark.svg">',
        f'  <img alt="{described(grown)}" src="{name}-light.svg">',
        "</picture>\n",
        f"An exponent of 1 is linear, fitted on logarithms. Seconds against rows, demonstrations already computed: {asked(grown['rows_exponent'])}.",
        f"Against shots, {grown['shots_rows']} rows from scratch: {asked(grown['shots_exponent'])}.\n",
        *table(("rows", "s", "s, demonstrations kept"), ([str(p["rows"]), digits(p["seconds"]), digits(p["seconds_kept"])] for p in grown["rows"])),
        "",
        *table(("shots", "tokens of the longest prompt", "s"), ([str(p["shots"]), f"{p['prompt_tokens']:,}", digits(p["seconds"])] for p in grown["shots"])),
    ]


def generation_parts(found: Mapping[str, Any]) -> list[str]:
    parts: list[str] = []
    columns = ("what ran", "s", "tokens written", "tokens/s")
    if work := found.get("samples"):
        parts += [f"## {work['samples']} samples of one prompt\n", f"A prompt of {work['prompt_tokens']} tokens, {work['new_tokens']} new tokens for each sample, temperature 1.\n"]
        parts += [*table(columns, map(speed_row, work["rows"].items())), ""]
        parts += [f"{work['samples']} samples cost {asked(work['eight_over_one'])} times one. By tokens a second they run {asked(work['over_transformers'])} times as"]
        parts += [f"fast as `transformers.generate` given {work['samples']} copies.\n"]
    if work := found.get("greedy"):
        pilot = ", ".join(f"{batch}: {digits(s)}" for batch, s in work["pilot"].items())
        parts += [f"## {work['prompts']} different prompts, greedy\n"]
        parts += [f"Few-shot prompts of trec6, {work['prompt_tokens']:.0f} tokens each, {work['new_tokens']} new ones. The pilot's seconds a prompt by batch size: {pilot}.\n"]
        parts += [*table(columns, map(speed_row, work["rows"].items())), ""]
        parts += [f"The engine is {work['over_transformers']:.2f} times as fast. Up to where texts part, {work['tokens_equal']:,} of {work['tokens_compared']:,} tokens are the same;"]
        parts += [f"{work['prompts_equal']} of {work['prompts']} texts are the same throughout (ties within rounding can fall either way).\n"]
    return parts


def speed_row(item: tuple[str, Mapping[str, Any]]) -> list[str]:
    name, own = item
    return [name, digits(own["seconds"]), f"{sum(own['tokens']):,}", f"{own['tokens_a_second']:.1f}"]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns), *("| " + " | ".join(row) + " |" for row in rows)]


def asked(found: Mapping[str, Any]) -> str:
    """A measurement, what was asked of it, and whether it was met."""
    sign, bound = ("≥", found["at_least"]) if found["at_least"] is not None else ("≤", found["at_most"])
    return f"{digits(found['value'])} ({sign} {bound:g}: {'met' if found['met'] else 'not met'})"


def digits(value: float | None) -> str:
    """Three that count; whole numbers as they are; a dash for what was not measured."""
    if value is None:
        return "–"
    if value == 0 or (float(value).is_integer() and abs(value) < 1e6):
        return f"{value:,.0f}"
    if 1e-3 <= abs(value) < 1e6:
        return f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"
    return f"{value:.1e}"


if __name__ == "__main__":
    main()
