"""A model without weights: for tests, examples, contract suites and dry runs, where a real model would only cost time.

It is shaped like a language model and learns in context like a very small one, so that every approach runs on it unchanged:

- `embed` hashes words and character trigrams into a unit vector: texts that share words lie close together;
- `score` reads the prompt as blocks (parted by a blank line), compares the last block with the earlier ones, and finds an
  option likely if it ends the blocks that look most alike, or if it shares words with the last block;
- `generate` answers the last block as its most similar earlier block was answered, or repeats some of its words.

All answers depend on the text and the seed alone: not on the batch, the process or the time. A token is a word. Its quality
says nothing about any real model.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence

import numpy as np

from fieldguide.errors import ModelError
from fieldguide.models.model import Generation, Model, ModelFacts, Scores
from fieldguide.records import Usage

DIMS = 256
_SHARPNESS = 12.0  # how strongly the most similar block outweighs the others
_FLOOR = 0.02  # the share of probability that evidence cannot take away
_FLOPS_A_TOKEN = 1000.0  # invented, so that usage is positive


def load_fake(reference: str) -> FakeModel:
    """`fake:`, `fake:<seed>` or `fake:<seed>,noise=<float>`: noise is the standard deviation, in nats, of a fixed error on each score."""
    rest = reference.partition(":")[2]
    found = re.fullmatch(r"(\d*)(?:,noise=(\d+(?:\.\d+)?))?", rest)
    if not found:
        raise ModelError(f"The model reference {reference!r} is not understood; write fake:, fake:7 or fake:7,noise=0.5.")
    return FakeModel(reference, int(found[1] or 0), float(found[2] or 0.0))


load_fake.identity = lambda reference: load_fake(reference).facts.identity  # type: ignore[attr-defined]


class FakeModel(Model):
    """See the module. `seed` changes the hash and the ties; `noise` makes scores worse, in a repeatable way."""

    def __init__(self, reference: str = "fake:", seed: int = 0, noise: float = 0.0) -> None:
        self.seed, self.noise = seed, noise
        self.facts = ModelFacts(
            reference=reference,
            identity=f"fake-1-{seed}-{noise:g}",
            can=frozenset({"score", "generate", "embed"}),
            type="causal",
            parameters=0,
            compute_parameters=int(_FLOPS_A_TOKEN / 2),
            dims=DIMS,
            licence="Apache-2.0",
        )

    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        rows = [self._log_probabilities(prompt, own) for prompt, own in zip(prompts, options, strict=True)]
        tokens = tuple(
            tuple(_even(total, len(_words(option)) or 1) for total, option in zip(row, own, strict=True))
            for row, own in zip(rows, options, strict=True)
        )
        sent = sum(len(_words(p)) + sum(len(_words(o)) or 1 for o in own) for p, own in zip(prompts, options, strict=True))
        totals = tuple(tuple(math.fsum(parts) for parts in row) for row in tokens)
        return Scores(totals, tokens), Usage(prompt_tokens=sent, forward_flops=_FLOPS_A_TOKEN * sent)

    def _generate(
        self, prompts: Sequence[str], *, max_tokens: int, stop: tuple[str, ...], n: int, temperature: float, seed: int
    ) -> tuple[list[list[Generation]], Usage]:
        rows = [[self._continue(p, max_tokens, stop, (seed, i) if temperature > 0 else None) for i in range(n)] for p in prompts]
        sent = sum(len(_words(p)) * n for p in prompts)
        written = sum(g.tokens for row in rows for g in row)
        return rows, Usage(prompt_tokens=sent, completion_tokens=written, forward_flops=_FLOPS_A_TOKEN * (sent + written))

    def _embed(self, texts: Sequence[str]) -> tuple[np.ndarray, Usage]:
        sent = sum(max(len(_words(t)), 1) for t in texts)
        return np.stack([self._vector(t) for t in texts]), Usage(prompt_tokens=sent, forward_flops=_FLOPS_A_TOKEN * sent)

    def _log_probabilities(self, prompt: str, options: Sequence[str]) -> list[float]:
        *shown, asked = _blocks(prompt)
        weights = self._likeness(shown, asked)
        asked_words = set(_words(asked))

        def one(option: str) -> float:
            said, names = option.strip().lower(), set(_words(option))
            evidence = sum(w for w, block in zip(weights, shown, strict=True) if said and block.lower().endswith(said)) / (sum(weights) or 1.0)
            shared = len(names & asked_words) / (len(names) or 1)
            error = self.noise * self._normal(prompt, option) - 0.01 * self._uniform("tie", prompt, option)
            return min(math.log(_FLOOR + 0.7 * evidence + 0.25 * shared) + error, -1e-6)

        return [one(option) for option in options]

    def _continue(self, prompt: str, max_tokens: int, stop: tuple[str, ...], draw: tuple[int, int] | None) -> Generation:
        *shown, asked = _blocks(prompt)
        cue = asked.rsplit("\n", 1)[-1].rstrip()
        if shown and draw is None:
            weights = self._likeness(shown, asked)
            nearest = shown[max(range(len(shown)), key=weights.__getitem__)]
            line = nearest.rsplit("\n", 1)[-1]
            text = line[len(cue) :] if line.startswith(cue) else " " + line
        else:
            words = _words(asked) or ["nothing"]
            text = "".join(f" {words[int(self._uniform('word', prompt, str(draw), str(k)) * len(words))]}" for k in range(8))
        cut = min((at for mark in stop if mark and (at := text.find(mark)) >= 0), default=len(text))
        pieces = re.findall(r"\s*\S+", text[:cut])
        finish = "length" if len(pieces) > max_tokens else "stop"
        kept = "".join(pieces[:max_tokens])
        return Generation(kept, tokens=len(pieces[:max_tokens]), finish=finish)

    def _likeness(self, shown: Sequence[str], asked: str) -> list[float]:
        """How strongly each earlier block speaks: exp(sharpness × cosine) with the last one."""
        query = self._vector(asked)
        return [math.exp(_SHARPNESS * float(self._vector(block) @ query)) for block in shown]

    def _vector(self, text: str) -> np.ndarray:
        words = _words(text)
        bag = [(word, 1.0) for word in words]
        bag += [(f" {word} "[i : i + 3], 0.3) for word in words for i in range(len(word))]
        vector = np.zeros(DIMS, dtype=np.float64)
        for piece, weight in bag or [(text, 1.0)]:
            number = self._number("embed", piece)
            vector[number % DIMS] += weight if (number >> 32) & 1 else -weight
        length = float(np.linalg.norm(vector))
        if length == 0:  # pieces that cancel out exactly
            vector[0] = length = 1.0
        return (vector / length).astype(np.float32)

    def _number(self, *parts: str) -> int:
        text = "\x1f".join((str(self.seed), *parts))
        return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")

    def _uniform(self, *parts: str) -> float:
        return self._number(*parts) / 2**64

    def _normal(self, *parts: str) -> float:
        """Box–Muller from two hashes."""
        u, v = max(self._uniform("u", *parts), 1e-12), self._uniform("v", *parts)
        return math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)


def _blocks(prompt: str) -> list[str]:
    return [block for block in (b.strip() for b in prompt.split("\n\n")) if block] or [""]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _even(total: float, parts: int) -> tuple[float, ...]:
    return (total / parts,) * parts
