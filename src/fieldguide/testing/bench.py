"""What the checks of an approach share: a task with poisoned targets, solvers fitted once, and odd inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

from fieldguide.approaches.approach import Approach, FitContext, Solver
from fieldguide.models import meter
from fieldguide.models.meter import metering
from fieldguide.models.model import Model
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Prediction, Row, Usage
from fieldguide.tasks.task import Role, Task, TaskSpec

SEED = 11


class Poison:
    """A target that raises whenever it is compared, hashed, shown or read."""

    def _touched(self, *_: object, **__: object) -> NoReturn:
        raise AssertionError("a target outside the training rows was touched")

    __eq__ = __ne__ = __lt__ = __hash__ = __str__ = __repr__ = __bool__ = __len__ = __iter__ = __int__ = __float__ = _touched  # type: ignore[assignment]


def poisoned(task: Task) -> Task:
    """The task with every target outside its training rows replaced by a `Poison`."""
    rows = {
        role: rows if role is Role.TRAIN else tuple(dataclasses.replace(row, target=Poison()) for row in rows) for role, rows in task.rows.items()
    }
    return Task(task.spec, rows, task.notes, task.source)


def reachable(value: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """The value and everything inside it, through containers and attributes; loaded models are not entered."""
    seen = set() if seen is None else seen
    if id(value) in seen or isinstance(value, (str, bytes, int, float, type, ModelPool, Model)):
        return
    seen.add(id(value))
    yield value
    inside: list[Any] = []
    if isinstance(value, Mapping):
        inside = [*value.keys(), *value.values()]
    elif isinstance(value, (Sequence, set, frozenset)):
        inside = list(value)
    elif dataclasses.is_dataclass(value):
        inside = [getattr(value, f.name) for f in dataclasses.fields(value)]
    for part in [*inside, *getattr(value, "__dict__", {}).values()]:
        yield from reachable(part, seen)


@dataclass
class Bench:
    """One approach on the stand. Solvers are fitted when first asked for, and shared by the checks."""

    approach: Approach
    task: Task
    models: ModelPool
    folder: Path

    @property
    def spec(self) -> TaskSpec:
        return self.task.spec

    @property
    def train(self) -> tuple[Row, ...]:
        return self.task[Role.TRAIN]

    @cached_property
    def inputs(self) -> list[Inputs]:
        return [row.inputs for role, row in self.task if role is not Role.TRAIN]

    def fit(self, train: Sequence[Row], seed: int = SEED) -> Solver:
        return self.approach.fit(self.spec, train, context=FitContext(seed=seed, workdir=self.folder, models=self.models))

    @cached_property
    def first(self) -> tuple[Solver, Usage, int, list[tuple[Any, ...]]]:
        """The first fit: solver, usage seen by a meter around it, texts counted at the models' seam, and what `_fit` was given."""
        given: list[tuple[Any, ...]] = []
        inner = type(self.approach)._fit

        def spy(approach: Approach, *args: Any, **more: Any) -> Solver:
            given.append((*args, *more.values()))
            return inner(approach, *args, **more)

        with patch.object(type(self.approach), "_fit", spy), metering() as meter, seam() as counted:
            solver = self.fit(self.train)
        return solver, meter.usage, sum(counted), given

    @property
    def solver(self) -> Solver:
        return self.first[0]

    @cached_property
    def answers(self) -> list[Prediction]:
        return self.solver.predict(self.inputs)

    @cached_property
    def other(self) -> Solver:
        """Fitted on the same rows with every label moved on by one."""
        labels = self.spec.labels
        moved = {label: labels[(i + 1) % len(labels)] for i, label in enumerate(labels)}
        return self.fit([dataclasses.replace(row, target=moved[row.target]) for row in self.train], seed=SEED + 1)

    @cached_property
    def again(self) -> Solver:
        """Fitted as the first was, after other fits have been in between."""
        _ = self.solver, self.other
        return self.fit(self.train)

    def odd_inputs(self) -> list[Inputs]:
        """Empty, blank, repeated, broken and overlong rows."""
        long = "an overlong row goes on and on, " * 2000
        texts = ["", "   \n\t", "x", "x", "naïve café 数据 данные עברית 👩‍👩‍👧 é", "\ud800 half a pair", "a\x00b", "{text} {answer} %s", "字" * 6000, long]
        return [dict.fromkeys(self.spec.inputs, text) for text in texts]


class seam:
    """Counts the texts that pass the public methods of models while it is open; the list holds one number a call."""

    def __enter__(self) -> list[int]:
        counted: list[int] = []
        inner = meter.call

        def spy(calls: int) -> Any:
            counted.append(calls)
            return inner(calls)

        self.patch = patch.object(meter, "call", spy)
        self.patch.__enter__()
        return counted

    def __exit__(self, *error: Any) -> None:
        self.patch.__exit__(*error)
