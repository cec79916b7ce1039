"""Self-consistency: several chains of thought are sampled, and the answer that most of them come to wins (Wang et al. 2022, arXiv:2203.11171).

Reasoning is sampled, the answer after it is taken greedily, as `prompt-cot` takes it. Samples are drawn in blocks, and a row is done when its
vote is settled (`votes.settled`), or likely to be (`votes.lead_probability`; Aggarwal et al. 2023, arXiv:2305.11860). Each sample has a
seed of its own, so those of a row that stops early are the first of those that it would have had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from fieldguide.approaches.approach import Approach, FitContext, Solver
from fieldguide.approaches.prompting.prompt import Demonstration
from fieldguide.approaches.prompting.reasoning.reasoning import Thinking
from fieldguide.approaches.prompting.reasoning.thinking import PromptCot, ThinkingSolver, needs_whole
from fieldguide.approaches.prompting.reasoning.votes import Vote, enough, normalised, said, shares, winner
from fieldguide.approaches.prompting.samples import BETWEEN
from fieldguide.errors import ApproachError
from fieldguide.models.model import Generation, Model
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Prediction, Unparsed
from fieldguide.tasks.task import TaskSpec

VOTES = ("majority", "weighted")
SEED_STRIDE = 100_003
"""Between the first samples of neighbouring seeds, so that their samples are others."""
Sample = tuple[Generation, Prediction]
"""Reasoning and the answer after it."""


@dataclass(frozen=True, kw_only=True)
class SelfConsistency(PromptCot):
    """See the module."""

    name = "prompt-self-consistency"
    title = "Self-consistency"

    samples: int = 10
    """Chains of a row, at most."""
    temperature: float = 0.7
    vote: str = "majority"
    """"majority", or "weighted" by exp(log p / tokens) of each sample's reasoning."""
    block: int = 2
    """Samples that are drawn before it is asked whether they are enough; from `samples` on there is no stopping early."""
    stop: float = 0.0
    """0 stops a row only where the samples left can change nothing; above 1/2 and below 1 also where the leader leads with that probability."""

    def repeats(self) -> bool:
        return True

    def calls(self, n_labels: int, n_rows: int, task: TaskSpec) -> int:
        return 2 * n_rows * self.samples + self._fit_calls(n_labels) + (self.vote == "weighted")

    def asking(self, task: TaskSpec, context: FitContext) -> tuple[Model, Thinking]:
        needs_whole(self, "samples", self.samples, 2)
        needs_whole(self, "block", self.block)
        if not 0 < self.temperature < float("inf"):
            raise ApproachError(f"{self.title} takes no temperature={self.temperature!r}; give more than 0, or take prompt-cot for one greedy chain.")
        if self.vote not in VOTES:
            raise ApproachError(f"{self.title} takes no vote={self.vote!r}; give {' or '.join(VOTES)}.")
        if not (self.stop == 0 or 0.5 < self.stop < 1):
            raise ApproachError(
                f"{self.title} takes no stop={self.stop!r}; give a probability above 0.5 and below 1, such as 0.95, or 0 to stop only where the vote is settled."
            )
        return super().asking(task, context)

    def _solver(self, model: Model, asking: Thinking, shown: Sequence[Demonstration], context: FitContext) -> VotingSolver:
        if self.vote == "weighted" and model.generate([asking.trigger], max_tokens=1)[0][0].logprob is None:
            raise ApproachError(f"The model {self.model!r} does not tell how likely what it writes is, so its samples have no weights; take vote='majority'.")
        solver = VotingSolver(self.model, asking.template, shown, asking.by_text, self.normalise, asking.trigger, asking.reasoning_tokens)
        solver.seed = context.seed
        return solver

    @classmethod
    def solver_class(cls) -> type[Solver]:
        return VotingSolver


class VotingSolver(ThinkingSolver):
    """See the module."""

    approach: SelfConsistency
    seed: int = 0

    def draws(self, inputs: list[Inputs]) -> list[list[Sample]]:
        """The samples of rows that have an answer, in the order in which they were drawn."""
        model = self.models.get(self.model)
        return self._drawn(model, inputs, self._prompts(model, inputs))

    def votes(self, samples: Sequence[Sample]) -> list[Vote]:
        weighted = self.approach.vote == "weighted"
        return [(said(self.task.reader.answer, answer), normalised(own.logprob, own.tokens) if weighted else 1.0) for own, answer in samples]

    def _answered(self, model: Model, inputs: list[Inputs], prompts: list[str]) -> list[Prediction]:
        return [self._voted(row, samples) for row, samples in zip(inputs, self._drawn(model, inputs, prompts), strict=True)]

    def _drawn(self, model: Model, inputs: Sequence[Inputs], prompts: Sequence[str]) -> list[list[Sample]]:
        how, found = self.approach, [list[Sample]() for _ in inputs]
        going = list(range(len(inputs)))
        for first in range(0, how.samples, how.block):
            last = min(first + how.block, how.samples)
            rows, asked = [inputs[i] for i in going], [prompts[i] for i in going]
            blocks = [self._reasoned(model, rows, asked, temperature=how.temperature, seed=self.seed * SEED_STRIDE + k) for k in range(first, last)]
            reasoned = [own for block in blocks for own in block]
            answers = self._concluded(model, rows * len(blocks), asked * len(blocks), reasoned)
            for k, sample in enumerate(zip(reasoned, answers, strict=True)):
                found[going[k % len(going)]].append(sample)
            going = [i for i in going if not enough(self.votes(found[i]), how.samples - last, how.stop)]
            if not going:
                break
        return found

    def _voted(self, row: Inputs, samples: Sequence[Sample]) -> Prediction:
        """The winner as its first sample gave it, with the share of samples that gave each answer where answers are closed."""
        votes, text = self.votes(samples), BETWEEN.join(answer.text or "" for _, answer in samples)
        best = winner(votes)
        if best is None:
            why = samples[0][1].value
            assert isinstance(why, Unparsed)
            return Prediction(why, text=text)
        value = next(answer.value for (own, _), (_, answer) in zip(votes, samples, strict=True) if own == best)
        options = [] if self.asking.written else list(self.task.reader.options(self.task, row))
        return Prediction(value, shares(votes, options) if options else None, text)

    def _save(self, folder: Path) -> Mapping[str, Any]:
        return {**super()._save(folder), "seed": self.seed}

    @classmethod
    def _load(cls, folder: Path, state: Mapping[str, Any], approach: Approach, task: TaskSpec, models: ModelPool) -> Self:
        solver = super()._load(folder, state, approach, task, models)
        solver.seed = state["seed"]
        return solver
