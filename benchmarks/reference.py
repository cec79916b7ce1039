"""One reference run: every approach at every label count and seed on real sets, stored as row ids and numbers, for decisions to be replayed from.

    python benchmarks/reference.py                     # hours; stopped at any moment, the same command goes on
    python benchmarks/reference.py --only trec6,cr     # some of the sets
    python benchmarks/reference.py --pack              # run nothing; write benchmarks/reference/*.parquet from what is done

What lies in the store is not run again, so that a run can be cut into parts on several machines.

A set stands for a user's file of 512 labelled rows (256 train, 77 select, 51 calibrate, 128 certify: the shares of the rule for such a
file) beside 400 *sealed* rows that no study sees: they say afterwards how good each choice was. A seed draws its own 256 labels from a
larger pool; 16 and 64 are nested in them. Seconds are processor seconds of one thread, since wall-clock time on a shared machine
is not a property of an approach. Embeddings are kept within a set, as a study keeps them: whoever needs a text first pays for it.
No text is stored: the rows are read in place from ../shared/data/tasks or the folder that FIELDGUIDE_DATA names.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fieldguide.approaches.approach import FitContext, Solver, make
from fieldguide.models.answers import AnswerStore, remembering
from fieldguide.models.meter import metering, uncached
from fieldguide.models.pool import ModelPool
from fieldguide.records import Row, fingerprint
from fieldguide.study.plan import shared_order
from fieldguide.tasks.build import read_task
from fieldguide.tasks.overlap import near_duplicate_groups
from fieldguide.tasks.split import deal
from fieldguide.tasks.task import Role, TaskSpec, nested_subset

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("FIELDGUIDE_DATA", ROOT.parent / "shared" / "data")) / "tasks"
STORE = Path(__file__).resolve().parent / "reference"
SETS: dict[str, dict[str, str]] = {
    "trec6": {"target": "label", "inputs": "text"},
    "cr": {"target": "label", "inputs": "text"},
    "tweet_irony": {"target": "label", "inputs": "text"},
    "tweet_hate": {"target": "label", "inputs": "text"},
    "tweet_offensive": {"target": "label", "inputs": "text"},
    "gold_headlines": {"target": "label", "inputs": "text"},
    "bold": {"target": "domain", "inputs": "prompt"},
    "bb_sports_understanding": {"target": "target", "inputs": "input"},
    "bb_epistemic_reasoning": {"target": "target", "inputs": "input"},
    "wic": {"target": "label", "inputs": "sentence1,sentence2"},
    "bustm_zh": {"target": "label", "inputs": "sentence1,sentence2"},
    "snli": {"target": "label", "inputs": "premise,hypothesis"},
    "mrpc": {"target": "label", "inputs": "sentence1,sentence2"},
    "tnews_zh": {"target": "label", "inputs": "text"},
    "ag_news": {"target": "label", "inputs": "text"},
    "banking77": {"target": "label", "inputs": "text"},
}
COUNTS = (16, 64, 256)
SEEDS = 5
SEALED = 400
ROLES = {Role.CERTIFY: 128, Role.SELECT: 77, Role.CALIBRATE: 51}
POOL = 4_000
"""Rows of a set that take part, at most: enough for five different draws of 256 labels."""
TIMED = 10
"""Rows that are answered one by one, for latency."""
APPROACHES = (
    "majority", "tfidf-logreg", "embedding-zero-shot", "embedding-knn", "linear-probe", "prompt-zero-shot", "prompt-few-shot", "fine-tune",
)  # fmt: skip


@dataclass(frozen=True)
class RealSet:
    """One set with its rows dealt out: the roles of a study, the sealed rows, and the pool that labels are drawn from."""

    name: str

    @cached_property
    def _dealt(self) -> tuple[TaskSpec, dict[str, tuple[Row, ...]]]:
        folder = DATA / self.name
        task = read_task(folder if (folder / "train.jsonl").is_file() else folder / "test.jsonl", **SETS[self.name])
        by_id = {row.id: row for _, row in task}
        rows = [by_id[i] for i in shared_order(list(by_id.values()))[:POOL]]
        groups = near_duplicate_groups(["\n".join(task.spec.reader.segments(task.spec, row.inputs)) for row in rows])
        first = deal(groups, [row.target for row in rows], {Role.CERTIFY: SEALED}, Role.TRAIN, 0, first_to_rest=True)
        sealed = tuple(row for row, role in zip(rows, first, strict=True) if role is Role.CERTIFY)
        keep = [i for i, role in enumerate(first) if role is Role.TRAIN]
        rest = [rows[i] for i in keep]
        second = deal(groups[keep], [row.target for row in rest], ROLES, Role.TRAIN, 0, first_to_rest=True)
        dealt = {role.value: tuple(row for row, own in zip(rest, second, strict=True) if own is role) for role in Role}
        return task.spec, {**dealt, "sealed": sealed}

    @property
    def spec(self) -> TaskSpec:
        return self._dealt[0]

    @property
    def rows(self) -> Mapping[str, tuple[Row, ...]]:
        """Rows by role, "sealed" among them; "train" is the pool, of which a seed draws 256."""
        return self._dealt[1]

    @property
    def answered(self) -> list[Row]:
        """The rows that every trial answers, in the order in which the store holds them."""
        return [row for role in ("select", "calibrate", "certify", "sealed") for row in self.rows[role]]

    def train(self, n: int, seed: int) -> tuple[Row, ...]:
        return nested_subset(nested_subset(self.rows["train"], max(COUNTS), seed), n, seed)

    @cached_property
    def mark(self) -> str:
        """Changes if the rows, their targets or their roles do."""
        return fingerprint(self.spec, [[role, row.id, row.inputs, row.target] for role, rows in self.rows.items() for row in rows])


def trials(spec: TaskSpec, seed: int) -> Iterator[tuple[str, int]]:
    """(approach, label count) of one seed, the approaches that repeat nothing only under seed 0."""
    for name in APPROACHES:
        approach = make(name)
        if approach.unsuited(spec) is None and (seed == 0 or approach.repeats()):
            for n in approach.label_counts(COUNTS):
                yield name, n


def run_trial(real: RealSet, name: str, n: int, seed: int, pool: ModelPool, scratch: Path) -> dict[str, Any]:
    """One trial as plain values: label numbers and confidences in the order of `answered`, and what it cost."""
    rows = real.answered
    approach, texts = make(name), [row.inputs for row in rows]
    began = time.process_time()
    solver = approach.fit(real.spec, real.train(n, seed), context=FitContext(seed=seed, models=pool, workdir=scratch))
    fitted = time.process_time()
    with metering() as meter:
        found = solver.predict(texts)
    answered = time.process_time()
    numbers = {label: i for i, label in enumerate(real.spec.labels)}
    return {
        "mark": real.mark, "approach": name, "n": n, "seed": seed,
        "fit_s": fitted - began, "answer_s": (answered - fitted) / len(rows), "latency_s": singly(solver, texts[:TIMED]),
        "calls": meter.usage.calls, "prompt_tokens": meter.usage.prompt_tokens, "trainable_parameters": solver.trainable_parameters,
        "value": [numbers.get(p.value, -1) if p.parsed else -1 for p in found],
        "confidence": [round(max(p.probabilities.values()), 4) if p.probabilities else None for p in found],
    }  # fmt: skip


def singly(solver: Solver, texts: list[Any]) -> list[float]:
    """Processor seconds of single predictions, without earlier answers."""
    times = []
    with uncached():
        solver.predict(texts[-1:])
        for text in texts:
            began = time.process_time()
            solver.predict([text])
            times.append(round(time.process_time() - began, 6))
    return times


def run(names: list[str], seeds: int, work: Path) -> None:
    """Every missing trial, seed by seed over all sets, so that whatever is done when it stops is balanced."""
    pool = ModelPool()
    for seed in range(seeds):
        for name in names:
            real, folder = RealSet(name), work / name
            folder.mkdir(parents=True, exist_ok=True)
            held = done(real, folder)
            missing = [(a, n, folder / f"{a}-{n}-{seed}.json") for a, n in trials(real.spec, seed) if (a, n, seed) not in held]
            if not missing:
                continue
            store = AnswerStore(folder / "answers.sqlite")
            with remembering(store):
                for approach, n, file in missing:
                    began = time.perf_counter()
                    found = run_trial(real, approach, n, seed, pool, folder / "scratch")
                    partial = file.with_suffix(".part")
                    partial.write_text(json.dumps(found))
                    partial.rename(file)
                    print(f"{name} {approach} n={n} seed={seed}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
            store.close()


def packed(real: RealSet) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """(answers, trials) of a set as they lie in the store; None where there are none of these very rows."""
    mark = STORE / f"{real.name}.mark"
    if not mark.is_file() or mark.read_text().strip() != real.mark:
        return None
    return pd.read_parquet(STORE / f"{real.name}.parquet"), pd.read_csv(STORE / f"{real.name}.csv", dtype={"latency_s": str})


def done(real: RealSet, folder: Path) -> set[tuple[str, int, int]]:
    """(approach, label count, seed) of the trials that are in the store or in the work folder."""
    files = {tuple(file.stem.rsplit("-", 2)) for file in folder.glob("*-*-*.json")}
    held = packed(real)
    stored = set() if held is None else set(zip(held[1]["approach"], held[1]["n"].astype(int), held[1]["seed"].astype(int), strict=True))
    return stored | {(name, int(n), int(seed)) for name, n, seed in files}


def pack(work: Path) -> None:
    """The finished trials of each set, beside those in the store, as one table of answers and one of trials, in `benchmarks/reference`."""
    STORE.mkdir(exist_ok=True)
    for name in SETS:
        files = sorted((work / name).glob("*-*-*.json"))
        if files:
            real = RealSet(name)
            _pack(real, [trial for file in files if (trial := json.loads(file.read_text()))["mark"] == real.mark])


def _pack(real: RealSet, found: list[dict[str, Any]]) -> None:
    held = packed(real)
    roles = [role for role in ("select", "calibrate", "certify", "sealed") for _ in real.rows[role]]
    answers = pd.DataFrame({"row": [row.id for row in real.answered], "role": roles}) if held is None else held[0]
    columns: dict[str, np.ndarray] = {}
    for trial in found:
        title = f"{trial['approach']}/{trial['n']}/{trial['seed']}"
        columns[f"value {title}"] = np.array(trial["value"], dtype=np.int16)
        if trial["confidence"][0] is not None:
            columns[f"confidence {title}"] = np.array(trial["confidence"], dtype=np.float32)
    fresh = {title: column for title, column in columns.items() if title not in answers}
    pd.concat([answers, pd.DataFrame(fresh)], axis=1).to_parquet(STORE / f"{real.name}.parquet", compression="zstd", index=False)
    lists = {"value", "confidence", "latency_s", "mark"}
    rows = [{**{k: v for k, v in trial.items() if k not in lists}, "latency_s": " ".join(f"{s:.5f}" for s in trial["latency_s"])} for trial in found]
    table = pd.DataFrame(rows)
    table.insert(0, "set", real.name)
    table = pd.concat([*([] if held is None else [held[1]]), table]).drop_duplicates(["approach", "n", "seed"])
    table.sort_values(["approach", "n", "seed"]).to_csv(STORE / f"{real.name}.csv", index=False, float_format="%.6g")
    (STORE / f"{real.name}.mark").write_text(real.mark + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default=",".join(SETS), help="sets to run, separated by commas")
    parser.add_argument("--seeds", default=SEEDS, type=int)
    parser.add_argument("--work", default="runs/reference", type=Path, help="folder for what is not packed yet")
    parser.add_argument("--pack", action="store_true", help="run nothing; write the tables from what is done")
    options = parser.parse_args()
    if not options.pack:
        run(options.only.split(","), options.seeds, options.work)
    pack(options.work)


if __name__ == "__main__":
    main()
