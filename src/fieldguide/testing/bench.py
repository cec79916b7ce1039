"""What the checks of an approach share: a task with poisoned targets, solvers fitted once, odd inputs, and what makes answers sound or the same."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from fieldguide.records import Inputs, Prediction, Row, Usage, plain
from fieldguide.tasks.task import Role, Task, TaskSpec
from fieldguide.testing.kind_values import odd_rows, survives

SEED = 11
TOLERANCE = 1e-4
"""How far probabilities may differ between batches and processes: padding changes the order in which floats are added."""


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
    def saved(self) -> Path:
        """The first solver's folder, moved after it was written."""
        return self.solver.save(self.folder / "saved").rename(self.folder / "moved")

    @cached_property
    def other(self) -> Solver:
        """Fitted on the same rows with every label moved on by one; where answers are no single label, on every other row."""
        if self.spec.reader.answer != "label":
            return self.fit(self.train[::2], seed=SEED + 1)
        labels = self.spec.labels
        moved = {label: labels[(i + 1) % len(labels)] for i, label in enumerate(labels)}
        return self.fit([dataclasses.replace(row, target=moved[row.target]) for row in self.train], seed=SEED + 1)

    @cached_property
    def again(self) -> Solver:
        """Fitted as the first was, after other fits have been in between."""
        _ = self.solver, self.other
        return self.fit(self.train)

    @cached_property
    def odd_inputs(self) -> list[Inputs]:
        """Empty, blank, repeated, broken and overlong rows."""
        return odd_rows(self.spec.reader, self.spec)


def alike(spec: TaskSpec, rows: Sequence[Row]) -> list[Row]:
    """The rows with targets that teach nothing: all of one label, of one number, without an answer, without anything relevant."""

    def target(row: Row) -> Any:
        first, form = rows[0].target, spec.reader.answer
        if form in ("labels", "span"):
            return []
        if form == "tags":
            return [first[0]] * len(row.target)
        if form == "parse":
            return [[i, first[0][1]] for i in range(len(row.target))]
        return [0.0] * len(row.target) if form == "ranking" else first

    return [dataclasses.replace(row, target=target(row)) for row in rows]


def strange(spec: TaskSpec, row: Row) -> Row:
    """The row with a label in its target that the task's closed label space does not hold."""
    other: Any = "no such label"
    if spec.reader.answer == "labels":
        other = [other]
    if spec.reader.answer == "tags":
        other = [other, *row.target[1:]]
    if spec.reader.answer == "parse":
        other = [[row.target[0][0], other], *row.target[1:]]
    return dataclasses.replace(row, id="strange:1", target=other)


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


def refuses(what: str, act: Callable[[], object], error: type[Exception], named: str) -> None:
    try:
        act()
    except error as refused:
        if named not in str(refused):
            raise AssertionError(f"the refusal of {what} does not name {named!r}.") from refused
    else:
        raise AssertionError(f"{what} did not raise {error.__name__}.")


def sound(spec: TaskSpec, inputs: Sequence[Inputs], found: Sequence[Prediction]) -> None:
    """Each answer is one to its row, or `Unparsed`; probabilities are over the label space or the row's own options, in their order."""
    reader = spec.reader
    for row, p in zip(inputs, found, strict=True):
        why = reader.fault(spec, row, p.value) if p.parsed else None
        assert why is None, f"the answer {p.value!r} {why}; it must be an answer or Unparsed."
        assert not p.parsed or survives(p.value), f"the answer {p.value!r} is not the same after json.dumps and json.loads; use plain values."
        if p.probabilities is None:
            continue
        over, values = spec.labels or reader.options(spec, row), list(p.probabilities.values())
        assert tuple(p.probabilities) == over, f"probabilities are over {', '.join(p.probabilities)}, not over {', '.join(over)} in this order."
        assert all(type(v) is float and 0 <= v <= 1 + 1e-9 for v in values), f"probabilities are not plain floats from 0 to 1: {values}."
        if reader.answer in ("label", "choice"):
            assert abs(sum(values) - 1) < 1e-6, f"probabilities sum to {sum(values)}."
            assert not p.parsed or p.probabilities[p.value] >= max(values) - 1e-6, f"the answer {p.value!r} is not the most probable one."


def same_answers(what: str, found: Sequence[Prediction], expected: Sequence[Prediction]) -> None:
    """Equal answers, numbers and probabilities within `TOLERANCE`; where the two best labels tie within it, either will do."""
    assert len(found) == len(expected), f"{what}: {len(found)} answers instead of {len(expected)}."
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert (a.probabilities is None) == (b.probabilities is None), f"{what}: answer {i + 1} has probabilities only once."
        tie = False
        if a.probabilities is not None and b.probabilities is not None:
            gap = max((abs(a.probabilities[label] - p) for label, p in b.probabilities.items()), default=0.0)
            assert gap <= TOLERANCE, f"{what}: a probability of answer {i + 1} differs by {gap:.2g}."
            named = isinstance(a.value, str) and a.value in b.probabilities
            tie = named and max(b.probabilities.values()) - b.probabilities[a.value] <= 2 * TOLERANCE
        assert a.value == b.value or tie or near(a.value, b.value), f"{what}: answer {i + 1} is {a.value!r} instead of {b.value!r}."


def near(one: Any, other: Any) -> bool:
    """Whether two numbers, or two lists of numbers, are equal within `TOLERANCE`."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(near(a, b) for a, b in zip(one, other, strict=True))
    return isinstance(one, float) and isinstance(other, float) and math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def same_usage(what: str, found: Usage, expected: Usage) -> None:
    for name, value in plain(found).items():
        other = getattr(expected, name)
        assert math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-12), f"{what} records {name} {value}, a meter around it {other}."
