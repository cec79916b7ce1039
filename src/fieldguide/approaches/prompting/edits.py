"""A small policy over edits of an instruction, learned by REINFORCE (Williams 1992, Machine Learning 8:229–256, section 4).

An instruction is a list of phrases. An episode edits it a few times and is paid the score of what comes out. The policy is one softmax over the
edits, θ its logits, whatever the instruction is: drop a phrase, swap two neighbours, say all in other words, change the mark at the end, append
one phrase of a pool, or stop. But for the mark and the end the edits are those of GrIPS (Prasad et al. 2022, arXiv:2203.07281), which tries them at random.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

DROP, SWAP, REWORD, STOP, MARK = range(5)
"""Edits by number; number 5 + j appends phrase j of the pool."""
NAMES = ("drop", "swap", "reword", "stop", "mark")
ENDS = ("", ".", ":")
"""Marks at an instruction's end: such trifles move small models by many points (Sclar et al. 2023, arXiv:2310.11324)."""
MOST_PHRASES = 12
"""Phrases that an instruction may come to have."""
_SEAM = re.compile(r"(?<=[,;:])\s+|\s+(?=(?:and|as|by|for|from|in|into|of|or|so|that|to|using|which|with|without)\b)", re.IGNORECASE)

Step = tuple[int, np.ndarray]
"""The edit taken, and which edits could have been: (edits,) bool."""


def phrases(instruction: str) -> list[str]:
    """The instruction in pieces: cut after commas and the like, and before small words that begin a phrase."""
    return [piece for part in _SEAM.split(bare(instruction)) if (piece := part.strip())]


def bare(instruction: str) -> str:
    """The instruction without a full stop or colon at its end."""
    return instruction.strip().rstrip(".: ")


def joined(pieces: Sequence[str], mark: str) -> str:
    """Pieces as one instruction, with a capital letter and a mark at its end."""
    text = " ".join(pieces).strip().rstrip(",;:. ")
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('?', '!')) else mark}" if text else ""


@dataclass(frozen=True)
class Episode:
    """What one episode did: the edits in words, the instruction that came out, and the steps that the policy learns from."""

    edits: tuple[str, ...]
    instruction: str
    steps: tuple[Step, ...]


class EditPolicy:
    """π(a) = exp θ_a / Σ_b exp θ_b over the edits b that are possible, from θ = 0 on."""

    def __init__(self, pool: Sequence[str], seed: int, rate: float = 0.5) -> None:
        self.pool, self.rate = tuple(pool), rate
        self.logits = np.zeros(len(NAMES) + len(self.pool))
        self.rng = np.random.default_rng([seed, 3359])
        self.rewards: list[float] = []

    def probabilities(self, possible: np.ndarray) -> np.ndarray:
        """(edits,) probabilities, 0 where an edit is not possible."""
        found = np.where(possible, np.exp(self.logits - self.logits[possible].max()), 0.0)
        return np.asarray(found / found.sum())

    def episode(self, start: str, most: int, reword: Callable[[str], str | None]) -> Episode:
        """Up to `most` edits of an instruction, drawn from the policy. `reword` says it in other words; None where that came to nothing."""
        pieces, steps, edits = phrases(start), list[Step](), list[str]()
        mark = start[-1:] if start.endswith(ENDS[1:]) else ""
        for _ in range(most):
            possible = self._possible(pieces)
            edit = int(self.rng.choice(len(self.logits), p=self.probabilities(possible)))
            steps.append((edit, possible))
            edits.append(NAMES[edit] if edit < len(NAMES) else f"append {self.pool[edit - len(NAMES)]}")
            if edit == STOP:
                break
            mark = ENDS[(ENDS.index(mark) + 1) % len(ENDS)] if edit == MARK else mark
            pieces = self._edited(pieces, edit, reword)
        return Episode(tuple(edits), joined(pieces, mark), tuple(steps))

    def learn(self, episodes: Sequence[Episode], rewards: Sequence[float]) -> None:
        """θ += α (r − b) Σ_t ∇ log π(a_t) for each episode, where ∇ log π(a) = 1_a − π over the edits that were possible.

        The baseline b is the mean of all rewards before this call, or of its own where it is the first; r − b is divided by the standard deviation of
        all rewards so far, which makes one step size serve log-probabilities and shares alike.
        """
        baseline = float(np.mean(self.rewards or list(rewards)))
        self.rewards += [float(reward) for reward in rewards]
        spread = float(np.std(self.rewards))
        if spread <= 1e-12:
            return
        slope = np.zeros_like(self.logits)
        for episode, reward in zip(episodes, rewards, strict=True):
            for edit, possible in episode.steps:
                slope += (reward - baseline) / spread * (np.eye(len(self.logits))[edit] - self.probabilities(possible))
        self.logits = self.logits + self.rate * slope

    def _possible(self, pieces: Sequence[str]) -> np.ndarray:
        held = {piece.casefold() for piece in pieces}
        fits = [len(pieces) < MOST_PHRASES and phrase.casefold() not in held for phrase in self.pool]
        return np.array([len(pieces) > 1, len(pieces) > 1, True, True, True, *fits])

    def _edited(self, pieces: list[str], edit: int, reword: Callable[[str], str | None]) -> list[str]:
        if edit == DROP:
            gone = int(self.rng.integers(len(pieces)))
            return [piece for i, piece in enumerate(pieces) if i != gone]
        if edit == SWAP:
            i = int(self.rng.integers(len(pieces) - 1))
            return [*pieces[:i], pieces[i + 1], pieces[i], *pieces[i + 2 :]]
        if edit == REWORD:
            said = reword(joined(pieces, "."))
            return phrases(said) if said else pieces
        return pieces if edit == MARK else [*pieces, self.pool[edit - len(NAMES)]]
