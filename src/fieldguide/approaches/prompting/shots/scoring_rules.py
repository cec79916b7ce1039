"""Rules that turn log-probabilities of closed answers into scores: priors to take off, random texts to measure them on, a channel to read backwards.

All scores are log-probabilities in nats up to a constant of their row: softmax over a row's options gives probabilities. With p(y | x) what the
model finds of option y after the prompt of row x, and p̄(y) what it finds where the prompt holds no content:

- contextual calibration (Zhao et al. 2021, ICML 2021, arXiv:2102.09690, section 5): q = diag(p̂_cf)⁻¹ p̂ with b = 0, renormalised; p̂_cf is the mean
  over the inputs "N/A", "[MASK]" and "" of p̂, which sums to 1 over the labels. (The authors' code takes the mean before p̂ is made to sum to 1.)
- domain-context calibration (Fei et al. 2023, ACL 2023, arXiv:2305.19148): the same with the mean over 20 texts of random words of the task.
- domain conditional PMI (Holtzman et al. 2021, EMNLP 2021, arXiv:2104.08315, PMI_DC): log p(y | x) − log p(y | domain premise).
- noisy channel (Min et al. 2022, ACL 2022, arXiv:2108.04106, figure 1): log p(x | y), all y being as likely beforehand.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from fieldguide.tasks.template import Template
from fieldguide.tasks.words import UNSPACED

CONTENT_FREE = ("N/A", "[MASK]", "")
"""What stands for a row without content (Zhao et al. 2021, section 5)."""
DRAWS = 20
"""Random texts of domain-context calibration (Fei et al. 2023)."""
PROMPTS = {"plain": 0, "length": 0, "contextual": len(CONTENT_FREE), "domain": DRAWS, "pmi": 1, "channel": 0}
"""Rule → prompts without content that the prior of one set of options is taken from."""
LEAST = -1e6
"""Nats: the lowest log-prior, so that it can be taken off and saved."""
PIECE = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")
"""What random texts are made of: what stands between spaces; one character of a script that is written without."""
INSIDE = re.compile(rf"(?<=[{UNSPACED}]) (?=[{UNSPACED}])")


def log_prior(scores: np.ndarray) -> np.ndarray:
    """log p̄, shape (options,), from log p(option | prompt without content), shape (prompts, options).

    p̄ is the mean over the prompts of p, which is first made to sum to 1 over the options.
    """
    scores = np.asarray(scores, dtype=np.float64)
    shares = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
    return np.maximum(np.logaddexp.reduce(shares, axis=0) - math.log(len(scores)), LEAST)


def without_prior(scores: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """log p(y | x) − log p̄(y), shape (options,): softmax of it is diag(p̄)⁻¹ p, renormalised, and its order that of PMI."""
    return np.asarray(scores, dtype=np.float64) - np.asarray(prior, dtype=np.float64)


def through_channel(joint: np.ndarray, alone: np.ndarray) -> np.ndarray:
    """log p(x | y) = log p(y, x) − log p(y), shape (options,)."""
    return np.asarray(joint, dtype=np.float64) - np.asarray(alone, dtype=np.float64)


def random_texts(texts: Sequence[str], draws: int, rng: np.random.Generator) -> list[str]:
    """`draws` texts of words that are drawn from `texts` with replacement, frequent ones as often as they stand there, each of their mean length."""
    pieces = [piece for text in texts for piece in PIECE.findall(text)]
    if not pieces:
        return [""] * draws
    size = max(round(len(pieces) / len(texts)), 1)
    return [INSIDE.sub("", " ".join(pieces[i] for i in rng.integers(len(pieces), size=size))) for _ in range(draws)]


def premise(template: Template) -> str:
    """The domain premise: what a row's prompt says after its text ("Answer:"), without instruction and demonstrations, as Holtzman et al. have it."""
    return _around(template)[1]


def turned(template: Template, demonstrations: Sequence[tuple[str, str]]) -> str:
    """The channel prompt up to an answer: demonstrations, (text, answer), with their answers first, then what announces an answer ("Label:").

    It has no instruction, which would ask for the answer and not for the text; nor have those of Min et al.
    """
    announced = premise(template)
    blocks = [announced + backwards(template, text, answer) for text, answer in demonstrations]
    return template.separator.join([*blocks, announced])


def backwards(template: Template, text: str, answer: str) -> str:
    """An answer, then the text of its row, as they continue what announces an answer."""
    return f"{template.option(answer)}\n{_around(template)[0]}{text}"


def shared_start(one: str, other: str) -> str:
    """What both texts begin with."""
    same = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:same]


def _around(template: Template) -> tuple[str, str]:
    """What stands before and after a row's text."""
    before, _, after = template.row.format(text="\0").partition("\0")
    return before, after.strip()
