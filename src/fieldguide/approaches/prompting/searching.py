"""One search for an instruction: proposals, halving, rounds of variation or a policy over edits, and the last look at the best.

Everything that is asked and found goes into `log`, as plain values: a line for each prompt sent to the proposer, for each episode of the
policy, for each candidate with its scores, and last the choice with the calls that all of it took.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fieldguide.approaches.prompting.asking import Asking
from fieldguide.approaches.prompting.edits import ENDS, EditPolicy, bare, phrases
from fieldguide.approaches.prompting.halving import halved
from fieldguide.approaches.prompting.instruction_scores import InstructionScores
from fieldguide.approaches.prompting.prompt import PromptSolver, check_room
from fieldguide.approaches.prompting.proposals import (
    ROOM,
    cleaned,
    continuation,
    draws,
    examples_of,
    framed,
    key,
    relation_draws,
    rewording,
    thing_of,
)
from fieldguide.errors import ApproachError
from fieldguide.models.meter import metering
from fieldguide.models.model import Generation, Model
from fieldguide.records import Row
from fieldguide.tasks.template import Template

STOCK = 8
"""Instructions of a kind's own templates that are scored, at most."""
KEPT = 4
"""The best, which rounds vary and which are judged on all rows at the end."""
SAMPLES, RELATION_SAMPLES = 6, 2
"""Texts that are drawn from one prompt to the proposer, and from one of the shorter prompts for a relation."""
EPISODES, MOST_EDITS, POOL, POLICY_ROWS = 4, 3, 24, 12
"""Episodes between two steps of the policy, edits of an episode, phrases that may be appended, rows that pay an episode."""


@dataclass(frozen=True)
class Settings:
    """The parameters of `prompt-search` that decide a search, and its seed."""

    search: str
    judge_by: str
    candidates: int
    examples: int
    temperature: float
    rounds: int
    variations: int
    budget: int
    seed: int


class Search:
    """See the module. `shown` are the rows that the proposer sees, `held` those that score."""

    def __init__(
        self, model: Model, proposer: Model, asking: Asking, prompted: Callable[[str], PromptSolver], shown: Sequence[Row], held: Sequence[Row],
        settings: Settings, progress: Callable[[str, float], None],
    ) -> None:  # fmt: skip
        self.model, self.proposer, self.asking, self.set, self.progress = model, proposer, asking, settings, progress
        own = [asking.template, *asking.reader.templates(asking.task)]
        self.stock = list(dict.fromkeys(template.instruction for template in own))[:STOCK]
        self.origin = dict.fromkeys(self.stock, "the kind's own")
        room = max(settings.budget // (2 * self._finalists), 1)  # half of the budget is kept for judging the finalists on all rows
        self.scores = InstructionScores(model, held[:room], settings.judge_by, prompted)
        self.examples = examples_of(asking, shown)
        self.rng = np.random.default_rng([settings.seed, 3371])
        self.calls, self.asked = 0, 0
        self.log: list[dict[str, Any]] = []

    @property
    def _finalists(self) -> int:
        return len(self.stock) + KEPT

    @property
    def _left(self) -> int:
        """Calls that may still be spent before the last look."""
        ready = sum(self.scores.seen(text) for text in self.stock)
        return self.set.budget - self.calls - self._finalists * len(self.scores.rows) + ready

    def _share(self, rounds: int) -> int:
        """What one halving may spend where so many rounds follow it: an equal part of what is left when these have written theirs."""
        writing = 0 if self.set.search == "policy" else rounds * self.set.variations
        return (self._left - writing) // (rounds + 1)

    def best(self) -> str:
        """The instruction that scores best on all held-out rows, of ties the kind's own first."""
        ranked = list(self.stock)
        if self.examples:
            proposed = self._proposed()
            ranked = self._halved([*proposed, *self.stock], self._share(self.set.rounds))
            ranked = self._by_policy(ranked, proposed) if self.set.search == "policy" else self._by_rounds(ranked)
        rows, finalists = len(self.scores.rows), list(dict.fromkeys([*self.stock, *ranked[:KEPT]]))
        found = self._judged(finalists, rows)
        best = finalists[int(np.argmax(found))]
        for text, origin in self.origin.items():
            seen = self.scores.seen(text)
            score = self._judged([text], seen)[0] if seen else None  # from what is remembered
            self.log.append({"step": "candidate", "instruction": text, "origin": origin, "rows": seen, "score": score})
        self.log.append(
            {"step": "choice", "instruction": best, "origin": self.origin[best], "rows": rows, "score": max(found), "judge_by": self.set.judge_by,
             "stock_score": max(found[: len(self.stock)]), "calls": self.calls}
        )  # fmt: skip
        return best

    def _proposed(self) -> list[str]:
        """Instructions written from examples: half of them forward, half by infilling how an answer relates to its text."""
        self.progress("proposing instructions", 0.05)
        infilled = self.set.candidates // 2 // RELATION_SAMPLES
        thing, forward = thing_of(self.examples), self.set.candidates - infilled * RELATION_SAMPLES
        samples = min(SAMPLES, forward)
        relations = relation_draws(self.examples, infilled, self.rng, self.proposer)
        found = self._written("infilled", relations, RELATION_SAMPLES, lambda own, place: framed(own, place, thing))
        prompts = draws(self.examples, forward // samples, self.set.examples, self.rng, self.proposer)
        return found + self._written("proposed", prompts, samples, lambda own, place: cleaned(own))

    def _written(self, origin: str, prompts: Sequence[str], samples: int, read: Callable[[Generation, int], str | None]) -> list[str]:
        """What the proposer writes to these prompts, as instructions that were not there before; `read` is told the place of a text among all of them."""
        if not prompts:
            return []
        stop = [] if self.proposer.facts.type == "api" else ["\n"]
        self.asked += 1
        how = {"temperature": self.set.temperature, "seed": self.set.seed * 1009 + self.asked}
        with metering() as meter:
            found = self.proposer.generate(list(prompts), max_tokens=ROOM, stop=stop, n=samples, **how)  # type: ignore[arg-type]
        self.calls += meter.usage.calls
        known, fresh = {key(text) for text in self.origin}, list[str]()
        for i, (prompt, own) in enumerate(zip(prompts, found, strict=True)):
            self.log.append({"step": "prompt", "for": origin, "prompt": prompt, "written": [each.text for each in own], **how})
            for k, each in enumerate(own):
                text = read(each, i * samples + k)
                if text and key(text) not in known and self._fits(text):
                    known.add(key(text))
                    self.origin[text] = origin
                    fresh.append(text)
        return fresh

    def _fits(self, instruction: str) -> bool:
        """Whether the instruction leaves room for a row in the model's context."""
        frame = self.asking.template
        template = Template(frame.name, instruction, frame.row, frame.answer, frame.separator)
        try:
            check_room(self.model, Asking(self.asking.task, template, self.asking.by_text))
        except ApproachError:
            return False
        return True

    def _judged(self, instructions: Sequence[str], seen: int) -> list[float]:
        with metering() as meter:
            found = self.scores(instructions, seen)
        self.calls += meter.usage.calls
        return found

    def _halved(self, instructions: Sequence[str], budget: int) -> list[str]:
        return halved(list(instructions), self._judged, budget, len(self.scores.rows))

    def _by_rounds(self, ranked: list[str]) -> list[str]:
        """Rounds in which the best are said in other words, and begun and written to another end from examples (APE, section 3.3)."""
        for done in range(self.set.rounds):
            self.progress(f"round {done + 1} of variations", 0.2 + 0.7 * (done + 1) / (self.set.rounds + 1))
            tops = [text for text in ranked if text][:KEPT]
            if not tops:
                break
            samples = max(self.set.variations // (2 * len(tops)), 1)
            most = max(self.set.variations // samples, 1)
            prompts = [rewording(text, self.rng) for text in tops][:most]
            fresh = self._written("said in other words", prompts, samples, lambda own, place: cleaned(own))
            if more := most - len(prompts):
                drawn = draws(self.examples, min(len(tops), more), self.set.examples, self.rng, self.proposer)
                goes_on = [continuation(prompt, text, self.rng) for prompt, text in zip(drawn, tops, strict=False)]
                begun = [own for _, own in goes_on]
                fresh += self._written("begun like a good one", [prompt for prompt, _ in goes_on], samples, _going_on(begun, samples))
            fresh += self._punctuated(tops)
            ranked = self._halved([*ranked[:KEPT], *fresh], self._share(self.set.rounds - done - 1))
        return ranked

    def _punctuated(self, tops: Sequence[str]) -> list[str]:
        """The best with another mark at their end, or none."""
        fresh = [text for own in tops for mark in ENDS if (text := bare(own) + mark) not in self.origin]
        self.origin.update(dict.fromkeys(fresh, "punctuated"))
        return fresh

    def _by_policy(self, ranked: list[str], proposed: Sequence[str]) -> list[str]:
        """Episodes of the policy from the best instruction on, until the budget ends; one that does better is where the next ones start."""
        rows = min(POLICY_ROWS, len(self.scores.rows))
        if self._left < KEPT * rows:
            return ranked
        pool = list(dict.fromkeys(piece for text in ranked if text in set(proposed) for piece in phrases(text)[1:]))[:POOL]
        policy = EditPolicy(pool, self.set.seed)
        paid = {text: score for text, score in zip(ranked[:KEPT], self._judged(ranked[:KEPT], rows), strict=True) if text}
        while paid and self._left >= EPISODES * (rows + MOST_EDITS):
            self.progress("editing", min(1 - self._left / self.set.budget, 0.95))
            before = self.calls
            start = max(paid, key=paid.__getitem__)
            episodes = [policy.episode(start, MOST_EDITS, self._reworded) for _ in range(EPISODES)]
            rewards = self._judged([episode.instruction for episode in episodes], rows)
            policy.learn(episodes, rewards)
            for episode, reward in zip(episodes, rewards, strict=True):
                paid[episode.instruction] = reward
                self.origin.setdefault(episode.instruction, "edited")
                self.log.append(
                    {"step": "episode", "start": start, "edits": list(episode.edits), "instruction": episode.instruction, "reward": reward}
                )
            if self.calls == before:  # nothing new was tried
                break
        return sorted(paid, key=lambda text: -paid[text])

    def _reworded(self, instruction: str) -> str | None:
        """The instruction in other words; None where nothing new came of it."""
        return next(iter(self._written("said in other words", [rewording(instruction, self.rng)], 1, lambda own, place: cleaned(own))), None)


def _going_on(begun: Sequence[str], samples: int) -> Callable[[Generation, int], str | None]:
    """How to read texts that go on from the beginnings of instructions, so many for each."""
    return lambda own, place: cleaned(own, begun[place // samples])
