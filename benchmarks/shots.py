"""Measure what scoring rules make of few-shot prompts, and what demonstrations teach, on the same rows of four sets.

    python benchmarks/shots.py                    # two hours of one core; stopped at any moment, the same command goes on
    python benchmarks/shots.py --only trec6,cr    # some of the sets
    python benchmarks/shots.py --what rules       # only the rules ("teaching": only what demonstrations teach)
    python benchmarks/shots.py --table            # only rewrite docs/results/demonstrations.md

The rows are read in place from ../shared/data/tasks or the folder that FIELDGUIDE_DATA names. What is kept of a cell is which rows were answered
rightly, as 0 and 1, and the biases of its answers.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from sets import DATA, ROOT

from fieldguide.approaches.approach import FitContext, Solver
from fieldguide.approaches.prompting.few_shot import deal
from fieldguide.approaches.prompting.shots.calibrated import CalibratedSolver, PromptCalibrated
from fieldguide.approaches.prompting.shots.corruption import corrupted
from fieldguide.approaches.prompting.shots.scoring_rules import PROMPTS
from fieldguide.models.answers import AnswerStore, remembering
from fieldguide.models.pool import ModelPool
from fieldguide.records import Row
from fieldguide.study.plan import shared_order
from fieldguide.tasks.build import read_task
from fieldguide.tasks.task import Role, Task
from fieldguide.verdict.prompt_bias import prompt_bias

SETS = ("trec6", "ag_news", "cr", "tweet_irony")
ROWS = 100
"""Certify rows that every cell answers."""
SHOTS, SEEDS = (8, 24), 5
TAUGHT, TAUGHT_SEEDS = 16, 3
"""Demonstrations that are made wrong on purpose, and draws of them."""
SHOWN: dict[str, tuple[str, float]] = {
    "right": ("right", 0.0), "25 % flipped": ("flipped", 0.25), "50 % flipped": ("flipped", 0.5), "75 % flipped": ("flipped", 0.75),
    "all flipped": ("flipped", 1.0), "random labels": ("random", 1.0), "other inputs": ("other", 1.0),
}  # fmt: skip
STORE = ROOT / "benchmarks" / "shots"


class Cell(NamedTuple):
    """One fitted prompt: what it shows and how its options are scored."""

    what: str
    shots: int
    seed: int
    rule: str
    shown: str = "right"


def cells(what: str) -> Iterator[Cell]:
    """Every cell of one set, those that share a prompt one after the other."""
    for seed in range(SEEDS):
        for shots in SHOTS if what in ("rules", "") else ():
            yield from (Cell("rules", shots, seed, rule) for rule in PROMPTS)
    for seed in range(TAUGHT_SEEDS):
        for shown in SHOWN if what in ("teaching", "") else ():
            yield from (Cell("teaching", TAUGHT, seed, rule, shown) for rule in ("plain", "contextual"))
    if what in ("teaching", ""):
        yield from (Cell("teaching", 0, 0, rule, "none") for rule in ("plain", "contextual"))


def run(name: str, what: str, pool: ModelPool) -> None:
    """Every missing cell of a set."""
    task = read_task(DATA / name, kind="classification", target="label", inputs="text")
    done = {cell for cell, _ in kept(name)}
    by_id = {row.id: row for row in task[Role.CERTIFY]}
    rows = [by_id[i] for i in shared_order(task[Role.CERTIFY])[:ROWS]]
    with TemporaryDirectory() as folder:
        store = AnswerStore(Path(folder) / "answers.sqlite")
        with remembering(store):
            for cell in cells(what):
                if cell not in done:
                    measure(name, task, cell, rows, pool)
        store.close()


def shown_rows(task: Task, cell: Cell) -> tuple[Row, ...]:
    """The training rows of a cell: where demonstrations are made wrong, just those that are shown, wrong as they are to be."""
    train = task[Role.TRAIN]
    if cell.what == "rules" or not cell.shots:
        return train
    show, share = SHOWN[cell.shown]
    return tuple(corrupted(deal(train, cell.shots, cell.seed, task.spec.reader.stratum), task.spec, show, share, cell.seed))


def measure(name: str, task: Task, cell: Cell, rows: list[Row], pool: ModelPool) -> None:
    began = time.perf_counter()
    approach = PromptCalibrated(shots=cell.shots, rule=cell.rule)
    solver = approach.fit(task.spec, shown_rows(task, cell), context=FitContext(seed=cell.seed, models=pool))
    assert isinstance(solver, CalibratedSolver)
    answers = solver.predict([row.inputs for row in rows])
    bias = prompt_bias(
        task.spec.labels, answers, [str(row.target) for row in rows],
        last=solver.demonstrations[-1].answer if solver.demonstrations else None, prior=prior(solver, task, cell, pool),
    )  # fmt: skip
    right = "".join("01"[answer.value == row.target] for answer, row in zip(answers, rows, strict=True))
    given = [sum(answer.value == label for answer in answers) for label in task.spec.labels]
    line = {
        "task": task.fingerprint, **cell._asdict(), "demonstrations": len(solver.demonstrations), "right": right, "given": given,
        **{key: None if value is None else round(value, 4) for key, value in dataclasses.asdict(bias).items()}, "s": round(time.perf_counter() - began, 1),
    }  # fmt: skip
    STORE.mkdir(exist_ok=True)
    with (STORE / f"{name}.jsonl").open("a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")
    print(f"{name} {tuple(cell)}: {right.count('1')} of {len(rows)} ({line['s']:.0f} s)", file=sys.stderr, flush=True)


def prior(solver: Solver, task: Task, cell: Cell, pool: ModelPool) -> list[float]:
    """What the labels' prior is without content, by the contextual rule: one yardstick for every rule of a prompt."""
    if cell.rule == "contextual" and isinstance(solver, CalibratedSolver):
        return solver.prior
    found = PromptCalibrated(shots=cell.shots, rule="contextual").fit(
        task.spec, shown_rows(task, cell), context=FitContext(seed=cell.seed, models=pool)
    )
    assert isinstance(found, CalibratedSolver)
    return found.prior


def kept(name: str) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """What was measured of a set."""
    file = STORE / f"{name}.jsonl"
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        found = json.loads(line)
        yield Cell(*(found[field] for field in Cell._fields)), found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default=",".join(SETS), help="sets to measure, separated by commas")
    parser.add_argument("--what", default="", choices=["", "rules", "teaching"], help="one of the two questions; both otherwise")
    parser.add_argument("--table", action="store_true", help="run nothing; rewrite the page")
    options = parser.parse_args()
    if not options.table:
        pool = ModelPool()
        for name in options.only.split(","):
            run(name, options.what, pool)
    from shots_page import write_page

    write_page()


if __name__ == "__main__":
    main()
