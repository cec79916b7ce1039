"""Run `fieldguide decide` on eight real labelled sets and write the table of what it found.

    python benchmarks/spine.py                     # about seven minutes a set on two cores
    python benchmarks/spine.py --only trec6,cr     # some of them
    python benchmarks/spine.py --table             # only rewrite docs/results/spine.md from finished runs

A run that was stopped is continued by the same command. The data are read in place from ../shared/data/tasks, or from the
folder that FIELDGUIDE_DATA names.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from fieldguide import api
from fieldguide.cli.progress import display, duration
from fieldguide.verdict.verdict import CurvePoint, Estimate, Standing, Verdict

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("FIELDGUIDE_DATA", ROOT.parent / "shared" / "data")) / "tasks"
SETS = {
    "trec6": ("label", "text"),
    "banking77": ("label", "text"),
    "ag_news": ("label", "text"),
    "cr": ("label", "text"),
    "tweet_irony": ("label", "text"),
    "tnews_zh": ("label", "text"),
    "snli": ("label", "premise,hypothesis"),
    "mrpc": ("label", "sentence1,sentence2"),
}
PAGE = ROOT / "docs" / "results" / "spine.md"
NOTES = ROOT / "docs" / "results" / "spine-notes.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default=",".join(SETS), help="sets to run, separated by commas")
    parser.add_argument("--budget", default="7m", help="budget for each set")
    parser.add_argument("--out", default="runs/spine", type=Path, help="folder for the runs")
    parser.add_argument("--table", action="store_true", help="run nothing; rewrite the page from finished runs")
    options = parser.parse_args()
    for name in options.only.split(",") if not options.table else ():
        began = time.perf_counter()
        print(f"== {name}", file=sys.stderr, flush=True)
        with display() as show:
            run = api.decide(DATA / name, target=SETS[name][0], budget=options.budget, out=options.out / name, progress=show.step)
        print(f"{name}: {run.verdict.sentence} ({duration(time.perf_counter() - began)})", flush=True)
        write_page(options.out)
    if options.table:
        write_page(options.out)


def write_page(folder: Path) -> None:
    """The results page, from every finished run in `folder`."""
    verdicts = {name: api.verdict_of(folder / name) for name in SETS if (folder / name / "verdict.json").is_file()}
    parts = [
        "# Eight real sets, from file to verdict\n",
        "Made by `OMP_NUM_THREADS=1 python benchmarks/spine.py --budget 8m`, two sets at a time on two cores that other work shared, so seconds are rough.",
        "A set with another budget below was continued with it. Quality is accuracy on the *certify* rows, with its 95 % interval: over rows",
        "and new seeds from three seeds up, else over rows, the seeds as run (which says nothing of other label draws). Prompted approaches may answer fewer rows, the",
        "others all of them. `fit` is the median seconds of one fit; `p95` is of single answers. A dash is a trial that was not planned or not reached.\n",
    ]
    if NOTES.is_file():
        parts.append(NOTES.read_text(encoding="utf-8"))
    parts += ["## What won\n", "| set | recommended | quality | labels | sure? | best estimate | budget |", "|---|---|---|---|---|---|---|"]
    parts += [summary(name, verdict) for name, verdict in verdicts.items()]
    for name, verdict in verdicts.items():
        parts += ["", *section(name, verdict)]
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text("\n".join(parts) + "\n", encoding="utf-8")


def summary(name: str, verdict: Verdict) -> str:
    by_key = {s.key: s for s in verdict.standings}
    won, best = by_key.get(verdict.recommended or ""), by_key.get(verdict.best or "")
    if won is None:
        return f"| {name} | nothing feasible | – | – | – | – | {verdict.budget} |"
    sure = "yes" if verdict.sure else "not yet, see below" if verdict.caveat else "not enough rows"
    return f"| {name} | {won.title} | {shown(won.quality)} | {won.n_labels:,} | {sure} | {best.title if best else '–'} | {verdict.budget} |"


def section(name: str, verdict: Verdict) -> list[str]:
    rows = ", ".join(f"{n:,} {role}" for role, n in verdict.rows.items())
    counts = sorted({p.n_labels for s in verdict.standings for p in s.curve})
    lines = [f"## {name}\n", f"{rows} rows. {verdict.sentence}\n"]
    lines.append("| approach | " + " | ".join(f"{n:,} labels" for n in counts) + " | macro-F1 at the last | fit s | p95 ms | $ per 1,000 | status |")
    lines.append("|---|" + "---|" * (len(counts) + 5))
    lines += [approach_row(standing, counts, verdict) for standing in verdict.standings]
    return lines


def approach_row(standing: Standing, counts: list[int], verdict: Verdict) -> str:
    points: dict[int, CurvePoint] = {p.n_labels: p for p in standing.curve}
    cells = [shown(points[n].quality) if n in points else "–" for n in counts]
    f1 = shown(standing.metrics.get("macro_f1"))
    p95 = f"{standing.latency_p95_s * 1000:.1f}" if standing.latency_p95_s is not None else "–"
    cost = f"{standing.cost_per_1k_usd:.2g}" if standing.cost_per_1k_usd is not None else "–"
    fit = f"{standing.fit_s:.1f}" if standing.fit_s is not None else "–"
    name = f"**{standing.title}**" if standing.key == verdict.recommended else standing.title
    return f"| {name} | " + " | ".join(cells) + f" | {f1} | {fit} | {p95} | {cost} | {standing.status} |"


def shown(estimate: Estimate | None) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.2f}, {estimate.high:.2f}]" if estimate else "–"


if __name__ == "__main__":
    main()
