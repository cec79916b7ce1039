"""Draw self-consistency's samples once, keep their votes, and see what stopping early would have saved and changed.

    python benchmarks/votes.py                    # under an hour of one core; stopped at any moment, the same command goes on
    python benchmarks/votes.py --only multiarith
    python benchmarks/votes.py --table            # only rewrite docs/results/self-consistency.md

The rows are read in place from ../shared/data/tasks or the folder that FIELDGUIDE_DATA names. What is kept of a row are its id, its target, and each
sample's answer and weight.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from sets import DATA, ROOT

from fieldguide.approaches.approach import FitContext
from fieldguide.approaches.prompting.reasoning.self_consistency import SelfConsistency, VotingSolver
from fieldguide.approaches.prompting.reasoning.votes import Vote, drawn, winner
from fieldguide.models.pool import ModelPool
from fieldguide.records import Prediction
from fieldguide.stats.intervals import wilson
from fieldguide.study.plan import shared_order
from fieldguide.tasks.build import read_task
from fieldguide.tasks.task import Role, Task

ROWS, SAMPLES, TOGETHER = 100, 20, 10
"""Certify rows, samples of each, and rows that are answered and kept together."""
STOPS = (0.0, 0.8, 0.85, 0.9, 0.95, 0.99)
STORE, PAGE = ROOT / "benchmarks" / "votes", ROOT / "docs" / "results" / "self-consistency.md"


@dataclass(frozen=True)
class Job:
    """A set, and how it is reasoned about."""

    kind: str
    approach: SelfConsistency
    columns: dict[str, str]
    folder: str = ""


def job(kind: str, columns: dict[str, str] | None = None, folder: str = "", **params: Any) -> Job:
    return Job(kind, SelfConsistency(samples=SAMPLES, block=SAMPLES, vote="weighted", **params), columns or {}, folder)


JOBS = {
    "multiarith": job("numeric-answer", way="few-shot", reasoning_tokens=96),
    "cr": job("classification", {"inputs": "text", "target": "label"}, reasoning_tokens=48),
    "addition 2": job("numeric-answer", folder="ability:addition:2", reasoning_tokens=64),
}
ABOUT = f"""# Self-consistency, and when to stop

Made by `OMP_NUM_THREADS=1 python benchmarks/votes.py`: SmolLM2-135M-Instruct, {SAMPLES} samples of reasoning and answer at temperature .7 to each of up to {ROWS}
certify rows, drawn once and kept (`benchmarks/votes/`). A rule that stops early is played on the kept samples in the order in which they were drawn, one at a time: 0 stops
where the samples left can change nothing; any other number where the leader leads the runner-up with that probability (Aggarwal et al. 2023, arXiv:2305.11860).
Samples are the share of all that the rule would have drawn; the same answer is that of all samples' majority. In brackets 95 % intervals over rows.
"""


def read(name: str) -> Task:
    own = JOBS[name]
    place: Any = own.folder or DATA / name
    return read_task(place, kind=None if own.folder else own.kind, **own.columns)  # type: ignore[arg-type]


def run(name: str, pool: ModelPool) -> None:
    """Every row that has no samples yet."""
    task, approach = read(name), JOBS[name].approach
    solver = approach.fit(task.spec, task[Role.TRAIN], context=FitContext(models=pool))
    assert isinstance(solver, VotingSolver)
    done, by_id = {line["row"] for line in kept(name)}, {row.id: row for row in task[Role.CERTIFY]}
    rows = [by_id[i] for i in shared_order(task[Role.CERTIFY])[:ROWS] if i not in done]
    STORE.mkdir(exist_ok=True)
    for start in range(0, len(rows), TOGETHER):
        began, part = time.perf_counter(), rows[start : start + TOGETHER]
        found = solver.draws([row.inputs for row in part])
        with (STORE / f"{name}.jsonl").open("a", encoding="utf-8") as out:
            for row, samples in zip(part, found, strict=True):
                votes = [[said, round(weight, 6)] for said, weight in solver.votes(samples)]
                out.write(json.dumps({"task": task.fingerprint, "row": row.id, "right": solver._said(Prediction(row.target)), "votes": votes}) + "\n")
        print(f"{name}: {start + len(part)} of {len(rows)} rows ({time.perf_counter() - began:.0f} s)", file=sys.stderr, flush=True)


def kept(name: str) -> list[dict[str, Any]]:
    file = STORE / f"{name}.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


def write_page() -> None:
    parts = [ABOUT]
    with suppress(FileNotFoundError):
        parts.append(PAGE.with_name("self-consistency-notes.md").read_text(encoding="utf-8"))
    for name in JOBS:
        if lines := kept(name):
            parts += [f"## {name} ({len(lines)} rows)\n", *votes_table(lines), ""]
    PAGE.write_text("\n".join(parts) + "\n", encoding="utf-8")


def votes_table(lines: list[dict[str, Any]]) -> Iterator[str]:
    right = [line["right"] for line in lines]
    rows: list[list[Vote]] = [[(said, weight) for said, weight in line["votes"]] for line in lines]
    plain: list[list[Vote]] = [[(said, 1.0) for said, _ in votes] for votes in rows]
    read = np.mean([[said is not None for said, _ in votes] for votes in rows])
    yield f"One sample alone is right in {np.mean([[said == own for said, _ in votes] for votes, own in zip(rows, right, strict=True)]):.1%} of all draws; {read:.0%} of answers could be read.\n"
    yield "| vote | stop | right | samples | same answer |"
    yield "|---|---|---|---|---|"
    yield f"| majority | never | {share([winner(votes) == own for votes, own in zip(plain, right, strict=True)])} | 100 % | – |"
    yield f"| weighted | never | {share([winner(votes) == own for votes, own in zip(rows, right, strict=True)])} | 100 % | {share([winner(a) == winner(b) for a, b in zip(rows, plain, strict=True)])} |"
    for stop in STOPS:
        sizes = np.array([drawn(votes, 1, stop) for votes in plain])
        early = [winner(votes[:n]) for votes, n in zip(plain, sizes, strict=True)]
        used = sizes / SAMPLES
        half = 1.96 * used.std(ddof=1) / len(used) ** 0.5
        same = share([one == winner(votes) for one, votes in zip(early, plain, strict=True)])
        yield f"| majority | {stop or 'settled'} | {share([one == own for one, own in zip(early, right, strict=True)])} | {used.mean():.0%} [{used.mean() - half:.0%}, {used.mean() + half:.0%}] | {same} |"


def share(each: list[bool]) -> str:
    low, high = wilson(sum(each), len(each))
    return f"{np.mean(each):.1%} [{low:.0%}, {high:.0%}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default=",".join(JOBS), help="sets to measure, separated by commas")
    parser.add_argument("--table", action="store_true", help="run nothing; rewrite the page")
    options = parser.parse_args()
    if not options.table:
        pool = ModelPool()
        for name in options.only.split(","):
            run(name, pool)
    write_page()


if __name__ == "__main__":
    main()
