"""Measure ways to prompt on the same rows: with tools and without, closed and open book, step by step and at once.

    python benchmarks/prompting.py                        # about an hour of one core; stopped at any moment, the same command goes on
    python benchmarks/prompting.py --only "squad pooled"  # some of the sets
    python benchmarks/prompting.py --table                # only rewrite docs/results/prompting.md

The rows are read in place from ../shared/data/tasks or the folder that FIELDGUIDE_DATA names. Prompted approaches answer 100 certify rows.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from sets import Bench, Job, with_params

from fieldguide.tasks.build import read_task
from fieldguide.tasks.task import Task

TRIVIAL, FEW = ("majority", None), ("prompt-few-shot", None)
TOOLS = ("prompt-tools", None)
STEPS = ("prompt-cot", None)
POOLED = "$DATA/squad_xquad_en/test.jsonl"


def _questions(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "test.jsonl").read_text(encoding="utf-8").splitlines()]


def closed_book(folder: Path) -> Task:
    """Questions alone; those on one paragraph belong together."""
    table = pd.DataFrame([{"question": r["question"], "answers": r["answers"], "passage": r["context"]} for r in _questions(folder)])
    return read_task(table, kind="short-answer", inputs="question", target="answers", group="passage", name="squad")


def given(folder: Path) -> Task:
    """The same questions, each with its paragraph."""
    table = pd.DataFrame([{"passage": r["context"], "question": r["question"], "answers": r["answers"]} for r in _questions(folder)])
    return read_task(table, kind="short-answer", inputs="passage,question", target="answers", group="passage", name="squad")


JOBS: dict[str, Job] = {
    "multiplication 4": Job("numeric-answer", (TRIVIAL, FEW, TOOLS), folder="ability:multiplication:4", rows=100),
    "addition 8": Job("numeric-answer", (TRIVIAL, FEW, TOOLS), folder="ability:addition:8", rows=100),
    "modular 3": Job("numeric-answer", (TRIVIAL, FEW, TOOLS), folder="ability:modular:3", rows=100),
    "multiarith": Job("numeric-answer", (TRIVIAL, FEW, TOOLS, STEPS), rows=100),
    "squad closed": Job("short-answer", (TRIVIAL, ("prompt-zero-shot", None)), folder="squad_xquad_en", rows=100, made=closed_book),
    "squad pooled": Job(
        "short-answer",
        tuple((with_params("prompt-retrieved", corpus=POOLED, by=by, passages=2), None) for by in ("bm25", "dense", "hybrid")),
        folder="squad_xquad_en", rows=100, made=closed_book,
    ),
    "squad given": Job("short-answer", (("prompt-zero-shot", None),), folder="squad_xquad_en", rows=100, made=given),
}  # fmt: skip
ABOUT = """Made by `OMP_NUM_THREADS=1 python benchmarks/prompting.py`. Each line is one fit (seed 0), measured on 100 certify rows, the same for every approach of a set;
SmolLM2-135M-Instruct, greedy. In brackets the 95 % interval over rows (over paragraphs for SQuAD), the seed as run. Seconds are of one thread on a machine that other work shared.
"""
BENCH = Bench("prompting", "Ways to prompt, on the same rows", ABOUT, JOBS)

if __name__ == "__main__":
    BENCH.main((__doc__ or "").partition("\n")[0])
