"""The contract: an `Approach` is plain frozen parameters, `fit` makes a `Solver`, a solver predicts, saves and loads.

Authors write the private half: `_fit` on the approach, `_predict`, `_save` and `_load` on the solver. The public half here
validates, seeds, times and meters, so that every approach is measured alike and none can forget to count its calls.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import random
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from fieldguide.errors import ApproachError, FieldguideError, NotFitted, RunError, Unsupported, UserError
from fieldguide.models.meter import metering
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Prediction, Row, Usage, fingerprint, plain
from fieldguide.registry import resolve
from fieldguide.tasks.task import TaskSpec

SOLVER_FORMAT = 1


def _silent(message: str, done: float) -> None:
    """No progress shown."""


@dataclass(frozen=True)
class FitContext:
    """What surrounds a fit. Everything an approach may use besides the task's spec and its training rows."""

    seed: int = 0
    workdir: Path = Path(".")
    """A folder of the trial's own, for checkpoints and scratch files."""
    models: ModelPool = field(default_factory=ModelPool)
    unlabelled: tuple[Inputs, ...] = ()
    corpus: Path | None = None
    calls_limit: float = float("inf")
    usd_limit: float = float("inf")
    progress: Callable[[str, float], None] = _silent
    """Called with a short message and the share done, 0 to 1."""


def rungs_up_to(ladder: Sequence[int], rows: int) -> tuple[int, ...]:
    """The rungs of a ladder (ascending) up to the first that holds so many rows: more labels than an approach shows are worth no trial."""
    first = next((i for i, rung in enumerate(ladder) if rung >= rows), len(ladder))
    return tuple(ladder[: first + 1])


@dataclass(frozen=True, kw_only=True)
class Approach(ABC):
    """A way to solve a task. Fields are plain values (str, int, float, bool, None, tuples of these): repr, hash, cache key and JSON come for free."""

    name: ClassVar[str]
    """The registered name."""
    title: ClassVar[str]
    """How reports call it."""
    family: ClassVar[str]
    """"baseline", "embedding", "prompting" or "tuning"."""
    training: ClassVar[bool] = False
    """Whether more labels keep changing it: such an approach is never judged on one small label count."""
    answers: ClassVar[frozenset[str]] = frozenset({"label"})
    """Forms of answer it can give (`Kind.answer`)."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """Abilities of which its model must have at least one ("embed"; "score" or "generate"; "weights"); empty without a model."""
    model_type: ClassVar[str] = ""
    """The type of model that it can use ("encoder", "causal"); "" for any."""
    composed: ClassVar[bool] = False
    """Whether it is put together from other approaches' finished trials, so that a study does not try it by itself."""
    on_request: ClassVar[bool] = False
    """Whether a study tries it only where it is named with --approaches: a variant, or one that takes many calls a row."""
    contract_exceptions: ClassVar[Mapping[str, str]] = {}
    """Checks of `check_approach` that do not hold, each with its reason."""

    def unsuited(self, task: TaskSpec) -> str | None:
        """Why this approach cannot serve the task, in a sentence; None if it can."""
        kind = task.reader
        if kind.answer not in self.answers:
            *others, last = sorted(self.answers)
            given = f"{', '.join(others)} and {last}" if others else last
            return f"It gives no {kind.answer}, which {kind.name} asks for; it gives {given} answers."
        return None

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        """Which rungs of the study's ladder of label counts (ascending) are worth a trial; `(0,)` if labels are not used."""
        return tuple(ladder)

    def repeats(self) -> bool:
        """Whether a different seed can give a different solver at the same label count."""
        return True

    def models(self) -> tuple[str, ...]:
        """References of the models it uses."""
        return tuple(v for f in dataclasses.fields(self) if f.name == "model" and isinstance(v := getattr(self, f.name), str))

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        """Model calls that a trial will make at most: labels fitted on, rows answered."""
        return (n_labels + n_rows) * task.reader.arity if self.models() else 0

    def fit(self, task: TaskSpec, train: Sequence[Row], *, context: FitContext | None = None) -> Solver:
        """Fit on these rows and no others. Returns a new solver; nothing is remembered between fits.

        Raises `ApproachError` if the approach does not suit the task, or a training row holds a label outside its space.
        """
        context = context or FitContext()
        if why := self.unsuited(task):
            raise ApproachError(why)
        train = tuple(Row(row.id, task.coerce(row.inputs, f"training row {row.id}"), row.target) for row in train)
        if strange := sorted({str(r.target) for r in train if task.reader.outside(task, r.target)}):
            raise ApproachError(f"Training rows hold labels outside the task's label space: {', '.join(strange[:5])}.")
        if any("weights" in context.models.get(reference).facts.can for reference in self.models()):
            importlib.import_module("torch")  # before seeding: a generator that does not exist yet cannot be seeded
        with _seeded(context.seed), metering(context.calls_limit, context.usd_limit) as meter:
            start = time.perf_counter()
            solver = self._fit(task, train, context)
            seconds = time.perf_counter() - start
        solver._bind(self, task, context.models)
        solver.fit_usage, solver.fit_s = meter.usage, seconds
        return solver

    @abstractmethod
    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> Solver:
        """The author's half: a fitted solver from clean rows. Generators are seeded; `context.seed` decides all else."""

    @classmethod
    @abstractmethod
    def solver_class(cls) -> type[Solver]:
        """The class of its solvers, for loading."""

    def params(self) -> dict[str, Any]:
        return {f.name: plain(getattr(self, f.name)) for f in dataclasses.fields(self)}

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "params": self.params()}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Approach:
        """The approach that `to_json` wrote. An unknown parameter raises `ApproachError` that lists the valid ones."""
        return make(data["name"], **data.get("params", {}))

    @cached_property
    def key(self) -> str:
        """Changes with the name or any parameter."""
        return fingerprint(self.to_json())


def make(name: str, **params: Any) -> Approach:
    """An approach by its registered name, with parameters. Unknown names and parameters raise a `UserError` that lists the valid ones."""
    cls = resolve("approach", name)
    valid = {f.name for f in dataclasses.fields(cls)}
    if unknown := sorted(set(params) - valid):
        raise ApproachError(f"{name} has no parameter {unknown[0]!r}; its parameters are {', '.join(sorted(valid)) or 'none'}.")
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in params.items()})


class Solver(ABC):
    """A fitted approach. Made by `fit` or `load`, never by hand outside an approach's own file."""

    standalone: ClassVar[bool] = False
    """Whether its folder holds all that it needs, so that loading asks for no model."""

    approach: Approach
    task: TaskSpec
    models: ModelPool
    fit_usage: Usage = Usage()
    fit_s: float = 0.0
    trainable_parameters: int = 0
    """How many numbers fitting could change: a head's for probes, all weights for full fine-tuning, none for prompts."""

    def _bind(self, approach: Approach, task: TaskSpec, models: ModelPool) -> None:
        self.approach, self.task, self.models = approach, task, models

    def predict(self, inputs: Sequence[str | Inputs]) -> list[Prediction]:
        """One prediction for each input, in order. Bare strings will do where the task has one input column; so will a data frame.

        Raises `NotFitted` before a fit and `DataError` for an input without the task's columns.
        """
        rows = self._rows(inputs, "predict")
        if not rows:
            return []
        with metering() as meter:
            found = self._predict(rows)
        assert len(found) == len(rows), f"{type(self).__name__}._predict gave {len(found)} answers to {len(rows)} inputs"
        shares = meter.usage.split(len(rows))
        return [Prediction(p.value, p.probabilities, p.text, share) for p, share in zip(found, shares, strict=True)]

    @abstractmethod
    def _predict(self, inputs: list[Inputs]) -> list[Prediction]:
        """The author's half: one prediction an input, in order, the same whatever else is in the batch."""

    def answer_log_probabilities(self, inputs: Sequence[str | Inputs], values: Sequence[Any]) -> list[tuple[float, int]]:
        """(log p in nats, tokens) of one answer to each input, as this solver would word it, in order.

        For scoring after the fact alone: no fit, choice or prediction may rest on it. `values` are answers of the task's form, such as `predict`
        gives them; models' calls count in the meters that are open around this one. Raises `Unsupported` where the solver cannot tell, `NotFitted`
        before a fit, `DataError` as `predict` does, and `ApproachError` unless there is one value an input, each an answer to it.
        """
        rows = self._rows(inputs, "answer_log_probabilities")
        if len(values) != len(rows):
            raise ApproachError(f"answer_log_probabilities takes one value an input; {len(rows):,} inputs and {len(values):,} values came.")
        for i, (row, value) in enumerate(zip(rows, values, strict=True)):
            if why := self.task.reader.fault(self.task, row, value):
                raise ApproachError(f"Value {i + 1}, {str(value)[:60]!r}, {why}; give a single answer in the form in which predict gives them.")
        found = self._answer_log_probabilities(rows, list(values))
        assert len(found) == len(rows), f"{type(self).__name__}._answer_log_probabilities gave {len(found)} results to {len(rows)} inputs"
        return found

    def _answer_log_probabilities(self, inputs: list[Inputs], values: list[Any]) -> list[tuple[float, int]]:
        """The author's half, for solvers whose model tells: (log p in nats, tokens, at least one) of each value, whatever else is in the batch."""
        raise Unsupported(f"{self.approach.title} does not tell how likely it finds an answer.")

    def _rows(self, inputs: Sequence[str | Inputs], asked: str) -> list[Inputs]:
        """What a public method was given, as rows with the task's columns."""
        if not hasattr(self, "task"):
            raise NotFitted(f"This {type(self).__name__} was never fitted; make one with Approach.fit or Solver.load.")
        if hasattr(inputs, "to_dict") and hasattr(inputs, "columns"):  # a data frame
            inputs = [{str(k): _plain_cell(v) for k, v in row.items()} for row in inputs.to_dict("records")]
        if isinstance(inputs, (str, Mapping)):
            raise ApproachError(f"{asked} takes a list of inputs; put a single one in brackets.")
        return [self.task.coerce(value, f"input {i + 1}") for i, value in enumerate(inputs)]

    def save(self, folder: str | Path) -> Path:
        """Write to a folder as JSON and safetensors: `solver.json` beside what the approach adds. Never pickle."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        state = self._save(folder)
        document = {
            "format": SOLVER_FORMAT,
            "approach": self.approach.to_json(),
            "task": self.task.to_json(),
            "models": {ref: self.models.identity(ref) for ref in (() if self.standalone else self.approach.models())},
            "fit_usage": plain(self.fit_usage),
            "fit_s": self.fit_s,
            "state": plain(state),
        }
        partial = folder / "solver.json.part"
        partial.write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
        partial.rename(folder / "solver.json")
        return folder

    @abstractmethod
    def _save(self, folder: Path) -> Mapping[str, Any]:
        """The author's half: write large arrays as safetensors into the folder, return the rest as plain values."""

    @classmethod
    def load(cls, folder: str | Path, models: ModelPool | None = None) -> Solver:
        """The solver that `save` wrote; predicts as it did. Raises `RunError` if the folder holds none or its model has changed."""
        path = Path(folder) / "solver.json"
        if not path.is_file():
            raise RunError(f"There is no saved solver in {folder}; expected the file solver.json.")
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            approach = Approach.from_json(document["approach"])
            task, state = TaskSpec.from_json(document["task"]), document["state"]
        except (ValueError, KeyError, TypeError) as damage:
            if isinstance(damage, UserError):
                raise
            raise RunError(f"The file {path} is damaged ({damage}); run the study again to write a new one.") from damage
        if document.get("format") != SOLVER_FORMAT:
            raise RunError(f"The file {path} has format {document.get('format')}; this version reads {SOLVER_FORMAT}.")
        models = models or ModelPool()
        for reference, identity in document["models"].items():
            if models.identity(reference) != identity:
                raise RunError(f"The model {reference!r} is not the one this solver was fitted with; install the same version or run the study again.")
        solver_class = approach.solver_class()
        try:
            solver = solver_class._load(Path(folder), state, approach, task, models)
        except FieldguideError:
            raise
        except Exception as damage:  # whatever a reader of damaged files may raise
            raise RunError(f"The solver in {folder} is damaged ({type(damage).__name__}: {damage}); run the study again to write a new one.") from damage
        solver._bind(approach, task, models)
        solver.fit_usage, solver.fit_s = Usage(**document["fit_usage"]), document["fit_s"]
        return solver

    @classmethod
    @abstractmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Any, task: TaskSpec, models: ModelPool) -> Self:
        """The author's half: the solver that `_save` wrote."""


def _plain_cell(value: Any) -> Any:
    """A data frame's cell: a list of texts as it stands, a missing value as "", all else as text."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, (list, tuple)):
        return [str(part) for part in value]
    return "" if value is None or value != value else str(value)


class _seeded:
    """Seeds the global generators that libraries use, and puts their states back afterwards."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __enter__(self) -> None:
        self.states = random.getstate(), np.random.get_state()
        self.torch = sys.modules.get("torch")
        self.torch_state = self.torch.random.get_rng_state() if self.torch else None
        random.seed(self.seed)
        np.random.seed(self.seed % 2**32)
        if self.torch:
            self.torch.manual_seed(self.seed)

    def __exit__(self, *error: object) -> None:
        random.setstate(self.states[0])
        np.random.set_state(self.states[1])
        if self.torch:
            self.torch.random.set_rng_state(self.torch_state)
