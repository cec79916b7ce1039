"""Prompt search: a model proposes instructions from examples, and the one that does best on held-out rows becomes the prompt.

APE (Zhou et al. 2022, "Large language models are human-level prompt engineers", arXiv:2211.01910): proposals (section 3.1) are scored on held-out rows
(section 3.2), and the best are varied over a few rounds (section 3.3, iterative Monte Carlo search). Which are worth more rows is decided by
successive halving (`halving`). Instead of the rounds a small policy can learn to edit the best (`edits`), as RLPrompt (Deng et al. 2022,
arXiv:2205.12548) learns to write prompts token by token.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from fieldguide.approaches.approach import Approach, FitContext, Solver, rungs_up_to
from fieldguide.approaches.prompting.asking import Asking
from fieldguide.approaches.prompting.edits import ENDS
from fieldguide.approaches.prompting.few_shot import WHOLE, deal, fitting, fitting_whole
from fieldguide.approaches.prompting.instruction_scores import WAYS
from fieldguide.approaches.prompting.prompt import Demonstration, Prompted, PromptSolver
from fieldguide.approaches.prompting.searching import KEPT, STOCK, Search, Settings
from fieldguide.errors import ApproachError
from fieldguide.models.model import Model
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Row
from fieldguide.tasks.overlap import near_duplicate_groups
from fieldguide.tasks.task import TaskSpec
from fieldguide.tasks.template import Template

SEARCHES = ("halving", "policy")
SHOWN = 3
"""One of so many labelled rows is shown to the proposer; the others score."""
LOG = "search.jsonl"


@dataclass(frozen=True, kw_only=True)
class PromptSearch(Prompted):
    """See the module."""

    name = "prompt-search"
    title = "Prompt search"
    on_request: ClassVar[bool] = True
    needs = frozenset({"generate"})
    contract_exceptions = {"beats_majority": "The fake model writes no instructions, and without demonstrations a made-up label means nothing to it."}

    proposer: str = ""
    """The model that writes instructions; "" for the one that follows them."""
    search: str = "halving"
    """"halving": rounds of other wordings of the best, each by successive halving; "policy": a policy over edits of the best, learned by REINFORCE."""
    judge_by: str = "answers"
    """What scores: the task's metric of "answers", or the "likelihood" of the right answer."""
    rows: int = 60
    """Labelled rows that are used, at most: a third is shown to the proposer, the others score."""
    candidates: int = 60
    """Instructions that are proposed before any is scored."""
    examples: int = 8
    """Rows that a prompt shows to the proposer, at most."""
    temperature: float = 0.7
    """At which instructions are written."""
    rounds: int = 2
    """Rounds of variation after the first halving."""
    variations: int = 16
    """Instructions that a round adds, at most."""
    budget: int = 1000
    """Model calls that the search may take, proposals included."""
    shots: int = 0
    """Demonstrations between instruction and row, out of the rows that are shown to the proposer."""

    def unsuited(self, task: TaskSpec) -> str | None:
        if why := super().unsuited(task):
            return why
        if {"delimiter", "until"} & set(task.settings):
            return f"Tasks of the kind {task.kind} come with their own prompts, in which there is no instruction to look for."
        return None

    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.model, self.proposer or self.model)))

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        """The rungs up to the first that holds `rows` rows: labels beyond it would not be used."""
        return rungs_up_to(ladder, self.rows)

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        """The budget, or less where so few labels cannot use it up; and one for each row to answer."""
        if self.search == "policy":
            return self.budget + n_rows
        written = self.candidates + self.rounds * self.variations
        judged = written + self.rounds * KEPT * len(ENDS) + STOCK
        return min(self.budget, written + judged * min(n_labels, self.rows)) + n_rows

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> SearchSolver:
        self._check()
        model, asking = self.asking(task, context)
        if self.judge_by == "likelihood" and "score" not in model.facts.can:
            raise ApproachError(f"The model {self.model!r} does not tell how likely an answer is, so judge_by='likelihood' cannot be; take judge_by='answers'.")
        proposer = context.models.get(self.proposer or self.model)
        if "generate" not in proposer.facts.can:
            raise ApproachError(f"The model {proposer.facts.reference!r} cannot write instructions; name one that generates as proposer.")
        shown, held = self._dealt(task, asking, train, context.seed)
        demonstrations = self._demonstrations(model, asking, shown, held, context.seed)

        def prompted(instruction: str) -> SearchSolver:
            return self._solver(asking, instruction, demonstrations, task, context.models)

        settings = Settings(
            self.search, self.judge_by, self.candidates, self.examples, self.temperature, self.rounds, self.variations, self.budget, context.seed
        )
        search = Search(model, proposer, asking, prompted, shown, held, settings, context.progress)
        solver = prompted(search.best())
        solver.search_log = search.log
        return solver

    def _solver(self, asking: Asking, instruction: str, shown: Sequence[Demonstration], task: TaskSpec, models: ModelPool) -> SearchSolver:
        frame = asking.template
        template = Template("searched", instruction, frame.row, frame.answer, frame.separator)
        solver = SearchSolver(self.model, template, shown, asking.by_text, self.normalise)
        solver._bind(self, task, models)
        return solver

    def _dealt(self, task: TaskSpec, asking: Asking, train: Sequence[Row], seed: int) -> tuple[list[Row], list[Row]]:
        """(rows that the proposer is shown, rows that score): no row is both, and none that scores repeats one that is shown, or nearly does."""
        reader = task.reader
        able = [row for row in train if asking.written or reader.options(task, row.inputs)]
        if reader.answer == "text":
            able = [row for row in able if reader.example(row.target)] if self.judge_by == "likelihood" else able
        if not able:
            raise ApproachError(f"{self.title} scores instructions on labelled rows and was given none that it can score; give at least one.")
        dealt = deal(able, self.rows, seed, reader.stratum)
        groups = near_duplicate_groups(["\n".join(reader.segments(task, row.inputs)) for row in dealt]).tolist()
        apart, room = set[int](), len(dealt) // SHOWN
        for group, size in Counter(groups).items():  # in the order of the deal
            if size <= room:
                apart.add(group)
                room -= size
        shown = [row for row, group in zip(dealt, groups, strict=True) if group in apart]
        held = [row for row, group in zip(dealt, groups, strict=True) if group not in apart]
        return [row for row in shown if reader.answer != "text" or reader.example(row.target)], held

    def _demonstrations(self, model: Model, asking: Asking, shown: Sequence[Row], held: Sequence[Row], seed: int) -> list[Demonstration]:
        """Up to `shots` of the rows shown to the proposer, in an order that the seed shuffles."""
        if not self.shots or not shown:
            return []
        if asking.reader.answer in WHOLE:
            found = fitting_whole(model, asking, shown, self.shots)
        else:
            found = fitting(model, asking, shown[: self.shots], [*shown, *held])
        return [found[i] for i in np.random.default_rng([seed, 3361]).permutation(len(found))]

    def _check(self) -> None:
        """Raise `ApproachError` for parameters that cannot be."""
        for name, value, valid in (("search", self.search, SEARCHES), ("judge_by", self.judge_by, WAYS)):
            if value not in valid:
                raise ApproachError(f"{self.title} takes no {name}={value!r}; give {' or '.join(valid)}.")
        for name, least in (("rows", 1), ("candidates", 1), ("examples", 1), ("rounds", 0), ("variations", 1), ("budget", 1), ("shots", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ApproachError(f"{self.title} takes no {name}={value!r}; give a whole number, at least {least}.")
        if not 0 < self.temperature < float("inf"):
            raise ApproachError(f"{self.title} takes no temperature={self.temperature!r}; give more than 0, since one greedy proposal is no search.")
        least = 2 * (self.candidates + self.rounds * self.variations)
        if self.budget < least:
            raise ApproachError(f"A budget of {self.budget:,} calls leaves too few to score what is proposed; give at least {least:,}, or fewer candidates.")

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return SearchSolver


class SearchSolver(PromptSolver):
    """The prompt that was found, and how: `search_log` holds every prompt that was sent to the proposer, every candidate and its scores."""

    approach: PromptSearch
    search_log: list[dict[str, Any]]

    @property
    def instruction(self) -> str:
        """The instruction that was found."""
        return self.template.instruction

    @property
    def search_calls(self) -> int:
        """Model calls that the search took."""
        return int(self.search_log[-1]["calls"])

    def _prompts(self, model: Model, inputs: Sequence[Inputs]) -> list[str]:
        return self._prompts_apart(model, inputs)

    def _save(self, folder: Path) -> Mapping[str, Any]:
        (folder / LOG).write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self.search_log), encoding="utf-8")
        return super()._save(folder)

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        assert isinstance(approach, PromptSearch)
        shown = [Demonstration(**d) for d in state["demonstrations"]]
        solver = cls(approach.model, Template(**state["template"]), shown, state["by_text"], state["normalise"])
        solver.search_log = [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]
        return solver
