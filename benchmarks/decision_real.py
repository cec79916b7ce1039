"""Decisions on real sets, replayed from the reference run: `decide` and other rules at shares of its spend, judged on sealed rows.

Approaches answer from the store that `reference.py` wrote, and a clock that only they move charges the seconds recorded there, so
that a budget in minutes, running costs and latencies are what they were on that machine. Sealed rows are never given to a study.
Truth is the mean over seeds on sealed rows; the best approach is picked on one half of them and scored on the other, and the reverse.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

import numpy as np
import pandas as pd
import reference
from decision_rules import Board, Pick, always, everything, halving, uniform
from decision_study import Outcome, decide
from decision_worlds import FIXED, SEEDS, TOLERANCE, claimed

from fieldguide.approaches.approach import Approach, FitContext, Solver, make
from fieldguide.models.meter import may_use_cache
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Prediction, Row, Unparsed
from fieldguide.registry import TABLE
from fieldguide.stats.paired import difference
from fieldguide.study.plan import shared_order
from fieldguide.study.settings import DEFAULT_MACHINE_PRICE, Settings
from fieldguide.tasks.task import Role, Task, TaskSpec
from fieldguide.verdict.cascades import stages_of
from fieldguide.verdict.findings import Findings
from fieldguide.verdict.key import advice_as_approach, walk
from fieldguide.verdict.key_facts import facts_of

NO_CONFIDENCE = -1.0


class Clock:
    """Stands in for `time.perf_counter`: it shows only the seconds that replayed approaches have charged."""

    now = 0.0

    def __call__(self) -> float:
        return Clock.now

    @staticmethod
    def charge(seconds: float) -> None:
        Clock.now += seconds


@dataclass(frozen=True, eq=False)
class Stored:
    """One set of the reference run."""

    name: str
    real: reference.RealSet
    answers: pd.DataFrame
    """A row for each answered row ("row", "role"), two columns for each trial."""
    trials: Mapping[tuple[str, int, int], Mapping[str, Any]]
    """(approach, label count, seed) → its line in the table of trials."""

    @cached_property
    def place(self) -> dict[str, int]:
        """Row id → place in the store."""
        return {row: i for i, row in enumerate(self.answers["row"])}

    @cached_property
    def text_ids(self) -> dict[tuple[str, ...], str]:
        """A row's text → its id; of equal texts the first, which was answered alike."""
        return {tuple(row.inputs[c] for c in self.real.spec.inputs): row.id for row in reversed(self.real.answered)}

    @cached_property
    def targets(self) -> np.ndarray:
        numbers = {label: i for i, label in enumerate(self.real.spec.labels)}
        return np.array([numbers.get(row.target, -2) for row in self.real.answered])

    @cached_property
    def counts(self) -> dict[str, tuple[int, ...]]:
        """Label counts of each approach that has every seed it can have, ascending."""
        found: dict[str, set[int]] = {}
        for part, n, _ in self.trials:
            found.setdefault(part, set()).add(n)
        whole = {part: {n for n in ns if all((part, n, s) in self.trials for s in self.seeds(part))} for part, ns in found.items()}
        return {part: tuple(sorted(ns)) for part, ns in whole.items() if ns and max(ns) == max(make(part).label_counts(reference.COUNTS))}

    def seeds(self, part: str) -> tuple[int, ...]:
        return tuple(range(SEEDS)) if make(part).repeats() else (0,)

    def values(self, part: str, n: int, seed: int) -> np.ndarray:
        return self.answers[f"value {part}/{n}/{seed}"].to_numpy()

    def right(self, part: str, n: int, seed: int, role: str) -> np.ndarray:
        """(rows,) 0/1 on the rows of a role, in the shared order of a study."""
        at = self.rows_of(role)
        return (self.values(part, n, seed)[at] == self.targets[at]).astype(float)

    @cache  # noqa: B019  # there are sixteen of these
    def rows_of(self, role: str) -> np.ndarray:
        return np.array([self.place[i] for i in shared_order(self.real.rows[role])], dtype=int)

    def seconds(self, part: str, n: int, seed: int, name: str) -> float:
        return float(self.trials[part, n, seed][name])

    def latencies(self, part: str, n: int, seed: int) -> list[float]:
        return [float(s) for s in str(self.trials[part, n, seed]["latency_s"]).split()]

    @cached_property
    def sealed(self) -> dict[Pick, np.ndarray]:
        """(approach, label count) → (sealed rows,) share of seeds that are right."""
        return {(p, n): np.mean([self.right(p, n, s, "sealed") for s in self.seeds(p)], axis=0) for p, ns in self.counts.items() for n in ns}

    @cached_property
    def exhaustive_s(self) -> float:
        """Seconds of every trial on every row that a study may see."""
        rows = sum(len(self.real.rows[role]) for role in ("select", "calibrate", "certify"))
        cells = [(part, n, s) for part, ns in self.counts.items() for n in ns for s in self.seeds(part)]
        return sum(self.seconds(*cell, "fit_s") + rows * self.seconds(*cell, "answer_s") for cell in cells)


@cache
def stored(name: str, folder: Path) -> Stored | None:
    """A set's part of the store; None where it is not there, or was made from other rows than these."""
    mark = folder / f"{name}.mark"
    real = reference.RealSet(name)
    if not mark.is_file() or mark.read_text().strip() != real.mark:
        return None
    trials = pd.read_csv(folder / f"{name}.csv").to_dict("records")
    return Stored(name, real, pd.read_parquet(folder / f"{name}.parquet"), {(t["approach"], t["n"], t["seed"]): t for t in trials})


@dataclass(frozen=True, kw_only=True)
class Replayed(Approach):
    """An approach of the reference run: fits and answers are read from the store and charged to the clock."""

    name = "replayed"
    contract_exceptions = {"strange_label": "It reads its answers.", "one_label": "It reads its answers."}

    original: str
    folder: str
    set: str

    @property
    def title(self) -> str:  # type: ignore[override]
        return make(self.original).title

    @property
    def family(self) -> str:  # type: ignore[override]
        return make(self.original).family

    @property
    def training(self) -> bool:  # type: ignore[override]
        return make(self.original).training

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        return make(self.original).label_counts(ladder)

    def repeats(self) -> bool:
        return make(self.original).repeats()

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        return n_rows

    @property
    def store(self) -> Stored:
        found = stored(self.set, Path(self.folder))
        assert found is not None, f"{self.set} is not in {self.folder}"
        return found

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> ReplayedSolver:
        seed = context.seed % SEEDS if self.repeats() else 0
        Clock.charge(self.store.seconds(self.original, len(train), seed, "fit_s"))
        return ReplayedSolver(len(train), seed)

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return ReplayedSolver


class ReplayedSolver(Solver):
    standalone = True
    approach: Replayed

    def __init__(self, n_labels: int, seed: int) -> None:
        self.n_labels, self.seed = n_labels, seed

    def _predict(self, inputs: list[Inputs]) -> list[Prediction]:
        store, cell = self.approach.store, (self.approach.original, self.n_labels, self.seed)
        places = [store.place[store.text_ids[tuple(row[c] for c in store.real.spec.inputs)]] for row in inputs]
        if may_use_cache():
            Clock.charge(store.seconds(*cell, "answer_s") * len(inputs))
        else:  # single rows are being timed
            times = store.latencies(*cell)
            Clock.charge(sum(times[place % len(times)] for place in places))
        values, labels = store.values(*cell), self.task.labels
        name = f"confidence {'/'.join(map(str, cell))}"
        sure = store.answers[name].to_numpy() if name in store.answers else None
        return [_prediction(int(values[i]), None if sure is None else float(sure[i]), labels) for i in places]

    def _save(self, folder: Path) -> Mapping[str, Any]:
        return {"n_labels": self.n_labels, "seed": self.seed}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        return cls(state["n_labels"], state["seed"])


def _prediction(value: int, sure: float | None, labels: Sequence[str]) -> Prediction:
    if value < 0:
        return Prediction(Unparsed("", "it could not be read then"))
    if sure is None or sure != sure:
        return Prediction(labels[value])
    rest = (1 - sure) / max(len(labels) - 1, 1)
    return Prediction(labels[value], {label: sure if k == value else rest for k, label in enumerate(labels)})


@contextmanager
def replaying() -> Iterator[None]:
    """Inside this block the replayed approach can be loaded by name, and the process reads time off `Clock`."""
    with patch.dict(TABLE["approach"], {"replayed": "decision_real:Replayed"}), patch.object(time, "perf_counter", Clock()):
        yield


def judged(store: Stored, folder: Path, shares: Sequence[float], repetition: int) -> list[dict[str, Any]]:
    """One record for each budget; the study's seeds start at `repetition`."""
    board, whole, task = board_of(store, repetition), store.exhaustive_s, task_of(store)
    key = advice_as_approach(walk(facts_of(task)), list(board.counts), len(task[Role.TRAIN]))
    alone = {part: _scored(store, always(board, part)) for part in board.counts}
    fixed = {rule: alone[part] for rule, part in FIXED.items() if part in alone}
    picks = {"the key alone": alone[key], **fixed, "everything measured": _scored(store, everything(board))}
    cast: dict[str, Approach] = {part: Replayed(original=part, folder=str(folder), set=store.name) for part in board.counts}
    cast["majority"] = make("majority")
    parts = {approach.key: part for part, approach in cast.items()}
    found = []
    for share in shares:
        settings = Settings(data="", seeds=SEEDS, seed=repetition, budget=f"{whole * share:.6f}s", tolerance=100 * TOLERANCE)
        with replaying():
            outcome = decide(task, list(cast.values()), settings)
        spending = {"uniform": uniform(board, whole * share), "successive halving": halving(board, whole * share)}
        rules = picks | {rule: _scored(store, pick) for rule, pick in spending.items()}
        rules["decide"], rules["best estimate"] = (
            _of_key(store, outcome.found, parts, key) for key in (outcome.found.recommended, outcome.found.comparison.best)
        )
        found.append({
            "set": store.name, "repetition": repetition, "share": share, "rules": rules, "alone": alone, "spent": outcome.spent / whole,
            **verdict_on(store, outcome, parts),
        })  # fmt: skip
    return found


def task_of(store: Stored) -> Task:
    """The task as a study sees it. Its training rows are one draw of 256; each seed was fitted on its own."""
    rows = store.real.rows
    roles = {role: rows[role.value] for role in (Role.SELECT, Role.CALIBRATE, Role.CERTIFY)}
    return Task(store.real.spec, {Role.TRAIN: store.real.train(max(reference.COUNTS), 0), **roles}, source=store.name)


def board_of(store: Stored, repetition: int) -> Board:
    parts = {part: counts for part, counts in store.counts.items() if part != "majority"}
    return Board(
        parts,
        {part: tuple((repetition + s) % SEEDS for s in range(SEEDS)) if len(store.seeds(part)) > 1 else (0,) for part in parts},
        lambda part, n, seed: store.seconds(part, n, seed, "fit_s"),
        lambda part, n, seed: store.seconds(part, n, seed, "answer_s"),
        store.right,
    )


def verdict_on(store: Stored, outcome: Outcome, parts: Mapping[str, str]) -> dict[str, Any]:
    """Claims that sealed rows contradict, and how far cost and latency were off."""
    found = outcome.found
    scores = {key: _sealed(store, found, parts, key) for key in found.measured}
    claims, losses = claimed(found), found.comparison.losses
    contradicted = [(a, b) for a, b, _ in claims if difference(scores[a] - scores[b])[2] < 0]
    best = max(losses, key=lambda key: float(scores[key].mean()), default=None)
    short = [key for key, loss in losses.items() if best and difference(scores[best] - scores[key])[1] > loss.high]
    return {
        "sure": found.sure, "claims": len(claims), "false": len(contradicted), "violated": bool(short),
        "violated_recommended": found.recommended in short, "trivial": bool(found.recommended and found.measured[found.recommended].trivial),
        "gave_up": sorted(parts[key] for key in outcome.given_up),
        "cascade": bool(found.recommended and found.measured[found.recommended].first.family == "cascade"),
        **_forecasts(store, found, parts),
    }  # fmt: skip


def _forecasts(store: Stored, found: Findings, parts: Mapping[str, str]) -> dict[str, Any]:
    """Natural logarithms of predicted over recorded, for the running cost and the median latency of every measured single approach."""
    costs, waits = [], []
    for key, entry in found.measured.items():
        if key not in parts or entry.trivial:
            continue
        part, n = parts[key], entry.cell.n_labels
        times = [s for seed in store.seeds(part) for s in store.latencies(part, n, seed)]
        running = found.running[key]
        costs.append(float(np.log(running.per_1k_usd / _cost(times))))
        if running.p50_s:
            waits.append(float(np.log(running.p50_s / np.median(times))))
    return {"cost_errors": costs, "latency_errors": waits}


def _cost(times: Sequence[float]) -> float:
    """Dollars for 1,000 rows, from seconds of single rows."""
    return 1000 * DEFAULT_MACHINE_PRICE * float(np.mean(times)) / 3600


def _sealed(store: Stored, found: Findings, parts: Mapping[str, str], key: str) -> np.ndarray:
    """(sealed rows,) share of seeds that are right, of an approach where it stands, or of a cascade put together anew there."""
    entry = found.measured[key]
    if entry.first.family != "cascade":
        return store.sealed[parts[key], entry.cell.n_labels]
    (small, few), (large, many) = [(parts[part], n) for part, n in stages_of(found.measured[key].first)]
    threshold, at = entry.first.approach["params"]["thresholds"][0], store.rows_of("sealed")
    runs = []
    for seed in range(SEEDS):
        first, then = (s if len(store.seeds(p)) > 1 else 0 for p, s in ((small, seed), (large, seed)))
        name = f"confidence {small}/{few}/{first}"
        sure = store.answers[name].to_numpy()[at] if name in store.answers else np.full(len(at), NO_CONFIDENCE)
        kept = (sure >= threshold) & (store.values(small, few, first)[at] >= 0)
        runs.append(np.where(kept, store.right(small, few, first, "sealed"), store.right(large, many, then, "sealed")))
    return np.mean(runs, axis=0)


def _of_key(store: Stored, found: Findings, parts: Mapping[str, str], key: str | None) -> dict[str, Any]:
    if key is None:
        return _scored(store, None)
    n = found.measured[key].cell.n_labels
    if key in parts:
        return _scored(store, (parts[key], n))
    return {"part": "cascade", "n": n, "regret": _regret(store, _sealed(store, found, parts, key)), "cost": found.running[key].per_1k_usd / _least(store)}


def _scored(store: Stored, pick: Pick | None) -> dict[str, Any]:
    if pick is None:  # nothing was measured: as good as a draw
        drawn = [_regret(store, scores) for (part, _), scores in store.sealed.items() if part != "majority"]
        return {"part": "", "n": 0, "regret": float(np.mean(drawn)), "cost": 1.0}
    return {"part": pick[0], "n": pick[1], "regret": _regret(store, store.sealed[pick]), "cost": _cost_of(store, pick) / _least(store)}


def _regret(store: Stored, scores: np.ndarray) -> float:
    """Against the best choice on sealed rows: picked on one half and scored on the other, both ways, averaged. It may fall below 0."""
    halves = np.arange(len(scores)) % 2 == 0  # the shared order is unrelated to anything
    regrets = []
    for half in (halves, ~halves):
        best = max((pick for pick in store.sealed if pick[0] != "majority"), key=lambda pick: float(store.sealed[pick][half].mean()))
        regrets.append(float(store.sealed[best][~half].mean() - scores[~half].mean()))
    return float(np.mean(regrets))


def _cost_of(store: Stored, pick: Pick) -> float:
    return _cost([s for seed in store.seeds(pick[0]) for s in store.latencies(*pick, seed)])


@cache
def _least(store: Stored) -> float:
    """Cost of the cheapest choice within tolerance of the best on sealed rows."""
    single = {pick: float(scores.mean()) for pick, scores in store.sealed.items() if pick[0] != "majority"}
    floor = max(single.values()) - TOLERANCE
    return min(_cost_of(store, pick) for pick, value in single.items() if value >= floor)
