"""Candidates judged in pairs: a model says which of two answers is better, in both orders, and the candidate with the most wins is the answer.

Judging is `judging.judge_pairs` (Zheng et al. 2023, arXiv:2306.05685, section 3.4). The most probable candidates of a row all meet one another, as many
of them as the number of duels allows, and points are counted as in `tournament.points`; of candidates that tie the most probable one is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from fieldguide.approaches.approach import FitContext, Solver
from fieldguide.approaches.prompting.candidates.candidates import Candidate, CandidateSolver, PromptCandidates
from fieldguide.approaches.prompting.candidates.judging import Judged, Pair, judge_pairs, judge_prompts, judging
from fieldguide.approaches.prompting.candidates.tournament import entrants, points, round_robin
from fieldguide.approaches.prompting.reasoning.thinking import needs_whole
from fieldguide.records import Inputs, Row
from fieldguide.tasks.task import TaskSpec


@dataclass(frozen=True, kw_only=True)
class PromptJudged(PromptCandidates):
    """See the module."""

    name = "prompt-judged"
    title = "Judged candidates"
    contract_exceptions = {"beats_majority": "It sees no labelled rows, and what the fake model prefers means nothing."}

    judge: str = ""
    """The model that judges; "" for the one that the candidates are drawn from."""
    duels: int = 6
    """Pairs of one row that are judged, at most; each takes two calls."""

    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.model, self.judge or self.model)))

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        return (0,)

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        """A row's samples, and two a duel. A model that scores closed answers draws them in one call, which cannot be foretold here."""
        return n_rows * (self.candidates + 2 * len(round_robin(entrants(self.most(task), self.duels))))

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> JudgedSolver:
        needs_whole(self, "duels", self.duels)
        _, asking = self.asking(task, context)
        self.second(context, self.judge or self.model, asking, judging(asking.template.instruction))
        return JudgedSolver(self.model, asking.template, asking.by_text, self.normalise, self.sampling(context))

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return JudgedSolver


class JudgedSolver(CandidateSolver):
    """See the module."""

    approach: PromptJudged

    def judged(self, inputs: Sequence[str | Inputs]) -> tuple[list[list[Candidate]], Judged]:
        """Each row's candidates, and what the judge made of all their pairs, row by row: how often it agrees with itself is told there."""
        rows = self._rows(inputs, "judged")
        drawn = self.candidates(rows)
        return drawn, self._judged(rows, drawn)

    def judge_prompts(self, inputs: Sequence[Inputs], said: Sequence[Sequence[str]]) -> list[str]:
        """The literal prompts by which each row's answers, in words, are judged, two for each pair that meets."""
        return judge_prompts(self.models.get(self.approach.judge or self.model), self._pairs(inputs, said), self.template.instruction)

    def _pairs(self, inputs: Sequence[Inputs], said: Sequence[Sequence[str]]) -> list[Pair]:
        met, lead = (round_robin(self._entrants(own)) for own in said), self.template.row.partition("{text}")[0]
        return [Pair(lead + self.asking.show(row), own[i], own[j]) for row, own, pairs in zip(inputs, said, met, strict=True) for i, j in pairs]

    def _judged(self, inputs: Sequence[Inputs], drawn: Sequence[Sequence[Candidate]]) -> Judged:
        pairs = self._pairs(inputs, [[each.said for each in own] for own in drawn])
        return judge_pairs(self.models.get(self.approach.judge or self.model), pairs, self.template.instruction)

    def _entrants(self, own: Sequence[object]) -> int:
        return entrants(len(own), self.approach.duels)

    def _weights(self, inputs: Sequence[Inputs], drawn: Sequence[Sequence[Candidate]]) -> list[list[float]]:
        """Points of those that met; those that did not have none."""
        outcomes, found = iter(self._judged(inputs, drawn).outcomes), []
        for own in drawn:
            size = self._entrants(own)
            found.append([*points(size, list(islice(outcomes, len(round_robin(size))))), *[0.0] * (len(own) - size)])
        return found
