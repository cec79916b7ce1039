"""Candidates scored by a verifier: each proposed answer is put to a model that says whether it is right, and the best one is given.

The verifier is asked "Is the proposed answer right, yes or no?", and p(yes) is softmax over log p(yes) and log p(no) (P(True): Kadavath et al.
2022, arXiv:2207.05221, section 4); of a model that only writes it is 1 or 0, and 1/2 where it says neither. Two rules choose among candidates a:

- "verifier": argmax p(yes | row, a), the best of n of Cobbe et al. 2021, arXiv:2110.14168, section 4.2, whose verifier is trained;
- "product": argmax p(yes | row, a) · p(a | row). Where p(a | row) is a share of samples this is, but for a factor, a vote in which each sample weighs
  what the verifier gives it, as in Li et al. 2022, arXiv:2206.02336, whose verifier is trained too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from fieldguide.approaches.approach import Approach, FitContext, Solver, rungs_up_to
from fieldguide.approaches.prompting.candidates.candidates import Candidate, CandidateSolver, PromptCandidates, leader
from fieldguide.approaches.prompting.candidates.verifier import Shown, demonstrated, p_yes, proposed_prompt, verifying
from fieldguide.approaches.prompting.prompt import Demonstration
from fieldguide.approaches.prompting.reasoning.thinking import needs_whole
from fieldguide.approaches.prompting.shots.chosen_shots import compared
from fieldguide.approaches.prompting.shots.selection import unlike
from fieldguide.errors import ApproachError
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Row
from fieldguide.tasks.task import TaskSpec

RULES = ("product", "verifier")


@dataclass(frozen=True, kw_only=True)
class PromptVerified(PromptCandidates):
    """See the module."""

    name = "prompt-verified"
    title = "Verified candidates"
    contract_exceptions = {"beats_majority": "It sees no labelled rows, and the fake model verifies nothing."}

    verifier: str = ""
    """The model that verifies; "" for the one that the candidates are drawn from."""
    rule: str = "product"
    """"product" of p(yes) and the candidate's own probability, or the "verifier" alone."""
    shots: int = 0
    """Training rows that the verifier is shown, each with a right and with a wrong proposal, at most."""

    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.model, self.verifier or self.model)))

    def label_counts(self, ladder: Sequence[int]) -> tuple[int, ...]:
        return rungs_up_to(ladder, self.shots) if self.shots else (0,)

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        """A row's samples, and a look at each candidate. A model that scores closed answers draws them in one call, which cannot be foretold here."""
        return n_rows * (self.candidates + self.most(task)) + min(self.shots, n_labels) * self.candidates

    def _fit(self, task: TaskSpec, train: tuple[Row, ...], context: FitContext) -> VerifiedSolver:
        needs_whole(self, "shots", self.shots, 0)
        if self.rule not in RULES:
            raise ApproachError(f"{self.title} takes no rule={self.rule!r}; give {' or '.join(RULES)}.")
        if self.shots and not train:
            raise ApproachError("Right and wrong proposals are made of labelled rows, and none were given; give at least one, or take shots=0.")
        _, asking = self.asking(task, context)
        verifier = self.second(context, self.verifier or self.model, asking, verifying(asking.template))
        solver = VerifiedSolver(self.model, asking.template, asking.by_text, self.normalise, self.sampling(context))
        if self.shots:
            solver._bind(self, task, context.models)
            solver.shown = demonstrated(solver, verifier, train, self.shots, context.seed)
            if not solver.shown:
                raise ApproachError("No training row with a right and a wrong proposal fits into the prompt; give other rows, or take shots=0.")
        return solver

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return VerifiedSolver


class VerifiedSolver(CandidateSolver):
    """See the module."""

    approach: PromptVerified
    shown: Sequence[Shown] = ()

    def verified(self, inputs: Sequence[str | Inputs]) -> list[list[tuple[Candidate, float]]]:
        """Each row's candidates, the most probable first, with p(yes) of each."""
        rows = self._rows(inputs, "verified")
        drawn = self.candidates(rows)
        return [list(zip(own, sure, strict=True)) for own, sure in zip(drawn, self._sure(rows, drawn), strict=True)]

    def confidence(self, inputs: Sequence[str | Inputs]) -> list[float | None]:
        """p(yes) of the answer that `predict` gives to each row; None where it gives none."""
        return [own[leader([self._weight(*each) for each in own])][1] if own else None for own in self.verified(inputs)]

    def verifier_prompts(self, inputs: Sequence[Inputs], said: Sequence[Sequence[str]]) -> list[list[str]]:
        """The literal prompts that put each row's proposed answers, in words, to the verifier."""
        model, asking, texts = self.models.get(self.approach.verifier or self.model), self.asking, [text for _, text in self.shown]
        found = []
        for row, own in zip(inputs, said, strict=True):
            kept = [self.shown[i][0] for i in unlike(range(len(texts)), texts, compared(self.task, row))] if texts else []
            found.append([proposed_prompt(model, asking, row, each, kept) for each in own])
        return found

    def _sure(self, inputs: Sequence[Inputs], drawn: Sequence[Sequence[Candidate]]) -> list[list[float]]:
        asked = self.verifier_prompts(inputs, [[each.said for each in own] for own in drawn])
        sure = iter(p_yes(self.models.get(self.approach.verifier or self.model), [prompt for own in asked for prompt in own]))
        return [[next(sure) for _ in own] for own in asked]

    def _weight(self, candidate: Candidate, sure: float) -> float:
        return sure * candidate.share if self.approach.rule == "product" else sure

    def _weights(self, inputs: Sequence[Inputs], drawn: Sequence[Sequence[Candidate]]) -> list[list[float]]:
        return [[self._weight(*each) for each in zip(own, sure, strict=True)] for own, sure in zip(drawn, self._sure(inputs, drawn), strict=True)]

    def _save(self, folder: Path) -> Mapping[str, Any]:
        return {**super()._save(folder), "shown": [list(each) for each in self.shown]}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        solver = super()._load(folder, state, approach, task, models)
        solver.shown = [(Demonstration(**each), text) for each, text in state["shown"]]
        return solver
