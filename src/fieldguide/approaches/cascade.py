"""Cascade: a cheap solver answers, and the rows that it is not sure of go on to a dearer one (Chen, Zaharia & Zou 2023, arXiv:2305.05176).

Confidence is the probability that an answer was given, as the solver states it: of a classifier, of a model's options, or the share of
samples that agree. Thresholds are fitted on the very scale that they are applied to. An answer without a probability, such as free
text, or one that could not be read, is never sure: it is handed on, unless a router answers for its stage.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from fieldguide.approaches.approach import Approach, FitContext, Solver, make
from fieldguide.approaches.routing import best_threshold, confidence, fit_router, routed
from fieldguide.errors import ApproachError
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Prediction, Row, Usage
from fieldguide.tasks.metrics import correct, metric
from fieldguide.tasks.task import TaskSpec

HELD_OUT = 0.25
LEAST_HELD = 20
"""With fewer held-out labels than this no threshold is fitted, and a stage keeps only what it is certain of."""
CERTAIN = 1.0


@dataclass(frozen=True, kw_only=True)
class Cascade(Approach):
    """Two or more approaches, the cheapest first, and the confidence below which each but the last hands a row on."""

    name = "cascade"
    title = "Cascade"
    family = "cascade"
    training = True
    composed: ClassVar[bool] = True
    answers = frozenset({"label", "choice"})

    stages: tuple[str, ...] = ("tfidf-logreg", "linear-probe")
    """Names of approaches, or their JSON; "n_labels" beside name and parameters says how many of the labels the stage is fitted on."""
    thresholds: tuple[float, ...] = ()
    """One fewer than stages, each from 0 to 1; empty to fit them on a quarter of the labels, held out from the stages."""
    router: str = ""
    """The approach, by name or JSON, that says from the question alone whether a stage without probabilities may keep a row; "" for none."""

    def parts(self) -> list[Approach]:
        """The stages as approaches. Raises `ApproachError` for too few of them, or for thresholds that cannot be."""
        if len(self.stages) < 2:
            raise ApproachError(f"A cascade has two stages or more; {len(self.stages)} came.")
        _check(self.thresholds, len(self.stages) - 1)
        return [as_approach(stage) for stage in self.stages]

    def unsuited(self, task: TaskSpec) -> str | None:
        return super().unsuited(task) or next((why for stage in self.parts() if (why := stage.unsuited(task))), None)

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        """Every rung that a stage is worth a trial on; where none learns, the thresholds still may."""
        found = sorted({n for stage in self.parts() for n in stage.label_counts(ladder)} - {0})
        return tuple(found) or ((0,) if self.thresholds else tuple(ladder))

    def repeats(self) -> bool:
        return not self.thresholds or any(stage.repeats() for stage in self.parts())

    def models(self) -> tuple[str, ...]:
        used = [*self.parts(), *([as_approach(self.router)] if self.router else [])]
        return tuple(dict.fromkeys(reference for part in used for reference in part.models()))

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        held = math.ceil(n_labels * HELD_OUT)
        routing = as_approach(self.router).calls(held, n_rows + held, task) * (len(self.stages) - 1) if self.router else 0
        return routing + sum(stage.calls(n_labels, n_rows + held, task) for stage in self.parts())

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> CascadeSolver:
        held = () if self.thresholds else _held_out(train, context.seed)
        apart = {row.id for row in held}
        rest = tuple(row for row in train if row.id not in apart)
        solvers = []
        for i, (stage, text) in enumerate(zip(self.parts(), self.stages, strict=True)):
            folder = context.workdir / f"stage-{i + 1}"
            folder.mkdir(parents=True, exist_ok=True)
            context.progress(f"stage {i + 1}", i / len(self.stages))
            solvers.append(stage.fit(task, rest[: _labels_of(text, len(rest))], context=replace(context, workdir=folder)))
        thresholds, routers = self.thresholds or (CERTAIN,) * (len(solvers) - 1), None
        if held:
            thresholds, routers = _fitted(task, solvers, held, self.router, context)
        return CascadeSolver(solvers, thresholds, routers=routers)

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return CascadeSolver


class CascadeSolver(Solver):
    """Fitted stages and the thresholds between them. Each stage's folder inside its own says which model it needs."""

    standalone = True

    def __init__(
        self, solvers: Sequence[Solver], thresholds: Sequence[float], risk: str = "", *, routers: Sequence[Solver | None] | None = None
    ) -> None:
        between = len(solvers) - 1
        self.solvers, self.thresholds, self.risk = tuple(solvers), tuple(thresholds), risk
        self.routers = tuple(routers or (None,) * between)
        """Where a stage has one, it says beforehand which rows the stage is asked at all."""
        _check(self.thresholds, between)
        assert len(self.routers) == between, "a cascade needs a router, or None, for each stage but the last"
        self.trainable_parameters = sum(solver.trainable_parameters for solver in solvers)

    def answer(self, inputs: Sequence[str | Inputs]) -> list[tuple[Prediction, int]]:
        """Predictions, each with the number of the stage that gave it, from 0; a row's usage is that of every stage that it was asked of."""
        return self._walk([self.task.coerce(value, f"input {i + 1}") for i, value in enumerate(inputs)])

    def _predict(self, inputs: list[Inputs]) -> list[Prediction]:
        return [prediction for prediction, _ in self._walk(inputs)]

    def _walk(self, rows: Sequence[Inputs]) -> list[tuple[Prediction, int]]:
        found: dict[int, tuple[Prediction, int]] = {}
        spent = [Usage()] * len(rows)
        for stage, solver in enumerate(self.solvers):
            waiting = [i for i in range(len(rows)) if i not in found]
            asked = waiting if self._last(stage) else self._admitted(stage, waiting, rows)
            for i, prediction in zip(asked, solver.predict([rows[i] for i in asked]), strict=True):
                spent[i] = spent[i] + prediction.usage
                if self._last(stage) or self._keeps(stage, prediction):
                    found[i] = replace(prediction, usage=spent[i]), stage
        return [found[i] for i in range(len(rows))]

    def _last(self, stage: int) -> bool:
        return stage == len(self.solvers) - 1

    def _admitted(self, stage: int, waiting: list[int], rows: Sequence[Inputs]) -> list[int]:
        """The rows that the stage is asked: all, or those that its router lets through."""
        router = self.routers[stage]
        if router is None:
            return waiting
        sure = routed(router, [rows[i] for i in waiting])
        return [i for i, value in zip(waiting, sure, strict=True) if value >= self.thresholds[stage]]

    def _keeps(self, stage: int, prediction: Prediction) -> bool:
        if self.routers[stage] is not None:
            return prediction.parsed
        return confidence(prediction) >= self.thresholds[stage]

    def _save(self, folder: Path) -> Mapping[str, Any]:
        for i, solver in enumerate(self.solvers):
            solver.save(folder / f"stage-{i + 1}")
        for i, router in enumerate(self.routers):
            if router is not None:
                router.save(folder / f"router-{i + 1}")
        routed_stages = [router is not None for router in self.routers]
        return {"stages": len(self.solvers), "thresholds": self.thresholds, "risk": self.risk, "routed": routed_stages}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        solvers = [Solver.load(folder / f"stage-{i + 1}", models) for i in range(state["stages"])]
        routers = [Solver.load(folder / f"router-{i + 1}", models) if there else None for i, there in enumerate(state["routed"])]
        return cls(solvers, state["thresholds"], state["risk"], routers=routers)


def compose(
    solvers: Sequence[Solver], thresholds: Sequence[float], risk: str = "", *, approach: Cascade | None = None,
    routers: Sequence[Solver | None] | None = None,
) -> CascadeSolver:  # fmt: skip
    """A cascade of solvers that are fitted already, the cheapest first, ready to predict and to be saved.

    `risk` is the promise that its thresholds were certified for, in words. `approach` is what it calls itself, made from the solvers'
    own approaches unless given. Raises `ApproachError` where the solvers do not answer the same task.
    """
    if len({json.dumps(solver.task.to_json(), sort_keys=True) for solver in solvers}) != 1:
        raise ApproachError("The stages of a cascade must answer the same task; these were fitted for different ones.")
    stages = tuple(json.dumps(solver.approach.to_json(), sort_keys=True) for solver in solvers)
    own = approach or Cascade(stages=stages, thresholds=tuple(thresholds))
    own.parts()
    made = CascadeSolver(solvers, thresholds, risk, routers=routers)
    made._bind(own, solvers[0].task, solvers[0].models)
    made.fit_usage = sum((solver.fit_usage for solver in solvers), Usage())
    made.fit_s = sum(solver.fit_s for solver in solvers)
    return made


def as_approach(stage: str) -> Approach:
    """A stage as an approach: from its JSON, or by its name alone."""
    return Approach.from_json(json.loads(stage)) if stage.lstrip().startswith("{") else make(stage)


def _labels_of(stage: str, available: int) -> int:
    return int(json.loads(stage).get("n_labels", available)) if stage.lstrip().startswith("{") else available


def _check(thresholds: Sequence[float], between: int) -> None:
    if thresholds and len(thresholds) != between:
        wanted = f"one threshold after each stage but the last, {between} in all"
        raise ApproachError(f"A cascade of {between + 1} stages needs {wanted}; {len(thresholds)} came.")
    if strange := [t for t in thresholds if not 0 <= t <= 1]:
        raise ApproachError(f"A threshold is a confidence from 0 to 1; {strange[0]} came.")


def _held_out(train: Sequence[Row], seed: int) -> tuple[Row, ...]:
    """A quarter of the labels, drawn by seed; none where that is too few to fit a threshold on."""
    size = int(len(train) * HELD_OUT)
    if size < LEAST_HELD:
        return ()
    drawn = np.sort(np.random.default_rng([seed, 5101]).permutation(len(train))[:size])
    return tuple(train[i] for i in drawn)


def _fitted(
    task: TaskSpec, solvers: Sequence[Solver], held: Sequence[Row], router: str, context: FitContext
) -> tuple[tuple[float, ...], list[Solver | None]]:
    """Thresholds, and routers for stages without probabilities, from the last stage back: each is fitted to what follows it.

    Routers are fitted on one half of the held-out rows, and every threshold on the other.
    """
    found = [solver.predict([row.inputs for row in held]) for solver in solvers]
    per_row = metric(task.metric).per_row or correct
    scores = [per_row([row.target for row in held], [p.value for p in answers]) for answers in found]
    half = np.arange(len(held)) % 2 == 0
    thresholds: list[float] = []
    routers: list[Solver | None] = []
    later = scores[-1]
    for own, answers in zip(scores[-2::-1], found[-2::-1], strict=True):
        sure, use, made = np.array([confidence(p) for p in answers]), np.ones(len(held), dtype=bool), None
        if router and np.isnan(sure).all():
            learnt = [row for row, learns in zip(held, half, strict=True) if learns]
            made = fit_router(task, learnt, (own >= later)[half].tolist(), as_approach(router), context=context)
            sure, use = np.array(routed(made, [row.inputs for row in held])), ~half
        threshold = best_threshold(sure[use], own[use], later[use], CERTAIN)
        later = np.where(sure >= threshold, own, later)
        thresholds.insert(0, threshold)
        routers.insert(0, made)
    return tuple(thresholds), routers
