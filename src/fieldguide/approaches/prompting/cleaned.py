"""An assistant before a specialist: a model cleans each text, and another approach, mostly a trained one, answers the cleaned row.

A specialist is trained on tidy text and asked for one thing, and people write neither; a large model reads what they write. One that only rewrites lets
the specialist answer (Yang et al. 2023, "Harnessing the power of LLMs in practice", arXiv:2304.13712, section 4.6). Three ways to clean:

- "spelling": spelling and grammar are corrected;
- "restate": the text is said again as one plain sentence;
- "split": a text with several requests is split, and each is answered: where several labels may apply they are put together, else the answer that the
  specialist is surest of is given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from fieldguide.approaches.approach import Approach, FitContext, Solver
from fieldguide.approaches.cascade import as_approach
from fieldguide.approaches.prompting.cleaning import INSTRUCTIONS, REWRITTEN, Cleaning, asked, cleaner, cleanings
from fieldguide.approaches.prompting.reasoning.thinking import needs_whole
from fieldguide.approaches.routing import confidence
from fieldguide.errors import ApproachError
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Prediction, Row
from fieldguide.tasks.task import TaskSpec

POINTING = {"span": "answers are quoted from the text", "tags": "answers stand beside its words", "parse": "answers stand beside its words"}
"""Form → why its texts must stay as they are."""


@dataclass(frozen=True, kw_only=True)
class PromptCleaned(Approach):
    """See the module."""

    name = "prompt-cleaned"
    title = "Cleaner before a specialist"
    family = "prompting"
    training = True
    answers = frozenset({"label", "labels", "choice", "number", "ranking"})
    needs = frozenset({"generate"})
    on_request = True

    model: str = "smollm2-135m"
    """The cleaner."""
    solver: str = "tfidf-logreg"
    """The approach that answers, by name or as JSON."""
    way: str = "spelling"
    """"spelling", "restate" or "split"."""
    clean_training: bool = True
    """Whether training texts are cleaned too, so that it learns from what it will be given; of split texts no part has an answer of its own."""
    parts: int = 4
    """Requests of one text that are told apart, at most."""

    def inner(self) -> Approach:
        """The approach that answers."""
        return as_approach(self.solver)

    def unsuited(self, task: TaskSpec) -> str | None:
        form, kind = task.reader.answer, task.kind
        if form in POINTING:
            return f"A rewritten text is another text, and in {kind} {POINTING[form]}; take the specialist alone."
        if why := super().unsuited(task) or self.inner().unsuited(task):
            return why
        if {"delimiter", "until"} & set(task.settings):
            return f"Tasks of the kind {kind} come with their own prompts, which are not to be rewritten."
        columns = len(texts_of(task))
        if not columns:
            return f"Rows of {kind} have no text of their own beside the list that is chosen from, so there is nothing to clean."
        if self.way == "split" and (form not in ("label", "labels") or columns > 1):
            return f"Requests are split where a row is one text and its answer labels, which {kind} with {columns} text column{'s' * (columns > 1)} is not."
        return None

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        return self.inner().label_counts(ladder)

    def repeats(self) -> bool:
        return self.inner().repeats()

    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.model, *self.inner().models())))

    def _cleans_training(self) -> bool:
        return self.clean_training and self.way != "split" and self.inner().label_counts((1,)) != (0,)

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        cleaned = (n_rows + n_labels * self._cleans_training()) * len(texts_of(task))
        return cleaned + self.inner().calls(n_labels, n_rows * (self.parts if self.way == "split" else 1), task)

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> CleanedSolver:
        needs_whole(self, "parts", self.parts, 2)
        if self.way not in INSTRUCTIONS:
            raise ApproachError(f"{self.title} takes no way={self.way!r}; give {', '.join(INSTRUCTIONS)}.")
        if "generate" not in context.models.get(self.model).facts.can:
            raise ApproachError(f"The model {self.model!r} cannot write, so it cannot clean texts; give one that generates.")
        solver = CleanedSolver()
        solver._bind(self, task, context.models)
        if self._cleans_training():
            rows = [row.inputs for row in train]
            found = solver.cleanings(rows)
            solver.training = dict(sorted(Counter(each.how for own in found for each in own.values()).items()))
            train = tuple(Row(row.id, _put(row.inputs, own), row.target) for row, own in zip(train, found, strict=True))
        folder = context.workdir / "specialist"
        folder.mkdir(parents=True, exist_ok=True)
        solver.solver = self.inner().fit(task, train, context=replace(context, workdir=folder))
        solver.trainable_parameters = solver.solver.trainable_parameters
        return solver

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return CleanedSolver


class CleanedSolver(Solver):
    """See the module."""

    approach: PromptCleaned
    solver: Solver
    """The specialist, fitted."""
    training: Mapping[str, int]
    """How many training texts were rewritten, unchanged, or left as they were and why; empty where none were cleaned."""

    def __init__(self) -> None:
        self.training = {}

    def cleanings(self, inputs: Sequence[str | Inputs]) -> list[dict[str, Cleaning]]:
        """Column → what became of its text, of each row."""
        rows, columns, how = self._rows(inputs, "cleanings"), texts_of(self.task), self.approach
        found = iter(cleanings(self.models.get(how.model), cleaner(how.way), [row[column] for row in rows for column in columns], how.parts))
        return [{column: next(found) for column in columns} for _ in rows]

    def cleaned(self, inputs: Sequence[str | Inputs]) -> list[Inputs]:
        """The rows as the specialist is given them; of a split one the requests are lines, each of which is a row to it."""
        rows = self._rows(inputs, "cleaned")
        return [_put(row, own) for row, own in zip(rows, self.cleanings(rows), strict=True)]

    def prompts(self, inputs: Sequence[Inputs]) -> list[str]:
        """The literal prompts by which the rows' texts are cleaned, column by column; blank texts and those too long for the model are not sent."""
        return [asked(cleaner(self.approach.way), row[column]) for row in inputs for column in texts_of(self.task)]

    def _predict(self, inputs: list[Inputs]) -> list[Prediction]:
        found = self.cleanings(inputs)
        groups = [_given(row, own) for row, own in zip(inputs, found, strict=True)]
        answers = iter(self.solver.predict([row for group in groups for row in group]))
        joined = [self._joined([next(answers) for _ in group]) for group in groups]
        return [_told(answer, own) for answer, own in zip(joined, found, strict=True)]

    def _joined(self, answers: Sequence[Prediction]) -> Prediction:
        """One answer to a row of the answers to its parts: all labels that apply to one of them, or else the surest; of those that tie the first."""
        read = [answer for answer in answers if answer.parsed]
        if len(read) < 2:
            return (read or list(answers))[0]
        if self.task.reader.answer != "labels":
            sure = [confidence(answer) for answer in read]
            return read[max(range(len(read)), key=lambda i: (round(sure[i], 9) if sure[i] == sure[i] else -1.0, -i))]
        value = [label for label in self.task.labels if any(label in answer.value for answer in read)]
        told = [answer.probabilities for answer in read if answer.probabilities is not None]
        both = {label: max(own[label] for own in told) for label in self.task.labels} if len(told) == len(read) else None
        return Prediction(value, both, "\n".join(answer.text for answer in read if answer.text) or None)

    def _save(self, folder: Path) -> Mapping[str, Any]:
        self.solver.save(folder / "specialist")
        return {"training": self.training, "trainable_parameters": self.trainable_parameters}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        solver = cls()
        solver.solver = Solver.load(folder / "specialist", models)
        solver.training, solver.trainable_parameters = state["training"], state["trainable_parameters"]
        return solver


def texts_of(task: TaskSpec) -> list[str]:
    """The columns that may be rewritten: texts, never the lists of choices, documents or tokens, which answers point into."""
    lists = task.reader.lists(task.inputs)
    return [column for column in task.inputs if column not in lists]


def _put(row: Inputs, own: Mapping[str, Cleaning]) -> Inputs:
    return {**row, **{column: each.after for column, each in own.items()}}


def _given(row: Inputs, own: Mapping[str, Cleaning]) -> list[Inputs]:
    """What the specialist is asked of a row: the cleaned row, or a row for each of its requests."""
    split = next(((column, each.parts) for column, each in own.items() if each.parts), None)
    return [{**row, split[0]: part} for part in split[1]] if split else [_put(row, own)]


def _told(answer: Prediction, own: Mapping[str, Cleaning]) -> Prediction:
    """The answer with what was rewritten as its text, unless the specialist wrote one."""
    texts = [each.after for each in own.values() if each.how == REWRITTEN]
    return replace(answer, text="\n".join(texts)) if texts and answer.text is None else answer
